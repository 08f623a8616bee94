-- Uploads from copas threads: each waits for its own upload, and nobody for the others. Needs copas.
--
--     lua examples/loop_copas.lua clip.mp4 film.mp4
--
-- SPDX-License-Identifier: MIT
local copas = require "copas"
local loomta = require "loomta"

if not arg[1] then
  io.stderr:write("usage: lua examples/loop_copas.lua FILE …\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())

-- client:upload for use in copas threads. Copas waits for sockets only, by trying to receive from them:
-- so here is something that looks like one.
local function upload(given)
  local job, err = client:start(given)
  if not job then return nil, err end
  local fd, why = job:fd()
  if not fd then return nil, why end
  copas.receive {
    getfd = function() return fd end,
    receive = function() return job:done() or nil, "timeout" end,
    close = function() end, -- copas closes what a thread last waited for
  }
  return job:wait() -- at once, as it has ended
end

local running, failed, ticks = #arg, 0, 0
for _, path in ipairs(arg) do
  copas.addthread(function()
    local media, err = upload { file = path }
    print(path, media and media.id or err)
    if not media then failed = failed + 1 end
    running = running - 1
  end)
end

while running > 0 do
  if not copas.step(0.02) then ticks = ticks + 1 end
end

client:close()
print(ticks .. " ticks meanwhile")
os.exit(failed == 0 and 0 or 1)
