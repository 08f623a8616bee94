-- The progress lines of loomta-upload: exact frames, and what a terminal shows of the bytes, also while its window changes.
local progress = require "loomta.cli.progress"
local width = require "loomta.cli.width"

--- A terminal that wraps long lines and, like those in use today, wraps them anew when its window changes.
local Terminal = {}
Terminal.__index = Terminal

local function terminal(columns, rows)
  return setmetatable({ columns = columns, rows = rows, lines = { { cells = {} } }, top = 1, row = 1, column = 0 }, Terminal)
end

function Terminal:feedLine(wrapped)
  if wrapped then self.lines[self.row].wrapped = true end
  self.row = self.row + 1
  self.lines[self.row] = self.lines[self.row] or { cells = {} }
  self.top = math.max(self.top, self.row - self.rows + 1)
end

function Terminal:put(character)
  local lead = character:byte()
  local cells = (lead >= 0xE3 and lead <= 0xE9 or lead >= 0xF0) and 2 or 1
  if self.column + cells > self.columns then
    self:feedLine(true)
    self.column = 0
  end
  local line = self.lines[self.row]
  line.wrapped = nil
  for at = #line.cells + 1, self.column do line.cells[at] = " " end
  line.cells[self.column + 1] = character
  if cells == 2 then line.cells[self.column + 2] = "" end
  self.column = self.column + cells
end

function Terminal:eraseLine()
  local line = self.lines[self.row]
  line.wrapped = nil
  -- Behind a full row the cursor stands on its last character still.
  for at = #line.cells, math.min(self.column, self.columns - 1) + 1, -1 do line.cells[at] = nil end
end

function Terminal:write(...)
  self.writes = (self.writes or 0) + 1
  local bytes, at = table.concat { ... }, 1
  while at <= #bytes do
    local argument, command, after = bytes:match("^\27%[([%d?]*)(%a)()", at)
    if command == "A" then
      self.row = math.max(self.top, self.row - tonumber(argument))
    elseif command == "K" then
      self:eraseLine()
    elseif command == "J" then
      self:eraseLine()
      for below = #self.lines, self.row + 1, -1 do self.lines[below] = nil end
    elseif command then
      assert(command == "m" or argument == "?2026", "unknown sequence " .. argument .. command)
      self.styled = self.styled or command == "m"
    else
      local character = bytes:match("^[%z\1-\127\194-\244][\128-\191]*", at)
      after = at + #character
      if character == "\n" then
        self:feedLine()
        self.column = 0
      elseif character == "\r" then
        self.column = 0
      else
        assert(character:byte() >= 32, "a control character")
        self:put(character)
      end
    end
    at = after
  end
  return true
end

function Terminal:flush() return self end -- luacheck: ignore 212

