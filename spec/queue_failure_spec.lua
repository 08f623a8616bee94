-- loomta.queue when things go wrong: Redis goes away and comes back, leases end, entries are poison, the server asks for patience.
-- SPDX-License-Identifier: MIT
local address = require "loomta.queue.address"
local core = require "loomta.core"
local clips = require "spec.support.clips"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local link = require "loomta.queue.link"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"
local scripts = require "loomta.queue.scripts"
local workers = require "spec.support.queue_worker"

if not redis.isThere() then
  print "\nno redis-server or no lua-redis: the specs of queues are skipped"
  return
end

local password = "hunter2loomta"
local box, server, client, folder, queue, url, key

local function make_files(count, size) return clips.make(folder, count, size) end

local function stored() return (select(2, box:media())) end

local function each_stored_once(paths)
  local times = clips.stored(box)
  for i, path in ipairs(paths) do assert.equal(1, times[i], path) end
end

local function work(more)
  local given = { client = client, leaseMs = 1000 }
  for name, value in pairs(more or {}) do given[name] = value end
  return queue:work(given)
end

local function worker(name, words)
  return workers.start(url, box, folder .. "/" .. name .. ".log", words)
end

local function only_record()
  local list = {}
  for record in queue:results() do list[#list + 1] = record end
  assert.equal(1, #list)
  return list[1]
end

--- Takes the only entry as a worker does: with what connection, which keys, and its id.
local function drawn_by(consumer, lease_ms)
  local connection, keys = assert(link.new(address.parse(url), {})), scripts.keys "q"
  connection:run("join", keys, {})
  return connection, keys, connection:run("draw", keys, { consumer, 1, lease_ms, 0 })[3]
end

before_each(function()
  server = redis.start { password = password }
  box = sandbox.start { args = { "--keep-media", "20000" } }
  folder = files.shell "mktemp -d"
  url, key = server:url("q", "tcp"), "loomta:{q}:"
  queue = assert(loomta.queue { url = url })
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url, maxRetries = 0, idleTimeoutMs = 2000 })
end)
after_each(function()
  queue:close()
  client:close()
  server:stop()
  box:stop()
  files.shell("rm -rf " .. folder)
end)

