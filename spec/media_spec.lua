-- Recognition by content, on files that real encoders made (spec/fixtures/make.sh).
local core = require "loomta.core"
local loomta = require "loomta"

local fixtures = "spec/fixtures/"

local expected = {
  ["jfif.jpg"] = "image/jpeg",
  ["gradient.jpg"] = "image/jpeg",
  ["lossy.webp"] = "image/webp",
  ["lossless.webp"] = "image/webp",
  ["animated.webp"] = "image/webp",
  ["clip.mp4"] = "video/mp4",
  ["fragmented.mp4"] = "video/mp4",
  ["brand-mp42.mp4"] = "video/mp4",
  ["brand-avc1.mp4"] = "video/mp4",
  ["brand-m4v.m4v"] = "video/mp4",
  ["clip.mov"] = "video/quicktime",
  ["no-ftyp.mov"] = "video/quicktime",
  ["clip.webm"] = "video/webm",
  ["live.webm"] = "video/webm",
  ["picture.png"] = "image/png",
  ["animated.gif"] = "image/gif",
  ["picture.heic"] = "image/heic",
  ["picture.avif"] = "image/avif",
  ["picture.bmp"] = "image/bmp",
  ["picture.tiff"] = "image/tiff",
  ["picture.ico"] = "image/vnd.microsoft.icon",
  ["clip.mkv"] = "video/x-matroska",
  ["clip.avi"] = "video/x-msvideo",
  ["clip.flv"] = "video/x-flv",
  ["clip.ts"] = "video/mp2t",
  ["clip.mpg"] = "video/mpeg",
  ["clip.wmv"] = "video/x-ms-wmv",
  ["clip.3gp"] = "video/3gpp",
  ["sound.mp3"] = "audio/mpeg",
  ["no-id3.mp3"] = "audio/mpeg",
  ["sound.m4a"] = "audio/mp4",
  ["sound.aac"] = "audio/aac",
  ["sound.ogg"] = "application/ogg",
  ["sound.flac"] = "audio/flac",
  ["sound.wav"] = "audio/wav",
}

local function head(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read(4096)
  file:close()
  return bytes
end

describe("recognition", function()
  for name, mime_type in pairs(expected) do
    it("knows " .. name, function()
      local media = core.recognise(head(fixtures .. name))
      assert.is_table(media)
      assert.equal(mime_type, media.mimeType)
    end)
  end

  it("accepts the API's five types and no other", function()
    local accepted = {}
    for _, media in ipairs(core.mediaTypes()) do
      if media.accepted then accepted[#accepted + 1] = media.mimeType end
    end
    table.sort(accepted)
    assert.same({ "image/jpeg", "image/webp", "video/mp4", "video/quicktime", "video/webm" }, accepted)
  end)

  it("has every fixture in its table", function()
    local listing = io.popen "ls spec/fixtures"
    for name in listing:lines() do
      if name ~= "make.sh" then assert.is_string(expected[name], name .. " is not in the table") end
    end
    listing:close()
  end)

  it("is told in good English", function()
    for name, said in pairs {
      ["picture.png"] = "a PNG image", ["clip.avi"] = "an AVI video", ["picture.avif"] = "an AVIF image", ["clip.mpg"] = "an MPEG program stream",
      ["sound.ogg"] = "an Ogg file", ["sound.mp3"] = "MP3 audio", ["sound.aac"] = "AAC audio", ["clip.mkv"] = "a Matroska video",
    } do
      local _, err = loomta.preflight { file = fixtures .. name }
      local _, contradicted = loomta.preflight { file = fixtures .. name, mimeType = "video/mp4" }
      for _, failure in ipairs { err, contradicted } do
        assert.truthy(failure.message:find((" is %s (%s)"):format(said, expected[name]), 1, true), failure.message)
      end
    end
  end)

  -- The interesting bytes come first: a file cut anywhere must be known for what it is, or be unknown, never another type.
  it("does not take a cut file for something else", function()
    for name, mime_type in pairs(expected) do
      local bytes = head(fixtures .. name)
      for length = 0, math.min(#bytes, 300) do
        local media = core.recognise(bytes:sub(1, length))
        local allowed = not media or media.mimeType == mime_type
          or (media.mimeType == "video/x-matroska" and mime_type == "video/webm") -- the DocType is not there yet
          or (media.mimeType == "image/heic" and mime_type == "image/avif") -- the brand that tells is not there yet
        assert.is_true(allowed, ("%s cut to %d bytes looks like %s"):format(name, length, media and media.name or ""))
      end
    end
  end)

  it("leaves text, zeros and noise unknown", function()
    assert.is_nil(core.recognise "")
    assert.is_nil(core.recognise "hello, world\n")
    assert.is_nil(core.recognise(("\0"):rep(4096)))
    assert.is_nil(core.recognise '{"json": true}')
    assert.is_nil(core.recognise "BMX is a sport, and this is a text")
  end)

  it("knows documents and programs", function()
    assert.equal("application/pdf", core.recognise("%PDF-1.7\n").mimeType)
    assert.equal("text/html", core.recognise("\239\187\191 \n<!DOCTYPE HTML><p>").mimeType)
    assert.equal("image/svg+xml", core.recognise('<?xml version="1.0"?><svg xmlns="x">').mimeType)
    assert.equal("application/xml", core.recognise('<?xml version="1.0"?><rss>').mimeType)
    assert.equal("application/zip", core.recognise("PK\3\4....").mimeType)
    assert.equal("application/x-elf", core.recognise("\127ELF\2\1\1").mimeType)
  end)
end)
