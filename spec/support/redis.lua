-- Starts a redis-server of its own for a spec: on a Unix socket, and on a port that was free; with an append-only file, so that
-- it can be killed and started again.
-- SPDX-License-Identifier: MIT
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local quote = require("spec.support.lua").quote
local socket = require "socket"

local redis = {}

---@class RedisServer
---@field folder string
---@field path string of its socket
---@field port integer
---@field pid string?
local Server = {}
Server.__index = Server

--- Is there a redis-server, and what a client needs?
---@return boolean
function redis.isThere()
  return files.shell "command -v redis-server && command -v redis-cli":find "redis%-cli" ~= nil and (pcall(require, "redis"))
end

local function free_port(host)
  local probe = assert(socket.bind(host or "127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  return port
end

--- Starts it, for the first time or again, and waits until it answers.
function Server:start()
  local words = {
    "redis-server", "--dir", self.folder, "--unixsocket", self.path, "--port", self.tls and 0 or self.port, "--bind", self.host,
    "--appendonly", "yes", "--appendfsync", "always", "--save", "''", "--pidfile", self.folder .. "/pid", "--daemonize", "yes",
    "--logfile", self.folder .. "/log",
  }
  if self.tls then
    for _, word in ipairs {
      "--tls-port", self.port, "--tls-cert-file", self.tls.cert, "--tls-key-file", self.tls.key, "--tls-auth-clients", "no",
    } do words[#words + 1] = word end
  end
  if self.password then
    words[#words + 1] = "--requirepass"
    words[#words + 1] = self.password
  end
  for place, word in ipairs(words) do words[place] = word == "''" and word or quote(word) end
  files.shell(table.concat(words, " ") .. " 2>&1")
  eventually(function() return self:cli("PING"):find "PONG" end, "redis-server did not start: " .. files.contents(self.folder .. "/log"))
  self.pid = self:cli("INFO", "server"):match "process_id:(%d+)"
end

--- One command; what redis-cli prints of its answer.
function Server:cli(...)
  local words = { ... }
  for place, word in ipairs(words) do words[place] = quote(word) end
  local auth = self.password and "REDISCLI_AUTH=" .. quote(self.password) .. " " or ""
  return files.shell(("%sredis-cli -s %s %s 2>&1"):format(auth, quote(self.path), table.concat(words, " ")))
end

--- How many there are of something: a command that answers with a number.
function Server:count(...) return tonumber((self:cli(...):match "%d+")) end

function Server:signal(name) files.shell(("kill -%s %s"):format(name, self.pid)) end

--- Kills it, as a machine that loses its power would, but for the disk.
function Server:kill()
  if not self.pid then return end
  self:signal "KILL"
  local pid = self.pid
  self.pid = nil
  eventually(function()
    local state = files.contents(("/proc/%s/stat"):format(pid)):match "%) (%a)"
    return state == nil or state == "Z"
  end, "it does not end")
end

function Server:stop()
  self:kill()
  files.shell("rm -rf " .. quote(self.folder))
end

--- Where a queue on it is.
function Server:url(name, how)
  local credentials = self.password and ":" .. self.password .. "@" or ""
  if how == "tcp" or self.tls then
    return ("%s://%s%s:%d/0/%s"):format(self.tls and "rediss" or "redis", credentials, self.name, self.port, name)
  end
  return ("redis+unix://%s%s?db=0&name=%s"):format(credentials, self.path, name)
end

---@param options { password: string?, tls: { cert: string, key: string }?, host: string?, name: string? }?
---@return RedisServer
function redis.start(options)
  local server = setmetatable({}, Server)
  for name, value in pairs(options or {}) do server[name] = value end
  server.host = server.host or "127.0.0.1"
  server.name = server.name or server.host
  server.folder = files.shell "mktemp -d"
  server.path = server.folder .. "/redis.sock"
  server.port = free_port(server.host)
  server:start()
  return server
end

return redis
