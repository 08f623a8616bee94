--- Turns checked fields into the request that the C core sends.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local json = require "loomta.json"
local preflight = require "loomta.preflight"
local source_of = require "loomta.source"
local version = require "loomta.version"

local own_agent = ("loomta/%s (%s; libcurl %s)"):format(version, jit and jit.version or _VERSION, core.libcurlVersion())

local request = {}

--- `loomta/1.2.3 (Lua 5.4; libcurl 7.88.1)`, and what the caller adds.
---@param addition string?
---@return string
function request.userAgent(addition)
  return addition and own_agent .. " " .. addition or own_agent
end

--- A name that no other upload has: `clip.mp4` becomes `clip-x7k2….mp4`.
local function with_token(name, token)
  local stem, extension = name:match "^(.+)(%.%w+)$"
  return (stem or name) .. "-" .. token .. (extension or "")
end

--- A text as it may stand in any part of a URL (RFC 3986).
local function encoded(value)
  return (tostring(value):gsub("[^%w._~-]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

--- The operation that the fields make of a declared one, where they may say what it is.
---@param operation loomta.Operation
---@param fields table checked
---@return loomta.Operation
function request.resolve(operation, fields)
  if not operation.fields.path then return operation end
  return setmetatable({ method = fields.method, path = fields.path }, { __index = operation })
end

--- An operation's path and query, `/public/v1/media?folderId=null`.
---@param operation loomta.Operation
---@param fields table checked
---@return string
function request.target(operation, fields)
  if not (operation.query or operation.fields.query or operation.fields.id) then return operation.path end
  local given = {}
  for _, name in ipairs(operation.query or {}) do
    if fields[name] then given[#given + 1] = name .. "=" .. encoded(fields[name]) end
  end
  if operation.fields.query then
    for name, value in pairs(fields.query or {}) do
      given[#given + 1] = encoded(name) .. "=" .. encoded(type(value) == "number" and json.render(value) or value)
    end
    table.sort(given)
  end
  local path = operation.path:gsub("{(%a+)}", function(name) return encoded(fields[name]) end)
  return path .. (given[1] and "?" .. table.concat(given, "&") or "")
end

local function form_parts(operation, fields, file_name)
  local parts = {}
  for _, name in ipairs(operation.parts) do
    local value = fields[name]
    if value then parts[#parts + 1] = { name, name == "fileName" and file_name or value } end
  end
  return parts
end

--- Opens the source and completes `spec` with the form around it.
---@param operation loomta.Operation
---@param fields table checked
---@param spec table the settings of the call
---@return loomta.Source?
---@return loomta.Error?
function request.multipart(operation, fields, spec)
  local source, err = source_of.open(fields)
  if not source then return nil, err end

  local name = fields.fileName or source.path and (source.path:match "^.*/(.+)$" or source.path)
  local mime_type
  if spec.preflight then
    mime_type, err = preflight.check(source, fields)
    if not mime_type then
      source.handle:close()
      return nil, err
    end
  else
    mime_type = fields.mimeType or preflight.typeOfName(name)
  end
  source.head = nil -- seen; a queued job need not hold it
  name = name or preflight.defaultName(mime_type)
  if spec.reconcile == "exact" then spec.token = spec.token or core.token() end -- the same one when it is repeated
  if spec.token then name = with_token(name, spec.token) end
  spec.fileName = name
  spec.fields = form_parts(operation, fields, name)
  spec.mimeType = mime_type or "application/octet-stream"
  return source
end

--- Completes `spec` with a body of JSON; without one where there is nothing to say.
---@param operation loomta.Operation
---@param fields table checked
---@param spec table the settings of the call
---@return loomta.Source?
---@return loomta.Error?
function request.json(operation, fields, spec)
  local body, root = fields.json, "json"
  if operation.body == "fields" then
    body, root = {}, nil
    for name, field in pairs(operation.fields) do
      if not field.place then body[name] = fields[name] end
    end
  elseif body == nil then
    return nil
  end
  local text, why, way = json.render(body)
  if not text then
    way = way or {}
    if root then table.insert(way, 1, root) end
    return nil, errors.input("invalid_request", ("'%s' %s"):format(errors.pathText(way), why), way)
  end
  spec.contentType = "application/json"
  return { handle = core.openMemory(text), field = "body", name = "the body" }
end

return request
