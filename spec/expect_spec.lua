-- Expect: 100-continue, early refusals, and servers that treat either badly.
local loomta = require "loomta"
local raw_server = require "spec.support.raw_server"
local sandbox = require "spec.support.sandbox"

local mib = 1024 * 1024

describe("a server that ignores Expect", function()
  it("costs less than a second, once", function()
    local server = raw_server.start "ignoreExpect"
    local client = loomta.new { apiKey = "k", baseUrl = server.url }
    finally(function()
      client:close()
      server.stop()
    end)
    for _ = 1, 3 do assert.is_table(loomta.check(client:upload { data = ("x"):rep(9 * mib), mimeType = "video/mp4" })) end
    local waits = {}
    for expect, waited in server.seen():gmatch "expect=(%S+) waited=(%d+)" do waits[#waits + 1] = { expect, tonumber(waited) } end
    assert.equal(3, #waits)
    assert.equal("100-continue", waits[1][1])
    assert.is_true(waits[1][2] < 900)
    assert.equal("no", waits[2][1])
    assert.equal("no", waits[3][1])
  end)

  it("is asked without Expect when it answers 417", function()
    local server = raw_server.start "refuseExpect"
    finally(server.stop)
    local media, err, info = loomta.upload {
      apiKey = "k", baseUrl = server.url, data = ("x"):rep(9 * mib), mimeType = "video/mp4", maxRetries = 0,
    }
    assert.is_nil(err)
    assert.is_table(media)
    assert.is_true(info.attempts <= 2)
  end)
end)

describe("small uploads", function()
  it("go without Expect, large ones ask first", function()
    local box = sandbox.start {}
    finally(function() box:stop() end)
    local client = loomta.new { apiKey = box.key, baseUrl = box.url }
    loomta.check(client:upload { data = ("x"):rep(8 * mib - 1000), mimeType = "video/mp4" })
    assert.is_false(box:lastRequest()["continue"])
    loomta.check(client:upload { data = ("x"):rep(8 * mib), mimeType = "video/mp4" })
    assert.is_true(box:lastRequest()["continue"])
    client:close()
  end)
end)

describe("an early refusal", function()
  it("is heard before a large body is sent", function()
    local box = sandbox.start {}
    local path = os.tmpname()
    finally(function()
      os.remove(path)
      box:stop()
    end)
    os.execute(("cat spec/fixtures/clip.mp4 > %s && truncate -s 3G %s"):format(path, path))
    local media, err, info = loomta.upload { file = path, apiKey = "wrong", baseUrl = box.url }
    assert.is_nil(media)
    assert.equal("invalid_api_key", err.code)
    assert.equal(401, err.status)
    assert.equal(1, info.attempts)
    assert.equal(0, box:lastRequest().bytes)
  end)

  -- The reset may overtake the answer; the second attempt asks first, and hears it.
  it("is heard even from a server that resets the connection", function()
    local server = raw_server.start "refuseRudely"
    finally(server.stop)
    for _ = 1, 5 do
      local media, err = loomta.upload { apiKey = "k", baseUrl = server.url, data = ("x"):rep(6 * mib), mimeType = "video/mp4" }
      assert.is_nil(media)
      assert.equal(401, err.status, tostring(err))
    end
  end)
end)

describe("interim answers", function()
  it("are not taken for the answer", function()
    local server = raw_server.start "interim"
    finally(server.stop)
    local media, err, info = loomta.upload { apiKey = "k", baseUrl = server.url, file = "spec/fixtures/clip.mp4" }
    assert.is_nil(err)
    assert.equal("READY", media.status)
    assert.equal(201, info.status)
  end)
end)

describe("an answer that is not HTTP", function()
  it("leaves the outcome unknown", function()
    local server = raw_server.start "garbage"
    finally(server.stop)
    local media, err = loomta.upload { apiKey = "k", baseUrl = server.url, file = "spec/fixtures/clip.mp4" }
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.is_true(err.possiblyStored)
  end)
end)

describe("417", function()
  local function upload(server)
    return loomta.upload { apiKey = "k", baseUrl = server.url, data = ("x"):rep(9 * mib), mimeType = "video/mp4", maxRetries = 2 }
  end
  local function requests(server)
    return select(2, server.seen():gsub("request", ""))
  end

  -- libcurl by itself repeats a request that got 417, with the same Expect in it, for as long as the server says 417.
  it("again and again is asked two times, not thousands", function()
    local server = raw_server.start "always417"
    finally(server.stop)
    local media, err, info = upload(server)
    assert.is_nil(media)
    assert.equal(417, err.status)
    assert.equal(2, info.attempts)
    assert.equal(2, requests(server))
  end)

  -- The stale 417 would call the lost answer to the second request a refusal, and send the upload once more.
  it("does not hide that the next request may have been stored", function()
    local server = raw_server.start "lose417"
    finally(server.stop)
    local media, err = upload(server)
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.is_true(err.possiblyStored)
    assert.equal(2, requests(server))
  end)
end)

describe("a server that parses as it reads", function()
  -- It knows the file's end by the boundary, some bytes before the body's end. Where libcurl's buffer ends between the two,
  -- the upload is stored although its last bytes were never handed over.
  it("may have stored what lacks only its last bytes", function()
    local server = raw_server.start "storeAtBoundary"
    finally(server.stop)
    local buffer = 16384 -- what maxBytesPerSec makes of it
    local unknown = 0
    for missing = 1, 4 do
      -- The framing around the bytes is found out first, then the body is made to end just behind a buffer's end.
      local _, _, info = loomta.upload { apiKey = "k", baseUrl = server.url, data = "x", mimeType = "video/mp4", maxRetries = 0 }
      assert.is_table(info)
      local framing = tonumber(server.seen():match ".*length=(%d+)") - 1
      local media, err = loomta.upload {
        apiKey = "k", baseUrl = server.url, mimeType = "video/mp4", maxBytesPerSec = 100000,
        data = ("x"):rep(2 * buffer + missing - framing),
      }
      assert.is_nil(media)
      assert.is_true(err.possiblyStored, tostring(err))
      if err.code == "outcome_unknown" then unknown = unknown + 1 end
    end
    assert.equal(4, unknown)
    assert.equal(8, select(2, server.seen():gsub("request", "")))
  end)
end)