describe("Redis that goes away", function()
  it("is waited for, and what ended meanwhile is told to it", function()
    local paths = make_files(60)
    queue:enqueue(paths)
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    local one = worker("one", { "concurrency=4", "leaseMs=6000" })
    eventually(function() return stored() > 10 end)
    server:kill()
    eventually(function() return box:connections() > 0 end)
    server:start()
    assert.truthy(one:wait():find("counts done=60 failed=0 unknown=0 dead=0", 1, true), one:said())
    each_stored_once(paths)
    assert.equal(60, stored())
    assert.equal(60, queue:status().done)
  end)

  it("stops a worker from beginning anything, however long it takes", function()
    local paths = make_files(40)
    queue:enqueue(paths)
    box:fault { method = "POST", delayAfterBodyMs = 50, times = 0 }
    local one = worker("one", { "concurrency=2", "leaseMs=900" })
    eventually(function() return stored() > 4 end)
    server:signal "STOP" -- it takes connections and does not answer
    local before
    eventually(function() -- the lease is over, and so is all that was under way
      local now = stored()
      local same = before == now
      before = now
      files.shell "sleep 1"
      return same
    end)
    assert.is_true(one:isRunning())
    server:signal "CONT"
    one:wait()
    each_stored_once(paths)
    assert.equal(40, stored())
    local status = queue:status()
    assert.equal(40, status.done)
  end)

  --- A worker goes on after Redis has refused it with this word for a while, as an option made it.
  local function assert_waited_for(word, option, meanwhile)
    queue:enqueue(make_files(20))
    box:fault { method = "POST", delayAfterBodyMs = 50, times = 0 }
    local one = worker("one", { "concurrency=2", "leaseMs=5000" })
    eventually(function() return stored() > 2 end)
    server:cli("CONFIG", "SET", option, "1")
    if meanwhile then meanwhile() end
    eventually(function() return tonumber(server:cli("INFO", "errorstats"):match("errorstat_" .. word .. ":count=(%d+)") or 0) > 3 end)
    server:cli("CONFIG", "SET", option, "0")
    assert.truthy(one:wait():find("counts done=20 failed=0 unknown=0 dead=0", 1, true), one:said())
    assert.equal(20, stored())
  end

  it("is waited for while it has no room, too", function()
    assert_waited_for("OOM", "maxmemory", function()
      local _, err = assert(loomta.queue { url = url, patienceMs = 0 }):enqueue { folder .. "/0001.jpg", files.write(folder .. "/new.jpg", "x") }
      assert.equal("queue_unreachable", err.code)
      assert.truthy(err.cause:find "^OOM", err.cause)
    end)
  end)

  it("is waited for while it lacks replicas, too, or has too many clients", function()
    assert_waited_for("NOREPLICAS", "min-replicas-to-write")

    local connection = assert(link.new(address.parse(url), {}))
    connection:call { "CONFIG", "SET", "maxclients", "1" }
    local _, err = assert(loomta.queue { url = url, patienceMs = 0 }):status()
    assert.equal("queue_unreachable", err.code)
    connection:call { "CONFIG", "SET", "maxclients", "1000" }
    connection:close()
  end)

  it("is waited for also where it is an older one, which says so in a sentence", function()
    local connection = assert(link.new(address.parse(url), {}))
    local function code_of(said)
      local where = "ERR Error running script (call to f_35a1): @user_script:38: @user_script: 38: "
      return select(2, connection:call { "EVAL", "return redis.error_reply(ARGV[1])", 0, where .. said }).code
    end
    assert.equal("queue_failed", code_of "-WRONGTYPE Operation against a key")
    assert.equal("queue_unreachable", code_of "-OOM command not allowed when used memory")
    connection:close()
  end)

  it("is an error for those who do not wait", function()
    server:kill()
    local impatient = assert(loomta.queue { url = url, patienceMs = 0 })
    for name, call in pairs {
      enqueue = function() return impatient:enqueue(make_files(1)) end,
      status = function() return impatient:status() end,
      work = function() return impatient:work { client = client } end,
    } do
      local value, err = call()
      assert.is_nil(value, name)
      assert.equal("queue_unreachable", err.code)
      assert.equal("network", err.kind)
      assert.is_true(err.retryable)
    end
    local record, err = impatient:results()()
    assert.is_false(record)
    assert.equal("queue_unreachable", err.code)
    impatient:close()
  end)
end)

