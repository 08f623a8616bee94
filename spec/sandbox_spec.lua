-- loomta-sandbox as a client sees it: each endpoint, each refusal and each fault, from outside through the curl command.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local sandbox = require "spec.support.sandbox"

local folder

local function shell(command)
  local pipe = assert(io.popen(command .. "; printf '\\n%d' $?", "r"))
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)\n(%d+)$")
  return output, tonumber(status)
end

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function write_file(name, text)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- Runs curl against a box: { exit, status, body, headers (raw, all answers), json }.
local function curl(box, path, words, key)
  local command = { "curl -q -sS -m 60 --noproxy '*' -o", folder .. "/body", "-D", folder .. "/headers", "-w '%{http_code}'" }
  if box.cacert then command[#command + 1] = "--cacert " .. box.cacert end
  if key ~= false then command[#command + 1] = "-H " .. quote("Authorization: Bearer " .. (key or box.key)) end
  for _, word in ipairs(words or {}) do command[#command + 1] = quote(word) end
  command[#command + 1] = quote(box.url .. path)
  os.remove(folder .. "/body")
  write_file("headers", "")
  local status, exit = shell(table.concat(command, " ") .. " 2>" .. folder .. "/curl-error")
  local file = io.open(folder .. "/body", "rb")
  local body = file and file:read("*a") or ""
  if file then file:close() end
  local decoded, json = pcall(cjson.decode, body)
  return { exit = exit, status = tonumber(status), body = body, headers = read_file(folder .. "/headers"), json = decoded and json or nil }
end

local function upload(box, words, key)
  local all = {}
  for _, word in ipairs(words or {}) do all[#all + 1] = word end
  all[#all + 1] = "-F"
  all[#all + 1] = "file=@" .. folder .. "/clip.mp4;type=video/mp4"
  return curl(box, "/public/v1/media", all, key)
end

local function sha256(path) return (shell("sha256sum " .. path):match("^%x+")) end

local function wait_until(condition, what)
  local give_up = os.time() + 20
  repeat
    if condition() then return end
    shell("sleep 0.01")
  until os.time() > give_up
  error("waited in vain until " .. what)
end

describe("loomta-sandbox", function()
  local box

  setup(function()
    folder = shell("mktemp -d"):gsub("%s+$", "")
    shell("head -c 3000000 /dev/urandom >" .. folder .. "/clip.mp4")
    box = sandbox.start{ args = { "--keep-bodies", "100000" } }
  end)

  teardown(function()
    if box then assert.equal(0, box:stop()) end
    shell("rm -rf " .. folder)
  end)

  before_each(function() box:reset() end)

  describe("takes an upload", function()
    it("and answers the media object and the hash", function()
      local answer = upload(box, { "-F", "fileName=caf\195\169.mp4" })
      assert.equal(201, answer.status)
      local media = answer.json
      assert.truthy(media.id:match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$"))
      assert.equal(3000000, media.size)
      assert.equal("video/mp4", media.mimeType)
      assert.equal("video", media.mediaType)
      assert.equal("caf\195\169.mp4", media.originalFileName)
      assert.equal("READY", media.status)
      assert.equal(cjson.null, media.folderId)
      assert.equal(cjson.null, media.thumbnailMetadata)
      assert.truthy(media.createdAt:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
      assert.equal(media.createdAt, media.finalizedAt)
      assert.equal(box.url, media.publicUrl:sub(1, #box.url))
      assert.equal(sha256(folder .. "/clip.mp4"), answer.headers:match("X%-Sandbox%-Sha256: (%x+)"))
      assert.truthy(answer.headers:match("X%-Request%-Id: sandbox%-%d+"))
      local stored, total = box:media()
      assert.equal(1, total)
      assert.same(media, stored[1])
    end)

    it("and tells in the journal what arrived", function()
      upload(box, { "-F", "fileName=x.mp4", "-H", "Expect: 100-continue" })
      local request = box:lastRequest()
      assert.equal("POST", request.method)
      assert.equal("/public/v1/media", request.path)
      assert.equal(201, request.status)
      assert.is_true(request.stored)
      assert.is_true(request.bodyComplete)
      assert.is_true(request["continue"])
      assert.equal("present", request.headers.authorization)
      assert.equal(tonumber(request.headers["content-length"]), request.bytes)
      assert.equal(sha256(folder .. "/clip.mp4"), request.sha256)
      assert.equal(2, #request.parts)
      assert.same({ name = "fileName", fileName = cjson.null, contentType = cjson.null, size = 6, value = "x.mp4",
        sha256 = request.parts[1].sha256 }, (function(p) p.size = p.size + 1 return p end)(request.parts[1]))
      assert.equal("clip.mp4", request.parts[2].fileName)
      assert.equal("video/mp4", request.parts[2].contentType)
      assert.is_nil(request.parts[2].value)
      assert.is_nil(cjson.encode(request):find(box.key, 1, true))
    end)

    it("and keeps the start of the raw body", function()
      upload(box)
      local body = box:body(box:lastRequest().id)
      assert.equal(100000, #body)
      local start = body:find("\r\n\r\n", 1, true) + 4
      assert.equal(read_file(folder .. "/clip.mp4"):sub(1, #body - start + 1), body:sub(start))
      assert.is_nil(box:body(999999))
    end)

    it("whose file name is not UTF-8", function()
      local body = "--bb\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\255.webp\"\r\n\r\nxyz\r\n--bb--\r\n"
      local answer = curl(box, "/public/v1/media",
        { "-H", "Content-Type: multipart/form-data; boundary=bb", "--data-binary", "@" .. write_file("raw", body) })
      assert.equal(201, answer.status)
      assert.equal("image/webp", answer.json.mimeType)
      assert.equal("a\239\191\189.webp", answer.json.originalFileName)
      assert.equal("61ff2e77656270", box:lastRequest().parts[1].fileNameHex)
    end)

    it("sent in chunks, and hashes what looks like a boundary", function()
      local tricky = ("\r\n--b\r\n--\r\n\r--bx"):rep(20000)
      local path = write_file("tricky.webm", tricky)
      local answer = curl(box, "/public/v1/media", { "-H", "Transfer-Encoding: chunked", "-F", "file=@" .. path .. ";type=video/webm" })
      assert.equal(201, answer.status)
      assert.equal(sha256(path), box:lastRequest().sha256)
      assert.equal(#tricky, answer.json.size)
    end)

    it("of 300 MB", function()
      shell("truncate -s 300M " .. folder .. "/big.mp4")
      local answer = curl(box, "/public/v1/media", { "-F", "file=@" .. folder .. "/big.mp4;type=video/mp4" })
      assert.equal(201, answer.status)
      assert.equal(300 * 1024 * 1024, answer.json.size)
      assert.equal(sha256(folder .. "/big.mp4"), box:lastRequest().sha256)
    end)

    it("as PENDING when asked", function()
      local pending = sandbox.start{ args = { "--pending", "--key", "another" } }
      local answer = upload(pending)
      assert.equal("another", pending.key)
      assert.equal("PENDING", answer.json.status)
      assert.equal(cjson.null, answer.json.finalizedAt)
      assert.equal(0, pending:stop())
    end)
  end)

  describe("refuses", function()
    it("a request without a key, and one with a wrong key", function()
      local answer = curl(box, "/public/v1/media", {}, false)
      assert.same({ 401, "missing_api_key" }, { answer.status, answer.json.code })
      answer = curl(box, "/public/v1/media", {}, "wrong")
      assert.same({ 401, "invalid_api_key" }, { answer.status, answer.json.code })
      answer = curl(box, "/public/v1/media", { "-H", "Authorization: Basic " .. box.key }, false)
      assert.equal("invalid_api_key", answer.json.code)
      assert.is_nil(cjson.encode((box:requests())):find("wrong", 1, true))
    end)

    it("a wrong key before the body, also to a client that does not wait", function()
      shell("truncate -s 100M " .. folder .. "/hundred.mp4")
      for _, expect in ipairs{ "Expect:", "Expect: 100-continue" } do
        local answer = curl(box, "/public/v1/media", { "-H", expect, "-F", "file=@" .. folder .. "/hundred.mp4;type=video/mp4" }, "wrong")
        assert.same({ 0, 401 }, { answer.exit, answer.status })
        assert.is_nil(answer.headers:find("100 Continue", 1, true))
        assert.is_false(box:lastRequest().bodyComplete)
      end
      assert.truthy(upload(box, { "-H", "Expect: 100-continue" }).headers:find("100 Continue", 1, true))
    end)

    it("a wrong key so that even a client that sends everything before it reads sees the answer", function()
      local text = shell(("bash -c 'exec 3<>/dev/tcp/%s/%d; trap \"\" PIPE; "
        .. 'printf "POST /public/v1/media HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 50000000\\r\\n\\r\\n" >&3; '
        .. "head -c 50000000 /dev/zero >&3; head -c 12 <&3' 2>&1"):format(box.host, box.port))
      assert.equal("HTTP/1.1 401", text)
    end)

    local file = "file=@%s;type=video/mp4"
    local refusals = {
      { "no file", { "-F", "fileName=x" }, "invalid_media_file" },
      { "a file part without a file name", { "-F", "file=abc" }, "invalid_media_file" },
      { "an empty file", { "-F", "file=@/dev/null;filename=a.mp4;type=video/mp4" }, "invalid_media_file" },
      { "a body that is not multipart", { "-d", "x=y" }, "invalid_media_file" },
      { "a boundary that is a lone quote", { "-H", "Content-Type: multipart/form-data; boundary=\"", "-d", "x" }, "invalid_media_file" },
      { "a multipart body without its end", { "-H", "Content-Type: multipart/form-data; boundary=bb", "--data-binary",
        "--bb\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\nabc" }, "invalid_media_file" },
      { "a PNG", { "-F", "file=@%s;type=image/png" }, "unsupported_media_type" },
      { "a wrong mimeType", { "-F", file, "-F", "mimeType=image/png" }, "invalid_request", "mimeType" },
      { "a wrong mediaType", { "-F", file, "-F", "mediaType=audio" }, "invalid_request", "mediaType" },
      { "a folderId that is no UUID", { "-F", file, "-F", "folderId=x" }, "invalid_request", "folderId" },
      { "an unknown folder", { "-F", file, "-F", "folderId=8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f" }, "invalid_request", "folderId" },
    }
    for _, case in ipairs(refusals) do
      it(case[1], function()
        local words = {}
        for i, word in ipairs(case[2]) do words[i] = word:gsub("%%s", folder .. "/clip.mp4") end
        local answer = curl(box, "/public/v1/media", words)
        assert.same({ 400, case[3] }, { answer.status, answer.json.code })
        assert.equal(case[4], answer.json.details and answer.json.details[1].path[1])
        assert.equal(0, #(box:media()))
        assert.is_false(box:lastRequest().stored)
      end)
    end

    it("unknown paths and methods", function()
      local answer = curl(box, "/public/v1/nothing")
      assert.same({ 404, "not_found" }, { answer.status, answer.json.code })
      answer = curl(box, "/public/v1/media", { "-X", "DELETE" })
      assert.same({ 405, "method_not_allowed" }, { answer.status, answer.json.code })
    end)
  end)

  it("creates folders, puts media into them, and lists both", function()
    local made = curl(box, "/public/v1/media/folders", { "-d", '{"name":"Clips"}' })
    assert.equal(201, made.status)
    assert.equal("Clips", made.json.name)
    assert.same({ made.json }, curl(box, "/public/v1/media/folders").json.folders)

    local inside = upload(box, { "-F", "folderId=" .. made.json.id }).json
    local outside = upload(box, { "-F", "mimeType=image/jpeg", "-F", "folderId=null" }).json
    assert.equal(made.json.id, inside.folderId)
    assert.equal("image", outside.mediaType)
    local function list(query) return curl(box, "/public/v1/media" .. query).json.media end
    assert.same({ inside, outside }, list(""))
    assert.same({ inside }, list("?folderId=" .. made.json.id))
    assert.same({ outside }, list("?folderId=null"))
    assert.same({ inside }, list("?mediaType=video"))
    assert.same({}, list("?mediaType=image&folderId=" .. made.json.id))
    assert.equal("folderId", curl(box, "/public/v1/media?folderId=x").json.details[1].path[1])
    assert.equal("mediaType", curl(box, "/public/v1/media?mediaType=file").json.details[1].path[1])
  end)

  it("refuses folders that are not JSON or have no good name", function()
    local function code(body) return curl(box, "/public/v1/media/folders", { "-d", body }).json.code end
    assert.equal("invalid_json", code("{"))
    assert.equal("invalid_request", code("[]"))
    assert.equal("invalid_request", code("{}"))
    assert.equal("invalid_request", code('{"name":3}'))
    assert.equal("invalid_request", code('{"name":""}'))
    assert.equal("invalid_request", code('{"name":"' .. ("\195\169"):rep(256) .. '"}'))
    assert.equal(201, curl(box, "/public/v1/media/folders", { "-d", '{"name":"' .. ("\195\169"):rep(255) .. '"}' }).status)
  end)

  it("numbers connections and lists from an id on", function()
    shell(("curl -q -sS -o /dev/null -o /dev/null %s/a %s/b"):format(box.url, box.url))
    curl(box, "/c?x=1&y=%20z")
    local requests, total = box:requests()
    assert.equal(3, total)
    assert.equal(requests[1].connection, requests[2].connection)
    assert.are_not.equal(requests[2].connection, requests[3].connection)
    assert.same({ x = "1", y = " z" }, requests[3].query)
    assert.same({ requests[3] }, (box:requests(requests[2].id)))
    assert.same({}, (box:requests(requests[3].id)))
  end)

  it("forgets on reset, but goes on counting", function()
    upload(box)
    curl(box, "/public/v1/media/folders", { "-d", '{"name":"a"}' })
    box:fault{ status = 500 }
    local id = box:lastRequest().id
    box:reset()
    assert.same({ 0, 0, 0 }, { #box:requests(), #box:media(), #box:faults() })
    assert.same({}, curl(box, "/public/v1/media/folders").json.folders)
    assert.equal(id + 1, box:lastRequest().id)
  end)

  it("lists no more media than it is told to keep, the newest, and counts all", function()
    local small = sandbox.start{ args = { "--keep-media", "2" } }
    local ids = {}
    for i = 1, 3 do ids[i] = upload(small).json.id end
    local media, total = small:media()
    small:stop()
    assert.equal(3, total)
    assert.same({ ids[2], ids[3] }, { media[1].id, media[2].id })
  end)

  it("lets an upload that began before a reset leave nothing behind", function()
    box:fault{ delayBeforeBodyMs = 400 }
    local answer = folder .. "/late"
    shell(("{ (exec 3>&- 4>&- 5>&-; curl -q -s -m 50 -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer %s' "
      .. "-F 'file=@%s/clip.mp4;type=video/mp4' %s/public/v1/media) >%s 2>/dev/null & }"):format(box.key, folder, box.url, answer))
    wait_until(function() return box:lastRequest() end, "the upload is under way")
    box:reset()
    wait_until(function() return read_file(answer) == "201" end, "the upload is answered")
    assert.same({ 0, 0 }, { select(2, box:requests()), select(2, box:media()) })
  end)

  -- What a client sees of each fault, and whether the upload is stored: { fault, curl exit, HTTP status, stored }.
  -- A reset may reach curl while it sends (55) or while it waits (56).
  local reset = { [55] = true, [56] = true }
  local faults = {
    { { status = 503, retryAfter = "7", code = "busy", message = "m", details = { "d" } }, 0, 503, false },
    { { status = 500, store = true }, 0, 500, true },
    { { status = 429, early = true }, 0, 429, false },
    { { delayBeforeBodyMs = 1 }, 0, 201, true },
    { { delayAfterBodyMs = 1, store = false }, 0, 201, false },
    { { disconnect = "close", at = "headers" }, 52, 0, false },
    { { disconnect = "reset", at = "headers" }, reset, 0, false },
    { { disconnect = "close", at = "body", afterBytes = 1000000 }, 52, 0, false, 1000000 },
    { { disconnect = "reset", at = "body", afterBytes = 1000000 }, reset, 0, false, 1000000 },
    { { disconnect = "close", at = "response" }, 52, 0, true },
    { { disconnect = "reset", at = "response" }, 56, 0, true },
    { { disconnect = "close", at = "midResponse" }, 18, 201, true },
    { { disconnect = "reset", at = "midResponse" }, 56, 201, true },
    { { response = "truncated" }, 0, 201, true },
    { { response = "html" }, 0, 200, true },
    { { response = "empty" }, 0, 200, true },
    { { response = "enormous" }, 0, 201, true },
    { { response = "invalidUtf8" }, 0, 201, true },
    { { response = "deep" }, 0, 201, true },
    { { response = "notJson" }, 0, 201, true },
    { { response = "noContent" }, 0, 204, true },
    { { response = "redirect", location = "http://127.0.0.1:9/" }, 0, 302, false },
    { { body = '{"id":1}', contentType = "text/plain" }, 0, 200, true },
    { { headers = { ["X-Extra"] = "y" } }, 0, 201, true },
    { { manyHeaders = 256 }, 0, 201, true },
  }

  local function check_fault(target, case)
    local fault, exit, status, stored, bytes = case[1], case[2], case[3], case[4], case[5]
    target:reset()
    target:fault(fault)
    local answer = upload(target, { "-H", "Expect:" })
    assert.is_true(type(exit) == "table" and exit[answer.exit] or answer.exit == exit, "curl exit " .. answer.exit)
    assert.equal(status, answer.status)
    local request = target:lastRequest()
    assert.equal(stored, request.stored)
    assert.equal(stored and 1 or 0, select(2, target:media()))
    assert.equal(status == 0 and cjson.null or status, request.status)
    if bytes then assert.equal(bytes, request.bytes) end
    if request.bodyComplete and request.sha256 ~= cjson.null then assert.equal(sha256(folder .. "/clip.mp4"), request.sha256) end
    assert.equal(0, #target:faults())
    assert.equal(201, upload(target).status)
    return answer, request
  end

  for _, case in ipairs(faults) do
    it("plays the fault " .. cjson.encode(case[1]), function() check_fault(box, case) end)
  end

  it("makes the broken answers what they are called", function()
    local function body(fault) return check_fault(box, { fault, 0, 201, true }) end
    local truncated = body{ response = "truncated" }
    assert.is_nil(truncated.json)
    assert.equal('{"id":', truncated.body:sub(1, 6))
    assert.equal(#truncated.body, tonumber(truncated.headers:match("Content%-Length: (%d+)")))
    local enormous = body{ response = "enormous" }
    assert.is_true(#enormous.body >= 10 * 1024 * 1024)
    assert.equal("READY", enormous.json.status)
    assert.truthy(body{ response = "invalidUtf8" }.body:find("caf\233\"", 1, true))
    assert.equal(("["):rep(10000) .. ("]"):rep(10000), body{ response = "deep" }.body)
    assert.equal("ok", body{ response = "notJson" }.body)
    local _, fillers = body{ manyHeaders = 256 }.headers:gsub("X%-Sandbox%-Filler%-%d+: x+\r\n", function(line) assert.equal(1024, #line) end)
    assert.equal(256, fillers)
    assert.truthy(body{ headers = { ["X-Extra"] = "y" } }.headers:find("X-Extra: y\r\n", 1, true))
    local html = check_fault(box, { { response = "html" }, 0, 200, true })
    assert.truthy(html.headers:find("Content-Type: text/html", 1, true))
    local literal = check_fault(box, { { body = "hm", contentType = "text/x-hm" }, 0, 200, true })
    assert.equal("hm", literal.body)
    assert.truthy(literal.headers:find("Content-Type: text/x-hm\r\n", 1, true))
    local busy = check_fault(box, { { status = 503, retryAfter = "7", code = "busy", message = "m", details = { "d" } }, 0, 503, false })
    assert.same({ code = "busy", message = "m", details = { "d" } }, busy.json)
    assert.truthy(busy.headers:find("Retry-After: 7\r\n", 1, true))
    local redirect = check_fault(box, { { response = "redirect", location = "http://127.0.0.1:9/" }, 0, 302, false })
    assert.truthy(redirect.headers:find("Location: http://127.0.0.1:9/\r\n", 1, true))
  end)

  it("answers early without reading, and without a 100", function()
    local answer, request = check_fault(box, { { status = 503, early = true }, 0, 503, false })
    assert.is_false(request.bodyComplete)
    assert.equal(0, request.bytes)
    assert.is_nil(answer.headers:find("100 Continue", 1, true))
    box:fault{ status = 503, early = true }
    assert.is_nil(upload(box, { "-H", "Expect: 100-continue" }).headers:find("100 Continue", 1, true))
  end)

  it("delays before and after the body", function()
    for _, field in ipairs{ "delayBeforeBodyMs", "delayAfterBodyMs" } do
      box:fault{ [field] = 300 }
      local seconds = tonumber((shell(("curl -q -s -o /dev/null -w '%%{time_total}' -H 'Authorization: Bearer %s' %s/public/v1/media")
        :format(box.key, box.url)):gsub(",", ".")))
      assert.is_true(seconds >= 0.3, field .. ": " .. seconds)
    end
  end)

  it("stores during the delay after the body, so that a client that gives up has an upload", function()
    box:fault{ delayAfterBodyMs = 60000 }
    local answer = upload(box, { "-m", "0.5" })
    assert.equal(28, answer.exit)
    assert.equal(1, select(2, box:media()))
    assert.equal(cjson.null, box:lastRequest().status)
  end)

  it("stops reading and says nothing", function()
    box:fault{ stopReadingAfter = 123456 }
    shell("truncate -s 100M " .. folder .. "/hundred.mp4")
    local answer = curl(box, "/public/v1/media", { "-m", "0.5", "-F", "file=@" .. folder .. "/hundred.mp4;type=video/mp4" })
    assert.same({ 28, "" }, { answer.exit, answer.body })
    local request = box:lastRequest()
    assert.same({ 123456, false, cjson.null }, { request.bytes, request.bodyComplete, request.status })
  end)

  it("lists a client that went away in the middle", function()
    local answer = upload(box, { "--limit-rate", "200k", "-m", "0.5" })
    assert.equal(28, answer.exit)
    wait_until(function()
      local request = box:lastRequest()
      return request and request.bytes > 0
    end, "the broken request is listed with its bytes")
    assert.is_false(box:lastRequest().bodyComplete)
    assert.equal(cjson.null, box:lastRequest().status)
    assert.equal(0, select(2, box:media()))
  end)

  it("matches faults by method and path, counts them, and keeps one for ever", function()
    box:fault{ method = "POST", path = "/public/v1/media", status = 500, times = 2 }
    assert.equal(200, curl(box, "/public/v1/media").status)
    assert.equal(500, upload(box).status)
    assert.equal(1, box:faults()[1].remaining)
    assert.equal(500, upload(box).status)
    assert.equal(201, upload(box).status)
    box:fault{ status = 502, times = 0 }
    for _ = 1, 3 do assert.equal(502, curl(box, "/public/v1/nothing").status) end
    assert.equal(cjson.null, box:faults()[1].remaining)
    box:clearFaults()
    assert.equal(404, curl(box, "/public/v1/nothing").status)
  end)

  it("throws the same dice for the same seed", function()
    local function throws(seed)
      local seeded = sandbox.start{ args = { "--seed", seed } }
      seeded:fault{ status = 500, probability = 0.5, times = 0 }
      local statuses = {}
      for i = 1, 24 do statuses[i] = curl(seeded, "/public/v1/media").status end
      seeded:stop()
      return table.concat(statuses, " ")
    end
    local first = throws("7")
    assert.truthy(first:find("500") and first:find("200"))
    assert.equal(first, throws("7"))
    assert.are_not.equal(first, throws("8"))
  end)

  it("takes a fault from the request's own header", function()
    local answer = upload(box, { "-H", 'X-Sandbox-Fault: {"status":418,"code":"teapot"}' })
    assert.same({ 418, "teapot" }, { answer.status, answer.json.code })
    assert.equal("invalid_fault", upload(box, { "-H", "X-Sandbox-Fault: {" }).json.code)
    assert.equal("times", upload(box, { "-H", 'X-Sandbox-Fault: {"status":500,"times":2}' }).json.details[1].path[1])
  end)

  it("refuses faults that it does not understand whole", function()
    local wrong = {
      statuz = '{"statuz":500}', status = '{"status":"500"}', times = '{"status":500,"times":-1}', probability = '{"status":500,"probability":2}',
      path = '{"status":500,"path":"x"}', at = '{"disconnect":"close"}', disconnect = '{"disconnect":"bang","at":"headers"}',
      afterBytes = '{"disconnect":"close","at":"body"}', response = '{"response":"odd"}', location = '{"response":"redirect"}',
      early = '{"status":500,"early":1}', headers = '{"headers":{"Content-Length":"1"}}', retryAfter = '{"status":500,"retryAfter":2}',
      manyHeaders = '{"manyHeaders":100000}', store = '{"disconnect":"close","at":"headers","store":true}', contentType = '{"contentType":"x"}',
      [""] = "{}",
    }
    for path, body in pairs(wrong) do
      local status, text = box:control("POST", "/sandbox/faults", body)
      assert.equal(400, status, body)
      local answer = cjson.decode(text)
      local paths = {}
      for _, detail in ipairs(answer.details) do paths[detail.path[1]] = true end
      assert.is_true(paths[path] or (path == "contentType" and paths[""]), body .. " " .. text)
    end
    assert.equal(400, (box:control("POST", "/sandbox/faults", "nonsense")))
    assert.equal(0, #box:faults())
  end)

  it("serves HTTPS, with the faults below it", function()
    local cert, key = folder .. "/cert.pem", folder .. "/key.pem"
    local _, made = shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
      .. "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null"):format(key, cert))
    assert.equal(0, made)
    local secure = sandbox.start{ tls = { cert = cert, key = key } }
    assert.equal("https://", secure.url:sub(1, 8))
    secure.cacert = cert
    assert.equal(201, upload(secure).status)
    assert.equal(sha256(folder .. "/clip.mp4"), secure:lastRequest().sha256)
    local refused = upload(secure, { "-H", "Expect:" }, "wrong")
    assert.same({ 0, 401 }, { refused.exit, refused.status })
    for _, case in ipairs(faults) do check_fault(secure, case) end
    assert.equal(0, secure:stop())
  end)

  describe("ends", function()
    it("at EOF, promptly, in spite of connections that a fault holds", function()
      local held = sandbox.start()
      held:fault{ stopReadingAfter = 10, method = "POST" }
      held:fault{ delayAfterBodyMs = 600000, method = "GET" }
      -- Without the standard input of the sandbox, which they would keep open.
      local close = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-;"
      shell(("{ (%s curl -q -s -m 50 -H 'Authorization: Bearer %s' -F 'file=@%s/clip.mp4;type=video/mp4' %s/public/v1/media) >/dev/null 2>&1 & }")
        :format(close, held.key, folder, held.url))
      shell(("{ (%s curl -q -s -m 50 -H 'Authorization: Bearer %s' %s/public/v1/media) >/dev/null 2>&1 & }"):format(close, held.key, held.url))
      wait_until(function() return #held:faults() == 0 end, "both faults hold a connection")
      local started = os.time()
      assert.equal(0, held:stop())
      assert.is_true(os.time() - started <= 1)
    end)

    it("at SIGTERM and SIGINT", function()
      for _, signal in ipairs{ "TERM", "INT" } do
        local killed = sandbox.start()
        local pid = killed.pid
        shell("kill -" .. signal .. " " .. pid)
        wait_until(function() return select(2, shell("kill -0 " .. pid .. " 2>/dev/null")) ~= 0 end, "it is gone")
        assert.equal(0, killed:stop())
      end
    end)
  end)

  describe("the command line", function()
    local program = os.getenv("LOOMTA_SANDBOX_BIN") or "build/sandbox/loomta-sandbox"
    it("is refused with status 2 and one line", function()
      for _, words in ipairs{ "--bad", "--port", "--port x", "--port 65536", "extra", "--tls a", "--tls /nonexistent /nonexistent", "--quiet=1" } do
        local text, status = shell(program .. " " .. words .. " 2>&1 </dev/null")
        assert.equal(2, status, words)
        assert.truthy(text:match("^loomta%-sandbox: [^\n]+\n$"), text)
      end
    end)

    it("explains itself", function()
      local text, status = shell(program .. " --help")
      assert.equal(0, status)
      for _, word in ipairs{ "%-%-keep%-bodies", "/sandbox/faults", "curl" } do assert.truthy(text:find(word)) end
      assert.truthy(shell(program .. " --version"):find("^loomta%-sandbox %d"))
    end)

    it("fails clearly when the port is taken", function()
      local text, status = shell(("%s --port %d 2>&1 </dev/null"):format(program, box.port))
      assert.equal(1, status)
      assert.truthy(text:find("cannot listen on 127.0.0.1 port " .. ("%d"):format(box.port), 1, true))
    end)
  end)
end)
