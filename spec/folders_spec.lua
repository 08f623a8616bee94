-- Folders of media: listing and making them; and what preflight tells of an upload without sending it.
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local box, client

setup(function() box = sandbox.start {} end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
end)
after_each(function() client:close() end)

describe("client:createMediaFolder", function()
  it("makes a folder that is listed, and that takes uploads", function()
    local folder, err, info = client:createMediaFolder { name = "Takes · 1" }
    assert.is_nil(err)
    assert.equal("Takes · 1", folder.name)
    assert.equal(1, info.attempts)
    local request = box:lastRequest()
    assert.equal("application/json", request.headers["content-type"])
    local list = assert(client:listMediaFolders())
    assert.equal(1, #list.folders)
    assert.equal(folder.id, list.folders[1].id)
    local media = assert(client:upload { file = "spec/fixtures/clip.mp4", folderId = folder.id })
    assert.equal(folder.id, media.folderId)
  end)

  it("is not sent again where it may have been made", function()
    box:fault { disconnect = "close", at = "response" }
    local folder, err = client:createMediaFolder { name = "once" }
    assert.is_nil(folder)
    assert.equal("outcome_unknown", err.code)
    assert.is_true(err.possiblyStored)
    assert.equal(1, #box:requests())
  end)

  it("is sent again where it cannot have been made", function()
    box:fault { status = 429, retryAfter = "0" }
    assert.equal("again", client:createMediaFolder({ name = "again" }).name)
    assert.equal(2, #box:requests())
  end)

  it("passes on what the server refuses", function()
    box:fault { status = 400, code = "invalid_request", message = "No." }
    local _, err = client:createMediaFolder { name = "x" }
    assert.equal("invalid_request: No. (HTTP 400)", tostring(err))
  end)

  for what, name in pairs { ["no name"] = false, ["an empty name"] = "", ["a blank name"] = " ", ["too long a name"] = ("ä"):rep(256), ["a number"] = 7 } do
    it("refuses " .. what .. " here", function()
      local folder, err = client:createMediaFolder { name = name or nil }
      assert.is_nil(folder)
      assert.equal("invalid_request", err.code)
      assert.truthy(err.message:find("1 to 255 characters", 1, true), err.message)
      assert.equal(0, #box:requests())
    end)
  end

  it("counts characters, not bytes", function()
    assert.equal(("ä"):rep(255), client:createMediaFolder({ name = ("ä"):rep(255) }).name)
  end)

  it("needs a table", function()
    assert.has_error(function() client:createMediaFolder "Takes" end, "createMediaFolder takes a table, not a string")
  end)
end)

describe("client:preflight", function()
  it("says how a file would be sent, without a key or a server", function()
    local alone = assert(loomta.new { baseUrl = "http://127.0.0.1:1" })
    local described = assert(alone:preflight { file = "spec/fixtures/clip.mp4" })
    assert.equal("clip.mp4", described.fileName)
    assert.equal("video/mp4", described.mimeType)
    assert.is_true(described.size > 0)
    assert.is_nil(alone:preflight({ reader = function() return "" end, mimeType = "video/mp4" }).size)
  end)

  it("says what upload would say", function()
    for _, given in ipairs { { file = "/nowhere.mp4" }, { file = "spec/fixtures/animated.gif" }, { file = "spec" }, { data = "" }, {}, { fil = "x" } } do
      local described, err = client:preflight(given)
      local _, other = client:upload(given)
      assert.is_nil(described)
      assert.equal(tostring(other), tostring(err))
    end
    assert.equal(0, #box:requests())
  end)

  it("needs a table", function()
    assert.has_error(function() client:preflight "clip.mp4" end, "preflight takes a table, not a string")
  end)
end)
