--- How a queue reaches Redis: with LuaSocket and LuaSec, or in nginx with nginx's own sockets, so that it serves others then.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local nginx = require "loomta.nginx"

local ngx = rawget(_G, "ngx")
local system_bundles = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" }

---@class loomta.queue.Sockets
---@field protected address loomta.queue.Address
---@field protected caFile string?
---@field connect fun(self: loomta.queue.Sockets, timeout_s: number): table?, string?, boolean? else why not, and for good?
---@field limit fun(self: loomta.queue.Sockets, socket: table, timeout_s: number) bounds how long an answer is waited for
---@field release fun(self: loomta.queue.Sockets, socket: table) nothing is under way on it
---@field sleep fun(self: loomta.queue.Sockets, ms: number)

local sockets = {}

--- A Lua module, or how to get it.
---@param name string
---@param debian string its package there
---@param rock string
---@return table?
---@return loomta.Error? err
function sockets.needs(name, debian, rock)
  local ok, found = pcall(require, name)
  if ok then return found end
  -- Debian has lua-redis for Lua 5.1 to 5.3; it is Lua alone, and runs on 5.4 as it is.
  local chunk = name == "redis" and loadfile "/usr/share/lua/5.3/redis.lua"
  if chunk then return chunk() end
  return nil, errors.new {
    code = "queue_module_missing",
    message = ("a queue needs the Lua module '%s': apt-get install %s, or luarocks install %s"):format(name, debian, rock),
  }
end

--- Is a certificate for this host? By its alternative names; the common name counts for nothing, as in browsers.
---@param certificate table LuaSec's
---@param host string
---@return boolean
function sockets.isFor(certificate, host)
  local names = (certificate:extensions() or {})["2.5.29.17"] or {}
  for _, address in ipairs(names.iPAddress or {}) do
    if address == host then return true end
  end
  for _, name in ipairs(names.dNSName or {}) do
    name, host = name:lower(), host:lower()
    if name == host then return true end
    local domain = name:match "^%*(%..+)$"
    if domain and host:match "^[^.]+(%..+)$" == domain then return true end
  end
  return false
end

---@class loomta.queue.LuaSockets: loomta.queue.Sockets
---@field private socket table LuaSocket
---@field private unix function?
---@field private ssl table? LuaSec
local LuaSockets = {}
LuaSockets.__index = LuaSockets

local function bundle(self)
  if self.caFile then return self.caFile end
  for _, path in ipairs(system_bundles) do
    local file = io.open(path, "rb")
    if file then
      file:close()
      return path
    end
  end
end

--- Speaks TLS on a connected socket, with a server whose certificate is trusted and is for this host.
local function wrap(self, socket, timeout_s)
  local wrapped, why = self.ssl.wrap(socket, {
    mode = "client", protocol = "any", options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
    verify = "peer", cafile = bundle(self),
  })
  if not wrapped then return nil, why, true end
  local host = self.address.host
  local is_number = host:find "^[%d.]+$" or host:find(":", 1, true)
  if not is_number then wrapped:sni(host) end
  wrapped:settimeout(timeout_s)
  local ok
  ok, why = wrapped:dohandshake()
  if not ok then return nil, why, why:find "certificate" ~= nil end
  if not sockets.isFor(wrapped:getpeercertificate(), host) then return nil, "the certificate is for another host", true end
  return wrapped
end

function LuaSockets:connect(timeout_s)
  local place = self.address
  local socket = place.path and self.unix() or self.socket.tcp()
  socket:settimeout(timeout_s)
  local opened, why, lasting
  if place.path then
    opened, why = socket:connect(place.path)
  else
    opened, why = socket:connect(place.host, place.port)
  end
  if opened then
    opened = socket
    if not place.path then socket:setoption("tcp-nodelay", true) end
    if place.scheme == "rediss" then opened, why, lasting = wrap(self, socket, timeout_s) end
  end
  if not opened then socket:close() end
  return opened or nil, why, lasting
end

function LuaSockets:limit(socket, timeout_s) socket:settimeout(timeout_s) end -- luacheck: ignore 212

function LuaSockets:release(socket) socket:close() end -- luacheck: ignore 212

function LuaSockets:sleep(ms) self.socket.sleep(ms / 1000) end

function LuaSockets:hostName() return self.socket.dns.gethostname() end

---@class loomta.queue.NginxSockets: loomta.queue.Sockets
local NginxSockets = {}
NginxSockets.__index = NginxSockets

local keep_ms, keep_most = 10000, 30 -- unused connections, for requests to come

function NginxSockets:connect(timeout_s)
  local place = self.address
  local socket = ngx.socket.tcp()
  socket:settimeout(timeout_s * 1000)
  -- (A connection remembers who has logged in on it.)
  local user = place.password and (place.user or "default") or ""
  local options = { pool = ("%s %s"):format(tostring(place), user), pool_size = keep_most }
  local ok, why
  if place.path then
    ok, why = socket:connect("unix:" .. place.path, options)
  else
    ok, why = socket:connect(place:hostInUrl(), place.port, options)
  end
  if ok and place.scheme == "rediss" and socket:getreusedtimes() == 0 then
    local called
    called, ok, why = pcall(socket.sslhandshake, socket, nil, place.host, true)
    -- (Where nothing interrupts the handshake, resty.core raises what it should give: that nginx does not trust the certificate.)
    if not called then ok, why = nil, "the certificate is not trusted, or is for another host: nginx's log has more" end
    if not ok then socket:close() end
  end
  if ok then return socket end
  return nil, why, why:find "certificate" ~= nil
end

function NginxSockets:limit(socket, timeout_s) socket:settimeout(timeout_s * 1000) end -- luacheck: ignore 212

function NginxSockets:release(socket) socket:setkeepalive(keep_ms, keep_most) end -- luacheck: ignore 212

function NginxSockets:sleep(ms) ngx.sleep(ms / 1000) end -- luacheck: ignore 212

---@param address loomta.queue.Address
---@param ca_file string?
---@return loomta.queue.Sockets?
---@return loomta.Error? err
function sockets.new(address, ca_file)
  if nginx.phase() then
    if not ca_file then return setmetatable({ address = address }, NginxSockets) end
    local message = "'caFile' has no place in nginx: lua_ssl_trusted_certificate says whom it trusts"
    return nil, errors.input("invalid_option", message, "caFile")
  end
  local self = setmetatable({ address = address, caFile = ca_file }, LuaSockets)
  local err
  self.socket, err = sockets.needs("socket", "lua-socket", "luasocket")
  if not err and address.path then self.unix, err = sockets.needs("socket.unix", "lua-socket", "luasocket") end
  if not err and address.scheme == "rediss" then self.ssl, err = sockets.needs("ssl", "lua-sec", "luasec") end
  if err then return nil, err end
  return self
end

return sockets
