--- The options of a client, which a call may override: each declared once, here.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local json = require "loomta.json"
local types = require "loomta.types"

---@type table<string, { type: string, default: any, only: string? }> only: the one function that takes it
local declared = {
  apiKey = { type = "key" },
  baseUrl = { type = "baseUrl" },
  allowHttp = { type = "flag", default = false },
  timeoutMs = { type = "milliseconds", default = 0 },
  connectTimeoutMs = { type = "milliseconds", default = 10000 },
  idleTimeoutMs = { type = "milliseconds", default = 60000 },
  maxRetries = { type = "count", default = 2 },
  maxElapsedMs = { type = "milliseconds", default = 0 },
  retryUnknown = { type = "flag", default = false },
  reconcile = { type = "reconcile", default = false },
  maxBytesPerSec = { type = "count", default = 0 },
  maxResponseBytes = { type = "count", default = 1024 * 1024 },
  proxy = { type = "text" },
  caFile = { type = "path" },
  caPath = { type = "path" },
  verify = { type = "flag", default = true },
  clientCert = { type = "path" },
  clientKey = { type = "path" },
  userAgent = { type = "text" },
  preflight = { type = "flag", default = true },
  delayMs = { type = "milliseconds", default = 0 },
  onProgress = { type = "callback" },
  onRetry = { type = "callback" },
  maxConnections = { type = "positive", default = 64, only = "new" },
  onDone = { type = "callback", only = "start" },
  concurrency = { type = "positive", default = 4, only = "uploads" },
  journal = { type = "path", only = "uploads" },
  checksum = { type = "flag", default = false, only = "uploads" },
}

local none = {}
local secret = { apiKey = true, url = true } -- in a queue's URL is its password

local options = {
  declared = declared,
  longestList = 256 * 1024 * 1024, -- bytes: how much of a whole workspace's list is read where we ask for it ourselves
}

--- How many single-character edits lie between two words.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

--- The name that a misspelt one is likely to mean.
---@param name string
---@param ... table<string, any> names
---@return string?
function options.nearest(name, ...)
  local best, best_distance
  for _, known in ipairs { ... } do
    for candidate in pairs(known) do
      local d = distance(name:lower(), candidate:lower())
      if not best or d < best_distance or (d == best_distance and candidate < best) then best, best_distance = candidate, d end
    end
  end
  return best_distance <= math.max(3, #name, #best) / 3 and best or nil
end

local function suggestion(name, fields, others)
  local best = options.nearest(name, fields, others)
  return best and "; did you mean '" .. best .. "'?" or ""
end

--- What was given, for a message: strings shortened, and never a secret.
local function shown(name, value)
  if value == json.null then return "loomta.null" end
  if value == "" then return "an empty string" end
  if secret[name] then return type(value) == "string" and "the one that was given" or "a " .. type(value) end
  if type(value) == "string" then
    value = value:gsub("//[^/]*@", "//********@") -- a URL's password
    return ("%q"):format(#value > 60 and value:sub(1, 60) .. "…" or value):gsub("\\\n", "\\n")
  end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  if type(value) == "table" and next(value) == nil then return "a table with nothing in it" end
  if type(value) == "table" then
    local _, why = json.length(value)
    return why and "a table that " .. why or "a table"
  end
  return "a " .. (io.type(value) or type(value))
end

--- The error for a value that is not as it should be, or for a part of it.
local function misfit(name, field, expected, at)
  types.within(name, at)
  local path = errors.pathText(at.way)
  local message = ("'%s' must be %s, not %s"):format(path, expected, shown(name, at.given))
  if at.unknown then
    message = ("'%s' is unknown: it could be %s"):format(path, expected)
  elseif at.given == nil then
    message = ("'%s' is missing: it must be %s"):format(path, expected)
  end
  local code = name == "apiKey" and "invalid_api_key" or "invalid_option"
  if field and field.place ~= "local" then code = "invalid_request" end
  return errors.input(code, message, at.way)
end

--- Checks what a caller gave against the declared options and the operation's own fields.
---@param given table
---@param fields table<string, loomta.Field>?
---@param purpose string? "new", "start" or "uploads": some options are for these only; "queue": no option is
---@return table? settings the checked options
---@return loomta.Error|table fields the checked fields; the error when settings is nil
function options.check(given, fields, purpose)
  -- Room for what a request adds to them: a table that grows one by one is made anew at each doubling.
  local settings = {
    method = nil, url = nil, userAgent = nil, path = nil, urgent = nil, wantsProgress = nil,
    fileName = nil, fields = nil, mimeType = nil,
  }
  local values, others = {}, purpose == "queue" and none or declared
  for name, value in pairs(given) do
    local field = fields and fields[name]
    local rule = field or others[name]
    if not rule then
      local hint = type(name) == "string" and suggestion(name, fields or none, others) or ""
      return nil, errors.input("invalid_option", ("unknown option '%s'%s"):format(tostring(name), hint), tostring(name))
    end
    if rule.only and rule.only ~= purpose then
      return nil, errors.input("invalid_option", ("'%s' is for %s only"):format(name, rule.only), name)
    end
    local checked, expected, at = types[rule.type](value)
    if checked == nil then return nil, misfit(name, field, expected, at or { given = value, way = {} }) end
    if field then
      values[name] = checked
    else
      settings[name] = checked
    end
  end
  for name, field in pairs(fields or none) do
    if values[name] == nil then
      if field.required then return nil, misfit(name, field, select(2, types[field.type]()), { way = {} }) end
      values[name] = field.default
    end
  end
  return settings, values
end

--- What a call's further requests take from it: its options, but for the callbacks.
---@param given table what the call's caller gave
---@param timeout_ms integer what is left of its time; 0: no limit
---@return table
function options.passedOn(given, timeout_ms)
  local passed = {}
  for name, value in pairs(given) do
    if declared[name] then passed[name] = value end
  end
  passed.timeoutMs, passed.delayMs, passed.onProgress, passed.onRetry, passed.onDone = timeout_ms, nil, nil, nil, nil
  return passed
end

--- The defaults, as a new table.
---@return table
function options.defaults()
  local settings = {}
  for name, rule in pairs(declared) do settings[name] = rule.default end
  return settings
end

return options
