-- When an attempt is followed by another: the policy as a pure function, then the behaviour over a connection.
local core = require "loomta.core"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local function delay(failure, policy)
  policy.maxRetries = policy.maxRetries or 2
  policy.attempt = policy.attempt or 1
  policy.random = policy.random or 0.5
  if policy.canRewind == nil then policy.canRewind = true end
  return core.retryDelay(failure, policy)
end

describe("the retry policy", function()
  it("waits a random part of a time that doubles", function()
    local ceilings = { 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000 }
    for attempt, ceiling in ipairs(ceilings) do
      assert.equal(0, delay({ retryable = true }, { attempt = attempt, maxRetries = 99, random = 0 }))
      assert.equal(ceiling / 2, delay({ retryable = true }, { attempt = attempt, maxRetries = 99, random = 0.5 }))
      assert.equal(ceiling - 1, delay({ retryable = true }, { attempt = attempt, maxRetries = 99, random = 0.99999999 }))
    end
    assert.equal(15000, delay({ retryable = true }, { attempt = 2 ^ 30, maxRetries = 2 ^ 31 - 1 }))
  end)

  it("stops after maxRetries", function()
    assert.is_number(delay({ retryable = true }, { attempt = 2, maxRetries = 2 }))
    assert.is_nil(delay({ retryable = true }, { attempt = 3, maxRetries = 2 }))
    assert.is_nil(delay({ retryable = true }, { attempt = 1, maxRetries = 0 }))
  end)

  it("never repeats what is not retryable, or cannot be sent again", function()
    assert.is_nil(delay({ retryable = false }, {}))
    assert.is_nil(delay({ retryable = true }, { canRewind = false }))
  end)

  it("repeats the unknown only when asked", function()
    assert.is_nil(delay({ unknown = true }, {}))
    assert.is_number(delay({ unknown = true }, { retryUnknown = true }))
    assert.is_nil(delay({ unknown = false }, { retryUnknown = true }))
    assert.is_nil(delay({ unknown = true }, { retryUnknown = true, canRewind = false }))
  end)

  it("obeys the server's wish, and gives up when it is too long", function()
    assert.equal(7000, delay({ retryable = true, retryAfterMs = 7000 }, { random = 0 }))
    assert.equal(250, delay({ retryable = true, retryAfterMs = 0 }, {}))
    assert.equal(120000, delay({ retryable = true, retryAfterMs = 120000 }, {}))
    assert.is_nil(delay({ retryable = true, retryAfterMs = 120001 }, {}))
  end)

  it("does not begin an attempt after maxElapsedMs", function()
    assert.equal(250, delay({ retryable = true }, { maxElapsedMs = 1000, elapsedMs = 750 }))
    assert.is_nil(delay({ retryable = true }, { maxElapsedMs = 1000, elapsedMs = 751 }))
    assert.is_nil(delay({ retryable = true, retryAfterMs = 5000 }, { maxElapsedMs = 4000, elapsedMs = 0 }))
  end)

  it("drops Expect at once and at no charge", function()
    assert.equal(0, delay({ retryable = true, withoutExpect = true }, { maxRetries = 0 }))
  end)
end)

