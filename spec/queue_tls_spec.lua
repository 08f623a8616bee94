-- loomta.queue over TLS: only with a server whose certificate is trusted and is for the host of the URL.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"
local sockets = require "loomta.queue.sockets"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local tls = require "spec.support.tls"

if not (redis.isThere() and pcall(require, "ssl")) then
  print "\nno redis-server, no lua-redis or no lua-sec: the specs of queues with TLS are skipped"
  return
end

local password = "hunter2loomta"
local server, pair, other

local function try(host, ca_file)
  local url = ("rediss://:%s@%s:%d/0/q"):format(password, host, server.port)
  local queue = assert(loomta.queue { url = url, caFile = ca_file, patienceMs = 0 })
  local status, err = queue:status()
  queue:close()
  return status, err
end

setup(function()
  pair, other = tls.make(), tls.make()
  server = redis.start { password = password, tls = pair }
end)
teardown(function()
  server:stop()
  pair.remove()
  other.remove()
end)

describe("a queue with TLS", function()
  it("is used where the certificate is trusted, by address and by name", function()
    assert.equal(0, assert(try("127.0.0.1", pair.cert)).queued)
    assert.equal(0, assert(try("localhost", pair.cert)).queued)
  end)

  it("is refused with the wrong authority, with the system's, and with none", function()
    local empty = files.write(os.tmpname(), "")
    for _, wrong in ipairs { other.cert, false, empty, "/nonexistent.pem" } do
      local status, err = try("127.0.0.1", wrong or nil)
      assert.is_nil(status, tostring(wrong))
      assert.equal("queue_failed", err.code)
      assert.is_false(err.retryable) -- a worker that waited for it would wait for ever
      assert.is_nil(tostring(err):find(password, 1, true))
    end
    os.remove(empty)
  end)

  --- What a queue says of a server with this certificate, which is trusted.
  local function refusal(certificate)
    local second = redis.start { password = password, tls = certificate }
    local queue = assert(loomta.queue { url = second:url "q", caFile = certificate.cert, patienceMs = 0 })
    local status, err = queue:status()
    queue:close()
    second:stop()
    certificate.remove()
    assert.is_nil(status)
    return err
  end

  it("is refused where the certificate is for another host", function()
    local err = refusal(tls.make { names = "DNS:queue.example.org,IP:127.0.0.2" })
    assert.equal("the certificate is for another host", err.cause)
  end)

  it("is refused where the certificate has expired", function()
    local err = refusal(tls.make { days = -1 })
    assert.truthy(err.cause:find "expired" or err.cause:find "verify failed", err.cause)
  end)

  it("takes a certificate for names as browsers do", function()
    local function certificate(names) return { extensions = function() return { ["2.5.29.17"] = { dNSName = names } } end } end
    assert.is_true(sockets.isFor(certificate { "a.org", "Queue.Example.org" }, "queue.example.ORG"))
    assert.is_true(sockets.isFor(certificate { "*.example.org" }, "queue.example.org"))
    assert.is_false(sockets.isFor(certificate { "*.example.org" }, "example.org"))
    assert.is_false(sockets.isFor(certificate { "*.example.org" }, "a.b.example.org"))
    assert.is_false(sockets.isFor(certificate { "queue.example.org" }, "queue.example.org.evil"))
    assert.is_false(sockets.isFor({ extensions = function() end }, "queue.example.org"))
  end)
end)
