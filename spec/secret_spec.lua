-- The key goes into one header and nowhere else: not into an error, a table, an upvalue, a command line or a log.
local files = require "spec.support.files"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"

local shell = files.shell

local key = "loomta_sk_spec_7d1fdeadbeef"

local box, client

-- Where in a value, its keys and its metatables the secret stands; nil when it does not.
local function find_secret(value, secret, path, seen)
  path, seen = path or "value", seen or {}
  if type(value) == "string" then return value:find(secret, 1, true) and path or nil end
  if type(value) ~= "table" or seen[value] then return nil end
  seen[value] = true
  for name, item in pairs(value) do
    local place = path .. "." .. tostring(name)
    local found = find_secret(name, secret, place, seen) or find_secret(item, secret, place, seen)
    if found then return found end
  end
  return find_secret(getmetatable(value), secret, path .. "<metatable>", seen)
end

local function assert_clean(err, info, secret)
  secret = secret or key
  assert.is_nil(find_secret(err, secret, "err"))
  assert.is_nil(find_secret(info, secret, "info"))
  assert.is_nil(tostring(err):find(secret, 1, true))
end

-- Collects every string that can be reached from the registry and from `...`: through tables, metatables, functions'
-- upvalues and environments, userdata's values. What it returns is asked only afterwards whether the key is in it, so
-- that the search itself does not hold it.
local walker = [[
  local function walk(...)
    local strings, seen, queue = {}, {}, { debug.getregistry(), _G, ... }
    local function add(value)
      local kind = type(value)
      if kind == "string" then strings[value] = true
      elseif (kind == "table" or kind == "function" or kind == "userdata") and not seen[value] then
        seen[value] = true
        queue[#queue + 1] = value
      end
    end
    for _, value in ipairs { debug.getregistry(), _G, ... } do seen[value] = true end
    seen[strings], seen[seen], seen[queue] = true, true, true
    while #queue > 0 do
      local value = table.remove(queue)
      add(debug.getmetatable(value))
      if debug.getfenv then add(debug.getfenv(value)) end
      if type(value) == "table" then
        for name, item in next, value do add(name) add(item) end
      elseif type(value) == "function" then
        local i = 1
        while true do
          local name, item = debug.getupvalue(value, i)
          if not name then break end
          add(item)
          i = i + 1
        end
      elseif debug.getuservalue then
        for i = 1, 3 do
          local ok, item = pcall(debug.getuservalue, value, i)
          if ok then add(item) end
        end
      end
    end
    return strings
  end
  local function found(strings)
    local secret, count, total = os.getenv "SPEC_KEY", 0, 0
    for text in pairs(strings) do
      total = total + 1
      if text:find(secret, 1, true) then count = count + 1 end
    end
    assert(total > 200, "the walk reached too little: " .. total)
    return count
  end
]]

describe("the key", function()
  setup(function()
    box = sandbox.start { args = { "--key", key } }
    client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
  end)

  teardown(function()
    if client then client:close() end
    if box then box:stop() end
  end)

  before_each(function() box:reset() end)

  local function upload(given)
    given = given or {}
    given.file = "spec/fixtures/clip.mp4"
    return client:upload(given)
  end

  describe("is not in what a call returns", function()
    it("when all goes well", function()
      local media, err, info = upload()
      assert.is_nil(err)
      assert.is_nil(find_secret(media, key))
      assert_clean(nil, info)
    end)

    it("when it is refused here", function()
      for _, wrong in ipairs { key .. "\n", key .. " " .. key, " " .. key, key .. "\r\nX: y", "\0" .. key, key .. "\195\169" } do
        local _, err, info = upload { apiKey = wrong }
        assert.equal("invalid_api_key", err.code)
        assert_clean(err, info)
        local _, made = loomta.new { apiKey = wrong }
        assert.equal("invalid_api_key", made.code)
        assert_clean(made)
      end
      local _, err = upload { apiKey = { key } }
      assert_clean(err)
      _, err = upload { apikey = key }
      assert.equal("invalid_option", err.code)
      assert_clean(err)
      _, err = upload { api_token = key }
      assert_clean(err)
    end)

    it("when the server refuses it", function()
      local wrong = "loomta_sk_spec_unknown"
      local _, err, info = upload { apiKey = wrong }
      assert.equal("invalid_api_key", err.code)
      assert_clean(err, info, wrong)
    end)

    it("when the network fails", function()
      local gone = sandbox.start {}
      gone:stop()
      local _, err, info = upload { baseUrl = gone.url, maxRetries = 0 }
      assert.equal("connect_failed", err.code)
      assert.is_string(err.cause)
      assert_clean(err, info)
      for _, fault in ipairs {
        { disconnect = "reset", at = "headers" }, { disconnect = "close", at = "response" }, { delayAfterBodyMs = 60000 },
      } do
        box:fault(fault)
        _, err, info = upload { idleTimeoutMs = 300, maxRetries = 0 }
        assert.is_table(err)
        assert_clean(err, info)
      end
    end)

    it("when an option cannot be used", function()
      for _, given in ipairs { { caFile = "/no/such/file", verify = true }, { proxy = "http://127.0.0.1:1" }, { clientCert = "/no/such/file" } } do
        given.baseUrl, given.maxRetries, given.timeoutMs = box.url:gsub("^http:", "https:"), 0, 5000
        local _, err, info = upload(given)
        assert.is_table(err)
        assert_clean(err, info)
      end
    end)
  end)

  describe("that a server sends back is made unreadable", function()
    it("in the code, the message and the details of an error", function()
      for _, status in ipairs { 400, 401, 403, 500 } do
        box:fault {
          status = status, code = "no_" .. key, message = ("Bad key '%s', yes, %s%s."):format(key, key, key),
          details = { { path = { key }, message = key, [key] = { deep = { key } } } },
        }
        local _, err, info = upload()
        assert.equal(status, err.status)
        assert.equal("no_", err.code:sub(1, 3))
        assert.equal("Bad key '", err.message:sub(1, 9))
        assert.is_table(err.details[1].path)
        assert_clean(err, info)
      end
    end)

    it("in the error that onRetry sees", function()
      box:fault { status = 503, retryAfter = "0", message = "Busy with " .. key }
      local seen
      local media = upload { onRetry = function(err) seen = err end }
      assert.is_table(media)
      assert.equal("Busy with ", seen.message:sub(1, 10))
      assert_clean(seen)
    end)

    it("in an answer that cannot be read", function()
      for _, body in ipairs { key, "<html>" .. key, '{"' .. key, '{"a":' .. key, '"' .. key .. '"', "[" .. key, "{" .. key .. ":1}", '["' .. key .. '"]' } do
        box:fault { body = body, contentType = "text/" .. key }
        local _, err, info = upload()
        assert.equal("invalid_response", err.code)
        assert_clean(err, info)
      end
    end)

    it("in headers that we do not read", function()
      for _, fault in ipairs { { status = 400 }, { status = 503, retryAfter = key }, { store = true } } do
        fault.headers = { ["X-Other"] = key, ["WWW-Authenticate"] = "Bearer " .. key }
        box:fault(fault)
        local _, err, info = upload { maxRetries = 0 }
        assert.is_nil(find_secret(err, key, "err"))
        assert.is_nil(find_secret(info, key, "info"))
      end
    end)

    it("in the request id, which info carries", function()
      -- the sandbox always says its own: this server answers one request
      local server = assert(io.popen(([[perl -MIO::Socket::INET -e '$| = 1; alarm 20;
        $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; print $listener->sockport, "\n";
        $client = $listener->accept; while (<$client>) { $length = $1 if /^content-length: (\d+)/i; last if /^\r?$/ }
        read $client, $body, $length; print $client "HTTP/1.1 400 Bad\r\nX-Request-Id: id-%s\r\nContent-Length: 2\r\n\r\n{}"']]):format(key)))
      local _, err, info = upload { baseUrl = "http://127.0.0.1:" .. server:read "*l" }
      server:close()
      assert.equal("http_400", err.code)
      assert.equal("id-", info.requestId:sub(1, 3))
      assert_clean(err, info)
    end)

    it("also where JSON writes it with escapes", function()
      local odd = 'loomta_sk_spec_"7d1f"\\x'
      local other = sandbox.start { args = { "--key", odd } }
      other:fault { status = 400, code = "x", message = "Bad key " .. odd }
      local media, err, info = upload { apiKey = odd, baseUrl = other.url }
      other:stop()
      assert.is_nil(media)
      assert.equal("Bad key ", err.message:sub(1, 8))
      assert_clean(err, info, odd)
    end)
  end)

  describe("cannot be reached from Lua", function()
    local function run(code, environment)
      environment = environment or {}
      environment.SPEC_KEY, environment.SPEC_URL = key, box.url
      environment.LOOMTA_API_URL = environment.LOOMTA_API_URL or box.url
      environment.LOOMTA_API_KEY = environment.LOOMTA_API_KEY or false
      local output, ok = lua.run(walker .. code, { env = environment })
      assert.is_true(ok, output)
      return (output:gsub("%s+$", ""))
    end

    it("(but the walk finds what is there)", function()
      for _, plant in ipairs {
        "client.planted = secret", "client.planted = { { [secret] = 1 } }", "client.planted = setmetatable({}, { __index = { secret } })",
        "client.planted = function() return secret end", "getmetatable(client).planted = { a = secret .. '!' }",
        "require('loomta.options').planted = coroutine.wrap(function() return secret end) and { secret }",
      } do
        assert.equal("1", run(([[
          local loomta = require "loomta"
          local client = assert(loomta.new { apiKey = os.getenv "SPEC_KEY" })
          do local secret = os.getenv "SPEC_KEY" %s end
          print(found(walk(client)))
        ]]):format(plant)))
      end
    end)

    it("when it was given to the client", function()
      assert.equal("0 0 0 0", run [[
        local loomta = require "loomta"
        local client = assert(loomta.new { apiKey = os.getenv "SPEC_KEY" })
        local counts = { found(walk(client)) }
        assert(client:upload { file = "spec/fixtures/clip.mp4" })
        counts[2] = found(walk(client))
        local media, err = client:upload { file = "spec/fixtures/clip.mp4", folderId = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f" }
        assert(err.status == 400)
        counts[3] = found(walk(client, media, err))
        client:close()
        counts[4] = found(walk(client))
        print(table.concat(counts, " "))
      ]])
    end)

    it("when it was given to a call", function()
      assert.equal("0 0", run [[
        local loomta = require "loomta"
        local client = assert(loomta.new())
        assert(client:upload { file = "spec/fixtures/clip.mp4", apiKey = os.getenv "SPEC_KEY" })
        local counts = { found(walk(client)) }
        assert(loomta.upload { file = "spec/fixtures/clip.mp4", apiKey = os.getenv "SPEC_KEY" })
        counts[2] = found(walk(loomta))
        print(table.concat(counts, " "))
      ]])
    end)

    it("while a call runs", function()
      assert.equal("0", run [[
        local loomta = require "loomta"
        local client = assert(loomta.new { apiKey = os.getenv "SPEC_KEY" })
        local count
        assert(client:upload { file = "spec/fixtures/clip.mp4", onProgress = function() count = found(walk(client)) end })
        print(count)
      ]])
    end)

    it("when it came from the environment", function()
      assert.equal("0", run([[
        local loomta = require "loomta"
        assert(loomta.upload { file = "spec/fixtures/clip.mp4" })
        print(found(walk(loomta)))
      ]], { LOOMTA_API_KEY = key }))
    end)

    it("when it came from the credentials file", function()
      local home = shell "mktemp -d"
      shell(([[mkdir -m 700 %s/.loomta; umask 077; printf '{"apiKey":"%s"}' >%s/.loomta/credentials.json]]):format(home, key, home))
      local count = run([[
        local loomta = require "loomta"
        assert(loomta.upload { file = "spec/fixtures/clip.mp4" })
        print(found(walk(loomta)))
      ]], { HOME = home })
      shell("rm -rf " .. home)
      assert.equal("0", count)
    end)

    it("nor seen in what holds it", function()
      assert.equal("0", run [[
        local loomta = require "loomta"
        local core = require "loomta.core"
        local secret = core.secret(os.getenv "SPEC_KEY")
        assert(tostring(secret):find "hidden")
        local client = assert(loomta.new { apiKey = os.getenv "SPEC_KEY" })
        assert(tostring(client) == "loomta.Client")
        for _, try in ipairs {
          function() return secret .. "" end, function() return #secret end, function() return secret() end, function() return secret[1] end,
          function() return ("%s"):format(secret) end, function() return secret:close() end,
        } do
          local ok, value = pcall(try)
          assert(not tostring(value):find(os.getenv "SPEC_KEY", 1, true))
        end
        assert(getmetatable(secret) == false)
        print(found(walk(secret, client)))
      ]])
    end)

    it("nor seen by other processes", function()
      local output = run([[
        local loomta = require "loomta"
        local seen = {}
        assert(loomta.upload { file = "spec/fixtures/clip.mp4", apiKey = os.getenv "SPEC_KEY", onProgress = function()
          for _, name in ipairs { "cmdline", "comm" } do seen[#seen + 1] = assert(io.open("/proc/self/" .. name)):read "*a" end
        end })
        print(#seen > 0, table.concat(seen):find(os.getenv "SPEC_KEY", 1, true))
      ]])
      assert.equal("true\tnil", output)
    end)
  end)

  it("is in no other part of the request", function()
    local _, err = upload { fileName = "a.mp4", folderId = "null" }
    assert.is_nil(err)
    local status, journal = box:control("GET", "/sandbox/requests")
    assert.equal(200, status)
    assert.is_truthy(journal:find('"authorization": ?"present"')) -- which the sandbox writes for the one header that has it
    assert.is_nil(journal:find(key, 1, true))
  end)

  it("that belongs to one call is not sent with the next", function()
    local other = sandbox.start { args = { "--key", "loomta_sk_spec_other" } }
    local media, err = upload { apiKey = "loomta_sk_spec_other", baseUrl = other.url }
    assert.is_nil(err, tostring(err))
    assert.is_table(media)
    media, err = upload { baseUrl = other.url }
    assert.is_nil(media)
    assert.equal("invalid_api_key", err.code)
    other:stop()
    assert.is_table((upload()))
  end)

  -- A dump of all that the process can read of itself, as a core file would hold it. (A key that was given as a Lua string is
  -- the program's own to forget: Lua does not wipe. This one comes from the credentials file.)
  -- #plain: a sanitizer has terabytes of shadow memory.
  it("is nowhere in the process once the client is closed #plain", function()
    local pair = tls.make()
    local secure = sandbox.start { args = { "--key", key }, tls = { cert = pair.cert, key = pair.key } }
    local home = os.tmpname()
    os.remove(home)
    assert(os.execute(("mkdir -p %s/.loomta && umask 077 && printf '%%s' '{\"apiKey\":\"%s\"}' > %s/.loomta/credentials.json"):format(home, key, home)))
    for _, server in ipairs { box, secure } do
      server:fault { status = 413, early = true, path = "/large/public/v1/media", times = 0 }
    end
    local output, ok = lua.run(([[
      local loomta = require "loomta"
      local function dump(path)
        local regions = {}
        for line in io.lines "/proc/self/maps" do
          local from, to, readable, name = line:match "^(%%x+)-(%%x+) (r)%%S+ %%S+ %%S+ %%S+%%s*(.*)$"
          if readable and name ~= "[vvar]" and name ~= "[vsyscall]" then
            from, to = tonumber(from, 16), tonumber(to, 16)
            assert(to - from < 2 ^ 28, "a region too large to dump")
            regions[#regions + 1] = { from, to }
          end
        end
        local memory, out = assert(io.open("/proc/self/mem", "rb")), assert(io.open(path, "wb"))
        memory:setvbuf "no"
        for _, region in ipairs(regions) do
          memory:seek("set", region[1])
          local left = region[2] - region[1]
          while left > 0 do
            local bytes = memory:read(math.min(left, 65536))
            if not bytes then break end
            out:write(bytes)
            left = left - #bytes
          end
        end
        memory:close()
        out:close()
      end
      for _, url in ipairs { %q, %q } do
        local client = loomta.new { baseUrl = url, caFile = %q }
        for _, path in ipairs { "spec/fixtures/clip.mp4", "spec/fixtures/clip.mov", "spec/fixtures/clip.mp4" } do
          loomta.check(client:upload { file = path })
        end
        loomta.check(client:upload { data = "x", mimeType = "image/jpeg" })
        local _, err = client:upload { file = "spec/fixtures/clip.mp4", folderId = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f" }
        assert(err.status == 400)
        -- Refused before the body, so that nothing overwrites the request in the upload's buffer: blocking, and as a job.
        for _ = 1, 2 do
          local refused = { mimeType = "video/mp4", reader = function() return ("x"):rep(5000) end, baseUrl = url .. "/large" }
          for _, call in ipairs { client.upload, function(self, given) return self:start(given):wait() end } do
            local _, why = call(client, refused)
            assert(why.status == 413, tostring(why))
          end
        end
        if not opened then dump(%q) opened = true end
        client:close()
      end
      dump(%q)
    ]]):format(secure.url, box.url, pair.cert, home .. "/open", home .. "/closed"), { env = { HOME = home, LOOMTA_API_KEY = false, LOOMTA_API_URL = false } })
    local found = io.popen(("cd %s && for dump in open closed; do grep -c -a -F %s $dump; ls -l $dump | awk '{print ($5 > 1000000)}'; done"):format(home, key))
    local counts = found:read "*a"
    found:close()
    os.execute("rm -r " .. home)
    secure:stop()
    pair.remove()
    assert.is_true(ok, output)
    local while_open, size_open, when_closed, size_closed = counts:match "^(%d+)\n(%d)\n(%d+)\n(%d)\n$"
    assert.equal("11", size_open .. size_closed)
    assert.is_true(tonumber(while_open) > 0, "the dump finds nothing at all")
    assert.equal("0", when_closed)
  end)
end)
