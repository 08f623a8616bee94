--- Throw-away certificates for 127.0.0.1, made with the openssl command.
-- SPDX-License-Identifier: MIT
local lua = require "spec.support.lua"

local tls = {}

--- Makes a self-signed certificate.
---@param options { subject: string?, names: string?, days: integer? }? names: subjectAltName; days: negative for an expired one
---@return { cert: string, key: string, remove: fun() } pair paths
function tls.make(options)
  options = options or {}
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -m 700 " .. lua.quote(folder)))
  local pair = { cert = folder .. "/cert.pem", key = folder .. "/key.pem" }
  local command = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days %d -subj /CN=%s"
    .. " -addext subjectAltName=%s -keyout %s -out %s >%s/log 2>&1"):format(
    options.days or 2, options.subject or "loomta-spec", options.names or "IP:127.0.0.1,DNS:localhost", pair.key, pair.cert, folder
  )
  local ok = os.execute(command)
  assert(ok == true or ok == 0, "openssl failed: " .. command)
  function pair.remove() os.execute("rm -r " .. lua.quote(folder)) end
  return pair
end

return tls
