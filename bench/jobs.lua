--- What jobs cost, and what nginx's other requests notice of uploads. bench/README.md tells how to read it.
---
---     make bench-jobs                            all of it
---     make bench-jobs BENCH_FLAGS='--json'       as JSON
---     make bench-jobs BENCH_FLAGS='latency cpu'  some of: latency cpu throughput cancel unrelated
---
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local loomta = require "loomta"
local programs = require "bench.programs"
local report = require "bench.report"
local socket = require "socket"

local KB, MB = 1024, 1024 * 1024
local MP4_HEAD = "\0\0\0\24ftypisom\0\0\2\0isomiso2"
local JPEG = "\255\216\255\224\0\16JFIF\0"
local LONG_MS = 120000 -- a delay that a release ends

local folder, sink, web
local one_kb = "\255\216\255\224" .. ("x"):rep(KB - 4)

--- A file that is mostly a hole. It has been read once, so that the first who sends it is not the one who pays for that.
local function make_file(name, size, head)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(head)
  file:seek("set", size - 1)
  file:write "\0"
  file:close()
  os.execute("cat '" .. path .. "' >/dev/null")
  return path
end

local function new_client(options)
  options = options or {}
  options.apiKey, options.baseUrl = "loomta_sk_bench", sink.url
  return loomta.check(loomta.new(options))
end

local function milliseconds(work)
  local began = core.now()
  work()
  return core.now() - began
end

-- --- an unrelated location of the same nginx worker ------------------------------------------------------------------