describe("Retry-After", function()
  local noon = 784111777 - 37 -- of Sun, 06 Nov 1994 08:49:00 GMT, the date of RFC 9110's examples

  it("is read as seconds and as each form of an HTTP date", function()
    assert.equal(0, core.parseRetryAfter("0", noon))
    assert.equal(120000, core.parseRetryAfter("120", noon))
    assert.equal(120000, core.parseRetryAfter(" 120 \r\n", noon))
    assert.equal(37000, core.parseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", noon))
    assert.equal(37000, core.parseRetryAfter("Sunday, 06-Nov-94 08:49:37 GMT", noon))
    assert.equal(37000, core.parseRetryAfter("Sun Nov  6 08:49:37 1994", noon))
  end)

  it("is no wait when the date is past, and nothing when it is neither", function()
    assert.equal(0, core.parseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", noon + 3600))
    for _, value in ipairs { "", " ", "soon", "-1", "1.5", "10s", "1e3", "\0", ("9"):rep(80), "Sun, 99 Foo" } do
      assert.is_nil(core.parseRetryAfter(value, noon), value)
    end
    assert.is_number(core.parseRetryAfter(("9"):rep(40), noon)) -- far too long, but no overflow
  end)
end)

describe("retrying", function()
  local box, client, retries

  setup(function()
    box = sandbox.start {}
  end)
  teardown(function() box:stop() end)
  before_each(function()
    box:reset()
    retries = {}
    client = loomta.new {
      apiKey = box.key,
      baseUrl = box.url,
      onRetry = function(err, attempt, delay_ms) retries[#retries + 1] = { err = err, attempt = attempt, delayMs = delay_ms } end,
    }
  end)
  after_each(function() client:close() end)

  local function stored()
    local _, total = box:media()
    return total
  end

  it("succeeds after refusals for a while, and tells of each", function()
    box:fault { status = 429, code = "slow_down", message = "Wait.", retryAfter = "0", times = 2 }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_nil(err)
    assert.is_string(media.id)
    assert.equal(3, info.attempts)
    assert.equal(1, stored())
    assert.equal(2, #retries)
    assert.equal("slow_down", retries[1].err.code)
    assert.equal("rate_limit", retries[1].err.kind)
    assert.equal(429, retries[1].err.status)
    assert.equal(1, retries[1].attempt)
    assert.equal(2, retries[2].attempt)
    assert.is_true(retries[1].delayMs >= 0 and retries[1].delayMs <= 500)
    assert.is_true(retries[2].delayMs >= 0 and retries[2].delayMs <= 1000)
  end)

  it("returns the last refusal when the retries are used up", function()
    box:fault { status = 503, code = "overloaded", retryAfter = "0", times = 0 }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4", maxRetries = 1 }
    assert.is_nil(media)
    assert.equal("overloaded", err.code)
    assert.equal(2, err.attempts)
    assert.equal(2, info.attempts)
    assert.is_true(err.retryable)
    assert.is_false(err.possiblyStored)
    assert.equal(0, stored())
  end)

  it("waits as long as Retry-After says", function()
    box:fault { status = 429, retryAfter = "1" }
    local media, _, info = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_table(media)
    assert.is_true(info.durationMs >= 1000)
    assert.is_true(retries[1].delayMs >= 1000)
  end)

  it("returns at once when the deadline leaves no time for the wait", function()
    box:fault { status = 429, retryAfter = "60" }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4", timeoutMs = 30000 }
    assert.is_nil(media)
    assert.equal(429, err.status)
    assert.equal(60000, err.retryAfterMs)
    assert.equal(1, info.attempts)
    assert.is_true(info.durationMs < 10000)
  end)

  it("does not repeat a 400, a 401 or a 409", function()
    for _, status in ipairs { 400, 401, 409 } do
      box:fault { status = status, code = "no" }
      local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
      assert.is_nil(media)
      assert.equal(status, err.status)
      assert.equal(1, info.attempts)
    end
  end)

  it("does not repeat what a server's failure may have stored", function()
    for _, status in ipairs { 500, 502, 503, 504 } do
      box:fault { status = status, store = true }
      local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
      assert.is_nil(media)
      assert.equal(status, err.status)
      assert.is_true(err.possiblyStored)
      assert.is_false(err.retryable)
      assert.equal(1, info.attempts)
    end
    assert.equal(4, stored())
  end)

  it("repeats it when asked to, and does not hide that it may be there twice", function()
    box:fault { status = 502, store = true }
    local media = client:upload { file = "spec/fixtures/clip.mp4", retryUnknown = true }
    assert.is_table(media)
    assert.equal(2, stored())

    box:fault { status = 502, store = true }
    box:fault { status = 429, times = 0 }
    local _, err = client:upload { file = "spec/fixtures/clip.mp4", retryUnknown = true, maxRetries = 1 }
    assert.equal(429, err.status)
    assert.is_true(err.possiblyStored) -- by the first attempt
    assert.is_false(err.retryable)
  end)

  it("repeats a connection that was closed in the middle of the body", function()
    box:fault { disconnect = "reset", at = "body", afterBytes = 100000 }
    local media, err, info = client:upload { data = ("x"):rep(8000000), mimeType = "video/mp4" }
    assert.is_nil(err)
    assert.is_string(media.id)
    assert.equal(2, info.attempts)
    assert.equal(1, stored())
  end)

  it("never repeats a reader's bytes", function()
    local left = 100
    box:fault { disconnect = "reset", at = "body", afterBytes = 100000 }
    local media, err, info = client:upload {
      mimeType = "video/mp4",
      reader = function()
        left = left - 1
        return left > 0 and ("x"):rep(100000) or nil
      end,
    }
    assert.is_nil(media)
    assert.equal("network_error", err.code)
    assert.is_true(err.retryable) -- by a new call, with a new reader
    assert.equal(1, info.attempts)
    assert.equal(0, stored())
  end)

  it("calls a dropped answer unknown, and leaves it at that", function()
    for _, how in ipairs { "close", "reset" } do
      box:reset()
      box:fault { disconnect = how, at = "response" }
      local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
      assert.is_nil(media)
      assert.equal("outcome_unknown", err.code)
      assert.is_true(err.possiblyStored)
      assert.is_false(err.retryable)
      assert.equal(1, info.attempts)
      assert.equal(1, stored())
    end
  end)

  -- libcurl by itself sends a POST again when a kept connection is dropped without an answer.
  it("does not let libcurl upload twice over a kept connection", function()
    assert.is_table(client:upload { file = "spec/fixtures/clip.mp4" })
    box:fault { disconnect = "close", at = "response" }
    local media, err = client:upload { data = ("x"):rep(3000000), mimeType = "video/mp4" }
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.equal(2, stored())
    assert.equal(2, #box:requests())
  end)

  it("raises what onRetry raises, and stays usable", function()
    local thrown = {}
    box:fault { status = 429, retryAfter = "0" }
    local ok, err = pcall(client.upload, client, { file = "spec/fixtures/clip.mp4", onRetry = function() error(thrown) end })
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.is_table(client:upload { file = "spec/fixtures/clip.mp4" })
  end)
end)
