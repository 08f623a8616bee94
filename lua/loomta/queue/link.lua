--- The connection to Redis: made when it is needed, made again when it broke, and one request at a time. What goes wrong comes
--- back as an error: `queue_unreachable` may go away, `queue_failed` is Redis' own refusal.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local scripts = require "loomta.queue.scripts"
local sockets = require "loomta.queue.sockets"

-- What a server says while it loads its file, follows another one, has lost its replicas, or is out of room: it will be there
-- again.
local passing = {
  LOADING = true, BUSY = true, MASTERDOWN = true, READONLY = true, TRYAGAIN = true, CLUSTERDOWN = true,
  MISCONF = true, OOM = true, NOREPLICAS = true,
}
local shortest_pause_ms, longest_pause_ms = 100, 5000

---@class loomta.queue.Link
---@field private address loomta.queue.Address
---@field private timeoutS number
---@field private redis table the client library
---@field private sockets loomta.queue.Sockets
---@field private client table? while connected
---@field private pid integer? the process that has connected: a child of it makes a connection of its own
---@field private shas table<string, string> of scripts that this server has
---@field private failures integer since it answered last
---@field private notBefore number when to try again, as core.now
local Link = { __name = "loomta.queue.Link" }
Link.__index = Link

local link = {}

--- Takes out of a text what must not be seen: some servers repeat what they were told.
local function clean(self, text)
  local secret = self.address.password
  text = tostring(text)
  if not secret or secret == "" then return text end
  return (text:gsub(secret:gsub("%W", "%%%0"), "********"))
end

local function unreachable(self, why)
  return errors.new {
    code = "queue_unreachable", kind = "network", retryable = true,
    message = ("no connection to the queue %s"):format(tostring(self.address)), cause = clean(self, why),
  }
end

local function failed(self, kind, what, why)
  return errors.new {
    code = "queue_failed", kind = kind, message = ("the queue %s %s"):format(tostring(self.address), what),
    cause = clean(self, why),
  }
end

local function refused(self, why)
  -- Redis 6.2 puts its own words around what a script met: "ERR Error running script (call to f_…): @user_script:7: -OOM …".
  local word = why:match "^ERR Error running script.-: %-(%u+) " or why:match "^%u+"
  if passing[word] or why:find "^ERR max number of clients" then return unreachable(self, why) end
  return failed(self, (why:find "^NOAUTH" or why:find "^WRONGPASS") and "auth" or "server", "refused a request", why)
end

local function drop(self)
  if self.client then self.client.network.socket:close() end
  self.client, self.shas = nil, {}
end

--- Leaves the server alone for a while, longer each time.
local function delay(self, why)
  self.failures = self.failures + 1
  local pause = math.min(longest_pause_ms, shortest_pause_ms * 2 ^ math.min(self.failures, 10))
  self.notBefore, self.why = core.now() + pause * (0.5 + math.random() / 2), why
end

--- Sends one command and reads its answer.
local function ask(self, words)
  local name = table.remove(words, 1)
  local ok, value = pcall(self.redis.command(name), self.client, words)
  if ok then return value end
  local why = tostring(value):match "redis error: (.*)"
  local err = why and refused(self, why) or unreachable(self, value)
  if err.retryable then -- elsewhere, perhaps: the name may lead to another server by then
    drop(self)
    delay(self, err.cause)
  end
  return nil, err
end

local function greet(self)
  local place, ok, err = self.address, true, nil
  if place.password then
    local words = { "AUTH", place.user or place.password }
    if place.user then words[3] = place.password end
    ok, err = ask(self, words)
  end
  if ok and place.db ~= 0 then ok, err = ask(self, { "SELECT", place.db }) end
  if not ok then drop(self) end
  return ok, err
end

local function connect(self)
  if core.now() < self.notBefore then return nil, unreachable(self, self.why) end
  local socket, why, lasting = self.sockets:connect(self.timeoutS)
  local ok, err
  if socket then
    self.client, self.pid = self.redis.connect { socket = socket }, core.pid()
    ok, err = greet(self)
  else
    err = lasting and failed(self, "network", "has a certificate that is not trusted", why) or unreachable(self, why)
  end
  if ok then
    self.failures = 0
    return true
  end
  delay(self, err.cause)
  return nil, err
end

--- One command.
---@param words any[] it is emptied
---@return any value nil is an answer, too: then there is no err
---@return loomta.Error? err
function Link:call(words)
  if self.client and self.pid ~= core.pid() then self.client = nil end -- unsaid: it is the parent's, which goes on with it
  if not self.client then
    local ok, err = connect(self)
    if not ok then return nil, err end
  end
  return ask(self, words)
end

--- Runs one of the server-side scripts.
---@param name string of loomta.queue.scripts
---@param keys string[]
---@param given any[] its further arguments
---@return any value
---@return loomta.Error? err
function Link:run(name, keys, given)
  local value, err
  for _ = 1, 2 do
    local sha = self.shas[name]
    if not sha then
      sha, err = self:call { "SCRIPT", "LOAD", scripts[name] }
      if not sha then return nil, err end
      self.shas[name] = sha
    end
    local words = { "EVALSHA", sha, #keys }
    for _, key in ipairs(keys) do words[#words + 1] = key end
    for _, word in ipairs(given) do words[#words + 1] = word end
    value, err = self:call(words)
    if not (err and err.cause and err.cause:find "^NOSCRIPT") then break end
    self.shas = {} -- somebody flushed them
  end
  return value, err
end

--- When it is worth another try, in ms from now.
---@return number
function Link:pause() return self.client and 0 or math.max(0, self.notBefore - core.now()) end

--- Bounds how long an answer is waited for.
---@param timeout_ms number
function Link:limit(timeout_ms)
  self.timeoutS = math.min(self.timeoutS, timeout_ms / 1000)
  if self.client then self.sockets:limit(self.client.network.socket, self.timeoutS) end
end

--- Waits, on the caller's own thread; in nginx, nobody else does.
function Link:sleep(ms) self.sockets:sleep(ms) end

--- What this machine is called, for people.
---@return string
function Link:hostName() return (self.sockets:hostName():gsub("[^%w._-]", "_")) end

--- Lets the connection go. Idempotent; it is made again when it is needed.
function Link:close()
  if self.client then self.sockets:release(self.client.network.socket) end
  self.client, self.shas = nil, {}
end

function Link.__tostring(self) return ("loomta.queue.Link (%s)"):format(tostring(self.address)) end

--- Makes a link, which does not connect yet.
---@param address loomta.queue.Address
---@param given { timeoutMs: integer?, caFile: string? }
---@return loomta.queue.Link?
---@return loomta.Error? err
function link.new(address, given)
  local self = setmetatable({
    address = address, timeoutS = (given.timeoutMs or 5000) / 1000, shas = {}, failures = 0, notBefore = 0,
  }, Link)
  local err
  self.redis, err = sockets.needs("redis", "lua-redis", "redis-lua")
  if not err then self.sockets, err = sockets.new(address, given.caFile) end
  if err then return nil, err end
  return self
end

return link