local function unrelated()
  if not web then return end
  local uploads, size, rounds, period_us = 20, 100 * MB, 5, 2000
  local path = make_file("100mb.mp4", size, MP4_HEAD)
  local client = new_client()
  local stop = web:probe(folder, period_us)

  local function in_nginx(location)
    local open = {}
    for i = 1, uploads do open[i] = web:begin(location .. "?file=" .. path) end
    for _, connection in ipairs(open) do programs.finish(connection) end
  end
  local function elsewhere()
    local jobs = {}
    for i = 1, uploads do jobs[i] = loomta.check(client:start { file = path }) end
    for _, job in ipairs(jobs) do loomta.check(job:wait()) end
  end
  local kinds = {
    { name = "idle", sent = 0, work = function() socket.sleep(1) end },
    { name = "20 x 100 MB sent by another process", sent = uploads, work = elsewhere },
    { name = "20 x 100 MB sent here by loomta.upload", sent = uploads, work = function() in_nginx "/upload" end },
    { name = "20 x 100 MB sent here by curl in os.execute", sent = uploads, once = true,
      work = function() in_nginx "/blocking" end },
  }
  for round = 1, rounds do
    for _, kind in ipairs(kinds) do
      if round == 1 or not kind.once then
        local began = core.now()
        sink:expect(kind.sent, kind.sent * size, kind.work)
        table.insert(kind, { began, core.now() })
        socket.sleep(0.1)
      end
    end
  end
  local seen = stop()
  client:close()

  report.title(("Latency of an unrelated nginx location, asked every %g ms; medians of rounds"):format(period_us / 1000))
  for _, fraction in ipairs { 0.5, 0.99 } do
    local idle
    for _, kind in ipairs(kinds) do
      local quantiles = {}
      for _, window in ipairs(kind) do
        local latencies = {}
        for _, probe in ipairs(seen) do
          if probe[1] >= window[1] and probe[1] < window[2] then latencies[#latencies + 1] = probe[2] end
        end
        quantiles[#quantiles + 1] = report.quantile(latencies, fraction)
      end
      local row = report.add(("p%d %s"):format(fraction * 100, kind.name), "ms", quantiles, idle)
      idle = idle or row
    end
  end
end

-- --- a small upload, three ways --------------------------------------------------------------------------------------

local function latency()
  local count = 2000
  local client = new_client()
  local ways = {
    { name = "client:upload, which blocks", once = function()
      return milliseconds(function() loomta.check(client:upload { data = one_kb }) end)
    end },
    { name = "client:start and job:wait", once = function()
      return milliseconds(function() loomta.check(loomta.check(client:start { data = one_kb }):wait()) end)
    end },
    web and { name = "loomta.upload in nginx, inside the handler", once = function() return tonumber(web:get "/upload") end },
  }
  for _, way in ipairs(ways) do way.once() end -- connections, and nginx's own start
  sink:expect(#ways * count, #ways * count * KB, function()
    for i = 1, count do
      for turn = 1, #ways do
        local way = ways[(i + turn) % #ways + 1] -- nobody always comes after the same one
        way[i] = way.once()
      end
    end
  end)
  client:close()

  report.title "Time of an upload of 1 KB; interleaved"
  local blocking
  for _, way in ipairs(ways) do
    local row = report.add(way.name, "ms", way, blocking)
    blocking = blocking or row
  end
end

-- --- the CPU time of jobs that wait for their answer -----------------------------------------------------------------

local WINDOW_S = 5

--- CPU time of a process over a while in which nothing happens. The spread is that of its seconds.
local function sample(cpu, pass_a_second)
  local samples, before = {}, cpu()
  for second = 1, WINDOW_S do
    pass_a_second()
    local now = cpu()
    samples[second], before = (now - before) * 1000 * WINDOW_S, now
  end
  return samples
end

local function all_wait(count)
  programs.await("all uploads to wait for their answer", function() return sink:count().waiting == count end)
  socket.sleep(0.2)
end

local function client_for(count) return new_client { maxConnections = math.max(count, 1) } end

--- Has so many jobs of this process wait for their answer, calls `meanwhile(client)`, and lets them end.
---@return number seconds of CPU time that each took without what `meanwhile` did
local function with_jobs(client, count, meanwhile)
  local each
  sink:expect(count, count * KB, function()
    local before = os.clock()
    for _ = 1, count do loomta.check(client:start { data = one_kb, baseUrl = sink:delayed(LONG_MS) }) end
    each = os.clock() - before
    all_wait(count)
    if meanwhile then meanwhile() end
    before = os.clock()
    sink:release()
    while client:poll(1000) > 0 do end
    each = (each + os.clock() - before) / count
  end)
  return each
end

--- The same with requests to nginx.
local function with_requests(location, count, meanwhile)
  local each
  sink:expect(count, count * KB, function()
    local open, before = {}, web:cpu()
    for i = 1, count do open[i] = web:begin(("%s?base=%s"):format(location, sink:delayed(LONG_MS))) end
    all_wait(count)
    each = web:cpu() - before
    if meanwhile then meanwhile() end
    before = web:cpu()
    sink:release()
    for _, connection in ipairs(open) do programs.finish(connection) end
    each = (each + web:cpu() - before) / count
  end)
  return each
end

local function waiting_jobs(count)
  local client, samples = client_for(count), nil
  with_jobs(client, count, function()
    local fd = client:fd()
    local readable = { { getfd = function() return fd end, dirty = function() return false end } }
    collectgarbage()
    samples = sample(os.clock, function()
      local until_ms = core.now() + 1000
      while core.now() < until_ms do
        socket.select(readable, nil, math.max(0, math.min(0.1, (until_ms - core.now()) / 1000)))
        client:poll()
      end
    end)
  end)
  client:close()
  return samples
end

local function waiting_requests(location, count)
  local samples
  with_requests(location, count, function()
    samples = sample(function() return web:cpu() end, function() socket.sleep(1) end)
  end)
  return samples
end

local function cpu()
  local counts, rounds = { 0, 1, 50, 500 }, 5
  report.title(("CPU time of the process in %d s in which jobs wait for their answer"):format(WINDOW_S))
  local peer
  for _, count in ipairs(counts) do
    local row = report.add(("plain Lua, select and poll, %d jobs"):format(count), "ms", waiting_jobs(count), peer)
    peer = peer or row
  end
  if web then
    peer = report.add("nginx, 500 requests that look every 10 ms", "ms", waiting_requests("/look", 500))
    for _, count in ipairs(counts) do
      report.add(("nginx, %d requests in loomta.upload"):format(count), "ms", waiting_requests("/upload", count), peer)
    end
  end

  local few, many = counts[3], counts[4]
  local clients = { [few] = client_for(few), [many] = client_for(many) }
  local kinds = { { "plain Lua, %d jobs at once", function(count) return with_jobs(clients[count], count) end } }
  if web then kinds[2] = { "nginx, %d requests at once", function(count) return with_requests("/upload", count) end } end
  report.title "CPU time of the process to begin and end a job, for each of so many"
  for _, kind in ipairs(kinds) do
    local took = { [few] = {}, [many] = {} }
    for round = 1, rounds do
      for count, values in pairs(took) do values[round] = kind[2](count) * 1000 end
    end
    report.add(kind[1]:format(many), "ms", took[many], report.add(kind[1]:format(few), "ms", took[few]))
  end
  for _, client in pairs(clients) do client:close() end
end

-- --- cancel ----------------------------------------------------------------------------------------------------------

local function cancel()
  local count = 40
  local path = make_file("big.mp4", 2048 * MB, MP4_HEAD)
  local client = new_client()
  local waiting_base = sink:delayed(LONG_MS)
  local states = { sending = { file = path }, waiting = { data = one_kb, baseUrl = waiting_base } }
  local arguments = { sending = "file=" .. path, waiting = "base=" .. waiting_base }

  local function await_state(state, before)
    programs.await("an upload to be " .. state, function()
      local now = sink:count()
      return state == "waiting" and now.waiting == 1 or state == "sending" and now.bytes > before.bytes + MB
    end)
  end
  --- From `stop` until the sink sees the end, once the upload has got so far.
  local function hang_up(state, begin)
    local before = sink:count()
    local stop = begin()
    await_state(state, before)
    local began = core.now()
    stop()
    local after = programs.await("the sink to see the end", function()
      local now = sink:count()
      return now.broken > before.broken and now
    end)
    return after.brokenAtUs / 1000 - began
  end
  --- The peer: a socket with nothing behind it, which has sent as much as the sink would take.
  local function plain_socket()
    local connection = assert(socket.connect("127.0.0.1", sink.port))
    local form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n"
    assert(connection:send("POST /public/v1/media HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
      .. "Content-Length: 1000000000\r\n\r\n" .. form .. ("x"):rep(2 * MB)))
    return function() connection:close() end
  end

  local blocking, took = {}, { sending = {}, waiting = {} }
  local ended = { plain = {}, sending = {}, waiting = {} }
  loomta.check(client:upload { data = one_kb })
  for i = 1, count do
    blocking[i] = milliseconds(function() loomta.check(client:upload { data = one_kb }) end)
    ended.plain[i] = hang_up("sending", plain_socket)
    for state, source in pairs(states) do
      hang_up(state, function()
        local job = loomta.check(client:start(source))
        return function()
          took[state][i] = milliseconds(function()
            job:cancel()
            while not job:done() do client:poll(100) end
          end)
        end
      end)
      if web then
        ended[state][i] = hang_up(state, function()
          local connection = web:begin("/upload?" .. arguments[state])
          return function() connection:close() end
        end)
      end
    end
  end
  client:close()

  report.title "Cancel"
  local peer = report.add("for scale: an upload of 1 KB, blocking", "ms", blocking)
  report.add("job:cancel() to job:done(), sending", "ms", took.sending, peer)
  report.add("job:cancel() to job:done(), waiting for the answer", "ms", took.waiting, peer)
  peer = report.add("a plain socket hangs up: until the sink sees it", "ms", ended.plain)
  if not web then return end
  report.add("nginx's client hangs up: until then, sending", "ms", ended.sending, peer)
  report.add("nginx's client hangs up: until then, waiting", "ms", ended.waiting, peer)
end

-- --- throughput ------------------------------------------------------------------------------------------------------

--- Measures ways to do the same, in turns; the first is the peer of the others.
local function compare(rounds, ways, requests, file_bytes)
  for _ = 1, rounds do
    for _, way in ipairs(ways) do
      sink:expect(requests, file_bytes, function() way[#way + 1] = milliseconds(way.work) end)
    end
  end
  local peer
  for _, way in ipairs(ways) do
    local row = report.add(way.name, "ms", way, peer)
    peer = peer or row
    way.client:close()
  end
end

local function throughput()
  local size, small_size, count = 2048 * MB, 200 * KB, 2000
  local path = make_file("big.mp4", size, MP4_HEAD)
  local small = make_file("small.jpg", small_size, JPEG)

  local function way(name, work)
    local client = new_client()
    return { name = name, client = client, work = function() work(client) end }
  end

  --- Not all files are open at once: as one ends, the next is started.
  local function jobs_way(max_connections)
    local client = new_client { maxConnections = max_connections }
    local function work()
      local started, running = 0, 0
      local function on_done(_, err)
        running = running - 1
        if err then error(tostring(err)) end
      end
      while started < count or running > 0 do
        while started < count and running < 64 do
          loomta.check(client:start { file = small, onDone = on_done })
          started, running = started + 1, running + 1
        end
        client:poll(1000)
      end
    end
    return { name = ("jobs, maxConnections = %d"):format(max_connections), client = client, work = work }
  end
  report.title(("Time of %d files of 200 KB"):format(count))
  compare(5, {
    way("client:upload, one after the other", function(client)
      for _ = 1, count do loomta.check(client:upload { file = small }) end
    end),
    jobs_way(1), jobs_way(16),
  }, count, count * small_size)

  report.title "Time of one file of 2 GiB"
  compare(5, {
    way("client:upload, which blocks", function(client) loomta.check(client:upload { file = path }) end),
    way("client:start and job:wait", function(client) loomta.check(loomta.check(client:start { file = path }):wait()) end),
  }, 1, size)
end

-- --- all of it -------------------------------------------------------------------------------------------------------

local parts = { "latency", "cpu", "throughput", "cancel", "unrelated" }
local work_of = { latency = latency, cpu = cpu, throughput = throughput, cancel = cancel, unrelated = unrelated }

local function measure(part)
  local pipe = assert(io.popen "mktemp -d")
  folder = pipe:read "*l"
  pipe:close()
  local ok, err = xpcall(function()
    sink = programs.sink(folder)
    web = programs.web(sink, one_kb)
    if not web then io.stderr:write "there is no nginx with Lua: its figures are left out\n" end
    work_of[part]()
  end, debug.traceback)
  if web then web:stop() end
  if sink then sink:stop() end
  os.execute("rm -rf '" .. folder .. "'")
  if not ok then error(err, 0) end
end

--- Each part has a process of its own: what one leaves behind, in malloc above all, would change the next one's figures.
local function measure_all(wanted)
  for _, part in ipairs(wanted) do
    local pipe = assert(io.popen(("'%s' '%s' --json %s"):format(arg[-1], arg[0], part)))
    local rows = pipe:read "*a"
    if not pipe:close() or not report.include(rows) then os.exit(1) end
  end
end

local wanted, as_json = {}, false
for _, word in ipairs(arg) do
  if word == "--json" then
    as_json = true
  elseif work_of[word] then
    wanted[#wanted + 1] = word
  else
    io.stderr:write("usage: lua bench/jobs.lua [--json] [", table.concat(parts, "] ["), "]\n")
    os.exit(2)
  end
end
if #wanted == 1 then measure(wanted[1]) else measure_all(#wanted > 0 and wanted or parts) end
report.print(as_json)
