-- The operations in nginx: what waits there, in one request or in several, does not keep the worker from others.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"

if not nginx.available() then
  describe("operations #nginx", function() pending "need nginx with its Lua module: apt-get install libnginx-mod-http-lua" end)
  return
end

local locations = [[
  location /ping { content_by_lua_block { ngx.say "pong" } }
  location /run {
    lua_check_client_abort on;
    content_by_lua_block {
      local code = assert(loadfile(("%s/code%d.lua"):format(ngx.config.prefix(), ngx.var.arg_n)))
      local value, err, info = code()
      ngx.say(cjson.encode { value = value, err = err, info = info })
    }
  }
]]

describe("operations #nginx", function()
  local box, web, tiktok, instagram, media, programs

  setup(function()
    box = sandbox.start {}
    local _, answer = box:call("GET", "/platforms")
    tiktok, instagram = answer.platforms[1].id, answer.platforms[2].id
    web = nginx.start {
      env = { LOOMTA_API_URL = box.url, LOOMTA_API_KEY = box.key },
      http = "init_by_lua_block { loomta, cjson = require 'loomta', require 'cjson' }", server = locations,
    }
    programs = 0
  end)
  teardown(function()
    web:stop()
    box:stop()
  end)
  before_each(function()
    box:reset()
    media = cjson.decode((select(2, box:control("POST", "/public/v1/media",
      '--bb\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: video/mp4\r\n\r\nxyz\r\n--bb--\r\n',
      { ["Content-Type"] = "multipart/form-data; boundary=bb", Authorization = "Bearer " .. box.key }))))
  end)

  local function background(code)
    programs = programs + 1
    files.write(("%s/code%d.lua"):format(web.prefix, programs), code)
    return web:background(("/run?n=%d"):format(programs))
  end

  local function finish(call)
    local status, body = call:finish()
    assert.equal(200, status, body .. web:log())
    return cjson.decode(body)
  end

  local function post_code(more)
    return ([[return loomta.createPosts {
      platformIds = { %q, %q }, content = "c", mode = "now", mediaIds = { %q }, settings = { privacy_level = "SELF_ONLY" }, %s
    }]]):format(tiktok, instagram, media.id, more or "")
  end

  local function posted() return (select(2, box:posts())) end

  --- The sandbox has a request under way that nobody has answered yet.
  local function await_held(path)
    web:await("a request for " .. path, function()
      for _, request in ipairs((box:requests())) do
        if request.path == path and request.bodyComplete and not tonumber(request.status) then return true end
      end
    end)
  end

  local function assert_free()
    for _ = 1, 5 do assert.same({ 200, "pong\n" }, { web:get "/ping" }) end
  end

  it("that wait leave the worker to others", function()
    local post = box:call("POST", "/posts", {
      platformIds = { tiktok }, content = "c", mode = "draft", mediaIds = { media.id }, settings = { privacy_level = "SELF_ONLY" },
    }) == 201 and box:posts()[1].id
    local path = "/public/v1/posts/" .. post
    box:fault { path = path, delayAfterBodyMs = 60000 }
    local held = background(("return loomta.getPost { id = %q }"):format(post))
    await_held(path)
    assert_free()
    assert.equal(post, finish(background(("return loomta.getPost { id = %q }"):format(post))).value.root.id)
    assert.is_false(held:done())
    held:kill()
  end)

  it("of several requests leave the worker to others at each of them", function()
    local schema = ("/public/v1/platforms/%s/schema"):format(instagram)
    for _, path in ipairs { "/public/v1/media", schema, "/public/v1/posts" } do
      box:fault { path = path, method = path:find "posts$" and "POST" or "GET", delayAfterBodyMs = 60000 }
      local call = background(post_code "validate = true")
      await_held(path)
      assert_free()
      assert.is_false(call:done())
      call:kill()
    end
    local result = finish(background(post_code "validate = true"))
    assert.is_nil(result.err)
    assert.equal(2, #result.value.created)
    assert.equal(201, result.info.status)
  end)

  it("say what failed, as they do elsewhere", function()
    box:settings { platforms = { instagram = { failure = { code = "x", message = "y" } } } }
    local result = finish(background(post_code()))
    assert.same({ "partial_failure", 1, 1 }, { result.err.code, #result.value.created, #result.value.failed })
    local before = posted()
    result = finish(background((post_code "validate = true":gsub("SELF_ONLY", "ALL"))))
    assert.is_nil(result.value)
    assert.same({ "invalid_request", { "settings", "privacy_level" } }, { result.err.code, result.err.details[1].path })
    assert.equal(before, posted())
  end)

  it("post nothing when their request is killed during the checks", function()
    local schema = ("/public/v1/platforms/%s/schema"):format(tiktok)
    box:fault { path = schema, delayAfterBodyMs = 60000 }
    local call = background(post_code "validate = true")
    await_held(schema)
    call:kill()
    assert_free()
    finish(background "return loomta.listPlatforms()")
    assert.equal(0, posted())
  end)

  it("wait for delayMs without keeping the worker", function()
    local call = background "return loomta.listPlatforms { delayMs = 600000 }"
    assert_free()
    assert.is_false(call:done())
    assert.same({}, (function()
      local asked = {}
      for _, request in ipairs((box:requests())) do
        if request.path == "/public/v1/platforms" then asked[#asked + 1] = request end
      end
      return asked
    end)())
    call:kill()
  end)

  it("of a body that is empty go once", function()
    box:fault { path = "/gone", disconnect = "close", at = "response" }
    local result = finish(background [[
      loomta.check(loomta.listPlatforms())
      return loomta.request { method = "DELETE", path = "/gone" }
    ]])
    assert.same({ "outcome_unknown", true }, { result.err.code, result.err.possiblyStored })
    local count = 0
    for _, request in ipairs((box:requests())) do count = count + (request.path == "/gone" and 1 or 0) end
    assert.equal(1, count)
  end)

  it("do not log in: nobody could confirm it", function()
    local before = #box:requests()
    for _, code in ipairs { "return loomta.login { onCode = print }", "return loomta.login { onCode = print, save = false }",
      "local job, err, info = loomta.start('login', { onCode = print }) return job and 'started', err, info" } do
      local result = finish(background(code))
      assert.is_nil(result.value)
      assert.same({ "would_block", "input", 0 }, { result.err.code, result.err.kind, result.info.attempts })
    end
    assert.equal(before, #box:requests())
  end)
end)
