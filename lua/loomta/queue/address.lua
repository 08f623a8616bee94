--- Where a queue is: reads `redis://[[user]:password@]host[:port]/db/NAME`, and never shows the password again.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"

local default_port = 6379
local form = "redis://[user:password@]host[:port]/db/NAME, rediss://… or redis+unix:///path/of/socket?db=0&name=NAME"

---@class loomta.queue.Address
---@field scheme "redis"|"rediss"|"redis+unix"
---@field host string?
---@field port integer?
---@field path string? of a Unix socket
---@field db integer
---@field name string of the queue
---@field user string?
---@field password string?
local Address = { __name = "loomta.queue.Address" }
Address.__index = Address

--- The host; an IPv6 address in brackets.
---@return string
function Address:hostInUrl() return self.host:find(":", 1, true) and "[" .. self.host .. "]" or self.host end

--- The address without what nobody may see.
function Address.__tostring(self)
  if self.scheme == "redis+unix" then return ("redis+unix://%s?db=%d&name=%s"):format(self.path, self.db, self.name) end
  return ("%s://%s:%d/%d/%s"):format(self.scheme, self:hostInUrl(), self.port, self.db, self.name)
end

local address = {}

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function refusal(what) return nil, errors.input("invalid_option", ("%s; it must be %s"):format(what, form), "url") end

--- A name that may stand in keys, in a URL and on a terminal.
local function is_name(name) return name ~= nil and #name <= 100 and name:find "^[%w._-]+$" ~= nil end

local function is_db(text) return text ~= nil and text:find "^%d+$" ~= nil and tonumber(text) < 2 ^ 31 end

local function read_credentials(self, text)
  if not text then return end
  local user, password = text:match "^([^:]*):(.*)$"
  if not user then return "has a user without a password" end
  self.user = user ~= "" and decoded(user) or nil
  self.password = decoded(password)
end

local function read_unix(self, rest)
  local before, query = rest:match "^([^?]*)%?(.*)$"
  local credentials, path = (before or ""):match "^(.*)@(/.*)$" -- a slash may stand in a password
  path = path or before and before:match "^/.*$"
  if not path then return "names no socket, db and name" end
  self.path = decoded(path)
  for field, value in query:gmatch "([^&=]+)=([^&]*)" do
    if field == "db" and is_db(value) then
      self.db = tonumber(value)
    elseif field == "name" and is_name(value) then
      self.name = value
    else
      return "has more than db, a number, and name, that of the queue, after its socket" -- and what it has may be a password
    end
  end
  if not self.name then return "has no name of a queue" end
  return read_credentials(self, credentials)
end

local function read_network(self, rest)
  local before, path = rest:match "^([^/]*)(/.*)$"
  if not before then return "has no db and no name of a queue" end
  local credentials, place = before:match "^(.*)@(.*)$"
  place = place or before
  local host, port = place:match "^%[([%x:.]+)%]:?(%d*)$"
  if not host then host, port = place:match "^([%w._-]+):?(%d*)$" end
  if not host then return "has no host" end
  local db, name = path:match "^/(%d+)/(.*)$"
  if not is_db(db) then return "has no db, a number, before the name of the queue" end
  if not is_name(name) then return "has no name of letters, digits, '.', '_' and '-' for the queue" end
  self.host, self.port, self.db, self.name = host, tonumber(port) or default_port, tonumber(db), name
  if self.port < 1 or self.port > 65535 then return "has a port that is none" end
  return read_credentials(self, credentials)
end

--- Reads a URL. Errors do not repeat it: there may be a password in it.
---@param url string?
---@param origin string? what the URL comes from, where that was not an option
---@return loomta.queue.Address?
---@return loomta.Error? err
function address.parse(url, origin)
  if url == nil or url == "" then return refusal "no queue: give url, or set LOOMTA_QUEUE_URL" end
  local scheme, rest = url:match "^([%a+]+)://(.*)$"
  local self = setmetatable({ scheme = scheme, db = 0 }, Address)
  local problem
  if scheme == "redis+unix" then
    problem = read_unix(self, rest)
  elseif scheme == "redis" or scheme == "rediss" then
    problem = read_network(self, rest)
  else
    problem = "does not begin with redis://, rediss:// or redis+unix://"
  end
  if problem then return refusal((origin or "'url'") .. " " .. problem) end
  return self
end

return address
