--- How fast uploads are: against the least that they can cost, and against other programs that do the same.
--- bench/README.md tells how to read it.
---
---     make bench-uploads                           all of it
---     make bench-uploads BENCH_FLAGS=--json        as JSON
---     make bench-uploads BENCH_FLAGS='big small'   some of: big small far calls memory
---
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local contest = require "bench.contest"
local core = require "loomta.core"
local loomta = require "loomta"

local KB, GB = 1000, 1024 * 1024 * 1024
local ROUNDS = 5

local rows, sink = {}, nil

local function small(name, more)
  local work = { name = name, size = 200 * KB, count = 2000, at_once = 1 }
  for field, value in pairs(more) do work[field] = value end
  return work
end

local function far(name, more)
  local work = small(name, { count = 200, delay = 50, rounds = 1 })
  for field, value in pairs(more) do work[field] = value end
  return work
end

local function through_nginx(version)
  local more = { at_once = 16, tls = true, through = version, only = { ["curl -F"] = true }, rounds = 3 }
  return far("the same to nginx with TLS, " .. version, more)
end

local contests = {
  big = {
    { name = "one file of 2 GiB, HTTP", size = 2 * GB, count = 1, at_once = 1 },
    { name = "one file of 2 GiB, HTTPS", size = 2 * GB, count = 1, at_once = 1, tls = true },
  },
  small = {
    small("2,000 files of 200 KB one after the other, HTTP", {}),
    small("2,000 files of 200 KB one after the other, HTTPS", { tls = true }),
    small("2,000 files of 200 KB, 16 at once, HTTP", { at_once = 16 }),
  },
  far = {
    far("200 files of 200 KB, answered after 50 ms, in sequence", {}),
    far("200 files of 200 KB, answered after 50 ms, 16 at once", { at_once = 16 }),
    through_nginx "HTTP/1.1",
    through_nginx "HTTP/2",
  },
}

-- --- what one call costs --------------------------------------------------------------------------------------------

--- Microseconds for each of `count` calls, the least of some rounds.
local function least_us(count, call)
  local least
  for _ = 1, ROUNDS do
    collectgarbage()
    local began = core.now()
    for _ = 1, count do call() end
    local took = (core.now() - began) * 1000 / count
    least = math.min(least or took, took)
  end
  return least
end

--- The same request by the C core alone, with nothing around it.
local function bare_call(engine, url)
  local spec = {
    method = "POST", url = url .. "/public/v1/media", fields = {}, fileName = "a.jpg", mimeType = "image/jpeg", direct = true,
    verify = true, userAgent = "bench", connectTimeoutMs = 10000, idleTimeoutMs = 60000, apiKey = core.secret "k",
  }
  return function()
    local job = engine:submit(core.openMemory "x", spec)
    repeat engine:step(250) until job:attend() == "done"
    assert(job:result().status == 201)
    job:close()
  end
end

local function calls()
  io.stderr:write "what one call costs\n"
  local client = loomta.check(loomta.new { apiKey = "k", baseUrl = sink.url, preflight = false })
  local engine = core.engine()
  local bare = bare_call(engine, sink.url)
  bare()
  local function upload() loomta.check(client:upload { data = "x", mimeType = "image/jpeg", fileName = "a.jpg" }) end
  upload()
  local core_us = least_us(2000, bare)
  local call_us = least_us(2000, upload)
  local path = contest.file(200 * KB)
  local head = io.open(path, "rb"):read(4096)
  local figures = {
    { "an upload of one byte by the C core alone", core_us },
    { "the same by client:upload", call_us },
    { "what the Lua layer adds", call_us - core_us },
    { "opening a file and telling its type (client:preflight)", least_us(5000, function() client:preflight { file = path } end) },
    { "telling a type from a file's first bytes", least_us(100000, function() core.recognise(head) end) },
  }
  for _, figure in ipairs(figures) do
    rows[#rows + 1] = { work = "one call, in microseconds", who = figure[1], figure = figure[2] }
  end
  engine:close()
  client:close()
end

-- --- how much memory it takes ----------------------------------------------------------------------------------------

local function memory()
  io.stderr:write "memory\n"
  local function peak_of(size)
    local words = ("%s bench/peers/loomta.lua %s %s 1 1"):format(arg[-1], sink.url, contest.file(size))
    return select(3, contest.run(words, sink, 1, size))
  end
  local function peak_of_queue(count)
    return select(3, contest.run(("%s bench/peers/queue.lua %s %d"):format(arg[-1], sink.url, count), sink, count, 1))
  end
  local queued = 10000
  local figures = {
    { "one file of 4 GiB, MB above that for 1 KB", peak_of(4 * GB) - peak_of(KB) },
    { "each of 10,000 queued uploads, KB", (peak_of_queue(queued) - peak_of_queue(1)) * 1024 / queued },
  }
  for _, figure in ipairs(figures) do rows[#rows + 1] = { work = "peak memory", who = figure[1], figure = figure[2] } end
end

-- --- the table ------------------------------------------------------------------------------------------------------

local function print_table()
  local title
  for _, row in ipairs(rows) do
    if row.work ~= title then
      title = row.work
      print("\n" .. title)
      if not row.figure then
        local line = "  %-28s %8s %17s %8s %9s %3s %8s %9s"
        print(line:format("", "wall s", "spread", "CPU s", "peak MB", "n", "to limit", "vs curl"))
      end
    end
    if row.figure then
      print(("  %-56s %8.2f"):format(row.who, row.figure))
    else
      local spread = ("%.3f - %.3f"):format(row.low, row.high)
      local to_limit = row.toLimit and ("%.2f"):format(row.toLimit) or ""
      local to_curl = row.toCurl and ("%.2f x"):format(row.toCurl) or ""
      print(("  %-28s %8.3f %17s %8.3f %9.1f %3d %8s %9s"):format(
        row.who, row.wall, spread, row.cpu, row.peak, row.rounds, to_limit, to_curl))
    end
  end
  print "\nto limit: the time over that of the least that it can take; vs curl: how many times as fast as curl -F"
end

local parts, wanted, as_json = { "big", "small", "far", "calls", "memory" }, {}, false
local measures = { calls = calls, memory = memory }
for _, word in ipairs(arg) do
  if word == "--json" then as_json = true else wanted[#wanted + 1] = word end
end
for _, word in ipairs(wanted) do
  if not contests[word] and not measures[word] then
    io.stderr:write("usage: lua bench/uploads.lua [--json] [", table.concat(parts, "] ["), "]\n")
    os.exit(2)
  end
end

local ok, err = xpcall(function()
  sink = contest.open()
  for _, part in ipairs(#wanted > 0 and wanted or parts) do
    if measures[part] then measures[part]() end
    for _, work in ipairs(contests[part] or {}) do
      for _, row in ipairs(contest.measure(work)) do rows[#rows + 1] = row end
    end
  end
end, debug.traceback)
contest.close()
if not ok then error(err, 0) end
if as_json then print(cjson.encode(rows)) else print_table() end
