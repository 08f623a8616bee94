-- loomta-upload enqueue, work, status --queue and results, as a user calls them.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local cli = require "spec.support.cli"
local core = require "loomta.core"
local files = require "spec.support.files"
local lua = require "spec.support.lua"
local queue = require "loomta.cli.queue"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"

local page = files.read("docs/loomta-upload.1"):gsub("\\%-", "-")

describe("the man page", function()
  it("has the commands about queues and all their options", function()
    local section = page:match "\n%.SH QUEUE COMMANDS\n(.-)\n%.SH"
    for name, command in pairs(queue.commands) do
      assert.truthy(section:find("\n.B " .. name, 1, true), name)
      command.options { -- in place of a parser: it hears of every option
        argument = function(self) return self end, args = function(self) return self end, target = function(self) return self end,
        argname = function(self) return self end, count = function(self) return self end, convert = function(self) return self end,
        flag = function(self, names)
          assert.truthy(section:find(names:match "%-%-[%w-]+", 1, true), names)
          return self
        end,
        option = function(self, names) return self:flag(names) end,
      }
    end
  end)
end)

if not redis.isThere() then
  print "\nno redis-server or no lua-redis: the specs of queues are skipped"
  return
end

local password = "hunter2loomta"
local box, server, folder, env

setup(function()
  box = sandbox.start()
  server = redis.start { password = password }
end)
teardown(function()
  server:stop()
  box:stop()
end)
before_each(function()
  box:reset()
  server:cli "FLUSHALL"
  folder = files.shell "mktemp -d"
  for i = 1, 5 do files.write(("%s/%d.jpg"):format(folder, i), "\255\216\255\224" .. i) end
  files.write(folder .. "/notes.txt", "no image")
  env = { LOOMTA_API_KEY = box.key, LOOMTA_API_URL = box.url, LOOMTA_QUEUE_URL = server:url("q", "tcp") }
end)
after_each(function()
  cli.killAll()
  files.shell("rm -rf " .. folder)
end)

local function run(...) return cli.run({ ... }, { env = env }) end

