--- A queue: what was put in first comes out first.
-- SPDX-License-Identifier: MIT

---@class loomta.Queue
---@field private first integer where the oldest one is
---@field private last integer where the newest one is
local Queue = {}
Queue.__index = Queue

local queue = {}

---@return loomta.Queue
function queue.new() return setmetatable({ first = 1, last = 0 }, Queue) end

---@param item any not nil
function Queue:push(item)
  self.last = self.last + 1
  self[self.last] = item
end

--- Takes the oldest one out; nil: there is none.
---@return any
function Queue:pop()
  local item = self[self.first]
  if item == nil then return nil end
  self[self.first] = nil
  self.first = self.first + 1
  return item
end

--- How many there are.
---@return integer
function Queue:count() return self.last - self.first + 1 end

return queue
