-- createPosts: what came of it on each platform, however the server says so, and the checks that may go before it.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local loomta = require "loomta"
local posts = require "loomta.posts"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local unknown = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f"
local other = "9b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f"
local patience_ms = 20000

local box, client, tiktok, instagram, video, image

local function copy(given, more)
  local all = {}
  for name, value in pairs(given) do all[name] = value end
  for name, value in pairs(more or {}) do all[name] = value end
  for name, value in pairs(all) do
    if value == loomta.null then all[name] = nil end
  end
  return all
end

local function upload(pattern)
  return loomta.check(client:upload { file = pattern == "image" and "spec/fixtures/jfif.jpg" or "spec/fixtures/clip.mp4" })
end

--- What both platforms take, with changes; loomta.null takes a field away.
local function post(changes)
  return copy({
    platformIds = { tiktok, instagram }, content = "Hello", mode = "now", mediaIds = { video.id }, settings = { privacy_level = "SELF_ONLY" },
  }, changes)
end

local function posted() return (select(2, box:posts())) end

local function asked(method)
  local count = 0
  for _, request in ipairs((box:requests())) do
    if request.method == method and request.path == "/public/v1/posts" then count = count + 1 end
  end
  return count
end

--- The violations of an error by their paths: { ["comments[1].mediaIds"] = message }.
local function violations(err)
  local found = {}
  for _, detail in ipairs(err.details) do
    local path = ""
    for _, step in ipairs(detail.path) do path = type(step) == "number" and ("%s[%d]"):format(path, step) or path .. "." .. step end
    found[path:gsub("^%.", "")] = detail.message
  end
  return found
end