describe("an entry", function()
  it("is not taken for known that Redis would not take", function()
    server:cli("SET", key .. "entries", "no stream")
    local paths = make_files(3)
    local counts, err = queue:enqueue(paths)
    assert.is_nil(counts)
    assert.equal("queue_failed", err.code)
    server:cli("DEL", key .. "entries")
    assert.same({ enqueued = 3, known = 0, failed = 0 }, queue:enqueue(paths))
  end)

  it("goes to the dead letters with its error when it failed too often", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 503, retryAfter = "0", code = "overloaded", message = "no room", times = 0 }
    local counts = work { leaseMs = 300, maxDeliveries = 2 }
    assert.equal(1, counts.returned)
    assert.equal(1, counts.dead)
    assert.equal(1, server:count("XLEN", key .. "dead"))
    assert.truthy(server:cli("XRANGE", key .. "dead", "-", "+"):find("no room", 1, true))
    local record = only_record()
    assert.equal("failed", record.type)
    assert.equal(503, record.error.status)
    assert.equal(1, queue:status().dead)
    assert.equal(1, queue:enqueue({ folder .. "/0001.jpg" }).enqueued) -- surely not stored: it may be queued again
  end)

  it("that kills its worker each time is no worker's for ever", function()
    queue:enqueue(make_files(1))
    work {} -- makes the group
    assert.equal(1, stored())
    queue:enqueue { files.write(folder .. "/poison.jpg", "\255\216\255\224 poison") }
    server:cli("XREADGROUP", "GROUP", "workers", "ghost", "STREAMS", key .. "entries", ">")
    for _ = 1, 5 do server:cli("XAUTOCLAIM", key .. "entries", "workers", "ghost", 0, "0") end
    local counts = work { leaseMs = 300 }
    assert.equal(1, counts.dead)
    assert.equal(1, stored())
    assert.truthy(server:cli("XRANGE", key .. "dead", "-", "+"):find("too_many_deliveries", 1, true))
  end)

  it("that no enqueue has written fails alone, and ends no worker", function()
    for _, words in ipairs { { "entry", "no JSON", "identity", "x" }, { "what", "ever" }, { "entry", "[1]" }, { "entry", '{"file":7}' } } do
      server:cli("XADD", key .. "entries", "*", (table.unpack or unpack)(words))
    end
    queue:enqueue(make_files(1))
    assert.same({ done = 1, failed = 4, unknown = 0, dead = 0, returned = 0, lost = 0 }, (work()))
    local failures = {}
    for record in queue:results() do failures[record.file] = record.error and record.error.code end
    assert.equal("file_read_failed", failures["no JSON"])
    assert.equal(0, queue:status().queued)
  end)

  it("has a result also where the server's answer is none that JSON can say again", function()
    queue:enqueue(make_files(2))
    for _, more in ipairs { "1e999", ("["):rep(99) .. ("]"):rep(99) } do
      box:fault { method = "POST", contentType = "application/json", body = '{"id":"m","more":' .. more .. "}" }
    end
    assert.equal(2, work({}).done)
    local ids = {}
    for record in queue:results() do ids[#ids + 1] = record.media.id end
    assert.same({ "m", "m" }, ids)
    assert.equal(2, queue:status().done)
  end)

  it("that was marked and cannot be told of is set aside, and not sent again #slow", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 500, times = 0 }
    local counts = work { maxDeliveries = 1 }
    assert.equal(1, counts.unknown)
    local record = only_record()
    assert.equal("unknown", record.type)
    assert.is_true(record.error.possiblyStored)
    assert.equal(1, queue:status().unknown)
    assert.equal(0, queue:enqueue({ folder .. "/0001.jpg" }).enqueued)
  end)

  it("that another worker has taken over must not begin", function()
    queue:enqueue(make_files(1))
    local connection, keys, id = drawn_by("first", 60000)
    local mark = '{"name":"a.jpg","token":"t","size":1}'
    server:cli("XCLAIM", key .. "entries", "workers", "second", 0, id)
    assert.same({ 0 }, connection:run("begin", keys, { "first", id, mark }))
    assert.equal(0, server:count("HLEN", key .. "started"))
    assert.same({ 1 }, connection:run("begin", keys, { "second", id, mark }))
    assert.equal(0, connection:run("finish", keys, { "first", id, "done", "{}", "x" }))
    assert.equal(0, connection:run("release", keys, { "first", id, "0", "0", "0", "", "" }))
    assert.same({ 0 }, connection:run("renew", keys, { "first", id }))
    assert.equal(1, connection:run("finish", keys, { "second", id, "done", "{}", "x" }))
    connection:close()
  end)

  it("is its worker's for the longest lease that any of them has", function()
    queue:enqueue(make_files(1))
    local connection, keys, id = drawn_by("first", 60000)
    server:cli("XCLAIM", key .. "entries", "workers", "first", 0, id, "IDLE", 5000, "JUSTID")
    assert.equal(2, #connection:run("draw", keys, { "second", 1, 1000, 0 }), "it was taken over")
    assert.same({ 1 }, connection:run("renew", keys, { "first", id }))
    connection:run("release", keys, { "first", id, "0", "1", "1", "", "" })
    assert.equal(id, connection:run("draw", keys, { "second", 1, 90000, 0 })[3]) -- it was given back, whatever leases are
    connection:run("finish", keys, { "second", id, "done", "{}", "x" })
    queue:enqueue(make_files(2))
    id = connection:run("draw", keys, { "first", 1, 1000, 0 })[3] -- nobody held anything
    server:cli("XCLAIM", key .. "entries", "workers", "first", 0, id, "IDLE", 5000, "JUSTID")
    assert.equal(id, connection:run("draw", keys, { "second", 1, 1000, 0 })[3])
    connection:close()
  end)

  it("is not given back a second time by a request that comes late", function()
    queue:enqueue(make_files(1))
    local connection, keys, id = drawn_by("first", 1000)
    local late = { "first", id, "0", "1", "1", "", "" }
    assert.equal(1, connection:run("release", keys, late))
    files.shell "sleep 0.01"
    assert.equal(id, connection:run("draw", keys, { "first", 1, 1000, 0 })[3])
    assert.same({ 1 }, connection:run("begin", keys, { "first", id, '{"name":"a.jpg","token":"t","size":1}' }))
    assert.equal(0, connection:run("release", keys, late))
    assert.equal(1, server:count("HLEN", key .. "started"))
    assert.equal(1, connection:run("release", keys, { "first", id, "1", "1", "1", "", "t" }))
    connection:close()
  end)

  it("that is taken over while it is sent is canceled, and stored once", function()
    local paths = make_files(1)
    queue:enqueue(paths)
    box:fault { method = "POST", delayBeforeBodyMs = 20000, times = 1 }
    local slow = worker("slow", { "concurrency=1", "leaseMs=1200" })
    eventually(function() return #box:faults() == 0 end) -- its request is there
    slow:signal "STOP"
    local counts = work { leaseMs = 1200 }
    assert.equal(1, counts.done)
    slow:signal "CONT"
    assert.truthy(slow:wait():find("done=0", 1, true), slow:said())
    each_stored_once(paths)
  end)
end)

describe("an upload of unknown outcome", function()
  local function posts()
    local count = 0
    for _, request in ipairs((box:requests())) do count = count + (request.method == "POST" and 1 or 0) end
    return count
  end

  it("is not sent again before the lease is over: a gateway may answer long before the server behind it has stored it", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 504, times = 1 }
    local types = {}
    local counts = work { leaseMs = 60000, onResult = function(record) types[#types + 1] = record.type end,
      onTick = function(run) if types[1] then run:stop() end end }
    assert.same({ "returned" }, types)
    assert.same({ done = 0, failed = 0, unknown = 0, dead = 0, returned = 1, lost = 0 }, counts)
    assert.equal(1, server:count("HLEN", key .. "started"))
    local connection, _, id = drawn_by("other", 60000)
    assert.is_nil(id, "others may have it at once")
    server:cli("XCLAIM", key .. "entries", "workers", "other", 0, server:cli("HKEYS", key .. "started"), "IDLE", 99999999, "JUSTID")
    assert.equal(1, work().done)
    assert.same({ 2, 1 }, { posts(), stored() })
    connection:close()
  end)

  it("is looked for a lease after each time that it was sent", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 504, times = 1 }
    box:fault { method = "POST", status = 504, store = true, times = 1 }
    box:fault { method = "GET", contentType = "application/json", body = '{"media":[]}', times = 3 } -- after both, and between them
    assert.same({ done = 1, failed = 0, unknown = 0, dead = 0, returned = 2, lost = 0 }, (work { leaseMs = 300 }))
    assert.same({ 2, 1 }, { posts(), stored() })
    assert.is_true(only_record().info.reconciled)
  end)

  it("stays so where no delivery had an answer", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 504, times = 0 }
    assert.same({ done = 0, failed = 0, unknown = 1, dead = 0, returned = 2, lost = 0 }, (work { leaseMs = 300, maxDeliveries = 3 }))
    assert.equal(3, posts())
    assert.is_true(only_record().error.possiblyStored)
  end)

  it("costs no delivery while nobody can look for it, since the server is out of order", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 502, store = true, times = 1 }
    box:fault { method = "GET", status = 502, times = 6 }
    assert.equal(1, work({ leaseMs = 300, maxDeliveries = 1 }).done)
    assert.equal(1, stored())
    assert.is_true(only_record().info.reconciled)
  end)

  it("is looked for soon, and not when the queue is empty at last", function()
    queue:enqueue(make_files(100))
    box:fault { method = "POST", disconnect = "reset", at = "response", times = 1 } -- stored, but the worker cannot know
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    assert.equal(100, work({ concurrency = 2, leaseMs = 5000 }).done)
    assert.equal(100, stored())
    local place = 0
    for record in queue:results() do
      place = place + 1
      if record.info.reconciled then break end
    end
    assert.is_true(place < 90, "it was the " .. place .. "th of 100")
  end)
