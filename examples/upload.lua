-- Uploads one file.
--
--     lua examples/upload.lua clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local path = arg[1]
if not path then
  io.stderr:write("usage: lua examples/upload.lua FILE\n")
  os.exit(2)
end

local media, err = loomta.upload { file = path }
if not media then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

print("id:     " .. media.id)
print("status: " .. media.status) -- only READY media goes into a post
print("type:   " .. media.mimeType)
