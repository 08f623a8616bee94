--- How many columns of a terminal a text takes, and cutting it to fit.
-- SPDX-License-Identifier: MIT
local width = {}

-- Ranges of code points that take no column, and those that take two: what file names commonly hold, after Unicode's
-- EastAsianWidth and the categories Mn and Cf.
local none = {
  { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD }, { 0x610, 0x61A }, { 0x64B, 0x65F }, { 0x93C, 0x93C },
  { 0x941, 0x948 }, { 0x94D, 0x94D }, { 0xE31, 0xE31 }, { 0xE34, 0xE3A }, { 0xE47, 0xE4E }, { 0x200B, 0x200F },
  { 0x202A, 0x202E }, { 0x2060, 0x2064 }, { 0x20D0, 0x20F0 }, { 0x3099, 0x309A }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
  { 0xFEFF, 0xFEFF }, { 0xE0100, 0xE01EF },
}
local double = {
  { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23F3 }, { 0x25FD, 0x25FE }, { 0x2614, 0x2615 }, { 0x2648, 0x2653 },
  { 0x267F, 0x267F }, { 0x2693, 0x2693 }, { 0x26A1, 0x26A1 }, { 0x26AA, 0x26AB }, { 0x26BD, 0x26BE }, { 0x26C4, 0x26C5 },
  { 0x26CE, 0x26CE }, { 0x26D4, 0x26D4 }, { 0x26EA, 0x26EA }, { 0x26F2, 0x26F5 }, { 0x26FA, 0x26FA }, { 0x26FD, 0x26FD },
  { 0x2705, 0x2705 }, { 0x270A, 0x270B }, { 0x2728, 0x2728 }, { 0x274C, 0x274E }, { 0x2753, 0x2757 }, { 0x2795, 0x2797 },
  { 0x27B0, 0x27BF }, { 0x2B1B, 0x2B1C }, { 0x2B50, 0x2B55 }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF }, { 0x3400, 0x4DBF },
  { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF },
  { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF01, 0xFF60 }, { 0xFFE0, 0xFFE6 },
  { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF },
  { 0x1FA70, 0x1FAFF }, { 0x20000, 0x3FFFD },
}

local function within(ranges, point)
  for _, range in ipairs(ranges) do
    if point <= range[2] then return point >= range[1] end
  end
  return false
end

local function point_of(character)
  local first = character:byte()
  if first < 0x80 then return first end
  local point = first % (first < 0xE0 and 0x20 or first < 0xF0 and 0x10 or 0x08)
  for at = 2, #character do point = point * 64 + character:byte(at) % 64 end
  return point
end

local function columns_of(character)
  local point = point_of(character)
  if point < 0x300 then return 1 end
  return within(none, point) and 0 or within(double, point) and 2 or 1
end

local character = "[%z\1-\127\194-\244][\128-\191]*"

--- The columns that a text takes; it must be UTF-8 without control characters.
---@param text string
---@return integer
function width.of(text)
  local columns = 0
  for each in text:gmatch(character) do columns = columns + columns_of(each) end
  return columns
end

--- The text in at most so many columns: its end stays, "…" stands for what is cut at its start.
---@param text string
---@param columns integer
---@return string
function width.tail(text, columns)
  if width.of(text) <= columns then return text end
  local taken, list = 1, {}
  for each in text:gmatch(character) do list[#list + 1] = each end
  local first = #list + 1
  for at = #list, 1, -1 do
    local more = columns_of(list[at])
    taken = taken + more
    if taken > columns then break end
    if more > 0 then first = at end -- an accent does not stay without its letter
  end
  return columns > 0 and "…" .. table.concat(list, "", first) or ""
end

--- The text filled up with spaces.
---@param text string
---@param columns integer
---@return string
function width.pad(text, columns) return text .. (" "):rep(columns - width.of(text)) end

return width
