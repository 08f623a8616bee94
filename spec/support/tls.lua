--- Throw-away certificates for 127.0.0.1, made with the openssl command.
-- SPDX-License-Identifier: MIT
local lua = require "spec.support.lua"

local tls = {}

--- Makes a self-signed certificate.
---@param options { names: string?, days: integer? }? names: subjectAltName; days: negative for an expired one
---@return { cert: string, key: string, remove: fun() } pair paths
function tls.make(options)
  options = options or {}
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -m 700 " .. lua.quote(folder)))
  local pair = { cert = folder .. "/cert.pem", key = folder .. "/key.pem" }
  -- In two steps: `req -x509` makes no expired ones.
  local command = ("cd %s && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=loomta-spec"
    .. " -addext subjectAltName=%s -keyout key.pem -out request.pem >log 2>&1"
    .. " && openssl x509 -req -in request.pem -signkey key.pem -copy_extensions copy -days %d -out cert.pem >>log 2>&1"):format(
    folder, options.names or "IP:127.0.0.1,DNS:localhost", options.days or 2
  )
  local ok = os.execute(command)
  assert(ok == true or ok == 0, "openssl failed: " .. command)
  function pair.remove() os.execute("rm -r " .. lua.quote(folder)) end
  return pair
end

return tls
