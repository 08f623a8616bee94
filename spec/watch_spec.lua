-- A watched folder: what is given, when, and how often; by polling and by events, with a clock that the spec turns.
local files = require "spec.support.files"
local lfs = require "lfs"
local socket = require "socket"
local watch = require "loomta.cli.watch"

local has_luv, real_luv = pcall(require, "luv")

local folder, clock, watcher

local function write(name, bytes, modified)
  local path = files.write(folder .. "/" .. name, bytes)
  assert(lfs.touch(path, modified or 1e9, modified or 1e9))
  return path
end

--- With luv, without it (false), or with another in its place.
local function begin(luv, more)
  local loaded, preload = package.loaded.luv, package.preload.luv
  package.loaded.luv = luv or nil
  if not luv then package.preload.luv = function() error "there is no luv" end end
  local given = { folder = folder, accept = function(path) return path:find "%.mp4$" ~= nil end, settleMs = 2000, now = function() return clock end }
  for name, value in pairs(more or {}) do given[name] = value end
  local why
  watcher, why = watch.new(given)
  package.loaded.luv, package.preload.luv = loaded, preload
  return watcher, why
end

--- Names of all that is ready now, in order.
local function ready()
  local names = {}
  for path in watcher.next, watcher do names[#names + 1] = path:sub(#folder + 2) end
  table.sort(names)
  return names
end

--- Turns the clock in steps, as a program that asks often does; gives what became ready meanwhile.
local function pass(ms)
  local names = {}
  for _ = 1, ms / 100 do
    clock = clock + 100
    for _, name in ipairs(ready()) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

before_each(function()
  folder, clock = files.shell "mktemp -d", 1000000
end)
after_each(function()
  if watcher then watcher:close() end
  watcher = nil
  files.shell("rm -rf '" .. folder .. "'")
end)

describe("a watched folder", function()
  before_each(function() write("there.mp4", "x") end)

  it("gives what is there and settled, once", function()
    begin(false)
    assert.equal("polling", watcher.kind)
    assert.same({}, ready())
    assert.same({}, pass(1900))
    assert.same({ "there.mp4" }, pass(1200))
    assert.same({}, pass(200000))
  end)

  it("waits until a file no longer changes", function()
    begin(false)
    pass(5000)
    for size = 1, 10 do
      write("grows.mp4", ("x"):rep(size))
      assert.same({}, pass(1500))
    end
    for second = 1, 5 do
      write("grows.mp4", ("x"):rep(10), 1e9 + second) -- written over: the size stays
      assert.same({}, pass(1500))
    end
    assert.same({ "grows.mp4" }, pass(3200))
  end)

  it("gives a file again that changed later", function()
    begin(false)
    assert.same({ "there.mp4" }, pass(5000))
    write("there.mp4", "xy")
    assert.same({ "there.mp4" }, pass(5000))
    write("there.mp4", "xy", 1e9 + 1)
    assert.same({ "there.mp4" }, pass(5000))
    assert(os.remove(folder .. "/there.mp4"))
    pass(5000)
    write("there.mp4", "xy", 1e9 + 1) -- the same, but it had gone
    assert.same({ "there.mp4" }, pass(5000))
  end)

  it("says nothing of what went before it settled", function()
    begin(false)
    pass(5000)
    write("short.mp4", "x")
    write("moves.mp4", "x")
    pass(1200)
    assert(os.remove(folder .. "/short.mp4"))
    assert(os.rename(folder .. "/moves.mp4", folder .. "/moved.mp4"))
    assert.same({}, pass(1900))
    assert.same({ "moved.mp4" }, pass(1500))
  end)

  it("looks again at what waited for its turn", function()
    begin(false)
    for i = 1, 3 do write(i .. ".mp4", "x") end
    assert.is_nil(watcher:next())
    clock = clock + 2000
    local first = watcher:next()
    local others = {}
    for _, name in ipairs { "1.mp4", "2.mp4", "3.mp4", "there.mp4" } do
      if folder .. "/" .. name ~= first then others[#others + 1] = name end
    end
    write(others[1], "xyz")
    assert(os.remove(folder .. "/" .. others[2]))
    assert.same({ others[3] }, ready())
    assert.same({}, pass(1900))
    assert.same({ others[1] }, pass(3000))
  end)

  it("takes regular files in all folders, but for hidden ones and those that are not accepted", function()
    files.shell(("mkdir -p '%s/deep/er' '%s/.hidden' '%s/folder.mp4' && mkfifo '%s/pipe.mp4'"):format(folder, folder, folder, folder))
    for _, name in ipairs { "deep/er/a.mp4", ".b.mp4", ".hidden/c.mp4", "d.txt", "folder.mp4/e.mp4" } do write(name, "x") end
    local asked = {}
    begin(false, { accept = function(path)
      asked[path] = true
      return path:find "%.mp4$" ~= nil
    end })
    assert.same({ "deep/er/a.mp4", "folder.mp4/e.mp4", "there.mp4" }, pass(5000))
    assert.same({ ["there.mp4"] = true, ["d.txt"] = true, ["deep/er/a.mp4"] = true, ["folder.mp4/e.mp4"] = true }, asked)
  end)

  it("is asked for little: the tree is not looked at each time", function()
    local asked = 0
    begin(false, { accept = function()
      asked = asked + 1
      return false
    end })
    pass(60000)
    assert.is_true(asked >= 50 and asked <= 61, asked .. " times")
  end)

  it("rests ten times as long as a look takes", function()
    local asked = 0
    begin(false, { accept = function()
      asked, clock = asked + 1, clock + 1000
      return false
    end })
    pass(60000)
    assert.is_true(asked <= 6, asked .. " times")
  end)

  it("has to be one", function()
    assert.same({ nil, "it is no folder" }, { begin(false, { folder = folder .. "/there.mp4" }) })
    local none, why = begin(false, { folder = folder .. "/nowhere" })
    assert.is_nil(none)
    assert.truthy(why:find "No such file or directory", why)
  end)

  it("may go, and come back", function()
    begin(false)
    assert.same({ "there.mp4" }, pass(5000))
    files.shell("rm -rf '" .. folder .. "'")
    assert.same({}, pass(5000))
    files.shell("mkdir '" .. folder .. "'")
    write("new.mp4", "x")
    assert.same({ "new.mp4" }, pass(5000))
  end)
end)

describe("events of a watched folder", function()
  -- Long before the next look at everything, which comes after a minute.
  local function soon()
    local names, until_ms = {}, clock + 30000
    local give_up = socket.gettime() + 20
    while #names == 0 and clock < until_ms and socket.gettime() < give_up do
      socket.sleep(0.002)
      names = pass(100)
    end
    return names
  end

  local with_luv = has_luv and it or pending

  with_luv("tell of new files, in new folders too", function()
    write("there.mp4", "x")
    begin(real_luv)
    assert.equal("inotify", watcher.kind)
    assert.same({ "there.mp4" }, pass(5000))
    assert.same({}, pass(1000))
    write("new.mp4", "x")
    assert.same({ "new.mp4" }, soon())
    pass(1000)
    files.shell("mkdir -p '" .. folder .. "/deep/er'")
    write("deep/er/a.mp4", "x")
    assert.same({ "deep/er/a.mp4" }, soon())
    pass(1000)
    write("deep/er/b.mp4", "x")
    assert.same({ "deep/er/b.mp4" }, soon())
    pass(1000)
    write("deep/er/b.mp4", "xy")
    assert.same({ "deep/er/b.mp4" }, soon())
  end)

  with_luv("are those of the folder that has the name now", function()
    files.shell("mkdir '" .. folder .. "/deep'")
    begin(real_luv)
    pass(5000)
    files.shell(("mv '%s/deep' '%s/.away' && mkdir '%s/deep'"):format(folder, folder, folder))
    pass(5000)
    write("deep/a.mp4", "x")
    assert.same({ "deep/a.mp4" }, soon())
  end)

  with_luv("are not all: everything is looked at once a minute", function()
    -- A loop that never runs loses every event.
    begin(setmetatable({ run = function() end }, { __index = real_luv }))
    pass(5000)
    write("new.mp4", "x")
    assert.same({}, pass(50000))
    assert.same({ "new.mp4" }, pass(15000))
    watcher.uv = real_luv -- to close with
  end)

  --- A luv whose folders fail in some way.
  local function failing(start)
    local open = 0
    return {
      run = function() end,
      new_fs_event = function()
        open = open + 1
        return {
          start = function(_, path, _, report) return start(path, report) end,
          is_closing = function() return false end,
          close = function() open = open - 1 end,
        }
      end,
    }, function() return open end
  end

  for what, start in pairs {
    ["at the first folder"] = function() return nil, "ENOSPC: no space left on device", "ENOSPC" end,
    ["at a later one"] = function(path)
      if path:find "deep" then return nil, "ENOSPC: no space left on device", "ENOSPC" end
      return 0
    end,
    ["while they come"] = function(_, report)
      report "EIO"
      return 0
    end,
  } do
    it("that fail leave polling: " .. what, function()
      files.shell("mkdir '" .. folder .. "/deep'")
      local luv, open = failing(start)
      begin(luv)
      pass(5000)
      assert.equal("polling", watcher.kind)
      assert.equal(0, open())
      write("deep/new.mp4", "x")
      assert.same({ "deep/new.mp4" }, pass(4000))
    end)
  end

  it("in a stream do not keep the processor busy", function()
    local report
    local luv = failing(function(_, heard)
      report = heard
      return 0
    end)
    local asked = 0
    begin(luv, { accept = function()
      asked = asked + 1
      return false
    end })
    write("there.txt", "x")
    for _ = 1, 600 do
      report()
      pass(100)
    end
    assert.is_true(asked >= 60 and asked <= 125, asked .. " looks in a minute")
  end)

  with_luv("leave nothing open", function()
    local before = files.shell "ls /proc/$PPID/fd | wc -l"
    for _ = 1, 50 do
      begin(real_luv)
      watcher:next()
      watcher:close()
      watcher:close()
    end
    assert.is_true(tonumber(files.shell "ls /proc/$PPID/fd | wc -l") <= before + 3)
  end)
end)
