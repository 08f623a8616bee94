-- Jobs: what start, wait, poll, done, progress, cancel, fd and close promise, on one thread and with one server.
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local bytes = ("0123456789abcdef"):rep(20000) -- 320,000
local slow = 1000000 -- bytes a second

local box, client

local function upload(given)
  given.mimeType = given.mimeType or "video/mp4"
  if not (given.file or given.reader) then given.data = given.data or bytes end
  return assert(client:start(given))
end

local function reader_of(text, length)
  local at = 1 - length
  return function()
    at = at + length
    return at <= #text and text:sub(at, at + length - 1) or nil
  end
end

--- Is this descriptor readable within so many seconds?
local function readable(fd, seconds)
  local object = { getfd = function() return fd end }
  return socket.select({ object }, nil, seconds)[1] == object
end

local function stored() return (select(2, box:media())) end

local function threads()
  return tonumber(files.read("/proc/self/status"):match "Threads:%s*(%d+)")
end

setup(function() box = sandbox.start {} end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
end)
after_each(function() client:close() end)

describe("a job", function()
  it("is sent while its owner does something else", function()
    local job = upload {}
    eventually(function() return stored() == 1 end)
    local media, err, info = job:wait()
    assert.is_nil(err)
    assert.equal(#bytes, media.size)
    assert.equal(1, info.attempts)
    assert.equal(#bytes, info.bytesSent)
    assert.equal(media, (job:wait())) -- again and again the same
  end)

  local sources = {
    file = function() return { file = "spec/fixtures/clip.mp4" }, files.read "spec/fixtures/clip.mp4" end,
    handle = function() return { file = assert(io.open "spec/fixtures/clip.mp4") }, files.read "spec/fixtures/clip.mp4" end,
    data = function() return { data = bytes }, bytes end,
    ["reader with a size"] = function() return { reader = reader_of(bytes, 70001), size = #bytes }, bytes end,
    ["reader without one"] = function() return { reader = reader_of(bytes, 70001) }, bytes end,
    ["short reader"] = function() return { reader = reader_of("tiny", 1) }, "tiny" end,
  }
  for name, source in pairs(sources) do
    it("sends each byte of a " .. name, function()
      local given, expected = source()
      local path = files.write(os.tmpname(), expected)
      local media = loomta.check(upload(given):wait())
      assert.equal(#expected, media.size)
      local parts = box:lastRequest().parts
      assert.equal(files.shell("sha256sum " .. path):match "^%x+", parts[#parts].sha256)
      os.remove(path)
    end)
  end

  it("is refused before anything is sent, as a call would be", function()
    local called = false
    local function on_done() called = true end
    for code, given in pairs {
      file_read_failed = { file = "no-such.mp4" },
      unsupported_media_type = { file = "spec/fixtures/animated.gif" },
      invalid_option = { file = "spec/fixtures/clip.mp4", folderID = "null" },
      invalid_media_file = { data = "" },
    } do
      given.onDone = on_done
      local job, err, info = client:start(given)
      assert.is_nil(job)
      assert.equal(code, err.code)
      assert.equal(0, info.attempts)
    end
    assert.equal(0, client:poll())
    assert.is_false(called)
    assert.has_error(function() client:start "clip.mp4" end, "start takes a table, not a string")
  end)

  it("says that it is still running, and goes on", function()
    box:fault { delayAfterBodyMs = 2000 }
    local job = upload {}
    local media, err, info = job:wait(20)
    assert.is_nil(media)
    assert.equal("timeout", err.code)
    assert.is_true(err.possiblyStored)
    assert.is_false(err.retryable)
    assert.is_true(info.attempts <= 1)
    assert.is_false(job:done())
    assert.is_nil((job:wait(0)))
    assert.equal("loomta.Job (running)", tostring(job))
    assert.is_table((job:wait(60000)))
    assert.is_true(job:done())
    assert.equal("loomta.Job (done)", tostring(job))
    for _, wrong in ipairs { -1, "1", 0 / 0 } do
      local shown = type(wrong) == "number" and tostring(wrong) or "a string"
      assert.has_error(function() job:wait(wrong) end, "job:wait takes a number of milliseconds, 0 or more, not " .. shown)
      assert.has_error(function() client:poll(wrong) end, "poll takes a number of milliseconds, 0 or more, not " .. shown)
    end
  end)

  it("tells how far it is, also once it has ended", function()
    local job = upload { maxBytesPerSec = slow }
    local sent, total = job:progress()
    assert.is_true(sent < #bytes)
    assert.equal(#bytes, total)
    eventually(function() return job:progress() > 0 end)
    assert.is_false(job:done())
    job:wait()
    assert.same({ #bytes, #bytes }, { job:progress() })
    assert.is_nil(select(2, upload({ reader = reader_of(bytes, 5000) }):progress()))
  end)

  it("is done without a wait", function()
    local job = upload {}
    eventually(function() return job:done() end)
    assert.is_table((job:wait(0)))
  end)

  it("retries while its owner does something else", function()
    box:fault { status = 503, retryAfter = "0", times = 2 }
    local job = upload {}
    eventually(function() return stored() == 1 end)
    local _, err, info = job:wait()
    assert.is_nil(err)
    assert.equal(3, info.attempts)
  end)

  it("is never sent twice when the answer is lost", function()
    box:fault { disconnect = "reset", at = "response" }
    local media, err = upload({}):wait()
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.is_true(err.possiblyStored)
    assert.equal(1, stored())
  end)

  it("is reconciled without blocking its owner", function()
    box:fault { disconnect = "reset", at = "response" }
    local job = upload { reconcile = true, fileName = "lost.mp4" }
    local longest, before = 0, socket.gettime()
    while not job:done() do
      local now = socket.gettime()
      longest, before = math.max(longest, now - before), now
    end
    local media, err, info = job:wait()
    assert.is_nil(err)
    assert.equal("lost.mp4", media.originalFileName)
    assert.is_true(info.reconciled)
    assert.equal(1, stored())
  end)

  it("is sent again where reconciling finds nothing, and keeps its descriptor and its callbacks", function()
    box:fault { disconnect = "reset", at = "response", store = false }
    local calls = 0
    local job = upload { reconcile = true, onDone = function() calls = calls + 1 end }
    local fd = job:fd()
    while not job:done() do assert.is_true(readable(fd, 20)) end
    assert.equal(fd, job:fd())
    local media, _, info = job:wait()
    assert.is_table(media)
    assert.equal(2, info.attempts)
    assert.equal(1, calls)
    assert.equal(1, stored())
    assert.equal(0, client:poll())
  end)
end)

describe("callbacks", function()
  it("run in poll and nowhere else, once", function()
    local seen = {}
    local job = upload { onDone = function(...) seen[#seen + 1] = { ... } end }
    eventually(function() return stored() == 1 end)
    assert.same({}, seen)
    eventually(function() return client:poll() == 0 end)
    local media, err, info = job:wait()
    assert.is_nil(err)
    assert.same({ { media, nil, info } }, seen)
    client:poll()
    job:done()
    assert.equal(1, #seen)
  end)

  it("run in wait as well, also those of the others", function()
    local order = {}
    upload { onDone = function() order[#order + 1] = "first" end }
    eventually(function() return stored() == 1 end)
    local second = upload { onDone = function() order[#order + 1] = "second" end }
    second:wait()
    table.sort(order)
    assert.same({ "first", "second" }, order)
    assert.equal(0, client:poll())
  end)

  it("report progress that grows up to the whole", function()
    local reports = {}
    local job = upload { maxBytesPerSec = slow / 4, onProgress = function(sent, total) reports[#reports + 1] = { sent, total } end }
    job:wait()
    assert.is_true(#reports > 3, #reports)
    for i = 2, #reports do assert.is_true(reports[i][1] > reports[i - 1][1]) end
    assert.same({ #bytes, #bytes }, reports[#reports])
  end)

  it("hear of retries", function()
    box:fault { status = 429, code = "slow_down", retryAfter = "0" }
    local told = {}
    local job = upload { onRetry = function(err, attempt, delay) told[#told + 1] = { err.code, attempt, delay >= 0 } end }
    job:wait()
    assert.same({ { "slow_down", 1, true } }, told)
  end)

  it("cancel by returning false", function()
    local job = upload { maxBytesPerSec = slow, onProgress = function(sent) return sent == 0 end }
    local _, err = job:wait()
    assert.equal("canceled", err.code)
    assert.is_false(err.possiblyStored)
    assert.equal(0, stored())
  end)

  it("may start, cancel, poll and close", function()
    local ends = {}
    local first, second
    second = upload { maxBytesPerSec = 1000, onDone = function(_, err) ends.second = err.code end }
    first = upload {
      onDone = function()
        ends.first = true
        second:cancel()
        client:poll()
        upload { onDone = function() ends.third = true client:close() end }
      end,
    }
    first:wait()
    eventually(function() return client:poll(10) == 0 end)
    assert.same({ first = true, second = "canceled", third = true }, ends)
  end)

  it("cannot wait for their own job", function()
    local ok, why
    local job
    job = upload { onProgress = function() ok, why = pcall(job.wait, job) end }
    job:wait()
    assert.is_false(ok)
    assert.truthy(why:find("in its own callback", 1, true), why)
  end)

  it("raise to whoever polls, unchanged; their job is canceled, the others go on", function()
    local oops = {}
    for _, name in ipairs { "onProgress", "onRetry", "reader" } do
      local ends = {}
      local given = { maxBytesPerSec = slow, onDone = function(_, err) ends[#ends + 1] = err.code end }
      if name == "onRetry" then box:fault { status = 429, retryAfter = "1" } end
      local calls = 0
      given[name] = function()
        calls = calls + 1
        if name ~= "reader" or calls == 3 then error(oops) end
        return bytes
      end
      local job = upload(given)
      if name == "onRetry" then eventually(function() return #box:faults() == 0 end) end
      local other = upload { onDone = function(media) ends[#ends + 1] = media and media.size end }
      local raised
      eventually(function()
        local ok, err = pcall(client.poll, client, 20)
        raised = raised or (not ok and err)
        return ok and err == 0
      end)
      assert.equal(oops, raised, name)
      table.sort(ends, function(a, b) return tostring(a) < tostring(b) end)
      assert.same({ #bytes, "canceled" }, ends, name)
      assert.same({ "canceled", "a callback raised an error" }, { select(2, job:wait()).code, select(2, job:wait()).cause })
      assert.is_table((other:wait()))
    end
  end)

  it("lose no error when several raise at once", function()
    for i = 1, 3 do upload { onDone = function() error("no " .. i, 0) end } end
    eventually(function() return stored() == 3 end)
    local raised = {}
    eventually(function()
      local ok, err = pcall(client.poll, client, 20)
      if not ok then raised[#raised + 1] = err end
      return ok and err == 0
    end)
    table.sort(raised)
    assert.same({ "no 1", "no 2", "no 3" }, raised)
  end)
end)

describe("a reader of a job", function()
  it("is asked no further ahead than the server reads", function()
    box:fault { stopReadingAfter = 1000000 }
    local given = 0
    local piece = ("x"):rep(1000000)
    local job = upload { reader = function() given = given + #piece return piece end, idleTimeoutMs = 0 }
    local last, same = -1, 0
    while same < 20 do
      client:poll(10)
      if given == last then same = same + 1 else last, same = given, 0 end
    end
    assert.is_true(given < 40 * 1000000, given) -- what the kernels on both ends took, and one piece
    job:cancel()
    assert.equal("canceled", select(2, job:wait()).code)
  end)

  it("may have nothing yet: it is asked again, and wakes a loop for that", function()
    local calls, left = 0, 5
    local job = upload {
      reader = function()
        calls = calls + 1
        if calls == 1 then return ("x"):rep(5000) end
        if calls % 4 ~= 0 then return "" end
        left = left - 1
        return left > 0 and "more" or nil
      end,
    }
    while client:poll() > 0 do assert.is_true(readable(client:fd(), 20)) end
    assert.equal(5000 + 4 * 4, loomta.check(job:wait()).size)
    assert.is_true(calls < 40, calls)
  end)

  it("loses nothing when an attempt ends while it is asked", function()
    local silent = assert(socket.bind("127.0.0.1", 0)) -- TLS never comes about
    client:close()
    client = loomta.new {
      apiKey = box.key, baseUrl = ("https://127.0.0.1:%d"):format(select(2, silent:getsockname())),
      connectTimeoutMs = 500, maxRetries = 1,
    }
    local job
    local calls = 0
    job = upload {
      fileName = "late.mp4",
      reader = function()
        calls = calls + 1
        if calls == 1 then return "" end
        eventually(function() return job.exchange.core:look() ~= "running" end)
        return bytes
      end,
    }
    eventually(function() return job:done() end)
    silent:close()
    local _, err = job:wait()
    assert.equal("timeout", err.code)
    assert.equal(2, err.attempts)
    assert.equal(2, calls) -- the second attempt had the piece for which the first one had asked
  end)

  it("fails with its own words", function()
    local calls = 0
    local job = upload {
      reader = function()
        calls = calls + 1
        if calls < 3 then return bytes end
        return nil, "the tape tore"
      end,
    }
    local _, err = job:wait()
    assert.equal("file_read_failed", err.code)
    assert.equal("the tape tore", err.cause)
    assert.equal(1, err.attempts)
    assert.equal(3, calls)
    assert.equal(0, stored())
  end)

  it("is fed in the order in which jobs have their turn", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    local jobs = {}
    for i = 1, 3 do jobs[i] = upload { reader = reader_of(("%d"):format(i):rep(300000), 50000), fileName = i .. ".mp4" } end
    assert.is_table((jobs[3]:wait())) -- which needs the first two to be fed
    local names = {}
    for i, media in ipairs((box:media())) do names[i] = media.originalFileName end
    assert.same({ "1.mp4", "2.mp4", "3.mp4" }, names)
  end)
end)

describe("canceling", function()
  it("ends a job that is under way, queued, waiting for a retry, or done", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    local running = upload { maxBytesPerSec = slow }
    local queued = upload {}
    queued:cancel()
    assert.equal("canceled", select(2, queued:wait()).code)
    assert.equal(0, select(2, queued:wait()).attempts)
    running:cancel()
    running:cancel()
    assert.equal("canceled", select(2, running:wait()).code)

    box:fault { status = 429, retryAfter = "60", times = 0 } -- the server may not have seen yet that the first one is gone
    local refused
    local waiting = upload { onRetry = function() refused = true end }
    eventually(function()
      waiting:done()
      return refused
    end)
    waiting:cancel()
    box:clearFaults()
    local _, err = waiting:wait()
    assert.equal("canceled", err.code)
    assert.is_false(err.possiblyStored)

    local done = upload {}
    done:wait()
    done:cancel()
    assert.is_table((done:wait()))
    assert.equal(1, stored())
  end)

  it("says that the upload may have been stored, once all of it was sent", function()
    box:fault { delayAfterBodyMs = 60000 }
    local job = upload {}
    eventually(function() return stored() == 1 end)
    job:cancel()
    local _, err = job:wait()
    assert.equal("canceled", err.code)
    assert.is_true(err.possiblyStored)
  end)
end)

describe("closing a client", function()
  it("cancels its jobs, which can still be asked how they ended", function()
    local called = false
    box:fault { delayAfterBodyMs = 60000 }
    local sent = upload {}
    eventually(function() return stored() == 1 end)
    local half = upload { maxBytesPerSec = slow, onDone = function() called = true end }
    client:close()
    client:close()
    assert.is_true(select(2, sent:wait()).possiblyStored)
    assert.equal("canceled", select(2, half:wait()).code)
    assert.is_true(called) -- by wait
    assert.equal(0, client:poll())
    assert.has_error(function() client:start { data = bytes } end, "the client is closed")
    assert.has_error(function() client:fd() end)
  end)

  it("is what collecting it does: nothing is left to learn of its jobs", function()
    do
      local lost = loomta.new { apiKey = box.key, baseUrl = box.url }
      lost:start { data = bytes, mimeType = "video/mp4", maxBytesPerSec = slow }
      lost = nil -- luacheck: ignore
    end
    local done
    eventually(function()
      collectgarbage()
      local requests = box:requests()
      done = #requests == 0 or not requests[1].bodyComplete
      return done
    end)
    eventually(function()
      local requests = box:requests()
      return #requests == 0 or requests[1].bytes < #bytes
    end)
    assert.equal(0, stored())
  end)
end)

describe("closing a client right behind a start", function()
  -- The thread read both from its inbox, and could read them in the wrong order.
  it("cancels that, too", function()
    client:fd() -- keeps the thread
    for round = 1, 20 do
      local crowd = assert(loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 })
      for i = 1, 2000 do crowd:start { file = "spec/fixtures/clip.mp4", maxBytesPerSec = i == 1 and 1000 or nil } end
      local late = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
      late:fd()
      crowd:close() -- the thread has 2,000 jobs to end, and is at it
      local go_on = socket.gettime() + round * 0.0001
      repeat until socket.gettime() > go_on
      local job = late:start { data = bytes, mimeType = "video/mp4", maxBytesPerSec = 10000 } -- half a minute
      late:close()
      assert.equal("canceled", select(2, job:wait(20000)).code)
    end
  end)

  it("keeps the key out of an answer that is read afterwards", function()
    box:fault { status = 400, code = "invalid_request", message = "no " .. box.key }
    local job = upload {}
    eventually(function() return #box:faults() == 0 end)
    eventually(function() return box:lastRequest().status == 400 end)
    socket.sleep(0.05)
    client:close()
    local _, err = job:wait()
    assert.is_nil(tostring(err):find(box.key, 1, true), tostring(err))
  end)
end)

describe("news", function()
  it("is not lost when a callback polls", function()
    local ended = 0
    for _ = 1, 3 do
      upload { onDone = function()
        ended = ended + 1
        if ended == 1 then eventually(function() return client:poll(20) == 0 end) end
      end }
    end
    eventually(function() return stored() == 3 end)
    client:poll(20)
    assert.equal(3, ended)
  end)

  if _VERSION ~= "Lua 5.1" or rawget(_G, "jit") then
    it("is not lost when a callback yields and never comes back", function()
      local ended = 0
      for _ = 1, 5 do
        upload { onDone = function()
          ended = ended + 1
          if ended == 1 then coroutine.yield() end
        end }
      end
      eventually(function() return stored() == 5 end)
      coroutine.resume(coroutine.create(function() client:poll(20) end))
      eventually(function() return client:poll(20) == 0 end)
      assert.equal(5, ended)
    end)

    it("is not lost while a callback of the same job sleeps", function()
      local done
      upload { onProgress = function() coroutine.yield() end, onDone = function() done = true end }
      local sleeper = coroutine.create(function() eventually(function() return client:poll(20) == 0 end) end)
      coroutine.resume(sleeper)
      eventually(function() return stored() == 1 end)
      for _ = 1, 10 do client:poll(10) end
      eventually(function()
        coroutine.resume(sleeper)
        return done
      end)
      assert.equal(0, client:poll())
    end)
  end

  it("is not taken by who only asks", function()
    for _, ask in ipairs {
      function(job) job:progress() end,
      function() upload { data = "x" } end,
      function() client:poll() end,
    } do
      local job = upload { reader = reader_of(bytes, 50000) }
      local fd = job:fd()
      eventually(function()
        socket.sleep(0.01)
        ask(job)
        assert.is_true(readable(fd, 20), "the loop would sleep for ever")
        return job:done()
      end)
      eventually(function() return client:poll(20) == 0 end)
    end
  end)

  it("of progress is for poll as for wait, with onDone or without", function()
    for _, on_done in ipairs { false, function() end } do
      local calls = 0
      upload { maxBytesPerSec = slow / 4, onProgress = function() calls = calls + 1 end, onDone = on_done or nil }
      eventually(function() return client:poll(100) == 0 end)
      assert.is_true(calls > 3, calls)
      calls = 0
      upload { onProgress = function() calls = calls + 1 end, onDone = on_done or nil }
      eventually(function() return stored() > 0 end)
      box:reset()
      eventually(function() return client:poll(100) == 0 end)
      assert.equal(2, calls)
    end
  end)
end)

describe("a reader that has nothing when its job is started", function()
  it("does not hold that up", function()
    local calls, ready = 0, false
    local given = {
      fileName = "late.webm",
      reader = function()
        calls = calls + 1
        if not ready then return "" end
        if ready == "sent" then return nil end
        ready = "sent"
        return bytes
      end,
    }
    local job = assert(client:start(given))
    assert.equal(1, calls)
    assert.is_nil((job:wait(100)))
    assert.is_true(calls < 50, calls)
    ready = true
    assert.equal(#bytes, loomta.check(job:wait()).size)
    given.fileName = nil
    calls, ready = 0, false
    local _, err = client:start(given)
    assert.equal("unsupported_media_type", err.code)
  end)
end)

describe("settling an unknown outcome", function()
  it("does not wait behind what is queued, and leaves the progress as it was", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    box:fault { disconnect = "reset", at = "response" }
    local lost = upload { reconcile = true, fileName = "lost.mp4" }
    eventually(function() return stored() == 1 end)
    local queued = {}
    for i = 1, 3 do queued[i] = upload { maxBytesPerSec = 10000 } end -- half a minute each
    eventually(function()
      assert.is_true(lost:progress() == 0 or lost:progress() == #bytes)
      return lost:done()
    end)
    local _, _, info = lost:wait()
    assert.is_true(info.reconciled)
    for _, job in ipairs(queued) do assert.is_false(job:done()) end
  end)
end)

describe("a job that its program has forgotten", function()
  it("goes on as long as its client", function()
    local calls = 0
    for _ = 1, 20 do upload { data = bytes .. "!", maxBytesPerSec = 5000000, onDone = function(media) calls = calls + media.size end } end
    for _ = 1, 5 do
      collectgarbage()
      collectgarbage()
    end
    eventually(function() return client:poll(10) == 0 end)
    assert.equal(20 * (#bytes + 1), calls)
  end)

  it("is let go once it has ended, also where nobody polls", function()
    local kept = setmetatable({}, { __mode = "k" })
    for _ = 1, 50 do kept[upload { data = "x" }] = true end
    eventually(function() return stored() == 50 end)
    eventually(function()
      upload { data = "x" }
      collectgarbage()
      collectgarbage()
      return next(kept) == nil
    end)
  end)
end)

describe("a client's descriptor", function()
  it("is readable while poll has something to do", function()
    local fd = client:fd()
    assert.equal(fd, client:fd())
    assert.is_false(readable(fd, 0))
    upload {}
    assert.is_true(readable(fd, 20))
    assert.is_true(readable(fd, 0))
    eventually(function() return client:poll() == 0 end)
    assert.is_false(readable(fd, 0))
  end)

  it("of one job is readable once it has ended, and stays so", function()
    box:fault { delayAfterBodyMs = 200 }
    local job = upload {}
    local fd = job:fd()
    while not job:done() do assert.is_true(readable(fd, 20)) end
    for _ = 1, 3 do
      assert.is_true(readable(fd, 0))
      job:wait(0)
    end
    local other = upload {}
    other:wait()
    assert.is_true(readable(other:fd(), 0)) -- asked for when all was over
  end)
end)

describe("a callback's coroutine", function()
  it("that is forgotten in the middle cancels its job once it is collected", function()
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return end -- no yield there
    local job
    do
      local co = coroutine.create(function()
        job = upload { maxBytesPerSec = slow, onProgress = coroutine.yield }
        job:wait()
      end)
      assert(coroutine.resume(co))
      co = nil -- luacheck: ignore
    end
    assert.is_false(job:done())
    eventually(function()
      collectgarbage()
      return job:done()
    end)
    assert.equal("canceled", select(2, job:wait()).code)
  end)
end)

describe("a loop on the client's descriptor", function()
  -- Runs until nothing is left, polling only when the descriptor says so.
  local function loop()
    local raised = {}
    repeat
      assert.is_true(readable(client:fd(), 20), "the loop would sleep for ever")
      local ok, left = pcall(client.poll, client)
      if not ok then raised[#raised + 1] = left end
    until ok and left == 0
    table.sort(raised)
    return raised
  end

  it("is not put to sleep by a start", function()
    local ended = {}
    upload { onDone = function() ended[#ended + 1] = "first" end }
    assert.is_true(readable(client:fd(), 20))
    upload { maxBytesPerSec = slow, onDone = function() ended[#ended + 1] = "second" end }
    assert.is_true(readable(client:fd(), 0))
    loop()
    assert.same({ "first", "second" }, ended)
  end)

  it("is not put to sleep by a start while a reader waits to be asked", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    for _ = 1, 2 do
      upload { reader = reader_of(bytes, 50000) }
      readable(client:fd(), 0.2)
    end
    loop()
    assert.equal(2, stored())
  end)

  it("hears of each error, and of the end after the last", function()
    for i = 1, 3 do upload { onDone = function() error("no " .. i, 0) end } end
    assert.same({ "no 1", "no 2", "no 3" }, loop())
    upload { onDone = function() error("alone", 0) end }
    assert.same({ "alone" }, loop())
    assert.is_false(readable(client:fd(), 0))
  end)
end)

describe("a job that is over", function()
  it("can be waited for in its own onDone, and by others while that runs", function()
    local inside
    local job
    job = upload { onDone = function() inside = { job:done(), (job:wait()) } end }
    local media = job:wait()
    assert.same({ true, media }, inside)
  end)
end)

describe("polling", function()
  it("counts what is running, and wakes when there is something to do", function()
    assert.equal(0, client:poll(60000)) -- nothing to wait for
    box:fault { delayAfterBodyMs = 2000 }
    upload {}
    assert.equal(1, client:poll())
    local began = socket.gettime()
    while client:poll(60000) > 0 do end
    assert.is_true(socket.gettime() - began < 30)
  end)

  it("works on the module's own client", function()
    assert.has_error(function() loomta.start "x" end)
    assert.equal("number", type(loomta.poll()))
    assert.equal("number", type(loomta.fd()))
  end)
end)

describe("a dot where a colon belongs, or the other way round", function()
  it("is said to be that", function()
    local job = upload {}
    for how, misuse in pairs {
      ["with a colon: client:start { … }"] = function() client.start { data = bytes } end,
      ["with a colon: client:upload { … }"] = function() client.upload { data = bytes } end,
      ["with a colon: client:poll()"] = function() client.poll(job) end,
      ["with a colon: client:fd()"] = function() client.fd() end,
      ["with a colon: client:close()"] = function() client.close() end,
      ["with a colon: job:wait()"] = function() job.wait(client) end,
      ["with a colon: job:done()"] = function() job.done() end,
      ["with a colon: job:progress()"] = function() job.progress() end,
      ["with a colon: job:cancel()"] = function() job.cancel() end,
      ["with a colon: job:fd()"] = function() job.fd() end,
      ["with a dot: loomta.start { … }"] = function() loomta:start { data = bytes } end,
      ["with a dot: loomta.upload { … }"] = function() loomta:upload { data = bytes } end,
      ["with a dot: loomta.poll()"] = function() loomta:poll() end,
    } do
      assert.has_error(misuse, "call it " .. how)
    end
    job:wait()
  end)
end)

describe("maxConnections", function()
  it("is how many jobs are sent at once, in the order of their start", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 3 }
    local first, others = {}, {}
    for i = 1, 3 do first[i] = upload { maxBytesPerSec = 10000 } end -- half a minute each
    for i = 1, 9 do others[i] = upload { fileName = i .. ".mp4" } end
    eventually(function() return #box:requests() == 3 end)
    for _ = 1, 5 do client:poll(20) end
    assert.equal(3, #box:requests())
    for _, job in ipairs(first) do job:cancel() end
    for _, job in ipairs(others) do loomta.check(job:wait()) end
    local connections = {}
    for _, request in ipairs((box:requests())) do connections[request.connection] = true end
    local count = 0
    for _ in pairs(connections) do count = count + 1 end
    assert.equal(3 + 3, count) -- a canceled one takes its connection with it
  end)

  it("lets a job's time run while it waits for its turn", function()
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    local first = upload { maxBytesPerSec = 10000 }
    local second = upload { timeoutMs = 100 }
    local third = upload {}
    local _, err = second:wait()
    assert.equal("timeout", err.code)
    assert.equal(0, err.attempts)
    assert.is_false(err.possiblyStored)
    first:cancel()
    assert.is_table((third:wait()))
  end)
end)

describe("a file that waits for its turn", function()
  local folder, before
  before_each(function()
    folder = files.shell "mktemp -d"
    client:close()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, maxConnections = 1 }
    before = { upload { maxBytesPerSec = 10000 }, upload {} } -- the next one to have its turn keeps its file open
  end)
  after_each(function() files.shell("rm -r " .. folder) end)

  local function make_way()
    before[2]:cancel()
    before[1]:cancel()
  end

  local function copy(name) return files.write(folder .. "/" .. name, files.read "spec/fixtures/clip.mp4") end

  it("may not be gone, or another one, by then", function()
    local gone, other = copy "gone.mp4", copy "other.mp4"
    local jobs = { upload { file = gone }, upload { file = other } }
    os.remove(gone)
    os.rename(copy "third.mp4", other)
    make_way()
    local _, err = jobs[1]:wait()
    assert.equal("file_read_failed", err.code)
    assert.equal("No such file or directory", err.cause)
    assert.equal(("'%s': the file could not be read"):format(gone), err.message)
    _, err = jobs[2]:wait()
    assert.equal("file_changed", err.code)
    assert.equal(("'%s' is not the file that it was when the job was started"):format(other), err.message)
    assert.equal(0, err.attempts)
    assert.equal(0, stored())
  end)

  it("and has it next, is sent as it was", function()
    before[2]:cancel()
    assert.equal("canceled", select(2, before[2]:wait()).code)
    local path = copy "next.mp4"
    local job = upload { file = path }
    os.remove(path)
    make_way()
    assert.equal("next.mp4", loomta.check(job:wait()).originalFileName)
  end)

  it("is found from another folder, too", function()
    local lfs = require "lfs"
    local here = lfs.currentdir()
    local path = copy "here.mp4"
    lfs.chdir(folder)
    local job = upload { file = "here.mp4" }
    lfs.chdir(here)
    make_way()
    assert.equal("here.mp4", loomta.check(job:wait()).originalFileName, path)
  end)

  it("needs no descriptor", function()
    local path = copy "clip.mp4"
    local function descriptors() return select(2, files.shell "ls /proc/$PPID/fd":gsub("\n", "")) end
    local at_first = descriptors()
    for _ = 1, 100 do upload { file = path } end
    assert.is_true(descriptors() - at_first < 10)
    make_way()
    eventually(function() return client:poll(100) == 0 end)
    assert.equal(100, stored())
  end)

  it("fails without a stack as deep as the queue, when thousands are gone", function()
    local path = copy "clip.mp4"
    local failed = 0
    for _ = 1, 5000 do
      upload { file = path, onDone = function(_, err) if err.code == "file_read_failed" then failed = failed + 1 end end }
    end
    os.remove(path)
    make_way()
    eventually(function() return client:poll(100) == 0 end)
    assert.equal(5000, failed)
  end)
end)

describe("the thread", function()
  it("starts with the first job and ends with the last client", function()
    client:close()
    collectgarbage()
    collectgarbage()
    -- The module's own client, which earlier specs may have used, keeps it.
    local before = threads()
    client = loomta.new { apiKey = box.key, baseUrl = box.url }
    loomta.check(client:upload { data = "x", mimeType = "image/jpeg" })
    assert.equal(before, threads())
    upload({}):wait()
    assert.is_true(threads() <= before + 1 and threads() > 1)
    client:close()
    eventually(function() return threads() == before end)
  end)

  it("takes no signals: they are the program's #linux", function()
    upload {}
    local found = 0
    for task in files.shell "ls /proc/$PPID/task":gmatch "%d+" do
      local ok, status = pcall(files.read, "/proc/self/task/" .. task .. "/status")
      if ok and status:match "Name:%s*(%S+)" == "loomta" then
        found = found + 1
        -- All but KILL, STOP and the two that the C library keeps for itself.
        assert.equal("fffffffe7ffbfeff", status:match "SigBlk:%s*(%x+)")
      end
    end
    assert.is_true(found >= 1)
  end)

  it("leaves nothing to the programs that are started meanwhile #linux", function()
    local function inherited() return files.shell "ls -l /proc/self/fd | sed -n 's/.* -> //p' | grep -vE '^(pipe|/proc)' | sort" end
    local before = inherited()
    local job = upload { maxBytesPerSec = slow }
    eventually(function() return job:progress() > 0 end)
    client:fd()
    job:fd()
    local list = inherited():gsub("socket:%[%d+%]\n?", "") -- libcurl's own pair, by which it wakes
    assert.equal((before:gsub("socket:%[%d+%]\n?", "")), list)
    local own = files.shell("ls -l /proc/$PPID/fd"):find "anon_inode:%[eventfd%]"
    assert.is_truthy(own)
  end)
end)
