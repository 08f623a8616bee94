--- Draws curves over two logarithmic axes as SVG.
-- SPDX-License-Identifier: MIT
local WIDTH, HEIGHT = 720, 420
local LEFT, RIGHT, TOP, BOTTOM = 64, 150, 48, 48
local COLORS = { loomta = "#1565c0", ["curl -F"] = "#c62828", ["Go net/http"] = "#00838f" }
local OTHER = "#757575"

local plot = {}

--- The place of a value between the ends of an axis.
local function scale(marks, from, to)
  local first, last = math.log(marks[1]), math.log(marks[#marks])
  return function(value) return from + (math.log(value) - first) / (last - first) * (to - from) end
end

local function number(value) return ("%.1f"):format(value) end

--- Where a curve's name can stand: below those that end close to it.
local function apart(labels)
  table.sort(labels, function(a, b) return a.y < b.y end)
  for i = 2, #labels do labels[i].y = math.max(labels[i].y, labels[i - 1].y + 16) end
end

---@param path string
---@param chart { title: string, curves: table<string, number[][]>, x: number[], x_text: string[]?, y: number[] } `curves`: by
---name, { x, y, lowest y, highest y } each; `x` and `y`: where the axes have marks
function plot.write(path, chart)
  local x, y = scale(chart.x, LEFT, WIDTH - RIGHT), scale(chart.y, HEIGHT - BOTTOM, TOP)
  local out = {}
  local function add(text, ...) out[#out + 1] = text:format(...) end
  local head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">'
  add(head, WIDTH, HEIGHT)
  add '<rect width="100%%" height="100%%" fill="#ffffff"/>'
  add('<text x="%d" y="28" font-size="15">%s</text>', LEFT, chart.title)
  for i, mark in ipairs(chart.x) do
    local text = chart.x_text and chart.x_text[i] or mark
    add('<text x="%s" y="%d" text-anchor="middle">%s</text>', number(x(mark)), HEIGHT - BOTTOM + 22, text)
  end
  for _, mark in ipairs(chart.y) do
    add('<path d="M%d %s H%d" stroke="#e0e0e0"/>', LEFT, number(y(mark)), WIDTH - RIGHT)
    add('<text x="%d" y="%s" text-anchor="end">%s</text>', LEFT - 8, number(y(mark) + 4), mark)
  end
  local labels = {}
  for name, points in pairs(chart.curves) do
    local color, line = COLORS[name] or OTHER, {}
    for i, point in ipairs(points) do
      local place = number(x(point[1]))
      line[i] = ("%s%s %s"):format(i == 1 and "M" or "L", place, number(y(point[2])))
      add('<path d="M%s %s V%s" stroke="%s" opacity="0.4"/>', place, number(y(point[3])), number(y(point[4])), color)
    end
    add('<path d="%s" fill="none" stroke="%s" stroke-width="2"/>', table.concat(line, " "), color)
    labels[#labels + 1] = { name = name, color = color, y = y(points[#points][2]) + 4 }
  end
  apart(labels)
  for _, label in ipairs(labels) do
    add('<text x="%d" y="%s" fill="%s">%s</text>', WIDTH - RIGHT + 8, number(label.y), label.color, label.name)
  end
  out[#out + 1] = "</svg>"
  local file = assert(io.open(path, "w"))
  file:write(table.concat(out, "\n"), "\n")
  file:close()
end

return plot
