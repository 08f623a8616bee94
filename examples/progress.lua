-- Shows how far an upload has come.
--
--     lua examples/progress.lua clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local path = arg[1]
if not path then
  io.stderr:write("usage: lua examples/progress.lua FILE\n")
  os.exit(2)
end

-- Called about 20 times a second. `total` is nil when a reader does not know its size; a file always does.
-- Returning false would cancel the upload.
local function show(sent, total)
  io.write(("\r%3.0f %% of %d bytes"):format(100 * sent / total, total))
  io.flush()
end

local media, err, info = loomta.upload { file = path, onProgress = show }
io.write("\n")
if not media then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

print(("%s, stored after %.0f ms"):format(media.id, info.durationMs))
