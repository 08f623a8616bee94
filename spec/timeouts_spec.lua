-- Every time limit holds, whatever the server does, and a cancel takes effect at once. #timing
local loomta = require "loomta"
local raw_server = require "spec.support.raw_server"
local sandbox = require "spec.support.sandbox"

local large = ("x"):rep(30 * 1024 * 1024) -- more than the kernel takes from us unread

--- A spec about time. A busy machine may spoil one run of it, or two; not three in a row.
local function timed(name, body)
  it(name, function()
    local ok, err
    for _ = 1, 3 do
      ok, err = pcall(body)
      if ok then return end
    end
    error(err, 0)
  end)
end

describe("a time limit #timing", function()
  local box, silent
  setup(function()
    box = sandbox.start {}
    silent = raw_server.start "silent"
  end)
  teardown(function()
    box:stop()
    silent.stop()
  end)
  before_each(function() box:reset() end)

  local function upload(options)
    options.apiKey = box.key
    options.baseUrl = options.baseUrl or box.url
    options.maxRetries = options.maxRetries or 0
    options.mimeType = "video/mp4"
    return loomta.upload(options)
  end

  -- The limit is 300 ms; it may pass by at most 100 ms.
  local function assert_ended_in_time(media, err, info, code, limit)
    assert.is_nil(media)
    assert.equal(code, err.code, tostring(err))
    assert.equal("timeout", err.kind)
    assert.is_true(info.durationMs >= limit - 1, info.durationMs .. " ms is too early")
    assert.is_true(info.durationMs <= limit + 100, info.durationMs .. " ms is too late")
  end

  local limits = { timeoutMs = { timeoutMs = 300 }, idleTimeoutMs = { idleTimeoutMs = 300 } }
  for name, option in pairs(limits) do
    local function with(fields)
      for key, value in pairs(option) do fields[key] = value end
      return fields
    end

    timed(name .. " ends an upload that the server stops reading", function()
      box:fault { stopReadingAfter = 100000 }
      local media, err, info = upload(with { data = large })
      if name == "timeoutMs" then assert_ended_in_time(media, err, info, "timeout", 300) end
      assert.equal("timeout", err.code)
      assert.is_false(err.possiblyStored)
      assert.is_true(info.durationMs <= 600) -- what moved before the stall counts
    end)

    timed(name .. " ends the wait for an answer, and calls the outcome unknown", function()
      box:fault { delayAfterBodyMs = 3000 }
      local media, err, info = upload(with { data = "x" })
      assert_ended_in_time(media, err, info, "outcome_unknown", 300)
      assert.is_true(err.possiblyStored)
      assert.truthy(err.cause:find(name, 1, true))
    end)

    timed(name .. " ends the wait before a body is taken", function()
      box:fault { delayBeforeBodyMs = 3000 }
      local media, err, info = upload(with { data = large })
      assert.is_nil(media)
      assert.equal("timeout", err.kind)
      assert.is_true(info.durationMs >= 300 and info.durationMs <= 700, info.durationMs)
    end)
  end

  timed("connectTimeoutMs ends a TLS handshake that nobody answers", function()
    local media, err, info = upload { data = "x", baseUrl = (silent.url:gsub("http:", "https:")), connectTimeoutMs = 300 }
    assert_ended_in_time(media, err, info, "timeout", 300)
    assert.truthy(err.message:find("connectTimeoutMs", 1, true))
    assert.is_true(err.retryable)
  end)

  timed("idleTimeoutMs does not end a slow handshake", function()
    local media, err, info = upload {
      data = "x", baseUrl = (silent.url:gsub("http:", "https:")), connectTimeoutMs = 400, idleTimeoutMs = 50,
    }
    assert_ended_in_time(media, err, info, "timeout", 400)
  end)

  timed("timeoutMs covers the retries and the waits between them", function()
    box:fault { status = 429, times = 0 }
    local media, err, info = upload { data = "x", timeoutMs = 300, maxRetries = 1000 }
    assert.is_nil(media)
    assert.equal(429, err.status) -- the last answer, rather than a wait that cannot end well
    assert.is_true(info.durationMs <= 400, info.durationMs)
  end)

  timed("idleTimeoutMs does not run while a reader has nothing yet", function()
    local asked, pieces = 0, { ("x"):rep(5000), ("y"):rep(5000) }
    local media, err = upload {
      idleTimeoutMs = 100,
      reader = function()
        asked = asked + 1
        if asked == 2 then return pieces[1] end
        if asked == 60 then return pieces[2] end -- about half a second later
        if asked > 60 then return nil end
        return ""
      end,
    }
    assert.is_nil(err)
    assert.is_table(media)
  end)

  it("idleTimeoutMs is patient with a limit that lets the bytes of a second go at once", function()
    local media, err = upload { data = ("x"):rep(900000), maxBytesPerSec = 400000, idleTimeoutMs = 500 }
    assert.is_table(media, tostring(err))
  end)

  timed("maxBytesPerSec does not look like an idle connection", function()
    local media, err, info = upload { data = ("x"):rep(60000), maxBytesPerSec = 40000, idleTimeoutMs = 900 }
    assert.is_nil(err)
    assert.is_table(media)
    assert.is_true(info.durationMs >= 500)
  end)

  -- The kernel takes a large piece, and takes no more until a good part of it has left: nothing moves for libcurl meanwhile.
  timed("idleTimeoutMs does not end an upload that a server reads slowly", function()
    local server = raw_server.start "sips"
    finally(server.stop)
    local media, err, info = upload { data = large, baseUrl = server.url, idleTimeoutMs = 1300, timeoutMs = 6000 }
    assert.is_nil(media)
    assert.is_true(info.durationMs >= 5999, tostring(err) .. info.durationMs) -- it was timeoutMs that ended it
  end)

  timed("returning false from onProgress cancels at once", function()
    box:fault { stopReadingAfter = 100000 }
    local clock = os.time()
    local calls = 0
    local media, err, info = upload {
      data = large,
      onProgress = function()
        calls = calls + 1
        return calls < 2
      end,
    }
    assert.is_nil(media)
    assert.equal("canceled", err.code)
    assert.is_false(err.possiblyStored)
    assert.is_true(info.durationMs <= 500, info.durationMs)
    assert.is_true(os.time() - clock <= 1)
  end)

  timed("a callback that raises leaves a client that works", function()
    local client = loomta.new { apiKey = box.key, baseUrl = box.url }
    local thrown = setmetatable({}, { __tostring = function() return "mine" end })
    local ok, err = pcall(client.upload, client, { data = large, mimeType = "video/mp4", onProgress = function() error(thrown) end })
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.is_table(loomta.check(client:upload { file = "spec/fixtures/clip.mp4" }))
    client:close()
  end)
end)
