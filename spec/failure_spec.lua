-- What every end of an exchange means: the whole table, on the pure function.
local core = require "loomta.core"

local OK, UNSUPPORTED, DNS_PROXY, DNS, CONNECT, WEIRD, PARTIAL, MEMORY, TIMEDOUT, TLS, ABORTED, EMPTY, SEND, RECV, CERT_FILE, UNTRUSTED, REWIND =
  0, 1, 5, 6, 7, 8, 18, 27, 28, 35, 42, 52, 55, 56, 58, 60, 65

-- Before the connection, in the middle of the body, and after its last byte.
local unconnected = core.classify

local function midBody(fields)
  fields.connected = true
  return unconnected(fields)
end

local function afterBody(fields)
  fields.bodyComplete = true
  return midBody(fields)
end

local function assert_failure(expected, failure)
  assert.is_table(failure)
  for name, value in pairs(expected) do assert.equal(value, failure[name], name) end
end

describe("classification", function()
  it("knows a success: a whole 2xx answer to a whole body", function()
    for _, status in ipairs { 200, 201, 202, 299 } do assert.is_nil(afterBody { status = status }) end
  end)

  it("lets everything before the connection be tried again, but for distrust", function()
    local rows = {
      { DNS, "dns_failed", "network" }, { DNS_PROXY, "dns_failed", "network" }, { CONNECT, "connect_failed", "network" },
      { TIMEDOUT, "timeout", "timeout" }, { TLS, "tls_failed", "network" }, { RECV, "connect_failed", "network" },
    }
    for _, row in ipairs(rows) do
      assert_failure({ code = row[2], kind = row[3], retryable = true, possiblyStored = false }, unconnected { result = row[1] })
    end
    assert_failure({ code = "tls_failed", retryable = false, possiblyStored = false }, unconnected { result = UNTRUSTED })
    assert_failure({ code = "tls_failed", kind = "input", retryable = false }, unconnected { result = CERT_FILE })
  end)

  it("lets what broke in the middle of the body be tried again", function()
    for _, result in ipairs { SEND, RECV, EMPTY, REWIND, 92, 95 } do
      assert_failure(
        { code = "network_error", kind = "network", retryable = true, possiblyStored = false, unknown = false },
        midBody { result = result }
      )
    end
    assert_failure({ code = "timeout", kind = "timeout", retryable = true, possiblyStored = false }, midBody { abort = "idle" })
  end)

  it("calls it unknown when the whole body went out and no answer came", function()
    for _, fields in ipairs { { result = SEND }, { result = RECV }, { result = EMPTY }, { result = REWIND }, { result = TIMEDOUT },
      { result = UNSUPPORTED }, { result = WEIRD }, { abort = "idle" } } do
      assert_failure({ code = "outcome_unknown", retryable = false, possiblyStored = true }, afterBody(fields))
    end
  end)

  it("does not offer to repeat what the deadline ended", function()
    assert_failure({ code = "timeout", retryable = false, possiblyStored = false, unknown = false }, midBody { abort = "deadline" })
    assert_failure(
      { code = "outcome_unknown", kind = "timeout", retryable = false, possiblyStored = true, unknown = false },
      afterBody { abort = "deadline" }
    )
  end)

  it("says of a cancel whether it came too late", function()
    assert_failure({ code = "canceled", kind = "canceled", retryable = false, possiblyStored = false }, midBody { abort = "canceled" })
    assert_failure({ code = "canceled", retryable = false, possiblyStored = true, unknown = false }, afterBody { abort = "canceled" })
  end)

  it("never repeats what the server refused for good", function()
    for _, status in ipairs { 300, 301, 302, 303, 307, 308, 400, 402, 404, 405, 409, 410, 411, 413, 415, 422, 431, 451 } do
      local expected = { code = "http", kind = status < 400 and "protocol" or "api", retryable = false, possiblyStored = false }
      assert_failure(expected, afterBody { status = status })
      assert_failure(expected, midBody { status = status })
    end
    for _, status in ipairs { 401, 403 } do
      assert_failure({ kind = "auth", retryable = false, possiblyStored = false }, afterBody { status = status })
    end
  end)

  it("repeats what the server asks to repeat", function()
    assert_failure({ kind = "rate_limit", retryable = true, possiblyStored = false }, afterBody { status = 429 })
    assert_failure({ kind = "server", retryable = true, possiblyStored = false }, afterBody { status = 503, retryAfterMs = 0 })
    assert_failure({ kind = "timeout", retryable = true, possiblyStored = false }, midBody { status = 408 })
  end)

  it("takes a server's failure after the whole body for unknown", function()
    for _, status in ipairs { 500, 501, 502, 503, 504, 507, 520, 599 } do
      assert_failure({ kind = "server", retryable = false, possiblyStored = true, unknown = true }, afterBody { status = status })
      assert_failure({ possiblyStored = false, unknown = false }, midBody { status = status })
    end
    assert_failure({ kind = "timeout", retryable = false, possiblyStored = true, unknown = true }, afterBody { status = 408 })
    assert_failure({ kind = "server", retryable = true }, midBody { status = 502 })
    assert_failure({ kind = "server", retryable = true }, midBody { status = 503 })
  end)

  it("drops Expect once where a server does not know it", function()
    assert_failure({ retryable = true, withoutExpect = true, possiblyStored = false }, midBody { status = 417, expectSent = true })
    assert_failure({ retryable = false, withoutExpect = false }, midBody { status = 417 })
  end)

  it("knows that a 2xx with a broken answer is stored, and never repeats it", function()
    for _, fields in ipairs { { result = PARTIAL }, { result = RECV }, { abort = "idle" }, { abort = "deadline" } } do
      fields.status = 201
      assert_failure(
        { code = "invalid_response", kind = "protocol", retryable = false, possiblyStored = true, unknown = false },
        afterBody(fields)
      )
    end
    assert_failure(
      { code = "response_too_large", kind = "protocol", possiblyStored = true, unknown = false },
      afterBody { status = 200, abort = "responseTooLarge", result = 23 }
    )
    assert_failure({ code = "canceled", possiblyStored = true }, afterBody { status = 200, abort = "canceled" })
    assert_failure({ code = "invalid_response", possiblyStored = true }, midBody { status = 200 })
  end)

  it("takes an answer that came for the truth, however the connection ended", function()
    assert_failure({ code = "http", kind = "auth", retryable = false }, midBody { status = 401, result = SEND })
    assert_failure({ code = "http", kind = "api" }, afterBody { status = 409, result = PARTIAL })
    assert_failure({ code = "http", kind = "api" }, afterBody { status = 400, abort = "responseTooLarge", result = 23 })
  end)

  it("blames the source for what the source did", function()
    local rows = { changed = "file_changed", tooShort = "file_read_failed", tooLong = "file_read_failed", readFailed = "file_read_failed" }
    for source_error, code in pairs(rows) do
      assert_failure(
        { code = code, kind = "input", retryable = false, possiblyStored = false },
        midBody { abort = "source", sourceError = source_error, result = ABORTED }
      )
    end
  end)

  it("does not deny what the server said yes to, whatever the source did", function()
    assert_failure(
      { code = "file_changed", possiblyStored = true, retryable = false },
      midBody { abort = "source", sourceError = "changed", status = 201, result = ABORTED }
    )
  end)

  it("does not ask a proxy again that refused", function()
    assert_failure({ code = "connect_failed", retryable = false }, unconnected { result = RECV, proxyStatus = 407 })
    assert_failure({ code = "connect_failed", retryable = true }, unconnected { result = RECV, proxyStatus = 502 })
  end)

  it("reports missing memory as such", function()
    assert_failure({ code = "out_of_memory", retryable = false, possiblyStored = false }, midBody { result = MEMORY })
    assert_failure({ code = "out_of_memory", retryable = false, possiblyStored = true }, afterBody { result = MEMORY })
  end)

  it("lets a request that changes nothing be repeated after any broken transport", function()
    for _, fields in ipairs { { result = RECV }, { result = EMPTY }, { abort = "idle" }, { status = 500 }, { status = 502 }, { status = 503 } } do
      fields.safe = true
      assert_failure({ retryable = true, possiblyStored = false }, afterBody(fields))
    end
    assert_failure({ retryable = false, possiblyStored = false }, afterBody { safe = true, status = 404 })
  end)

  -- Whatever comes together: never both "safe to repeat" and "may be stored", and every failure has its words.
  it("never calls one end both retryable and possibly stored", function()
    local results = { OK, UNSUPPORTED, DNS, CONNECT, WEIRD, PARTIAL, MEMORY, TIMEDOUT, TLS, ABORTED, EMPTY, SEND, RECV, CERT_FILE, UNTRUSTED, REWIND }
    local aborts = { "none", "canceled", "deadline", "idle", "source", "responseTooLarge", "noMemory" }
    local kinds = { input = true, auth = true, api = true, rate_limit = true, server = true, network = true, timeout = true, canceled = true, protocol = true }
    local seen = 0
    for _, result in ipairs(results) do
      for _, abort in ipairs(aborts) do
        for _, status in ipairs { 0, 200, 302, 400, 401, 408, 417, 429, 500, 503 } do
          for bits = 0, 15 do
            local function bit(n) return math.floor(bits / 2 ^ n) % 2 == 1 end
            local failure = core.classify {
              result = result, abort = abort, status = status, safe = bit(0), connected = bit(1), bodyComplete = bit(2),
              expectSent = bit(3),
            }
            seen = seen + 1
            if failure then
              assert.is_false(failure.retryable and failure.possiblyStored)
              assert.is_true(kinds[failure.kind])
              assert.is_true(failure.code == "http" or #failure.message > 0)
              if failure.possiblyStored then assert.is_true(bit(2) or status == 200, "stored without its last byte") end
            end
          end
        end
      end
    end
    assert.equal(#results * #aborts * 10 * 16, seen)
  end)
end)
