-- In nginx: an upload waits without blocking the worker process, ends with its request, and survives or ends with the process as
-- nginx's own connections do. Whether something is under way is seen in the sandbox's journal, never guessed from a time.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local tls = require "spec.support.tls"

if not nginx.available() then
  describe("uploads #nginx", function() pending "need nginx with its Lua module: apt-get install libnginx-mod-http-lua" end)
  return
end

local size = 320000 -- of what the Lua below calls `bytes`

-- What the code of the specs sees in nginx. A spec's code is a file of its own: `run(n)`.
local init = [[
  loomta, cjson = require "loomta", require "cjson"
  bytes = ("0123456789abcdef"):rep(20000)
  slow = { data = bytes:rep(10), mimeType = "video/mp4", maxBytesPerSec = 10000 } -- five minutes
  arrived, jobs = 0, {}
  function run(n) return assert(loadfile(("%s/code%d.lua"):format(ngx.config.prefix(), n)))() end
  function exists(name)
    local file = io.open(ngx.config.prefix() .. "/" .. name)
    if file then file:close() end
    return file ~= nil
  end
  function eventually(condition)
    for _ = 1, 4000 do
      if condition() then return end
      ngx.sleep(0.005)
    end
    error "it never came"
  end
  -- Gives half of the upload, and the rest once the spec has made the file `go`.
  function held_reader()
    local calls = 0
    return function()
      calls = calls + 1
      if calls == 2 then
        while not exists "go" do ngx.sleep(0.01) end
      end
      return calls <= 2 and bytes or nil
    end
  end
  function upload(given)
    given.mimeType = "video/mp4"
    if not (given.file or given.reader) then given.data = given.data or bytes end
    return (given.client or loomta).upload(given)
  end
  function outcome(media, err, info) return { media = media, err = err, info = info, text = err and tostring(err) } end
]]

local locations = [[
  location /ping { content_by_lua_block { ngx.say "pong" } }
  location /content { content_by_lua_block { ngx.say(cjson.encode(run(ngx.var.arg_n))) } }
  location /checked { lua_check_client_abort on; content_by_lua_block { ngx.say(cjson.encode(run(ngx.var.arg_n))) } }
  location /streamed { lua_need_request_body off; content_by_lua_block { ngx.say(cjson.encode(run(ngx.var.arg_n))) } }
  location /rewrite {
    rewrite_by_lua_block { ngx.ctx.result = run(ngx.var.arg_n) }
    content_by_lua_block { ngx.say(cjson.encode(ngx.ctx.result)) }
  }
  location /access {
    access_by_lua_block { ngx.ctx.result = run(ngx.var.arg_n) }
    content_by_lua_block { ngx.say(cjson.encode(ngx.ctx.result)) }
  }
  location /timer {
    content_by_lua_block {
      local n, result = ngx.var.arg_n, nil
      assert(ngx.timer.at(0, function() result = run(n) end))
      eventually(function() return result end)
      ngx.say(cjson.encode(result))
    }
  }
  location /thread {
    content_by_lua_block {
      local ok, result = ngx.thread.wait(ngx.thread.spawn(run, ngx.var.arg_n))
      ngx.say(cjson.encode(ok and result))
    }
  }
]]

local box, web

--- Starts nginx with what is common to all; `options` as for nginx.start.
local function start(options)
  options = options or {}
  options.env = options.env or {}
  options.env.LOOMTA_API_URL = options.env.LOOMTA_API_URL or box.url
  options.env.LOOMTA_API_KEY = options.env.LOOMTA_API_KEY or box.key
  options.http = ("init_by_lua_block {\n%s\n%s}\n%s"):format(init, options.init or "", options.http or "")
  options.server = locations .. (options.server or "")
  web = nginx.start(options)
  web.programs = 0
end

local function stop()
  if web then web:stop() end
  web = nil
end

--- The path that runs this code in nginx.
local function program(code, location)
  web.programs = web.programs + 1
  files.write(("%s/code%d.lua"):format(web.prefix, web.programs), code)
  return ("/%s?n=%d"):format(location or "content", web.programs)
end

--- What this code returns in nginx.
local function run(code, location, request)
  local status, body = web:get(program(code, location), request)
  if status ~= 200 then error(("%s: %s\n%s"):format(tostring(status), body, web:log()), 2) end
  return cjson.decode(body)
end

local function background(code, location, request) return web:background(program(code, location), request) end

local function stored() return (select(2, box:media())) end

local function await_stored(count)
  web:await(count .. " stored uploads", function() return stored() == count end)
end

