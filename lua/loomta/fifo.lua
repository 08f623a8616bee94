--- A list of what waits: what was put in first comes out first.
-- SPDX-License-Identifier: MIT

---@class loomta.Fifo
---@field private first integer where the oldest one is
---@field private last integer where the newest one is
local Fifo = {}
Fifo.__index = Fifo

local fifo = {}

---@return loomta.Fifo
function fifo.new() return setmetatable({ first = 1, last = 0 }, Fifo) end

---@param item any not nil
function Fifo:push(item)
  self.last = self.last + 1
  self[self.last] = item
end

--- Takes the oldest one out; nil: there is none.
---@return any
function Fifo:pop()
  local item = self[self.first]
  if item == nil then return nil end
  self[self.first] = nil
  self.first = self.first + 1
  return item
end

--- How many there are.
---@return integer
function Fifo:count() return self.last - self.first + 1 end

return fifo
