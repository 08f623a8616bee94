--- UTF-8 as JSON demands it, on every Lua.
-- SPDX-License-Identifier: MIT
local unicode = {}

--- The length of the UTF-8 sequence at `at`; nil: there is none.
local function sequence(bytes, at)
  local first = bytes:byte(at)
  if first < 0x80 then return 1 end
  if first < 0xC2 or first > 0xF4 then return nil end
  local length = first < 0xE0 and 2 or first < 0xF0 and 3 or 4
  if not bytes:find("^" .. ("[\128-\191]"):rep(length - 1), at + 1) then return nil end
  local second = bytes:byte(at + 1)
  if first == 0xE0 and second < 0xA0 or first == 0xED and second > 0x9F then return nil end
  if first == 0xF0 and second < 0x90 or first == 0xF4 and second > 0x8F then return nil end
  return length
end

--- The same text in UTF-8, with U+FFFD for each byte that is none.
---@param bytes string
---@return string clean
---@return boolean changed
function unicode.clean(bytes)
  if not bytes:find "[\128-\255]" then return bytes, false end
  local pieces, at, changed = {}, 1, false
  while at <= #bytes do
    local length = sequence(bytes, at)
    pieces[#pieces + 1] = length and bytes:sub(at, at + length - 1) or "\239\191\189"
    changed = changed or not length
    at = at + (length or 1)
  end
  return table.concat(pieces), changed
end

--- Is it UTF-8?
---@param bytes string
---@return boolean
function unicode.isUtf8(bytes)
  local _, changed = unicode.clean(bytes)
  return not changed
end

--- How many characters a text in UTF-8 has.
---@param utf8 string
---@return integer
function unicode.characters(utf8)
  local _, continued = utf8:gsub("[\128-\191]", "")
  return #utf8 - continued
end

return unicode
