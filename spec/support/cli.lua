--- Runs loomta-upload as a user does, in a process of its own, and sees what it prints and how it ends.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local lua = require "spec.support.lua"

local patience_s = 30

local cli = {}

local started = {} -- and not waited for

---@class CliRun
---@field out string
---@field err string
---@field status integer

--- One that was started and runs on its own.
local Running = {}
Running.__index = Running

--- Starts it.
---@param words string[]
---@param options { env: table<string, string|false>?, stdin: string?, closedStdout: boolean? }? env: false unsets; stdin: path of a
---file or a FIFO, else there is none
function cli.start(words, options)
  options = options or {}
  local running = setmetatable({ folder = files.shell "mktemp -d" }, Running)
  local command = { "exec", lua.env }
  for name, value in pairs(options.env or {}) do
    if value == false then
      table.insert(command, 3, "-u " .. name)
    else
      command[#command + 1] = name .. "=" .. lua.quote(value)
    end
  end
  if os.getenv "LOOMTA_LUA_COVERAGE" then
    command[#command + 1] = "LUA_INIT=@" .. lua.quote(os.getenv "PWD" .. "/spec/support/line_coverage.lua")
  end
  command[#command + 1] = os.getenv "LOOMTA_SPEC_LUA" or "lua5.4"
  command[#command + 1] = "bin/loomta-upload"
  for _, word in ipairs(words) do command[#command + 1] = lua.quote(word) end
  local at = running.folder .. "/"
  local program = ("echo $$ >%s; %s"):format(lua.quote(at .. "pid"), table.concat(command, " "))
  running.pipe = assert(io.popen(("sh -c %s <%s >%s 2>%s; echo $? >%s"):format(lua.quote(program),
    lua.quote(options.stdin or "/dev/null"), options.closedStdout and "&-" or lua.quote(at .. "out"), lua.quote(at .. "err"),
    lua.quote(at .. "status")), "w"))
  started[running] = true
  return running
end

--- Ends those that a failed spec left behind: they hold pipes that others wait for.
function cli.killAll()
  for running in pairs(started) do
    local pid = files.contents(running.folder .. "/pid"):match "%d+"
    if pid then files.shell(("kill -KILL %s 2>/dev/null"):format(pid)) end
    running:wait()
  end
end

--- What it has said so far on stderr, or on stdout.
function Running:said(where) return files.contents(self.folder .. "/" .. (where or "err")) end

--- Waits until a condition holds.
function cli.eventually(condition, what) eventually(condition, what, patience_s) end

--- Sends it a signal, INT, TERM or HUP, once it catches that.
function Running:signal(name)
  local pid
  cli.eventually(function()
    pid = files.contents(self.folder .. "/pid"):match "%d+"
    local digits = pid and files.contents(("/proc/%s/status"):format(pid)):match "SigCgt:%s*(%x+)"
    local bit = ({ HUP = 1, INT = 2, TERM = 15 })[name] - 1
    local digit = digits and tonumber(digits:sub(-1 - math.floor(bit / 4), -1 - math.floor(bit / 4)), 16)
    return digit and math.floor(digit / 2 ^ (bit % 4)) % 2 == 1
  end, "it does not catch " .. name)
  files.shell(("kill -%s %s"):format(name, pid))
end

--- Waits for its end.
---@return CliRun
function Running:wait()
  self.pipe:close()
  started[self] = nil
  local run = { out = self:said "out", err = self:said(), status = tonumber(self:said "status") }
  files.shell("rm -rf " .. lua.quote(self.folder))
  return run
end

--- Runs it to its end.
---@return CliRun
function cli.run(words, options) return cli.start(words, options):wait() end

--- The lines of a text.
function cli.lines(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

--- The objects that --json printed: by type, lists of them; and the last one, which must be the summary.
function cli.objects(text)
  local by_type, last = {}, nil
  for _, line in ipairs(cli.lines(text)) do
    last = cjson.decode(line)
    by_type[last.type] = by_type[last.type] or {}
    table.insert(by_type[last.type], last)
  end
  assert(last and last.type == "summary" and #by_type.summary == 1, "no summary at the end: " .. text)
  return by_type, last
end

return cli
