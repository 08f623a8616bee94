--- JSON as this library hands it out: nulls in objects are absent keys, whole numbers are integers where Lua has them.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson.safe"

-- An instance of our own: settings of the host's cjson stay the host's.
local codec = cjson.new()
codec.decode_invalid_numbers(false)
codec.decode_max_depth(100)

local null = cjson.null
local math_type, to_integer = math.type, math.tointeger

local function tidy(value)
  if type(value) == "table" then
    local is_array = value[1] ~= nil -- an object's keys are strings, "1" among them
    for key, item in pairs(value) do
      if item == null then
        if not is_array then value[key] = nil end
      elseif type(item) == "table" or type(item) == "number" then
        value[key] = tidy(item)
      end
    end
  elseif math_type and math_type(value) == "float" then
    return to_integer(value) or value
  end
  return value
end

local json = { null = null }

--- Decodes a text.
---@param text string
---@return any? value, string? why nothing and the reason when the text is no JSON
function json.decode(text)
  local value, why = codec.decode(text)
  if value == nil then return nil, why end
  return tidy(value)
end

--- Encodes a value.
---@param value any
---@return string
function json.encode(value) return codec.encode(value) end

return json
