-- Logging in by a second device: the whole dance of RFC 8628, and what becomes of the key. What writes a file runs in a process of its
-- own, with a home of its own.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local shell, quote = files.shell, lua.quote

local key = "loomta_sk_spec_login_7d1f"
local token_path, start_path = "/auth/device/token", "/auth/device/start"
local patience_ms = 20000
local yields_anywhere = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

local box, client, home

local function holds(value, text)
  if type(value) == "string" then return value:find(text, 1, true) ~= nil end
  if type(value) ~= "table" then return false end
  for name, item in pairs(value) do
    if holds(name, text) or holds(item, text) then return true end
  end
  return false
end

local function polls(server)
  local count = 0
  for _, request in ipairs(((server or box):requests())) do
    if request.path == token_path then count = count + 1 end
  end
  return count
end

--- Logs in without a file, on the client of this process.
local function given(on_code, more)
  local all = { save = false, onCode = on_code or function() end }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

local function approve(code) box:approve(code) end

--- The server's answer to the start, with these members.
local function started(members)
  box:fault { path = start_path, body = cjson.encode(members) }
end

-- What takes seconds, each with a server of its own: begun before all else, and looked at when all else is done.
local slow = { runs = {} }
local slow_cases = {
  { title = "asks a second later where the server says so", settings = { deviceInterval = 1 }, polls = 1, least = 1 },
  { title = "goes on 5 s after having been slowed down", settings = { deviceSlowDowns = 1 }, polls = 2, least = 5 },
  { title = "outlives a reset", fault = { disconnect = "reset", at = "response", store = false }, polls = 2 },
  { title = "outlives a connection that is closed", fault = { disconnect = "close", at = "headers" }, polls = 2 },
  { title = "outlives silence", fault = { delayAfterBodyMs = 60000, store = false }, polls = 2, more = { idleTimeoutMs = 300 } },
}
for _, status in ipairs { 408, 429, 500, 502, 503 } do
  table.insert(slow_cases, { title = "outlives the status " .. status, fault = { status = status }, polls = 2 })
end
local lost = { title = "whose answer with the key was lost", fault = { disconnect = "close", at = "response" }, polls = 2 }

function slow.begin(case)
  local server = sandbox.start { args = { "--key", key } }
  server:settings { deviceInterval = 0 }
  server:settings(case.settings or {})
  if case.fault then
    case.fault.path = token_path
    server:fault(case.fault)
  end
  local run = { box = server, began = socket.gettime() }
  local more = { baseUrl = server.url, maxRetries = 0, onDone = function() run.took = socket.gettime() - run.began end }
  for name, value in pairs(case.more or {}) do more[name] = value end
  run.job = assert(slow.client:start("login", given(function(code) server:approve(code) end, more)))
  slow.runs[case.title] = run
end

setup(function()
  box = sandbox.start { args = { "--key", key } }
  slow.client = assert(loomta.new {})
  for _, case in ipairs(slow_cases) do slow.begin(case) end
  slow.begin(lost)
end)
teardown(function()
  slow.client:close()
  for _, run in pairs(slow.runs) do run.box:stop() end
  box:stop()
end)
before_each(function()
  slow.client:poll()
  box:reset()
  box:settings { deviceInterval = 0 }
  client = assert(loomta.new { baseUrl = box.url, apiKey = "loomta_sk_of_before" })
  home = shell "mktemp -d"
end)
after_each(function()
  client:close()
  shell("chmod -R u+rwx " .. quote(home) .. "; rm -rf " .. quote(home))
end)

