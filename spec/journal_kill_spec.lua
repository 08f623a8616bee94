-- A run with a journal is killed at every call by which it touches the world, and run again: nothing is stored twice, and nothing
-- that is stored is said not to be. KILL_STRIDE=1 for every point, KILL_STRIDE=20 for a quick look.
-- #plain keeps it from the sanitizers: their library wants to be the first that is loaded.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local core = require "loomta.core"
local files = require "spec.support.files"
local http = require "socket.http"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local count = 12
local stride = tonumber(os.getenv "KILL_STRIDE") or 6
local give_up_s = 20

local box, folder, journal, killed

-- Looks for lost uploads follow each other at once: this server lists what it has stored before it lets go of a connection.
local program = [[
  local url, key, folder, journal, reconcile = arg[1], arg[2], arg[3], arg[4], arg[5]
  if reconcile == "true" then reconcile = true end
  if reconcile == "false" then reconcile = nil end
  local Settler = getmetatable(require("loomta.settle").new({}, true))
  for i = 1, 20 do
    local name, value = debug.getupvalue(Settler.step, i)
    if name == "looks_ms" then value[2], value[3] = 1, 1 end
  end
  io.stdout:setvbuf "line"
  local client = assert(require("loomta").new { apiKey = key, baseUrl = url })
  local paths = {}
  for i = 1, %d do paths[i] = ("%%s/%%02d.jpg"):format(folder, i) end
  for media, err, path, info in client:uploads(paths, { journal = journal, concurrency = 3, reconcile = reconcile }) do
    local what = not media and err.code .. (err.possiblyStored and "?" or "") or info.skipped and "skipped" or "done"
    print((path or "no request"):match "[^/]*$", what, media and media.originalFileName or err)
  end
  client:close()
]]

local function control(path, body)
  local answer, status = http.request(box.url .. path, body)
  assert(status == 200 or status == 204, tostring(status))
  return answer
end

--- Runs the program: what it said of each file; the lines; whether it was killed.
local function run(reconcile, at, how)
  local words = { "env KILL_FILE=.journal KILL_AT=" .. (at or 0), "KILL_HOW=" .. (how or "none") }
  if at then words[#words + 1] = "LD_PRELOAD=" .. folder .. "/kill_at.so" end
  for _, word in ipairs { os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", folder .. "/program.lua", box.url, box.key, folder, journal, tostring(reconcile) } do
    words[#words + 1] = word
  end
  local pipe = assert(io.popen("{ " .. table.concat(words, " ") .. " 2>&1; echo \"exit $?\"; } 2>/dev/null"))
  local output = pipe:read "*a"
  pipe:close()
  local said = {}
  for name, what in output:gmatch "(%d%d%.jpg)\t([%w_?]+)\t" do said[name] = what end
  local status = output:match "exit (%d+)\n$"
  assert(status == "0" or (at and status == "137"), output)
  return said, output, status == "137"
end

--- Waits until the server has done with every connection of a client that is no more.
local function settle()
  local port, give_up = (":%04X"):format(box.port), core.now() + give_up_s * 1000
  while true do
    local open = false
    for line in io.lines "/proc/net/tcp" do
      local here, state = line:match "^%s*%d+: %x+(:%x+) %S+ (%x+)"
      if here == port and (state == "01" or state == "08") then open = true end -- established, or closed by the client
    end
    if not open then return end
    assert(core.now() < give_up, "the sandbox keeps a connection")
    socket.sleep(0.001)
  end
end

--- How many times the sandbox has each file.
local function stored()
  local times = {}
  for _, item in ipairs(cjson.decode(control "/sandbox/media").media) do
    local name = item.originalFileName:sub(1, 2) .. ".jpg"
    times[name] = (times[name] or 0) + 1
  end
  return times
end

--- Kills it at one point, and runs it again. False once it has run through.
---@param earlier integer? an earlier run was killed, too, after this call
local function try(reconcile, at, how, earlier)
  control("/sandbox/reset", "")
  os.remove(journal)
  if earlier then
    assert.is_true(select(3, run(reconcile, earlier, "after")))
    settle()
  end
  local before, first_output, was_killed = run(reconcile, at, how)
  settle()
  local between = stored()
  local after, output = run(reconcile)
  settle()
  local times = stored()
  local story = ("%s call %d\nthe first run:\n%s\nthe second run:\n%s\nthe journal:\n%s"):format(
    how, at, first_output, output, files.read(journal))
  for i = 1, count do
    local name = ("%02d.jpg"):format(i)
    local what, in_sandbox = after[name], times[name] or 0
    local where = name .. ", " .. story
    if in_sandbox > 1 then error(name .. " is stored twice: " .. where, 0) end
    if what == "done" or what == "skipped" then
      if in_sandbox ~= 1 then error("it is said to be stored: " .. where, 0) end
    elseif reconcile or what ~= "outcome_unknown?" then
      error(("it is said to be %s: %s"):format(tostring(what), where), 0)
    end
    if before[name] == "done" and what ~= "skipped" then error("the first run knew that it was stored: " .. where, 0) end
    if what == "outcome_unknown?" and in_sandbox ~= (between[name] or 0) then error("it was sent again: " .. where, 0) end
  end
  return was_killed
end

setup(function()
  folder = files.shell "mktemp -d"
  files.shell(("cc -O2 -D_GNU_SOURCE -shared -fPIC -pthread -o %s/kill_at.so spec/support/kill_at.c -ldl"):format(folder))
  files.write(folder .. "/program.lua", program:format(count))
  for i = 1, count do files.write(("%s/%02d.jpg"):format(folder, i), "\255\216\255\224" .. i .. ("0123456789abcdef"):rep(200)) end
  journal = folder .. "/a.journal"
  box = sandbox.start {}
  killed = 0
end)
teardown(function()
  box:stop()
  files.shell("rm -rf " .. folder)
  print(("\nkilled at %d points"):format(killed))
end)

describe("a journal #slow #plain", function()
  local at_first = 0
  for _, how in ipairs { "before", "half", "after" } do
    for _, reconcile in ipairs { false, true, "exact" } do
      at_first = at_first + 1
      it(("survives being killed %s the n-th call, with reconcile = %s"):format(how, tostring(reconcile)), function()
        local points = 0
        local at = (at_first - 1) % stride + 1
        while try(reconcile, at, how) do
          points = points + 1
          at = at + stride
        end
        killed = killed + points
        assert.is_true(points * stride >= 80, points .. " points: does it see the calls?")
      end)
    end
  end

  it("survives being killed while it goes on from a run that was killed", function()
    for _, reconcile in ipairs { true, "exact" } do
      for _, earlier in ipairs { 10, 25, 60 } do
        local at = earlier % stride + 1
        while try(reconcile, at, "after", earlier) do
          killed = killed + 1
          at = at + 2 * stride
        end
      end
    end
  end)
end)
