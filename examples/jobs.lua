-- Uploads several files at once, without a thread or a loop of your own: start returns immediately, poll runs the callbacks.
--
--     lua examples/jobs.lua cover.jpg clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

if not arg[1] then
  io.stderr:write("usage: lua examples/jobs.lua FILE …\n")
  os.exit(2)
end

local jobs, failed = {}, 0

local function report(path, media, err)
  print(path, media and media.id or err)
  if not media then failed = failed + 1 end
end

for _, path in ipairs(arg) do
  local job, err = loomta.start {
    file = path,
    onDone = function(media, why) report(path, media, why) end,
  }
  if not job then report(path, nil, err) end -- refused before anything was sent: onDone is not called
  jobs[#jobs + 1] = job
end

-- Waits for one of them; the callbacks of the others run in here as well.
if jobs[1] then
  local media, err = jobs[1]:wait()
  print("the first one:", media and media.status or err)
end

-- Waits for all. To do something else meanwhile, call poll now and then without a time to wait.
repeat
  local running = loomta.poll(1000)
until running == 0
os.exit(failed == 0 and 0 or 1)
