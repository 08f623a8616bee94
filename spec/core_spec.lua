-- The C core as its Lua layer uses it, and as it must not: misuse raises, and never crashes.
local core = require "loomta.core"
local sandbox = require "spec.support.sandbox"

describe("the core", function()
  local box, engine
  setup(function() box = sandbox.start {} end)
  teardown(function() box:stop() end)
  before_each(function() engine = core.engine() end)
  after_each(function() engine:close() end)

  local function spec(fields)
    fields.method = fields.method or "POST"
    fields.url = fields.url or box.url .. "/public/v1/media"
    fields.apiKey = fields.apiKey or core.secret(box.key)
    fields.userAgent = "spec"
    return fields
  end

  local function upload(source, fields)
    fields = spec(fields or {})
    fields.fileName, fields.mimeType = "a.jpg", "image/jpeg"
    return engine:submit(source, fields)
  end

  local function run(job)
    while job:look() ~= "done" do engine:step(100) end
    return job:result()
  end

  local function is_hungry(job) return (select(3, job:attend())) end

  it("refuses a request that is not one", function()
    for _, wrong in ipairs {
      { url = 5 }, { method = {} }, { timeoutMs = "soon" }, { maxRetries = {} }, { apiKey = "plain text" }, { fields = { 5 } },
      { fields = { { "name" } } }, { fields = { {}, {}, {}, {}, {}, {}, {}, {}, {} } }, { fileName = "a.jpg" },
    } do
      assert.has_error(function() engine:submit(core.openMemory "x", spec(wrong)) end)
    end
    assert.has_error(function() engine:submit(core.openMemory "x") end)
    assert.has_error(function() engine:submit("x", spec {}) end)
    assert.has_error(function() engine.submit({}, core.openMemory "x", spec {}) end)
  end)

  it("lets a source be used once", function()
    local source = core.openMemory "x"
    local job = upload(source)
    local ok, why = pcall(upload, source)
    assert.is_false(ok)
    assert.truthy(why:find("the source is closed or in use", 1, true), why)
    assert.equal(201, run(job).status)
    source:close()
    source:close()
    assert.has_error(function() source:head() end)
  end)

  it("feeds only who is hungry", function()
    local job = upload(core.openMemory "x")
    assert.is_false(job:feed "y")
    run(job)
    local fed = upload(core.openChunks(4))
    while not is_hungry(fed) do engine:step(100) end
    assert.is_nil(select(2, upload(core.openChunks()):progress()))
    assert.is_true(fed:feed "abcd")
    while not is_hungry(fed) do engine:step(100) end
    fed:feed(nil)
    assert.equal(201, run(fed).status)
    assert.is_false(fed:feed "e")
  end)

  it("ends jobs with their engine, and keeps both alive as long as either is held", function()
    local job = upload(core.openChunks())
    local other = upload(core.openChunks())
    engine:close()
    assert.equal("done", (job:look()))
    assert.equal("canceled", job:result().code)
    other:cancel()
    other:close()
    other:close()
    local ok, why = pcall(other.look, other)
    assert.is_false(ok)
    assert.truthy(why:find("the job is closed", 1, true), why)
    assert.has_error(function() engine:step(0) end)
    do
      local lost = core.engine()
      lost:submit(core.openChunks(), spec { contentType = "text/plain" })
      lost = nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
  end)

  it("unlinks a job from the middle of the others", function()
    local first, second, third = upload(core.openChunks()), upload(core.openChunks()), upload(core.openChunks())
    second:cancel()
    assert.equal("canceled", second:result().code)
    for _, job in ipairs { third, first } do
      while not is_hungry(job) do engine:step(100) end
      job:feed "x"
      while not is_hungry(job) do engine:step(100) end
      job:feed(nil)
      assert.equal(201, run(job).status)
    end
  end)

  it("takes another method, and a body without a form", function()
    local job = engine:submit(core.openMemory '{"name":"Clips"}', spec {
      url = box.url .. "/public/v1/media/folders", contentType = "application/json",
    })
    assert.equal(201, run(job).status)
    assert.equal(405, run(engine:submit(core.openMemory "{}", spec { method = "PATCH", contentType = "application/json" })).status)
    assert.equal(201, run(engine:submit(core.openMemory '{"name":"More"}', spec {
      url = box.url .. "/public/v1/media/folders", contentType = "application/json", maxResponseBytes = 2 ^ 53,
    })).status)
  end)

  it("says what libcurl refuses", function()
    local result = run(engine:submit(nil, spec { method = "GET", url = "http://[not-an-address/" }))
    assert.equal("invalid_option", result.code)
    assert.is_string(result.cause)
    result = run(engine:submit(nil, spec { method = "GET", url = "file:///etc/passwd" }))
    assert.is_string(result.code)
    assert.is_nil(result.body)
  end)

  it("says what the system refuses", function()
    local function refused(path)
      local source, code, why = core.openFile(path)
      assert.is_nil(source)
      return code, why
    end
    assert.same({ "file_read_failed", "Not a directory" }, { refused "/etc/passwd/x" })
    assert.same({ "file_read_failed", "File name too long" }, { refused(("x"):rep(5000)) })
    assert.same({ "invalid_media_file", "it is a directory" }, { refused "/" })
    assert.has_error(function() core.openFile {} end)
  end)

  it("knows ISO media by a compatible brand, and programs", function()
    local function box_of(major, compatible) return "\0\0\0\24ftyp" .. major .. "\0\0\0\0" .. compatible .. "xxxx" end
    assert.equal("video/mp4", core.recognise(box_of("????", "isom")).mimeType)
    assert.equal("image/avif", core.recognise(box_of("mif1", "avif")).mimeType)
    assert.equal("image/heic", core.recognise(box_of("mif1", "mp42")).mimeType)
    assert.is_nil(core.recognise(box_of("????", "!!!!")))
    assert.is_nil(core.recognise "\0\0\0\4moov....") -- no box is that short
    assert.is_nil(core.recognise "RIFF\0\0\0\0????")
    assert.equal("application/vnd.microsoft.portable-executable", core.recognise("MZ" .. ("\0"):rep(62)).mimeType)
  end)

  it("makes tokens that differ, and knows the time", function()
    local token = core.token()
    assert.truthy(token:find "^%w%w%w%w%w%w%w%w%w%w%w%w$")
    assert.are_not.equal(token, core.token())
    local before = core.now()
    engine:step(20) -- without jobs it waits
    assert.is_true(core.now() - before >= 19)
  end)

  it("has secrets that show nothing, and can be wiped", function()
    local secret = core.secret "loomta_sk_spec_7d1f"
    assert.equal("loomta.secret (hidden)", tostring(secret))
    assert.equal("a ******** b", secret:blot "a loomta_sk_spec_7d1f b")
    assert.is_false(getmetatable(secret))
    secret:close()
    secret:close()
    assert.equal("a loomta_sk_spec_7d1f b", secret:blot "a loomta_sk_spec_7d1f b")
    assert.has_error(function() engine:submit(nil, spec { method = "GET", apiKey = secret }) end)
  end)
end)
