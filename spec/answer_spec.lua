-- Answers that a sane server would not give, and error answers of every kind: what the caller is told, and what was stored.
local loomta = require "loomta"
local operations = require "loomta.operations"
local response = require "loomta.response"
local sandbox = require "spec.support.sandbox"

local key = "loomta_sk_spec_7d1fa41c33"
local uuid_pattern = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

local box, client

local function mentions(text, part) return text:find(part, 1, true) ~= nil end

local function upload(given)
  given = given or {}
  given.file = "spec/fixtures/clip.mp4"
  return client:upload(given)
end

local function stored() return (select(2, box:media())) end

describe("an answer", function()
  setup(function()
    box = sandbox.start { args = { "--key", key } }
    client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
  end)

  teardown(function()
    if client then client:close() end
    if box then box:stop() end
  end)

  before_each(function() box:reset() end)

  describe("that says yes, but is of no use:", function()
    -- The upload is stored, once. The caller must learn that, and the call must not be repeated, whatever the policy.
    local function assert_lost(fault, code, status, ...)
      for _, own in ipairs { {}, { retryUnknown = true, maxRetries = 5 } } do
        box:reset()
        box:fault(fault)
        local media, err, info = upload(own)
        assert.is_nil(media)
        assert.equal(code, err.code, tostring(err))
        assert.equal("protocol", err.kind)
        assert.is_true(err.possiblyStored)
        assert.is_false(err.retryable)
        assert.equal(1, err.attempts)
        assert.equal(1, info.attempts)
        assert.equal(status, err.status)
        assert.equal(status, info.status)
        assert.equal(1, stored())
        assert.equal(1, select(2, box:requests()))
        for _, part in ipairs { ... } do assert.is_true(mentions(err.message, part), ("the message lacks %q: %s"):format(part, err.message)) end
        assert.is_nil(tostring(err):find "%c")
        assert.is_true(#tostring(err) < 400)
      end
      -- and the client is none the worse for it
      local media, err = upload()
      assert.is_nil(err, tostring(err))
      assert.matches(uuid_pattern, media.id)
    end

    it("an HTML page", function() assert_lost({ response = "html" }, "invalid_response", 200, "200", "HTML page") end)
    it("nothing", function() assert_lost({ response = "empty" }, "invalid_response", 200, "200", "empty") end)
    it("204 No Content", function() assert_lost({ response = "noContent" }, "invalid_response", 204, "204", "empty") end)
    it("half of the JSON", function() assert_lost({ response = "truncated" }, "invalid_response", 201, "201", "not JSON") end)
    it("arrays, 10,000 deep", function() assert_lost({ response = "deep" }, "invalid_response", 201, "not JSON") end)
    it("plain text", function() assert_lost({ response = "notJson" }, "invalid_response", 201, "not JSON") end)
    it("10 MiB", function() assert_lost({ response = "enormous" }, "response_too_large", 201, "larger than allowed") end)
    it("more than 256 KiB of headers", function() assert_lost({ manyHeaders = 256 }, "response_too_large", 201, "larger than allowed") end)
    it("an end in its middle", function()
      assert_lost({ disconnect = "close", at = "midResponse" }, "invalid_response", 201, "broke off", "stored")
    end)
    it("a reset in its middle", function()
      assert_lost({ disconnect = "reset", at = "midResponse" }, "invalid_response", 201, "broke off", "stored")
    end)

    for name, body in pairs {
      ["JSON null"] = "null", ["a number"] = "42", ["a string"] = '"ok"', ["true"] = "true", ["an array"] = "[1,2]",
      ["an empty object"] = "{}", ["an empty array"] = "[]", ["an id that is null"] = '{"id":null}', ["an id that is a number"] = '{"id":7}',
      ["an id that is empty"] = '{"id":""}', ["an id that is an object"] = '{"id":{}}', ["an error in a success"] = '{"code":"x","message":"y"}',
      ["the media object in a list"] = '[{"id":"abc"}]', ["the media object in a wrapper"] = '{"data":{"id":"abc"}}',
    } do
      it(name, function() assert_lost({ body = body }, "invalid_response", 200, "no id") end)
    end
    for name, body in pairs {
      ["two JSON documents"] = '{"id":"a"}{"id":"b"}', ["a number that is none"] = '{"id":"a","size":NaN}', ["a comma too many"] = '{"id":"a",}',
      ["single quotes"] = "{'id':'a'}",
    } do
      it(name, function() assert_lost({ body = body }, "invalid_response", 200, "not JSON") end)
    end

    it("a large one, when the caller wants them small", function()
      for _, size in ipairs { 10, 100, 399 } do
        box:reset()
        box:fault { body = '{"id":"x","padding":"' .. ("p"):rep(400 - 23) .. '"}' }
        local media, err = upload { maxResponseBytes = size }
        assert.is_nil(media)
        assert.equal("response_too_large", err.code)
        assert.is_true(err.possiblyStored)
        assert.equal(1, stored())
      end
      box:fault { body = '{"id":"x","padding":"' .. ("p"):rep(400 - 23) .. '"}' }
      assert.equal("x", upload({ maxResponseBytes = 400 }).id)
    end)
  end)

  describe("that is odd, but good enough:", function()
    it("bytes that are not UTF-8", function()
      box:fault { response = "invalidUtf8" }
      local media, err, info = upload()
      assert.is_nil(err, tostring(err))
      assert.matches(uuid_pattern, media.id)
      assert.equal("caf\233", media.note)
      assert.equal(201, info.status)
      assert.equal(box:media()[1].id, media.id)
    end)

    it("JSON with another content type", function()
      box:fault { body = '{"id":"x"}', contentType = "text/html" }
      assert.equal("x", upload().id)
    end)

    it("white space around it, and an id alone", function()
      box:fault { body = ' \r\n\t{"id":"only"}\n\n' }
      local media = upload()
      assert.same({ id = "only" }, media)
    end)

    it("many headers, though not too many", function()
      box:fault { manyHeaders = 200 }
      assert.matches(uuid_pattern, upload().id)
    end)

    it("about 900 KiB", function()
      box:fault { body = '{"id":"x","padding":"' .. ("p"):rep(900 * 1024) .. '"}' }
      assert.equal(900 * 1024, #upload().padding)
    end)
  end)

  it("that sends us elsewhere is not followed, and the key goes nowhere", function()
    local elsewhere = sandbox.start { args = { "--key", key } }
    box:fault { response = "redirect", location = elsewhere.url .. "/public/v1/media" }
    local media, err, info = upload()
    local visits = select(2, elsewhere:requests())
    elsewhere:stop()
    assert.is_nil(media)
    assert.equal(0, visits)
    assert.equal("http_302", err.code)
    assert.equal("protocol", err.kind)
    assert.equal(302, err.status)
    assert.equal(302, info.status)
    assert.is_true(mentions(err.message, "302"))
    assert.is_false(err.retryable)
    assert.is_false(err.possiblyStored)
    assert.equal(1, err.attempts)
    assert.equal(0, stored())
    assert.equal(1, select(2, box:requests()))
  end)

  describe("with an error", function()
    -- kind, may it be repeated, may it have been stored
    local statuses = {
      [300] = { "protocol", false, false }, [304] = { "protocol", false, false }, [307] = { "protocol", false, false },
      [400] = { "api", false, false }, [401] = { "auth", false, false }, [402] = { "api", false, false }, [403] = { "auth", false, false },
      [404] = { "api", false, false }, [409] = { "api", false, false }, [410] = { "api", false, false }, [413] = { "api", false, false },
      [415] = { "api", false, false }, [418] = { "api", false, false }, [422] = { "api", false, false }, [429] = { "rate_limit", true, false },
      [500] = { "server", false, true }, [501] = { "server", false, true }, [502] = { "server", false, true }, [503] = { "server", false, true },
      [504] = { "server", false, true }, [599] = { "server", false, true },
    }
    for status, expected in pairs(statuses) do
      it(("of status %d is of kind %s"):format(status, expected[1]), function()
        box:fault { status = status, code = "some_code", message = "Some message.", details = { { path = { "slideCount" }, message = "m" } }, times = 0 }
        local media, err, info = upload { maxRetries = 0 }
        assert.is_nil(media)
        assert.equal(status, err.status)
        assert.equal(status, info.status)
        assert.equal(expected[1], err.kind)
        assert.equal(expected[2], err.retryable)
        assert.equal(expected[3], err.possiblyStored)
        assert.equal(1, err.attempts)
        if status ~= 304 then -- which has no body
          assert.equal("some_code", err.code)
          assert.equal("Some message.", err.message)
          assert.same({ { path = { "slideCount" }, message = "m" } }, err.details)
          local maybe = expected[3] and "; it may have been stored" or ""
          assert.equal(("some_code: Some message. (HTTP %d)%s"):format(status, maybe), tostring(err))
        end
        assert.is_nil(err.cause)
        assert.equal(1, select(2, box:requests()))
      end)
    end

    for _, status in ipairs { 400, 401, 403, 404, 409, 413, 415, 422, 500, 502, 503, 504 } do
      it(("of status %d is final, whatever maxRetries says"):format(status), function()
        box:fault { status = status }
        local media, err = upload { maxRetries = 5 }
        assert.is_nil(media)
        assert.equal(1, err.attempts)
        assert.equal(1, select(2, box:requests()))
        assert.equal(0, stored())
      end)
    end

    it("has a code that nobody knows and details of any shape: all comes through", function()
      for _, details in ipairs { "text", 42, { 1, 2, 3 }, { deep = { deeper = { true, false } } }, false } do
        box:fault { status = 422, code = "never_seen_before", message = "caf\195\169 \240\159\142\172", details = details }
        local _, err = upload()
        assert.equal("never_seen_before", err.code)
        assert.equal("caf\195\169 \240\159\142\172", err.message)
        assert.same(details, err.details)
      end
      box:fault { status = 422, code = "x" }
      assert.is_nil(select(2, upload()).details)
    end)

    it("has a message with control characters: its line has none", function()
      box:fault { status = 400, code = "x", message = "one\ntwo\27[31mthree\r\n\127four" }
      local _, err = upload()
      assert.equal("x: one two [31mthree four (HTTP 400)", tostring(err))
    end)

    it("has an empty code and message: then it is the status", function()
      box:fault { status = 502, code = "", message = "" }
      local _, err = upload()
      assert.equal("http_502", err.code)
      assert.is_true(mentions(err.message, "502"))
    end)

    it("comes from the API itself", function()
      local _, err = upload { apiKey = "wrong" }
      assert.same({ "invalid_api_key", "auth", 401, false }, { err.code, err.kind, err.status, err.possiblyStored })
      _, err = upload { baseUrl = box.url .. "/nowhere" }
      assert.same({ "not_found", "api", 404 }, { err.code, err.kind, err.status })
    end)

    -- What a proxy on the way says: the sandbox cannot, so the bodies are handed to the reader of answers.
    it("has no envelope: its code is the status", function()
      local bodies = {
        "", "<html><h1>502 Bad Gateway</h1></html>", "Bad Gateway", "null", "[]", "[1]", "{}", '{"error":"x"}', '{"code":502}', '{"code":null}',
        '{"code":{"a":1},"message":["x"]}', '{"code":"","message":""}', '"code"', "42", "\255\254", '{"code":"x"', ("["):rep(10000),
      }
      for _, status in ipairs { 302, 400, 401, 404, 413, 429, 500, 502, 503 } do
        for _, body in ipairs(bodies) do
          local value, err, info = response.read(operations.upload, {
            code = "http", status = status, body = body, kind = "server", retryable = false, possiblyStored = true, attempts = 1, bytesSent = 0,
          })
          assert.is_nil(value)
          assert.equal(("http_%d"):format(status), err.code, body)
          assert.equal(("the server answered with status %d"):format(status), err.message)
          assert.equal(status, info.status)
          local line = "http_%d: the server answered with status %d (HTTP %d); it may have been stored"
          assert.equal(line:format(status, status, status), tostring(err))
        end
      end
    end)
  end)
end)