function Terminal:resize(columns, rows)
  local old, row = self.lines, self.row
  self.lines, self.columns, self.rows = {}, columns, rows
  local at = 1
  while at <= #old do
    local cells, cursor = {}, nil
    repeat
      local line = old[at]
      if at == row then cursor = #cells + self.column end
      for _, cell in ipairs(line.cells) do cells[#cells + 1] = cell end
      at = at + 1
    until not line.wrapped or at > #old
    local from = 1
    repeat
      local line = { cells = {} }
      local last = math.min(from + columns - 1, #cells)
      if cells[last + 1] == "" then last = last - 1 end
      for i = from, last do line.cells[#line.cells + 1] = cells[i] end
      self.lines[#self.lines + 1] = line
      if cursor and cursor >= from - 1 and (cursor < last or last >= #cells) then
        self.row, self.column = #self.lines, math.min(cursor - from + 1, columns - 1)
      end
      from = last + 1
      line.wrapped = from <= #cells or nil
    until from > #cells
  end
  self.top = math.max(1, #self.lines - rows + 1)
end

--- All that is to be seen, what was scrolled out included; wrapped lines as one.
function Terminal:text()
  local pieces = {}
  for _, line in ipairs(self.lines) do
    pieces[#pieces + 1] = table.concat(line.cells) .. (line.wrapped and "" or "\n")
  end
  return (table.concat(pieces):gsub(" +\n", "\n"):gsub("\n+$", "\n"))
end

--- A progress on such a terminal, and a clock to turn.
local function stage(columns, rows, more)
  local screen, clock = terminal(columns, rows), { ms = 0 }
  local given = {
    mode = "terminal", out = screen, color = false,
    size = function() return screen.columns, screen.rows end, now = function() return clock.ms end,
  }
  for name, value in pairs(more or {}) do given[name] = value end
  return progress.new(given), screen, clock
end

describe("the width of a text", function()
  it("is what it takes on a terminal", function()
    for text, columns in pairs {
      [""] = 0, ["clip.mp4"] = 8, ["Übung"] = 5, ["U\204\136bung"] = 5, ["日本語"] = 6, ["🎬.mov"] = 6, ["…"] = 1, ["한"] = 2,
      ["ทั้"] = 1, ["ｱ"] = 1, ["Ａ"] = 2, ["✅❌⭐"] = 6, ["\239\191\189"] = 1, ["a\226\128\139b"] = 2,
    } do
      assert.equal(columns, width.of(text), text)
    end
  end)

  it("is never more than asked for, and the end stays", function()
    assert.equal("clip.mp4", width.tail("clip.mp4", 8))
    assert.equal("…ip.mp4", width.tail("clip.mp4", 7))
    assert.equal("…", width.tail("clip.mp4", 1))
    assert.equal("", width.tail("clip.mp4", 0))
    assert.equal("…語", width.tail("日本語", 4))
    assert.equal("…本語", width.tail("日本語", 5))
    assert.equal("…bc", width.tail("xxa\204\136bc", 3)) -- no accent without its letter
    assert.equal("…a\204\136bc", width.tail("xxa\204\136bc", 4))
    for columns = 0, 12 do assert.is_true(width.of(width.tail("クリップ🎬 take.mp4", columns)) <= columns) end
  end)
end)

describe("a frame", function()
  local function state(more)
    local given = { files = 3, knownFiles = 20, bytes = 2.5e6, knownBytes = 1e7, rate = 5e5, began = 0, active = {} }
    for name, value in pairs(more or {}) do given[name] = value end
    return given
  end
  local function active(count)
    local list = {}
    for i = 1, count do list[i] = { name = ("take %d.mp4"):format(i), sent = 250000, total = 1000000, began = 0 } end
    return list
  end

  it("has a line for each file and one for all", function()
    assert.same({
      "take 1.mp4          [=====               ]  25%     250.0 kB/1.0 MB  125.0 kB/s",
      "3/20 files  2.5 MB/10.0 MB  500.0 kB/s  0:15 left",
    }, progress.frame(state { active = active(1) }, 80, 24, 2000))
    assert.same({ "3 files  2.5 MB  0 B/s  1:01:01" },
      progress.frame(state { knownFiles = false, knownBytes = false, rate = 0 }, 80, 24, 3661000))
  end)

  it("has no bar and no figures where there is no room", function()
    assert.same({
      "take 1.mp4                      250.0 kB/1.0 MB  125.0 kB/s",
      "3/20 files  2.5 MB/10.0 MB  500.0 kB/s  0:15 left",
    }, progress.frame(state { active = active(1) }, 60, 24, 2000))
    assert.same({ "take 1.mp4", "… MB/10.0 MB  500.0 kB/s  0:15 left" }, progress.frame(state { active = active(1) }, 36, 24, 2000))
  end)

  it("does not count on what will not be sent", function()
    local all = progress.frame(state { spared = 6e6 }, 80, 24, 0)
    assert.equal("3/20 files  2.5 MB/4.0 MB  500.0 kB/s  0:03 left", all[1])
  end)

  it("speaks of one file and of several", function()
    assert.equal("1 file  2.5 MB/10.0 MB  500.0 kB/s  0:15 left", progress.frame(state { files = 1, knownFiles = false }, 80, 24, 0)[1])
    assert.equal("0/1 file  2.5 MB/10.0 MB  500.0 kB/s  0:15 left", progress.frame(state { files = 0, knownFiles = 1 }, 80, 24, 0)[1])
  end)

  it("fits any window", function()
    local list = active(40)
    list[2] = { name = ("日本語のクリップ"):rep(20), sent = 1, began = 0 }
    list[3] = { name = "", sent = 9.99e14, total = 9.99e14, began = 0 }
    for _, columns in ipairs { 1, 2, 3, 10, 35, 49, 50, 51, 79, 80, 200 } do
      for _, rows in ipairs { 1, 2, 3, 4, 10, 50 } do
        local lines = progress.frame(state { active = list }, columns, rows, 5000)
        assert.is_true(#lines <= rows - 1, ("%d lines in %d rows"):format(#lines, rows))
        for _, line in ipairs(lines) do assert.is_true(width.of(line) < columns or width.of(line) == 0, line) end
      end
    end
    local lines = progress.frame(state { active = list }, 80, 10, 5000)
    assert.equal(9, #lines)
    assert.equal("… and 33 more", lines[8])
  end)
end)

describe("progress on a terminal", function()
  it("rewrites its lines in place, under those that stay", function()
    local view, screen, clock = stage(80, 24)
    screen:write "$ loomta-upload clips\n"
    view:total(2, 2000000)
    view:sent("a", "clips/a.mp4", 0, 1000000)
    view:sent("b", "clips/b.mp4", 0, 1000000)
    view:tick()
    clock.ms = 1000
    view:sent("a", "clips/a.mp4", 500000, 1000000)
    view:tick()
    assert.equal([[
$ loomta-upload clips
clips/a.mp4         [==========          ]  50%     500.0 kB/1.0 MB  500.0 kB/s
clips/b.mp4         [                    ]   0%               0 B/1.0 MB  0 B/s
0/2 files  500.0 kB/2.0 MB  500.0 kB/s  0:03 left
]], screen:text())
    clock.ms = 1100
    view:finished("a", "uploaded  clips/a.mp4")
    view:note "watching"
    assert.equal([[
$ loomta-upload clips
uploaded  clips/a.mp4
watching
clips/b.mp4         [                    ]   0%               0 B/1.0 MB  0 B/s
1/2 files  500.0 kB/1.5 MB  490.0 kB/s  0:02 left
]], screen:text())
    view:close()
    assert.equal("$ loomta-upload clips\nuploaded  clips/a.mp4\nwatching\n", screen:text())
    assert.same({ 4, 0 }, { screen.row, screen.column })
    view:note "1 uploaded"
    view:tick()
    view:close()
    assert.equal("$ loomta-upload clips\nuploaded  clips/a.mp4\nwatching\n1 uploaded\n", screen:text())
  end)

  it("leaves out what was refused by its size, however large the others are", function()
    local view, screen = stage(80, 24)
    view:total(3, 2000100)
    view:expect("small", 100)
    view:expect("large", 2000000)
    view:finished("small", "refused  small.png", true)
    view:sent("large", "large.mp4", 0, 2000000)
    view:tick()
    assert.truthy(screen:text():find("1/3 files  0 B/2.0 MB", 1, true), screen:text())
  end)

  it("draws one write at a time, at most every 100 ms, at once in a new window", function()
    local view, screen, clock = stage(80, 24)
    view:sent("a", "a.mp4", 0, 100)
    for ms = 0, 450, 10 do
      clock.ms = ms
      view:tick()
    end
    assert.equal(5, screen.writes)
    screen:resize(70, 24)
    view:tick()
    view:tick()
    assert.equal(6, screen.writes)
  end)

  it("makes its lines no more often for many files that end", function()
    local view, screen, clock = stage(80, 24)
    local frame, made, expected = progress.frame, 0, {}
    progress.frame = function(...)
      made = made + 1
      return frame(...)
    end
    finally(function() progress.frame = frame end)
    for i = 1, 200 do
      clock.ms = i
      view:sent(i, i .. ".mp4", 1, 1)
      expected[i] = ("uploaded  %d.mp4\n"):format(i)
      view:finished(i, ("uploaded  %d.mp4"):format(i))
      view:tick()
      assert.equal(table.concat(expected), screen:text():sub(1, #table.concat(expected)))
    end
    assert.equal(2, made)
    view:close()
    assert.equal(table.concat(expected), screen:text())
  end)

  it("leaves nothing behind when it is closed before it was drawn", function()
    local view, screen = stage(80, 24)
    view:close()
    view:note "nothing to upload"
    assert.equal("nothing to upload\n", screen:text())
  end)

  it("leaves nothing behind in a window that is shrunk and widened", function()
    local view, screen, clock = stage(100, 30)
    screen:write "$ loomta-upload clips\n"
    local expected = { "$ loomta-upload clips" }
    view:total(60, 6e7)
    for step = 1, 60 do
      clock.ms = clock.ms + 100
      for i = step, step + 5 do view:sent(i, ("clips/クリップ %03d.mp4"):format(i), 1e5 * step, 1e7) end
      view:tick()
      screen:resize(45 + (step * 37) % 66, 24 + step % 7)
      if step % 3 == 0 then screen:resize(45 + (step * 53) % 66, 24 + step % 5) end
      local line = ("uploaded  clips/クリップ %03d.mp4  %s"):format(step, ("x"):rep(step * 3))
      expected[#expected + 1] = line
      view:finished(step, line)
      local text = screen:text()
      assert.equal(table.concat(expected, "\n") .. "\n", text:sub(1, #table.concat(expected, "\n") + 1))
      local below = select(2, text:sub(#table.concat(expected, "\n") + 2):gsub("\n", ""))
      assert.equal(#view.drawn, below) -- the block, once
    end
    view:close()
    assert.equal(table.concat(expected, "\n") .. "\n", screen:text())
  end)

  it("clears the screen of a block that no longer fits it", function()
    local view, screen, clock = stage(100, 20)
    for i = 1, 12 do view:sent(i, ("clips/%03d.mp4"):format(i), 1, 1e7) end
    view:tick()
    screen:resize(30, 8) -- its wrapped lines reach into what was scrolled out, where nobody can erase
    clock.ms = 1000
    view:tick()
    local seen = {}
    for at = screen.top, #screen.lines do seen[#seen + 1] = (table.concat(screen.lines[at].cells):gsub(" +$", "")) end
    assert.same({
      "clips/001.mp4", "clips/002.mp4", "clips/003.mp4", "clips/004.mp4", "clips/005.mp4", "… and 7 more",
      "0 files  12 B  12 B/s  0:01", "",
    }, seen)
  end)

  it("keeps the last character of a line that fills its row", function()
    local view, screen = stage(20, 10)
    view:sent("a", "a.mp4", 1, 2)
    view:tick()
    view:note(("0123456789"):rep(4))
    view:close()
    assert.equal(("0123456789"):rep(4) .. "\n", screen:text())
  end)

  it("shows names that are none, and colours only where it may", function()
    for _, color in ipairs { true, false } do
      local view, screen = stage(80, 24, { color = color })
      view:sent("a", "a\27[2J\255\n\194\155x.mp4", 1, 2)
      view:tick()
      view:finished("a", "failed\27[2J  \255.mp4", true)
      assert.equal(color, screen.styled or false)
      view:close()
      assert.equal("failed?[2J  \239\191\189.mp4\n", screen:text())
    end
  end)

  it("counts what is sent again in the rate, not in the sum", function()
    local view, screen, clock = stage(80, 24)
    for _, sent in ipairs { 0, 900000, 0, 900000 } do
      view:sent("a", "a.mp4", sent, 1000000)
      view:tick()
      clock.ms = clock.ms + 1000
    end
    assert.truthy(screen:text():find("0 files  900.0 kB  756.0 kB/s", 1, true), screen:text())
  end)
end)

describe("progress elsewhere", function()
  local function run(mode)
    local view, screen = stage(80, 24, { mode = mode, color = true })
    view:total(1, 10)
    view:sent("a", "a.mp4", 5, 10)
    view:tick()
    view:note "watching"
    view:finished("a", "uploaded  a.mp4")
    view:finished "b"
    view:note("failed  c.mp4", true)
    view:close()
    return screen:text(), screen.styled
  end

  it("is a line for what is said", function()
    assert.same({ "watching\nuploaded  a.mp4\nfailed  c.mp4\n" }, { run "plain" })
  end)

  it("is what went wrong alone, where none is wanted", function()
    assert.same({ "failed  c.mp4\n" }, { run "none" })
  end)
end)
