-- Uploads what a command prints, piece by piece: no temporary file, and never more than a piece in memory.
--
--     lua examples/reader.lua "ffmpeg -loglevel error -i talk.avi -f webm -"
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local command = arg[1]
if not command then
  io.stderr:write("usage: lua examples/reader.lua COMMAND\n")
  os.exit(2)
end

local pipe = assert(io.popen(command, "r"))

-- A reader is a function that returns the next piece, nil at the end, or nil and a reason when something broke.
local function next_piece()
  local piece = pipe:read(64 * 1024)
  if piece then return piece end
  local ok, _, status = pipe:close() -- Lua 5.1 does not tell whether the command failed
  if not ok then return nil, "the command ended with status " .. status end
end

local media, err, info = loomta.upload { reader = next_piece, fileName = "talk.webm" }
if not media then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

print(("%s: %d bytes in %.0f ms"):format(media.id, info.bytesSent, info.durationMs))