describe("login", function()
  it("shows the code, waits for the user, and gives the key once", function()
    local shown
    local job = assert(client:start("login", given(function(...) shown = { ... } end)))
    eventually(function()
      job:done()
      return polls() >= 3
    end)
    assert.is_false(job:done())
    assert.equal(3, #shown)
    local code, url, answer = shown[1], shown[2], shown[3]
    assert.truthy(code:find "^LMT%-%w%w%w%w%-%w%w%w%w$")
    assert.equal(box.url .. "/sandbox/device?user_code=" .. code, url)
    assert.same({ code, 600 }, { answer.user_code, answer.expires_in })
    box:approve(code)
    local done, err, info = job:wait(patience_ms)
    assert.is_nil(err)
    assert.same({ apiUrl = box.url, apiKey = key }, done)
    assert.equal(200, info.status)
    assert.is_false(holds(info, key))
    assert.is_nil(tostring(job):find(key, 1, true))
    local after = polls()
    assert.equal(done, (job:wait()))
    assert.equal(after, polls())
  end)

  it("asks as the API documents it, without a key", function()
    loomta.check(client:login(given(approve)))
    local list = box:requests()
    assert.same({ start_path, token_path }, { list[1].path, list[2].path })
    for _, request in ipairs(list) do
      assert.equal("POST", request.method)
      assert.is_nil(request.headers.authorization)
      assert.equal("application/json", request.headers["content-type"])
    end
    assert.equal(2, #list)
  end)

  it("takes a function, and says so before anything is sent", function()
    for _, wrong in ipairs { { onCode = "print" }, { onCode = {} }, {}, { onCode = print, save = "no" } } do
      local done, err, info = client:login(wrong)
      assert.is_nil(done)
      assert.same({ "invalid_option", "input", 0 }, { err.code, err.kind, info.attempts })
    end
    assert.same({}, (box:requests()))
  end)

  it("ends when the user refuses", function()
    local done, err = client:login(given(function(code) box:deny(code) end))
    assert.is_nil(done)
    assert.same({ "access_denied", "api", 400, false, false }, { err.code, err.kind, err.status, err.retryable, err.possiblyStored })
    assert.truthy(err.message:find("refused", 1, true))
    assert.equal(1, polls())
  end)

  it("ends when the server says that the code is too old", function()
    started { device_code = "of-yesterday", user_code = "LMT-1", verification_uri = "http://x", interval = 0, expires_in = 600 }
    local done, err = client:login(given())
    assert.is_nil(done)
    assert.same({ "expired_token", 400 }, { err.code, err.status })
    assert.truthy(err.message:find("log in again", 1, true))
    assert.equal(1, polls())
  end)

  it("ends by itself when the next question would come too late", function()
    for _, times in ipairs { { 5, 3 }, { 1, 0 }, { 0.5, 0.25 } } do
      started { device_code = "d", user_code = "LMT-1", verification_uri = "http://x", interval = times[1], expires_in = times[2] }
      local done, err = client:login(given())
      assert.is_nil(done)
      assert.same({ "expired_token", "timeout", false }, { err.code, err.kind, err.possiblyStored })
    end
    assert.equal(0, polls())
  end)

  it("takes the usual times where the server says none that can be used", function()
    for _, interval in ipairs { cjson.null, -1, "1", {}, true } do
      started { device_code = "d", user_code = "LMT-1", verification_uri = "http://x", interval = interval, expires_in = interval }
      local began = socket.gettime()
      local done, err = client:login(given(nil, { timeoutMs = 4900 })) -- 5 s would be too long
      assert.is_nil(done)
      assert.equal("timeout", err.code)
      assert.is_true(socket.gettime() - began < 4)
    end
    assert.equal(0, polls())
  end)

  it("asks 5 s later from then on when it is told to slow down", function()
    -- Within 3 s there would be time for many more questions, but not for one after 5 s; so it ends at once.
    box:settings { deviceSlowDowns = 1 }
    local began = socket.gettime()
    local done, err = client:login(given(nil, { timeoutMs = 3000 }))
    assert.is_nil(done)
    assert.same({ "timeout", "timeout" }, { err.code, err.kind })
    assert.is_true(socket.gettime() - began < 2.5)
    assert.equal(1, polls())

    box:settings { deviceSlowDowns = 1, deviceExpiresIn = 4 } -- nor does the code live so long
    done, err = client:login(given())
    assert.is_nil(done)
    assert.equal("expired_token", err.code)
    assert.equal(2, polls())
  end)

  it("ends with other errors of the server", function()
    for _, case in ipairs {
      { { status = 400, code = "invalid_client" }, "invalid_client", "api" }, { { status = 401 }, "sandbox_401", "auth" },
      { { response = "html" }, "invalid_response", "protocol" }, { { body = '{"status":"approved"}' }, "invalid_response", "protocol" },
      { { body = '{"status":"approved","api_key":""}' }, "invalid_response", "protocol" },
      { { body = '{"status":"approved","api_key":17}' }, "invalid_response", "protocol" },
    } do
      case[1].path = token_path
      box:fault(case[1])
      local done, err = client:login(given())
      assert.is_nil(done)
      assert.same({ case[2], case[3] }, { err.code, err.kind })
      assert.equal(0, #box:faults())
    end
  end)

  it("does not begin when it cannot", function()
    for _, case in ipairs {
      { { status = 404, code = "not_found" }, "not_found" }, { { response = "empty" }, "invalid_response" }, { { body = "{}" }, "invalid_response" },
      { { body = '{"device_code":"d"}' }, "invalid_response" }, { { body = '{"device_code":"","user_code":"u"}' }, "invalid_response" },
    } do
      case[1].path = start_path
      box:fault(case[1])
      local called = false
      local done, err = client:login(given(function() called = true end))
      assert.is_nil(done)
      assert.equal(case[2], err.code)
      assert.is_false(called)
    end
    assert.equal(0, polls())
  end)

  it("says the plain address where there is no complete one", function()
    started { device_code = "d", user_code = "LMT-1", verification_uri = "http://plain", interval = 0 }
    local url
    client:login(given(function(_, address) url = address end))
    assert.equal("http://plain", url)
  end)

  it("refuses a key that nobody could send", function()
    for _, odd in ipairs { "two words", "line\nbreak", "umläut" } do
      box:fault { path = token_path, body = cjson.encode { status = "approved", api_key = odd } }
      local done, err = client:login(given())
      assert.is_nil(done, odd)
      assert.equal("invalid_response", err.code)
      assert.is_false(holds({ err, tostring(err) }, odd))
    end
  end)

  it("ends within timeoutMs, over all of it", function()
    local began = socket.gettime()
    local done, err, info = client:login(given(nil, { timeoutMs = 300 }))
    assert.is_nil(done)
    assert.same({ "timeout", "timeout" }, { err.code, err.kind })
    assert.is_false(err.possiblyStored)
    assert.is_table(info)
    assert.is_true(socket.gettime() - began < 10)
    box:fault { path = start_path, delayAfterBodyMs = 60000 }
    done, err = client:login(given(nil, { timeoutMs = 300 }))
    assert.is_nil(done)
    assert.equal("timeout", err.kind)
  end)

  describe("with an onCode that", function()
    it("raises: what it raised is raised, and nobody asks on", function()
      assert.has_error(function() client:login(given(function() error("no browser", 0) end)) end, "no browser")
      local job = client:start("login", given(function() error("no browser", 0) end))
      assert.has_error(function() job:wait(patience_ms) end, "no browser")
      local done, err = job:wait(patience_ms)
      assert.is_nil(done)
      assert.equal("canceled", err.code)
      assert.is_true(job:done())
      assert.equal(0, polls())
      assert.is_table(loomta.check(client:login(given(approve)))) -- the client is as good as before
    end)

    it("raises a table: it is raised as it is", function()
      local mark = {}
      local ok, why = pcall(client.login, client, given(function() error(mark) end))
      assert.is_false(ok)
      assert.equal(mark, why)
    end)

    --- The coroutine yields the code from within onCode, and gives the key when it is resumed.
    local function assert_yields_code(thread)
      local ok, code = coroutine.resume(thread)
      assert.is_true(ok, tostring(code))
      assert.truthy(tostring(code):find "^LMT%-", tostring(code))
      local done
      ok, done = coroutine.resume(thread)
      assert.is_true(ok, tostring(done))
      assert.equal(key, done.apiKey)
    end

    it("yields", function()
      if not yields_anywhere then return end -- PUC Lua 5.1 cannot yield there
      local thread = coroutine.create(function()
        return client:login(given(function(code)
          coroutine.yield(code)
          box:approve(code)
        end, { timeoutMs = 10000 }))
      end)
      assert_yields_code(thread)
    end)

    it("yields, of a job", function()
      if not yields_anywhere then return end
      local job = client:start("login", given(function(code)
        coroutine.yield(code)
        box:approve(code)
      end, { timeoutMs = 10000 }))
      local thread = coroutine.create(function() return job:wait(patience_ms) end)
      assert_yields_code(thread)
    end)

    it("calls the same client", function()
      local folder
      local done = loomta.check(client:login(given(function(code)
        folder = loomta.check(client:createMediaFolder { name = "a", apiKey = key })
        box:approve(code)
      end)))
      assert.equal("a", folder.name)
      assert.equal(key, done.apiKey)
    end)

    it("cancels its job", function()
      local job
      job = client:start("login", given(function() job:cancel() end))
      local done, err = job:wait(patience_ms)
      assert.is_nil(done)
      assert.equal("canceled", err.code)
      assert.equal(0, polls())
    end)

    it("closes the client", function()
      local own = loomta.new { baseUrl = box.url }
      local done, err = own:login(given(function() own:close() end))
      assert.is_nil(done)
      assert.equal("canceled", err.code)
    end)
  end)

  describe("as a job", function()
    it("ends by poll alone, with onDone and without", function()
      for _, with in ipairs { true, false } do
        local seen
        local job = client:start("login", given(approve, { onDone = with and function(done) seen = done end or nil }))
        eventually(function() return client:poll(50) == 0 end)
        assert.is_true(job:done())
        local done = loomta.check(job:wait())
        assert.equal(key, done.apiKey)
        assert.equal(with and done or nil, seen)
      end
    end)

    it("is canceled while it waits", function()
      box:settings { deviceInterval = 300 }
      local shown
      local job = client:start("login", given(function(code) shown = code end))
      eventually(function()
        job:done()
        return shown
      end)
      local began = socket.gettime()
      job:cancel()
      local done, err = job:wait(patience_ms)
      assert.is_nil(done)
      assert.same({ "canceled", "canceled", false }, { err.code, err.kind, err.possiblyStored })
      assert.is_true(socket.gettime() - began < 10)
      assert.equal(0, polls())
    end)

    it("is canceled with its client", function()
      box:settings { deviceInterval = 300 }
      local own = loomta.new { baseUrl = box.url }
      local shown
      local job = own:start("login", given(function() shown = true end))
      eventually(function()
        own:poll(10)
        job:done()
        return shown
      end)
      own:close()
      local done, err = job:wait(patience_ms)
      assert.is_nil(done)
      assert.equal("canceled", err.code)
    end)

    it("goes beside others of its kind", function()
      local jobs = {}
      for i = 1, 5 do jobs[i] = client:start("login", given(approve)) end
      for _, job in ipairs(jobs) do assert.equal(key, loomta.check(job:wait(patience_ms)).apiKey) end
    end)

    it("still runs when somebody looks", function()
      box:settings { deviceInterval = 300 }
      local job = client:start("login", given())
      eventually(function()
        job:done()
        return box:lastRequest() ~= nil
      end)
      local done, err = job:wait(1)
      assert.is_nil(done)
      assert.equal("timeout", err.code)
      assert.is_false(job:done())
      assert.equal("loomta.Job (running)", tostring(job))
      job:cancel()
      job:wait()
    end)
  end)
end)

describe("the credentials file", function()
  local path

  before_each(function() path = home .. "/.loomta/credentials.json" end)

  local function mode(of) return shell("stat -c %a " .. quote(of)) end

  --- What a login says that the user confirms at once, in a process of its own.
  local program = [[
    local loomta, http = require "loomta", require "socket.http"
    local url = os.getenv "LOOMTA_API_URL"
    local done, err, info = loomta.login {
      onCode = function(code) assert(http.request(url .. "/sandbox/device/approve", ('{"user_code":"%s"}'):format(code))) end,
    }
    local function dump(value, depth)
      if type(value) ~= "table" or depth > 9 then return tostring(value) end
      local all = { tostring(value) }
      for name, item in pairs(value) do all[#all + 1] = dump(name, depth + 1) .. "=" .. dump(item, depth + 1) end
      return table.concat(all, ",")
    end
    print(done and "path " .. tostring(done.path) or "failed " .. err.code)
    print(tostring(err), dump({ done, err, info }, 1))
  ]]

  local function login(options, code)
    options = options or {}
    local env = { HOME = home, LOOMTA_API_KEY = false, LOOMTA_API_URL = box.url }
    for name, value in pairs(options.env or {}) do env[name] = value end
    local output, ok = lua.run(code or program, { env = env, prefix = options.prefix })
    assert.is_true(ok, output)
    assert.is_nil(output:find(key, 1, true), "the key is in: " .. output)
    return output:match "^[^\n]*", output
  end

  local function assert_whole()
    assert.equal(('{"apiKey":"%s","apiUrl":"%s"}\n'):format(key, box.url), files.read(path))
    assert.same({ "600", "700" }, { mode(path), mode(home .. "/.loomta") })
    assert.equal("credentials.json", shell("ls -A " .. quote(home .. "/.loomta")))
  end

  local function assert_not_asked() assert.same({}, (box:requests())) end

  it("is made with its folder, for the user alone", function()
    assert.equal("path " .. path, login())
    assert_whole()
  end)

  it("is what the next process finds, and this one, too", function()
    files.shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
    files.write(path, '{"apiKey":"wrong","apiUrl":"http://127.0.0.1:1"}')
    shell("chmod 600 " .. quote(path))
    local first = login({}, [[
      local loomta, http = require "loomta", require "socket.http"
      local url = os.getenv "LOOMTA_API_URL"
      print(select(2, loomta.listPlatforms()).code)
      loomta.check(loomta.login {
        onCode = function(code) assert(http.request(url .. "/sandbox/device/approve", ('{"user_code":"%s"}'):format(code))) end,
      })
      print(#loomta.check(loomta.listPlatforms()).platforms)
    ]])
    assert.equal("invalid_api_key", first)
    local _, output = login({ env = { LOOMTA_API_URL = false } }, [[print(#require("loomta").check(require("loomta").listPlatforms()).platforms)]])
    assert.equal("2\n", output)
  end)

  for _, umask in ipairs { "000", "022", "077", "277", "777" } do
    it("is so whatever the umask is: " .. umask, function()
      local prefix = ([[sh -c 'umask %s; exec "$@"' sh]]):format(umask)
      assert.equal("path " .. path, login { prefix = prefix })
      assert_whole()
    end)
  end

  for _, before in ipairs { "755", "777", "700", "500" } do
    it("makes a folder private that was there before: " .. before, function()
      shell(("mkdir %s/.loomta; chmod %s %s/.loomta"):format(quote(home), before, quote(home)))
      local first = login()
      if first == "path " .. path then
        assert.equal(before == "500" and "500" or "700", mode(home .. "/.loomta"))
        assert.equal("600", mode(path))
      else -- who is not root cannot write into it, and is told so before a key is made
        assert.same({ "500", "failed credentials_failed" }, { before, first })
        assert_not_asked()
      end
    end)
  end

  it("replaces what was there, and leaves its neighbours alone", function()
    shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
    files.write(path, ("x"):rep(100000))
    shell("chmod 644 " .. quote(path))
    files.write(home .. "/.loomta/other", "o")
    assert.equal("path " .. path, login())
    assert.equal("600", mode(path))
    assert.equal(key, cjson.decode(files.read(path)).apiKey)
    assert.equal("credentials.json other", (shell("ls -A " .. quote(home .. "/.loomta")):gsub("%s+", " ")))
  end)

  it("replaces a link, not what it points to", function()
    shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
    local target = files.write(home .. "/target", "mine")
    shell(("ln -s %s %s"):format(quote(target), quote(path)))
    login()
    assert.equal("mine", files.read(target))
    assert_whole()
  end)

  it("is not written with save = false", function()
    local first = login({}, (program:gsub("onCode =", "save = false, onCode =", 1):gsub("done%.path", "#done.apiKey"):gsub("print%(tostring%(err%).*", "")))
    assert.equal("path " .. #key, first)
    assert.equal("", shell("ls -A " .. quote(home)))
  end)

  it("is not touched when the login fails", function()
    shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
    files.write(path, "mine")
    assert.equal("failed access_denied", login({}, (program:gsub("/approve", "/deny"))))
    assert.equal("mine", files.read(path))
    assert.equal("credentials.json", shell("ls -A " .. quote(home .. "/.loomta")))
  end)

  it("has a place, or nobody is asked", function()
    for _, env in ipairs { { HOME = false }, { HOME = "" }, { HOME = home .. "/nowhere" }, { HOME = "/proc/self/fdinfo" } } do
      local first, output = login { env = env }
      assert.equal("failed credentials_failed", first, output)
    end
    assert_not_asked()
  end)

  it("needs a folder for its folder", function()
    files.write(home .. "/.loomta", "a file")
    assert.equal("failed credentials_failed", login())
    assert.equal("a file", files.read(home .. "/.loomta"))
    assert_not_asked()
  end)

  it("is no folder: that is seen before a key is made", function()
    shell(("mkdir -p -m 700 %s/full"):format(quote(path)))
    assert.equal("failed credentials_failed", login())
    assert.equal("credentials.json", shell("ls -A " .. quote(home .. "/.loomta")))
    assert_not_asked()
  end)

  describe("on a disk that takes nothing", function()
    -- Writing a byte fails then, as it does where there is no room; making an empty file does not.
    local full = [[sh -c 'trap "" 25; ulimit -f 0; exec "$@"' sh]]

    it("stays as it was, whole", function()
      shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
      files.write(path, "mine")
      local _, output = login({ prefix = full }, ([[
        local written, why = require("loomta.core").writeCredentials(%q, ("k"):rep(500))
        print(written, why)
      ]]):format(path))
      assert.truthy(output:find "^nil\t.*%w", output)
      assert.equal("mine", files.read(path))
      assert.equal("credentials.json", shell("ls -A " .. quote(home .. "/.loomta")))
    end)

    it("is told of before a key is made", function()
      local first, output = login { prefix = full }
      assert.equal("failed credentials_failed", first, output)
      assert_not_asked()
    end)
  end)

  it("is replaced in one go: whoever reads it meanwhile sees the old one or the new one", function()
    shell(("mkdir -m 700 %s/.loomta"):format(quote(home)))
    local _, output = login({}, ([[
      local core, process = require "loomta.core", require "spec.process"
      local path, texts = %q, { ("a"):rep(3000), ("b"):rep(2000) }
      assert(core.writeCredentials(path, texts[1]))
      local child = process.fork()
      if child == 0 then
        for i = 1, 200 do assert(core.writeCredentials(path, texts[i %% 2 + 1])) end
        process.exit(0)
      end
      local odd = 0
      for _ = 1, 3000 do
        local file = assert(io.open(path))
        local text = file:read "*a"
        file:close()
        if text ~= texts[1] and text ~= texts[2] then odd = odd + 1 end
      end
      print(process.wait(child), odd)
    ]]):format(path))
    assert.truthy(output:find "^0%.?0?\t0\n", output)
  end)

  it("is written by core.writeCredentials where it can be, else that says why", function()
    local core = require "loomta.core"
    for _, wrong in ipairs { "credentials.json", home .. "/" .. ("d"):rep(5000) .. "/c", home .. "/no/such/c", home .. "/" .. ("n"):rep(250), home .. "/" } do
      local written, why = core.writeCredentials(wrong, "x")
      assert.is_nil(written, wrong)
      assert.is_string(why)
    end
    assert.equal("", shell("ls -A " .. quote(home)))
    assert.is_true(core.writeCredentials(home .. "/f/c", "a\0b"))
    assert.equal("a\0b", files.read(home .. "/f/c"))
    assert.is_true(core.writeCredentials(home .. "/f/c", ""))
    assert.equal("", files.read(home .. "/f/c"))
  end)
end)

describe("login in its own time #timing", function()
  setup(function()
    eventually(function()
      slow.client:poll(50)
      for _, run in pairs(slow.runs) do
        if not run.job:done() then return false end
      end
      return true
    end)
  end)

  for _, case in ipairs(slow_cases) do
    it(case.title, function()
      local run = slow.runs[case.title]
      local done, err = run.job:wait()
      assert.is_nil(err, tostring(err))
      assert.equal(key, done.apiKey)
      assert.equal(case.polls, polls(run.box))
      assert.is_true(run.took >= (case.least or 0), run.took)
    end)
  end

  it("does not say that nobody confirmed it when the answer with the key was lost", function()
    local done, err = slow.runs[lost.title].job:wait()
    assert.is_nil(done)
    assert.equal("expired_token", err.code)
    assert.is_nil(err.message:find("was not confirmed", 1, true), err.message)
  end)
end)
