-- loomta-upload login, logout and status: what they print, where, and how they end.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local cli = require "spec.support.cli"
local files = require "spec.support.files"
local sandbox = require "spec.support.sandbox"

local key = "loomta_sk_never_to_be_seen"

local box, home, path

local function options(more)
  local env = { HOME = home, LOOMTA_API_URL = box.url, LOOMTA_API_KEY = false, CI = false, NO_COLOR = false }
  for name, value in pairs(more or {}) do env[name] = value end
  return { env = env }
end

local function checked(run)
  for _, text in ipairs { run.out, run.err } do
    assert.is_nil(text:find(key, 1, true), "the key is in: " .. text)
    assert.is_nil(text:find("traceback", 1, true), text)
    assert.is_nil(text:find "[^\n -~\128-\255]", text)
  end
  return run
end

local function run(words, more) return checked(cli.run(words, options(more))) end

local function has(text, part) assert.truthy(text:find(part, 1, true), ("'%s' is not in: %s"):format(part, text)) end

local function hasnt(text, part) assert.is_nil(text:find(part, 1, true), ("'%s' is in: %s"):format(part, text)) end

--- Starts a login and gives the code that it shows.
local function begin(more)
  local running = cli.start({ "login" }, options(more))
  local code
  cli.eventually(function()
    code = running:said():match "confirm the code (%S+)\n"
    return code
  end, "no code was shown")
  return running, code
end

local function credentials(text)
  files.shell(("mkdir -p -m 700 %s/.loomta"):format(home))
  files.write(path, text or cjson.encode { apiKey = key, apiUrl = box.url })
  files.shell("chmod 600 " .. path)
end

local function exists(name) return files.shell(("ls -d %s 2>/dev/null"):format(name)) ~= "" end

setup(function() box = sandbox.start { args = { "--key", key } } end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  box:settings { deviceInterval = 0 }
  home = files.shell "mktemp -d"
  path = home .. "/.loomta/credentials.json"
end)
after_each(function()
  cli.killAll()
  files.shell("rm -rf " .. home)
end)

