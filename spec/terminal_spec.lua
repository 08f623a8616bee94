-- core.signals and core.terminal, in programs of their own: this one's signals are busted's.
local core = require "loomta.core"
local files = require "spec.support.files"
local lua = require "spec.support.lua"

-- For a program: sends itself a signal, without the handlers that system() puts in the way.
local prelude = [[
  local core = require "loomta.core"
  local function signal(name) io.popen("kill -" .. name .. " $PPID"):close() end
  local function mask(name)
    for line in io.lines "/proc/self/status" do
      local digits = line:match("^" .. name .. ":%s*(%x+)")
      if digits then return digits end
    end
  end
]]

local linux = files.shell "uname -s" == "Linux"

describe("the signals", function()
  local function run(code, options)
    local output, ok, status = lua.run(prelude .. code, options)
    return output, ok, status
  end

  it("are counted instead of ending the program", function()
    local output, ok = run [[
      local signals = core.signals()
      for _, name in ipairs { "INT", "TERM", "HUP", "WINCH", "TERM" } do signal(name) end
      for _, name in ipairs { "INT", "TERM", "HUP", "WINCH" } do print(name, signals:count(name)) end
      print(pcall(signals.count, signals, "KILL"))
      signals:restore()
      signals:restore()
    ]]
    assert.is_true(ok, output)
    assert.truthy(output:find("^INT\t1\nTERM\t2\nHUP\t1\nWINCH\t1\nfalse\t.*invalid option 'KILL'"), output)
  end)

  it("end a wait", function()
    local output, ok = run [[
      local signals = core.signals()
      local mailbox = core.mailbox(1)
      local sender = io.popen("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do kill -WINCH $PPID 2>/dev/null; sleep 0.1; done", "w")
      local began = core.now()
      mailbox:wait(60000)
      print(core.now() - began < 60000, signals:count "WINCH" > 0)
      sender:close()
    ]]
    assert.is_true(ok, output)
    assert.equal("true\ttrue\n", output)
  end)

  it("do again what they did, once restored, collected, or never asked for", function()
    for _, code in ipairs {
      "local signals = core.signals(); signals:restore()",
      "core.signals():close()",
      "core.signals(); collectgarbage(); collectgarbage()",
      "",
    } do
      local output, _, status = run(code .. "\nsignal 'TERM'; print 'still here'")
      assert.equal(143, status, code .. "\n" .. output)
      assert.is_nil(output:find("still here", 1, true))
    end
  end)

  it("have one owner at a time", function()
    local output, ok = run [[
      local signals = core.signals()
      signal "TERM"
      print(pcall(core.signals))
      signals:restore()
      print(core.signals():count "TERM")
    ]]
    assert.is_true(ok, output)
    assert.truthy(output:find("^false\tthe process's signals are being counted already\n0\n$"), output)
  end)

  it("stay ignored where they were", function()
    local output, ok = run([[
      local signals = core.signals()
      signal "HUP"
      print(signals:count "HUP", signals:count "TERM")
      signals:restore()
      signal "HUP"
      print "still here"
    ]], { prefix = "nohup" })
    assert.is_true(ok, output)
    assert.truthy(output:find("0\t0\nstill here\n", 1, true), output)
  end)

  -- Lua's interpreters catch SIGINT whether it was ignored or not; another host may not.
  local where_told = linux and it or pending
  where_told("leave a shell's background command alone", function()
    local output, ok = run([[
      local function ignores_int() return tonumber(mask "SigIgn", 16) % 4 >= 2 end
      print(ignores_int())
      local signals = core.signals()
      signal "INT"
      print(ignores_int(), signals:count "INT")
      signals:restore()
      print(ignores_int())
    ]], { prefix = [[sh -c '"$@" & wait $!' sh]] })
    assert.is_true(ok, output)
    local before, after = output:match "^(%a+)\ntrue\t0\n(%a+)\n$"
    assert.truthy(before, output)
    assert.equal(before, after)
  end)
end)

describe("a terminal", function()
  -- util-linux's script(1) gives a program one.
  local has_script = files.shell("script -qec true /dev/null </dev/null >/dev/null 2>&1 && echo yes") == "yes"

  local function size(stty)
    local path = files.write(os.tmpname(), [[print(require("loomta.core").terminal(1))]])
    local command = ("%s; %s %s"):format(stty, os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", path)
    local output = files.shell(("script -qec %s /dev/null </dev/null"):format(lua.quote(command)))
    os.remove(path)
    return (output:gsub("[\r\n]", ""))
  end

  local with_script = has_script and it or pending

  with_script("has a size", function()
    assert.equal("100\t30", size "stty cols 100 rows 30")
  end)

  with_script("has the usual size where it does not say", function()
    assert.equal("80\t24", size "stty cols 0 rows 0")
  end)

  it("is not a file, a pipe, or nothing", function()
    assert.equal("nil\n", (lua.run [[print(require("loomta.core").terminal(1))]]))
    assert.is_nil(core.terminal(-1))
    assert.is_nil(core.terminal(9999))
    assert.has_error(function() core.terminal "stderr" end)
  end)
end)
