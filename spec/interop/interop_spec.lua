-- What another multipart parser, busboy of the Node world, reads in our uploads. `make interop` fetches it.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"
local loomta = require "loomta"
local quote = require("spec.support.lua").quote

local here = "spec/interop"

local missing
if files.shell("command -v node") == "" then missing = "node is not installed" end
if not missing and files.contents(here .. "/node_modules/busboy/package.json") == "" then missing = "busboy is not here: make interop" end

-- U+FFFD, which stands for bytes that are not UTF-8. busboy would put one there itself; loomta has done so before.
local unknown = "\239\191\189"
local emoji = "\240\159\142\172"
local hebrew = "\215\169\215\156\215\149\215\157"
local override = "\226\128\174" -- U+202E, right-to-left override

-- given: the name; is: the file name that busboy hands out, field: the field `fileName`, where they differ from it.
-- Three things are busboy's own doing:
--   * It takes a backslash in a quoted string for an escape: \\ becomes \, and \" a quote that ends nothing. Browsers,
--     and loomta, send backslashes as they are: the standard for forms (WHATWG HTML) escapes only ", CR and LF.
--   * It keeps only the last component of what then is there, and splits at \ as well as at /.
--   * It does not undo %22, %0D and %0A: no parser can tell them from a name that has them. The field `fileName` has
--     the name as it was given, so nothing is lost.
local names = {
  { what = "a plain name", given = "clip.mp4" },
  { what = "spaces", given = " two  words .mp4 " },
  { what = "quotes", given = 'say "hi".mp4', is = "say %22hi%22.mp4" },
  { what = "a quote at the end", given = 'clip.mp4"', is = "clip.mp4%22" },
  { what = "an apostrophe", given = "it's.mp4" },
  { what = "semicolons and equals signs", given = "a; filename=b.mp4; name=c.mp4" },
  { what = "a part's ending", given = 'x"; name="folderId', is = "x%22; name=%22folderId" },
  { what = "percent signs", given = "100%22.mp4" },
  { what = "CR LF", given = "a\r\nX-Evil: 1\r\n\r\nb.mp4", is = "a%0D%0AX-Evil: 1%0D%0A%0D%0Ab.mp4" },
  { what = "a tab", given = "a\tb.mp4" },
  { what = "a backslash", given = "a\\b.mp4", is = "b.mp4" },
  { what = "two backslashes", given = "a\\\\b.mp4", is = "b.mp4" },
  { what = "a backslash before a quote", given = 'a\\"b.mp4', is = "%22b.mp4" },
  { what = "accents", given = "caf\195\169.mp4" },
  { what = "emoji", given = emoji .. " clip.mp4" },
  { what = "right-to-left letters", given = hebrew .. ".mp4" },
  { what = "a right-to-left override", given = "clip" .. override .. "4pm.exe" },
  { what = "255 bytes", given = ("n"):rep(251) .. ".mp4" },
  { what = "255 bytes of two-byte letters", given = ("\195\169"):rep(125) .. "n.mp4" },
  { what = "a path", given = "/tmp/some/../folder/clip.mp4", is = "clip.mp4", field = "clip.mp4" },
  { what = "invalid UTF-8", given = "a\255\254b\195.mp4", is = "a" .. unknown .. unknown .. "b" .. unknown .. ".mp4",
    field = "a" .. unknown .. unknown .. "b" .. unknown .. ".mp4" },
  { what = "a lone surrogate", given = "a\237\160\128.mp4", is = "a" .. unknown:rep(3) .. ".mp4",
    field = "a" .. unknown:rep(3) .. ".mp4" },
  { what = "something like a boundary", given = "------loomta-0000\r\n--.mp4", is = "------loomta-0000%0D%0A--.mp4" },
}

