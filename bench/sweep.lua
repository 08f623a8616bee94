--- How throughput goes with the size of a file, and the time of many uploads with how many are under way at once: as JSON, and
--- drawn into bench/throughput.svg and bench/concurrency.svg.
---
---     make bench-sweep
---
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local contest = require "bench.contest"
local plot = require "bench.plot"

local KB, MB = 1000, 1000 * 1000
local ONLY = { loomta = true, ["curl -F"] = true, ["Go net/http"] = true, ["limit: pread and send"] = true }

local sizes, at_once = { KB, 10 * KB, 100 * KB, MB, 10 * MB, 100 * MB, 1000 * MB }, { 1, 2, 4, 8, 16, 32, 64 }

--- Measures all works; { who = { { x, y, low, high } … } … } of what `value` makes of seconds.
local function curves(works, value)
  local found = {}
  for _, work in ipairs(works) do
    for _, row in ipairs(contest.measure(work)) do
      found[row.who] = found[row.who] or {}
      local low, high = value(work, row.low), value(work, row.high)
      table.insert(found[row.who], { work.x, value(work, row.wall), math.min(low, high), math.max(low, high) })
    end
  end
  return found
end

local function by_size()
  local works = {}
  for i, size in ipairs(sizes) do
    local count = math.max(1, math.min(2000, 500 * MB // size))
    local name = ("%d files of %d bytes"):format(count, size)
    works[i] = { name = name, size = size, count = count, at_once = 1, only = ONLY, rounds = 3, x = size }
  end
  return curves(works, function(work, seconds) return work.size * work.count / seconds / MB end)
end

local function by_concurrency()
  local works = {}
  for i, many in ipairs(at_once) do
    local name = ("200 files, %d at once"):format(many)
    works[i] = { name = name, size = 200 * KB, count = 200, at_once = many, delay = 50, only = ONLY, rounds = 1, x = many }
  end
  return curves(works, function(_, seconds) return seconds end)
end

local ok, result = xpcall(function()
  contest.open()
  return { size = by_size(), concurrency = by_concurrency() }
end, debug.traceback)
contest.close()
if not ok then error(result, 0) end

plot.write("bench/throughput.svg", {
  title = "Uploads one after the other over HTTP: MB/s by the size of the file",
  curves = result.size, x = sizes, x_text = { "1 KB", "10 KB", "100 KB", "1 MB", "10 MB", "100 MB", "1 GB" },
  y = { 1, 10, 100, 1000, 10000 },
})
plot.write("bench/concurrency.svg", {
  title = "200 files of 200 KB, answered after 50 ms: seconds by uploads at once",
  curves = result.concurrency, x = at_once, y = { 0.2, 0.5, 1, 2, 5, 10, 20 },
})
print(cjson.encode(result))
