-- What loomta-sandbox does with platforms, posts, slides and the switches that tests set, seen over HTTP.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local sandbox = require "spec.support.sandbox"

local UNKNOWN = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f"
local TIME = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"
local UUID = "^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$"
local LEVELS = { "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY" }

local function upload(box, mime)
  local status, media = box:call("POST", "/media",
    ('--bb\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: %s\r\n\r\nxyz\r\n--bb--\r\n'):format(mime),
    { ["Content-Type"] = "multipart/form-data; boundary=bb" })
  assert.equal(201, status)
  return media.id
end

-- The details of a refusal as { ["platformIds.0"] = message }.
local function findings(details)
  local found = {}
  for _, detail in ipairs(details) do
    local path = {}
    for i, step in ipairs(detail.path) do path[i] = type(step) == "number" and ("%d"):format(step) or step end
    found[table.concat(path, ".")] = detail.message
  end
  return found
end

local function keys(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

describe("loomta-sandbox", function()
  local box, tiktok, instagram, video, image

  setup(function()
    box = sandbox.start()
    local _, answer = box:call("GET", "/platforms")
    tiktok, instagram = answer.platforms[1].id, answer.platforms[2].id
  end)

  teardown(function()
    if box then assert.equal(0, box:stop()) end
  end)

  before_each(function()
    box:reset()
    video, image = upload(box, "video/mp4"), upload(box, "image/jpeg")
  end)

  -- A body that TikTok and Instagram take, with changes; cjson.null takes a member away.
  local function post_body(changes)
    local body = { platformIds = { tiktok }, content = "Hello", mode = "now", mediaIds = { video }, settings = { privacy_level = "SELF_ONLY" } }
    for name, value in pairs(changes or {}) do body[name] = value end
    for name, value in pairs(changes or {}) do if value == cjson.null then body[name] = nil end end
    return body
  end

  local function create(changes)
    local status, answer = box:call("POST", "/posts", post_body(changes))
    assert.equal(201, status, cjson.encode(answer))
    return answer.results
  end

  local function get(id)
    local status, answer = box:call("GET", "/posts/" .. id)
    assert.equal(200, status)
    return answer
  end

  describe("lists platforms", function()
    it("with all their fields and ids that stay", function()
      local status, answer = box:call("GET", "/platforms")
      assert.equal(200, status)
      assert.equal(2, #answer.platforms)
      local expected = { id = tiktok, provider = "tiktok", providerName = "TikTok", providerAccountId = "sandbox-tiktok",
        displayName = "Sandbox TikTok", displayHandle = "@sandbox", displayImageUrl = cjson.null, disabled = false, refreshNeeded = false,
        tokenExpiresAt = cjson.null, capabilities = { "publish" }, metadata = {}, settings = {} }
      assert.same(expected, answer.platforms[1])
      assert.equal("instagram", answer.platforms[2].provider)
      assert.same(keys(expected), keys(answer.platforms[2]))
      assert.truthy(tiktok:match(UUID))
      assert.are_not.equal(tiktok, instagram)
    end)

    it("with ids of each process's own", function()
      local other = sandbox.start()
      local _, answer = other:call("GET", "/platforms")
      other:stop()
      assert.are_not.equal(tiktok, answer.platforms[1].id)
    end)

    it("and describes what they take", function()
      local status, answer = box:call("GET", ("/platforms/%s/schema"):format(tiktok:upper()))
      assert.equal(200, status)
      assert.equal("Sandbox TikTok", answer.platform.displayName)
      local fields = answer.schema.settings.fields
      for i, field in ipairs(fields) do
        assert.equal("string", type(field.description))
        fields[i].description = nil
      end
      assert.same({ provider = "tiktok", content = { required = true, maxLength = 2200 },
        media = { required = true, allowedTypes = { "image", "video" }, minItems = 1, maxItems = 35, supportsMixedTypes = false,
          rules = { "Exactly one video, or 1 to 35 images." } },
        comments = { supported = false, mediaSupported = false, delayInMinutesSupported = false },
        settings = { fields = {
          { name = "privacy_level", type = "enum", required = true, default = cjson.null, enum = LEVELS },
          { name = "allow_comment", type = "boolean", required = false, default = true, enum = {} },
          { name = "title", type = "string", required = false, default = cjson.null, enum = {} } } } }, answer.schema)

      local _, second = box:call("GET", ("/platforms/%s/schema"):format(instagram))
      assert.equal("instagram", second.platform.provider)
      assert.same({ provider = "instagram", content = { required = false, maxLength = cjson.null },
        media = { required = true, allowedTypes = { "image", "video" }, minItems = 1, maxItems = 10, supportsMixedTypes = true, rules = {} },
        comments = { supported = true, mediaSupported = false, delayInMinutesSupported = true }, settings = { fields = {} } }, second.schema)
    end)

    it("but has no schema for one that is unknown, disabled or needs a refresh", function()
      local function schema(id)
        local status, answer = box:call("GET", ("/platforms/%s/schema"):format(id))
        return { status, answer.code }
      end
      assert.same({ 404, "platform_not_found" }, schema(UNKNOWN))
      for _, switch in ipairs{ "disabled", "refreshNeeded" } do
        box:settings{ platforms = { instagram = { [switch] = true } } }
        assert.same({ 404, "platform_not_found" }, schema(instagram))
        local _, answer = box:call("GET", "/platforms")
        assert.is_true(answer.platforms[2][switch])
        assert.is_false(answer.platforms[1][switch])
        assert.same({ 200 }, schema(tiktok))
        box:reset()
        assert.same({ 200 }, schema(instagram))
      end
    end)

    it("not without a key", function()
      for _, path in ipairs{ "/platforms", "/platforms/" .. tiktok .. "/schema", "/posts", "/posts/x" } do
        local status, answer = box:control("GET", "/public/v1" .. path)
        assert.same({ 401, "missing_api_key" }, { status, cjson.decode(answer).code })
      end
    end)
  end)

  describe("creates posts", function()
    it("with all their fields, and comments as children", function()
      local results = create{ platformIds = { instagram }, mediaIds = { video, image },
        comments = { { content = "first", delayInMinutes = 2.5, settings = { a = 1 } }, { content = "second", delayInMinutes = cjson.null } } }
      assert.equal(1, #results)
      assert.same({ instagram, "created" }, { results[1].platformId, results[1].status })
      local root, children = results[1].post.root, results[1].post.children
      local made = { id = root.id, groupId = root.groupId, parentPostId = cjson.null, integrationId = instagram, content = "Hello",
        state = "QUEUE", scheduledFor = cjson.null, delayInMinutes = cjson.null, releaseId = cjson.null, releaseUrl = cjson.null,
        settings = { privacy_level = "SELF_ONLY" }, mediaIds = { video, image }, errorText = cjson.null, createdAt = root.createdAt,
        updatedAt = root.createdAt }
      assert.same(made, root)
      assert.truthy(root.id:match(UUID))
      assert.truthy(root.groupId:match(UUID))
      assert.truthy(root.createdAt:match(TIME))
      assert.equal(2, #children)
      assert.same({ "first", 2.5, 1, root.id, root.groupId, "QUEUE", instagram }, { children[1].content, children[1].delayInMinutes,
        children[1].settings.a, children[1].parentPostId, children[1].groupId, children[1].state, children[1].integrationId })
      assert.same({ "second", cjson.null, {} }, { children[2].content, children[2].delayInMinutes, children[2].mediaIds })
      assert.same(keys(made), keys(children[1]))
      assert.same(results[1].post, get(root.id))
      assert.same({ { root, children[1], children[2] }, 3 }, { box:posts() })
    end)

    it("as drafts, which stay drafts, and scheduled ones with their time", function()
      local draft = create{ mode = "draft" }[1].post.root
      assert.same({ "DRAFT", cjson.null }, { draft.state, draft.scheduledFor })
      for _ = 1, 3 do assert.equal("DRAFT", get(draft.id).root.state) end
      local scheduled = create{ mode = "schedule", scheduledFor = "2999-01-01T00:00:00Z" }[1].post.root
      assert.same({ "QUEUE", "2999-01-01T00:00:00Z" }, { scheduled.state, scheduled.scheduledFor })
      assert.equal("2999-01-01T00:00:00Z", create{ mode = "draft", scheduledFor = "2999-01-01T00:00:00Z" }[1].post.root.scheduledFor)
      assert.equal(cjson.null, create{ scheduledFor = "2999-01-01T00:00:00Z" }[1].post.root.scheduledFor)
    end)

    it("lists the roots, oldest first, whatever is asked", function()
      local first = create{ platformIds = { instagram }, comments = { { content = "c" } } }[1].post.root
      local second = create()[1].post.root
      local status, answer = box:call("GET", "/posts?state=DRAFT&limit=1")
      assert.equal(200, status)
      assert.same({ posts = { first, second } }, answer)
      assert.same({ state = "DRAFT", limit = "1" }, box:lastRequest().query)
    end)

    it("and answers for each platform in the order asked", function()
      box:settings{ platforms = { tiktok = { failure = { code = "busy", message = "m" } } } }
      local results = create{ platformIds = { UNKNOWN, instagram, tiktok } }
      assert.same({ UNKNOWN, instagram, tiktok }, { results[1].platformId, results[2].platformId, results[3].platformId })
      assert.same({ "failed", "created", "failed" }, { results[1].status, results[2].status, results[3].status })
      assert.equal("platform_not_found", results[1].error.code)
      assert.same({ code = "busy", message = "m" }, results[3].error)
      assert.equal(1, select(2, box:posts()))
    end)

    it("not on platforms that are disabled or need a refresh", function()
      box:settings{ platforms = { tiktok = { disabled = true }, instagram = { refreshNeeded = true } } }
      for _, result in ipairs(create{ platformIds = { tiktok, instagram } }) do
        assert.same({ "failed", "platform_not_found" }, { result.status, result.error.code })
      end
    end)

    local function refusal(body)
      local status, answer = box:call("POST", "/posts", body)
      assert.same({ 400, "invalid_request" }, { status, answer.code })
      assert.equal(0, select(2, box:posts()))
      return findings(answer.details)
    end

    it("not from a body that is not JSON, and says what is wrong with one that is", function()
      local status, answer = box:call("POST", "/posts", "{")
      assert.same({ 400, "invalid_json" }, { status, answer.code })
      assert.same({ [""] = "Expected object, received array" }, refusal("[]"))
      assert.same({ platformIds = "Required", content = "Required", mode = "Required" }, refusal("{}"))
      assert.same({ ["platformIds.1"] = "Invalid uuid" }, refusal(post_body{ platformIds = { tiktok, "x" } }))
      assert.same({ ["platformIds.0"] = "Expected string, received number" }, refusal(post_body{ platformIds = { 1 } }))
      assert.same({ platformIds = "Array must contain at least 1 element(s)" }, refusal('{"platformIds":[],"content":"a","mode":"now"}'))
      assert.same({ content = "String must contain at least 1 character(s)" }, refusal(post_body{ content = "" }))
      assert.same({ content = "Expected string, received number" }, refusal(post_body{ content = 3 }))
      assert.same({ mode = "Expected 'draft' | 'now' | 'schedule'" }, refusal(post_body{ mode = "later" }))
      assert.same({ settings = "Expected object, received string" }, refusal(post_body{ settings = "x" }))
      assert.same({ mediaIds = "Expected array, received string" }, refusal(post_body{ mediaIds = video }))
      assert.same({ scheduledFor = "Required" }, refusal(post_body{ mode = "schedule" }))
      assert.same({ comments = "Expected array, received string" }, refusal(post_body{ comments = "x" }))
      assert.same({ ["comments.0.content"] = "Required", ["comments.1"] = "Expected object, received string",
        ["comments.2.delayInMinutes"] = "Expected number, received string", ["comments.2.settings"] = "Expected object, received number",
        ["comments.2.mediaIds.0"] = "Expected string, received boolean" },
        refusal(post_body{ comments = { { a = 1 }, "x", { content = "c", delayInMinutes = "1", settings = 1, mediaIds = { true } } } }))
    end)

    it("with indices in paths that are numbers", function()
      local _, answer = box:call("POST", "/posts", post_body{ mediaIds = { video, "x" } })
      assert.same({ "mediaIds", 1 }, answer.details[1].path)
    end)

    it("not with a time that is none", function()
      local wrong = { "tomorrow", "2030-01-01", "2030-01-01T00:00:00", "2030-02-29T00:00:00Z", "2030-13-01T00:00:00Z", "2030-01-01T24:00:00Z",
        "2030-01-01T00:00:60Z", "2030-01-01T00:00:00.Z", "2030-01-01T00:00:00+0100", "2030-01-01T00:00:00+24:00", "2030-01-01T00:00:00Zx",
        "2030-1-1T00:00:00Z", "2030-01-01 00:00:00Z", "" }
      for _, time in ipairs(wrong) do
        assert.same({ scheduledFor = "Invalid datetime" }, refusal(post_body{ mode = "schedule", scheduledFor = time }), time)
      end
      for _, time in ipairs{ "2028-02-29T23:59:59Z", "2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00-12:30" } do
        assert.equal("created", create{ mode = "schedule", scheduledFor = time }[1].status, time)
      end
    end)

    it("not with media that are unknown", function()
      assert.same({ ["mediaIds.1"] = "Media not found", ["comments.0.mediaIds.0"] = "Media not found" },
        refusal(post_body{ mediaIds = { video, UNKNOWN }, comments = { { content = "c", mediaIds = { "x" } } } }))
    end)

    local function images(count)
      local list = {}
      for i = 1, count do list[i] = image end
      return list
    end

    -- What breaks TikTok's schema: { changes, path, message }.
    local broken = {
      ["long content"] = { function() return { content = ("\195\169"):rep(2201) } end, "content", "String must contain at most 2200 character(s)" },
      ["no media"] = { function() return { mediaIds = cjson.null } end, "mediaIds", "Array must contain at least 1 element(s)" },
      ["36 images"] = { function() return { mediaIds = images(36) } end, "mediaIds", "Array must contain at most 35 element(s)" },
      ["two videos"] = { function() return { mediaIds = { video, video } } end, "mediaIds", "No more than 1 video(s)" },
      ["mixed media"] = { function() return { mediaIds = { video, image } } end, "mediaIds", "Images and videos cannot be mixed" },
      ["no settings"] = { function() return { settings = cjson.null } end, "settings.privacy_level", "Required" },
      ["an unknown level"] = { function() return { settings = { privacy_level = "x" } } end, "settings.privacy_level",
        "Expected 'PUBLIC_TO_EVERYONE' | 'MUTUAL_FOLLOW_FRIENDS' | 'FOLLOWER_OF_CREATOR' | 'SELF_ONLY'" },
      ["a wrong flag"] = { function() return { settings = { privacy_level = "SELF_ONLY", allow_comment = "yes" } } end,
        "settings.allow_comment", "Expected boolean, received string" },
      ["a wrong title"] = { function() return { settings = { privacy_level = "SELF_ONLY", title = 1 } } end, "settings.title",
        "Expected string, received number" },
      ["comments"] = { function() return { comments = { { content = "c" } } } end, "comments", "Comments are not supported" },
    }
    for name, case in pairs(broken) do
      it("not where a schema is broken: " .. name, function()
        local result = create(case[1]())[1]
        assert.same({ "failed", "invalid_request" }, { result.status, result.error.code })
        assert.same({ [case[2]] = case[3] }, findings(result.error.details))
        assert.equal(0, select(2, box:posts()))
      end)
    end

    it("up to what a schema allows", function()
      assert.equal("created", create{ content = ("\195\169"):rep(2200), mediaIds = images(35),
        settings = { privacy_level = "SELF_ONLY", allow_comment = false, title = "t", other = 1 } }[1].status)
      local long = create{ platformIds = { instagram }, content = ("x"):rep(5000), mediaIds = images(10), settings = cjson.null }[1]
      assert.equal("created", long.status)
      assert.same({ mediaIds = "Array must contain at most 10 element(s)" },
        findings(create{ platformIds = { instagram }, mediaIds = images(11) }[1].error.details))
      assert.same({ ["comments.0.mediaIds"] = "Media in comments are not supported" },
        findings(create{ platformIds = { instagram }, comments = { { content = "c", mediaIds = { image } } } }[1].error.details))
    end)

    it("as long as the plan has some left", function()
      box:settings{ postsLeft = 3 }
      assert.equal("created", create{ platformIds = { instagram }, comments = { { content = "c" } } }[1].status)
      assert.equal("failed", create{ mediaIds = cjson.null }[1].status)
      assert.equal(2, box:settings().postsLeft)
      create{ mode = "draft" }
      local results = create{ platformIds = { tiktok, instagram } }
      assert.same({ "created", "failed", "post_limit_reached" }, { results[1].status, results[2].status, results[2].error.code })
      local status, answer = box:call("POST", "/posts", post_body())
      assert.same({ 409, "post_limit_reached" }, { status, answer.code })
      box:settings{ postsLeft = cjson.null }
      create()
      assert.equal(cjson.null, box:settings().postsLeft)
    end)

    it("and remembers the newest 10,000 groups", function()
      local ids = {}
      for i = 1, 10001 do ids[i] = instagram end
      local results = create{ platformIds = ids }
      local posts, total = box:posts()
      assert.same({ 10000, 10001 }, { #posts, total })
      assert.equal(results[2].post.root.id, posts[1].id)
      assert.equal(results[10001].post.root.id, posts[10000].id)
      assert.equal(404, (box:call("GET", "/posts/" .. results[1].post.root.id)))
    end)

    it("and none where a fault refuses, but one where only the answer is lost", function()
      box:settings{ postsLeft = 5 }
      box:fault{ status = 500, path = "/public/v1/posts" }
      assert.equal(500, (box:call("POST", "/posts", post_body())))
      assert.same({ 0, 5 }, { select(2, box:posts()), box:settings().postsLeft })
      box:fault{ disconnect = "close", at = "response", path = "/public/v1/posts" }
      assert.is_false((pcall(box.call, box, "POST", "/posts", post_body())))
      assert.same({ 1, 4 }, { select(2, box:posts()), box:settings().postsLeft })
    end)
  end)

  describe("publishes", function()
    it("after one read that found the post in the queue, with its comments", function()
      local made = create{ platformIds = { instagram }, comments = { { content = "c" } } }[1].post
      assert.equal("QUEUE", get(made.root.id).root.state)
      box:posts()
      box:call("GET", "/posts")
      local group = get(made.children[1].id)
      assert.equal(made.root.id, group.root.id)
      for _, post in ipairs{ group.root, group.children[1] } do
        assert.same({ "PUBLISHED", cjson.null }, { post.state, post.errorText })
        assert.truthy(post.releaseId:match("^%d+$"))
        assert.equal("https://www.instagram.com/p/" .. post.releaseId, post.releaseUrl)
      end
      assert.same(group, get(made.root.id))
    end)

    it("where TikTok would", function()
      box:settings{ readsUntilPublished = 0 }
      local root = get(create()[1].post.root.id).root
      assert.equal("https://www.tiktok.com/@sandbox/video/" .. root.releaseId, root.releaseUrl)
    end)

    it("after as many reads as it is told, lists not counted, nor reads that a fault refuses", function()
      box:settings{ readsUntilPublished = 2 }
      local id = create()[1].post.root.id
      box:fault{ status = 500, times = 2 }
      for _ = 1, 2 do assert.equal(500, (box:call("GET", "/posts/" .. id))) end
      for _ = 1, 3 do
        local _, answer = box:call("GET", "/posts")
        assert.equal("QUEUE", answer.posts[1].state)
        assert.equal("QUEUE", box:posts()[1].state)
      end
      assert.same({ "QUEUE", "QUEUE", "PUBLISHED" }, { get(id).root.state, get(id).root.state, get(id).root.state })
    end)

    it("or not, as it is told", function()
      for _, state in ipairs{ "ERROR", "ACTION_REQUIRED" } do
        box:settings{ readsUntilPublished = 0, publishAs = state }
        local root = get(create()[1].post.root.id).root
        assert.same({ state, "string", cjson.null, cjson.null }, { root.state, type(root.errorText), root.releaseId, root.releaseUrl })
      end
    end)

    it("what is scheduled only when its time is past, in whatever zone it is written", function()
      box:settings{ readsUntilPublished = 0 }
      local function state(seconds, form)
        local time = os.date(form, os.time() + seconds)
        return get(create{ mode = "schedule", scheduledFor = time }[1].post.root.id).root.state
      end
      assert.equal("PUBLISHED", state(-60, "!%Y-%m-%dT%H:%M:%SZ"))
      assert.equal("PUBLISHED", state(-60, "!%Y-%m-%dT%H:%M:%S.999Z"))
      assert.equal("QUEUE", state(3600, "!%Y-%m-%dT%H:%M:%SZ"))
      -- The same hands of the clock are two hours earlier where clocks are two hours ahead.
      assert.equal("PUBLISHED", state(3600, "!%Y-%m-%dT%H:%M:%S+02:00"))
      assert.equal("QUEUE", state(-3600, "!%Y-%m-%dT%H:%M:%S-02:00"))
    end)

    it("after due reads only", function()
      local id = create{ mode = "schedule", scheduledFor = "2999-01-01T00:00:00Z" }[1].post.root.id
      for _ = 1, 3 do assert.equal("QUEUE", get(id).root.state) end
      box:call("PATCH", "/posts/" .. id .. "/schedule", { scheduledFor = "2001-01-01T00:00:00Z" })
      assert.equal("QUEUE", get(id).root.state)
      -- A new time starts anew.
      box:call("PATCH", "/posts/" .. id .. "/schedule", { scheduledFor = "2002-01-01T00:00:00Z" })
      assert.same({ "QUEUE", "PUBLISHED" }, { get(id).root.state, get(id).root.state })
    end)
  end)

  describe("reschedules", function()
    local function reschedule(id, body)
      local status, answer = box:call("PATCH", "/posts/" .. id .. "/schedule", body)
      return status, answer
    end

    it("a group, draft or not, and answers it", function()
      local made = create{ platformIds = { instagram }, mode = "draft", comments = { { content = "c" } } }[1].post
      local status, group = reschedule(made.root.id, { scheduledFor = "2999-01-01T00:00:00+01:00" })
      assert.equal(200, status)
      for _, post in ipairs{ group.root, group.children[1] } do
        assert.same({ "QUEUE", "2999-01-01T00:00:00+01:00" }, { post.state, post.scheduledFor })
      end
      assert.same(group, get(made.root.id))
    end)

    it("what needs action, but not what is published or failed", function()
      box:settings{ readsUntilPublished = 0 }
      for state, wanted in pairs{ ACTION_REQUIRED = 200, PUBLISHED = 400, ERROR = 400 } do
        box:settings{ publishAs = state }
        local id = create()[1].post.root.id
        local before = get(id)
        assert.equal(state, before.root.state)
        local status, answer = reschedule(id, { scheduledFor = "2999-01-01T00:00:00Z" })
        assert.equal(wanted, status)
        if wanted == 200 then
          assert.same({ "QUEUE", cjson.null }, { answer.root.state, answer.root.errorText })
        else
          assert.equal("invalid_request", answer.code)
          assert.same(before, get(id))
        end
      end
    end)

    it("not without a good time, nor what is unknown", function()
      local id = create{ mode = "draft" }[1].post.root.id
      for message, body in pairs{ Required = "{}", ["Invalid datetime"] = '{"scheduledFor":"soon"}',
        ["Expected string, received null"] = '{"scheduledFor":null}' } do
        local status, answer = reschedule(id, body)
        assert.same({ 400, "invalid_request", { scheduledFor = message } }, { status, answer.code, findings(answer.details) })
      end
      assert.equal("invalid_json", select(2, reschedule(id, "{")).code)
      assert.equal("DRAFT", get(id).root.state)
      local status, answer = reschedule(UNKNOWN, { scheduledFor = "2999-01-01T00:00:00Z" })
      assert.same({ 404, "post_not_found" }, { status, answer.code })
      status, answer = box:call("GET", "/posts/" .. UNKNOWN)
      assert.same({ 404, "post_not_found" }, { status, answer.code })
    end)

    it("nothing where a fault forbids it", function()
      local before = create{ mode = "draft" }[1].post
      box:fault{ delayAfterBodyMs = 1, store = false }
      local status, group = reschedule(before.root.id, { scheduledFor = "2999-01-01T00:00:00Z" })
      assert.same({ 200, "QUEUE" }, { status, group.root.state })
      assert.same(before, get(before.root.id))
    end)
  end)

  describe("makes slides", function()
    local function caption(body)
      local status, answer = box:call("POST", "/slides/caption", body)
      return status, answer
    end

    it("as many as asked, the same for the same request", function()
      local status, answer = caption{ userRequest = "Tea in 3 steps", slideCount = 4, language = "de", slideLength = "short" }
      assert.equal(200, status)
      assert.truthy(answer.caption:find("Tea in 3 steps", 1, true))
      assert.equal(4, #answer.slides)
      for i, slide in ipairs(answer.slides) do
        assert.equal(i - 1, slide.index)
        assert.truthy(slide.caption:find("Tea in 3 steps", 1, true))
      end
      assert.same(answer, select(2, caption{ userRequest = "Tea in 3 steps", slideCount = 4, language = "de", slideLength = "short" }))
      local lengths = {}
      for i, length in ipairs{ "short", "medium", "long" } do
        lengths[i] = #select(2, caption{ userRequest = "Tea", slideCount = 3, slideLength = length }).slides[1].caption
      end
      assert.is_true(lengths[1] < lengths[2] and lengths[2] < lengths[3])
      assert.equal(lengths[2], #select(2, caption{ userRequest = "Tea", slideCount = 3 }).slides[1].caption)
      assert.equal(200, (caption{ userRequest = ("\195\169"):rep(500), slideCount = 10 }))
    end)

    it("not from a wrong body", function()
      local function wrong(body)
        local status, answer = caption(body)
        assert.same({ 400, "invalid_request" }, { status, answer.code })
        return findings(answer.details)
      end
      assert.same({ userRequest = "Required", slideCount = "Required" }, wrong("{}"))
      assert.same({ userRequest = "String must contain at least 1 character(s)", slideCount = "Number must be greater than or equal to 3" },
        wrong{ userRequest = "", slideCount = 2 })
      assert.same({ userRequest = "String must contain at most 500 character(s)", slideCount = "Number must be less than or equal to 10" },
        wrong{ userRequest = ("x"):rep(501), slideCount = 11 })
      assert.same({ slideCount = "Expected integer, received float", language = "Expected string, received number",
        slideLength = "Expected 'short' | 'medium' | 'long'" }, wrong{ userRequest = "a", slideCount = 3.5, language = 1, slideLength = "x" })
      assert.equal("invalid_json", select(2, caption("x")).code)
    end)

    it("and echoes what is to be composed", function()
      local status, answer = box:call("POST", "/slides/composite", { a = { 1, "b" } })
      assert.equal(200, status)
      assert.same({ received = { a = { 1, "b" } }, slides = {} }, answer)
      status, answer = box:call("POST", "/slides/composite", "[]")
      assert.same({ 400, "invalid_request" }, { status, answer.code })
    end)

    it("while there are credits", function()
      box:settings{ credits = 2 }
      assert.equal(400, (caption("{}")))
      assert.equal(200, (caption{ userRequest = "a", slideCount = 3 }))
      box:fault{ status = 500 }
      assert.equal(500, (caption{ userRequest = "a", slideCount = 3 }))
      assert.equal(1, box:settings().credits)
      assert.equal(200, (box:call("POST", "/slides/composite", "{}")))
      local status, answer = caption{ userRequest = "a", slideCount = 3 }
      assert.same({ 402, "insufficient_credits" }, { status, answer.code })
      status, answer = box:call("POST", "/slides/composite", "{}")
      assert.same({ 402, "insufficient_credits" }, { status, answer.code })
    end)
  end)

  describe("has switches", function()
    local platform = { disabled = false, refreshNeeded = false, failure = cjson.null }
    local defaults = { postsLeft = cjson.null, credits = cjson.null, readsUntilPublished = 1, publishAs = "PUBLISHED", deviceInterval = 5,
      deviceExpiresIn = 600, deviceSlowDowns = 0, mediaReadyAfter = cjson.null, platforms = { tiktok = platform, instagram = platform } }

    it("that show, change alone, and go back on reset with the posts", function()
      create()
      assert.same(defaults, box:settings())
      local failure = { code = "c", message = "m", details = { 1 } }
      box:settings{ credits = 7, publishAs = "ERROR", platforms = { instagram = { failure = failure } } }
      local changed = box:settings{ deviceInterval = 0, platforms = { instagram = { disabled = true } } }
      assert.same({ 7, "ERROR", 0, 600 }, { changed.credits, changed.publishAs, changed.deviceInterval, changed.deviceExpiresIn })
      assert.same({ disabled = true, refreshNeeded = false, failure = failure }, changed.platforms.instagram)
      assert.same(platform, changed.platforms.tiktok)
      assert.same(changed, box:settings())
      assert.same(platform, box:settings{ platforms = { instagram = { disabled = false, failure = cjson.null } } }.platforms.instagram)
      box:settings(changed)
      assert.same(changed, box:settings())
      box:reset()
      assert.same(defaults, box:settings())
      assert.same({ {}, 0 }, { box:posts() })
      assert.same({ posts = {} }, select(2, box:call("GET", "/posts")))
    end)

    it("that refuse what they do not know, and change nothing then", function()
      local wrong = {
        ['{"nonsense":1}'] = "nonsense", ['{"postsLeft":-1}'] = "postsLeft", ['{"credits":"1"}'] = "credits",
        ['{"readsUntilPublished":null}'] = "readsUntilPublished", ['{"publishAs":"DRAFT"}'] = "publishAs", ['{"publishAs":1}'] = "publishAs",
        ['{"deviceInterval":1.5}'] = "deviceInterval", ['{"mediaReadyAfter":true}'] = "mediaReadyAfter", ['{"platforms":[]}'] = "platforms",
        ['{"platforms":{"threads":{}}}'] = "platforms.threads", ['{"platforms":{"tiktok":1}}'] = "platforms.tiktok",
        ['{"platforms":{"tiktok":{"disabled":1}}}'] = "platforms.tiktok.disabled",
        ['{"platforms":{"tiktok":{"other":true}}}'] = "platforms.tiktok.other",
        ['{"platforms":{"tiktok":{"failure":"x"}}}'] = "platforms.tiktok.failure",
        ['{"platforms":{"tiktok":{"failure":{"code":"x"}}}}'] = "platforms.tiktok.failure.message",
      }
      for body, path in pairs(wrong) do
        local status, answer = box:control("PATCH", "/sandbox/settings", '{"deviceSlowDowns":9,' .. body:sub(2))
        answer = cjson.decode(answer)
        assert.same({ 400, "invalid_request", { path } }, { status, answer.code, keys(findings(answer.details)) }, body)
        assert.same(defaults, box:settings(), body)
      end
      local status, answer = box:control("PATCH", "/sandbox/settings", "{")
      assert.same({ 400, "invalid_json" }, { status, cjson.decode(answer).code })
    end)
  end)

  it("makes PENDING media READY once they were listed so often", function()
    local pending = sandbox.start{ args = { "--pending" } }
    local _, platforms = pending:call("GET", "/platforms")
    local function list(query)
      local _, answer = pending:call("GET", "/media" .. (query or ""))
      return answer.media
    end
    local function attempt(id)
      local status, answer = pending:call("POST", "/posts", { platformIds = { platforms.platforms[2].id }, content = "a", mode = "now", mediaIds = { id } })
      return status, answer
    end

    upload(pending, "video/mp4")
    for _ = 1, 3 do assert.equal("PENDING", list()[1].status) end
    pending:reset()
    pending:settings{ mediaReadyAfter = 2 }
    local id = upload(pending, "video/mp4")
    assert.same({}, list("?mediaType=image"))
    pending:media()
    assert.equal("PENDING", list()[1].status)
    pending:fault{ status = 500 }
    pending:call("GET", "/media")
    local status, answer = attempt(id)
    assert.same({ 400, { ["mediaIds.0"] = "Media is not READY" } }, { status, findings(answer.details) })
    assert.equal("PENDING", list("?mediaType=video")[1].status)
    assert.same({ 201, "created" }, { (attempt(id)), select(2, attempt(id)).results[1].status })
    local media = list()[1]
    assert.equal("READY", media.status)
    assert.truthy(media.finalizedAt:match(TIME))
    assert.same({ media }, (pending:media()))
    pending:settings{ mediaReadyAfter = 0 }
    upload(pending, "video/mp4")
    assert.equal("READY", list()[2].status)
    assert.equal(0, pending:stop())
  end)

  it("lets a request that began before a reset change nothing after it", function()
    box:fault{ delayBeforeBodyMs = 400, path = "/public/v1/slides/caption" }
    local answer = files.shell("mktemp")
    files.shell(("{ (exec 3>&- 4>&- 5>&-; curl -q -s -m 50 -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer %s' "
      .. "-d '%s' %s/public/v1/slides/caption) >%s 2>/dev/null & }"):format(box.key, '{"userRequest":"a","slideCount":3}', box.url, answer))
    eventually(function() return box:lastRequest().path == "/public/v1/slides/caption" end)
    box:reset()
    box:settings{ credits = 5 }
    eventually(function() return files.contents(answer) == "200" end)
    assert.equal(5, box:settings().credits)
    os.remove(answer)
  end)
end)