describe("busboy", function()
  if missing then
    pending(missing)
    return
  end

  local folder, server, client, bytes, sha256

  setup(function()
    folder = files.shell "mktemp -d"
    server = assert(io.popen(("node %s/server.mjs >%s/stdout 2>%s/stderr"):format(here, quote(folder), quote(folder)), "w"))
    local url
    for _ = 1, 1000 do
      url = files.contents(folder .. "/stdout"):match "^listening on (%S+)"
      if url or files.contents(folder .. "/stderr") ~= "" then break end
      os.execute "sleep 0.01"
    end
    assert(url, "the server did not start: " .. files.contents(folder .. "/stderr"))
    client = loomta.check(loomta.new { apiKey = "loomta_sk_interop", baseUrl = url, maxRetries = 0 })

    -- A video's beginning, then everything that a parser might trip over, over several of the reader's pieces.
    local noise = {}
    for i = 0, 255 do noise[#noise + 1] = string.char(i) end
    noise = table.concat(noise) .. "\r\n--\r\n------loomta-\r\n\r\n--" .. "\r\n------loomta-0123456789abcdef--\r"
    bytes = files.contents "spec/fixtures/clip.mp4" .. noise:rep(700) .. "\r\n"
    sha256 = files.shell("sha256sum " .. quote(files.write(folder .. "/bytes", bytes))):match "^%x+"
  end)

  teardown(function()
    if client then client:close() end
    if server then server:close() end
    if folder then os.execute("rm -rf " .. quote(folder)) end
  end)

  local function reader()
    local position = 1
    return function()
      if position > #bytes then return nil end
      local piece = bytes:sub(position, position + 9999)
      position = position + #piece
      return piece
    end
  end

  -- Each way to give the bytes; `named` says whether the name is the path's own.
  local sources = {
    data = function() return { data = bytes } end,
    ["a reader with a size"] = function() return { reader = reader(), size = #bytes } end,
    ["a reader without a size"] = function() return { reader = reader() } end,
    ["a file"] = function() return { file = folder .. "/bytes" } end,
  }

  local function upload(source, fields)
    local given = sources[source]()
    for name, value in pairs(fields) do given[name] = value end
    local media, err = client:upload(given)
    assert.is_nil(err)
    return media.seen
  end

  local function assert_file(seen, filename, mime_type)
    assert.same({ name = "file", filename = filename, mimeType = mime_type or "video/mp4", size = #bytes, sha256 = sha256 }, seen.file)
  end

  for source in pairs(sources) do
    for _, name in ipairs(names) do
      it(("reads %s, called %s"):format(source, name.what), function()
        local seen = upload(source, { fileName = name.given })
        assert_file(seen, name.is or name.given)
        assert.same({ fileName = name.field or name.given }, seen.fields)
        assert.equal(source == "a reader without a size", seen.chunked)
      end)
    end
  end

  -- As browsers write it, busboy takes the closing quote for an escaped one and drops the part.
  it("does not lose a file whose name ends with a backslash", function()
    local media, err = client:upload { data = bytes, fileName = "clip.mp4\\" }
    assert.is_nil(err)
    assert_file(media.seen, "clip.mp4%5C")
  end)

  for _, name in ipairs(names) do
    if not name.given:find "/" then
      it("reads a file on the disk called " .. name.what, function()
        assert(os.execute("cp " .. quote(folder .. "/bytes") .. " " .. quote(folder .. "/" .. name.given)))
        local media, err = client:upload { file = folder .. "/" .. name.given }
        assert.is_nil(err)
        assert_file(media.seen, name.is or name.given)
        assert.same({}, media.seen.fields)
      end)
    end
  end

  it("reads every field, all before the file", function()
    local folder_id = "8b2c1f4a-77d0-4e2c-9a1e-5c3b2a1d0e4f"
    local given = { fileName = "a.mp4", mimeType = "video/mp4", mediaType = "video", folderId = folder_id }
    for source in pairs(sources) do
      local seen = upload(source, given)
      assert.same(given, seen.fields)
      assert.same({ "fileName", "mimeType", "mediaType", "folderId", "file" }, seen.order)
      assert_file(seen, "a.mp4")
    end
    assert.same({ folderId = "null" }, upload("data", { folderId = loomta.null }).fields)
  end)

  it("reads field values with line ends, quotes and what looks like a part", function()
    for _, value in ipairs {
      "\r\n", "\n", " ", '"', ";", "--", "a\r\n------loomta-\r\nContent-Disposition: form-data; name=\"folderId\"\r\n\r\nnull",
      ("v"):rep(1024),
    } do
      assert.same({ fileName = value }, upload("data", { fileName = value }).fields)
    end
  end)

  it("gets a name even when there is none to give", function()
    assert_file(upload("data", {}), "upload.mp4")
    assert_file(upload("a reader without a size", {}), "upload.mp4")
    assert_file(upload("data", { mimeType = "video/quicktime", preflight = false }), "upload.mov", "video/quicktime")
  end)
end)
