--- Counts the instructions that one small upload takes, by callgrind, and compares them with the budget in bench/budget.txt:
--- a figure that other programs on the machine cannot disturb. Fails when a part takes more than a tenth too many.
---
---     make bench-instructions                          compare
---     make bench-instructions BENCH_FLAGS=--update     write what was counted into the budget
---
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"
local programs = require "bench.programs"
local quote = require("spec.support.lua").quote

local BUDGET = "bench/budget.txt"
local FEW, MANY = 100, 500 -- uploads: what only the first ones take is in both, and so in neither figure
local MOST = 1.1
local TRIES = 3 -- on a busy machine the kernel takes less at a time, and libcurl has to look more often: the least counts

-- By the file that the instructions are in. The C library is left out: callgrind counts each word that memset fills.
local parts = {
  { name = "lua", file = "^lua", what = "the Lua interpreter, also as the C core uses it" },
  { name = "core", file = "^core%.so", what = "the C core" },
  { name = "cjson", file = "cjson", what = "lua-cjson" },
  { name = "libcurl", file = "^libcurl", what = "libcurl" },
}

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local folder = files.shell "mktemp -d"

local function make_file(size)
  return files.write(folder .. "/small.mp4", "\0\0\0\24ftypisom\0\0\2\0isomiso2" .. ("x"):rep(size - 24))
end

--- How many instructions each part took for so many uploads.
local function count(url, path, uploads)
  local out = folder .. "/callgrind"
  local words = ("valgrind -q --tool=callgrind --callgrind-out-file=%s %s bench/peers/loomta.lua %s %s %d 1"):format(
    quote(out), arg[-1], url, quote(path), uploads)
  assert(os.execute(words), "callgrind failed")
  local counts = {}
  for _, line in ipairs(lines_of("callgrind_annotate --threshold=100 " .. quote(out))) do
    local number, object = line:match "^%s*([%d,]+) .*%[.-([^/%]]+)%]$"
    for _, part in ipairs(object and parts or {}) do
      if object:find(part.file) then
        counts[part.name] = (counts[part.name] or 0) + tonumber((number:gsub(",", "")))
        break
      end
    end
  end
  return counts
end

local function read_budget()
  local budget = {}
  for line in io.lines(BUDGET) do
    local name, number = line:match "^(%w+) (%d+)$"
    if name then budget[name] = tonumber(number) end
  end
  return budget
end

local function write_budget(counted)
  local file = assert(io.open(BUDGET, "w"))
  file:write("# Instructions of one upload of 200 KB over HTTP on a kept connection, by the file that they are in.\n",
    "# Debian 12, x86-64: Lua 5.4.4, libcurl 7.88.1, lua-cjson 2.1.0, gcc 12 -O2. Written by `make bench-instructions`.\n")
  for _, part in ipairs(parts) do file:write(("%s %.0f\n"):format(part.name, counted[part.name])) end
  file:close()
end

local function what_is_over(counted)
  local budget, over = read_budget(), {}
  for _, part in ipairs(parts) do
    if counted[part.name] > budget[part.name] * MOST then over[#over + 1] = part.what end
  end
  return over
end

local sink
local _, wrong = xpcall(function()
  local path = make_file(200000)
  sink = programs.sink(folder)
  local counted, over = {}, nil
  for _ = 1, TRIES do
    local few, many = count(sink.url, path, FEW), count(sink.url, path, MANY)
    for _, part in ipairs(parts) do
      local each = (many[part.name] - few[part.name]) / (MANY - FEW)
      counted[part.name] = math.min(counted[part.name] or each, each)
    end
    if arg[1] == "--update" then write_budget(counted) end
    over = what_is_over(counted)
    if not over[1] then break end
  end
  local budget = read_budget()
  print(("%-50s %9s %9s %6s"):format("instructions of one upload of 200 KB", "counted", "budget", "ratio"))
  for _, part in ipairs(parts) do
    local ratio = counted[part.name] / budget[part.name]
    print(("%-50s %9.0f %9.0f %6.2f"):format(part.what, counted[part.name], budget[part.name], ratio))
  end
  if over[1] then return "over the budget: " .. table.concat(over, ", ") end
end, debug.traceback)
if sink then sink:stop() end
os.execute("rm -rf " .. quote(folder))
if wrong then
  io.stderr:write(wrong, "\n")
  os.exit(1)
end
