-- What the uploads of a run share, seen from outside; pace_core_spec.lua looks at it more closely.
local core = require "loomta.core"
local eventually = require "spec.support.eventually"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local bytes = ("0123456789abcdef"):rep(2000) -- 32,000

local box, client

local function requests(count, more)
  local list = {}
  for i = 1, count do
    list[i] = { data = bytes, fileName = ("%03d.mp4"):format(i), mimeType = "video/mp4" }
    for field, value in pairs(more or {}) do list[i][field] = value end
  end
  return list
end

local function collect(run)
  local codes, longest_ms, results = {}, 0, {}
  for media, err, request, info in run do
    local code = media and "ok" or err.code
    codes[code] = (codes[code] or 0) + 1
    longest_ms = math.max(longest_ms, info.durationMs)
    results[request.fileName] = { media = media, err = err, info = info }
  end
  return codes, longest_ms, results
end

setup(function() box = sandbox.start {} end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
end)
after_each(function() client:close() end)

describe("a server that wants to be left alone", function()
  local function held(list, options)
    box:fault { status = 429, retryAfter = "2" }
    local run = client:uploads(list, options)
    run:wait(0)
    eventually(function()
      for _, arrived in ipairs(box:requests()) do
        if arrived.status == 429 then return true end
      end
    end)
    return run
  end

  it("gets nothing new before", function()
    local run = held(requests(12), { concurrency = 1 })
    local codes = collect(run)
    assert.same({ ok = 12 }, codes)
    local arrived = box:requests()
    assert.equal(13, #arrived)
    assert.equal(429, arrived[1].status)
  end)

  it("is left alone also when the refused upload is not retried", function()
    local before = core.now()
    local codes = collect(held(requests(4), { concurrency = 1, maxRetries = 0 }))
    assert.equal(3, codes.ok)
    assert.is_true(core.now() - before >= 1900)
  end)

  it("keeps nobody beyond the deadline", function()
    local codes, longest_ms, results = collect(held(requests(4), { concurrency = 1, timeoutMs = 400 }))
    assert.is_nil(codes.ok)
    assert.equal(4, #box:requests() + codes.timeout) -- the first one was refused, and is not worth waiting for
    assert.is_true(longest_ms < 1900, longest_ms .. " ms")
    for name, result in pairs(results) do
      assert.is_false(result.err.possiblyStored, name)
      if result.err.code == "timeout" then assert.equal(0, result.info.attempts) end
    end
  end)

  it("keeps nobody who is canceled", function()
    local run = held(requests(4), { concurrency = 1 })
    local before = core.now()
    run:close()
    local codes = collect(run)
    assert.equal(2, (codes.canceled or 0) + (codes.not_started or 0))
    assert.is_true(core.now() - before < 1900)
  end)

  it("does not keep those from asking who ask for lists", function()
    box:fault { status = 429, retryAfter = "2" }
    local run = client:uploads(requests(1))
    run:wait(0)
    eventually(function() return #box:requests() == 1 end)
    local _, _, info = client:listMedia()
    assert.is_true(info.durationMs < 1900)
    assert.same({ ok = 1 }, (collect(run)))
  end)
end)

describe("a server that fails", function()
  local large = bytes:rep(240) -- more than the network takes at once

  it("meets ten retries at once, and then one a second", function()
    box:fault { disconnect = "reset", at = "body", afterBytes = 1000, times = 13 }
    local before = core.now()
    local codes = collect(client:uploads(requests(13, { data = large }), { concurrency = 13, maxRetries = 13 })) -- one may meet several
    assert.same({ ok = 13 }, codes)
    assert.is_true(core.now() - before >= 2000, core.now() - before .. " ms")
  end)

  it("is not waited for beyond maxElapsedMs", function()
    box:fault { disconnect = "reset", at = "body", afterBytes = 1000, times = 20 }
    local list = requests(20, { data = large })
    local codes, longest_ms = collect(client:uploads(list, { concurrency = 20, maxRetries = 1, maxElapsedMs = 1500 }))
    assert.equal(20, codes.ok + codes.network_error)
    assert.is_true(codes.network_error >= 5)
    assert.is_true(longest_ms < 9000)
  end)
end)

describe("a limit of bytes a second over all", function()
  local rate = 100000

  local function assert_rate(list, options, size)
    local before = core.now()
    options.maxBytesPerSec = rate
    local codes = collect(client:uploads(list, options))
    local took_ms = core.now() - before
    assert.same({ ok = #list }, codes)
    local least_ms = (size - 16 * 1024 - rate / 20) / rate * 1000
    assert.is_true(took_ms >= least_ms, ("%.0f ms for what needs %.0f"):format(took_ms, least_ms))
  end

  it("holds for one alone", function()
    assert_rate({ { data = bytes:rep(6), fileName = "one.mp4", mimeType = "video/mp4" } }, { concurrency = 4 }, 6 * #bytes)
  end)

  it("holds for several together", function() assert_rate(requests(8), { concurrency = 4 }, 8 * #bytes) end)

  it("lets a canceled one go at once", function()
    local run = client:uploads({ { data = bytes:rep(100), mimeType = "video/mp4", fileName = "x.mp4" } }, { maxBytesPerSec = 1000 })
    run:wait(100)
    local before = core.now()
    run:close()
    assert.same({ canceled = 1 }, (collect(run)))
    assert.is_true(core.now() - before < 5000)
  end)
end)
