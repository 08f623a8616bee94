-- client:uploads without a journal: order, room, ends, failures; with one server that can be told to misbehave.
local cjson = require "cjson"
local core = require "loomta.core"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local bytes = ("0123456789abcdef"):rep(2000) -- 32,000

local box, client

local function request(name, more)
  local given = { data = bytes, fileName = name, mimeType = "video/mp4" }
  for field, value in pairs(more or {}) do given[field] = value end
  return given
end

local function requests(count, more)
  local list = {}
  for i = 1, count do list[i] = request(("%03d.mp4"):format(i), more) end
  return list
end

--- Runs to the end: by the request's file name, { media, err, info }; and how many there were.
local function collect(run)
  local results, count = {}, 0
  for media, err, given, info in run do
    count = count + 1
    results[type(given) == "table" and given.fileName or count] = { media = media, err = err, info = info }
  end
  return results, count
end

local function codes(results)
  local count = {}
  for _, result in pairs(results) do
    local code = result.media and "ok" or result.err.code
    count[code] = (count[code] or 0) + 1
  end
  return count
end

local function stored() return (select(2, box:media())) end

setup(function() box = sandbox.start {} end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
end)
after_each(function() client:close() end)

describe("client:uploads", function()
  it("gives every media object with the request it came from", function()
    local list = requests(20)
    local seen = {}
    for media, err, given, info in client:uploads(list) do
      assert.is_nil(err)
      assert.equal(given.fileName, media.originalFileName)
      assert.equal(1, info.attempts)
      seen[given] = true
    end
    for _, given in ipairs(list) do assert.is_true(seen[given]) end
    assert.equal(20, stored())
  end)

  it("takes paths, alone or in tables", function()
    local results, count = collect(client:uploads({ "spec/fixtures/clip.mp4", { file = "spec/fixtures/gradient.jpg" } }))
    assert.equal(2, count)
    assert.same({ ok = 2 }, codes(results))
  end)

  it("draws from a function no further than it has room", function()
    local drawn, most, ended = 0, 0, 0
    local run = client:uploads(function()
      drawn = drawn + 1
      most = math.max(most, drawn - ended)
      return drawn <= 100 and request(drawn .. ".mp4") or nil
    end, { concurrency = 3 })
    for media in run do
      assert.truthy(media)
      ended = ended + 1
    end
    assert.equal(100, ended)
    assert.is_true(most <= 13, most .. " were drawn ahead") -- twice the concurrency under way, as many results
  end)

  it("sends no more at once than it was told", function()
    box:fault { delayBeforeBodyMs = 0, delayAfterBodyMs = 150, times = 0 }
    local run = client:uploads(requests(7), { concurrency = 2 })
    local most = 0
    repeat
      local ready = run:wait(10)
      local open = 0
      for _, arrived in ipairs(box:requests()) do
        if arrived.status == cjson.null then open = open + 1 end
      end
      most = math.max(most, open)
      if ready then for media in run:ready() do assert.truthy(media) end end
    until run:done()
    assert.equal(7, stored())
    assert.is_true(most <= 2, most .. " at once")
  end)

  it("gives false for a failure, and goes on", function()
    local results, count = collect(client:uploads({ request "a.mp4", "/nowhere.mp4", { data = "GIF89a", fileName = "b.gif" }, request "c.mp4" }))
    assert.equal(4, count)
    assert.truthy(results["a.mp4"].media)
    assert.truthy(results["c.mp4"].media)
    assert.is_false(results["b.gif"].media)
    assert.same({ ok = 2, file_read_failed = 1, unsupported_media_type = 1 }, codes(results))
  end)

  it("ends at once where there is nothing to do", function()
    assert.same({}, (collect(client:uploads {})))
    assert.same({}, (collect(client:uploads(function() end))))
    assert.is_true(client:uploads({}):done())
  end)

  it("says what is wrong with a request, and goes on", function()
    local results, count = collect(client:uploads { 42, request("a.mp4", { folderID = "null" }), request("b.mp4", { onDone = print }), request "c.mp4" })
    assert.equal(4, count)
    assert.equal("invalid_option: a request must be a table or a path, not a number", tostring(results[1].err))
    assert.truthy(tostring(results["a.mp4"].err):find("did you mean 'folderId'?", 1, true))
    assert.equal("invalid_option: 'onDone' is for start only", tostring(results["b.mp4"].err))
    assert.truthy(results["c.mp4"].media)
  end)

  for what, case in pairs {
    ["a concurrency of 0"] = { { concurrency = 0 }, "'concurrency' must be a whole number, 1 or more, not 0" },
    ["an unknown option"] = { { concurency = 4 }, "unknown option 'concurency'; did you mean 'concurrency'?" },
    ["a source for all"] = { { file = "clip.mp4" }, "unknown option 'file'" },
    ["an option of other functions"] = { { maxConnections = 4 }, "'maxConnections' is for new only" },
    ["a checksum without a journal"] = { { checksum = true }, "'checksum' goes with 'journal' only" },
  } do
    it("gives its only result for " .. what, function()
      local results, count = collect(client:uploads(requests(3), case[1]))
      assert.equal(1, count)
      assert.is_false(results[1].media)
      assert.equal("invalid_option", results[1].err.code)
      assert.truthy(results[1].err.message:find(case[2], 1, true), results[1].err.message)
      assert.equal(0, stored())
    end)
  end

  it("raises what no data can cause", function()
    assert.has_error(function() client:uploads "clip.mp4" end,
      "uploads takes a table of requests or a function that gives them, not a string")
    assert.has_error(function() client:uploads({}, 4) end, "uploads takes its options as a table, not as a number")
    assert.has_error(function() client.uploads {} end, "call it with a colon: client:uploads(requests, { … })")
    client:close()
    assert.has_error(function() client:uploads {} end, "the client is closed")
  end)

  it("gives its options to every request that does not say otherwise", function()
    local list = { request "a.mp4", request("b.mp4", { maxRetries = 0, mediaType = "image" }) }
    local results = collect(client:uploads(list, { mediaType = "video", folderId = "null" }))
    assert.truthy(results["a.mp4"].media)
    assert.equal("invalid_request", results["b.mp4"].err.code) -- an image it is not
    local sent = {}
    for _, part in ipairs(box:lastRequest().parts) do sent[part.name] = part.value end
    assert.equal("null", sent.folderId)
  end)

  it("passes on what the source raises, and can go on after it", function()
    local drawn = 0
    local run = client:uploads(function()
      drawn = drawn + 1
      if drawn == 2 then error("no such luck", 0) end
      return drawn <= 3 and request(drawn .. ".mp4") or nil
    end)
    assert.has_error(function() run:wait() end, "no such luck")
    local _, count = collect(run)
    assert.equal(2, count)
  end)

  it("asks a source again that has nothing at the moment", function()
    local asked = 0
    local _, count = collect(client:uploads(function()
      asked = asked + 1
      if asked % 3 ~= 0 then return false end
      return asked <= 9 and request(asked .. ".mp4") or nil
    end))
    assert.equal(3, count)
    assert.equal(3, stored())
  end)

  it("runs the callbacks of its requests", function()
    local heard = {}
    local function note(name)
      return function(sent, total) heard[name] = { sent, total } end
    end
    collect(client:uploads { request("a.mp4", { onProgress = note "a" }), request("b.mp4", { onProgress = note "b" }) })
    assert.same({ a = { #bytes, #bytes }, b = { #bytes, #bytes } }, heard)
  end)

  it("raises what a callback raises, cancels that upload alone, and goes on", function()
    local run = client:uploads { request("a.mp4", { maxBytesPerSec = 10000, onProgress = function() error("stop it", 0) end }), request "b.mp4" }
    local raised, results = 0, {}
    repeat
      local ok, err = pcall(function()
        for media, failure, given in run do results[given.fileName] = media or failure.code end
      end)
      if not ok then
        assert.equal("stop it", err)
        raised = raised + 1
      end
    until ok
    assert.equal(1, raised)
    assert.equal("canceled", results["a.mp4"])
    assert.equal("b.mp4", results["b.mp4"].originalFileName)
  end)

  it("leaves the client's own jobs alone", function()
    local job = assert(client:start(request("mine.mp4", { onDone = function() end })))
    local _, count = collect(client:uploads(requests(5)))
    assert.equal(5, count)
    assert.truthy(job:wait())
  end)

  it("is also a function of the module", function()
    local env = ("LOOMTA_API_KEY=%s LOOMTA_API_URL=%s"):format(box.key, box.url)
    local script = [[
      for media in require("loomta").uploads { "spec/fixtures/clip.mp4" } do print(media.originalFileName) end
      print(pcall(function() local loomta = require "loomta" loomta:uploads {} end))]]
    local path = files.write(os.tmpname(), script)
    local said = files.shell(("%s %s %s 2>&1"):format(env, os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", path))
    os.remove(path)
    assert.truthy(said:find("clip.mp4", 1, true), said)
    assert.truthy(said:find("call it with a dot", 1, true), said)
  end)
end)

describe("a run of uploads", function()
  it("is driven by an event loop through its descriptor", function()
    local run = client:uploads(requests(10), { concurrency = 3 })
    local object = { getfd = function() return assert(run:fd()) end }
    local count = 0
    repeat
      assert.equal(object, socket.select({ object }, nil, 20)[1], "nothing to do for 20 s")
      for media in run:ready() do
        assert.truthy(media)
        count = count + 1
      end
    until run:done()
    assert.equal(10, count)
  end)

  it("gives up waiting when it was told to", function()
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    local run = client:uploads(requests(1))
    local before = core.now()
    assert.is_false(run:wait(50))
    assert.is_true(core.now() - before >= 50)
    run:close()
  end)

  it("that is stopped begins nothing more, and reports what was under way", function()
    box:fault { delayAfterBodyMs = 300, times = 0 }
    local run = client:uploads(requests(50), { concurrency = 2 })
    run:wait(0)
    eventually(function() return #box:requests() == 2 end)
    run:stop()
    local results = collect(run)
    assert.same({ ok = 2, not_started = 2 }, codes(results)) -- two were next in line
    assert.equal(2, stored())
    for _, result in pairs(results) do
      if result.err then assert.is_false(result.err.possiblyStored) end
    end
  end)

  it("that is closed cancels what is under way, and says so", function()
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    local run = client:uploads(requests(50), { concurrency = 2 })
    run:wait(0)
    eventually(function()
      local arrived = box:requests()
      return #arrived == 2 and arrived[1].bodyComplete and arrived[2].bodyComplete
    end)
    run:close()
    local results = collect(run)
    assert.same({ canceled = 2, not_started = 2 }, codes(results))
    for _, result in pairs(results) do assert.equal(result.err.code == "canceled", result.err.possiblyStored) end
  end)

  it("ends with its client", function()
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    local run = client:uploads(requests(50), { concurrency = 2 })
    run:wait(0)
    eventually(function() return #box:requests() == 2 end)
    client:close()
    local results = collect(run)
    assert.same({ canceled = 2, not_started = 2 }, codes(results))
  end)

  it("that is left by break is canceled", function()
    local list = requests(30)
    list[1] = "/nowhere.mp4" -- has a result at once
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    for media in client:uploads(list, { concurrency = 2 }) do -- luacheck: ignore 512
      assert.is_false(media)
      break
    end
    if _VERSION ~= "Lua 5.4" then collectgarbage() collectgarbage() end -- before, nothing tells that a loop was left
    eventually(function() return box:connections() == 0 end, "an upload is still under way")
    assert.is_true(#box:requests() < 30)
  end)

  it("that is forgotten is canceled", function()
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    do
      local run = client:uploads(requests(5), { concurrency = 2 })
      run:wait(0)
      eventually(function() return #box:requests() == 2 end)
      assert.equal(2, box:connections())
    end
    collectgarbage()
    collectgarbage()
    eventually(function() return box:connections() == 0 end, "it goes on")
  end)

  for what, fault in pairs {
    ["a revoked key"] = { status = 401, code = "invalid_api_key" },
    ["a used-up plan"] = { status = 409, code = "post_limit_reached" },
    ["missing payment"] = { status = 402 },
    ["missing credits"] = { status = 400, code = "insufficient_credits" },
  } do
    it("ends early for " .. what .. ", and reports the rest as not started", function()
      fault.times = 0
      local run = client:uploads(requests(40), { concurrency = 2 })
      local first = run:wait() and { run() }
      assert.truthy(first[1])
      box:fault(fault)
      local results, count = collect(run)
      assert.equal(39, count)
      assert.truthy(run.fatal)
      local found = codes(results)
      local code = run.fatal.code
      assert.is_true(found[code] >= 1 and found[code] <= 4, code)
      assert.equal(39, (found.ok or 0) + found[code] + found.not_started)
      assert.is_true(found.not_started >= 20)
      for _, result in pairs(results) do
        if result.err and result.err.code == "not_started" then
          assert.equal(tostring(run.fatal), result.err.cause)
          assert.is_true(result.err.retryable)
        end
      end
    end)
  end

  it("does not end early for what concerns one file", function()
    box:fault { status = 400, code = "unsupported_media_type" }
    box:fault { status = 413, code = "too_large" }
    local run = client:uploads(requests(10))
    assert.equal(8, codes((collect(run))).ok)
    assert.is_nil(run.fatal)
  end)

  it("obeys for all what the server asks of one", function()
    box:fault { status = 429, retryAfter = "1" }
    local results = collect(client:uploads(requests(12), { concurrency = 4 }))
    assert.same({ ok = 12 }, codes(results))
    local refused, after
    for _, arrived in ipairs(box:requests()) do
      if arrived.status == 429 then refused = arrived.id end
    end
    assert.truthy(refused)
    after = 0
    for _, result in pairs(results) do
      if result.info.durationMs >= 900 then after = after + 1 end
    end
    assert.is_true(after >= 4, after .. " waited") -- those that were drawn, but for those under way with it
  end)

  it("gives each upload its time from its turn on", function()
    box:fault { delayAfterBodyMs = 400, times = 0 }
    assert.same({ ok = 6 }, codes((collect(client:uploads(requests(6), { concurrency = 1, timeoutMs = 1500 })))))
  end)

  it("sends no faster in all than it was told", function()
    local before = core.now()
    local _, count = collect(client:uploads(requests(20), { concurrency = 8, maxBytesPerSec = 400000 }))
    assert.equal(20, count)
    local least_ms = (20 * #bytes - 100000) / 400000 * 1000 -- a burst goes at once
    assert.is_true(core.now() - before >= least_ms, ("%.0f ms instead of %.0f"):format(core.now() - before, least_ms))
  end)
end)

describe("a run that reconciles", function()
  local function unknown(times) box:fault { method = "POST", disconnect = "close", at = "response", times = times or 1 } end

  it("finds what was stored and not answered, with one list for all", function()
    unknown(3)
    local results = collect(client:uploads(requests(10), { reconcile = true }))
    assert.same({ ok = 10 }, codes(results))
    assert.equal(10, stored())
    local lists, reconciled = 0, 0
    for _, arrived in ipairs(box:requests()) do
      if arrived.method == "GET" then lists = lists + 1 end
    end
    for _, result in pairs(results) do
      if result.info.reconciled then reconciled = reconciled + 1 end
    end
    assert.equal(1, lists)
    assert.equal(3, reconciled)
  end)

  it("sends again once what is not there", function()
    box:fault { disconnect = "close", at = "response", store = false }
    local results = collect(client:uploads(requests(5), { reconcile = true }))
    assert.same({ ok = 5 }, codes(results))
    assert.equal(5, stored())
  end)

  it("takes no upload for another of the same name and size", function()
    box:fault { disconnect = "close", at = "response", store = false } -- one of two is not stored
    local list = { request "same.mp4", { data = bytes, fileName = "same.mp4", mimeType = "video/mp4" } }
    local ids = {}
    for media, err in client:uploads(list, { reconcile = true, concurrency = 1 }) do
      assert.truthy(media, tostring(err))
      assert.is_nil(ids[media.id], "two requests got the same media")
      ids[media.id] = true
    end
    assert.equal(2, stored())
  end)

  it("marks each name where that is asked for", function()
    unknown()
    local results = collect(client:uploads(requests(3), { reconcile = "exact" }))
    assert.same({ ok = 3 }, codes(results))
    for name, result in pairs(results) do
      assert.truthy(result.media.originalFileName:find("^" .. name:sub(1, 3) .. "%-%w+%.mp4$"), result.media.originalFileName)
    end
    assert.equal(3, stored())
  end)

  it("leaves alone what is not to be reconciled, and what is alone", function()
    unknown(2)
    local list = { request("a.mp4", { reconcile = false }), request "b.mp4" }
    local found = codes((collect(client:uploads(list, { reconcile = true }))))
    assert.same({ ok = 1, outcome_unknown = 1 }, found)
    unknown(2)
    list = { request("c.mp4", { reconcile = true }), request "d.mp4" }
    local results = collect(client:uploads(list))
    assert.is_true(results["c.mp4"].info.reconciled)
    assert.equal("outcome_unknown", results["d.mp4"].err.code)
  end)

  it("looks also while its source has nothing at the moment", function()
    unknown()
    local drawn = 0
    local run = client:uploads(function()
      drawn = drawn + 1
      return drawn == 1 and request "a.mp4"
    end, { reconcile = true })
    assert.is_true(run:wait(20000), "it waits for the end of the source")
    local media, err, _, info = run:ready()()
    assert.is_nil(err)
    assert.equal("a.mp4", media.originalFileName)
    assert.is_true(info.reconciled)
    run:close()
  end)

  it("needs nothing but its descriptor, also between two looks", function()
    box:fault { disconnect = "close", at = "response", store = false, times = 1 }
    local run = client:uploads({ request "a.mp4" }, { reconcile = true })
    local object = { getfd = function() return assert(run:fd()) end }
    local media
    repeat
      assert.equal(object, socket.select({ object }, nil, 15)[1], "nothing to do for 15 s")
      for found in run:ready() do media = found end
    until run:done()
    assert.equal("a.mp4", media.originalFileName)
  end)

  it("ends with its client, also while something is unknown", function()
    box:fault { disconnect = "close", at = "response", store = false, times = 0 }
    local run = client:uploads({ request "a.mp4" }, { reconcile = true })
    local listed
    eventually(function()
      run:wait(20)
      for _, arrived in ipairs(box:requests()) do listed = listed or arrived.method == "GET" end
      return listed
    end)
    client:close()
    local results = collect(run)
    assert.is_true(results["a.mp4"].err.possiblyStored)
    assert.is_true(run:done())
  end)

  it("remembers none of the others where names are marked", function()
    local run = client:uploads(requests(3), { reconcile = "exact" })
    for media in run do assert.truthy(media) end
    assert.is_nil(next(run.settler.taken))
  end)

  it("goes by the list of each upload's own folder", function()
    local elsewhere = assert(client:createMediaFolder { name = "elsewhere" }).id
    box:fault { method = "POST", disconnect = "close", at = "response", store = false, times = 3 }
    local list = {
      request("a.mp4", { folderId = elsewhere }), request "b.mp4", request("c.mp4", { folderId = "null", maxResponseBytes = 10, maxRetries = 0 }),
    }
    local results = collect(client:uploads(list, { reconcile = true }))
    assert.truthy(results["a.mp4"].media, tostring(results["a.mp4"].err))
    assert.truthy(results["b.mp4"].media, tostring(results["b.mp4"].err))
    assert.is_true(results["c.mp4"].err.possiblyStored)
    assert.equal(2, stored(), "what could not be looked for was sent again")
  end)

  it("looks for what comes late as for the others #slow", function()
    box:fault { method = "POST", disconnect = "close", at = "response", store = false, times = 1 }
    box:fault { method = "POST", delayAfterBodyMs = 60000, times = 1 }
    local drawn, second_look = 0, nil
    local results = collect(client:uploads(function()
      drawn = drawn + 1
      if drawn == 1 then return request "a.mp4" end
      if second_look == false then return nil end
      local looks = 0
      for _, arrived in ipairs(box:requests()) do
        if arrived.method == "GET" then looks = looks + 1 end
      end
      second_look = second_look or looks == 2 and core.now() or nil
      if not second_look or core.now() - second_look < 500 then return false end
      second_look = false -- the last look is planned, and this upload outlasts it
      return request("b.mp4", { idleTimeoutMs = 4500, maxRetries = 0 })
    end, { reconcile = true }))
    assert.same({ ok = 2 }, codes(results))
    assert.is_true(results["b.mp4"].info.reconciled)
    assert.equal(2, stored())
  end)

  it("leaves an error that says possiblyStored when it cannot look", function()
    unknown()
    box:fault { method = "GET", status = 500, times = 0 }
    local results = collect(client:uploads(requests(3), { reconcile = true, maxRetries = 0 }))
    local found = codes(results)
    assert.equal(2, found.ok)
    assert.equal(1, found.outcome_unknown)
    assert.equal(3, stored())
  end)
end)
