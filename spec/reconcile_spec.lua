-- Settling an unknown outcome by looking for the upload: found, not found, not to be found out.
local loomta = require "loomta"
local reconcile = require "loomta.reconcile"
local sandbox = require "spec.support.sandbox"

describe("the match", function()
  local now = 1700000000
  local function media(fields)
    fields.originalFileName = fields.originalFileName or "clip.mp4"
    fields.createdAt = os.date("!%Y-%m-%dT%H:%M:%S", now + (fields.age or 0)) .. ".000Z"
    return fields
  end
  local wanted = { name = "clip.mp4", size = 10, since = now }

  it("is by name, size and time", function()
    local right = media { id = "right", size = 10 }
    local found = reconcile.find({
      media { id = "name", size = 10, originalFileName = "Clip.mp4" },
      media { id = "size", size = 11 },
      media { id = "old", size = 10, age = -121 },
      right,
    }, wanted)
    assert.equal(right, found)
    assert.is_nil(reconcile.find({}, wanted))
    assert.is_nil(reconcile.find({ media { id = "old", size = 10, age = -121 } }, wanted))
  end)

  it("allows for clocks that differ, and for a size that the server does not tell", function()
    assert.is_table(reconcile.find({ media { id = "x", size = 10, age = -119 } }, wanted))
    assert.is_table(reconcile.find({ media { id = "x" } }, wanted))
  end)

  it("takes the newest of several", function()
    local newest = media { id = "b", size = 10, age = 5 }
    assert.equal(newest, reconcile.find({ media { id = "a", size = 10 }, newest, media { id = "c", size = 10, age = 1 } }, wanted))
  end)

  it("does not stumble over what no server should send", function()
    local right = media { id = "right", size = 10 }
    assert.equal(right, reconcile.find({ 7, "media", false, { originalFileName = "clip.mp4", createdAt = 5 }, right, {} }, wanted))
  end)

  it("goes by the token alone when exact", function()
    local old = media { id = "x", size = 10, age = -9999 }
    assert.equal(old, reconcile.find({ old }, { name = "clip.mp4", size = 10, since = now, exact = true }))
  end)
end)

