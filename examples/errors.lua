-- Tells failures apart. Nothing is uploaded twice by mistake: look at err.possiblyStored before you try again.
--
--     lua examples/errors.lua clip.mp4 animated.gif missing.jpg
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

-- err.code names the failure, err.kind the family it belongs to. Both are stable; err.message is for people.
local function advice(err)
  if err.possiblyStored then
    return "look at the media library before sending it again"
  elseif err.code == "unsupported_media_type" then
    return "convert it to JPEG, WebP, MP4, WebM or QuickTime"
  elseif err.kind == "auth" then
    return "check the API key"
  elseif err.kind == "input" then
    return "correct what was given; trying again will not help"
  elseif err.retryable then
    return "try again later"
  else
    return "report it, with err.code and info.requestId"
  end
end

if not arg[1] then
  io.stderr:write("usage: lua examples/errors.lua FILE …\n")
  os.exit(2)
end

for _, path in ipairs(arg) do
  local media, err = loomta.upload { file = path }
  if media then
    print(path .. ": stored as " .. media.id)
  else
    print(path .. ": " .. tostring(err) .. "\n  -> " .. advice(err))
  end
end