--- An upload has begun to arrive, or `count` have.
local function await_begun(count)
  web:await("the request at the sandbox", function() return #box:requests() == (count or 1) end)
end

local function connections() return box:connections() end

local function threads(pid)
  return tonumber(files.shell(("cat /proc/%d/task/*/comm 2>/dev/null | grep -cx loomta"):format(pid)))
end

local function descriptors(pid) return tonumber(files.shell(("ls /proc/%d/fd | wc -l"):format(pid))) end

local function worker() return (web:pids())[1] end

--- Nothing arrived completely, and nothing is connected any more.
local function assert_broken_off()
  web:await("the end of the connection", function() return connections() == 0 end)
  assert.equal(1, #box:requests())
  local request = box:lastRequest()
  assert.is_false(request.bodyComplete)
  assert.is_false(request.stored)
  assert.equal(0, stored())
end

setup(function() box = sandbox.start {} end)
teardown(function() box:stop() end)
before_each(function() box:reset() end)

describe("an upload #nginx", function()
  setup(function() start() end)
  teardown(stop)

  for _, phase in ipairs { "content", "access", "rewrite", "timer", "thread" } do
    it("answers in " .. phase, function()
      local result = run([[
        local result = outcome(upload { fileName = "a.mp4" })
        result.phase = ngx.get_phase()
        return result
      ]], phase)
      assert.equal(phase == "thread" and "content" or phase, result.phase)
      assert.is_nil(result.err)
      assert.equal("a.mp4", result.media.originalFileName)
      assert.equal(size, result.media.size)
      assert.equal("READY", result.media.status)
      assert.equal(201, result.info.status)
      assert.equal(1, result.info.attempts)
      assert.equal(size, result.info.bytesSent)
      assert.equal(1, stored())
    end)

    it("fails in " .. phase .. " as it does elsewhere", function()
      box:fault { status = 400, code = "odd_upload", message = "Too odd." }
      local result = run("return outcome(upload {})", phase)
      assert.is_nil(result.media)
      assert.equal("odd_upload", result.err.code)
      assert.equal("api", result.err.kind)
      assert.equal(400, result.err.status)
      assert.is_false(result.err.possiblyStored)
      assert.equal("odd_upload: Too odd. (HTTP 400)", result.text)
      assert.equal(1, result.info.attempts)
      assert.equal(0, stored())
    end)
  end

  it("is refused before anything is sent, as elsewhere", function()
    local result = run [[return outcome(loomta.upload { data = "GIF89a" .. bytes })]]
    assert.equal("unsupported_media_type", result.err.code)
    assert.equal(0, result.info.attempts)
    assert.same({}, (box:requests()))
  end)

  it("leaves the only worker to other requests", function()
    box:fault { delayAfterBodyMs = 60000 }
    local call = background("return outcome(upload {})", "checked")
    await_stored(1)
    assert.is_false(call:done())
    for _ = 1, 20 do assert.same({ 200, "pong\n" }, { web:get "/ping" }) end
    assert.equal(size, run("return outcome(upload {})").media.size)
    assert.is_false(call:done())
    call:kill()
  end)

  it("runs beside 49 others", function()
    local path = program [[
      local at = 0
      return outcome(upload {
        fileName = ngx.var.arg_name,
        reader = function()
          at = at + 1
          if at == 2 then arrived = arrived + 1 end
          if at == 2 then eventually(function() return arrived == 50 end) end -- none goes on before all are there
          return at <= 3 and bytes or nil
        end,
      })
    ]]
    local calls = {}
    for i = 1, 50 do calls[i] = web:background(("%s&name=%d.mp4"):format(path, i)) end
    for i, call in ipairs(calls) do
      local status, body = call:finish()
      assert.equal(200, status, body)
      local result = cjson.decode(body)
      assert.is_nil(result.err, result.text)
      assert.equal(i .. ".mp4", result.media.originalFileName)
      assert.equal(3 * size, result.media.size)
    end
    assert.equal(50, stored())
  end)

  it("is retried by the same policy", function()
    box:fault { status = 503, retryAfter = "1" }
    local result = run [[
      local told
      local result = outcome(upload { onRetry = function(err, attempt, delay) told = { err.status, attempt, delay } end })
      result.told = told
      return result
    ]]
    assert.is_nil(result.err)
    assert.equal(2, result.info.attempts)
    assert.same({ 503, 1 }, { result.told[1], result.told[2] })
    assert.is_true(result.told[3] > 0 and result.told[3] <= 1500)
    assert.equal(1, stored())

    box:fault { disconnect = "reset", at = "response" }
    local lost = run "return outcome(upload {})"
    assert.equal("outcome_unknown", lost.err.code)
    assert.is_true(lost.err.possiblyStored)
    assert.equal(2, stored())
  end)

  it("is reconciled, also when it has to be sent again", function()
    box:fault { disconnect = "reset", at = "response" }
    local found = run [[return outcome(upload { reconcile = true, fileName = "lost.mp4" })]]
    assert.is_nil(found.err)
    assert.is_true(found.info.reconciled)
    assert.equal("lost.mp4", found.media.originalFileName)
    assert.equal(1, stored())

    box:fault { disconnect = "reset", at = "response", store = false }
    local again = run [[return outcome(upload { reconcile = true, fileName = "again.mp4" })]]
    assert.is_nil(again.err)
    assert.equal("again.mp4", again.media.originalFileName)
    assert.equal(2, again.info.attempts)
    assert.equal(2, stored())
  end)

  it("calls back in the request's own coroutine, which may yield there", function()
    box:fault { status = 429, retryAfter = "0" }
    local result = run [[
      ngx.ctx.mark = "here"
      local mine, seen, at = coroutine.running(), {}, 0
      local function look(name)
        seen[name] = coroutine.running() == mine and ngx.ctx.mark
        ngx.sleep(0.002)
      end
      local _, err = upload {
        onProgress = function() look "onProgress" end,
        onRetry = function()
          look "onRetry"
          local other = ngx.socket.tcp()
          assert(other:connect("unix:" .. ngx.config.prefix() .. "/http.sock"))
          assert(other:send "GET /ping HTTP/1.0\r\n\r\n")
          seen.answer = other:receive "*a":match "pong"
        end,
      }
      assert(not err, tostring(err))
      loomta.check(upload {
        reader = function()
          look "reader"
          at = at + 1
          return at < 5 and bytes or nil
        end,
      })
      return seen
    ]]
    assert.same({ onProgress = "here", onRetry = "here", reader = "here", answer = "pong" }, result)
    assert.same({ size, 4 * size }, { box:media()[1].size, box:media()[2].size })
  end)

  it("raises what a callback raised, and is canceled", function()
    local result = run [[
      local oops = {}
      local ok, raised = pcall(upload, { maxBytesPerSec = 1000, onProgress = function(sent) if sent > 0 then error(oops) end end })
      return { ok, raised == oops }
    ]]
    assert.same({ false, true }, result)
    web:await("the end of the upload", function() return not box:lastRequest().bodyComplete end)
    assert.equal(0, stored())
  end)

  it("passes on the request's own body as it comes", function()
    local path = files.shell "mktemp"
    files.shell(("head -c 3000000 /dev/urandom >%s"):format(path))
    local result = run([[
      local body, left = assert(ngx.req.socket()), tonumber(ngx.var.content_length)
      return outcome(upload {
        size = left,
        reader = function()
          if left == 0 then return nil end
          local piece, why = body:receive(math.min(left, 50000))
          left = left - #(piece or "")
          return piece, why
        end,
      })
    ]], "streamed", { body_file = path })
    assert.is_nil(result.err, result.text)
    local parts = box:lastRequest().parts
    assert.equal(files.shell("sha256sum " .. path):match "^%x+", parts[#parts].sha256)
    os.remove(path)
  end)

  it("is canceled by its own progress", function()
    local result = run [[return outcome(upload { maxBytesPerSec = 100000, onProgress = function(sent) return sent == 0 end })]]
    assert.equal("canceled", result.err.code)
    assert.equal(0, stored())
  end)
end)

describe("uploads #nginx", function()
  before_each(function() start() end)
  after_each(stop)

  local many = [[
    local list = {}
    for i = 1, 30 do list[i] = { data = bytes, fileName = i .. ".mp4", mimeType = "video/mp4" } end
    list[7] = "/nowhere.mp4"
    local ok, failed = 0, {}
    for media, err, request in loomta.uploads(list, { concurrency = 5 }) do
      if media then ok = ok + 1 else failed[#failed + 1] = err.code end
    end
    return { ok = ok, failed = failed }
  ]]

  for _, location in ipairs { "content", "rewrite", "access", "timer", "thread" } do
    it("give all their results in " .. location, function()
      assert.same({ ok = 29, failed = { "file_read_failed" } }, run(many, location))
      assert.equal(29, stored())
    end)
  end

  it("leave the only worker to other requests", function()
    box:fault { delayAfterBodyMs = 500, times = 0 }
    local call = background [[
      local list = {}
      for i = 1, 4 do list[i] = { data = bytes, fileName = i .. ".mp4", mimeType = "video/mp4" } end
      local ok = 0
      for media in loomta.uploads(list, { concurrency = 2 }) do ok = ok + (media and 1 or 0) end
      return { ok = ok }
    ]]
    web:await("two requests at the sandbox", function() return #box:requests() == 2 end)
    local status, body = web:get "/ping"
    assert.same({ 200, "pong\n" }, { status, body })
    assert.is_true(stored() < 4)
    assert.equal(4, cjson.decode(select(2, call:finish())).ok)
  end)

  it("are asked again later for what they had not yet", function()
    assert.same({ ok = 3 }, run [[
      local asked, ok = 0, 0
      for media in loomta.uploads(function()
        asked = asked + 1
        if asked % 3 ~= 0 then return false end
        return asked <= 9 and { data = bytes, fileName = asked .. ".mp4", mimeType = "video/mp4" } or nil
      end) do ok = ok + (media and 1 or 0) end
      return { ok = ok }
    ]])
  end)

  it("are canceled with their request", function()
    local call = background([[
      for media in loomta.uploads({ slow, slow, slow }, { concurrency = 2 }) do end
    ]], "checked")
    web:await("two requests at the sandbox", function() return #box:requests() == 2 end)
    call:kill()
    web:await("the end of the connections", function() return connections() == 0 end)
    assert.equal(0, stored())
  end)

  it("give a reason where nothing can wait, and where a disk would be waited for", function()
    local result = run [[
      local _, err = loomta.uploads({ slow }, { journal = "/tmp/none.jsonl" })()
      return { text = tostring(err) }
    ]]
    assert.equal("would_block: in nginx there is no 'journal': it waits for the disk, and so would every request", result.text)
  end)
end)

describe("a job #nginx", function()
  before_each(function() start() end)
  after_each(stop)

  it("that is waited for in vain leaves no error in the log, and goes on", function()
    box:fault { delayAfterBodyMs = 300 }
    local result = run [[
      local job = assert(loomta.start { data = bytes, mimeType = "video/mp4" })
      local first = outcome(job:wait(20))
      first.zero = outcome(job:wait(0)).err.code
      first.done = job:done()
      first.last = outcome(job:wait(60000))
      return first
    ]]
    assert.equal("timeout", result.err.code)
    assert.equal("timeout", result.zero)
    assert.is_false(result.done)
    assert.equal(size, result.last.media.size)
    for _, level in ipairs { "error", "alert", "crit", "emerg", "warn" } do
      assert.is_nil(web:log():find("[" .. level .. "]", 1, true), web:log())
    end
  end)

  it("of one request is waited for in another", function()
    run [[
      jobs.one = assert(loomta.start { reader = held_reader(), mimeType = "video/mp4" })
      return {}
    ]]
    local call = background "return outcome(jobs.one:wait())"
    await_begun()
    assert.is_false(call:done())
    files.write(web.prefix .. "/go", "")
    local status, body = call:finish()
    assert.equal(200, status)
    assert.equal(2 * size, cjson.decode(body).media.size)
    assert.equal(2 * size, run("return outcome(jobs.one:wait())").media.size) -- and in a third
  end)

  it("is waited for by several light threads", function()
    local result = run [[
      local calls, held = 0, held_reader()
      local function reader()
        calls = calls + 1
        return held()
      end
      local job = assert(loomta.start { reader = reader, mimeType = "video/mp4" })
      local first = ngx.thread.spawn(function() return outcome(job:wait()) end)
      eventually(function() return calls == 2 end) -- the first is in the reader, which holds only whoever called it
      local _, err = job:wait(30)
      local go = assert(io.open(ngx.config.prefix() .. "/go", "w"))
      go:close()
      return { early = err.code, second = outcome(job:wait()), first = select(2, ngx.thread.wait(first)) }
    ]]
    assert.equal("timeout", result.early)
    assert.equal(2 * size, result.first.media.size)
    assert.equal(2 * size, result.second.media.size)
  end)

  it("is polled for in a request, which does not wait", function()
    local result = run [[
      local ended
      local client = assert(loomta.new {})
      assert(client:start { data = bytes, mimeType = "video/mp4", onDone = function(media) ended = media.size end })
      local polled = { pcall(client.poll, client, 10) }
      eventually(function() return client:poll() == 0 end)
      client:close()
      return { ended = ended, refused = not polled[1] and polled[2] }
    ]]
    assert.equal(size, result.ended)
    assert.truthy(result.refused:find("in nginx, poll does not wait", 1, true), result.refused)
  end)
end)

describe("a phase that cannot yield #nginx", function()
  local note = [[
    function note()
      local media, err, info = upload { fileName = "never.mp4" }
      local list, refused = loomta.listMedia()
      local named = err.message:find(ngx.get_phase(), 1, true) and true
      ngx.shared.seen:set(ngx.get_phase(), cjson.encode { media == nil, list == nil, err.code, refused.code, info.attempts, named })
    end
    function launch() assert(loomta.start { data = bytes, mimeType = "video/mp4", fileName = ngx.get_phase() .. ".mp4" }) end
  ]]

  -- The phases, with this code in each.
  local function phases(code)
    return {
      init = note,
      http = ([[
        lua_shared_dict seen 1m;
        init_worker_by_lua_block { CODE }
        upstream balanced { server 127.0.0.1:1; balancer_by_lua_block { CODE } }
      ]]):gsub("CODE", code),
      server = ([[
        location /set { set_by_lua_block $ignored { CODE } return 204; }
        location /filtered {
          content_by_lua_block { ngx.say "filtered" }
          header_filter_by_lua_block { CODE }
          body_filter_by_lua_block { if ngx.arg[2] then CODE end }
          log_by_lua_block { CODE }
        }
        location /balanced { proxy_pass http://balanced; }
      ]]):gsub("CODE", code),
    }
  end
  after_each(stop)

  it("refuses to wait, and sends nothing", function()
    local options = phases "note()"
    options.init = note .. "note()"
    options.http = options.http .. "exit_worker_by_lua_block { note() }"
    start(options)
    for path, status in pairs { set = 204, filtered = 200, balanced = 502 } do assert.equal(status, (web:get("/" .. path))) end
    web:signal "reload"
    web:await("the old worker's end", function() return #select(3, web:pids()) == 0 end)
    local seen = run [[
      local seen = {}
      for _, phase in ipairs(ngx.shared.seen:get_keys()) do seen[phase] = ngx.shared.seen:get(phase) end
      return seen
    ]]
    local expected = {}
    for _, phase in ipairs { "init", "init_worker", "set", "header_filter", "body_filter", "balancer", "log", "exit_worker" } do
      expected[phase] = '[true,true,"would_block","would_block",0,true]'
    end
    assert.same(expected, seen)
    assert.same({}, (box:requests()))
    local pids, master = web:pids()
    assert.same({ 0, 0 }, { threads(pids[1]), threads(master) })
  end)

  it("starts nothing in init, which is the master's", function()
    start { init = "local job, err = loomta.start { data = bytes, mimeType = 'video/mp4' } refused = { job == nil, err.code }" }
    assert.same({ true, "would_block" }, run "return refused")
    local _, master = web:pids()
    assert.equal(0, threads(master))
    assert.same({}, (box:requests()))
  end)

  it("starts a job, which is sent", function()
    start(phases "launch()")
    for path, status in pairs { set = 204, filtered = 200, balanced = 502 } do assert.equal(status, (web:get("/" .. path))) end
    await_stored(6)
    local names = {}
    for i, media in ipairs((box:media())) do names[i] = media.originalFileName end
    table.sort(names)
    assert.same({ "balancer.mp4", "body_filter.mp4", "header_filter.mp4", "init_worker.mp4", "log.mp4", "set.mp4" }, names)
  end)

  it("cannot wait for that job either, and hears that it may have been stored", function()
    start { http = "lua_shared_dict seen 1m;", server = [[
      location /logged {
        return 204;
        log_by_lua_block {
          local job = assert(loomta.start { data = bytes, mimeType = "video/mp4" })
          repeat until job:progress() > 0
          local _, err, info = job:wait(10)
          ngx.shared.seen:set("log", ("%s %s %d %d"):format(err.code, err.possiblyStored, err.attempts, info.attempts))
        }
      }
    ]] }
    assert.equal(204, (web:get "/logged"))
    await_stored(1)
    assert.equal("would_block true 1 1", run [[return { ngx.shared.seen:get "log" }]][1])
  end)
end)

describe("a request that ends early #nginx", function()
  before_each(function() start() end)
  after_each(stop)

  it("because its client hung up cancels its upload, with lua_check_client_abort", function()
    local call = background("upload(slow)", "checked")
    await_begun()
    assert.equal(1, connections())
    call:kill()
    assert_broken_off()
    assert.same({ 200, "pong\n" }, { web:get "/ping" })
  end)

  it("because its client hung up cancels its upload also before a retry", function()
    box:fault { status = 503, retryAfter = "1", times = 0 }
    local call = background("return outcome(upload { maxRetries = 1000 })", "checked")
    await_begun(2)
    call:kill()
    -- The next attempt would come within a second: none has come when another upload has had three of them.
    local before = run("return outcome(upload { maxRetries = 3 })").info.attempts
    assert.equal(4, before)
    assert.is_true(#box:requests() <= 2 + 1 + before, #box:requests())
    box:clearFaults()
  end)

  it("goes on without lua_check_client_abort", function()
    local call = background "return outcome(upload { reader = held_reader() })"
    await_begun()
    call:kill()
    files.write(web.prefix .. "/go", "")
    await_stored(1)
    assert.equal(2 * size, box:media()[1].size)
  end)

  local killers = {
    ["by ngx.thread.kill"] = "assert(ngx.thread.kill(thread)) jobs.kept = thread return {}",
    ["by ngx.exit"] = "ngx.exit(503)",
    ["by an error"] = "error 'oops'",
    ["by ngx.exec"] = "ngx.exec '/ping'",
  }
  for name, killer in pairs(killers) do
    it(("%s in another light thread cancels its upload"):format(name), function()
      local status = web:get(program(([[
        local begun
        local thread = ngx.thread.spawn(function()
          slow.onProgress = function(sent) begun = sent > 0 end
          upload(slow)
        end)
        eventually(function() return begun end)
        %s
      ]]):format(killer)))
      assert.is_not_nil(status)
      assert_broken_off()
      assert.equal(name == "by an error", web:log():find("[error]", 1, true) ~= nil)
    end)
  end

  it("as soon as its upload has started cancels that, or never sends it", function()
    for _ = 1, 20 do
      run [[
        local threads = {}
        for i = 1, 5 do
          threads[i] = ngx.thread.spawn(upload, slow)
          if i % 2 == 0 then ngx.sleep(0) end
          assert(ngx.thread.kill(threads[i]))
        end
        return {}
      ]]
    end
    web:await("the end of the connections", function() return connections() == 0 end)
    assert.equal(0, stored())
    assert.equal(size, run("return outcome(upload {})").media.size)
  end)
end)

-- What does not hold yet.
describe("a job that is polled where no coroutine can be made #nginx", function()
  after_each(stop)

  it("is reconciled once it is polled elsewhere", function()
    start {
      init = "client = assert(loomta.new {})",
      server = "location /logged { return 204; log_by_lua_block { pcall(client.poll, client) } }",
    }
    box:fault { disconnect = "reset", at = "response" }
    run [[jobs.one = assert(client:start { data = bytes, mimeType = "video/mp4", reconcile = true }) return {}]]
    await_stored(1)
    for _ = 1, 10 do assert.equal(204, (web:get "/logged")) end
    local result = run "return outcome(jobs.one:wait(10000))"
    assert.equal(size, result.media.size)
    assert.is_true(result.info.reconciled)
  end)
end)

describe("without descriptors #nginx", function()
  after_each(stop)

  -- The waiters' own sockets took the last ones: so nothing could be accepted or sent, and nobody's end made room.
  it("uploads still end, and the process serves on", function()
    start { main = "worker_rlimit_nofile 40;" }
    web.expect_alerts = "Too many open files"
    box:fault { delayAfterBodyMs = 300, times = 60 }
    local ends = run [[
      local threads, ends = {}, {}
      for i = 1, 60 do threads[i] = ngx.thread.spawn(upload, {}) end
      for i = 1, 60 do
        local _, media, err = ngx.thread.wait(threads[i])
        ends[i] = media and "sent" or err.code
      end
      return ends
    ]]
    assert.equal(60, #ends)
    for _, code in ipairs(ends) do assert.truthy(code == "sent" or code == "connect_failed" or code == "file_read_failed", code) end
    assert.equal(size, run("return outcome(upload {})").media.size)
  end)
end)

describe("a waiter that is killed #nginx", function()
  before_each(function() start() end)
  after_each(stop)

  -- Waits for a job in a light thread, and kills that.
  local function killed(wait)
    return ([[
      local begun
      local job = assert(loomta.start {
        data = bytes:rep(10), mimeType = "video/mp4", maxBytesPerSec = 10000,
        onProgress = function(sent)
          CALLBACK
        end,
      })
      local thread = ngx.thread.spawn(function() WAIT end)
      eventually(function() return begun end)
      ngx.sleep(0.05)
      assert(ngx.thread.kill(thread))
    ]]):gsub("%u%u%u%u+", wait)
  end

  it("in its first callback cancels its upload", function()
    local path = program [[
      slow.onProgress = function() jobs.begun = true ngx.sleep(60) end
      local thread = ngx.thread.spawn(upload, slow)
      eventually(function() return jobs.begun and exists "go" end)
      assert(ngx.thread.kill(thread))
      return {}
    ]]
    local call = web:background(path)
    await_begun()
    files.write(web.prefix .. "/go", "")
    call:finish()
    assert_broken_off()
  end)

  it("leaves its job to others, who learn that it was canceled", function()
    assert.equal("canceled", run(killed { WAIT = "job:wait()", CALLBACK = "begun = true" } .. "return outcome(job:wait())").err.code)
  end)

  it("in a callback does so, too", function()
    local waits = { WAIT = "job:wait()", CALLBACK = "if sent > 0 and not begun then begun = true ngx.sleep(60) end" }
    assert.equal("canceled", run(killed(waits) .. "return outcome(job:wait())").err.code)
  end)

  it("while it waits for a time does not hold up its request, nor log an error", function()
    local before = socket.gettime()
    run(killed { WAIT = "job:wait(50000)", CALLBACK = "begun = true" } .. "return {}")
    assert.is_true(socket.gettime() - before < 40)
    run(killed { WAIT = "job:wait(100)", CALLBACK = "begun = true" } .. "ngx.sleep(0.2) return {}")
    assert.is_nil(web:log():find("[error]", 1, true), web:log())
  end)
end)

describe("each worker process #nginx", function()
  after_each(stop)

  it("has a thread of its own for a client of init_by_lua; the master has none", function()
    start {
      workers = 2,
      init = "client = assert(loomta.new {})",
      http = [[
        init_worker_by_lua_block {
          assert(ngx.timer.at(0, function()
            for _ = 1, 3 do loomta.check(client:upload { data = bytes, mimeType = "video/mp4" }) end
          end))
        }
      ]],
    }
    await_stored(6)
    local pids, master = web:pids()
    assert.equal(2, #pids)
    assert.same({ 1, 1, 0 }, { threads(pids[1]), threads(pids[2]), threads(master) })
  end)

  it("keeps neither descriptors nor threads of 200 uploads", function()
    start()
    local pid, path = worker(), program "return outcome(upload {})"
    assert(web:get(path .. "&i=[1-20]")) -- curl makes twenty requests of that
    await_stored(20)
    local before = descriptors(pid)
    assert(web:get(path .. "&i=[1-200]"))
    assert.equal(220, stored())
    web:await("the descriptors' end", function() return descriptors(pid) <= before end)
    assert.equal(1, threads(pid))
  end)

  it("keeps none of canceled and late ones either", function()
    start()
    local pid = worker()
    local round = program [[
      local threads = {}
      for i = 1, 20 do threads[i] = ngx.thread.spawn(upload, slow) end
      ngx.sleep(0.02)
      for i = 1, 20 do ngx.thread.kill(threads[i]) end
      local job = assert(loomta.start(slow))
      for _ = 1, 10 do job:wait(1) end
      job:cancel()
      return outcome(job:wait())
    ]]
    assert.equal(200, (web:get(round)))
    web:await("the connections' end", function() return connections() == 0 end)
    local before = descriptors(pid)
    for _ = 1, 10 do assert.equal(200, (web:get(round))) end
    web:await("the descriptors' end", function() return descriptors(pid) <= before end)
    assert.equal(0, stored())
  end)

  it("keeps nothing of requests that have a Lua state each (lua_code_cache off)", function()
    start { http = "lua_code_cache off;", server = [[
      location /fresh {
        content_by_lua_block {
          local loomta = require "loomta"
          ngx.say(loomta.check(loomta.upload { data = "x", mimeType = "image/jpeg" }).size)
        }
      }
    ]] }
    web.expect_alerts = "lua_code_cache is off"
    local pid = worker()
    assert.equal(200, (web:get "/fresh"))
    web:await("the thread's end", function() return threads(pid) == 0 end)
    local before = descriptors(pid)
    for _ = 1, 10 do assert.same({ 200, "1\n" }, { web:get "/fresh" }) end
    web:await("the threads' end", function() return threads(pid) == 0 end)
    assert.equal(before, descriptors(pid))
    assert.equal(11, stored())
  end)
end)

describe("the end of a worker #nginx", function()
  local hold = "return outcome(upload { reader = held_reader() })"

  after_each(stop)

  local function go() files.write(web.prefix .. "/go", "") end

  local function assert_finished(call, all)
    local status, body = call:finish()
    assert.equal(200, status, body)
    assert.equal(2 * size, cjson.decode(body).media.size)
    assert.equal(all or 1, stored())
  end

  it("by reload comes after its upload", function()
    start()
    local old = worker()
    local call = background(hold)
    await_begun()
    web:signal "reload"
    assert.same({ old }, (select(3, web:pids())))
    assert.equal(size, run("return outcome(upload {})").media.size) -- by the new one
    assert.is_false(call:done())
    go()
    assert_finished(call, 2)
    web:await("the old worker's end", function() return #select(3, web:pids()) == 0 end)
  end)

  it("by quit comes after its upload", function()
    start()
    local call = background(hold)
    await_begun()
    web:signal "quit"
    web:await("the worker's leave", function() return #select(3, web:pids()) == 1 end)
    assert.is_false(call:done())
    go()
    assert_finished(call)
    web:await("nginx's end", function() return web:ended() end)
    assert.equal("0\n", files.read(web.prefix .. "/status"))
  end)

  it("by quit waits no longer than worker_shutdown_timeout", function()
    start { main = "worker_shutdown_timeout 200ms;" }
    box:fault { delayAfterBodyMs = 60000 }
    local call = background "return outcome(upload {})"
    await_stored(1)
    web:signal "quit"
    web:await("nginx's end", function() return web:ended() end)
    call:finish()
    assert.equal("0\n", files.read(web.prefix .. "/status"))
  end)

  it("by stop waits for none of twenty uploads", function()
    start()
    box:fault { delayAfterBodyMs = 60000, times = 10 }
    local calls = {}
    for i = 1, 20 do
      calls[i] = background(i <= 10 and "return outcome(upload {})" or "return outcome(upload { reader = held_reader() })")
      if i == 10 then await_stored(10) end
    end
    await_begun(20)
    local before = socket.gettime()
    web:signal "stop"
    web:await("nginx's end", function() return web:ended() end)
    assert.is_true(socket.gettime() - before < 5)
    assert.equal("0\n", files.read(web.prefix .. "/status"))
    for _, call in ipairs(calls) do assert.is_nil((call:finish())) end
  end)

  it("by SIGKILL leaves no file behind", function()
    local folder = files.shell "mktemp -d"
    start { env = { TMPDIR = folder } }
    web.expect_alerts = "exited on signal 9"
    box:fault { delayAfterBodyMs = 60000, times = 5 }
    local calls = {}
    for i = 1, 5 do calls[i] = background "return outcome(upload {})" end
    await_stored(5)
    assert.equal("", files.shell("ls -A " .. folder))
    local old = worker()
    -- The private socket is there, without a name.
    local socket_of_ours = ("grep -F %s/loomta- /proc/%d/net/unix"):format(folder, old)
    assert.is_not.equal("", files.shell(socket_of_ours))
    files.shell("kill -KILL " .. old)
    for _, call in ipairs(calls) do assert.is_nil((call:finish())) end
    web:await("the next worker", function() return worker() and worker() ~= old end)
    assert.equal("", files.shell("ls -A " .. folder))
    assert.equal("", files.shell("grep -F " .. folder .. "/loomta- /proc/self/net/unix"))
    assert.equal(size, run("return outcome(upload {})").media.size)
    assert.equal("", files.shell("ls -A " .. folder))
    files.shell("rm -r " .. folder)
  end)
end)

describe("where nginx gives no connection to wait on #nginx", function()
  after_each(stop)

  it("an upload sleeps and looks, and all that it promises holds", function()
    -- As if there were no /proc, or no folder to make a socket in.
    start { init = [[
      asked = 0
      debug.getregistry()["loomta.job"].__index.await = function() asked = asked + 1 end
    ]] }
    box:fault { status = 503, retryAfter = "0" }
    local result = run [[
      local result = outcome(upload {})
      result.reader = outcome(upload { reader = coroutine.wrap(function() for _ = 1, 5 do coroutine.yield(bytes) end end) })
      local job = assert(loomta.start(slow))
      result.late = outcome(job:wait(20)).err.code
      job:cancel()
      result.canceled = outcome(job:wait()).err.code
      result.asked = asked > 0
      return result
    ]]
    assert.equal(size, result.media.size)
    assert.equal(2, result.info.attempts)
    assert.equal(5 * size, result.reader.media.size)
    assert.same({ "timeout", "canceled", true }, { result.late, result.canceled, result.asked })
    assert.equal(2, stored())
  end)

  it("300 uploads end well on 256 worker_connections", function()
    start()
    web.expect_alerts = "256 worker_connections are not enough"
    local result = run [[
      local threads, good = {}, 0
      for i = 1, 300 do threads[i] = ngx.thread.spawn(upload, {}) end
      for i = 1, 300 do good = good + (select(2, ngx.thread.wait(threads[i])) and 1 or 0) end
      return { good }
    ]]
    assert.same({ 300 }, result)
    assert.equal(300, stored())
    assert.truthy(web:log():find(web.expect_alerts))
    assert.same({ 200, "pong\n" }, { web:get "/ping" })
  end)
end)

describe("secrets #nginx", function()
  local pair, secure
  setup(function()
    pair = tls.make()
    secure = sandbox.start { tls = { cert = pair.cert, key = pair.key }, args = { "--key", "loomta_sk_quite_secret" } }
  end)
  teardown(function()
    secure:stop()
    pair.remove()
  end)
  after_each(stop)

  it("go to an HTTPS server, and into no log at any level", function()
    start {
      main = "error_log debug.log debug;",
      env = { LOOMTA_API_URL = secure.url, LOOMTA_API_KEY = secure.key },
      init = ("client = assert(loomta.new { caFile = %q })"):format(pair.cert),
    }
    local result = run [[
      local media, err = client:upload { data = bytes, mimeType = "video/mp4" }
      local _, refused = loomta.upload { data = bytes, mimeType = "video/mp4" } -- knows no such authority
      local _, wrong = client:upload { data = bytes, mimeType = "video/mp4", apiKey = "loomta_sk_other_secret" }
      for _, value in ipairs { client, refused, wrong } do ngx.log(ngx.ERR, tostring(value), " ", cjson.encode(wrong)) end
      return { size = media and media.size or tostring(err), refused = refused.code, wrong = wrong.kind }
    ]]
    assert.same({ size = size, refused = "tls_failed", wrong = "auth" }, result)
    local log = web:log() .. files.read(web.prefix .. "/debug.log")
    assert.truthy(log:find("[error]", 1, true))
    if files.shell 'PATH="$PATH:/usr/sbin" nginx -V 2>&1':find("--with-debug", 1, true) then
      assert.truthy(log:find("[debug]", 1, true))
    end
    for _, key in ipairs { secure.key, "loomta_sk_other_secret" } do assert.is_nil(log:find(key, 1, true)) end
  end)
end)
