-- Where key and host come from: each case in an interpreter of its own, with its own home and environment.
local files = require "spec.support.files"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

local shell = files.shell

local key = "loomta_sk_spec_7d1f92e7a1"
local other_key = "loomta_sk_spec_7d1f00other"
local nowhere = "http://127.0.0.1:9"

local home, box

-- Writes ~/.loomta/credentials.json, 0600 unless told otherwise.
local function credentials(text, mode)
  shell(("mkdir -p -m 700 %s/.loomta"):format(lua.quote(home)))
  local path = home .. "/.loomta/credentials.json"
  os.remove(path)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  shell(("chmod %s %s"):format(mode or "600", lua.quote(path)))
  return path
end

-- Runs code with this home and nothing of ours in its environment but what is given.
local function run(code, environment)
  local env = { HOME = home, LOOMTA_API_KEY = false, LOOMTA_API_URL = false }
  for name, value in pairs(environment or {}) do env[name] = value end
  local output, ok = lua.run(code, { env = env })
  assert.is_true(ok, output)
  return (output:gsub("%s+$", ""))
end

-- One upload with the module's own client; what came of it in one line.
local upload = [[
  local loomta = require "loomta"
  local media, err, info = loomta.upload { file = "spec/fixtures/clip.mp4" }
  if media then print("stored", info.status) else
    print(table.concat({ err.code, err.kind, err.attempts, info.attempts, err.message }, "|"))
  end
]]

-- Where a client without options would send to, and the error when that cannot be told; nothing is sent.
local find = [[
  local found, err = require("loomta.config").find(%s)
  print(found and found.baseUrl.url or err.code .. "|" .. err.message)
]]

local function assert_stored(output) assert.equal("stored\t201", output) end

local function assert_refused(output, code, kind, ...)
  local given_code, given_kind, attempts, info_attempts, message = output:match "^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$"
  assert.equal(code, given_code, output)
  assert.equal(kind, given_kind)
  assert.same({ "0", "0" }, { attempts, info_attempts })
  for _, text in ipairs { ... } do
    assert.is_truthy(message:find(text, 1, true), ("the message lacks %q: %s"):format(text, message))
  end
  assert.is_nil(output:find("loomta_sk_spec", 1, true), "the key is in: " .. output)
  assert.equal(0, select(2, box:requests()))
end

