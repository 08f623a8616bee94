--- Being stopped by signals: the first one lets what is under way end, the next one cancels it.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"

local numbers = { INT = 2, TERM = 15, HUP = 1 }

---@class loomta.cli.Stop
---@field obeyed integer so many signals were obeyed
---@field signal integer? the number of the first one that was seen
---@field private signals table
local Stop = {}
Stop.__index = Stop

local stop = {}

--- Signals no longer end the process, until `restore`.
---@return loomta.cli.Stop
function stop.watch() return setmetatable({ signals = core.signals(), obeyed = 0 }, Stop) end

--- Looks for signals: the number of the first one, and how many have come.
---@return integer? signal
---@return integer count
function Stop:caught()
  local count = 0
  for name, number in pairs(numbers) do
    local times = self.signals:count(name)
    count = count + times
    if times > 0 then self.signal = self.signal or number end
  end
  return self.signal, count
end

--- Does to a run of uploads what the user wants.
---@param run loomta.Uploads
---@param note fun(text: string) says something to the user
function Stop:obey(run, note)
  local _, count = self:caught()
  if count == self.obeyed then return end
  if self.obeyed == 0 then
    note "stopping: the uploads under way are finished first; press again to cancel them"
    run:stop()
  end
  if count > 1 then run:close() end
  self.obeyed = count
end

function Stop:restore() self.signals:restore() end

return stop
