-- loomta.queue in nginx: a request queues files and asks how they stand, and waits for Redis without blocking the worker process.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local nginx = require "spec.support.nginx"
local redis = require "spec.support.redis"
local tls = require "spec.support.tls"

if not (nginx.available() and redis.isThere()) then
  describe("queues #nginx", function() pending "need nginx with its Lua module, redis-server and lua-redis" end)
  return
end

local password = "hunter2loomta"
local init = [[
  loomta, cjson = require "loomta", require "cjson"
  local function told(value, err) return cjson.encode { value = value, code = err and err.code, text = err and tostring(err) } end
  function answer(act, given)
    local queue, err = loomta.queue(given or {})
    if not queue then return told(nil, err) end
    local said = told(act(queue))
    queue:close()
    return said
  end
]]
local locations = [[
  location /ping { content_by_lua_block { ngx.say "pong" } }
  location /enqueue { content_by_lua_block { ngx.say(answer(function(queue) return queue:enqueue { ngx.var.arg_path } end)) } }
  location /status { content_by_lua_block { ngx.say(answer(function(queue) return queue:status() end)) } }
  location /work { content_by_lua_block { ngx.say(answer(function(queue) return queue:work() end)) } }
  location /results {
    content_by_lua_block {
      ngx.say(answer(function(queue)
        local list = {}
        for record, id in queue:results() do list[#list + 1] = record and record.type or tostring(id) end
        return list
      end))
    }
  }
  location /impatient {
    content_by_lua_block { ngx.say(answer(function(queue) return queue:status() end, { patienceMs = 0 })) }
  }
  location /bundle { content_by_lua_block { ngx.say(answer(function(queue) return queue:status() end, { caFile = "ca.pem" })) } }
  location /filter {
    header_filter_by_lua_block { text = answer(function(queue) return queue:status() end) }
    content_by_lua_block { ngx.send_headers() ngx.say(text) }
  }
  location /share { content_by_lua_block { shared = loomta.queue {} shared:status() ngx.say "done" } }
  location /shared {
    content_by_lua_block {
      local found, err = shared:status()
      shared:close()
      ngx.say(cjson.encode { value = found, code = err and err.code, text = err and tostring(err) })
    }
  }
]]

local server, web, folder

local function start(options)
  options = options or {}
  web = nginx.start {
    http = ("init_by_lua_block {\n%s}\n%s"):format(init, options.http or ""), server = locations,
    env = { LOOMTA_QUEUE_URL = options.url or server:url("q", options.how) },
  }
end

local function get(path)
  local status, said = web:get(path)
  assert(status == 200, said .. web:log())
  return cjson.decode(said)
end

local function connections() return select(2, server:cli("CLIENT", "LIST"):gsub("cmd=evalsha", "")) end

describe("a queue in nginx #nginx", function()
  before_each(function()
    server = redis.start { password = password }
    folder = files.shell "mktemp -d"
    files.write(folder .. "/one.jpg", "\255\216\255\224 one")
  end)
  after_each(function()
    if web then web:stop() end
    server:stop()
    files.shell("rm -rf " .. folder)
  end)

  for how, name in pairs { tcp = "a port", unix = "a Unix socket" } do
    it("takes files and says how they stand, on " .. name .. ", over a connection that stays", function()
      start { how = how }
      assert.same({ enqueued = 1, known = 0, failed = 0 }, get("/enqueue?path=" .. folder .. "/one.jpg").value)
      assert.same({ enqueued = 0, known = 1, failed = 0 }, get("/enqueue?path=" .. folder .. "/one.jpg").value)
      assert.equal(1, get("/status").value.queued)
      assert.equal(1, connections())
      local queue = assert(loomta.queue { url = server:url "q" })
      files.write(folder .. "/one.jpg", "changed")
      local client = assert(loomta.new { apiKey = "loomta_sk_of_spec", baseUrl = "http://127.0.0.1:1" })
      assert.equal(1, queue:work({ client = client }).failed)
      client:close()
      queue:close()
      assert.same({ "refused" }, get("/results").value)
    end)
  end

  it("lets nginx serve others while Redis is silent", function()
    start()
    assert.equal(0, get("/status").value.queued)
    server:signal "STOP"
    local waiting = web:background("/enqueue?path=" .. folder .. "/one.jpg")
    for _ = 1, 20 do assert.equal("pong\n", (select(2, web:get "/ping"))) end
    assert.is_false(waiting:done())
    server:signal "CONT"
    assert.equal(1, cjson.decode((select(2, waiting:finish()))).value.enqueued)
  end)

  it("tries again when Redis was started anew, for as long as it was told to", function()
    start()
    assert.equal(0, get("/status").value.queued)
    server:kill()
    local refused = get "/impatient"
    assert.equal("queue_unreachable", refused.code)
    assert.is_nil(refused.text:find(password, 1, true))
    local waiting = web:background "/status"
    eventually(function() return web:log():find "Connection refused" or web:log():find "No such file" end)
    server:start()
    assert.equal(0, cjson.decode((select(2, waiting:finish()))).value.queued)
  end)

  it("is refused where nothing can wait, and has no worker there", function()
    start()
    assert.equal("would_block", get("/filter").code)
    assert.equal("would_block", get("/work").code)
    assert.equal("invalid_option", get("/bundle").code)
  end)

  it("is what examples/cluster/nginx.conf says", function()
    files.shell("chmod 755 " .. folder)
    web = nginx.start {
      server = files.read("examples/cluster/nginx.conf"):gsub("/srv/clips", folder), env = { LOOMTA_QUEUE_URL = server:url("q", "tcp") },
    }
    local function ask(path) return table.concat({ web:get(path) }, " ") end
    assert.equal("200 queued\n", ask "/enqueue?name=one.jpg")
    assert.equal("200 known\n", ask "/enqueue?name=one.jpg")
    assert.equal("404 no such file\n", ask "/enqueue?name=two.jpg")
    assert.equal(400, (web:get "/enqueue?name=..%2Fone.jpg"))
    assert.equal(1, get("/queue").queued)
    server:kill()
    local status, said = web:get "/queue"
    assert.equal(503, status)
    assert.truthy(said:find "queue_unreachable")
    assert.is_nil(said:find(password, 1, true))
  end)

  it("is its request's own", function()
    start()
    web:get "/share"
    assert.equal("queue_closed", get("/shared").code)
    assert.equal(0, get("/status").value.queued)
  end)

  it("speaks TLS with a server that is trusted and is the one that was meant", function()
    -- nginx compares names only, and looks them up at servers of names only: a name that looks like an address needs none.
    local pair, stranger = tls.make { names = "DNS:127.0.0.1" }, tls.make { names = "DNS:redis.example.org" }
    for _, try in ipairs { { pair, pair }, { pair, stranger, "queue_failed" }, { stranger, stranger, "queue_failed" } } do
      local second = redis.start { password = password, tls = try[1] }
      start { url = second:url "q", http = ("lua_ssl_trusted_certificate %s;"):format(try[2].cert) }
      for _ = 1, 2 do assert.equal(try[3], get("/status").code) end -- the second time over the first one's connection
      web:stop()
      second:stop()
    end
    pair.remove()
    stranger.remove()
  end)
end)