end)

describe("a rate limit", function()
  it("of the server holds all workers", function()
    queue:enqueue(make_files(20))
    box:fault { method = "POST", status = 429, retryAfter = "4", times = 1 }
    local one = worker("one", { "concurrency=1", "leaseMs=5000" })
    eventually(function() return (queue:status().holdMs or 0) > 500 end)
    local before = stored()
    local two = worker("two", { "concurrency=4", "leaseMs=5000" })
    eventually(function() return two:isRunning() and server:cli("XINFO", "GROUPS", key .. "entries"):find "workers" end)
    while queue:status().holdMs > 300 do assert.is_true(stored() <= before) end
    one:wait()
    two:wait()
    assert.equal(20, stored())
    assert.equal(20, queue:status().done)
  end)

  it("holds for as long as the server said, also where it is not waited for", function()
    queue:enqueue(make_files(1))
    box:fault { method = "POST", status = 429, retryAfter = "300", times = 1 }
    work { onResult = function() end, onTick = function(run) if #box:requests() > 0 then run:stop() end end }
    assert.is_true(queue:status().holdMs > 200000)
  end)

  it("does not make an upload unknown that was to be sent again #slow", function()
    queue:enqueue(make_files(1))
    local connection, keys, id = drawn_by("first", 500)
    connection:run("begin", keys, { "first", id, '{"name":"0001-abc.jpg","token":"abc","size":2000}' })
    connection:close()
    box:fault { method = "POST", status = 429, times = 1 }
    local counts = work { leaseMs = 500 }
    assert.equal(0, counts.unknown)
    assert.equal(1, counts.done)
  end)

  it("of ours is that of all workers together", function()
    queue:enqueue(make_files(12))
    local began = core.now()
    local words = { "concurrency=4", "leaseMs=5000", "filesPerSecond=4" }
    local one, two = worker("one", words), worker("two", words)
    one:wait()
    two:wait()
    assert.equal(12, stored())
    assert.is_true(core.now() - began >= 1900, "12 at 4 a second with 4 saved up take 2 s")
  end)

  it("of ours goes on where the clock of Redis was set back", function()
    queue:enqueue(make_files(2))
    local connection, keys = drawn_by("first", 60000)
    server:cli("HSET", key .. "pace", "at", "99999999999999", "tokens", "0")
    eventually(function() return connection:run("draw", keys, { "first", 1, 60000, 20 })[3] end, "it waits")
    connection:close()
  end)
end)

describe("a worker that is told to end", function()
  it("finishes what is under way and gives back the rest at once", function()
    local paths = make_files(60)
    queue:enqueue(paths)
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    local one = worker("one", { "concurrency=2", "leaseMs=60000" })
    eventually(function() return stored() > 3 end)
    one:signal "TERM"
    local said = one:wait(10)
    assert.truthy(said:find("failed=0 unknown=0 dead=0", 1, true), said)
    local status = queue:status()
    assert.equal(0, status.inFlight)
    assert.same({}, status.consumers)
    assert.is_true(status.done >= 4 and status.done < 60)
    box:clearFaults()
    assert.equal(60 - status.done, work { leaseMs = 60000 }.done) -- long before any lease ends
    each_stored_once(paths)
    assert.equal(60, stored())
  end)

  it("gives it back also where the lease was computed", function()
    queue:enqueue(make_files(10))
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    work { leaseMs = 60 * 1e3, concurrency = 1, onTick = function(run) if stored() > 0 then run:stop() end end }
    assert.same({}, queue:status().consumers)
  end)

  it("lets nobody look at once for what it has canceled: that may still arrive", function()
    queue:enqueue(make_files(3))
    box:fault { method = "POST", delayAfterBodyMs = 60000, times = 0 }
    local counts = work { concurrency = 1, leaseMs = 60000, onTick = function(run) if stored() > 0 then run:close() end end }
    assert.same({ done = 0, failed = 0, unknown = 0, dead = 0, returned = 2, lost = 0 }, counts)
    local connection, keys, first = drawn_by("other", 60000)
    assert.is_string(first)
    local second = connection:run("draw", keys, { "other", 1, 60000, 0 })[3]
    assert.is_string(second)
    local marked = server:cli("HKEYS", key .. "started")
    assert.is_true(marked ~= "" and marked ~= first and marked ~= second)
    assert.is_nil(connection:run("draw", keys, { "other", 1, 60000, 0 })[3])
    connection:close()
  end)

  it("where no key is taken, ends and leaves all in the queue", function()
    queue:enqueue(make_files(3))
    local stranger = assert(loomta.new { apiKey = "loomta_sk_wrong_for_spec", baseUrl = box.url })
    local counts, err = work { client = stranger }
    stranger:close()
    assert.equal("auth", err.kind)
    assert.equal(0, counts.failed + counts.done + counts.dead)
    assert.equal(3, queue:status().queued)
    assert.equal(3, work().done)
  end)
end)

describe("a worker", function()
  it("repeats nothing that may be stored, whatever its client does", function()
    queue:enqueue(make_files(1))
    local bold = assert(loomta.new { apiKey = box.key, baseUrl = box.url, retryUnknown = true })
    box:fault { method = "POST", status = 502, store = true, times = 1 }
    assert.equal(1, work({ client = bold }).done)
    bold:close()
    assert.equal(1, stored())
  end)

  it("takes no word of the server for one of its own", function()
    local words = { "invalid_option", "queue_full", "not_started", "lease_lost" }
    for _, word in ipairs(words) do queue:enqueue { files.write(folder .. "/" .. word .. ".jpg", "\255\216\255\224" .. word) } end
    for _, word in ipairs(words) do box:fault { method = "POST", status = 400, code = word, message = "no", times = 1 } end
    local counts, err = work {}
    assert.is_nil(err)
    assert.same({ done = 0, failed = 4, unknown = 0, dead = 0, returned = 0, lost = 0 }, counts)
  end)

  it("that cannot see the files listens and keeps what it has all the same", function()
    local paths = make_files(3000)
    queue:enqueue(paths)
    for _, path in ipairs(paths) do os.remove(path) end
    local counts = work { onTick = function(run) run:stop() end }
    assert.is_true(counts.failed < 2500, "it did all before it was told to stop")
  end)

  it("whose callback raises cancels what is under way: nobody renews the lease", function()
    queue:enqueue(make_files(5, 8000000)) -- more than sockets take
    box:fault { method = "POST", delayBeforeBodyMs = 60000, times = 0 }
    local patient = assert(loomta.new { apiKey = box.key, baseUrl = box.url, idleTimeoutMs = 60000 })
    local kept -- or the collector would cancel it
    local function raise(run)
      kept = run
      eventually(function() return box:connections() == 2 end, "no uploads")
      error("spec", 0)
    end
    assert.has_error(function() work { client = patient, concurrency = 2, onTick = raise } end, "spec")
    eventually(function() return box:connections() == 0 end, "the uploads go on")
    assert.is_truthy(kept)
    patient:close()
    assert.equal(0, stored())
  end)
end)

describe("a server that cannot be reached", function()
  it("costs no file an attempt", function()
    queue:enqueue(make_files(4))
    local nowhere = assert(loomta.new { apiKey = box.key, baseUrl = "http://127.0.0.1:1", maxRetries = 0 })
    local codes = {}
    local counts = work {
      client = nowhere, maxDeliveries = 1,
      onResult = function(record) codes[#codes + 1] = record.error.code end,
      onTick = function(run) if #codes >= 4 then run:stop() end end,
    }
    nowhere:close()
    assert.same({ done = 0, failed = 0, unknown = 0, dead = 0, returned = 4, lost = 0 }, counts)
    assert.same({ "connect_failed", "connect_failed", "connect_failed", "connect_failed" }, codes)
    assert.equal(4, work({ maxDeliveries = 1 }).done)
  end)

  it("or that lets nobody look makes no upload unknown that could be looked for later #slow", function()
    queue:enqueue(make_files(1))
    local connection, keys, id = drawn_by("first", 300)
    connection:run("begin", keys, { "first", id, '{"name":"0001-abc.jpg","token":"abc","size":2000}' })
    connection:close()
    local nowhere = assert(loomta.new { apiKey = box.key, baseUrl = "http://127.0.0.1:1", maxRetries = 0 })
    local stranger = assert(loomta.new { apiKey = "loomta_sk_wrong_for_spec", baseUrl = box.url })
    local said
    local function stop_once_told(run) if said then run:stop() end end
    for _, one in ipairs { nowhere, stranger } do
      said = nil
      local counts, err = work {
        client = one, leaseMs = 300, maxDeliveries = 2, onTick = stop_once_told, onResult = function(record) said = record end,
      }
      one:close()
      assert.same({ done = 0, failed = 0, unknown = 0, dead = 0, returned = 1, lost = 0 }, counts)
      assert.truthy(said.error.cause:find(one == nowhere and "connect_failed" or "invalid_api_key", 1, true))
      assert.equal(one == stranger and "auth" or nil, err and err.kind)
    end
    box:fault { method = "GET", status = 429, retryAfter = "1", times = 1 }
    assert.equal(1, work({ leaseMs = 300, maxDeliveries = 2 }).done)
  end)
end)

describe("a worker that is set up wrongly", function()
  it("leaves all in the queue: the files are not to blame", function()
    queue:enqueue(make_files(30))
    local elsewhere = assert(loomta.new { apiKey = box.key, baseUrl = "http://192.0.2.1" }) -- and no allowHttp
    local counts, err = work { client = elsewhere }
    elsewhere:close()
    assert.equal("invalid_option", err.code)
    assert.truthy(err.message:find("allowHttp", 1, true))
    assert.equal(0, counts.failed)
    assert.equal(30, queue:status().queued)
    assert.equal(30, work().done)
  end)

  it("so that it does not trust the server, leaves all in the queue, too", function()
    queue:enqueue(make_files(10))
    local pair = tls.make()
    local secure = sandbox.start { tls = pair }
    local wary = assert(loomta.new { apiKey = secure.key, baseUrl = secure.url })
    local counts, err = work { client = wary }
    wary:close()
    secure:stop()
    pair.remove()
    assert.equal("tls_failed", err.code)
    assert.equal(0, counts.failed + counts.dead)
    assert.equal(10, queue:status().queued)
  end)
end)

describe("a child of fork() #plain", function()
  it("has a connection of its own to Redis", function()
    queue:enqueue(make_files(1))
    queue:status()
    local process = require "spec.process"
    local child = process.fork()
    local who, wrong = tostring(child), 0
    for i = 1, 300 do
      if queue.link:call { "ECHO", who .. i } ~= who .. i then wrong = wrong + 1 end
    end
    if child == 0 then process.exit(wrong) end
    assert.equal(0, process.wait(child))
    assert.equal(0, wrong)
    assert.equal(1, queue:status().queued)
  end)
end)

describe("the number of a database", function()
  it("is one that Redis can have", function()
    for _, wrong in ipairs { "redis://host/99999999999999999999/q", "redis+unix:///socket?db=99999999999999999999&name=q" } do
      local opened, err = loomta.queue { url = wrong }
      assert.is_nil(opened, wrong)
      assert.equal("invalid_option", err.code)
    end
  end)
end)

describe("the password", function()
  it("is needed, and is never shown", function()
    assert.equal(0, queue:status().queued)
    for _, wrong in ipairs { "redis://127.0.0.1:%d/0/q", "redis://:wrong-" .. password .. "@127.0.0.1:%d/0/q" } do
      local other = assert(loomta.queue { url = wrong:format(server.port) })
      local value, err = other:status()
      assert.is_nil(value)
      assert.equal("auth", err.kind)
      for _, text in ipairs { tostring(err), tostring(other), err.message, err.cause or "" } do
        assert.is_nil(text:find(password, 1, true), text)
      end
      other:close()
    end
    server:kill()
    local other = assert(loomta.queue { url = url, patienceMs = 0 })
    local _, err = other:status()
    assert.is_nil(tostring(err):find(password, 1, true))
    assert.is_nil(tostring(address.parse(url)):find(password, 1, true))
  end)

  it("is not in the errors about a URL", function()
    for _, wrong in ipairs {
      "redis://:%s@host", "redis://:%s@host/clips", "redis://:%s@host:99999/0/clips", "redis://:%s@ho st/0/clips", "http://:%s@host/0/q",
      "redis://%s@host/0/q", "redis+unix://:a/b?%s=c@/socket?db=0&name=q", "redis://:%s@host/0/a b",
      "redis+unix://:%s@/socket?db=x&name=q", "%s",
    } do
      local value, err = loomta.queue { url = wrong:format(password) }
      assert.is_nil(value, wrong)
      assert.equal("invalid_option", err.code)
      assert.is_nil(tostring(err):find(password, 1, true), tostring(err))
      assert.equal("url", err.details[1].path[1])
    end
  end)

  it("is not taken for the path of a socket where it has a slash", function()
    local other = assert(loomta.queue { url = ("redis+unix://:hun/ter2@%s?db=0&name=q"):format(server.path), patienceMs = 0 })
    local _, err = other:status()
    other:close()
    assert.equal("auth", err.kind)
    assert.is_nil(tostring(err):find("ter2", 1, true), tostring(err))
    assert.truthy(tostring(err):find(server.path, 1, true), tostring(err))
  end)
end)
