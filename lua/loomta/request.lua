--- Turns checked fields into the request that the C core sends.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
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

local function form_parts(operation, fields)
  local parts = {}
  for name, field in pairs(operation.fields) do
    if field.part and fields[name] then parts[#parts + 1] = { name, fields[name], field.part } end
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
  spec.fields = form_parts(operation, fields)
  spec.fileName = name or preflight.defaultName(mime_type)
  spec.mimeType = mime_type or "application/octet-stream"
  return source
end

return request
