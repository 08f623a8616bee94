--- How fast uploads are: against the least that they can cost, and against other programs that do the same. Each of them is a
--- process of its own, they take turns, and the server says what it got. bench/README.md tells how to read it.
---
---     make bench                           all of it
---     make bench BENCH_FLAGS=--json        as JSON
---     make bench BENCH_FLAGS='big small'   some of: big small far calls
---
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local core = require "loomta.core"
local loomta = require "loomta"
local programs = require "bench.programs"
local quantile, median = require("bench.report").quantile, require("bench.report").median
local quote = require("spec.support.lua").quote
local tls = require "spec.support.tls"

local KB, GB = 1000, 1024 * 1024 * 1024
local MP4_HEAD = "\0\0\0\24ftypisom\0\0\2\0isomiso2"
local ROUNDS = 5

local folder, pair, sinks, files

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function works(command, errors)
  return output_of(("{ %s; } >/dev/null 2>%s && echo yes"):format(command, errors or "/dev/null")) == "yes\n"
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

--- A file that has been read once, so that the first who sends it is not the one who pays for that. A large one is mostly a hole.
local function make_file(name, size)
  local path = write(name, MP4_HEAD .. (size < GB and ("loomta"):rep(size):sub(1, size - #MP4_HEAD) or ""))
  if size >= GB then assert(works(("truncate -s %d %s"):format(size, quote(path)))) end
  os.execute("cat " .. quote(path) .. " >/dev/null")
  return path
end

-- --- who is measured ------------------------------------------------------------------------------------------------

--- curl's command line for a number of uploads, in a file.
local function curl_config(work)
  local one = {
    ('url = "%s/public/v1/media"'):format(work.base), ('form = "file=@%s;type=video/mp4"'):format(work.file),
    'header = "Expect:"', 'output = "/dev/null"', "fail", work.ca and ('cacert = "%s"'):format(work.ca),
  }
  local text = table.concat(one, "\n") .. "\n"
  return write("curl", text .. ("next\n" .. text):rep(work.count - 1))
end

--- The arguments that the programs in bench/peers take.
local function arguments(work)
  return ("%s %s %d %d %s"):format(work.base, quote(work.file), work.count, work.at_once, work.ca and quote(work.ca) or "")
end

local function limit(kind)
  return function(work)
    if (kind == "tls") ~= (work.ca ~= nil) or work.delay then return nil end
    return ("build/bench/limit %s %d %s %d %d"):format(kind, work.sink.port, quote(work.file), work.count, work.at_once)
  end
end

local python = works "/usr/bin/python3 -c 'import requests_toolbelt'" and "/usr/bin/python3" or "python3"

--- Who there is: how to see that it is here, its command line (nil: not for this work), and whether one round is enough.
local contenders = {
  { name = "limit: pread and send", command = limit "copy", is_limit = true },
  { name = "limit: sendfile", command = limit "sendfile" },
  { name = "limit: pread and SSL_write", command = limit "tls", is_limit = true },
  { name = "loomta", command = function(work) return arg[-1] .. " bench/peers/loomta.lua " .. arguments(work) end },
  { name = "curl -F", is_curl = true, here = function() return works "curl --version" end, command = function(work)
    local parallel = work.at_once > 1 and ("-Z --parallel-immediate --parallel-max %d "):format(work.at_once) or ""
    return ("curl -q -sS --noproxy '*' %s-K %s"):format(parallel, quote(curl_config(work)))
  end },
  { name = "Lua-cURLv3", here = function() return works(arg[-1] .. " -e 'require \"cURL\"'") end, command = function(work)
    if work.at_once > 1 then return nil end
    return arg[-1] .. " bench/peers/lua_curl.lua " .. arguments(work)
  end },
  { name = "Go net/http", here = function()
    local build = "GOCACHE=%s go build -o %s bench/peers/upload.go"
    return works(build:format(quote(folder .. "/go"), quote(folder .. "/upload")))
  end, command = function(work) return quote(folder .. "/upload") .. " " .. arguments(work) end },
  { name = "Node fetch", slow = true, here = function() return works "node -e 'fs.openAsBlob.call'" end, command = function(work)
    local ca = work.ca and ("env NODE_EXTRA_CA_CERTS=%s "):format(quote(work.ca)) or ""
    return ca .. "node bench/peers/fetch.mjs " .. arguments(work)
  end },
  { name = "Python requests", slow = true, here = function() return works(python .. " -c 'import requests_toolbelt'") end,
    command = function(work) return python .. " bench/peers/upload.py " .. arguments(work) end },
}

-- --- the work -------------------------------------------------------------------------------------------------------

local works_of = {
  big = {
    { name = "one file of 2 GiB, HTTP", file = "big", count = 1, at_once = 1 },
    { name = "one file of 2 GiB, HTTPS", file = "big", count = 1, at_once = 1, tls = true },
  },
  small = {
    { name = "2,000 files of 200 KB one after the other, HTTP", file = "small", count = 2000, at_once = 1 },
    { name = "2,000 files of 200 KB one after the other, HTTPS", file = "small", count = 2000, at_once = 1, tls = true },
    { name = "2,000 files of 200 KB, 16 at once, HTTP", file = "small", count = 2000, at_once = 16 },
  },
  far = {
    { name = "200 files of 200 KB to a server 50 ms away, in sequence", file = "small", count = 200, at_once = 1, delay = 50 },
    { name = "the same, 16 at once", file = "small", count = 200, at_once = 16, delay = 50 },
  },
}

local rows = {}

--- Runs one program once; gives what it took, and raises unless the server got all of it.
local function run(work, words)
  local out, errors = folder .. "/measured", folder .. "/errors"
  local size = work.size
  work.sink:expect(work.count, work.count * size, function()
    if not works(("build/bench/measure %s %s"):format(quote(out), words), quote(errors)) then
      error(words .. " failed: " .. output_of("tail -c 500 " .. quote(errors)))
    end
  end)
  local wall, cpu, peak = output_of("cat " .. quote(out)):match "(%S+) (%S+) (%S+)"
  return tonumber(wall), tonumber(cpu), tonumber(peak) / 1024
end

local function measure(work)
  work.sink = work.tls and sinks.tls or sinks.plain
  work.file, work.size = files[work.file].path, files[work.file].size
  work.base = work.delay and work.sink:delayed(work.delay) or work.sink.url
  work.ca = work.tls and pair.cert or nil
  io.stderr:write(work.name, "\n")

  local taking_part = {}
  for _, who in ipairs(contenders) do
    local words = who.is_here and who.command(work)
    if words then taking_part[#taking_part + 1] = { who = who, words = words, wall = {}, cpu = {}, peak = {} } end
  end
  for round = 1, ROUNDS do
    for _, each in ipairs(taking_part) do
      local once = each.who.slow or work.delay
      if round == 1 or not once then
        each.wall[round], each.cpu[round], each.peak[round] = run(work, each.words)
      end
    end
  end
  local least, curl
  for _, each in ipairs(taking_part) do
    local wall = median(each.wall)
    if each.who.is_limit then least = wall end
    if each.who.is_curl then curl = wall end
  end
  for _, each in ipairs(taking_part) do
    local wall = median(each.wall)
    rows[#rows + 1] = {
      work = work.name, who = each.who.name, wall = wall, low = quantile(each.wall, 0), high = quantile(each.wall, 1),
      cpu = median(each.cpu), peak = median(each.peak), rounds = #each.wall,
      toLimit = least and wall / least, toCurl = curl and curl / wall,
    }
  end
end

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
  local client = loomta.check(loomta.new { apiKey = "k", baseUrl = sinks.plain.url, preflight = false })
  local engine = core.engine()
  local bare = bare_call(engine, sinks.plain.url)
  bare()
  local function upload() loomta.check(client:upload { data = "x", mimeType = "image/jpeg", fileName = "a.jpg" }) end
  upload()
  local core_us = least_us(2000, bare)
  local call_us = least_us(2000, upload)
  local path = files.small.path
  local figures = {
    { "an upload of one byte by the C core alone", core_us },
    { "the same by client:upload", call_us },
    { "what the Lua layer adds", call_us - core_us },
    { "opening a file and telling its type (client:preflight)", least_us(5000, function() client:preflight { file = path } end) },
    { "telling a type from a file's first bytes", least_us(100000, function() core.recognise(MP4_HEAD) end) },
  }
  for _, figure in ipairs(figures) do
    rows[#rows + 1] = { work = "one call, in microseconds", who = figure[1], us = figure[2] }
  end
  engine:close()
  client:close()
end

-- --- the table ------------------------------------------------------------------------------------------------------

local function print_table()
  local title
  for _, row in ipairs(rows) do
    if row.work ~= title then
      title = row.work
      print("\n" .. title)
      if not row.us then
        local line = "  %-28s %8s %17s %8s %9s %3s %8s %9s"
        print(line:format("", "wall s", "spread", "CPU s", "peak MB", "n", "to limit", "vs curl"))
      end
    end
    if row.us then
      print(("  %-56s %8.2f"):format(row.who, row.us))
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

local parts, wanted, as_json = { "big", "small", "far", "calls" }, {}, false
for _, word in ipairs(arg) do
  if word == "--json" then as_json = true else wanted[#wanted + 1] = word end
end
for _, word in ipairs(wanted) do
  if not works_of[word] and word ~= "calls" then
    io.stderr:write("usage: lua bench/uploads.lua [--json] [", table.concat(parts, "] ["), "]\n")
    os.exit(2)
  end
end

folder = output_of("mktemp -d"):match "%S+"
local ok, err = xpcall(function()
  pair = tls.make()
  sinks = { plain = programs.sink(folder), tls = programs.sink(folder, pair) }
  files = {
    big = { path = make_file("big.mp4", 2 * GB), size = 2 * GB },
    small = { path = make_file("small.mp4", 200 * KB), size = 200 * KB },
  }
  for _, who in ipairs(contenders) do
    who.is_here = not who.here or who.here()
    if not who.is_here then io.stderr:write("not here, and left out: ", who.name, "\n") end
  end
  for _, part in ipairs(#wanted > 0 and wanted or parts) do
    if part == "calls" then calls() end
    for _, work in ipairs(works_of[part] or {}) do measure(work) end
  end
end, debug.traceback)
for _, sink in pairs(sinks or {}) do sink:stop() end
if pair then pair:remove() end
os.execute("rm -rf " .. quote(folder))
if not ok then error(err, 0) end
if as_json then print(cjson.encode(rows)) else print_table() end