describe("loomta-upload login", function()
  it("shows address and code, waits, and stores the key", function()
    local running, code = begin()
    has(running:said(), "open " .. box.url .. "/sandbox/device?user_code=" .. code .. "\n")
    assert.is_false(exists(path))
    box:approve(code)
    local ended = checked(running:wait())
    assert.equal(0, ended.status)
    assert.equal("", ended.out)
    has(ended.err, "loomta-upload: logged in; the key is in " .. path .. "\n")
    hasnt(ended.err, "LOOMTA_API_KEY")
    assert.equal(key, cjson.decode(files.read(path)).apiKey)
    assert.equal(0, run({ "status" }).status)
    local uploaded = run { "spec/fixtures/clip.mp4" }
    assert.equal(0, uploaded.status)
  end)

  it("says that a key in the environment goes before it", function()
    local running, code = begin { LOOMTA_API_KEY = "loomta_sk_of_before" }
    box:approve(code)
    local ended = checked(running:wait())
    assert.equal(0, ended.status)
    has(ended.err, "LOOMTA_API_KEY is set, and goes before it")
    hasnt(ended.err, "loomta_sk_of_before")
  end)

  it("ends with 1 when it is refused, or the code is too old", function()
    local running, code = begin()
    box:deny(code)
    local ended = checked(running:wait())
    assert.equal(1, ended.status)
    has(ended.err, "loomta-upload: access_denied: ")
    assert.is_false(exists(path))

    box:settings { deviceInterval = 5, deviceExpiresIn = 1 }
    ended = run { "login" }
    assert.equal(1, ended.status)
    has(ended.err, "expired_token: ")
    has(ended.err, "log in again")
  end)

  it("ends with 5 when there is no server", function()
    local ended = run({ "login" }, { LOOMTA_API_URL = "http://127.0.0.1:1" })
    assert.equal(5, ended.status)
    has(ended.err, "connect_failed")
    hasnt(ended.err, "confirm the code")
  end)

  it("ends with 1 where no file can be written, before anybody is asked", function()
    for _, odd in ipairs { false, "", home .. "/nowhere" } do
      local ended = run({ "login" }, { HOME = odd })
      assert.equal(1, ended.status)
      has(ended.err, "credentials_failed")
    end
    assert.same({}, (box:requests()))
  end)

  it("ends by a signal", function()
    box:settings { deviceInterval = 300 }
    local running = begin()
    local pid = files.read(running.folder .. "/pid"):match "%d+"
    files.shell("kill -INT " .. pid)
    local ended = running:wait()
    assert.is_true(ended.status ~= 0)
    assert.is_false(exists(path))
  end)

  it("shows nothing that a terminal would obey", function()
    box:fault {
      path = "/auth/device/start",
      body = cjson.encode {
        device_code = "d", user_code = "a\27[2J\nb\194\155", verification_uri_complete = "http://x/\27]0;y\7\226\128\174", interval = 9, expires_in = 1,
      },
    }
    local ended = run { "login" }
    assert.equal(1, ended.status)
    has(ended.err, [[a\x1b[2J\nb]])
    hasnt(ended.err, "\27")
    hasnt(ended.err, "\226\128\174")
    hasnt(ended.err, "\194\155")
  end)

  it("does not stumble over an answer that lacks an address", function()
    for _, uri in ipairs { cjson.null, {} } do
      box:fault {
        path = "/auth/device/start",
        body = cjson.encode { device_code = "d", user_code = "LMT-1", verification_uri = uri, interval = 9, expires_in = 1 },
      }
      local ended = run { "login" }
      assert.equal(1, ended.status)
      hasnt(ended.err, ".lua:")
    end
  end)
end)

describe("loomta-upload logout", function()
  it("removes the file, and only that", function()
    credentials()
    files.write(home .. "/.loomta/other", "mine")
    local ended = run { "logout" }
    assert.equal(0, ended.status)
    assert.equal("", ended.out)
    assert.equal("loomta-upload: removed " .. path .. "\n", ended.err)
    assert.is_false(exists(path))
    assert.equal("mine", files.read(home .. "/.loomta/other"))
    assert.same({}, (box:requests()))
    assert.equal(3, run({ "status" }).status)
  end)

  it("has nothing to do twice, nor without a home", function()
    for _, odd in ipairs { home, false, "" } do
      local ended = run({ "logout" }, { HOME = odd })
      assert.equal(0, ended.status)
      assert.equal("loomta-upload: there is no key to remove\n", ended.err)
    end
  end)

  it("says what stays", function()
    credentials "not even JSON"
    local ended = run({ "logout" }, { LOOMTA_API_KEY = key })
    assert.equal(0, ended.status)
    has(ended.err, "removed " .. path)
    has(ended.err, "LOOMTA_API_KEY is still set")
  end)

  it("ends with 1 where it cannot", function()
    files.shell(("mkdir -p %s/full"):format(path))
    local ended = run { "logout" }
    assert.equal(1, ended.status)
    has(ended.err, "credentials_failed")
    assert.is_true(exists(path .. "/full"))
  end)
end)

describe("loomta-upload status", function()
  it("says which key and server are used, and what can be posted to", function()
    credentials()
    local ended = run({ "status" }, { LOOMTA_API_URL = false })
    assert.equal(0, ended.status)
    assert.equal("", ended.err)
    assert.same({
      "server     " .. box.url, "key        " .. path .. ", accepted", "platform   tiktok @sandbox", "platform   instagram Sandbox Instagram",
    }, cli.lines(ended.out))
    ended = run({ "status" }, { LOOMTA_API_KEY = key })
    assert.equal(0, ended.status)
    has(ended.out, "key        LOOMTA_API_KEY, accepted\n")
  end)

  it("says which platforms cannot be posted to", function()
    box:settings { platforms = { tiktok = { disabled = true }, instagram = { refreshNeeded = true } } }
    local ended = run({ "status" }, { LOOMTA_API_KEY = key })
    has(ended.out, "tiktok @sandbox, disabled\n")
    has(ended.out, "instagram Sandbox Instagram, to be connected anew\n")
  end)

  it("ends with 3 without a key, or with one that is refused", function()
    local ended = run { "status" }
    assert.equal(3, ended.status)
    assert.equal("", ended.out)
    has(ended.err, "missing_api_key")
    has(ended.err, "loomta-upload login")
    assert.same({}, (box:requests()))
    ended = run({ "status" }, { LOOMTA_API_KEY = "loomta_sk_wrong" })
    assert.equal(3, ended.status)
    assert.equal("", ended.out)
    has(ended.err, "invalid_api_key")
    hasnt(ended.err, "loomta_sk_wrong")
    credentials()
    files.shell("chmod 644 " .. path)
    ended = run { "status" }
    assert.equal(3, ended.status)
    has(ended.err, "chmod 600")
  end)

  it("ends with 5 when the server may come back, with 1 otherwise", function()
    for _, case in ipairs { { { status = 503, retryAfter = "3600" }, 5 }, { { status = 400, code = "odd" }, 1 }, { { response = "html" }, 1 } } do
      box:fault(case[1])
      local ended = run({ "status" }, { LOOMTA_API_KEY = key })
      assert.equal(case[2], ended.status, ended.err)
      assert.equal("", ended.out)
    end
  end)

  it("does not stumble over what no server should list", function()
    box:fault {
      body = '{"platforms":[null,7,"x",{},{"provider":"a\\u001b[2J","displayHandle":7,"disabled":"no"},{"provider":null,"displayName":"\\u202e"}]}',
    }
    local ended = run({ "status" }, { LOOMTA_API_KEY = key })
    hasnt(ended.err, ".lua:")
    assert.equal(0, ended.status)
    hasnt(ended.out, "\27")
    hasnt(ended.out, "\226\128\174")
  end)
end)

describe("loomta-upload", function()
  local commands = { "login", "logout", "status" }

  it("takes no more words after a command", function()
    credentials()
    box:settings { deviceInterval = 5, deviceExpiresIn = 1 } -- a login that begins all the same ends at once
    for _, command in ipairs(commands) do
      for _, word in ipairs { "--json", "spec/fixtures/clip.mp4", "" } do
        local ended = run { command, word }
        assert.equal(2, ended.status)
        assert.equal("", ended.out)
        has(ended.err, ("try loomta-upload %s --help"):format(command))
        assert.equal(1, #cli.lines(ended.err))
      end
    end
    assert.same({}, (box:requests()))
    assert.is_true(exists(path))
  end)

  it("helps with each command", function()
    credentials()
    box:settings { deviceInterval = 5, deviceExpiresIn = 1 }
    for _, command in ipairs(commands) do
      local ended = run { command, "--help" }
      assert.equal(0, ended.status)
      assert.equal("", ended.err)
      has(ended.out, "Usage: loomta-upload " .. command)
    end
    assert.is_true(exists(path))
    local all = run({ "--help" }).out
    for _, command in ipairs(commands) do has(all, command) end
  end)

  it("uploads files that are called like a command", function()
    box:settings { deviceInterval = 5, deviceExpiresIn = 1 }
    local folder = files.shell "mktemp -d"
    finally(function() files.shell("rm -rf " .. folder) end)
    local here = files.shell "pwd"
    for _, command in ipairs(commands) do
      files.write(folder .. "/" .. command, files.read "spec/fixtures/clip.mp4")
      -- The path, and not the word, decides.
      local relative = files.shell(("realpath --relative-to=%s %s/%s"):format(here, folder, command))
      local ended = run({ relative }, { LOOMTA_API_KEY = key })
      assert.equal(0, ended.status, ended.err)
      assert.equal(command, cjson.decode(ended.out).originalFileName)
    end
    -- After an option, or after --, it is a file like any other: one that is not here.
    for _, words in ipairs { { "--", "login" }, { "--quiet", "login" }, { "Login" } } do
      local ended = run(words, { LOOMTA_API_KEY = key })
      assert.equal(4, ended.status, ended.err)
      hasnt(ended.err, "confirm the code")
    end
  end)

  it("says how to log in where there is no key", function()
    local ended = run { "spec/fixtures/clip.mp4" }
    assert.equal(3, ended.status)
    has(ended.err, "loomta-upload login")
  end)
end)
