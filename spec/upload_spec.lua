-- What arrives is what was given: every kind of source at every awkward size, the form around it, and what a call returns.
local cjson = require "cjson"
local files = require "spec.support.files"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

local shell = files.shell
local read_file = files.read

local key = "loomta_sk_spec_7d1f0b5e9c"
local mebibyte = 1024 * 1024
local uuid_pattern = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

local folder, box, client, hundred

local function write_file(name, bytes) return files.write(folder .. "/" .. name, bytes) end

local function sha256(path) return shell("sha256sum " .. lua.quote(path)):match "^%x+" end

-- Bytes of no known type, no two blocks alike, and blocks of a length that no buffer has: a piece that is lost, doubled
-- or swapped changes the hash.
local filling
do
  local seed, bytes = 1, {}
  for i = 1, 4093 - 8 do
    seed = seed * 16807 % 2147483647
    bytes[i] = string.char(seed % 256)
  end
  filling = table.concat(bytes)
end

local function content(size)
  local blocks = {}
  for i = 0, math.floor(size / 4093) do blocks[#blocks + 1] = ("%08d"):format(i) .. filling end
  return table.concat(blocks):sub(1, size)
end

local function pieces(bytes, length)
  local at = 1
  return function()
    if at > #bytes then return nil end
    local piece = bytes:sub(at, at + length - 1)
    at = at + length
    return piece
  end
end

-- Each gives the source fields for a file of these bytes, and a function that looks at what the upload left behind.
local kinds = {
  ["a file by its path"] = function(path) return { file = path } end,

  ["an open handle"] = function(path)
    local file = assert(io.open(path, "rb"))
    return { file = file }, function()
      assert.equal("file", io.type(file))
      assert.equal(0, file:seek "cur")
      file:close()
    end
  end,

  ["a handle whose position was moved"] = function(path, bytes)
    local file = assert(io.open(path, "rb"))
    local there = math.floor(#bytes / 2)
    file:seek("set", there)
    return { file = file }, function()
      assert.equal("file", io.type(file))
      assert.equal(there, file:seek "cur")
      assert.equal(bytes:sub(there + 1, there + 100), file:read(100))
      file:close()
    end
  end,

  ["a handle that was written to"] = function(_, bytes)
    local path = folder .. "/written"
    local file = assert(io.open(path, "w+b"))
    file:setvbuf("full", 1024 * 1024) -- what is written must not be on the disk before the upload
    file:write(bytes)
    return { file = file }, function()
      assert.equal("file", io.type(file))
      assert.equal(#bytes, file:seek "cur")
      assert.is_truthy(file:write "more")
      file:close()
      assert.is_true(read_file(path) == bytes .. "more") -- not assert.equal, which would print them
    end
  end,

  ["a string"] = function(_, bytes) return { data = bytes } end,
  ["a reader with a size"] = function(_, bytes) return { reader = pieces(bytes, 10007), size = #bytes } end,
  ["a reader without a size"] = function(_, bytes) return { reader = pieces(bytes, 10007) } end,
}

local function assert_arrived(path, size, kind)
  local given, look = kinds[kind](path, read_file(path))
  given.mimeType = "video/mp4"
  local media, err = client:upload(given)
  assert.is_nil(err, tostring(err))
  assert.equal(size, media.size)
  local request = box:lastRequest()
  assert.equal(sha256(path), request.sha256)
  assert.equal(size, request.parts[2].size)
  assert.is_true(request.stored)
  if look then look() end
end

-- What upload gives for a file of these bytes; the spec fails where it failed.
local function upload(given, on)
  local media, err, info = (on or client):upload(given)
  assert.is_nil(err, tostring(err))
  return media, info
end

local function fixture(name) return "spec/fixtures/" .. name end

local function part_values(request)
  local names, values = {}, {}
  for i, part in ipairs(request.parts) do
    names[i] = part.name
    values[part.name] = part.value
  end
  return table.concat(names, " "), values
end

local function is_integer(value) return type(value) == "number" and (not math.type or math.type(value) == "integer") end

describe("an upload", function()
  setup(function()
    folder = shell "mktemp -d"
    box = sandbox.start { args = { "--key", key } }
    client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
  end)

  teardown(function()
    if client then client:close() end
    if box then box:stop() end
    shell("rm -rf " .. lua.quote(folder))
  end)

  before_each(function() box:reset() end)

  describe("brings every byte of", function()
    local sizes = { 1, 4095, 4096, 4097, 65535, 65536, 65537, mebibyte - 1, mebibyte, mebibyte + 1 }
    for kind in pairs(kinds) do
      for _, size in ipairs(sizes) do
        it(("%s, %d bytes"):format(kind, size), function()
          assert_arrived(write_file("sized", content(size)), size, kind)
        end)
      end

      it(kind .. ", 100 MiB #slow", function()
        collectgarbage()
        hundred = hundred or write_file("hundred", content(100 * mebibyte))
        assert_arrived(hundred, 100 * mebibyte, kind)
        collectgarbage()
      end)
    end

    it("a file of more than 4 GiB #slow", function()
      local path = write_file("sparse.mp4", read_file(fixture "clip.mp4"))
      local size = 4 * 1024 * mebibyte + 5
      shell(("truncate -s %.0f %s"):format(size, lua.quote(path)))
      local media, info = upload { file = path }
      assert.equal(size, media.size)
      assert.equal(size, info.totalBytes)
      assert.equal(size, info.bytesSent)
      assert.is_true(is_integer(media.size))
      assert.equal(sha256(path), box:lastRequest().sha256)
      os.remove(path)
    end)
  end)

  describe("from a reader", function()
    local bytes = content(200000)
    local function assert_whole(given)
      given.mimeType = "video/mp4"
      upload(given)
      assert.equal(sha256(write_file("whole", bytes)), box:lastRequest().sha256)
    end

    it("that has nothing now and then", function()
      local next_piece, calls = pieces(bytes, 9973), 0
      local function reader()
        calls = calls + 1
        if calls % 3 ~= 0 then return "" end
        return next_piece()
      end
      assert_whole { reader = reader }
      assert.is_true(calls > 60)
    end)

    it("that has nothing now and then, and says how much it will be", function()
      local next_piece, calls = pieces(bytes, 9973), 0
      local function reader()
        calls = calls + 1
        return calls % 2 == 0 and "" or next_piece()
      end
      assert_whole { reader = reader, size = #bytes }
    end)

    it("that gives single bytes", function() assert_whole { reader = pieces(bytes, 1) } end)

    it("that gives everything at once", function() assert_whole { reader = pieces(bytes, #bytes), size = #bytes } end)

    it("that is a file's read", function()
      local file = assert(io.open(write_file("lines", bytes), "rb"))
      assert_whole { reader = function() return file:read(1000) end }
      file:close()
    end)

    -- A reader is an iterator: once it has said nil it need not be able to say it again.
    for _, size in ipairs { 1000, 200000 } do
      it(("does not call it again after its end, %d bytes"):format(size), function()
        local next_piece, ended = pieces(bytes:sub(1, size), 700), false
        local function reader()
          assert(not ended, "called again after its end")
          local piece = next_piece()
          ended = piece == nil
          return piece
        end
        local called, media, err = pcall(client.upload, client, { reader = reader, mimeType = "video/mp4" })
        assert.is_true(called, tostring(media))
        assert.is_nil(err, tostring(err))
        assert.equal(size, media.size)
        assert.is_true(ended)
      end)
    end

    it("that is a coroutine", function()
      local reader = coroutine.wrap(function()
        for piece in pieces(bytes, 5000) do coroutine.yield(piece) end
      end)
      local called, media = pcall(client.upload, client, { reader = reader, mimeType = "video/mp4" })
      assert.is_true(called, tostring(media))
      assert.equal(#bytes, media.size)
    end)

    -- PUC Lua 5.1 cannot yield across pcall.
    local it_yields = (_VERSION ~= "Lua 5.1" or jit) and it or pending
    it_yields("that yields, as may onProgress", function()
      local next_piece, outcome = pieces(bytes, 9973), {}
      local upload_in_steps = coroutine.wrap(function()
        outcome.media, outcome.err = client:upload {
          reader = function()
            coroutine.yield "reader"
            return next_piece()
          end,
          onProgress = function() coroutine.yield "onProgress" end,
          mimeType = "video/mp4",
        }
        return "end"
      end)
      local steps, where = { reader = 0, onProgress = 0 }, upload_in_steps()
      while where ~= "end" do
        steps[where] = steps[where] + 1
        where = upload_in_steps()
      end
      assert.is_nil(outcome.err, tostring(outcome.err))
      assert.equal(#bytes, outcome.media.size)
      assert.is_true(steps.reader > 20 and steps.onProgress >= 2)
    end)

    it("that itself uploads with the same client", function()
      local inner_media, inner_err
      local next_piece = pieces(bytes, 20000)
      local calls = 0
      local function reader()
        calls = calls + 1
        if calls == 6 then inner_media, inner_err = client:upload { file = fixture "jfif.jpg" } end
        return next_piece()
      end
      local media = upload { reader = reader, size = #bytes, mimeType = "video/mp4" }
      assert.is_nil(inner_err, tostring(inner_err))
      assert.equal(1847, inner_media.size)
      assert.equal(#bytes, media.size)
      local arrived = {}
      for _, request in ipairs((box:requests())) do arrived[#arrived + 1] = request.sha256 end
      local expected = { sha256(write_file("whole", bytes)), sha256(fixture "jfif.jpg") }
      table.sort(arrived)
      table.sort(expected)
      assert.same(expected, arrived)
    end)
  end)

  describe("returns", function()
    it("the media object as the server sent it", function()
      local media, err = client:upload { file = fixture "clip.webm" }
      assert.is_nil(err)
      assert.matches(uuid_pattern, media.id)
      assert.equal("clip.webm", media.originalFileName)
      assert.equal("video/webm", media.mimeType)
      assert.equal("video", media.mediaType)
      assert.equal("READY", media.status)
      assert.equal(9972, media.size)
      assert.is_true(is_integer(media.size))
      local stored = box:media()
      assert.equal(1, #stored)
      for name, value in pairs(stored[1]) do
        if value == cjson.null then assert.is_nil(rawget(media, name), name) else assert.equal(value, media[name]) end
      end
      for name in pairs(media) do assert.is_not_nil(stored[1][name], name .. " came from nowhere") end
    end)

    it("JSON nulls as absent keys", function()
      local media = upload { file = fixture "clip.mp4" }
      assert.equal(cjson.null, box:media()[1].folderId) -- the server did send them
      assert.equal(cjson.null, box:media()[1].thumbnailMetadata)
      assert.is_nil(media.folderId)
      assert.is_nil(media.thumbnailMetadata)
    end)

    it("nested values, numbers as integers, and fields that nobody knows", function()
      box:fault {
        body = '{"id":"x","size":12345,"ratio":1.5,"zero":0,"huge":1e300,"new":{"deep":[1,null,{"a":null,"n":3}]},"yes":true,"no":false}',
      }
      local media = upload { file = fixture "clip.mp4" }
      assert.is_true(is_integer(media.size) and is_integer(media.zero) and is_integer(media.new.deep[1]))
      assert.is_true(is_integer(media.new.deep[3].n))
      assert.equal(12345, media.size)
      assert.equal("12345", tostring(media.size))
      assert.equal(1.5, media.ratio)
      assert.equal(1e300, media.huge)
      assert.equal(loomta.null, media.new.deep[2])
      assert.is_nil(media.new.deep[3].a)
      assert.is_true(media.yes)
      assert.is_false(media.no)
    end)

    it("what it took #blocking", function()
      local own = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
      local path = write_file("measured", content(70000))
      local _, err, info = own:upload { file = path, mimeType = "video/mp4" }
      assert.is_nil(err)
      assert.equal(201, info.status)
      assert.equal(1, info.attempts)
      assert.equal(70000, info.bytesSent)
      assert.equal(70000, info.totalBytes)
      for _, name in ipairs { "status", "attempts", "bytesSent", "totalBytes" } do assert.is_true(is_integer(info[name]), name) end
      assert.is_false(info.reusedConnection)
      assert.equal("1.1", info.httpVersion)
      assert.equal(("sandbox-%d"):format(box:lastRequest().id), info.requestId)
      for _, name in ipairs { "durationMs", "connectMs", "tlsMs", "firstByteMs" } do
        assert.is_number(info[name], name)
        assert.is_true(info[name] >= 0 and info[name] < 60000, name)
      end
      assert.is_true(info.durationMs > 0 and info.connectMs > 0 and info.firstByteMs > 0)
      assert.is_true(info.firstByteMs <= info.durationMs and info.connectMs <= info.durationMs)
      assert.equal(0, info.tlsMs)

      _, err, info = own:upload { file = path, mimeType = "video/mp4" }
      assert.is_nil(err)
      assert.is_true(info.reusedConnection)
      assert.equal(0, info.connectMs)
      own:close()
    end)

    it("the bytes that a reader without a size has given", function()
      local _, info = upload { reader = pieces(content(50000), 7000), mimeType = "video/mp4" }
      assert.equal(50000, info.bytesSent)
      assert.is_nil(info.totalBytes)
    end)
  end)

  describe("puts into the form", function()
    local function form(given)
      given.file = given.file or fixture "clip.mp4"
      local media = upload(given)
      local names, values = part_values(box:lastRequest())
      return names, values, media
    end

    it("the file alone when nothing else was given", function()
      local names = form {}
      assert.equal("file", names)
    end)

    local folder_id = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f"
    local fields = { "fileName", "mimeType", "mediaType", "folderId" }
    local values = { fileName = "other.mp4", mimeType = "video/mp4", mediaType = "video", folderId = "null" }
    for _, name in ipairs(fields) do
      it("only " .. name .. " when only that was given", function()
        local names, sent = form { [name] = values[name] }
        assert.equal(name .. " file", names)
        assert.equal(values[name], sent[name])
      end)
    end

    it("all four, in this order, before the file", function()
      local names, sent, media = form { fileName = "n.mp4", mimeType = "video/mp4", mediaType = "image", folderId = "null", preflight = false }
      assert.equal("fileName mimeType mediaType folderId file", names)
      assert.same({ fileName = "n.mp4", mimeType = "video/mp4", mediaType = "image", folderId = "null" }, sent)
      assert.equal("n.mp4", media.originalFileName)
      assert.equal("image", media.mediaType)
    end)

    it("loomta.null as the root folder", function()
      local names, sent, media = form { folderId = loomta.null }
      assert.equal("folderId file", names)
      assert.equal("null", sent.folderId)
      assert.is_nil(media.folderId)
    end)

    it("a folder's UUID", function()
      local made = cjson.decode(shell(("curl -q -sS --noproxy '*' -H 'Authorization: Bearer %s' -d '{\"name\":\"Clips\"}' %s"):format(
        box.key, lua.quote(box.url .. "/public/v1/media/folders"))))
      local _, sent, media = form { folderId = made.id }
      assert.equal(made.id, sent.folderId)
      assert.equal(made.id, media.folderId)
    end)

    it("a folder that the server does not know: it says so", function()
      local media, err, info = client:upload { file = fixture "clip.mp4", folderId = folder_id }
      assert.is_nil(media)
      assert.equal("invalid_request", err.code)
      assert.equal("folderId", err.details[1].path[1])
      assert.equal(400, err.status)
      assert.equal(400, info.status)
    end)

    it("the type that the content has, whatever the name says", function()
      local _, _, media = form { file = write_file("really-a-webm.mp4", read_file(fixture "clip.webm")) }
      assert.equal("video/webm", media.mimeType)
      assert.equal("really-a-webm.mp4", media.originalFileName)
    end)

    it("the type that the name says, when the content is unknown", function()
      local path = write_file("raw.MOV", content(5000))
      local _, _, media = form { file = path }
      assert.equal("video/quicktime", media.mimeType)
      _, _, media = form { file = path, fileName = "raw.webp" }
      assert.equal("image/webp", media.mimeType)
    end)
  end)

  describe("reports progress", function()
    local function watch(given)
      local reports = {}
      given.onProgress = function(sent, total) reports[#reports + 1] = { sent, total } end
      given.mimeType = "video/mp4"
      upload(given)
      return reports
    end

    local function assert_rises(reports, size, total)
      assert.is_true(#reports >= 2)
      assert.equal(0, reports[1][1])
      assert.equal(size, reports[#reports][1])
      for i, report in ipairs(reports) do
        assert.equal(total, report[2])
        assert.is_true(is_integer(report[1]))
        assert.is_true(report[1] <= size)
        if i > 1 then assert.is_true(report[1] > reports[i - 1][1]) end
      end
    end

    it("from 0 to the size", function()
      for _, size in ipairs { 1, 5000, 3 * mebibyte } do
        local path = write_file("watched", content(size))
        assert_rises(watch { file = path }, size, size)
        assert_rises(watch { data = content(size) }, size, size)
        assert_rises(watch { reader = pieces(content(size), 50000), size = size }, size, size)
      end
    end)

    it("in steps, when it takes long", function()
      local reports = watch { data = content(900000), maxBytesPerSec = 400000 }
      assert_rises(reports, 900000, 900000)
      assert.is_true(#reports >= 5)
    end)

    it("without a total, when a reader has no size", function()
      assert_rises(watch { reader = pieces(content(300000), 50000) }, 300000, nil)
    end)

    it("and stops when it is told false", function()
      local calls = 0
      local media, err, info = client:upload {
        data = content(2 * mebibyte), mimeType = "video/mp4", maxBytesPerSec = 500000,
        onProgress = function(sent)
          calls = calls + 1
          return sent == 0
        end,
      }
      assert.is_nil(media)
      assert.equal("canceled", err.code)
      assert.equal("canceled", err.kind)
      assert.is_false(err.possiblyStored)
      assert.is_false(err.retryable)
      assert.equal(1, err.attempts)
      assert.is_true(info.bytesSent > 0 and info.bytesSent < mebibyte)
      assert.is_true(calls >= 2)
      assert.equal(0, select(2, box:media()))
      upload { file = fixture "clip.mp4" }
      assert.equal(1, select(2, box:media()))
    end)

    it("and goes on at nil, 0 and true", function()
      for _, answer in ipairs { 0, true, "false" } do
        upload { file = fixture "clip.mp4", onProgress = function() return answer end }
      end
      upload { file = fixture "clip.mp4", onProgress = function() end }
      assert.equal(4, select(2, box:media()))
    end)

    it("and raises what it raised, usable afterwards", function()
      local thrown = {}
      local called, raised = pcall(client.upload, client, {
        data = content(mebibyte), mimeType = "video/mp4", maxBytesPerSec = 100000,
        onProgress = function() error(thrown) end,
      })
      assert.is_false(called)
      assert.equal(thrown, raised)
      upload { file = fixture "clip.mp4" }
      assert.equal(1, select(2, box:media()))
    end)
  end)

  describe("with options of its own", function()
    it("takes them before the client's", function()
      local own = assert(loomta.new { apiKey = "wrong", baseUrl = "http://127.0.0.1:9", userAgent = "mine/1", preflight = false, maxRetries = 0 })
      upload({ file = fixture "clip.mp4", apiKey = box.key, baseUrl = box.url, userAgent = "yours/2" }, own)
      local agent = box:lastRequest().headers["user-agent"]
      assert.matches("^loomta/%S+ %(.+; libcurl [%d.]+.-%) yours/2$", agent)
      assert.is_nil(agent:find("mine", 1, true))

      local media, err = own:upload { file = fixture "picture.png", preflight = true, baseUrl = box.url, apiKey = box.key }
      assert.is_nil(media)
      assert.equal("unsupported_media_type", err.code)
      assert.equal(0, err.attempts)
      own:close()
    end)

    it("for this call alone", function()
      local own = assert(loomta.new { apiKey = box.key, baseUrl = box.url, userAgent = "mine/1" })
      upload({ file = fixture "clip.mp4", userAgent = "yours/2" }, own)
      upload({ file = fixture "clip.mp4" }, own)
      assert.matches(" mine/1$", box:lastRequest().headers["user-agent"])
      local _, err = own:upload { file = fixture "clip.mp4", apiKey = "wrong" }
      assert.equal("invalid_api_key", err.code)
      upload({ file = fixture "clip.mp4" }, own)
      own:close()
    end)

    it("does not write to the tables that it was given", function()
      local settings = { apiKey = box.key, baseUrl = box.url .. "/" }
      local own = assert(loomta.new(settings))
      local given = { file = fixture "clip.mp4", folderId = loomta.null, apiKey = box.key }
      upload(given, own)
      assert.same({ apiKey = box.key, baseUrl = box.url .. "/" }, settings)
      assert.same({ file = fixture "clip.mp4", folderId = loomta.null, apiKey = box.key }, given)
      own:close()
    end)
  end)

  it("is no faster than maxBytesPerSec, in both places", function()
    local slow = assert(loomta.new { apiKey = box.key, baseUrl = box.url, maxBytesPerSec = 200000 })
    local data = content(300000)
    local function now() return tonumber(shell "date +%s%3N") end
    for _, case in ipairs { { slow, nil }, { client, 200000 } } do
      local before = now()
      local _, info = upload({ data = data, mimeType = "video/mp4", maxBytesPerSec = case[2] }, case[1])
      assert.is_true(now() - before >= 1000)
      assert.is_true(info.durationMs >= 1000)
      assert.equal(300000, box:lastRequest().parts[2].size)
    end
    slow:close()
  end)

  it("uses one connection for all of a client's calls, and another for another client #blocking", function()
    local one = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
    local other = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
    upload({ file = fixture "clip.mp4" }, one)
    upload({ data = read_file(fixture "jfif.jpg") }, one)
    upload({ reader = pieces(read_file(fixture "clip.webm"), 1000) }, one)
    one:upload { file = fixture "clip.mp4", folderId = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f" } -- an error does not end it
    upload({ data = content(10 * mebibyte), mimeType = "video/mp4" }, one) -- nor does a large one, which asks first
    upload({ file = fixture "clip.mp4" }, other)
    local requests = box:requests()
    assert.equal(6, #requests)
    for i = 2, 5 do assert.equal(requests[1].connection, requests[i].connection) end
    assert.are_not.equal(requests[1].connection, requests[6].connection)
    assert.is_false(requests[1]["continue"])
    assert.is_true(requests[5]["continue"])
    one:close()
    other:close()
  end)

  it("cannot be made with a closed client, which may be closed again", function()
    local own = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
    upload({ file = fixture "clip.mp4" }, own)
    own:close()
    own:close()
    local called, raised = pcall(own.upload, own, { file = fixture "clip.mp4" })
    assert.is_false(called)
    assert.matches("the client is closed", raised)
  end)
end)