local function names(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

setup(function()
  box = sandbox.start {}
  local _, answer = box:call("GET", "/platforms")
  tiktok, instagram = answer.platforms[1].id, answer.platforms[2].id
end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
  video, image = upload "video", upload "image"
end)
after_each(function() client:close() end)

describe("createPosts", function()
  it("gives what was made on each platform", function()
    local result, err, info = client:createPosts(post())
    assert.is_nil(err)
    assert.equal(2, #result.created)
    assert.same({}, result.failed)
    assert.same(result.results, result.created)
    assert.equal("QUEUE", result.created[1].post.root.state)
    assert.same({ 201, 1 }, { info.status, info.attempts })
    assert.equal(2, posted())
  end)

  it("gives result and error where one has failed, and check raises", function()
    box:settings { platforms = { instagram = { failure = { code = "provider_error", message = "Try later." } } } }
    local result, err, info = client:createPosts(post())
    assert.same({ "partial_failure", "api", true, false, 201, 1 }, { err.code, err.kind, err.possiblyStored, err.retryable, err.status, err.attempts })
    assert.equal(result, err.result)
    assert.equal(tiktok, result.created[1].platformId)
    assert.equal(instagram, result.failed[1].platformId)
    assert.same({ 1, 1, 2 }, { #result.created, #result.failed, #result.results })
    assert.equal("provider_error", result.failed[1].error.code)
    assert.equal(201, info.status)
    assert.truthy(err.message:find("1 of 2 platforms", 1, true), err.message)
    assert.truthy(tostring(err):find(instagram .. ": provider_error: Try later.", 1, true), tostring(err))
    assert.is_nil(tostring(err):find(tiktok, 1, true))
    local ok, why = pcall(function() loomta.check(client:createPosts(post())) end)
    assert.is_false(ok, "check let a partial failure pass")
    assert.truthy(tostring(why):find("partial_failure", 1, true))
  end)

  it("gives an error alone where all have failed", function()
    local failure = { code = "provider_error", message = "No." }
    box:settings { platforms = { instagram = { failure = failure }, tiktok = { failure = failure } } }
    local result, err, info = client:createPosts(post())
    assert.is_nil(result)
    assert.same({ "post_failed", "api", false, false, 201 }, { err.code, err.kind, err.possiblyStored, err.retryable, info.status })
    assert.same({ 0, 2 }, { #err.result.created, #err.result.failed })
    assert.equal(0, posted())
    assert.equal(2, #err.details)
  end)

  it("says so, too, as a job", function()
    box:settings { platforms = { instagram = { failure = { code = "x", message = "y" } } } }
    local seen
    local job = client:start("createPosts", post { onDone = function(...) seen = { ... } end })
    local result, err, info = job:wait(patience_ms)
    assert.equal("partial_failure", err.code)
    assert.equal(1, #result.created)
    assert.same({ result, err, info }, seen)
    assert.equal("loomta.Job (failed)", tostring(job))
    assert.equal(result, (job:wait()))
  end)

  it("hands refusals of the whole on", function()
    box:settings { postsLeft = 0 }
    local result, err = client:createPosts(post())
    assert.is_nil(result)
    assert.same({ "post_limit_reached", 409, false }, { err.code, err.status, err.possiblyStored })
    assert.is_nil(err.result)
    box:settings { postsLeft = 1 }
    result, err = client:createPosts(post())
    assert.equal("partial_failure", err.code)
    assert.equal("post_limit_reached", result.failed[1].error.code)
  end)

  it("does not know what came of it when the answer is lost, and asks once", function()
    for _, fault in ipairs { { disconnect = "reset", at = "response" }, { disconnect = "close", at = "response" } } do
      box:reset()
      upload()
      box:fault(copy(fault, { path = "/public/v1/posts" }))
      local result, err = client:createPosts(post { mediaIds = { upload().id } })
      assert.is_nil(result)
      assert.same({ "outcome_unknown", true, 1 }, { err.code, err.possiblyStored, err.attempts })
      assert.equal(1, asked "POST")
      assert.equal(2, posted())
    end
  end)

  describe("whatever shape the answer has:", function()
    local function of(results, changes, raw)
      box:fault { body = raw or cjson.encode { results = results }, method = "POST" }
      local given = post(changes)
      if not (changes and changes.platformIds) then given.platformIds = { unknown, other } end
      return client:createPosts(given)
    end
    local good = { platformId = unknown, status = "created", post = { root = { id = "p" }, children = {} } }

    it("a platform that it does not speak of has failed, perhaps", function()
      local result, err = of { good }
      assert.same({ "partial_failure", true }, { err.code, err.possiblyStored })
      assert.same({ { platformId = other, status = "unknown" } }, result.failed)
      result, err = of({}, nil, '{"results":[]}')
      assert.is_nil(result)
      assert.same({ "post_failed", true, 2 }, { err.code, err.possiblyStored, #err.result.failed })
    end)

    for title, failure in pairs {
      ["a text for an error"] = { status = "failed", error = "Account is gone" },
      ["code and message beside the id"] = { status = "error", code = "gone", message = "Account is gone" },
      ["errorText"] = { status = "failed", errorText = "Account is gone" },
      ["an object"] = { error = { code = "gone", message = "Account is gone" } },
      ["an object without a message"] = { error = { code = 7, why = { "Account is gone" } } },
      ["a number"] = { status = "failed", error = 17 },
      ["true"] = { status = "failed", error = true },
      ["a list"] = { error = { "Account is gone" } },
      ["a status alone"] = { status = "rejected" },
      ["a numeric status"] = { status = 500 },
      ["nothing"] = {},
      ["a post that is none"] = { post = "none" },
      ["a failed status with a post"] = { status = "failed", post = { root = { state = "ERROR", errorText = "Account is gone" } } },
      ["an error with a post"] = { error = "Account is gone", post = { root = {} } },
      ["control characters"] = { error = { code = "a\27[2J", message = "b\nc\226\128\174" } },
    } do
      it("a failure as " .. title, function()
        local result, err = of { good, copy(failure, { platformId = other }) }
        assert.equal("partial_failure", err and err.code)
        assert.same({ good }, result.created)
        assert.equal(1, #result.failed)
        assert.equal(other, result.failed[1].platformId)
        for name, value in pairs(failure) do assert.same(value, result.failed[1][name]) end
        local text = tostring(err)
        assert.is_nil(text:find "%c", text)
        assert.is_nil(text:find("table: ", 1, true), text)
        assert.is_nil(text:find("nil", 1, true), text)
        local said = failure.message or failure.errorText or failure.error
        if type(said) == "table" then said = said.message end
        if said == "Account is gone" then assert.truthy(text:find(said, 1, true), text) end
        assert.equal(1, #err.details)
        assert.is_string(err.details[1].message)
      end)
    end

    for title, raw in pairs {
      ["null"] = "null", ["a number"] = "7", ["a text"] = '"no"', ["a list"] = "[]", ["true"] = "true", ["an empty object"] = "{}",
      ["a list in a list"] = "[[]]",
    } do
      it("a result that is " .. title, function()
        local result, err = of(nil, nil, ('{"results":[%s,%s]}'):format(cjson.encode(good), raw))
        assert.equal("partial_failure", err.code)
        assert.equal(1, #result.created)
        local spoken = false
        for _, failed in ipairs(result.failed) do spoken = spoken or failed.platformId == other end
        assert.is_true(spoken)
        assert.is_nil(tostring(err):find("nil", 1, true), tostring(err))
        assert.is_true(err.possiblyStored)
      end)
    end

    it("no more platforms have failed than were asked for", function()
      local _, err = of(nil, { platformIds = { unknown } }, '{"results":[null]}')
      assert.equal(1, #err.result.failed)
      assert.truthy(err.message:find("1 of 1 platforms", 1, true), err.message)
    end)

    it("an object for a list", function()
      local result, err = of(nil, nil, ('{"results":{"%s":{"status":"created"}}}'):format(unknown))
      assert.is_nil(result)
      assert.same({ "post_failed", true }, { err.code, err.possiblyStored })
      assert.equal(2, #err.result.failed)
    end)

    it("an id in other letters is the same id", function()
      local result, err = of({ good }, { platformIds = { unknown:upper() } })
      assert.is_nil(err, tostring(err))
      assert.equal(1, #result.created)
    end)

    it("a platform that was not asked for is told of as well", function()
      local result, err = of({ good, copy(good, { platformId = other }) }, { platformIds = { unknown } })
      assert.is_nil(err)
      assert.equal(2, #result.created)
    end)

    it("no answer at all is no success", function()
      local faults = {
        { response = "noContent" }, { response = "empty" }, { response = "html" }, { body = '{"results":"created"}' }, { body = "{}" },
      }
      for _, fault in ipairs(faults) do
        box:fault(copy(fault, { method = "POST", path = "/public/v1/posts" }))
        local result, err = client:createPosts(post())
        assert.is_nil(result)
        assert.same({ "invalid_response", true, false }, { err.code, err.possiblyStored, err.retryable })
      end
    end)

    it("its own `created` and `failed` do not mislead", function()
      local result, err = of(nil, nil, cjson.encode { results = { good }, created = { 1, 2 }, failed = {} })
      assert.equal("partial_failure", err.code)
      assert.same({ good }, result.created)
    end)
  end)

  describe("media objects", function()
    it("go as their ids", function()
      local result = loomta.check(client:createPosts(post { mediaIds = { video } }))
      assert.same({ video.id }, result.created[1].post.root.mediaIds)
    end)

    it("that do not say whether they are READY are looked up", function()
      local _, err = client:createPosts(post { mediaIds = { { id = "nowhere" } }, validate = true })
      assert.same({ "invalid_request", { "mediaIds", 1 } }, { err and err.code, err and err.details[1].path })
    end)

    it("are not posted before they are READY", function()
      local before = #box:requests()
      for _, status in ipairs { "PENDING", "FAILED", "ready", "", 5, true, {} } do
        for _, validate in ipairs { false, true } do
          local result, err, info = client:createPosts(post { mediaIds = { video, copy(image, { status = status }) }, validate = validate })
          assert.is_nil(result)
          assert.same({ "media_not_ready", "input", false, 0, 0 }, { err.code, err.kind, err.possiblyStored, err.attempts, info.attempts })
          assert.same({ "mediaIds", 2 }, err.details[1].path)
          assert.truthy(err.message:find("'mediaIds[2]'", 1, true))
        end
      end
      local _, err = client:createPosts(post {
        comments = { { content = "a" }, { content = "b", mediaIds = { video, copy(image, { status = "PENDING" }) } } },
      })
      assert.same({ "media_not_ready", { "comments", 2, "mediaIds", 2 } }, { err.code, err.details[1].path })
      assert.equal(before, #box:requests())
    end)
  end)
end)

describe("validate", function()
  local function validated(changes)
    local given = post(changes)
    given.validate = true
    local result, err, info = client:createPosts(given)
    return result, err, info
  end

  local function refused(changes)
    local before = posted()
    local posts_before = asked "POST"
    local result, err, info = validated(changes)
    assert.is_nil(result)
    assert.equal("invalid_request", err.code, tostring(err))
    assert.same({ "input", false, false, 0, 0 }, { err.kind, err.possiblyStored, err.retryable, err.attempts, info.attempts })
    assert.equal(before, posted())
    assert.equal(posts_before, asked "POST")
    for _, message in pairs(violations(err)) do assert.truthy(err.message:find(message, 1, true)) end
    return violations(err), err
  end

  it("lets pass what is right", function()
    for _, changes in ipairs {
      {}, { mediaIds = { video } }, { mediaIds = { image, image.id } }, { content = ("é"):rep(2200) }, { platformIds = { instagram }, settings = loomta.null },
      { platformIds = { instagram }, mediaIds = { image.id, video.id }, comments = { { content = "c", delayInMinutes = 5 } } },
      { platformIds = { instagram }, content = ("x"):rep(5000) }, { settings = { privacy_level = "SELF_ONLY", allow_comment = false, title = "t", more = 1 } },
    } do
      local result, err, info = validated(changes)
      assert.is_nil(err, tostring(err))
      assert.is_table(result)
      assert.equal(201, info.status)
      assert.is_nil(box:body(1)) -- the flag stays here
    end
  end)

  it("asks for schemas and, only where it has to, for the list", function()
    local before = box:lastRequest().id
    validated { mediaIds = { video } }
    local paths = {}
    for _, request in ipairs((box:requests(before))) do paths[#paths + 1] = request.method .. " " .. request.path end
    assert.same({
      ("GET /public/v1/platforms/%s/schema"):format(tiktok), ("GET /public/v1/platforms/%s/schema"):format(instagram), "POST /public/v1/posts",
    }, paths)
    before = box:lastRequest().id
    validated {}
    assert.equal("/public/v1/media", box:requests(before)[1].path)
  end)

  it("names one thing with its path", function()
    for path, changes in pairs {
      ["content"] = { content = ("é"):rep(2201) },
      ["settings.privacy_level"] = { settings = loomta.null },
      ["settings.allow_comment"] = { settings = { privacy_level = "SELF_ONLY", allow_comment = "no" } },
      ["settings.title"] = { settings = { privacy_level = "SELF_ONLY", title = 5 } },
      ["mediaIds"] = { mediaIds = { video.id, image.id } },
      ["mediaIds[2]"] = { mediaIds = { image.id, unknown } },
      ["platformIds[2]"] = { platformIds = { tiktok, unknown } },
      ["comments"] = { comments = { { content = "c" } } },
      ["comments[2].mediaIds"] = { platformIds = { instagram }, comments = { { content = "c" }, { content = "d", mediaIds = { image } } } },
    } do
      local found = refused(changes)
      assert.same({ path }, names(found))
      assert.truthy(found[path]:find("'" .. path .. "'", 1, true), found[path])
    end
    for _, wrong in ipairs { "self_only", "", true, 5, { "SELF_ONLY" } } do
      assert.same({ "settings.privacy_level" }, names(refused { settings = { privacy_level = wrong } }))
    end
    assert.same({ "mediaIds" }, names(refused { mediaIds = loomta.null }))
    assert.same({ "mediaIds" }, names(refused { mediaIds = {} }))
    local many = {}
    for i = 1, 36 do many[i] = image.id end
    assert.same({ "mediaIds" }, names(refused { platformIds = { tiktok }, mediaIds = many }))
    many[36] = nil
    assert.is_table((validated { platformIds = { tiktok }, mediaIds = many }))
  end)

  it("names all that is wrong, and on which platform", function()
    local found, err = refused {
      platformIds = { tiktok, unknown, instagram }, content = ("x"):rep(2201), mediaIds = { other, video.id, image.id },
      settings = { privacy_level = "ALL", title = false }, comments = { { content = "c", mediaIds = { unknown } } },
    }
    assert.same({
      "comments", "comments[1].mediaIds", "comments[1].mediaIds[1]", "content", "mediaIds", "mediaIds[1]", "platformIds[2]", "settings.privacy_level",
      "settings.title",
    }, names(found))
    assert.truthy(found.content:find("TikTok", 1, true))
    assert.truthy(found.content:find("2200", 1, true))
    assert.is_true(#err.details >= 9)
  end)

  it("finds media that are not READY, by their ids", function()
    local pending_box = sandbox.start { args = { "--pending" } }
    finally(function() pending_box:stop() end)
    local _, answer = pending_box:call("GET", "/platforms")
    local own = loomta.new { apiKey = pending_box.key, baseUrl = pending_box.url }
    local media = loomta.check(own:upload { file = "spec/fixtures/jfif.jpg" })
    assert.equal("PENDING", media.status)
    local given = { platformIds = { answer.platforms[2].id }, content = "c", mode = "draft", mediaIds = { media.id }, validate = true }
    local result, err = own:createPosts(given)
    assert.is_nil(result)
    assert.equal("invalid_request", err.code)
    assert.same({ "mediaIds[1]" }, names(violations(err)))
    assert.truthy(err.message:find("PENDING", 1, true))
    assert.equal(0, (select(2, pending_box:posts())))
    result, err = own:createPosts(copy(given, { mediaIds = { media } }))
    assert.is_nil(result)
    assert.equal("media_not_ready", err.code)
    pending_box:settings { mediaReadyAfter = 0 }
    assert.is_table(loomta.check(own:createPosts(given)))
    own:close()
  end)

  it("finds a platform that is disabled", function()
    box:settings { platforms = { instagram = { disabled = true } } }
    assert.same({ "platformIds[2]" }, names(refused {}))
    box:reset()
  end)

  it("posts nothing when it cannot check, and says why", function()
    for _, fault in ipairs {
      { fault = { status = 500, code = "broken", times = 0 }, code = "broken", kind = "server" },
      { fault = { disconnect = "reset", at = "response", times = 0 }, code = "network_error", kind = "network" },
      { fault = { status = 403, code = "no" }, code = "no", kind = "auth" },
      { fault = { response = "html" }, code = "invalid_response", kind = "protocol" },
      { fault = { body = '{"media":7}' }, code = "invalid_response", kind = "protocol", path = "/public/v1/media" },
      { fault = { body = '{"platform":{}}' }, code = "invalid_response", kind = "protocol", path = ("/public/v1/platforms/%s/schema"):format(instagram) },
      { fault = { status = 404, code = "http" }, code = "http", kind = "api", path = ("/public/v1/platforms/%s/schema"):format(tiktok) },
    } do
      box:clearFaults()
      box:fault(copy(fault.fault, { method = "GET", path = fault.path }))
      local result, err, info = validated { maxRetries = 0 }
      assert.is_nil(result)
      assert.same({ fault.code, fault.kind, false, 0, 0 }, { err.code, err.kind, err.possiblyStored, err.attempts, info.attempts })
    end
    box:clearFaults()
    assert.equal(0, posted())
    assert.equal(0, asked "POST")
  end)

  it("retries the checks, and only them", function()
    box:fault { disconnect = "reset", at = "response", method = "GET" }
    local result, err = validated {}
    assert.is_nil(err)
    assert.is_table(result)
    box:fault { disconnect = "reset", at = "response", method = "POST" }
    result, err = validated {}
    assert.is_nil(result)
    assert.same({ "outcome_unknown", true, 1 }, { err.code, err.possiblyStored, err.attempts })
    assert.equal(2, asked "POST")
  end)

  it("waits for delayMs once, not before each question", function()
    local began = socket.gettime()
    local own = loomta.new { apiKey = box.key, baseUrl = box.url, delayMs = 2000 }
    local given = post { mediaIds = { video.id } }
    given.validate = true
    loomta.check(own:createPosts(given))
    own:close()
    assert.is_true(socket.gettime() - began < 5) -- twice would be six
  end)

  it("is within timeoutMs, the checks and the post together", function()
    box:fault { delayAfterBodyMs = 60000, method = "GET", path = ("/public/v1/platforms/%s/schema"):format(instagram) }
    local began = socket.gettime()
    local result, err = validated { timeoutMs = 400 }
    assert.is_nil(result)
    assert.same({ "timeout", "timeout", false }, { err.code, err.kind, err.possiblyStored })
    assert.is_true(socket.gettime() - began < 20)
    assert.equal(0, asked "POST")

    -- Each takes less than the limit, and all together take more.
    box:clearFaults()
    for _ = 1, 3 do box:fault { delayAfterBodyMs = 300, method = "GET" } end
    result, err = validated { timeoutMs = 500 }
    assert.is_nil(result)
    assert.same({ "timeout", false }, { err.code, err.possiblyStored })
    assert.equal(0, asked "POST")

    -- The post has what is left, three seconds at the most.
    box:clearFaults()
    box:fault { delayAfterBodyMs = 2000, method = "GET" }
    box:fault { delayAfterBodyMs = 60000, method = "POST" }
    local info
    result, err, info = validated { timeoutMs = 5000 }
    assert.is_nil(result)
    assert.same({ "outcome_unknown", "timeout", true }, { err.code, err.kind, err.possiblyStored })
    assert.equal(1, asked "POST")
    assert.is_true(info.durationMs < 3500, info.durationMs)
  end)

  it("goes by the call's own key and host", function()
    local wrong = loomta.new { apiKey = "wrong", baseUrl = "http://127.0.0.1:1", timeoutMs = 60000 }
    local result, err = wrong:createPosts(post { validate = true, apiKey = box.key, baseUrl = box.url })
    wrong:close()
    assert.is_nil(err)
    assert.equal(2, #result.created)
  end)

  describe("as a job", function()
    it("ends by wait, and calls back once", function()
      local calls = 0
      local job = client:start("createPosts", post { validate = true, onDone = function() calls = calls + 1 end })
      local result, err = job:wait(patience_ms)
      assert.is_nil(err)
      assert.equal(2, #result.created)
      client:poll()
      assert.equal(1, calls)
    end)

    it("ends by done alone", function()
      local job = client:start("createPosts", post { validate = true })
      eventually(function() return job:done() end)
      assert.equal(2, #loomta.check(job:wait()).created)
    end)

    it("ends by poll alone, with onDone and without", function()
      for _, with in ipairs { true, false } do
        local before = posted()
        local finished
        local job = client:start("createPosts", post { validate = true, onDone = with and function() finished = true end or nil })
        eventually(function() return client:poll(50) == 0 end)
        assert.equal(with or nil, finished)
        assert.equal(before + 2, posted())
        assert.is_true(job:done())
      end
    end)

    it("ends beside others that are started meanwhile", function()
      local job = client:start("createPosts", post { validate = true })
      for _ = 1, 5 do
        socket.sleep(0.02)
        client:start "listPlatforms"
      end
      eventually(function() return client:poll(50) == 0 end)
      assert.equal(2, posted())
      assert.is_true(job:done())
    end)

    it("ends by its descriptor", function()
      local job = client:start("createPosts", post { validate = true })
      local fd = { getfd = function() return job:fd() end }
      while not job:done() do assert.equal(fd, socket.select({ fd }, nil, 20)[1]) end
      assert.equal(2, posted())
    end)

    it("is refused at once for what needs no asking", function()
      local job, err, info = client:start("createPosts", post { validate = true, content = "" })
      assert.is_nil(job)
      assert.same({ "invalid_request", 0 }, { err.code, info.attempts })
    end)

    it("is canceled in the midst of the checks: nothing is posted", function()
      box:fault { delayAfterBodyMs = 60000, method = "GET", path = ("/public/v1/platforms/%s/schema"):format(instagram) }
      local before = box:lastRequest().id
      local job = client:start("createPosts", post { validate = true })
      eventually(function()
        job:done()
        return #box:requests(before) == 3
      end)
      local result, err = job:wait(10)
      assert.is_nil(result)
      assert.same({ "timeout", false }, { err.code, err.possiblyStored })
      job:cancel()
      result, err = job:wait(patience_ms)
      assert.is_nil(result)
      assert.same({ "canceled", "canceled", false }, { err.code, err.kind, err.possiblyStored })
      assert.equal(0, asked "POST")
    end)

    it("is canceled after the post: it may be there", function()
      box:fault { delayAfterBodyMs = 60000, method = "POST" }
      local job = client:start("createPosts", post { validate = true })
      eventually(function()
        job:done()
        return posted() == 2
      end)
      job:cancel()
      local result, err = job:wait(patience_ms)
      assert.is_nil(result)
      assert.same({ "canceled", true }, { err.code, err.possiblyStored })
    end)

    it("ends when its client is closed", function()
      box:fault { delayAfterBodyMs = 60000, method = "GET" }
      local own = loomta.new { apiKey = box.key, baseUrl = box.url }
      local job = own:start("createPosts", post { validate = true })
      own:close()
      local result, err = job:wait(patience_ms)
      assert.is_nil(result)
      assert.same({ "canceled", false }, { err.code, err.possiblyStored })
      assert.equal(0, asked "POST")
    end)

    it("posts what it was given when it was started", function()
      local given = post { validate = true, platformIds = { tiktok } }
      local job = client:start("createPosts", given)
      given.settings.privacy_level, given.content, given.mediaIds[1] = "PUBLIC_TO_EVERYONE", "changed", "gone"
      local root = loomta.check(job:wait(patience_ms)).created[1].post.root
      assert.same({ "SELF_ONLY", "Hello", { video.id } }, { root.settings.privacy_level, root.content, root.mediaIds })
    end)
  end)
end)

describe("the check of a post by a schema", function()
  local tiktok_schema = {
    content = { required = true, maxLength = 10 },
    media = { required = true, allowedTypes = { "video" }, minItems = 1, maxItems = 2, supportsMixedTypes = false },
    comments = { supported = true, mediaSupported = false, delayInMinutesSupported = false },
    settings = { fields = { { name = "level", type = "enum", required = true, enum = { "A", "B" } }, { name = "flag", type = "boolean" } } },
  }
  local known = { v = { id = "v", mediaType = "video" }, i = { id = "i", mediaType = "image" } }

  local function check(fields, schema, platform)
    return posts.check(fields, known, { platform = platform or { providerName = "P" }, schema = schema })
  end

  local function paths(found)
    local list = {}
    for _, each in ipairs(found) do
      assert.is_string(each.message)
      list[#list + 1] = table.concat(each.path, ".")
    end
    table.sort(list)
    return list
  end

  it("finds what does not fit", function()
    local good = { content = "0123456789", mediaIds = { "v" }, settings = { level = "A", flag = false }, comments = { { content = "c" } } }
    assert.same({}, check(good, tiktok_schema))
    assert.same({ "content" }, paths(check(copy(good, { content = "0123456789é" }), tiktok_schema)))
    assert.same({ "mediaIds" }, paths(check(copy(good, { mediaIds = { "v", "v", "v" } }), tiktok_schema)))
    assert.same({ "mediaIds", "mediaIds.2" }, paths(check(copy(good, { mediaIds = { "v", "i" } }), tiktok_schema)))
    assert.same({ "settings.flag", "settings.level" }, paths(check(copy(good, { settings = { flag = "x" } }), tiktok_schema)))
    assert.same({ "settings.level" }, paths(check(copy(good, { settings = { level = loomta.null, flag = loomta.null } }), tiktok_schema)))
    local comments = {
      { content = "c", delayInMinutes = 5 }, { content = "d", mediaIds = { "v" } }, { content = "e", delayInMinutes = loomta.null, mediaIds = {} },
    }
    assert.same({ "comments.1.delayInMinutes", "comments.2.mediaIds" }, paths(check(copy(good, { comments = comments }), tiktok_schema)))
    assert.same({ "platformIds", "platformIds" }, paths(check(good, tiktok_schema, { disabled = true, refreshNeeded = true, id = "x" })))
  end)

  it("changes nothing that it was given", function()
    local function frozen(value)
      if type(value) ~= "table" then return value end
      local inner = {}
      for name, item in pairs(value) do inner[name] = frozen(item) end
      return setmetatable(inner, { __newindex = function() error "written to" end })
    end
    local fields = frozen { content = "c", mediaIds = { "i" }, settings = {}, comments = { { content = "c" } } }
    local schema = frozen(tiktok_schema)
    assert.same(check(fields, schema), check(fields, schema))
  end)

  it("lets media pass of which nothing is known but the id", function()
    assert.same({}, check({ content = "c", mediaIds = { "x" }, settings = { level = "A" } }, tiktok_schema))
  end)

  it("demands a setting only where there is no default", function()
    local fields = {
      { name = "a", type = "enum", required = true, default = "x", enum = { "x" } }, { name = "b", type = "boolean", required = true, default = false },
    }
    assert.same({}, check({ content = "c" }, { settings = { fields = fields } }))
  end)

  -- Odd parts at every place of a schema that is right: none may raise, and what is right stays right.
  local odd = {
    ["null"] = loomta.null, ["false"] = false, ["true"] = true, ["a number"] = 1.5, ["a text"] = "text", ["an empty table"] = {}, ["a list"] = { 1, "a" },
    ["a list with null"] = { loomta.null }, ["a list of objects"] = { { a = 1 } }, ["an object"] = { a = { b = 1 } }, ["a list of lists"] = { { "x" } },
  }
  local places = {
    { "content" }, { "media" }, { "comments" }, { "settings" }, { "content", "maxLength" }, { "media", "required" }, { "media", "allowedTypes" },
    { "media", "minItems" }, { "media", "maxItems" }, { "media", "supportsMixedTypes" }, { "comments", "supported" }, { "comments", "mediaSupported" },
    { "comments", "delayInMinutesSupported" }, { "settings", "fields" }, { "settings", "fields", 1 }, { "settings", "fields", 1, "name" },
    { "settings", "fields", 1, "type" }, { "settings", "fields", 1, "required" }, { "settings", "fields", 1, "default" }, { "settings", "fields", 1, "enum" },
  }

  local function with(value, place, item, at)
    at = at or 1
    if at > #place then return item end
    local all = {}
    for name, each in pairs(value) do all[name] = each end
    all[place[at]] = with(all[place[at]], place, item, at + 1)
    return all
  end

  for _, place in ipairs(places) do
    it("does not stumble over what is odd in " .. table.concat(place, "."), function()
      for title, item in pairs(odd) do
        for _, fields in ipairs {
          { content = "c" },
          { content = ("c"):rep(20), mediaIds = { "v", "i", "x" }, settings = { level = "C", flag = 1, text = "t" } },
          { content = "c", mediaIds = { "i" }, settings = {}, comments = { { content = "c", mediaIds = { "v" }, delayInMinutes = 1 } } },
        } do
          local ok, found = pcall(check, fields, with(tiktok_schema, place, item))
          assert.is_true(ok, ("%s: %s"):format(title, tostring(found)))
          for _, each in ipairs(found) do assert.is_string(each.message) end
        end
      end
    end)
  end

  it("does not stumble over missing parts", function()
    for _, place in ipairs(places) do
      local ok, found = pcall(check, { content = "c", mediaIds = { "v" }, settings = { level = "A" } }, with(tiktok_schema, place, nil))
      assert.is_true(ok, tostring(found))
    end
    assert.same({}, check({ content = "c" }, {}, {}))
  end)

  it("does not stumble over an odd platform or odd media", function()
    for title, item in pairs(odd) do
      for _, name in ipairs { "providerName", "provider", "disabled", "refreshNeeded", "id" } do
        local ok, found = pcall(check, { content = "c" }, tiktok_schema, { [name] = item })
        assert.is_true(ok, ("%s %s: %s"):format(name, title, tostring(found)))
      end
      local ok, found = pcall(posts.check, { content = "c", mediaIds = { "v" } }, { v = { id = "v", mediaType = item } },
        { platform = {}, schema = tiktok_schema })
      assert.is_true(ok, ("mediaType %s: %s"):format(title, tostring(found)))
    end
  end)

  it("lets settings of a type that it does not know pass", function()
    for _, kind in ipairs { "number", "date", "list", "", "String" } do
      local fields = { { name = "a", type = kind, required = true } }
      assert.same({}, check({ content = "c", settings = { a = 5 } }, { settings = { fields = fields } }))
      assert.same({ "settings.a" }, paths(check({ content = "c" }, { settings = { fields = fields } })))
    end
  end)

  it("is never the reason that a call raises", function()
    for _, schema in ipairs {
      '{"content":{"maxLength":"2200"}}', '{"settings":{"fields":[null]}}', '{"settings":{"fields":7}}', '{"media":{"allowedTypes":[null,"video"]}}',
      '{"media":7}',
      '{"settings":{"fields":[{"type":"enum","name":"privacy_level","enum":[true]}]}}', "[]", '{"media":{"minItems":"1"}}',
    } do
      box:clearFaults()
      box:fault { body = ('{"platform":{},"schema":%s}'):format(schema), method = "GET", path = ("/public/v1/platforms/%s/schema"):format(tiktok) }
      local ok, result, err = pcall(client.createPosts, client, post { platformIds = { tiktok }, validate = true, mediaIds = { image } })
      assert.is_true(ok, ("%s: %s"):format(schema, tostring(result)))
      assert.is_true(result ~= nil or err ~= nil)
    end
  end)
end)
