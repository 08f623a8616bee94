--- Starts and talks to what the benchmark measures against: the sink, the probe, and nginx in front of loomta. All of them end
--- with this process.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local core = require "loomta.core"
local nginx = require "spec.support.nginx"
local quote = require("spec.support.lua").quote
local socket = require "socket"
local unix = require "socket.unix"

local GIVE_UP_MS = 60000
local SINK, PROBE = "build/bench/sink", "build/bench/probe"

local programs = {}

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end

--- Comes back when `condition` is true, and gives what it gave.
function programs.await(what, condition)
  local give_up = core.now() + GIVE_UP_MS
  repeat
    local value = condition()
    if value then return value end
    socket.sleep(0.0002)
  until core.now() > give_up
  error("waited in vain for " .. what)
end

--- Starts a program whose standard input is a pipe from here, and gives its first line and that pipe.
local function start(words, output)
  os.remove(output)
  local pipe = assert(io.popen(("exec %s >%s"):format(words, quote(output)), "w"))
  return programs.await(words, function() return read_file(output):match "^(.-)\n" end), pipe
end

-- One request and its answer on a connection that stays.
local function ask(connection, path)
  assert(connection:send(("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"):format(path)))
  local status = assert(connection:receive "*l")
  local length, chunked
  repeat
    local line = assert(connection:receive "*l")
    length = length or tonumber(line:lower():match "^content%-length: (%d+)")
    chunked = chunked or line:lower():find "chunked"
  until line == ""
  local body = length and connection:receive(length) or ""
  while chunked do
    local size = tonumber(connection:receive "*l", 16)
    body = body .. connection:receive(size)
    connection:receive "*l"
    if size == 0 then break end
  end
  return tonumber(status:match " (%d+) "), body
end

--- Reads the answer to a request that was sent by `Web:begin`, and raises unless it went well.
function programs.finish(connection)
  connection:settimeout(GIVE_UP_MS / 1000)
  local text, err, partial = connection:receive "*a"
  connection:close()
  text = text or partial
  if not text:find "^HTTP/1.1 200" then error("nginx answered: " .. (text ~= "" and text or tostring(err))) end
end

---@class Sink
local Sink = {}
Sink.__index = Sink

---@param folder string for its output
---@param pair { cert: string, key: string }? it speaks TLS with these
---@return Sink
function programs.sink(folder, pair)
  local words = pair and ("%s %s %s"):format(SINK, quote(pair.cert), quote(pair.key)) or SINK
  local port, pipe = start(words, folder .. (pair and "/tls-sink" or "/sink"))
  local url = ("%s://127.0.0.1:%s"):format(pair and "https" or "http", port)
  local sink = setmetatable({ pipe = pipe, port = tonumber(port), url = url }, Sink)
  if pair then return sink end
  sink.connection = assert(socket.connect("127.0.0.1", sink.port))
  sink.connection:setoption("tcp-nodelay", true)
  return sink
end

---@return table count requests, fileBytes, bytes, malformed, broken, brokenAtUs, waiting, open
function Sink:count(path)
  if self.connection then return cjson.decode((select(2, ask(self.connection, path or "/count")))) end
  local pipe = io.popen(("curl -q -sk --noproxy '*' %s%s"):format(self.url, path or "/count"))
  local body = pipe:read "*a"
  pipe:close()
  return cjson.decode(body)
end

--- Answers all uploads that wait for their answer.
function Sink:release() return self:count "/release" end

--- The base URL at which answers wait so long.
function Sink:delayed(ms) return ("%s/delay/%d"):format(self.url, ms) end

--- Runs `work` and raises unless the sink got just these uploads, whole.
function Sink:expect(requests, file_bytes, work)
  local before = self:count()
  work()
  local after = self:count()
  local got_requests, got_bytes = after.requests - before.requests, after.fileBytes - before.fileBytes
  if got_requests ~= requests or got_bytes ~= file_bytes or after.malformed > 0 then
    error(("the sink got %d uploads of %d bytes together instead of %d of %d; %d malformed"):format(
      got_requests, got_bytes, requests, file_bytes, after.malformed), 2)
  end
end

function Sink:stop()
  if self.connection then self.connection:close() end
  self.pipe:close()
end