local function json(fields)
  local parts = {}
  for name, value in pairs(fields) do parts[#parts + 1] = ('"%s":"%s"'):format(name, value) end
  return "{" .. table.concat(parts, ",") .. "}"
end

describe("the configuration", function()
  setup(function() box = sandbox.start { args = { "--key", key } } end)
  teardown(function() if box then box:stop() end end)
  before_each(function()
    home = shell "mktemp -d"
    box:reset()
  end)
  after_each(function() shell("rm -rf " .. lua.quote(home)) end)

  describe("takes the key from", function()
    it("LOOMTA_API_KEY", function() assert_stored(run(upload, { LOOMTA_API_KEY = key, LOOMTA_API_URL = box.url })) end)

    it("~/.loomta/credentials.json, with the host", function()
      credentials(json { apiKey = key, apiUrl = box.url })
      assert_stored(run(upload))
    end)

    it("the credentials file, with LOOMTA_API_URL before its host", function()
      credentials(json { apiKey = key, apiUrl = nowhere })
      assert_stored(run(upload, { LOOMTA_API_URL = box.url }))
    end)

    it("the credentials file that has no host, with LOOMTA_API_URL", function()
      credentials(json { apiKey = key })
      assert_stored(run(upload, { LOOMTA_API_URL = box.url }))
    end)

    it("LOOMTA_API_KEY before the credentials file, whose host then does not count either", function()
      credentials(json { apiKey = other_key, apiUrl = nowhere })
      assert_stored(run(upload, { LOOMTA_API_KEY = key, LOOMTA_API_URL = box.url }))
      assert.equal("https://api.loomta.com", run(find:format "false", { LOOMTA_API_KEY = key }))
    end)

    it("the options before everything", function()
      credentials(json { apiKey = other_key, apiUrl = nowhere })
      assert_stored(run(([[
        local loomta = require "loomta"
        local client = assert(loomta.new { apiKey = %q, baseUrl = %q })
        local media, err, info = client:upload { file = "spec/fixtures/clip.mp4" }
        print(media and "stored" or err, info.status)
      ]]):format(key, box.url), { LOOMTA_API_KEY = other_key, LOOMTA_API_URL = nowhere }))
    end)

    it("a call's options before everything", function()
      assert_stored(run(([[
        local media, err, info = require("loomta").upload { file = "spec/fixtures/clip.mp4", apiKey = %q, baseUrl = %q }
        print(media and "stored" or err, info.status)
      ]]):format(key, box.url), { LOOMTA_API_KEY = other_key, LOOMTA_API_URL = nowhere }))
    end)

    it("the options, with the host from the environment", function()
      assert_stored(run(([[
        local media, err, info = require("loomta").upload { file = "spec/fixtures/clip.mp4", apiKey = %q }
        print(media and "stored" or err, info.status)
      ]]):format(key), { LOOMTA_API_KEY = other_key, LOOMTA_API_URL = box.url }))
    end)

    it("the environment, with the host from the options", function()
      assert_stored(run(([[
        local media, err, info = require("loomta").upload { file = "spec/fixtures/clip.mp4", baseUrl = %q }
        print(media and "stored" or err, info.status)
      ]]):format(box.url), { LOOMTA_API_KEY = key, LOOMTA_API_URL = nowhere }))
    end)
  end)

  it("does not send the file's key to a host that the options name only for their own key, nor the other way round", function()
    credentials(json { apiKey = other_key, apiUrl = nowhere })
    assert.equal("https://api.loomta.com", run(find:format "true"))
    assert.equal(nowhere, run(find:format "false"))
  end)

  it("goes to https://api.loomta.com by default", function()
    assert.equal("https://api.loomta.com", run(find:format "true"))
    assert.equal("https://api.loomta.com", run(find:format "false", { LOOMTA_API_KEY = key }))
    credentials(json { apiKey = key })
    assert.equal("https://api.loomta.com", run(find:format "false"))
    assert.equal("https://elsewhere.example/base", run(find:format "false", { LOOMTA_API_URL = "https://elsewhere.example/base/" }))
  end)

  it("takes empty variables for unset ones", function()
    credentials(json { apiKey = key, apiUrl = box.url })
    assert_stored(run(upload, { LOOMTA_API_KEY = "", LOOMTA_API_URL = "" }))
    os.remove(home .. "/.loomta/credentials.json")
    box:reset()
    assert_refused(run(upload, { LOOMTA_API_KEY = "", LOOMTA_API_URL = box.url }), "missing_api_key", "auth", "LOOMTA_API_KEY")
  end)

  it("looks again, when there was no key at the first call", function()
    local path = home .. "/.loomta/credentials.json"
    assert.equal("missing_api_key\nstored", run(([[
      local loomta = require "loomta"
      local media, err = loomta.upload { file = "spec/fixtures/clip.mp4" }
      print(err.code)
      os.execute "mkdir -m 700 %s/.loomta"
      local file = assert(io.open(%q, "w"))
      file:write '%s'
      file:close()
      os.execute "chmod 600 %s"
      media, err = loomta.upload { file = "spec/fixtures/clip.mp4" }
      print(media and "stored" or err)
    ]]):format(home, path, json { apiKey = key, apiUrl = box.url }, path)))
  end)

  it("is read at the first call, not at require nor at new", function()
    credentials("broken", "644")
    assert.equal("fine", run [[
      local loomta = require "loomta"
      assert(loomta.new())
      assert(loomta.new {})
      print "fine"
    ]])
  end)

  describe("refuses, and sends nothing,", function()
    it("when there is no key at all", function()
      assert_refused(run(upload, { LOOMTA_API_URL = box.url }), "missing_api_key", "auth",
        "apiKey", "LOOMTA_API_KEY", "~/.loomta/credentials.json")
    end)

    it("when there is no home either", function()
      for _, value in ipairs { false, "" } do
        assert_refused(run(upload, { HOME = value, LOOMTA_API_URL = box.url }), "missing_api_key", "auth", "LOOMTA_API_KEY")
      end
    end)

    it("but does not need a home for a key in the environment", function()
      assert_stored(run(upload, { HOME = false, LOOMTA_API_KEY = key, LOOMTA_API_URL = box.url }))
    end)

    for _, mode in ipairs { "640", "604", "644", "660", "620", "602", "610", "601", "777" } do
      it("a credentials file of mode " .. mode, function()
        local path = credentials(json { apiKey = key, apiUrl = box.url }, mode)
        assert_refused(run(upload), "missing_api_key", "auth", path, "chmod 600")
      end)
    end

    for _, mode in ipairs { "600", "400", "700" } do
      it("but not one of mode " .. mode, function()
        credentials(json { apiKey = key, apiUrl = box.url }, mode)
        assert_stored(run(upload))
      end)
    end

    local broken = {
      ["nothing in it"] = "",
      ["broken JSON"] = '{"apiKey":"loomta_sk_spec_x"',
      ["text"] = "loomta_sk_spec_x",
      ["a JSON string"] = '"loomta_sk_spec_x"',
      ["a JSON array"] = '["loomta_sk_spec_x"]',
      ["JSON null"] = "null",
      ["no apiKey"] = '{"apiUrl":"http://127.0.0.1:9"}',
      ["an apiKey that is null"] = '{"apiKey":null}',
      ["an apiKey that is a number"] = '{"apiKey":42}',
    }
    for name, text in pairs(broken) do
      it("a credentials file with " .. name, function()
        local path = credentials(text)
        assert_refused(run(upload, { LOOMTA_API_URL = box.url }), "missing_api_key", "auth", path, "apiKey")
      end)
    end

    for name, wrong in pairs { ["of two words"] = "loomta_sk_spec_x y", ["that is empty"] = "", ["with a line break"] = "loomta_sk_spec_x\\ny" } do
      it("a credentials file with a key " .. name, function()
        local path = credentials(json { apiKey = wrong })
        assert_refused(run(upload, { LOOMTA_API_URL = box.url }), "invalid_api_key", "auth", path, "one word")
      end)
    end

    it("a key in the environment that is none", function()
      for _, wrong in ipairs { "loomta_sk_spec_x y", " ", "loomta_sk_spec_x\nX-Injected: 1", "caf\195\169" } do
        assert_refused(run(upload, { LOOMTA_API_KEY = wrong, LOOMTA_API_URL = box.url }), "invalid_api_key", "auth", "LOOMTA_API_KEY", "one word")
      end
    end)

    it("a host in the environment that is none", function()
      for _, wrong in ipairs { "api.loomta.com", "ftp://127.0.0.1", "https://user:pass@127.0.0.1", "http://" } do
        assert_refused(run(upload, { LOOMTA_API_KEY = key, LOOMTA_API_URL = wrong }), "invalid_option", "input", "LOOMTA_API_URL", "https://api.loomta.com")
      end
    end)

    it("a host in the credentials file that is none", function()
      local path = credentials(json { apiKey = key, apiUrl = "ftp://127.0.0.1" })
      assert_refused(run(upload), "invalid_option", "input", path, "https://api.loomta.com")
    end)

    it("a host elsewhere without encryption, from wherever it comes", function()
      local far = "http://127.0.0.1.evil.example"
      assert_refused(run(upload, { LOOMTA_API_KEY = key, LOOMTA_API_URL = far }), "invalid_option", "input", far, "unencrypted")
      credentials(json { apiKey = key, apiUrl = far })
      assert_refused(run(upload), "invalid_option", "input", far, "unencrypted")
    end)

    it("a credentials file that is a folder, a FIFO or too large", function()
      local path = credentials "x"
      os.remove(path)
      shell("mkdir -m 700 " .. lua.quote(path))
      assert_refused(run(upload), "missing_api_key", "auth", path, "cannot be read")
      shell("rmdir " .. lua.quote(path) .. "; mkfifo -m 600 " .. lua.quote(path))
      assert_refused(run(upload), "missing_api_key", "auth", path, "cannot be read")
      os.remove(path)
      credentials(json { apiKey = key, apiUrl = box.url, padding = ("x"):rep(1024 * 1024) })
      assert_refused(run(upload), "missing_api_key", "auth", path, "cannot be read")
    end)
  end)

  it("is the same from a credentials file with more in it, and with strange spacing", function()
    credentials(('\n{ "user" : {"name": "Ann", "keys": [1, null]},\r\n\t"apiKey" :"%s" , "apiUrl":"%s\\/" }\n'):format(key, box.url:gsub("/", "\\/") .. ""))
    assert_stored(run(upload))
  end)
end)
