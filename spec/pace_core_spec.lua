-- What the jobs of one mailbox share when it has a pace: the pure rules, then how the worker keeps to them.
local core = require "loomta.core"
local sandbox = require "spec.support.sandbox"

--- How long each step has to wait, and how many bytes it was promised.
local function pace(rate, steps) return core.pace(rate, steps) end

describe("the retry budget", function()
  local function retries(count, at_ms)
    local steps = {}
    for i = 1, count do steps[i] = { "retry", at_ms } end
    return steps
  end

  it("lets ten go at once, then one a second, in order", function()
    assert.same({ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000, 2000, 3000 }, (pace(0, retries(13, 0))))
  end)

  it("fills again with time, up to ten", function()
    local steps = retries(10, 0)
    steps[11] = { "retry", 1500 }
    steps[12] = { "retry", 1500 }
    assert.same({ 0, 500 }, { (pace(0, steps))[11], (pace(0, steps))[12] })
    steps = retries(11, 3600000)
    assert.equal(1000, (pace(0, steps))[11])
  end)

  it("earns a tenth with each upload that ends well, up to ten", function()
    local steps = { { "earn", 0 } }
    for i = 2, 12 do steps[i] = { "retry", 0 } end
    assert.equal(1000, (pace(0, steps))[12])
    for i = 13, 16 do steps[i] = { "earn", 0 } end
    steps[17] = { "retry", 0 }
    assert.equal(1600, (pace(0, steps))[17])
  end)

  it("is heeded where a retry would come too late", function()
    local function delay(policy)
      policy.maxRetries, policy.attempt, policy.random, policy.canRewind = 2, 1, 0.5, true
      return core.retryDelay({ retryable = true, withoutExpect = policy.withoutExpect }, policy)
    end
    assert.equal(250, delay { leastMs = 249 })
    assert.equal(3000, delay { leastMs = 3000, maxElapsedMs = 3000 })
    assert.is_nil(delay { leastMs = 3001, maxElapsedMs = 3000 })
    assert.equal(0, delay { leastMs = 3000, withoutExpect = true })
  end)
end)

describe("the hold", function()
  it("ends with the latest of those asked for, and is capped", function()
    assert.same({ 5000, 4000, 9000, 120000 }, (pace(0, {
      { "hold", 0, 5000 }, { "hold", 1000, 1000 }, { "hold", 2000, 9000 }, { "hold", 3000, 3600000 },
    })))
  end)
end)

