-- The form on the wire, byte for byte: each body is compared with one that is composed here, from the boundary in the header.
local files = require "spec.support.files"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

local shell = files.shell
local read_file = files.read

local key = "loomta_sk_spec_7d1f3a8b2e"
local replacement = "\239\191\189" -- U+FFFD

local folder, box, client

local function write_file(name, bytes) return files.write(folder .. "/" .. name, bytes) end

local function fixture(name) return "spec/fixtures/" .. name end

local clip = read_file(fixture "clip.mp4")

-- RFC 7578, as browsers write it. `fields` is a list of name and value; `name` is the file name as it must stand there.
local function compose(boundary, fields, name, mime_type, bytes)
  local out = {}
  for _, field in ipairs(fields) do
    out[#out + 1] = ('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'):format(boundary, field[1], field[2])
  end
  out[#out + 1] = '--' .. boundary .. '\r\nContent-Disposition: form-data; name="file"; filename="' .. name .. '"\r\n'
  out[#out + 1] = "Content-Type: " .. mime_type .. "\r\n\r\n"
  out[#out + 1] = bytes
  out[#out + 1] = "\r\n--" .. boundary .. "--\r\n"
  return table.concat(out)
end

local function boundary_of(request)
  local boundary = request.headers["content-type"]:match "^multipart/form%-data; boundary=(%S+)$"
  assert.is_string(boundary, "content-type: " .. request.headers["content-type"])
  return boundary
end

-- Uploads, and compares the raw body with the composed one. Returns the request, the body and the media object.
local function assert_body(given, fields, name, mime_type, bytes)
  local media, err = client:upload(given)
  assert.is_nil(err, tostring(err))
  local request = box:lastRequest()
  local body = box:body(request.id)
  local expected = compose(boundary_of(request), fields, name, mime_type, bytes)
  if body ~= expected then -- a readable message: these bodies are long
    local at = 1
    while body:byte(at) == expected:byte(at) do at = at + 1 end
    local from = math.max(1, at - 40)
    assert.equal(("%q"):format(expected:sub(from, at + 40)), ("%q"):format(body:sub(from, at + 40)))
    assert.equal(#expected, #body)
  end
  return request, body, media
end

describe("the multipart body", function()
  setup(function()
    folder = shell "mktemp -d"
    box = sandbox.start { args = { "--key", key, "--keep-bodies", "1000000" } }
    client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
  end)

  teardown(function()
    if client then client:close() end
    if box then box:stop() end
    shell("rm -rf " .. lua.quote(folder))
  end)

  before_each(function() box:reset() end)

  it("is the file alone when nothing else is given", function()
    assert_body({ file = fixture "clip.mp4" }, {}, "clip.mp4", "video/mp4", clip)
  end)

  it("has all four fields, in their order, before the file", function()
    assert_body({ file = fixture "clip.mp4", folderId = "null", mediaType = "video", mimeType = "video/mp4", fileName = "take 2.mp4" }, {
      { "fileName", "take 2.mp4" }, { "mimeType", "video/mp4" }, { "mediaType", "video" }, { "folderId", "null" },
    }, "take 2.mp4", "video/mp4", clip)
  end)

  it("carries every byte value, line ends and what looks like a delimiter untouched", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = "x" .. table.concat(all) .. "\r\n--\r\n------loomta-\r\n----loomta-0--\r\n\r\n" .. table.concat(all):reverse()
    assert_body({ data = bytes, mimeType = "video/webm", fileName = "a.webm" },
      { { "fileName", "a.webm" }, { "mimeType", "video/webm" } }, "a.webm", "video/webm", bytes)
  end)

  describe("names the file", function()
    -- As given, as it must stand in the body, where that differs.
    local names = {
      { "with spaces", "my clip  1.mp4" },
      { "with a quote", 'a"b".mp4', "a%22b%22.mp4" },
      { "with CR and LF", "a\r\nb\nc\rd.mp4", "a%0D%0Ab%0Ac%0Dd.mp4" },
      { "with a percent sign, which is not escaped", "100%22.mp4" },
      { "with a backslash", "a\\b\\.mp4" },
      { "with a backslash at its end, which would escape the quote for some", "a.mp4\\", "a.mp4%5C" },
      { "with a semicolon", "a; filename=b.mp4" },
      { "with a tab and an escape character", "a\tb\27[31m.mp4" },
      { "with an emoji", "\240\159\142\172 clip.mp4" },
      { "with right-to-left text", "\215\161\215\168\215\152\217\129\217\138\217\132\217\133.mp4" },
      { "with a combining accent, as it is", "cafe\204\129.mp4" },
      { "of 255 bytes", ("n"):rep(251) .. ".mp4" },
      { "of 255 bytes in two-byte characters", ("\195\169"):rep(125) .. "n.mp4" },
      { "that starts with a dot", ".mp4" },
      { "without an extension", "clip" },
      { "with the first and last of each length", "\194\128\223\191\224\160\128\237\159\191\238\128\128\239\191\191\240\144\128\128\244\143\191\191.mp4" },
      { "with a lone byte that is not UTF-8", "a\255b.mp4", "a" .. replacement .. "b.mp4" },
      { "with Latin-1", "caf\233.mp4", "caf" .. replacement .. ".mp4" },
      { "with an overlong form", "a\192\175b\224\128\175.mp4", "a" .. replacement:rep(2) .. "b" .. replacement:rep(3) .. ".mp4" },
      { "with a surrogate", "a\237\160\128.mp4", "a" .. replacement:rep(3) .. ".mp4" },
      { "with more than Unicode has", "a\244\144\128\128.mp4", "a" .. replacement:rep(4) .. ".mp4" },
      { "with a character that is cut off", "a\226\130.mp4", "a" .. replacement:rep(2) .. ".mp4" },
      { "with a character that is cut off by its end", "a.\240\159\142", "a." .. replacement:rep(3) },
      { "with a lone continuation byte before a quote", "\128\".mp4", replacement .. "%22.mp4" },
    }
    for _, case in ipairs(names) do
      local name, quoted = case[2], case[3] or case[2]

      it(case[1] .. ", by its path", function()
        local path = write_file(name, clip)
        assert_body({ file = path }, {}, quoted, "video/mp4", clip)
        os.remove(path)
      end)

      it(case[1] .. ", by fileName", function()
        -- In the field of its own nothing is escaped: there CR, LF and quotes end nothing.
        local value = quoted:gsub("%%0D", "\r"):gsub("%%0A", "\n")
        if name:find('"', 1, true) then value = value:gsub("%%22", '"') end
        if name:find "\\$" then value = name end
        assert_body({ file = fixture "clip.mp4", fileName = name }, { { "fileName", value } }, quoted, "video/mp4", clip)
      end)
    end

    it("by the last component of a path", function()
      for given, name in pairs { ["/home/ann/clips/a.mp4"] = "a.mp4", ["../b.mp4"] = "b.mp4", ["c.mp4/"] = "c.mp4", ["./x/d.mp4//"] = "d.mp4" } do
        assert_body({ file = fixture "clip.mp4", fileName = given }, { { "fileName", name } }, name, "video/mp4", clip)
      end
      shell("mkdir -p " .. lua.quote(folder .. "/deep/er"))
      assert_body({ file = write_file("deep/er/e.mp4", clip) }, {}, "e.mp4", "video/mp4", clip)
      assert_body({ file = folder .. "/deep//er/../er/e.mp4" }, {}, "e.mp4", "video/mp4", clip)
    end)
  end)

  describe("gives the file a real Content-Type and a name", function()
    local types = {
      { "jfif.jpg", "image/jpeg", "jpg" },
      { "lossy.webp", "image/webp", "webp" },
      { "clip.mp4", "video/mp4", "mp4" },
      { "clip.webm", "video/webm", "webm" },
      { "no-ftyp.mov", "video/quicktime", "mov" },
    }
    for _, case in ipairs(types) do
      local name, mime_type, extension = case[1], case[2], case[3]
      local bytes = read_file(fixture(name))

      it(mime_type .. " from a path", function()
        assert_body({ file = fixture(name) }, {}, name, mime_type, bytes)
      end)

      it(mime_type .. " from data, a reader and a handle: upload." .. extension, function()
        assert_body({ data = bytes }, {}, "upload." .. extension, mime_type, bytes)
        local at = 1
        local function reader()
          if at > #bytes then return nil end
          at = at + 500
          return bytes:sub(at - 500, at - 1)
        end
        assert_body({ reader = reader }, {}, "upload." .. extension, mime_type, bytes)
        local file = assert(io.open(fixture(name), "rb"))
        assert_body({ file = file }, {}, "upload." .. extension, mime_type, bytes)
        file:close()
      end)

      it(mime_type .. " because the caller says so", function()
        assert_body({ data = "xyz", mimeType = mime_type }, { { "mimeType", mime_type } }, "upload." .. extension, mime_type, "xyz")
      end)
    end

    it("of the content, not of the name", function()
      local bytes = read_file(fixture "lossy.webp")
      assert_body({ file = write_file("photo.jpg", bytes) }, {}, "photo.jpg", "image/webp", bytes)
    end)
  end)

  describe("is announced", function()
    it("with its length, from everything that has one", function()
      local bytes = clip .. ("z"):rep(50000)
      local path = write_file("long.mp4", bytes)
      local function reader()
        local at = 1
        return function()
          if at > #bytes then return nil end
          at = at + 7001
          return bytes:sub(at - 7001, at - 1)
        end
      end
      for _, given in ipairs { { file = path }, { data = bytes, fileName = "long.mp4" }, { reader = reader(), size = #bytes } } do
        local fields = given.fileName and { { "fileName", "long.mp4" } } or {}
        local request, body = assert_body(given, fields, given.reader and "upload.mp4" or "long.mp4", "video/mp4", bytes)
        assert.equal(tostring(#body), request.headers["content-length"])
        assert.is_nil(request.headers["transfer-encoding"])
        assert.equal(#body, request.bytes)
      end

      local request, body = assert_body({ reader = reader() }, {}, "upload.mp4", "video/mp4", bytes)
      assert.equal("chunked", request.headers["transfer-encoding"])
      assert.is_nil(request.headers["content-length"])
      assert.equal(#body, request.bytes)
    end)

    it("with its length, also from a reader that turns out short", function()
      local left = { clip }
      local request, body = assert_body({ reader = function() return table.remove(left) end }, {}, "upload.mp4", "video/mp4", clip)
      assert.equal(tostring(#body), request.headers["content-length"])
    end)

    it("with a boundary of its own each time", function()
      local seen = {}
      for _ = 1, 20 do
        local request = assert_body({ data = clip }, {}, "upload.mp4", "video/mp4", clip)
        local boundary = boundary_of(request)
        assert.is_nil(seen[boundary])
        seen[boundary] = true
        -- RFC 2046 5.1.1: at most 70 characters, of those that need no quotes in the header (RFC 7230 tchar)
        assert.is_true(#boundary <= 70)
        assert.matches("^[%w'+_.-]+$", boundary)
        assert.is_true(#boundary:match "[%w]*$" >= 20, "too few random characters: " .. boundary)
      end
    end)

    it("with headers that a server expects", function()
      local request = assert_body({ data = clip }, {}, "upload.mp4", "video/mp4", clip)
      assert.equal("POST", request.method)
      assert.equal("/public/v1/media", request.path)
      assert.same({}, request.query)
      assert.equal("present", request.headers.authorization)
      assert.equal("application/json", request.headers.accept)
      assert.equal(box.url:match "^http://(.+)$", request.headers.host)
      local names = {}
      for name in pairs(request.headers) do names[#names + 1] = name end
      table.sort(names)
      assert.same({ "accept", "authorization", "content-length", "content-type", "host", "user-agent" }, names)
    end)
  end)

  it("goes to the base URL's path", function()
    client:upload { data = clip, baseUrl = box.url .. "/behind/a/proxy//" }
    assert.equal("/behind/a/proxy/public/v1/media", box:lastRequest().path)
  end)
end)
