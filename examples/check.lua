-- For short scripts that stop at the first failure: loomta.check gives the media, or raises the error as one line.
-- (Use it instead of assert, which hides the message of an error table on Lua 5.1 and 5.2.)
--
--     lua examples/check.lua clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

if not arg[1] then
  io.stderr:write("usage: lua examples/check.lua FILE\n")
  os.exit(2)
end

local media = loomta.check(loomta.upload { file = arg[1] })
print(media.publicUrl)

-- What it raises can be caught as any other Lua error.
local ok, message = pcall(function()
  return loomta.check(loomta.upload { file = arg[1], folderId = "not-a-folder" })
end)
print(ok, message)