describe("loomta-upload", function()
  -- util-linux's script(1) gives a program a terminal.
  local has_script = files.shell("script -qec true /dev/null </dev/null >/dev/null 2>&1 && echo yes") == "yes"
  ;(has_script and it or pending)("speaks to people on a terminal, unless JSON is asked for", function()
    local function on_terminal(words)
      local command = { "env" }
      for name, value in pairs(env) do command[#command + 1] = name .. "=" .. lua.quote(value) end
      command[#command + 1] = (os.getenv "LOOMTA_SPEC_LUA" or "lua5.4") .. " bin/loomta-upload " .. words
      local output = files.shell(("script -qec %s /dev/null </dev/null"):format(lua.quote(table.concat(command, " "))))
      return cli.lines(output:gsub("\r", "") .. "\n")
    end
    run("enqueue", folder .. "/1.jpg")
    assert.same({ "uploaded  " .. folder .. "/1.jpg  5 B", "loomta-upload: 1 done, 0 failed, 0 unknown, 0 dead, 0 returned, 0 lost" },
      on_terminal "work")
    files.write(folder .. "/cover.png", "\137PNG\r\n\26\n")
    run("enqueue", folder .. "/cover.png")
    assert.matches("^refused   .*/cover.png  unsupported_media_type: ", on_terminal("work")[1])
    run("enqueue", folder .. "/2.jpg")
    assert.equal("uploaded", cjson.decode(on_terminal("work --json")[1]).type)
    assert.equal("queue      q", on_terminal("status --queue env")[1])
    assert.equal(2, cjson.decode(on_terminal("status --queue env --json")[1]).done)
  end)

  it("queues, works, and says what came of it", function()
    local first = run("enqueue", "--include", "*.jpg", folder)
    assert.equal(0, first.status, first.err)
    assert.equal('{"enqueued":5,"known":0,"missing":0}\n', first.out)
    assert.equal('{"enqueued":0,"known":5,"missing":0}\n', run("enqueue", "--include", "*.jpg", folder).out)
    assert.equal(5, cjson.decode(run("status", "--queue", "env").out).queued)

    local worker = run("work", "--concurrency", "2")
    assert.equal(0, worker.status, worker.err)
    assert.equal(5, #cli.lines(worker.out))
    assert.truthy(worker.err:find("5 done, 0 failed", 1, true), worker.err)

    local status = cjson.decode(run("status", "--queue", "env").out)
    assert.equal(5, status.done)
    assert.equal(0, status.queued)

    local results = cli.lines(run("results").out)
    assert.equal(5, #results)
    local one = cjson.decode(results[1])
    assert.equal("uploaded", one.type)
    assert.is_string(one.media.id)
    assert.equal(4, #cli.lines(run("results", "--since", one.id).out))
    assert.equal(5, #cli.lines(run("results", "--remove").out))
  end)

  it("says what failed by its exit status", function()
    run("enqueue", folder)
    local worker = run("work", "--quiet")
    assert.equal(1, worker.status)
    assert.equal("", worker.out)
    assert.truthy(worker.err:find("5 done, 1 failed", 1, true), worker.err)
    assert.equal(4, run("enqueue", folder .. "/missing.jpg").status)
  end)

  it("says, and by its exit status, that nobody could read it, and removes nothing then", function()
    run("enqueue", "--include", "*.jpg", folder)
    local worker = cli.run({ "work" }, { env = env, closedStdout = true })
    assert.equal(1, worker.status, worker.err)
    assert.truthy(worker.err:find("5 done, 0 failed", 1, true), worker.err)
    assert.truthy(worker.err:find("standard output cannot be written: ", 1, true), worker.err)
    for _, words in ipairs { { "results", "--remove" }, { "status", "--queue", "env" }, { "enqueue", folder } } do
      local blind = cli.run(words, { env = env, closedStdout = true })
      assert.equal(1, blind.status, words[1])
      assert.truthy(blind.err:find("standard output cannot be written: ", 1, true), blind.err)
    end
    assert.equal(5, #cli.lines(run("results").out))
  end)

  it("asks nobody in a dry run, and says what would be refused", function()
    env.LOOMTA_QUEUE_URL, env.LOOMTA_API_KEY, env.HOME = false, false, folder
    local dry = run("enqueue", "--dry-run", "--exclude", "*.txt", folder)
    assert.equal(0, dry.status, dry.err)
    assert.equal(5, #cli.lines(dry.out))
    dry = run("enqueue", "--dry-run", folder)
    assert.equal(1, dry.status)
    assert.equal(5, #cli.lines(dry.out))
    assert.truthy(dry.err:find("notes.txt: unsupported_media_type", 1, true), dry.err)
  end)

  it("knows folders by their names", function()
    local missing = run("enqueue", "--folder", "Clips", folder .. "/1.jpg")
    assert.equal(4, missing.status)
    assert.truthy(missing.err:find("no folder is called 'Clips'", 1, true), missing.err)
    assert.equal(0, cjson.decode(run("status", "--queue", "env").out).enqueued)
    assert.equal(0, run("enqueue", "--folder", "Clips", "--create-folder", folder .. "/1.jpg").status)
    assert.equal(0, run("work", "--quiet").status)
    local stored = box:media()[1]
    assert.is_string(stored.folderId)
    assert.equal('{"enqueued":0,"known":1,"missing":0}\n', run("enqueue", "--folder", "Clips", folder .. "/1.jpg").out)
    assert.equal(1, run("enqueue", "--folder", "null", "--dry-run", folder .. "/notes.txt").status)
  end)

  it("says that it waits for Redis, and that it has it again", function()
    local worker = cli.start({ "work", "--wait" }, { env = env })
    cli.eventually(function() return server:cli("EXISTS", "loomta:{q}:entries") == "1" end, "it did not join")
    server:kill()
    cli.eventually(function() return worker:said():find("waiting: queue_unreachable", 1, true) end, "it does not say so")
    server:start()
    cli.eventually(function() return worker:said():find("the queue answers again\n", 1, true) end, "it does not say so")
    run("enqueue", folder .. "/1.jpg")
    cli.eventually(function() return select(2, box:media()) == 1 end, "it does not go on")
    worker:signal "TERM"
    local done = worker:wait()
    assert.equal(0, done.status, done.err)
    assert.equal(1, select(2, done.err:gsub("waiting: ", "")), done.err)
    assert.is_nil(done.err:find(password, 1, true), done.err)
  end)

  it("ends soon on a signal also where Redis cannot be reached", function()
    server:kill()
    for _, words in ipairs { { "work", "--wait" }, { "enqueue", folder } } do
      local waiting = cli.start(words, { env = env })
      waiting:signal "TERM"
      local began = core.now()
      local ended = waiting:wait()
      assert.equal(143, ended.status, ended.err)
      assert.truthy(ended.err:find("queue_unreachable", 1, true), ended.err)
      assert.is_true(core.now() - began < 20000, "it had patience")
    end
    server:start()
  end)

  it("does not wait for Redis any longer when it is told twice", function()
    run("enqueue", "--include", "*.jpg", folder)
    box:fault { method = "POST", delayAfterBodyMs = 500, times = 0 }
    local worker = cli.start({ "work", "--lease", "60" }, { env = env })
    cli.eventually(function() return box:connections() > 0 end, "no uploads")
    server:kill()
    worker:signal "TERM"
    cli.eventually(function() return worker:said():find("stopping", 1, true) end, "it does not hear")
    worker:signal "TERM"
    local began = core.now()
    assert.equal(143, worker:wait().status)
    assert.is_true(core.now() - began < 30000, "it waits for the lease")
    server:start()
  end)

  it("says that it waits for Loomta, with --quiet too, and that it answers again", function()
    box:fault { status = 429, retryAfter = "1" }
    run("enqueue", folder .. "/1.jpg")
    local done = run("work", "--quiet", "--retries", "0")
    assert.equal(0, done.status, done.err)
    assert.truthy(done.err:find("waiting: .-%(HTTP 429%).-the server answers again\n"), done.err)
    env.LOOMTA_API_URL = "http://127.0.0.1:1"
    run("enqueue", folder .. "/2.jpg")
    local worker = cli.start({ "work", "--quiet", "--retries", "0" }, { env = env })
    cli.eventually(function() return worker:said():find("waiting: connect_failed", 1, true) end, "it does not say so")
    worker:signal "TERM"
    assert.equal(143, worker:wait().status)
  end)

  it("ends well on SIGTERM", function()
    local worker = cli.start({ "work", "--wait" }, { env = env })
    cli.eventually(function() return server:cli("EXISTS", "loomta:{q}:entries") == "1" end, "it did not join")
    worker:signal "TERM"
    assert.equal(0, worker:wait().status)
  end)

  it("refuses what makes no sense, and never shows the password", function()
    for _, words in ipairs {
      { "enqueue" }, { "enqueue", "-0", "x" }, { "work", "--concurrency", "0" }, { "work", "--lease", "x" }, { "results", "--since", "x" },
      { "work", "--queue", "redis://:" .. password .. "@host" }, { "enqueue", "--create-folder", "x" }, { "work", "--cow" },
    } do
      local refused = run((table.unpack or unpack)(words))
      assert.equal(2, refused.status, table.concat(words, " ") .. refused.err)
      assert.truthy(refused.err:find("loomta-upload: ", 1, true))
      assert.is_nil(refused.err:find(password, 1, true), refused.err)
    end
    local missing = "no queue: give --queue, or set LOOMTA_QUEUE_URL; it must be redis://"
    for url, said in pairs { [""] = missing, [password] = "LOOMTA_QUEUE_URL does not begin with" } do
      env.LOOMTA_QUEUE_URL = url
      local refused = run "work"
      assert.equal(2, refused.status)
      assert.truthy(refused.err:find(said, 1, true), refused.err)
      assert.is_nil(refused.err:find(password, 1, true), refused.err)
    end
    for url, said in pairs { ["redis://host"] = "--queue has no db", [""] = "not an empty string" } do
      local refused = run("work", "--queue", url)
      assert.equal(2, refused.status)
      assert.truthy(refused.err:find(said, 1, true), refused.err)
    end
    env.LOOMTA_QUEUE_URL = ("redis://:wrong%s@127.0.0.1:%d/0/q"):format(password, server.port)
    local refused = run("status", "--queue", "env")
    assert.equal(3, refused.status)
    assert.is_nil(refused.err:find(password, 1, true), refused.err)
  end)

  it("still says with status alone how it is with the key", function()
    local status = run "status"
    assert.equal(0, status.status, status.err)
    assert.truthy(status.out:find("accepted", 1, true))
  end)
end)
