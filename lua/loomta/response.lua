--- Reads what the core says of a finished job: the value, or an error, and what it took.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local json = require "loomta.json"

local response = {}

--- Stars the key out of whatever a server may have echoed it in.
local function blotted(value, key)
  if not key then return value end
  if type(value) == "string" then return key:blot(value) end
  if type(value) == "table" then
    local copy = {}
    for name, item in pairs(value) do copy[blotted(name, key)] = blotted(item, key) end
    return copy
  end
  return value
end

local function info_of(result, key)
  return {
    status = result.status,
    attempts = result.attempts,
    bytesSent = result.bytesSent,
    totalBytes = result.totalBytes,
    durationMs = result.durationMs,
    connectMs = result.connectMs,
    tlsMs = result.tlsMs,
    firstByteMs = result.firstByteMs,
    reusedConnection = result.reusedConnection,
    httpVersion = result.httpVersion,
    requestId = blotted(result.requestId, key),
  }
end

--- The `info` of a call that never reached the network.
---@return loomta.Info
function response.nothingSent()
  return { attempts = 0, bytesSent = 0, durationMs = 0 }
end

local function error_of(result, fields)
  for _, name in ipairs { "status", "attempts", "cause", "retryAfterMs" } do fields[name] = result[name] end
  return errors.new(fields)
end

--- The server's own error, from its envelope `{ code, message, details }` where it sent one; that of a login is
--- `{ error, error_description }` (RFC 6749, 5.2).
local function answered_error(operation, result, key)
  local envelope = blotted(json.decode(result.body), key)
  if type(envelope) ~= "table" then envelope = {} end
  local code, message = envelope.code, envelope.message
  if operation.keyless and code == nil then code, message = envelope.error, envelope.error_description end
  if type(code) ~= "string" or code == "" then code = ("http_%d"):format(result.status) end
  if type(message) ~= "string" or message == "" then message = ("the server answered with status %d"):format(result.status) end
  return error_of(result, {
    code = code,
    message = message,
    details = envelope.details,
    kind = result.kind,
    retryable = result.retryable,
    possiblyStored = result.possiblyStored,
  })
end

--- A 2xx answer that is not what the operation answers. What was asked for has been done; only its result is lost.
local function unreadable_answer(operation, result, why)
  return error_of(result, {
    code = "invalid_response",
    kind = "protocol",
    message = ("the server said yes (status %d), but its answer cannot be read: %s"):format(result.status, why),
    possiblyStored = operation.method ~= "GET",
  })
end

local function why_not_json(result, why)
  if result.body == "" then return "it is empty" end
  if (result.contentType or ""):find "html" then return "it is an HTML page" end
  return "it is not JSON (" .. why .. ")"
end

--- The outcome of a job.
---@param operation loomta.Operation
---@param result table what job:result() gave
---@param key userdata? the core.secret that the request carried
---@return any value nil after a failure
---@return loomta.Error? err
---@return loomta.Info info
function response.read(operation, result, key)
  local info = info_of(result, key)
  if result.code == "http" then return nil, answered_error(operation, result, key), info end
  if result.code then
    return nil, error_of(result, {
      code = result.code,
      message = result.message,
      kind = result.kind,
      retryable = result.retryable,
      possiblyStored = result.possiblyStored,
    }), info
  end

  if result.body == "" and operation.mayBeEmpty then return true, nil, info end
  local value, why = json.decode(result.body)
  if value == nil then return nil, unreadable_answer(operation, result, why_not_json(result, why)), info end
  local fits, lacks = operation.answers(value)
  if not fits then return nil, unreadable_answer(operation, result, lacks), info end
  return value, nil, info
end

return response