describe("the limit of bytes a second", function()
  --- Lets so many transfers ask for `wanted` bytes at a time, each again when it may send them, until `end_ms`.
  local function simulate(rate, transfers, wanted, end_ms)
    local steps, sent, free_at = {}, {}, {}
    for i = 1, transfers do sent[i], free_at[i] = 0, 0 end
    while true do
      local next_one = 1
      for i = 2, transfers do
        if free_at[i] < free_at[next_one] then next_one = i end
      end
      local at_ms = free_at[next_one]
      if at_ms >= end_ms then return sent end
      steps[#steps + 1] = { "reserve", at_ms, wanted }
      local waits, promised = pace(rate, steps)
      free_at[next_one] = at_ms + math.max(waits[#steps], 0.01) -- the time that the asking takes
      if free_at[next_one] < end_ms then sent[next_one] = sent[next_one] + promised[#steps] end
    end
  end

  local function sum(list)
    local total = 0
    for _, n in ipairs(list) do total = total + n end
    return total
  end

  for rate, end_ms in pairs { [1000] = 2000, [40000] = 1000, [1000000] = 1000, [100000000] = 100 } do
    it(("holds over time, however many send, at %d"):format(rate), function()
      local burst = math.max(rate / 10, 16384)
      for _, transfers in ipairs { 1, 4, 16 } do
        local sent = simulate(rate, transfers, 65536, end_ms)
        local total, refilled = sum(sent), rate * end_ms / 1000
        local slice = math.min(math.max(rate / 20, 512), 65536)
        assert.is_true(total <= burst + refilled + 1, total)
        assert.is_true(total >= burst + refilled - (transfers + 1) * slice - rate / 50, total)
        table.sort(sent)
        assert.is_true(sent[transfers] - sent[1] <= burst + 2 * slice, sent[transfers] - sent[1])
      end
    end)
  end

  it("saves up a burst and no more", function()
    local _, promised = pace(1000000, { { "reserve", 0, 50000 }, { "reserve", 0, 50000 }, { "reserve", 0, 50000 } })
    assert.same({ 50000, 50000, 50000 }, promised)
    local steps = {}
    for i = 1, 3 do steps[i] = { "reserve", 3600000, 50000 } end
    assert.same({ 0, 0, 50 }, (pace(1000000, steps)))
  end)

  it("gives what is not sent to the others", function()
    local steps = { { "reserve", 0, 50000 }, { "reserve", 0, 50000 }, { "return", 0, 50000 }, { "reserve", 0, 50000 } }
    assert.equal(0, (pace(1000000, steps))[4])
  end)
end)

describe("a mailbox with a pace", function()
  local box, secret, mailbox

  setup(function() box = sandbox.start {} end)
  teardown(function() box:stop() end)
  before_each(function()
    box:reset()
    secret = core.secret(box.key)
  end)
  after_each(function() mailbox:close() end)

  local function open(limit, rate) mailbox = assert(core.mailbox(limit, rate)) end

  local function submit(source, fields, into)
    fields.method = fields.method or "POST"
    fields.url = fields.url or box.url .. "/public/v1/media"
    fields.apiKey, fields.userAgent, fields.verify = secret, "spec", true
    return (into or mailbox):submit(source, fields)
  end

  local function upload(source, fields)
    fields = fields or {}
    fields.fileName, fields.mimeType = "a.jpg", "image/jpeg"
    return submit(type(source) == "string" and core.openMemory(source) or source, fields)
  end

  local function folder(fields, into)
    fields = fields or {}
    fields.url, fields.contentType = box.url .. "/public/v1/media/folders", "application/json"
    return submit(core.openMemory '{"name":"Clips"}', fields, into)
  end

  local function is_done(job) return job:look() == "done" end

  local function pass(ms)
    mailbox:wait(ms)
    while mailbox:take() do end
  end

  --- Waits for what must come; only a fault takes so long.
  local function eventually(condition)
    local give_up = core.now() + 60000
    while not condition() do
      assert(core.now() < give_up, "it never came")
      pass(5)
    end
  end

  local function result(job)
    eventually(function() return is_done(job) end)
    return job:result()
  end

  --- Has a server that asks to be left alone for so many seconds. Gives when it was asked, or a little earlier.
  ---@param meanwhile function? called right before
  local function be_refused(seconds, meanwhile)
    box:fault { path = "/public/v1/media/folders", status = 429, retryAfter = tostring(seconds) }
    if meanwhile then meanwhile() end
    local before = core.now()
    assert.equal(429, result(folder()).status)
    return before
  end

  it("takes no rate that is none", function()
    assert.has_error(function() core.mailbox(1, -1) end)
    assert.has_error(function() core.mailbox(1, 0 / 0) end)
    assert.has_error(function() core.mailbox(1, "fast") end)
    open(1, math.huge)
    assert.equal(201, result(upload "x").status)
  end)

  describe("that was told to wait", function()
    it("begins none that was queued, and it loses no attempt", function()
      open(1, 0)
      box:fault { status = 429, retryAfter = "1" }
      local before = core.now()
      local refused, queued = upload "x", upload "y"
      assert.equal(429, result(refused).status)
      local held = result(queued)
      assert.equal(201, held.status)
      assert.equal(1, held.attempts)
      assert.is_true(core.now() - before >= 1000, core.now() - before)
      assert.equal(2, #box:requests())
    end)

    it("begins none that waits already", function()
      open(2, 0)
      local waiting
      local before = be_refused(3, function() waiting = upload("x", { delayMs = 2000 }) end)
      assert.equal("waiting", (waiting:look()))
      local held = result(waiting)
      assert.equal(201, held.status)
      assert.equal(1, held.attempts)
      assert.is_true(core.now() - before >= 3000, core.now() - before)
    end)

    it("holds those that come later, and what was refused is repeated, too", function()
      open(4, 0)
      box:fault { path = "/public/v1/media/folders", status = 503, retryAfter = "1" }
      local before = core.now()
      local refused = folder { maxRetries = 1 }
      eventually(function() return select(2, refused:look()) == 1 and refused:look() == "waiting" end)
      local later = upload "x"
      assert.equal(201, result(later).status)
      assert.is_true(core.now() - before >= 1000, core.now() - before)
      assert.equal(201, result(refused).status)
      assert.equal(2, refused:result().attempts)
      assert.equal(1, later:result().attempts)
    end)

    it("ends jobs at their deadline all the same", function()
      open(2, 0)
      be_refused(100)
      local before = core.now()
      local jobs = {}
      for i = 1, 4 do jobs[i] = upload("x", { timeoutMs = 300 }) end -- two have their turn, two are queued
      for _, job in ipairs(jobs) do
        local ended = result(job)
        assert.equal("timeout", ended.code)
        assert.equal(0, ended.attempts)
        assert.is_falsy(ended.possiblyStored)
      end
      assert.is_true(core.now() - before >= 300)
      assert.equal(1, #box:requests())
    end)

    it("ends also those at their deadline that wait for another attempt", function()
      open(2, 0)
      box:fault { path = "/public/v1/media", status = 503, retryAfter = "2" }
      box:fault { path = "/public/v1/media/folders", status = 429, retryAfter = "100", delayAfterBodyMs = 300 }
      local refusing, waiting = folder(), upload("x", { timeoutMs = 2500, maxRetries = 5 })
      assert.equal(429, result(refusing).status)
      local ended = result(waiting)
      assert.equal("timeout", ended.code)
      assert.equal(1, ended.attempts)
      assert.is_nil(ended.status)
      assert.is_falsy(ended.possiblyStored)
      assert.equal(2, #box:requests())
    end)

    it("lets go at once of a retry that the hold would make too late", function()
      open(2, 0)
      box:fault { path = "/public/v1/media", status = 500, delayAfterBodyMs = 2000 }
      local broken
      be_refused(100, function()
        broken = upload("x", { maxRetries = 5, maxElapsedMs = 60000, retryUnknown = true })
        eventually(function() return broken:look() == "running" end)
      end)
      local ended = result(broken)
      assert.equal(500, ended.status)
      assert.equal(1, ended.attempts)
    end)

    it("cancels what is held", function()
      open(1, 0)
      be_refused(100)
      local held, queued = upload "x", upload "x"
      eventually(function() return held:look() == "waiting" end)
      queued:cancel()
      held:cancel()
      for _, job in ipairs { held, queued } do
        assert.equal("canceled", result(job).code)
        assert.equal(0, job:result().attempts)
      end
      local recalled = upload "x"
      eventually(function() return recalled:look() == "waiting" end)
      recalled:recall()
      assert.equal("canceled", result(recalled).code)
      upload "x"
      mailbox:leave()
      assert.equal(1, #box:requests())
    end)

    it("holds neither what is urgent nor what others have", function()
      open(1, 0)
      be_refused(100)
      local held = upload "x"
      eventually(function() return held:look() == "waiting" end)
      assert.equal(200, result(submit(nil, { method = "GET", urgent = true })).status)
      local other = assert(core.mailbox(1, 0))
      assert.equal(201, result(folder({}, other)).status)
      other:close()
      assert.equal("waiting", (held:look()))
    end)

    it("does so only with a pace", function()
      open(1)
      be_refused(100)
      assert.equal(201, result(upload "x").status)
    end)
  end)

  it("repeats no more than its budget", function()
    open(14, 0)
    box:fault { status = 500, times = 14 }
    local before = core.now()
    local jobs = {}
    for i = 1, 14 do jobs[i] = upload("x", { maxRetries = 9, retryUnknown = true }) end
    for _, job in ipairs(jobs) do assert.equal(201, result(job).status) end
    -- 14 retries: 10 that it has, at most 1.4 that are earned, and the others one a second
    assert.is_true(core.now() - before >= 2500, core.now() - before)
  end)

  describe("that limits the bytes", function()
    local rate = 400000

    local function check_rate(before, total)
      local least_ms = total / (rate * 1.2) * 1000
      assert.is_true(core.now() - before >= least_ms, ("%.0f ms instead of %.0f"):format(core.now() - before, least_ms))
    end

    it("limits one", function()
      open(4, rate)
      local bytes, before = ("x"):rep(2 * rate), core.now()
      assert.equal(201, result(upload(bytes)).status)
      check_rate(before, #bytes)
    end)

    it("limits several together, and starves none", function()
      open(4, rate)
      local bytes, jobs = ("x"):rep(rate / 2), {}
      local before = core.now()
      for i = 1, 4 do jobs[i] = upload(bytes) end
      eventually(function()
        for _, job in ipairs(jobs) do
          if is_done(job) then return true end
        end
      end)
      for _, job in ipairs(jobs) do
        local sent = job:progress()
        assert.is_true(sent >= #bytes / 4, sent)
      end
      for _, job in ipairs(jobs) do assert.equal(201, result(job).status) end
      check_rate(before, 4 * #bytes)
    end)

    it("goes on where one that waits for its bytes is canceled", function()
      open(3, 40000)
      local jobs = {}
      for i = 1, 3 do jobs[i] = upload(("x"):rep(i < 3 and 10000000 or 60000)) end
      eventually(function() return jobs[1]:progress() > 0 and jobs[2]:progress() > 0 end)
      jobs[1]:cancel()
      jobs[2]:cancel()
      assert.equal("canceled", result(jobs[1]).code)
      assert.equal("canceled", result(jobs[2]).code)
      assert.equal(201, result(jobs[3]).status)
    end)

    it("does not take its own pauses for an idle connection", function()
      open(1, 500) -- so it sends 512 bytes a second, once the burst is gone
      local bytes, before = ("x"):rep(16384 + 700), core.now()
      local sent = result(upload(bytes, { idleTimeoutMs = 700 }))
      assert.is_nil(sent.code)
      assert.equal(201, sent.status)
      assert.is_true(core.now() - before >= 1400)
    end)

    it("ends a paused one at its deadline", function()
      open(1, 100)
      local ended = result(upload(("x"):rep(40000), { timeoutMs = 400 }))
      assert.equal("timeout", ended.code)
      assert.is_falsy(ended.possiblyStored)
    end)

    for _, size in ipairs { 500000, false } do
      it("limits chunks " .. (size and "of a known size" or "without one"), function()
        open(2, rate)
        local bytes, piece = ("0123456789abcdef"):rep(31250), 60000
        local at, before, empty = 1, core.now(), 0
        local job = upload(core.openChunks(size or nil))
        eventually(function()
          local _, _, hungry = job:attend()
          if hungry and empty < 20 then
            empty = empty + 1 -- nothing yet
            job:feed ""
          elseif hungry then
            job:feed(at <= #bytes and bytes:sub(at, at + piece - 1) or nil)
            at = at + piece
          end
          return is_done(job)
        end)
        assert.equal(201, job:result().status)
        check_rate(before, #bytes)
        local chunked = box:lastRequest().parts[1]
        assert.equal(#bytes, chunked.size)
        result(upload(bytes))
        assert.equal(box:lastRequest().parts[1].sha256, chunked.sha256)
      end)
    end

    it("lets each have a limit of its own besides", function()
      open(2, 10 * rate)
      local bytes, before = ("x"):rep(400000), core.now()
      assert.equal(201, result(upload(bytes, { maxBytesPerSec = 200000 })).status)
      assert.is_true(core.now() - before >= 1000)
    end)

    it("counts what is sent again", function()
      open(2, rate)
      box:fault { status = 503, retryAfter = "0" }
      local bytes, before = ("x"):rep(rate), core.now()
      local sent = result(upload(bytes, { maxRetries = 1 }))
      assert.equal(201, sent.status)
      assert.equal(2, sent.attempts)
      check_rate(before, 2 * #bytes)
    end)
  end)
end)
