-- What a queue costs: how the rate grows with the number of workers where each upload takes 50 ms, and what an entry costs Redis
-- in commands, bytes on the wire and memory.
--
--     make bench-queue   BENCH_FLAGS=--json
--
-- SPDX-License-Identifier: MIT
local clips = require "spec.support.clips"
local core = require "loomta.core"
local files = require "spec.support.files"
local json = require "loomta.json"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"
local workers = require "spec.support.queue_worker"

local latency_ms, concurrency, per_worker, many = 50, 4, 600, 20000

local folder = files.shell "mktemp -d"
local server = redis.start {}
local box = sandbox.start { args = { "--keep-media", "20000" } }
local found = { latencyMs = latency_ms, concurrency = concurrency, runs = {} }

local function info(section, name) return tonumber(server:cli("INFO", section):match(name .. ":(%d+)")) end

--- What Redis has done so far: requests that clients sent, commands that were run for them, bytes.
local function snapshot()
  local requests, commands, busy = 0, 0, 0
  for name, calls, usec in server:cli("INFO", "commandstats"):gmatch "cmdstat_(%S-):calls=(%d+),usec=(%d+)" do
    if name == "evalsha" then
      requests, busy = requests + calls, busy + usec
    elseif name ~= "info" then
      commands = commands + calls
    end
  end
  return {
    requests = requests, commands = commands, busyUs = busy, received = info("stats", "total_net_input_bytes"),
    sent = info("stats", "total_net_output_bytes"),
  }
end

local function scale(count)
  server:cli "FLUSHALL"
  box:reset()
  box:fault { method = "POST", delayAfterBodyMs = latency_ms, times = 0 }
  local url, total = server:url "bench", per_worker * count
  local queue = assert(loomta.queue { url = url })
  assert(queue:enqueue(clips.make(folder, total)))
  server:cli("CONFIG", "RESETSTAT")
  local before, running, began = snapshot(), {}, core.now()
  for number = 1, count do
    running[number] = workers.start(url, box, ("%s/%d.log"):format(folder, number), { "concurrency=" .. concurrency })
  end
  for _, worker in ipairs(running) do worker:wait(300) end
  local seconds, after = (core.now() - began) / 1000, snapshot()
  local status = assert(queue:status())
  assert(status.done == total, "not all were stored")
  queue:close()
  local run = { workers = count, files = total, seconds = seconds, filesPerSecond = total / seconds }
  for name, value in pairs(after) do run[name .. "PerFile"] = (value - before[name]) / total end
  found.runs[#found.runs + 1] = run
end

--- Bytes of Redis' memory for an entry that waits, and for one that is done, by the difference that many of them make.
local function weigh()
  server:cli "FLUSHALL"
  box:reset()
  local url = server:url "bench"
  local queue = assert(loomta.queue { url = url })
  local empty = info("memory", "used_memory")
  assert(queue:enqueue(clips.make(folder, many)))
  found.queuedBytes = (info("memory", "used_memory") - empty) / many
  local worker = workers.start(url, box, folder .. "/weigh.log", { "concurrency=16" })
  worker:wait(600)
  assert(assert(queue:status()).done == many, "not all were stored")
  found.doneBytes = (info("memory", "used_memory") - empty) / many
  for _ in queue:results { remove = true } do end -- luacheck: ignore 542
  found.knownBytes = (info("memory", "used_memory") - empty) / many
  queue:close()
end

for _, count in ipairs { 1, 2, 4, 8 } do scale(count) end
weigh()
box:stop()
server:stop()
files.shell("rm -rf " .. folder)

if arg[1] == "--json" then return print((json.render(found))) end
print(("each upload takes %d ms; a worker has %d under way\n"):format(latency_ms, concurrency))
print "workers   files/s   requests   commands   bytes in   bytes out   µs of Redis    (a file)"
for _, run in ipairs(found.runs) do
  print(("%7d   %7.1f   %8.2f   %8.1f   %8.0f   %9.0f   %11.0f"):format(run.workers, run.filesPerSecond, run.requestsPerFile,
    run.commandsPerFile, run.receivedPerFile, run.sentPerFile, run.busyUsPerFile))
end
print(("\nmemory of Redis, a file, of %d: %.0f bytes while it waits, %.0f once done, %.0f when its result was removed"):format(
  many, found.queuedBytes, found.doneBytes, found.knownBytes))
