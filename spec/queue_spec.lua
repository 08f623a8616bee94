-- loomta.queue: one queue on a real Redis, one or many workers against one server that can be told to misbehave.
-- SPDX-License-Identifier: MIT
local clips = require "spec.support.clips"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local workers = require "spec.support.queue_worker"

if not redis.isThere() then
  print "\nno redis-server or no lua-redis: the specs of queues are skipped"
  return
end

local box, server, client, folder, name_count, queue, url
name_count = 0

local function make_files(count, size) return clips.make(folder, count, size) end

local function each_stored_once(paths)
  local times, total = clips.stored(box)
  for i, path in ipairs(paths) do assert.equal(1, times[i], path) end
  assert.equal(#paths, total)
end

local function work(more)
  local given = { client = client, leaseMs = 1000 }
  for name, value in pairs(more or {}) do given[name] = value end
  return queue:work(given)
end

local function records()
  local list = {}
  for record in queue:results() do list[#list + 1] = record end
  return list
end

setup(function()
  server = redis.start()
  box = sandbox.start { args = { "--keep-media", "20000" } }
end)
teardown(function()
  server:stop()
  box:stop()
end)
before_each(function()
  box:reset()
  folder = files.shell "mktemp -d"
  name_count = name_count + 1
  url = server:url("q" .. name_count)
  queue = assert(loomta.queue { url = url })
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url, idleTimeoutMs = 2000 })
end)
after_each(function()
  queue:close()
  client:close()
  files.shell("rm -rf " .. folder)
end)

