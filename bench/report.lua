--- Collects what was measured, as medians with their spread and a ratio to a peer of the same run, and prints it.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"

local MANY = 20 -- from so many values on, the spread leaves out the tenth at either end

local report = {}

--- A quantile of numbers, of which there is at least one.
---@param values number[]
---@param fraction number 0 to 1
---@return number
function report.quantile(values, fraction)
  local sorted = { table.unpack(values) }
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(fraction * #sorted))]
end

---@param values number[]
---@return number
function report.median(values) return report.quantile(values, 0.5) end

---@class Row
---@field group string
---@field what string
---@field unit string
---@field median number
---@field low number smallest of few values, tenth percentile of many
---@field high number
---@field count integer how many values the median is of
---@field ratio number? to `against`
---@field against string?

local rows, group = {}, nil

--- Adds a line to the table.
---@param what string
---@param unit string
---@param values number[]
---@param peer Row? what it is compared with; none: it is itself what others are compared with
---@return Row
function report.add(what, unit, values, peer)
  local edge = #values >= MANY and 0.1 or 0
  local row = {
    group = group, what = what, unit = unit, count = #values, median = report.median(values),
    low = report.quantile(values, edge), high = report.quantile(values, 1 - edge),
  }
  if peer and peer.median > 0 then row.ratio, row.against = row.median / peer.median, peer.what end
  rows[#rows + 1] = row
  return row
end

--- Begins a group of lines.
function report.title(text)
  group = text
  io.stderr:write(text, "\n")
end

--- Adds what another process printed as JSON; false: that is nothing.
function report.include(json)
  local ok, list = pcall(cjson.decode, json)
  for _, row in ipairs(ok and list or {}) do rows[#rows + 1] = row end
  return ok
end

local function number(value)
  return (value < 10 and "%.3f" or value < 1000 and "%.1f" or "%.0f"):format(value)
end

local function print_table()
  local line = "  %-52s %4s %9s %17s %5s %8s"
  print((line):format("", "unit", "median", "spread", "n", "ratio"))
  local title
  for _, row in ipairs(rows) do
    if row.group ~= title then print("\n" .. row.group) end
    title = row.group
    local spread, ratio = number(row.low) .. " - " .. number(row.high), row.ratio and ("%.2f"):format(row.ratio) or "1"
    print((line):format(row.what, row.unit, number(row.median), spread, ("%.0f"):format(row.count), ratio))
  end
  print "\nratio: to the nearest line above it that says 1"
end

--- Prints all that was added.
---@param as_json boolean
function report.print(as_json)
  if as_json then print(cjson.encode(rows)) else print_table() end
end

return report
