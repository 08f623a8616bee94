-- Many files, one queue, workers that are killed and started at random, and a server that fails at random: is each file stored
-- exactly once, and none lost?
--
--     make soak-queue         20,000 files; SOAK_FILES=1000 for fewer; SOAK_WORKERS=4, SOAK_FAULTS=0, SOAK_SEED=1
--
-- SPDX-License-Identifier: MIT
local clips = require "spec.support.clips"
local core = require "loomta.core"
local files = require "spec.support.files"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local workers = require "spec.support.queue_worker"

local count = tonumber(os.getenv "SOAK_FILES") or 20000
local at_once = tonumber(os.getenv "SOAK_WORKERS") or 4
local with_faults = os.getenv "SOAK_FAULTS" ~= "0"
local lease_ms = 3000
local limit_s = 60 + count / 10 -- it has got stuck

-- Together one upload in a hundred meets one of them.
local faults = {
  { status = 429, retryAfter = "0" }, { status = 503, retryAfter = "0" }, { status = 500 }, { status = 502, store = true },
  { disconnect = "reset", at = "headers" }, { disconnect = "reset", at = "body", afterBytes = 5000 },
  { disconnect = "reset", at = "response" }, { disconnect = "close", at = "midResponse" },
  { stopReadingAfter = 5000 }, { delayAfterBodyMs = 30000 },
}

local seed = tonumber(os.getenv "SOAK_SEED") or os.time()
local function random(most)
  seed = seed * 16807 % 2147483647 -- Lehmer's: the same on every Lua
  return seed % most
end

local function check_records(queue)
  local said, times = {}, {}
  for record, err in queue:results() do
    local kind = not record and tostring(err) or record.info.reconciled and "found in the list" or record.type
    said[kind] = (said[kind] or 0) + 1
    if record then times[record.file] = (times[record.file] or 0) + 1 end
    if record and record.error then print("  " .. record.file, record.error.code, record.error.message) end
  end
  local words, once = {}, 0
  for kind, number in pairs(said) do words[#words + 1] = ("%d %s"):format(number, kind) end
  for _, number in pairs(times) do once = once + (number == 1 and 1 or 0) end
  table.sort(words)
  print(("  results: %s; %d files have exactly one"):format(table.concat(words, ", "), once))
  return once == count
end

local folder = files.shell "mktemp -d"
local server = redis.start {}
local box = sandbox.start { args = { "--seed", "1", "--keep-media", tostring(2 * count) } }
for _, fault in ipairs(with_faults and faults or {}) do
  fault.times, fault.probability, fault.method = 0, 0.001, "POST"
  box:fault(fault)
end
local url = server:url "soak"
local queue = assert(loomta.queue { url = url })
print(("%d files, %d workers, seed %d"):format(count, at_once, seed))
local began = core.now()
assert(queue:enqueue(clips.make(folder, count, 10000)))
print(("  queued in %.1f s"):format((core.now() - began) / 1000))

began = core.now()
local alive, killed, started = {}, 0, 0
local words = { "concurrency=8", "leaseMs=" .. lease_ms, "maxDeliveries=100" }
local status
repeat
  for place = 1, at_once do
    if not (alive[place] and alive[place]:isRunning()) then
      started = started + 1
      alive[place] = workers.start(url, box, ("%s/worker-%d.log"):format(folder, started), words)
    end
  end
  socket.sleep(1 + random(2000) / 1000)
  local victim = alive[random(at_once) + 1]
  if killed == 0 or random(4) > 0 then
    victim:signal "KILL"
    killed = killed + 1
  elseif random(2) > 0 then
    victim:signal "TERM"
  end
  status = assert(queue:status())
until status.queued + status.inFlight == 0 or core.now() - began > limit_s * 1000
for _, worker in pairs(alive) do worker:signal "TERM" end
for _, worker in pairs(alive) do worker:wait() end
local seconds = (core.now() - began) / 1000
print(("  %d workers were started, %d killed; %.1f s, %.0f files/s"):format(started, killed, seconds, count / seconds))
print(("  %d done, %d failed, %d unknown, %d dead, %d left"):format(status.done, status.failed, status.unknown, status.dead,
  status.queued + status.inFlight))
local ok = clips.report(box, count)
ok = check_records(queue) and ok
ok = ok and status.done == count and killed > 0
queue:close()
box:stop()
server:stop()
if ok then
  files.shell("rm -rf " .. folder)
else
  print("NOT every file is stored exactly once and reported so; the workers' logs are in " .. folder)
  os.exit(1)
end