describe("queue:enqueue", function()
  it("queues a file once, whoever names it how often", function()
    local paths = make_files(250)
    assert.same({ enqueued = 250, known = 0, failed = 0 }, (queue:enqueue(paths)))
    local other = assert(loomta.queue { url = url })
    assert.same({ enqueued = 0, known = 250, failed = 0 }, (other:enqueue(paths)))
    other:close()
    assert.equal(250, queue:status().queued)
  end)

  it("takes a file again that has changed, or that goes elsewhere", function()
    local paths = make_files(1)
    queue:enqueue(paths)
    files.write(paths[1], "\255\216\255\224 something else, and longer")
    assert.equal(1, queue:enqueue(paths).enqueued)
    assert.equal(1, queue:enqueue(paths, { folderId = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f" }).enqueued)
    assert.equal(0, queue:enqueue(paths, { folderId = "8B2C1F4A-77D0-4E2C-9A1E-5C3B2A1D0E4F" }).enqueued)
    assert.equal(0, queue:enqueue(paths, { folderId = "null" }).enqueued)
  end)

  it("tells of files that are not there, and goes on", function()
    local paths, seen = make_files(2), {}
    table.insert(paths, 2, folder .. "/missing.jpg")
    local counts = queue:enqueue(paths, { onError = function(path, err) seen[#seen + 1] = { path, err.code } end })
    assert.same({ enqueued = 2, known = 0, failed = 1 }, counts)
    assert.same({ { folder .. "/missing.jpg", "file_read_failed" } }, seen)
  end)

  it("tells of what is no path, and goes on", function()
    local paths, seen = make_files(2), {}
    table.insert(paths, 2, 7)
    table.insert(paths, 3, {})
    local counts = queue:enqueue(paths, { onError = function(_, err) seen[#seen + 1] = err.code .. ": " .. err.message end })
    assert.same({ enqueued = 2, known = 0, failed = 2 }, counts)
    local wrong = "invalid_option: a path must be a text, not a "
    assert.same({ wrong .. "number", wrong .. "table" }, seen)
  end)
end)

describe("queue:work", function()
  it("uploads what is queued and leaves nothing behind", function()
    local paths = make_files(30)
    queue:enqueue(paths)
    local counts, err = work()
    assert.is_nil(err)
    assert.same({ done = 30, failed = 0, unknown = 0, dead = 0, returned = 0, lost = 0 }, counts)
    each_stored_once(paths)
    local status = queue:status()
    assert.equal(0, status.queued + status.inFlight)
    assert.equal(30, status.done)
    assert.equal(0, status.secondsLeft)
    assert.same({}, status.consumers)
    assert.equal(0, server:count("HLEN", ("loomta:{q%d}:started"):format(name_count)))
    local list = records()
    assert.equal(30, #list)
    assert.equal("uploaded", list[1].type)
    assert.equal(2000, list[1].size - list[1].size % 1000)
    assert.is_string(list[1].media.id)
  end)

  it("shares the files among workers, each to one", function()
    local paths = make_files(300)
    queue:enqueue(paths)
    local first = workers.start(url, box, folder .. "/first.log", { "concurrency=4", "leaseMs=5000" })
    local second = workers.start(url, box, folder .. "/second.log", { "concurrency=4", "leaseMs=5000" })
    first:wait()
    second:wait()
    each_stored_once(paths)
    assert.equal(300, queue:status().done)
  end)

  it("marks an upload as started in Redis before its first byte", function()
    local paths = make_files(1)
    queue:enqueue(paths)
    local marks
    work { onProgress = function()
      marks = marks or server:cli("HVALS", ("loomta:{q%d}:started"):format(name_count))
    end }
    assert.truthy(marks:find('"name":"0001-', 1, true), marks)
    assert.truthy(marks:find('"token":', 1, true), marks)
    assert.truthy(marks:find('"consumer":', 1, true), marks)
  end)

  it("does not upload what has changed since it was queued", function()
    local paths = make_files(2)
    queue:enqueue(paths)
    files.write(paths[1], "\255\216\255\224 something else")
    assert.equal(1, work().failed)
    local list = records()
    assert.equal(2, #list)
    local found = list[1].error or list[2].error
    assert.equal("file_changed", found.code)
    assert.equal("refused", (list[1].error and list[1] or list[2]).type)
    assert.equal(1, queue:enqueue(paths).enqueued) -- and it may be queued again
  end)

  it("says no to options that it cannot obey", function()
    for name, value in pairs {
      journal = "x", reconcile = true, retryUnknown = true, onRetry = print, concurrency = 0, leaseMs = 10, cow = 1, filesPerSecond = -1,
    } do
      local counts, err = work { [name] = value }
      assert.is_nil(counts and err == nil or nil, name)
      assert.equal("invalid_option", err.code)
      assert.truthy(err.message:find(name, 1, true), err.message)
    end
  end)

  it("opens the environment's queue where no options are given", function()
    local opened, err = loomta.queue()
    assert.is_nil(opened)
    assert.truthy(err.message:find("set LOOMTA_QUEUE_URL", 1, true), err.message)
    assert.has_error(function() loomta.queue "q" end, "loomta.queue takes a table of options, not a string")
  end)

  it("names what was given, and what would be right", function()
    local function message(value, err) return value == nil and err.message end
    for expected, got in pairs {
      ["'leaseMs' must be a whole number of milliseconds from 300 to 2147483647, not \"60s\""] = message(work { leaseMs = "60s" }),
      ["'filesPerSecond' must be a number from 0 to 2147483647, not -1"] = message(work { filesPerSecond = -1 }),
      ["'client' must be a client as loomta.new gives it, not a table with nothing in it"] = message(work { client = {} }),
      ["unknown option 'maxDelivery'; did you mean 'maxDeliveries'?"] = message(work { maxDelivery = 3 }),
      ["unknown option 'apiKey'"] = message(queue:enqueue({}, { apiKey = "x" })),
      ["'folderId' must be a folder's UUID, or \"null\" for the root, not \"Clips\""] = message(queue:enqueue({}, { folderId = "Clips" })),
      ["'since' must be an id that results gave, such as 1763000000000-0, not 7"] = message(nil, select(2, queue:results { since = 7 }())),
      ["'timeoutMs' must be a whole number, 1 or more, not 0"] = message(loomta.queue { url = url, timeoutMs = 0 }),
      ["'url' must be a line of text without control characters, not the one that was given"] = message(loomta.queue { url = "redis:hunter2@\n" }),
    } do
      assert.equal(expected, got)
    end
  end)
end)

describe("queue:status", function()
  it("tells the rate and the time left also in the first minute", function()
    queue:enqueue(make_files(3))
    local ended, slot = ("loomta:{q%d}:ended"):format(name_count), math.floor(socket.gettime() / 6)
    server:cli("HSET", ended, slot - 1, 60, slot - 2, 60)
    local status = queue:status()
    assert.is_true(status.filesPerMinute >= 400, status.filesPerMinute .. " a minute") -- 600, or a slot later 400
    assert.is_true(status.secondsLeft < 0.5)
    server:cli("HSET", ended, slot - 12, 1)
    assert.equal(120, queue:status().filesPerMinute)
    assert.equal(1.5, queue:status().secondsLeft)
  end)
end)

describe("queue:results", function()
  it("removes what it gave, the last one too, and nothing else", function()
    queue:enqueue(make_files(4))
    work { concurrency = 1 }
    local given, seen = {}, 0
    for record, id in queue:results() do given[#given + 1] = { record.file, id } end
    for record in queue:results { since = given[2][2], remove = true } do
      seen = seen + 1
      assert.equal(given[seen + 2][1], record.file)
    end
    assert.equal(2, seen)
    assert.equal(2, #records())
    for _ in queue:results { remove = true } do seen = seen + 1 end
    assert.equal(4, seen)
    assert.same({}, records())
  end)
end)

describe("a worker that is killed", function()
  it("loses nothing and stores nothing twice", function()
    local paths = make_files(60, 50000)
    queue:enqueue(paths)
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    for round = 1, 4 do
      local worker = workers.start(url, box, ("%s/%d.log"):format(folder, round), { "concurrency=4", "leaseMs=1000" })
      local before = select(2, box:media())
      eventually(function() return select(2, box:media()) > before + 3 or not worker:isRunning() end)
      worker:signal "KILL"
      eventually(function() return not worker:isRunning() end)
    end
    local counts = work { maxDeliveries = 20 }
    assert.equal(0, counts.failed + counts.unknown + counts.dead)
    each_stored_once(paths)
    assert.equal(60, queue:status().done)
  end)

  it("has stored what it had no answer for: that is found, and not sent again", function()
    local paths = make_files(3)
    queue:enqueue(paths)
    box:fault { method = "POST", path = "/public/v1/media", delayAfterBodyMs = 60000, times = 3 }
    local worker = workers.start(url, box, folder .. "/worker.log", { "concurrency=3", "leaseMs=1000" })
    eventually(function() return select(2, box:media()) == 3 end)
    worker:signal "KILL"
    local counts = work()
    assert.equal(3, counts.done)
    each_stored_once(paths)
    for _, record in ipairs(records()) do assert.is_true(record.info.reconciled) end
  end)
end)
