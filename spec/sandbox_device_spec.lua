-- The device login of loomta-sandbox: both sides of it, the program that asks and the person who approves, over HTTP.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

describe("loomta-sandbox's device login", function()
  local box

  setup(function() box = sandbox.start{ args = { "--key", "first", "--key", "second" } } end)

  teardown(function()
    if box then assert.equal(0, box:stop()) end
  end)

  before_each(function() box:reset() end)

  -- Without a key, as a program sends it that has none yet.
  local function start()
    local status, answer = box:control("POST", "/auth/device/start", "{}")
    assert.equal(200, status)
    return cjson.decode(answer)
  end

  -- The error, or the whole answer when it is none.
  local function poll(code)
    local status, answer = box:control("POST", "/auth/device/token", cjson.encode{ device_code = code })
    answer = cjson.decode(answer)
    if status == 200 then return answer end
    assert.equal(400, status)
    assert.same({ error = answer.error }, answer)
    return answer.error
  end

  it("starts with codes, links and times", function()
    local codes = start()
    assert.truthy(codes.user_code:match("^LMT%-[A-Z2-9][A-Z2-9][A-Z2-9][A-Z2-9]%-[A-Z2-9][A-Z2-9][A-Z2-9][A-Z2-9]$"))
    assert.same({ device_code = codes.device_code, user_code = codes.user_code, interval = 5, expires_in = 600,
      verification_uri = box.url .. "/sandbox/device", verification_uri_complete = box.url .. "/sandbox/device?user_code=" .. codes.user_code },
      codes)
    local others = start()
    assert.are_not.equal(codes.device_code, others.device_code)
    assert.are_not.equal(codes.user_code, others.user_code)
    box:settings{ deviceInterval = 1, deviceExpiresIn = 30 }
    others = start()
    assert.same({ 1, 30 }, { others.interval, others.expires_in })
  end)

  it("asks for no key, and takes no notice of a wrong one", function()
    local status, answer = box:control("POST", "/auth/device/start", "{}", { Authorization = "Bearer wrong" })
    assert.equal(200, status)
    status, answer = box:control("POST", "/auth/device/token", cjson.encode{ device_code = cjson.decode(answer).device_code },
      { Authorization = "nonsense" })
    assert.same({ 400, "authorization_pending" }, { status, cjson.decode(answer).error })
    assert.equal(401, (box:control("GET", "/public/v1/media")))
    assert.equal(405, (box:control("GET", "/auth/device/start")))
  end)

  it("gives the first key to the approved, once", function()
    box:settings{ deviceInterval = 0 }
    local codes, others = start(), start()
    for _ = 1, 3 do assert.equal("authorization_pending", poll(codes.device_code)) end
    box:approve(codes.user_code:lower())
    assert.equal("authorization_pending", poll(others.device_code))
    assert.same({ status = "approved", api_key = "first" }, poll(codes.device_code))
    assert.equal("expired_token", poll(codes.device_code))
    assert.equal(404, (box:control("POST", "/sandbox/device/approve", cjson.encode{ user_code = codes.user_code })))
  end)

  it("tells the denied so", function()
    box:settings{ deviceInterval = 0 }
    local codes = start()
    box:deny(codes.user_code)
    for _ = 1, 2 do assert.equal("access_denied", poll(codes.device_code)) end
  end)

  it("slows down who asks too soon, the approved too", function()
    box:settings{ deviceInterval = 600 }
    local codes = start()
    assert.equal("authorization_pending", poll(codes.device_code))
    assert.equal("slow_down", poll(codes.device_code))
    box:approve(codes.user_code)
    assert.equal("slow_down", poll(codes.device_code))
    -- The first poll of a code is never too soon.
    codes = start()
    box:approve(codes.user_code)
    assert.equal("approved", poll(codes.device_code).status)
  end)

  it("asks 5 s more of who was slowed down", function()
    box:settings{ deviceInterval = 1, deviceSlowDowns = 1 }
    local codes = start()
    assert.equal("slow_down", poll(codes.device_code))
    local began = socket.gettime()
    socket.sleep(1.2)
    local answer = poll(codes.device_code)
    assert.is_true(answer == "slow_down" or socket.gettime() - began >= 6, answer)
  end)

  it("slows down as often as it is told, without an interval too, which stays none", function()
    box:settings{ deviceInterval = 0, deviceSlowDowns = 2 }
    local codes = start()
    assert.equal("expired_token", poll("unknown"))
    box:fault{ status = 500 }
    assert.equal(500, (box:control("POST", "/auth/device/token", cjson.encode{ device_code = codes.device_code })))
    assert.same({ "slow_down", "slow_down", "authorization_pending", "authorization_pending" },
      { poll(codes.device_code), poll(codes.device_code), poll(codes.device_code), poll(codes.device_code) })
    assert.equal(0, box:settings().deviceSlowDowns)
  end)

  it("lets codes expire, and knows none that it never gave", function()
    assert.equal("expired_token", poll("unknown"))
    assert.equal("expired_token", poll(""))
    box:settings{ deviceExpiresIn = 0 }
    local codes = start()
    assert.equal("expired_token", poll(codes.device_code))
    assert.equal(404, (box:control("POST", "/sandbox/device/approve", cjson.encode{ user_code = codes.user_code })))
    box:settings{ deviceExpiresIn = 1, deviceInterval = 0 }
    codes = start()
    box:approve(codes.user_code)
    eventually(function() return box:control("GET", "/sandbox/device?user_code=" .. codes.user_code) == 404 end)
    assert.equal("expired_token", poll(codes.device_code))
  end)

  it("forgets codes on reset", function()
    local codes = start()
    box:reset()
    assert.equal("expired_token", poll(codes.device_code))
  end)

  it("refuses a wrong body in the shape of its other errors", function()
    for _, body in ipairs{ "{", "{}", "[]", '{"device_code":1}', "" } do
      local status, answer = box:control("POST", "/auth/device/token", body)
      assert.same({ 400, { error = "invalid_request" } }, { status, cjson.decode(answer) }, body)
    end
  end)

  it("is in the journal and meets faults, without giving a key away", function()
    box:settings{ deviceInterval = 0 }
    local codes = start()
    box:approve(codes.user_code)
    box:fault{ status = 503, path = "/auth/device/token" }
    local status, answer = box:control("POST", "/auth/device/token", cjson.encode{ device_code = codes.device_code })
    assert.same({ 503, "sandbox_503" }, { status, cjson.decode(answer).code })
    assert.equal("approved", poll(codes.device_code).status)
    local requests = box:requests()
    assert.same({ "/auth/device/start", "/auth/device/token", "/auth/device/token" },
      { requests[1].path, requests[2].path, requests[3].path })
    assert.same({ 200, 503, 200 }, { requests[1].status, requests[2].status, requests[3].status })
    assert.is_nil(cjson.encode(requests):find('first', 1, true))
  end)

  it("uses up a code whose answer is lost", function()
    box:settings{ deviceInterval = 0 }
    local codes = start()
    box:approve(codes.user_code)
    box:fault{ disconnect = "close", at = "response" }
    assert.is_false((pcall(poll, codes.device_code)))
    assert.equal("expired_token", poll(codes.device_code))
  end)

  it("gives no code that is good for anything where a fault forbids it", function()
    box:settings{ deviceInterval = 0 }
    box:fault{ delayAfterBodyMs = 1, store = false }
    assert.equal("expired_token", poll(start().device_code))
  end)

  it("keeps the newest 1,000 codes", function()
    box:settings{ deviceInterval = 0 }
    local oldest, second = start(), start()
    files.shell(("curl -q -sS --noproxy '*' -o /dev/null -d '{}' '%s/auth/device/start?n=[1-999]'"):format(box.url))
    assert.equal("expired_token", poll(oldest.device_code))
    assert.equal("authorization_pending", poll(second.device_code))
  end)

  it("shows a person what to do", function()
    local codes = start()
    local status, page = box:control("GET", codes.verification_uri_complete:sub(#box.url + 1))
    assert.equal(200, status)
    assert.truthy(page:find("curl -d '{\"user_code\":\"" .. codes.user_code .. "\"}' " .. box.url .. "/sandbox/device/approve", 1, true))
    assert.truthy(page:find(box.url .. "/sandbox/device/deny", 1, true))
    status, page = box:control("GET", "/sandbox/device")
    assert.equal(200, status)
    assert.truthy(page:find("LMT-XXXX-XXXX", 1, true))
    assert.equal(404, (box:control("GET", "/sandbox/device?user_code=LMT-AAAA-AAAA")))
  end)

  it("knows no code that it did not give, nor a body without one", function()
    for _, verb in ipairs{ "approve", "deny" } do
      local function try(body)
        local status, answer = box:control("POST", "/sandbox/device/" .. verb, body)
        return { status, cjson.decode(answer).code }
      end
      assert.same({ 404, "not_found" }, try('{"user_code":"LMT-AAAA-AAAA"}'))
      assert.same({ 400, "invalid_request" }, try("{}"))
      assert.same({ 400, "invalid_request" }, try('{"user_code":1}'))
      assert.same({ 400, "invalid_json" }, try("{"))
    end
  end)
end)
