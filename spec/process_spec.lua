-- What the process does around an upload: fork(), names that do not resolve, a client that is closed in its own callback.
-- #plain keeps specs from the sanitizers: a child of fork() leaves its parent's handles alone on purpose, which looks like a
-- leak, and a preloaded library does not go with a sanitizer.
local core = require "loomta.core"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"

describe("after fork() #plain", function()
  -- Two processes on one connection get each other's answers.
  it("parent and child have connections of their own", function()
    local pair = tls.make()
    for _, secure in ipairs { false, true } do
      local box = sandbox.start(secure and { tls = { cert = pair.cert, key = pair.key } } or {})
      local output, ok = lua.run(([[
        local loomta, process = require "loomta", require "spec.process"
        local client = loomta.new { apiKey = %q, baseUrl = %q, caFile = %q, maxRetries = 0 }
        loomta.check(client:upload { file = "spec/fixtures/jfif.jpg" })
        local child = process.fork()
        local name = child == 0 and "child" or "parent"
        for round = 1, 5 do
          local media, err, info = client:upload { file = "spec/fixtures/clip.mp4", fileName = name .. round .. ".mp4" }
          local right = media and media.originalFileName == name .. round .. ".mp4"
          if not right then print(name, round, media and media.originalFileName or err) end
          if round == 1 and info.reusedConnection ~= (name == "parent") then print(name, "reused", info.reusedConnection) end
        end
        client:close()
        if child == 0 then os.exit(0, true) end
        process.wait(child)
        print "done"
      ]]):format(box.key, box.url, pair.cert))
      local _, stored = box:media()
      box:stop()
      assert.is_true(ok, output)
      assert.equal("done\n", output)
      assert.equal(11, stored)
    end
    pair.remove()
  end)

  it("parent and child give no two uploads the same token", function()
    local output = lua.run [[
      local core, process = require "loomta.core", require "spec.process"
      core.token() -- some more random bytes are at hand now
      local child = process.fork()
      io.write(core.token(), "\n")
      if child == 0 then os.exit(0, true) end
      process.wait(child)
    ]]
    local one, other = output:match "^(%w+)\n(%w+)\n$"
    assert.truthy(one, output)
    assert.not_equal(one, other)
  end)

  it("a child that leaves does not disturb its parent's upload", function()
    local pair = tls.make()
    local box = sandbox.start { tls = { cert = pair.cert, key = pair.key } }
    local output = lua.run(([[
      local loomta, process = require "loomta", require "spec.process"
      local forked
      local media, err, info = loomta.upload {
        apiKey = %q, baseUrl = %q, caFile = %q, data = ("x"):rep(4000000), mimeType = "video/mp4",
        maxBytesPerSec = 10000000,
        onProgress = function(sent, total)
          if sent == 0 or forked then return end
          assert(sent < total)
          forked = process.fork()
          if forked == 0 then os.exit(0, true) end
          process.wait(forked)
        end,
      }
      print(forked ~= nil, media and media.size or err, info.attempts)
    ]]):format(box.key, box.url, pair.cert))
    box:stop()
    pair.remove()
    assert.truthy(output:find "^true\t4000000\t1\n$", output)
  end)
end)

describe("a name server that does not answer #timing #plain", function()
  local preload = os.tmpname()
  setup(function()
    local ok = os.execute(("cc -D_GNU_SOURCE -shared -fPIC -o %s spec/support/slow_dns.c -ldl"):format(preload))
    assert(ok == true or ok == 0)
  end)
  teardown(function() os.remove(preload) end)

  local quick = tonumber((core.libcurlVersion():gsub("^(%d+)%.(%d+).*", "%1.%2"))) >= 7.87 -- CURLOPT_QUICK_EXIT

  for option, code in pairs { timeoutMs = "timeout", connectTimeoutMs = "timeout" } do
    (quick and it or pending)("does not hold a call longer than " .. option, function()
      local output = lua.run(([[
        local _, err, info = require("loomta").upload {
          file = "spec/fixtures/clip.mp4", apiKey = "k", baseUrl = "https://host.slow", maxRetries = 0, %s = 300,
        }
        print(err.code, info.durationMs < 500)
      ]]):format(option), { env = { LD_PRELOAD = preload } })
      assert.equal(code .. "\ttrue\n", output)
    end)
  end
end)

describe("a client that its own callback closes", function()
  local bytes = ("x"):rep(300000)
  local box
  before_each(function() box = sandbox.start {} end)
  after_each(function() box:stop() end)

  for name, ending in pairs {
    onProgress = function(close)
      box:fault { delayAfterBodyMs = 5000 } -- so that it cannot be over before it is heard of
      return { data = bytes, onProgress = close }
    end,
    onRetry = function(close)
      box:fault { status = 429, retryAfter = "0" }
      return { data = bytes, onRetry = close }
    end,
    reader = function(close)
      local calls = 0
      return {
        reader = function()
          calls = calls + 1
          if calls == 3 then close() end
          return bytes
        end,
      }
    end,
  } do
    it("ends its call as canceled: " .. name, function()
      local client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
      local given = ending(function() client:close() end)
      given.mimeType = "video/mp4"
      local media, err = client:upload(given)
      assert.is_nil(media)
      assert.equal("canceled", err.code)
      assert.has_error(function() client:upload { data = bytes } end, "the client is closed")
    end)
  end
end)
