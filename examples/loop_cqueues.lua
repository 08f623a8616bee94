-- Uploads from coroutines under cqueues: each waits for its own upload, and nobody for the others. Needs cqueues.
--
--     lua examples/loop_cqueues.lua clip.mp4 film.mp4
--
-- SPDX-License-Identifier: MIT
local cqueues = require "cqueues"
local loomta = require "loomta"

if not arg[1] then
  io.stderr:write("usage: lua examples/loop_cqueues.lua FILE …\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())

-- client:upload for use in coroutines.
local function upload(given)
  local job, err = client:start(given)
  if not job then return nil, err end
  local fd, why = job:fd()
  if not fd then return nil, why end
  while not job:done() do cqueues.poll { pollfd = fd, events = "r" } end
  cqueues.cancel(fd) -- cqueues must forget the descriptor before the job closes it
  return job:wait() -- at once, as it has ended
end

local loop = cqueues.new()
local running, failed, ticks = #arg, 0, 0

for _, path in ipairs(arg) do
  loop:wrap(function()
    local media, err = upload { file = path }
    print(path, media and media.id or err)
    if not media then failed = failed + 1 end
    running = running - 1
  end)
end

loop:wrap(function()
  while running > 0 do
    cqueues.sleep(0.02)
    ticks = ticks + 1
  end
end)

assert(loop:loop())
client:close()
print(ticks .. " ticks meanwhile")
os.exit(failed == 0 and 0 or 1)
