-- Uploads bytes that are in memory already: from a database, an HTTP answer, an encoder …
-- Here they come from a file, for want of something better.
--
--     lua examples/data.lua cover.jpg
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local path = arg[1]
if not path then
  io.stderr:write("usage: lua examples/data.lua FILE\n")
  os.exit(2)
end

local file, why = io.open(path, "rb")
if not file then
  io.stderr:write(why, "\n")
  os.exit(1)
end
local bytes = file:read("*a")
file:close()

-- Bytes have no name of their own. Their type is found by looking at them.
local media, err = loomta.upload { data = bytes, fileName = "from-memory.jpg" }
if not media then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

print(("%d bytes stored as %s, %s"):format(#bytes, media.originalFileName, media.mimeType))
