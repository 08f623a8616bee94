--- Turns checked fields into the request that the C core sends.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
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

--- The query of an operation's URL, `?folderId=null`; all its values are plain.
---@param operation loomta.Operation
---@param fields table checked
---@return string
function request.query(operation, fields)
  local pairs_given = {}
  for _, name in ipairs(operation.query) do
    if fields[name] then pairs_given[#pairs_given + 1] = name .. "=" .. fields[name] end
  end
  return #pairs_given > 0 and "?" .. table.concat(pairs_given, "&") or ""
end

local function form_parts(operation, fields, file_name)
  local parts = {}
  for name, field in pairs(operation.fields) do
    local value = fields[name]
    if field.part and value then parts[#parts + 1] = { name, name == "fileName" and file_name or value, field.part } end
  end
  table.sort(parts, function(a, b) return a[3] < b[3] end)
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

  local name = fields.fileName or (source.path and source.path:match "[^/]+$")
  local mime_type = fields.mimeType or preflight.typeOfName(name)
  if spec.preflight then
    mime_type, err = preflight.check(source, fields)
    if not mime_type then
      source.handle:close()
      return nil, err
    end
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

--- Completes `spec` with the fields as a JSON object.
---@param fields table checked
---@param spec table the settings of the call
---@return loomta.Source
function request.json(fields, spec)
  spec.contentType = "application/json"
  return { handle = core.openMemory(json.encode(fields)), field = "body", name = "the body" }
end

return request