---@class Web
local Web = {}
Web.__index = Web

local SERVER = [[
keepalive_requests 100000000;
location = /unrelated { content_by_lua_block { ngx.say "here" } }

# Uploads a file, or a kilobyte; says how long that took.
location = /upload {
  lua_check_client_abort on;
  content_by_lua_block {
    local bench = package.loaded["bench.web"]
    local file = ngx.var.arg_file
    local began = bench.now()
    local media, err = bench.client:upload { file = file, data = not file and bench.data or nil, baseUrl = ngx.var.arg_base }
    local took = bench.now() - began
    if not media then
      ngx.status = 500
      took = tostring(err)
    end
    ngx.say(took)
  }
}

# The same by looking every 10 ms whether it has ended.
location = /look {
  content_by_lua_block {
    local bench = package.loaded["bench.web"]
    local job = assert(bench.client:start { data = bench.data, baseUrl = ngx.var.arg_base })
    while not job:done() do ngx.sleep(0.01) end
    ngx.say "done"
  }
}

# The same by another program, for which the worker process waits.
location = /blocking {
  content_by_lua_block {
    local curl = "curl -q -sS --noproxy '*' -F 'file=@%s;type=video/mp4' %s/public/v1/media >/dev/null"
    os.execute(curl:format(ngx.var.arg_file, os.getenv "LOOMTA_API_URL"))
    ngx.say "done"
  }
}
]]

--- nginx with one worker process; nil where there is none with Lua.
---@return Web?
function programs.web(sink, data)
  if not nginx.available() then return nil end
  local web = setmetatable({}, Web)
  web.nginx = nginx.start {
    env = { LOOMTA_API_URL = sink.url, LOOMTA_API_KEY = "loomta_sk_bench" },
    main = "worker_rlimit_nofile 16384;",
    http = ([[init_worker_by_lua_block {
      package.loaded["bench.web"] = {
        client = assert(require("loomta").new { maxConnections = 1024 }), now = require("loomta.core").now, data = %q,
      }
    }]]):format(data),
    server = SERVER,
  }
  web.socket = web.nginx.prefix .. "/http.sock"
  -- Each waiting request has four connections in that process; the harness sets few.
  local path = web.nginx.prefix .. "/nginx.conf"
  local text = read_file(path):gsub("worker_connections %d+", "worker_connections 4096")
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  web.nginx:signal "reload"
  web.pid = web.nginx:pids()[1]
  return web
end

local function connect(web)
  local connection = unix.stream and unix.stream() or unix()
  assert(connection:connect(web.socket))
  return connection
end

--- Sends a request and does not wait for its answer.
---@return table connection for programs.finish, or to be closed
function Web:begin(path)
  local connection = connect(self)
  assert(connection:send(("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):format(path)))
  return connection
end

--- One request on a connection that stays.
---@return string body
function Web:get(path)
  self.connection = self.connection or connect(self)
  local status, body = ask(self.connection, path)
  if status ~= 200 then error("nginx answered: " .. body) end
  return body
end

--- Seconds of CPU that the worker process, with all its threads, has used.
function Web:cpu()
  local pipe = assert(io.popen(("cat /proc/%d/task/*/schedstat 2>/dev/null"):format(self.pid)))
  local text = pipe:read "*a"
  pipe:close()
  local ns = 0
  for ran in text:gmatch "(%d+) %d+ %d+\n" do ns = ns + tonumber(ran) end
  if ns > 0 then return ns / 1e9 end
  -- A kernel without that counts in ticks.
  local user, system = read_file(("/proc/%d/stat"):format(self.pid)):match("%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (user + system) / 100
end

--- Probes an unrelated location from now on.
---@return fun(): table[] stop gives what it saw: { due in ms, latency in ms }
function Web:probe(folder, period_us)
  local _, pipe = start(("%s %s /unrelated %d"):format(PROBE, quote(self.socket), period_us), folder .. "/probe")
  return function()
    pipe:close()
    local seen = {}
    for due, took in read_file(folder .. "/probe"):gmatch "(%d+) (%d+)\n" do seen[#seen + 1] = { due / 1000, took / 1000 } end
    return seen
  end
end

function Web:stop()
  if self.connection then self.connection:close() end
  self.nginx:stop()
end

return programs