describe("reconcile #slow", function()
  local box, client
  setup(function() box = sandbox.start {} end)
  teardown(function() box:stop() end)
  before_each(function()
    box:reset()
    client = loomta.new { apiKey = box.key, baseUrl = box.url, reconcile = true }
  end)
  after_each(function() client:close() end)

  local function stored()
    local _, total = box:media()
    return total
  end

  it("finds an upload whose answer was lost", function()
    for _, fault in ipairs {
      { disconnect = "reset", at = "response" }, { disconnect = "close", at = "response" }, { status = 502, store = true },
    } do
      box:reset()
      box:fault(fault)
      local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
      assert.is_nil(err)
      assert.equal(box:media()[1].id, media.id)
      assert.is_true(info.reconciled)
      assert.equal(1, info.attempts)
      assert.equal(1, stored())
    end
  end)

  it("repeats one that was not stored, once", function()
    box:fault { status = 502, store = false }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_nil(err)
    assert.is_string(media.id)
    assert.is_nil(info.reconciled)
    assert.equal(2, info.attempts)
    assert.equal(1, stored())
  end)

  it("does not repeat a second time, and says what may be", function()
    box:fault { status = 502, store = false, times = 2, method = "POST" }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_nil(media)
    assert.equal(502, err.status)
    assert.is_true(err.possiblyStored)
    assert.equal(2, info.attempts)
    assert.equal(0, stored())
  end)

  it("keeps possiblyStored when the second attempt is refused", function()
    box:fault { status = 502, store = false, method = "POST" }
    box:fault { status = 400, code = "no", method = "POST" }
    local media, err = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_nil(media)
    assert.equal("no", err.code)
    assert.is_true(err.possiblyStored)
    assert.is_false(err.retryable)
  end)

  it("repeats nothing when it cannot look", function()
    box:fault { disconnect = "reset", at = "response" }
    box:fault { status = 403, code = "no", method = "GET", times = 0 }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.equal(1, info.attempts)
    assert.equal(1, stored())
  end)

  it("cannot repeat a reader, but can find it", function()
    local function reader()
      local left = 3
      return function()
        left = left - 1
        return left >= 0 and ("x"):rep(5000) or nil
      end
    end
    box:fault { disconnect = "reset", at = "response" }
    local media, _, info = client:upload { reader = reader(), size = 15000, fileName = "take.webm", mimeType = "video/webm" }
    assert.is_string(media.id)
    assert.is_true(info.reconciled)

    box:reset()
    box:fault { status = 500, store = false }
    local _, err = client:upload { reader = reader(), size = 15000, fileName = "take.webm", mimeType = "video/webm" }
    assert.equal(500, err.status)
    assert.equal(1, err.attempts)
  end)

  it("is exact by a token in the name", function()
    loomta.check(client:upload { file = "spec/fixtures/clip.mp4" }) -- a namesake
    box:fault { status = 502, store = false, method = "POST" }
    local media, _, info = client:upload { file = "spec/fixtures/clip.mp4", reconcile = "exact" }
    assert.is_nil(info.reconciled) -- the namesake was not taken for it
    assert.equal(2, info.attempts)
    assert.truthy(media.originalFileName:find "^clip%-%w%w%w%w%w%w%w%w%w%w%w%w%.mp4$", media.originalFileName)
    assert.equal(2, stored())

    box:fault { disconnect = "reset", at = "response" }
    media, _, info = client:upload { file = "spec/fixtures/clip.mp4", fileName = "Our day.mp4", reconcile = "exact" }
    assert.is_true(info.reconciled)
    assert.truthy(media.originalFileName:find "^Our day%-%w+%.mp4$")
  end)

  it("looks in the upload's folder, with the call's own key and host", function()
    local other = loomta.new { apiKey = "wrong", baseUrl = "http://127.0.0.1:1", reconcile = true }
    box:fault { disconnect = "reset", at = "response" }
    local media = loomta.check(other:upload { file = "spec/fixtures/clip.mp4", folderId = "null", apiKey = box.key, baseUrl = box.url })
    other:close()
    assert.is_string(media.id)
    local asked = box:lastRequest()
    assert.equal("GET", asked.method)
    assert.equal("null", asked.query.folderId)
  end)

  it("stays within timeoutMs", function()
    box:fault { disconnect = "reset", at = "response", times = 0, method = "POST" }
    box:fault { delayAfterBodyMs = 5000, times = 0, method = "GET" }
    local media, err, info = client:upload { file = "spec/fixtures/clip.mp4", timeoutMs = 700 }
    assert.is_nil(media)
    assert.equal("outcome_unknown", err.code)
    assert.is_true(info.durationMs < 2000, info.durationMs)
  end)
end)

describe("listMedia", function()
  it("lists what was uploaded, by folder and type", function()
    local box = sandbox.start {}
    finally(function() box:stop() end)
    local client = loomta.new { apiKey = box.key, baseUrl = box.url }
    local clip = loomta.check(client:upload { file = "spec/fixtures/clip.mp4" })
    local cover = loomta.check(client:upload { file = "spec/fixtures/jfif.jpg" })
    assert.equal(2, #loomta.check(client:listMedia()).media)
    assert.equal(clip.id, loomta.check(client:listMedia { mediaType = "video" }).media[1].id)
    local images = loomta.check(client:listMedia { mediaType = "image", folderId = loomta.null }).media
    assert.equal(1, #images)
    assert.equal(cover.id, images[1].id)
    local list, err = client:listMedia { mediaType = "sound" }
    assert.is_nil(list)
    assert.equal("invalid_request", err.code)
    client:close()
  end)
end)
