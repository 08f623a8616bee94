--- The one shape of every failure: a table that a program can branch on and a person can read.
-- SPDX-License-Identifier: MIT

-- Besides control characters: what a terminal takes for one (C1), and what turns the direction of text, in UTF-8.
local disguises = { "\194[\128-\159]", "\226\128[\142\143\170-\174]", "\226\129[\166-\169]" }

local Error = { __name = "loomta.Error" }

--- One line, safe for a terminal: `unsupported_media_type: cover.png is a PNG image …`.
function Error.__tostring(err)
  local line = err.code .. ": " .. err.message
  if err.status then line = line .. " (HTTP " .. err.status .. ")" end
  if err.possiblyStored and not err.result and not err.message:find "stored" then line = line .. "; it may have been stored" end
  if err.cause and err.cause ~= err.message then line = line .. " [" .. err.cause .. "]" end
  for _, pattern in ipairs(disguises) do line = line:gsub(pattern, " ") end
  return (line:gsub("%c+", " "))
end

local errors = { disguises = disguises }

--- Makes an error of its fields; what is not given is the harmless value.
---@param fields table at least code and message
---@return loomta.Error
function errors.new(fields)
  fields.kind = fields.kind or "input"
  fields.retryable = fields.retryable or false
  fields.possiblyStored = fields.possiblyStored or false
  fields.attempts = fields.attempts or 0
  return setmetatable(fields, Error)
end

--- The same error, to be changed for another call.
---@param err loomta.Error
---@return loomta.Error
function errors.copy(err)
  local fields = {}
  for name, value in pairs(err) do fields[name] = value end
  return errors.new(fields)
end

--- A path as it is written in Lua: `comments[1].content`.
---@param path (string|integer)[]
---@return string
function errors.pathText(path)
  local text = ""
  for place, step in ipairs(path) do
    if type(step) == "number" then
      text = ("%s[%s]"):format(text, step)
    else
      text = text .. (place > 1 and "." or "") .. tostring(step)
    end
  end
  return text
end

--- An error about what the caller gave, found before anything was sent.
---@param code string
---@param message string
---@param field string|(string|integer)[]|nil the field it is about, or the path to it
---@return loomta.Error
function errors.input(code, message, field)
  return errors.new {
    code = code,
    kind = code:find "api_key$" and "auth" or "input",
    message = message,
    details = field and { { path = type(field) == "table" and field or { field }, message = message } } or nil,
  }
end

--- The error for a job that the system gives no thread or descriptor.
---@param why string the system's own words
---@return loomta.Error
function errors.outOfResources(why)
  return errors.new { code = "out_of_resources", message = "the system gives no thread or descriptor for a job", cause = why }
end

--- Raises, at the caller of who calls this, unless `self` is an object of `class`: a dot was written for a colon.
---@param self any
---@param class table
---@param how string as it should be written
function errors.checkSelf(self, class, how)
  if getmetatable(self) ~= class then error("call it with a colon: " .. how, 3) end
end

--- Raises, at the caller of who calls this, unless `timeout_ms` is a time to wait.
---@param timeout_ms any
---@param name string of the function that takes it
function errors.checkTimeout(timeout_ms, name)
  if type(timeout_ms) == "number" and timeout_ms >= 0 then return end
  local given = type(timeout_ms) == "number" and tostring(timeout_ms) or "a " .. type(timeout_ms)
  error(("%s takes a number of milliseconds, 0 or more, not %s"):format(name, given), 3)
end

--- Raises what `upload` and the other calls return instead, for scripts that want to stop at the first failure.
--- (`assert` would do on Lua 5.3 and later; before, it hides the message of an error that is a table.)
---@generic T
---@param value T?
---@param err loomta.Error?
---@return T value, loomta.Error? err, any ...
function errors.check(value, err, ...)
  if value == nil or err ~= nil then error(tostring(err), 2) end -- posts may give both
  return value, err, ...
end

return errors
