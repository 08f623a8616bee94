-- Many small files that say by their names which one they are, and how often a sandbox has each.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"

local clips = {}

--- Writes 0001.jpg and so on.
---@param folder string
---@param count integer
---@param size integer? bytes besides the number
---@return string[] paths
function clips.make(folder, count, size)
  local paths = {}
  for i = 1, count do
    paths[i] = files.write(("%s/%04d.jpg"):format(folder, i), "\255\216\255\224" .. i .. "\n" .. ("x"):rep(size or 2000))
  end
  return paths
end

--- How often each is stored, by number, and how many media there are.
---@param box table the sandbox
---@param sizes integer[]? count those of this size only
---@return table<integer, integer> times
---@return integer total
function clips.stored(box, sizes)
  local times = {}
  local media, total = box:media()
  for _, item in ipairs(media) do
    local number = tonumber(item.originalFileName:match "^(%d+)%-")
    if number and (not sizes or item.size == sizes[number]) then times[number] = (times[number] or 0) + 1 end
  end
  return times, total
end

--- Says how many are stored exactly once.
---@param box table
---@param count integer
---@param sizes integer[]? as for stored
---@return boolean all are, and nothing else is
function clips.report(box, count, sizes)
  local times, total = clips.stored(box, sizes)
  local once, lost, more = 0, 0, 0
  for number = 1, count do
    if times[number] == 1 then once = once + 1 elseif times[number] then more = more + 1 else lost = lost + 1 end
  end
  print(("  %d of %d files are stored exactly once; %d not at all, %d more than once; the sandbox counts %d"):format(
    once, count, lost, more, total))
  return once == count and total == count
end

return clips
