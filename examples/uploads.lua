-- Uploads everything in a list, several files at once, and can be run again: what the journal says is done is skipped.
--
--     ls clips/*.mp4 | lua examples/uploads.lua run.jsonl
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local journal = arg[1]
if not journal then
  io.stderr:write("usage: lua examples/uploads.lua JOURNAL < LIST\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())
local uploaded, skipped, failed = 0, 0, 0

-- io.lines() gives one path after the other: the list may be longer than memory.
for media, err, path, info in client:uploads(io.lines(), { journal = journal, concurrency = 8 }) do
  if not media then
    io.stderr:write(path and path .. ": " or "", tostring(err), "\n")
    failed = failed + 1
  elseif info.skipped then
    skipped = skipped + 1
  else
    print(media.id, path)
    uploaded = uploaded + 1
  end
end

print(("%d uploaded, %d there already, %d failed"):format(uploaded, skipped, failed))
os.exit(failed == 0 and 0 or 1)
