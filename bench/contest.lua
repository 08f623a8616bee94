--- Lets programs that do the same uploads take turns, and says what each took. The server tells whether it got all of it.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local programs = require "bench.programs"
local quantile, median = require("bench.report").quantile, require("bench.report").median
local quote = require("spec.support.lua").quote
local tls = require "spec.support.tls"

local MP4_HEAD = "\0\0\0\24ftypisom\0\0\2\0isomiso2"
local HOLE_FROM = 512 * 1024 * 1024 -- bytes: a larger file is mostly a hole
local ROUNDS = 5

---@class Work
---@field name string
---@field size integer bytes of the file
---@field count integer how many times it is uploaded
---@field at_once integer
---@field tls boolean?
---@field delay integer? milliseconds that the server takes to answer
---@field through "HTTP/1.1"|"HTTP/2"|nil to nginx with TLS, which passes it on; for curl only
---@field rounds integer? 5 if absent
---@field only table<string, boolean>? names of who takes part; all if absent

---@class ContestRow
---@field work string
---@field who string
---@field wall number seconds, the median
---@field low number the fastest round
---@field high number the slowest
---@field cpu number seconds, the program with its children
---@field peak number MB
---@field rounds integer
---@field toLimit number? the time over that of the limit
---@field toCurl number? how many times as fast as curl -F

local contest = {}

local folder, pair, sinks, web
local paths = {} -- of files, by their size

local function works(command, errors)
  return files.shell(("{ %s; } >/dev/null 2>%s && echo yes"):format(command, errors or "/dev/null")) == "yes"
end

local function write(name, text) return files.write(folder .. "/" .. name, text) end

--- A video of so many bytes. It has been read once, so that the first who sends it is not the one who pays for that.
---@param size integer
---@return string path
function contest.file(size)
  if paths[size] then return paths[size] end
  local hole = size >= HOLE_FROM
  local path = write(size .. ".mp4", MP4_HEAD .. (hole and "" or ("x"):rep(size - #MP4_HEAD)))
  if hole then assert(works(("truncate -s %d %s"):format(size, quote(path)))) end
  os.execute("cat " .. quote(path) .. " >/dev/null")
  paths[size] = path
  return path
end

-- --- who is measured ------------------------------------------------------------------------------------------------

--- curl's command line for a number of uploads, in a file.
local function curl_config(work)
  local one = {
    ('url = "%s/public/v1/media"'):format(work.base), ('form = "file=@%s;type=video/mp4"'):format(work.file),
    'header = "Expect:"', 'output = "/dev/null"', "fail",
  }
  if work.ca then one[#one + 1] = ('cacert = "%s"'):format(work.ca) end
  if work.through then
    one[#one + 1] = work.through == "HTTP/2" and "http2" or "http1.1"
    one[#one + 1] = ('unix-socket = "%s/tls.sock"'):format(web.prefix)
  end
  local text = table.concat(one, "\n") .. "\n"
  return write("curl", text .. ("next\n" .. text):rep(work.count - 1))
end

--- The arguments that the programs in bench/peers take.
local function arguments(work)
  return ("%s %s %d %d %s"):format(work.base, quote(work.file), work.count, work.at_once, work.ca and quote(work.ca) or "")
end

local function limit(kind)
  return function(work)
    if (kind == "tls") ~= (work.ca ~= nil) or work.delay or work.through then return nil end
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


--- nginx that passes uploads on to the sink as they come.
local function start_nginx()
  return nginx.start {
    server = ([[
      listen unix:tls.sock ssl http2;
      ssl_certificate %s;
      ssl_certificate_key %s;
      client_max_body_size 0;
      location /delay { proxy_pass %s; proxy_http_version 1.1; proxy_request_buffering off; }
    ]]):format(pair.cert, pair.key, sinks.plain.url),
  }
end

--- Makes what contests need. Who is not on this machine is named and left out.
function contest.open()
  folder = files.shell "mktemp -d"
  pair = tls.make()
  sinks = { plain = programs.sink(folder), tls = programs.sink(folder, pair) }
  web = nginx.available() and start_nginx() or nil
  for _, who in ipairs(contenders) do
    who.is_here = not who.here or who.here()
    if not who.is_here then io.stderr:write("not here, and left out: ", who.name, "\n") end
  end
  if not web then io.stderr:write "not here, and left out: nginx\n" end
  return sinks.plain
end

function contest.close()
  if web then web:stop() end
  for _, sink in pairs(sinks or {}) do sink:stop() end
  if pair then pair:remove() end
  if folder then os.execute("rm -rf " .. quote(folder)) end
end

--- Runs one program once; gives what it took, and raises unless the server got all of it.
---@return number wall seconds
---@return number cpu seconds
---@return number peak MB
function contest.run(words, sink, uploads, size)
  local out, errors = folder .. "/measured", folder .. "/errors"
  sink:expect(uploads, uploads * size, function()
    if not works(("build/bench/measure %s %s"):format(quote(out), words), quote(errors)) then
      error(words .. " failed: " .. files.shell("tail -c 500 " .. quote(errors)))
    end
  end)
  local wall, cpu, peak = files.read(out):match "(%S+) (%S+) (%S+)"
  return tonumber(wall), tonumber(cpu), tonumber(peak) / 1024
end

local function complete(work)
  work.sink = (work.tls and not work.through) and sinks.tls or sinks.plain
  work.file = contest.file(work.size)
  work.base = work.through and "https://localhost" or work.sink.url
  if work.delay then work.base = ("%s/delay/%d"):format(work.base, work.delay) end
  work.ca = work.tls and pair.cert or nil
end

--- Measures one piece of work.
---@param work Work
---@return ContestRow[]
function contest.measure(work)
  complete(work)
  io.stderr:write(work.name, "\n")
  local taking_part = {}
  for _, who in ipairs(contenders) do
    local invited = who.is_here and (not work.only or work.only[who.name]) and (not work.through or web)
    local words = invited and who.command(work)
    if words then taking_part[#taking_part + 1] = { who = who, words = words, wall = {}, cpu = {}, peak = {} } end
  end
  for round = 1, work.rounds or ROUNDS do
    for _, each in ipairs(taking_part) do
      if round == 1 or not each.who.slow then
        each.wall[round], each.cpu[round], each.peak[round] = contest.run(each.words, work.sink, work.count, work.size)
      end
    end
  end
  local least, curl, rows = nil, nil, {}
  for _, each in ipairs(taking_part) do
    local wall = median(each.wall)
    if each.who.is_limit then least = wall end
    if each.who.is_curl then curl = wall end
  end
  for i, each in ipairs(taking_part) do
    local wall = median(each.wall)
    rows[i] = {
      work = work.name, who = each.who.name, wall = wall, low = quantile(each.wall, 0), high = quantile(each.wall, 1),
      cpu = median(each.cpu), peak = median(each.peak), rounds = #each.wall,
      toLimit = least and wall / least, toCurl = curl and curl / wall,
    }
  end
  return rows
end

return contest
