--- Shows on a terminal what is under way: a block of lines below those that stay, rewritten in place.
-- SPDX-License-Identifier: MIT
local report = require "loomta.cli.report"
local unicode = require "loomta.unicode"
local width = require "loomta.cli.width"

local redraw_ms = 100
local smoothing_ms = 5000 -- what the rate is an average of, about
local bar_columns = 20

local progress = {}

---@class loomta.cli.Progress
---@field private mode "terminal"|"plain"|"none"
---@field private out file*
---@field private color boolean
---@field private size fun(): integer?, integer?
---@field private now fun(): number
---@field private active table[] { key, name, sent, total, began }, in the order of their start
---@field private moved number the bytes that went out, what was sent again included
---@field private spared number the bytes of files that have ended and did not go out
---@field private sizes table<any, number> by key, of files that have not ended
---@field private block string? the lines that stand there now
---@field private drawn integer[] the columns of each line that stands there now
local Progress = {}
Progress.__index = Progress

---@param given table mode, out, color, size() → columns, rows; now() → ms
---@return loomta.cli.Progress
function progress.new(given)
  local self = setmetatable(given, Progress)
  self.active, self.byKey, self.drawn = {}, {}, {}
  self.files, self.sentDone, self.began = 0, 0, self.now()
  self.rate, self.ratedAt, self.ratedMoved = 0, self.began, 0
  self.moved, self.spared, self.sizes = 0, 0, {}
  return self
end

--- How much there is, as far as that is known.
---@param files integer
---@param bytes number?
function Progress:total(files, bytes) self.knownFiles, self.knownBytes = files, bytes end

--- A file's turn comes.
---@param key any
---@param size number?
function Progress:expect(key, size)
  if self.mode == "terminal" then self.sizes[key] = size end
end

local function clean(text) return report.plain((unicode.clean(text))) end

