-- Whom we talk to, and whom the key goes to: TLS, redirects, proxies, .netrc.
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"

local clip = "spec/fixtures/clip.mp4"

describe("TLS", function()
  local pairs_made, boxes = {}, {}

  local function serve(options)
    local pair = tls.make(options)
    local box = sandbox.start { tls = { cert = pair.cert, key = pair.key } }
    pairs_made[#pairs_made + 1], boxes[#boxes + 1] = pair, box
    return box, pair
  end
  after_each(function()
    for _, box in ipairs(boxes) do box:stop() end
    for _, pair in ipairs(pairs_made) do pair.remove() end
    pairs_made, boxes = {}, {}
  end)

  local function assert_distrusted(box, options)
    options.file, options.apiKey, options.baseUrl = clip, box.key, options.baseUrl or box.url
    local media, err, info = loomta.upload(options)
    assert.is_nil(media)
    assert.equal("tls_failed", err.code, tostring(err))
    assert.is_false(err.retryable)
    assert.is_false(err.possiblyStored)
    assert.equal(1, info.attempts)
    assert.is_string(err.cause)
    assert.equal(0, #box:requests())
  end

  it("accepts an authority that was given", function()
    local box, pair = serve {}
    local media, err, info = loomta.upload { file = clip, apiKey = box.key, baseUrl = box.url, caFile = pair.cert }
    assert.is_nil(err)
    assert.is_string(media.id)
    assert.is_true(info.tlsMs > 0)
  end)

  it("refuses a self-signed server", function() assert_distrusted(serve {}, {}) end)

  it("refuses another authority's server", function()
    local _, other = serve {}
    assert_distrusted(serve {}, { caFile = other.cert })
  end)

  it("refuses a certificate for another name", function()
    local box, pair = serve { names = "DNS:elsewhere.example" }
    assert_distrusted(box, { caFile = pair.cert })
  end)

  it("refuses an expired certificate", function()
    local box, pair = serve { days = -1 }
    assert_distrusted(box, { caFile = pair.cert })
  end)

  it("talks to anybody when verify = false", function()
    local box = serve { names = "DNS:elsewhere.example" }
    assert.is_table(loomta.check(loomta.upload { file = clip, apiKey = box.key, baseUrl = box.url, verify = false }))
  end)

  it("says so when a file that it needs is not there", function()
    local box = serve {}
    for option, path in pairs { caFile = "/nowhere/ca.pem", clientCert = "/nowhere/cert.pem" } do
      local _, err = loomta.upload { file = clip, apiKey = box.key, baseUrl = box.url, [option] = path }
      assert.equal("tls_failed", err.code)
      assert.is_false(err.retryable)
      assert.truthy(tostring(err):find(path, 1, true), tostring(err))
    end
  end)

  it("does not ask for a pass phrase on the terminal", function()
    local box, pair = serve {}
    local locked = pair.key .. ".locked"
    local ok = os.execute(("openssl ec -aes128 -passout pass:secret -in %s -out %s 2>/dev/null"):format(pair.key, locked))
    assert(ok == true or ok == 0)
    local _, err, info = loomta.upload {
      file = clip, apiKey = box.key, baseUrl = box.url, caFile = pair.cert, clientCert = pair.cert, clientKey = locked,
    }
    assert.equal("tls_failed", err.code)
    assert.equal(1, info.attempts)
  end)

  it("is 1.2 or newer", function()
    -- openssl's test server, held to TLS 1.1; what the handshake says is all that matters.
    local pair = tls.make {}
    local log = os.tmpname()
    local command = "openssl s_server -accept 127.0.0.1:0 -tls1_1 -cipher ALL:@SECLEVEL=0 -cert %s -key %s >%s 2>&1 & echo $!"
    local pipe = io.popen(command:format(pair.cert, pair.key, log))
    local pid = pipe:read "*l"
    pipe:close()
    local port
    local deadline = os.time() + 10
    repeat
      local file = io.open(log)
      port = file:read("*a"):match "ACCEPT [^\n]-:(%d+)\n"
      file:close()
      if not port then os.execute "sleep 0.05" end
    until port or os.time() > deadline
    local _, err = loomta.upload { file = clip, apiKey = "k", baseUrl = "https://127.0.0.1:" .. assert(port), verify = false, maxRetries = 0 }
    os.execute("kill " .. pid)
    os.remove(log)
    pair.remove()
    assert.equal("tls_failed", err.code, tostring(err))
  end)
end)

describe("the key", function()
  local box, other
  setup(function()
    box, other = sandbox.start {}, sandbox.start {}
  end)
  teardown(function()
    box:stop()
    other:stop()
  end)
  before_each(function()
    box:reset()
    other:reset()
  end)

  it("does not follow a redirect", function()
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      box:fault { status = status, headers = { Location = other.url .. "/public/v1/media" } }
      local media, err, info = loomta.upload { file = clip, apiKey = box.key, baseUrl = box.url }
      assert.is_nil(media)
      assert.equal(status, err.status)
      assert.is_false(err.retryable)
      assert.equal(1, info.attempts)
    end
    assert.equal(0, #other:requests())
  end)

  it("goes to this machine directly, whatever proxy the environment names", function()
    local text, ok = lua.run(
      ([[local media = require("loomta").check(require("loomta").upload { file = %q, apiKey = %q, baseUrl = %q }) print(media.status)]])
        :format(clip, box.key, box.url),
      { env = { http_proxy = other.url, ALL_PROXY = other.url, HTTP_PROXY = other.url, no_proxy = false, NO_PROXY = false } }
    )
    assert.is_true(ok, text)
    assert.equal(0, #other:requests())
    assert.equal(1, #box:requests())
  end)

  it("goes through the environment's proxy elsewhere, but for NO_PROXY", function()
    local code = [[
      local _, err = require("loomta").upload { file = %q, apiKey = "k", baseUrl = "http://upload.invalid", allowHttp = true, maxRetries = 0 }
      print(err.code)
    ]]
    -- The sandbox is no proxy and does not know such a path; that it was asked is what matters.
    local text = lua.run(code:format(clip), { env = { http_proxy = other.url, no_proxy = false, NO_PROXY = false } })
    assert.equal("not_found\n", text)
    assert.equal(1, #other:requests())
    text = lua.run(code:format(clip), { env = { http_proxy = other.url, NO_PROXY = "upload.invalid", no_proxy = false } })
    assert.equal("dns_failed\n", text)
    assert.equal(1, #other:requests())
  end)

  it("goes through the proxy of the option", function()
    local _, err = loomta.upload {
      file = clip, apiKey = "k", baseUrl = "http://upload.invalid", allowHttp = true, proxy = other.url, maxRetries = 0,
    }
    assert.equal("not_found", err.code)
    assert.equal(1, #other:requests())
  end)

  it("does not go to a proxy in the clear, also for this machine", function()
    local _, err = loomta.upload { file = clip, apiKey = box.key, baseUrl = box.url, proxy = "http://proxy.invalid:8080" }
    assert.equal("invalid_option", err.code)
    assert.truthy(err.message:find("allowHttp", 1, true))
    local _, lookalike = loomta.upload { file = clip, apiKey = box.key, baseUrl = "http://127.0.0.999:8080" }
    assert.equal("invalid_option", lookalike.code)
  end)

  it("is not replaced by .netrc", function()
    local home = os.tmpname()
    os.remove(home)
    os.execute("mkdir " .. home)
    local file = io.open(home .. "/.netrc", "w")
    file:write "machine 127.0.0.1 login netrc password netrc\n"
    file:close()
    local text, ok = lua.run(
      ([[local media = require("loomta").check(require("loomta").upload { file = %q, apiKey = %q, baseUrl = %q }) print(media.status)]])
        :format(clip, box.key, box.url),
      { env = { HOME = home } }
    )
    os.execute("rm -r " .. home)
    assert.is_true(ok, text)
  end)
end)
