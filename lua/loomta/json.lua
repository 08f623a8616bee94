--- JSON as this library hands it out and sends it: nulls in objects are absent keys, whole numbers are integers where Lua has
--- them, and what is sent is exactly what was given.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson.safe"
local unicode = require "loomta.unicode"

-- An instance of our own: settings of the host's cjson stay the host's.
local codec = cjson.new()
local deepest = 100
codec.decode_invalid_numbers(false)
codec.decode_max_depth(deepest)

local null = cjson.null
local math_type, to_integer = math.type, math.tointeger -- since Lua 5.3

local function whole(number) return to_integer and to_integer(number) or number end

local function tidy(value)
  local is_array = value[1] ~= nil -- an object's keys are strings, "1" among them
  for key, item in pairs(value) do
    local kind = type(item)
    if kind == "table" then
      tidy(item)
    elseif kind == "number" then
      value[key] = whole(item)
    elseif item == null and not is_array then
      value[key] = nil
    end
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
  if type(value) == "number" then return whole(value) end
  return type(value) == "table" and tidy(value) or value
end

--- Encodes a value of our own. Bytes that are not UTF-8 stay as they are.
---@param value any
---@return string
function json.encode(value) return codec.encode(value) end

local array_type = { __name = "loomta.array" }

--- Marks a table as a list, so that it is sent as `[]` also when it is empty.
---@generic T
---@param list T[]
---@return T[]
function json.array(list) return setmetatable(list, array_type) end

--- Is it marked as a list?
---@return boolean
function json.isArray(value) return getmetatable(value) == array_type end

--- A list's length; nil: it is an object, or (with a reason) neither. An empty table that is not marked may be both: 0 here.
---@param value table
---@return integer? length
---@return string? why
function json.length(value)
  local count, greatest, names = 0, 0, 0
  for key in pairs(value) do
    if type(key) == "number" and key >= 1 and key % 1 == 0 then
      count, greatest = count + 1, math.max(greatest, key)
    elseif type(key) == "string" then
      names = names + 1
    else
      return nil, ("has a key that is neither a name nor a position: a %s"):format(type(key))
    end
  end
  if count > 0 and names > 0 then return nil, "has both positions and names" end
  if count ~= greatest then return nil, "has gaps (loomta.null is JSON's null)" end
  if names == 0 then return count end
  return nil, json.isArray(value) and "is marked as a list, and has names" or nil
end

--- The same value in tables of its own.
---@generic T
---@param value T
---@return T
function json.copy(value, seen)
  if type(value) ~= "table" then return value end
  seen = seen or {}
  if not seen[value] then
    seen[value] = setmetatable({}, json.isArray(value) and array_type or nil)
    for name, item in pairs(value) do seen[value][name] = json.copy(item, seen) end
  end
  return seen[value]
end

--- A number with all its digits.
local function number_text(value)
  if value ~= value or value == math.huge or value == -math.huge then return nil, "is not a number that JSON has" end
  local is_whole = math_type and math_type(value) == "integer" or value % 1 == 0 and math.abs(value) < 2 ^ 53
  if is_whole then return ("%d"):format(value) end
  local text = ("%.15g"):format(value)
  if tonumber(text) ~= value then text = ("%.17g"):format(value) end
  return (text:gsub(",", ".")) -- a host may have set another locale
end

local function string_text(value, how)
  if how.text then
    value = how.text(value)
  elseif not unicode.isUtf8(value) then
    return nil, "is not UTF-8"
  end
  return (codec.encode(value):gsub("\\(.)", function(character) return character == "/" and "/" or nil end))
end

--- The way to a part, from one level up.
local function within(step, way)
  way = way or {}
  table.insert(way, 1, step)
  return way
end

local render

local function table_text(value, how, depth)
  if depth > deepest then return nil, "is too deep, or contains itself" end
  local pieces = {}
  local length, why = json.length(value)
  if length and (length > 0 or json.isArray(value)) then
    for at = 1, length do
      local text, way
      text, why, way = render(value[at], how, depth + 1)
      if not text then return nil, why, within(at, way) end
      pieces[at] = text
    end
    return "[" .. table.concat(pieces, ",") .. "]"
  elseif why then
    return nil, why
  end
  for name in pairs(value) do pieces[#pieces + 1] = name end
  table.sort(pieces, how.before)
  for at, name in ipairs(pieces) do
    local key, text, way
    key, why = string_text(name, how)
    if key then text, why, way = render(value[name], how, depth + 1) end
    if not text then return nil, why, within(name, way) end
    pieces[at] = key .. ":" .. text
  end
  return "{" .. table.concat(pieces, ",") .. "}"
end

function render(value, how, depth)
  local kind = type(value)
  if value == null then return "null" end
  if kind == "table" then return table_text(value, how, depth) end
  if kind == "string" then return string_text(value, how) end
  if kind == "number" then return number_text(value) end
  if kind == "boolean" then return tostring(value) end
  return nil, "is a " .. kind
end

--- Writes a value as it is to be read elsewhere: all digits, keys in order, lists as lists.
---@param value any tables, strings, numbers, booleans, loomta.null; `loomta.array {}` for an empty list
---@param how { before: (fun(a: string, b: string): boolean)?, text: (fun(bytes: string): string)? }? the order of keys; and what
---becomes of strings, which must be UTF-8 otherwise
---@return string? text
---@return string? why
---@return (string|integer)[]? way to the part that cannot be written
function json.render(value, how) return render(value, how or {}, 1) end

return json
