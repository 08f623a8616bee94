-- Many files with a journal against a server that fails at random, in one go and killed half-way: is each stored exactly once,
-- how quickly, and with how much memory?
--
--     make bulk            20,000 files of 100 KB to 1 MB; BULK_FILES=2000 for fewer; BULK_FAULTS=0 for none
--
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local loomta = require "loomta"

local MB = 1000000
local early = 2000 -- memory is looked at after so many files, and at the end

local function peak_mb()
  local file = io.open "/proc/self/status"
  local kb = file and file:read("*a"):match "VmHWM:%s*(%d+)"
  if file then file:close() end
  return tonumber(kb or 0) / 1000
end

--- The program that uploads; says what it saw in one line, unless it was killed before.
local function upload(url, key, folder, files, journal, kill_after)
  local client = assert(loomta.new { apiKey = key, baseUrl = url, idleTimeoutMs = 1000 })
  local drawn, ended, memory, drawn_memory = 0, 0, nil, nil
  local found = { done = 0, skipped = 0, reconciled = 0, failed = 0 }
  local function next_path()
    drawn = drawn + 1
    if drawn <= files then return ("%s/%06d.jpg"):format(folder, drawn) end
    drawn_memory = drawn_memory or peak_mb()
    return nil
  end
  for media, err, path, info in client:uploads(next_path, { journal = journal, reconcile = "exact", concurrency = 8 }) do
    ended = ended + 1
    local what = not media and "failed" or info.skipped and "skipped" or info.reconciled and "reconciled" or "done"
    found[what] = found[what] + 1
    if not media then io.stderr:write(("%s: %s\n"):format(tostring(path), tostring(err))) end
    if ended == early then memory = peak_mb() end
    if ended == kill_after then io.popen("kill -KILL $PPID"):close() end
  end
  client:close()
  print(("ended=%d done=%d skipped=%d reconciled=%d failed=%d early=%.1f drawn=%.1f last=%.1f"):format(
    ended, found.done, found.skipped, found.reconciled, found.failed, memory or 0, drawn_memory or 0, peak_mb()))
end

if arg[1] == "upload" then return upload(arg[2], arg[3], arg[4], tonumber(arg[5]), arg[6], tonumber(arg[7])) end

local clips = require "spec.support.clips"
local files = require "spec.support.files"
local quote = require("spec.support.lua").quote
local sandbox = require "spec.support.sandbox"

local count = tonumber(os.getenv "BULK_FILES") or 20000
local with_faults = os.getenv "BULK_FAULTS" ~= "0"

-- Together one upload in a hundred meets one of them.
local faults = {
  { status = 429, retryAfter = "0" }, { status = 503, retryAfter = "0" }, { status = 500 }, { status = 502, store = true },
  { disconnect = "reset", at = "headers" }, { disconnect = "reset", at = "body", afterBytes = 50000 },
  { disconnect = "reset", at = "response" }, { disconnect = "close", at = "midResponse" },
  { stopReadingAfter = 50000 }, { delayAfterBodyMs = 30000 },
}

--- Sparse files, each with its own first bytes: what they take is names, not room.
local function make_files(folder)
  local seed, total, sizes = 20240607, 0, {}
  for number = 1, count do
    seed = seed * 16807 % 2147483647 -- Lehmer's: the same on every Lua
    sizes[number] = 100000 + seed % 900001
    total = total + sizes[number]
    local file = assert(io.open(("%s/%06d.jpg"):format(folder, number), "wb"))
    assert(file:write("\255\216\255\224", number, "\n"))
    assert(file:seek("set", sizes[number] - 1))
    assert(file:write "\0")
    file:close()
  end
  return sizes, total
end

--- Runs the uploading program; what it said, and the seconds that it took.
local function run(box, folder, journal, kill_after)
  local interpreter = os.getenv "LOOMTA_SPEC_LUA" or "lua5.4"
  local words = { interpreter, "scripts/bulk.lua", "upload", box.url, box.key, folder, count, journal, kill_after }
  for i, word in ipairs(words) do words[i] = quote(word) end
  local before = core.now()
  local pipe = assert(io.popen("{ " .. table.concat(words, " ") .. "; } 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  local said = {}
  for name, value in output:gmatch "(%a+)=([%d.]+)" do said[name] = tonumber(value) end
  io.write((output:gsub("ended=[^\n]*\n", "")))
  return said, (core.now() - before) / 1000
end

local function tell(said, seconds)
  print(("  %d done, %d skipped, %d found in the list, %d failed; %.1f s"):format(
    said.done or 0, said.skipped or 0, said.reconciled or 0, said.failed or 0, seconds))
  if said.early and said.early > 0 then
    print(("  peak memory: %.1f MB after %d files, %.1f MB when the last was drawn, %.1f MB at the end"):format(
      said.early, early, said.drawn, said.last))
  end
end

local folder = files.shell "mktemp -d"
local sizes, total = make_files(folder)
local args = { "--seed", "1", "--keep-media", tostring(2 * count) } -- media that no list shows could not be found
local ok = true

local function part(title, play)
  print(title)
  local box = sandbox.start { args = args }
  for _, fault in ipairs(with_faults and faults or {}) do
    fault.times, fault.probability, fault.method = 0, 0.001, "POST"
    box:fault(fault)
  end
  play(box)
  if not clips.report(box, count, sizes) then ok = false end
  box:stop()
end

print(("%d files, %.0f MB"):format(count, total / MB))
part("in one go", function(box)
  local said, seconds = run(box, folder, folder .. "/one.journal")
  tell(said, seconds)
  print(("  %.0f MB/s, %.0f files/s"):format(total / MB / seconds, count / seconds))
  ok = ok and said.ended == count and said.failed == 0
end)
part("killed half-way, and run again", function(box)
  local journal = folder .. "/two.journal"
  local said, first = run(box, folder, journal, math.floor(count / 2))
  ok = ok and said.ended == nil -- it was killed indeed
  local seconds
  said, seconds = run(box, folder, journal)
  tell(said, seconds)
  print(("  %.1f s before it was killed"):format(first))
  ok = ok and said.ended == count and said.failed == 0 and said.skipped > 0
end)
io.popen("rm -rf " .. quote(folder)):close()
if not ok then
  print "NOT every file is stored exactly once and reported so"
  os.exit(1)
end