--- A file is under way.
---@param key any
---@param name string
---@param sent number
---@param total number?
function Progress:sent(key, name, sent, total)
  if self.mode ~= "terminal" then return end
  local item = self.byKey[key]
  if not item then
    item = { key = key, name = clean(name), began = self.now(), sent = 0 }
    self.byKey[key] = item
    self.active[#self.active + 1] = item
  end
  self.moved = self.moved + math.max(0, sent - item.sent) -- a retry begins at 0 again
  item.sent, item.total = sent, total
end

local function time(ms)
  local s = math.floor(ms / 1000 + 0.5)
  if s < 3600 then return ("%d:%02d"):format(math.floor(s / 60), s % 60) end
  return ("%d:%02d:%02d"):format(math.floor(s / 3600), math.floor(s / 60) % 60, s % 60)
end

--- One active file's line.
---@param item table
---@param columns integer
---@param now number
---@return string
local function line_of(item, columns, now)
  local figures = report.size(item.sent)
  if item.total then figures = figures .. "/" .. report.size(item.total) end
  local elapsed = now - item.began
  if elapsed > 500 then figures = ("%s  %s/s"):format(figures, report.size(item.sent / elapsed * 1000)) end
  figures = width.pad("", 32 - #figures) .. figures
  if columns < 50 then return width.tail(item.name, columns - 1) end
  local bar = ""
  if item.total and columns >= 80 then
    local part = item.total > 0 and item.sent / item.total or 1
    local full = math.floor(part * bar_columns)
    bar = ("  [%s%s] %3d%%"):format(("="):rep(full), (" "):rep(bar_columns - full), math.floor(part * 100))
  end
  local room = columns - 1 - #figures - #bar
  return width.pad(width.tail(item.name, room), room) .. bar .. figures
end

--- The bytes that go out in all, by what is known; nil: nothing is.
local function due_bytes(state)
  return state.knownBytes and math.max(state.knownBytes - (state.spared or 0), state.bytes) or nil
end

--- The line about all of them.
local function total_line(state, columns, now)
  local text = ("%d"):format(state.files)
  if state.knownFiles then text = ("%d/%d"):format(state.files, math.max(state.knownFiles, state.files)) end
  local noun = math.max(state.knownFiles or 0, state.files) == 1 and "file" or "files"
  text = ("%s %s  %s"):format(text, noun, report.size(state.bytes))
  local due = due_bytes(state)
  if due then text = ("%s/%s"):format(text, report.size(due)) end
  text = ("%s  %s/s"):format(text, report.size(state.rate))
  if due and state.rate > 0 and due > state.bytes then
    text = ("%s  %s left"):format(text, time((due - state.bytes) / state.rate * 1000))
  else
    text = ("%s  %s"):format(text, time(now - state.began))
  end
  return width.tail(text, columns - 1)
end

--- The lines of the block. Pure.
---@param state table files, knownFiles, bytes, knownBytes, spared, rate, began; active: list of { name, sent, total,
---began }
---@param columns integer
---@param rows integer
---@param now number
---@return string[]
function progress.frame(state, columns, rows, now)
  local lines = {}
  if rows < 2 then return lines end
  local room = rows - 2 -- the total and the line below
  local shown = #state.active > room and math.max(room - 1, 0) or #state.active
  for at = 1, shown do lines[at] = line_of(state.active[at], columns, now) end
  if shown < #state.active and room > 0 then
    lines[shown + 1] = width.tail(("… and %d more"):format(#state.active - shown), columns - 1)
  end
  lines[#lines + 1] = total_line(state, columns, now)
  return lines
end

--- How to get to the block's first line: a terminal that became narrower has wrapped the old ones.
local function rewind(drawn, columns)
  local rows = 0
  for _, taken in ipairs(drawn) do rows = rows + math.max(1, math.ceil(taken / columns)) end
  return rows > 0 and ("\27[%dA\r"):format(rows) or "\r"
end

--- Bytes that went out, of all files.
local function bytes_sent(self)
  local bytes = self.sentDone
  for _, item in ipairs(self.active) do bytes = bytes + item.sent end
  return bytes
end

local function measure(self, now)
  local elapsed = now - self.ratedAt
  if elapsed < redraw_ms then return end
  local current = (self.moved - self.ratedMoved) / elapsed * 1000
  local weight = self.rate == 0 and 1 or math.min(1, elapsed / smoothing_ms)
  self.rate = self.rate + (current - self.rate) * weight
  self.ratedAt, self.ratedMoved = now, self.moved
end

--- Makes the block.
local function compose(self, columns, rows, now)
  measure(self, now)
  self.bytes = bytes_sent(self)
  self.drawn = {}
  local pieces = {}
  for at, line in ipairs(progress.frame(self, columns, rows, now)) do
    self.drawn[at] = width.of(line)
    pieces[at] = line .. "\27[K\n"
  end
  self.block = table.concat(pieces)
  self.drawnAt, self.columns, self.rows = now, columns, rows
end

--- Writes lines that stay, and the block below them, at once. Many small files end in a moment: the block is then as it was.
local function draw(self, staying)
  local columns, rows = self.size()
  if not columns then columns, rows = 80, 24 end
  local now = self.now()
  local pieces = { "\27[?2026h", rewind(self.drawn, columns) } -- drawn by the terminal as one, where it knows how
  -- A line that stays may fill its last row: erasing behind it would take its last character.
  if #staying > 0 then pieces[#pieces + 1] = "\27[J" .. table.concat(staying, "\n") .. "\n" end
  local recent = self.block and columns == self.columns and rows == self.rows and now - self.drawnAt < redraw_ms
  if not (recent and #staying > 0) then compose(self, columns, rows, now) end
  pieces[#pieces + 1] = self.block .. "\27[J\27[?2026l"
  self.out:write(table.concat(pieces))
  self.out:flush()
end

local function keep(self, text, problem)
  if self.mode == "none" and not problem then return end
  text = unicode.clean(text):gsub("[%z\1-\8\10-\31\127]", "?"):gsub("\194[\128-\159]", "?") -- a tab is welcome
  if self.mode == "terminal" then
    if problem and self.color then text = "\27[31m" .. text .. "\27[0m" end
    return draw(self, { text })
  end
  self.out:write(text, "\n")
  self.out:flush()
end

--- A file is not under way any more.
---@param key any
---@param text string? a line that stays
---@param problem boolean? it tells of one
function Progress:finished(key, text, problem)
  self.files = self.files + 1
  local item = self.byKey[key]
  local size, sent = self.sizes[key] or item and item.total or 0, item and item.sent or 0
  self.spared = self.spared + math.max(0, size - sent)
  self.sizes[key] = nil
  if item then
    self.sentDone = self.sentDone + sent
    self.byKey[key] = nil
    for at, other in ipairs(self.active) do
      if other == item then
        table.remove(self.active, at)
        break
      end
    end
  end
  if text then keep(self, text, problem) end
end

--- A line that stays.
---@param text string
---@param problem boolean? it is said in every mode
function Progress:note(text, problem) keep(self, text, problem) end

--- Draws the block anew when that is due.
function Progress:tick()
  if self.mode ~= "terminal" then return end
  local columns, rows = self.size()
  local due = not self.drawnAt or self.now() - self.drawnAt >= redraw_ms
  if due or columns ~= self.columns or rows ~= self.rows then draw(self, {}) end
end

--- Takes the block away.
function Progress:close()
  if self.mode ~= "terminal" then return end
  self.mode = "plain"
  if #self.drawn == 0 then return end
  local columns = self.size()
  self.out:write(rewind(self.drawn, columns or 80) .. "\27[J")
  self.out:flush()
  self.drawn = {}
end

return progress
