-- The demonstration behind `make demo`: real files, a real HTTP server on this machine, what comes back and what goes wrong.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local folder = assert(arg[1], "usage: scripts/demo (it calls this file)")
local on_terminal = os.getenv "LOOMTA_DEMO_TERMINAL" == "yes"
local width = 78
local mebibyte = 1024 * 1024

local function say(format, ...)
  print(select("#", ...) > 0 and format:format(...) or format)
end

local function heading(number, text)
  local line = ("%d. %s"):format(number, text)
  say("\n%s", on_terminal and "\27[1m" .. line .. "\27[0m" or line)
end

--- Cuts the middle out of what is too long for the line.
local function shortened(text, room)
  if #text <= room then return text end
  local left = math.floor((room - 3) / 2)
  return text:sub(1, left) .. "..." .. text:sub(left + 4 - room)
end

local fields = { -- in the order of the API's documentation
  "id", "status", "mediaType", "mimeType", "size", "originalFileName", "storageKey", "publicUrl", "previewUrl", "folderId",
  "thumbnailMetadata", "createdAt", "finalizedAt",
}

local function show_media(media)
  for _, name in ipairs(fields) do
    if media[name] ~= nil then say("     %-17s %s", name, shortened(tostring(media[name]), width - 23)) end
  end
end

local function five_kinds(client)
  heading(1, "One call uploads a file and gives back a table: the media object.")
  for _, name in ipairs { "gradient.jpg", "lossy.webp", "clip.mp4", "clip.webm", "clip.mov" } do
    local path = "spec/fixtures/" .. name
    say("\n   loomta.upload { file = %q }", path)
    local media = loomta.check(client:upload { file = path })
    show_media(media)
  end
  say "\n   The types were found by looking at the bytes. All went over one connection."
end

--- A video's beginning, and zeros that take no room on the disk.
local function large_file(size)
  local path = folder .. "/holiday.mp4"
  local clip = assert(io.open("spec/fixtures/clip.mp4", "rb"))
  local file = assert(io.open(path, "wb"))
  assert(file:write(clip:read "*a"))
  assert(file:seek("set", size - 1))
  assert(file:write "\0")
  assert(file:close())
  clip:close()
  return path
end

--- A progress callback: a bar on a terminal, a line for each quarter elsewhere.
local function progress_bar()
  local cells, shown = 32, -1
  return function(sent, total)
    local share = sent / total
    if on_terminal then
      local full = math.floor(share * cells)
      io.write(("\r   [%s%s] %3.0f %%  %3.0f of %.0f MiB"):format(("#"):rep(full), ("."):rep(cells - full),
        math.floor(share * 100), sent / mebibyte, total / mebibyte))
      io.flush()
    elseif math.floor(share * 4) > shown then
      shown = math.floor(share * 4)
      say("   %3.0f %%  %3.0f of %.0f MiB", share * 100, sent / mebibyte, total / mebibyte)
    end
  end
end

local function progress(client)
  heading(2, "onProgress tells how far a large file has come.")
  local size = 256 * mebibyte
  local path = large_file(size)
  say("\n   256 MiB, held back to 96 MiB/s by maxBytesPerSec so that you can see it.")
  local media, err, info = client:upload { file = path, onProgress = progress_bar(), maxBytesPerSec = 96 * mebibyte }
  if on_terminal then io.write "\n" end
  loomta.check(media, err)
  os.remove(path)
  say("   Stored as %s after %.1f s.", media.id, info.durationMs / 1000)
end

--- Breaks a text into lines of at most `width`.
local function wrapped(text, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and #indent + #line + 1 + #word > width then
      lines[#lines + 1], line = indent .. line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = indent .. line
  return table.concat(lines, "\n")
end

--- Prints a failure that was expected; that it does not come would be one.
local function show_failure(expected, media, err)
  if media or err.code ~= expected then error("expected the failure " .. expected .. ", not " .. tostring(err or media.id), 0) end
  say "     nil and an error:"
  for _, name in ipairs { "code", "kind", "status", "attempts", "possiblyStored" } do
    if err[name] ~= nil then say("     %-17s %s", name, tostring(err[name])) end
  end
  say("%s", wrapped(tostring(err), "     "))
end

local function failures(client)
  heading(3, "What the API would refuse is refused here, before a byte is sent.")
  say '\n   loomta.upload { file = "spec/fixtures/animated.gif" }'
  show_failure("unsupported_media_type", client:upload { file = "spec/fixtures/animated.gif" })

  heading(4, "What the server refuses comes back with its own code. Here the key is wrong.")
  say '\n   loomta.upload { file = "spec/fixtures/clip.mp4", apiKey = "loomta_sk_wrong" }'
  show_failure("invalid_api_key", client:upload { file = "spec/fixtures/clip.mp4", apiKey = "loomta_sk_wrong" })
end

local function what_next()
  heading(5, "What to do next")
  say [[

   make examples                 runs the short programs in examples/
   make test                     runs every test
   build/sandbox/loomta-sandbox  starts the sandbox for your own scripts

   README.md begins with the same calls against the real API.]]
end

local function demonstrate(box)
  say("loomta %s, %s, libcurl %s", loomta.version, jit and jit.version or _VERSION, core.libcurlVersion())
  say("A sandbox of the Loomta API listens on %s;", box.url)
  say "nothing leaves this machine, and nothing is kept."

  local client = loomta.check(loomta.new { apiKey = box.key, baseUrl = box.url })
  five_kinds(client)
  progress(client)
  failures(client)
  what_next()
  client:close()
end

local box
local ok, why = pcall(function()
  box = sandbox.start()
  demonstrate(box)
end)
if box then box:stop() end
if not ok then
  io.stderr:write("\ndemo: ", (tostring(why):gsub("^[^%s:]+:%d+: ", "")), "\n")
  os.exit(1)
end
