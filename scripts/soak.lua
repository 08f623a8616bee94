-- Many small uploads on one client against a server that fails at random; says what became of each, and of the memory.
--
--     make soak            50,000 uploads; SOAK_UPLOADS=1000 for fewer; SOAK_JOBS=100 for so many at once, as jobs
--
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local uploads = tonumber(os.getenv "SOAK_UPLOADS") or 50000
local at_once = tonumber(os.getenv "SOAK_JOBS")
local box = sandbox.start { args = { "--seed", "1" } }
local bytes = ("0123456789abcdef"):rep(64)

-- Together a bit more than one upload in a hundred meets one of them.
for _, fault in ipairs {
  { status = 429, retryAfter = "0" }, { status = 503, retryAfter = "0" }, { status = 500 }, { status = 502, store = true },
  { disconnect = "close", at = "response" }, { disconnect = "reset", at = "response" }, { disconnect = "reset", at = "headers" },
  { disconnect = "reset", at = "midResponse" }, { response = "truncated" }, { status = 400, code = "no" },
} do
  fault.times, fault.probability, fault.method = 0, 0.0012, "POST"
  box:fault(fault)
end

local function memory_kb()
  local file = assert(io.open "/proc/self/status")
  local kb = file:read("*a"):match "VmRSS:%s*(%d+)"
  file:close()
  return tonumber(kb)
end

local client = assert(loomta.new { apiKey = box.key, baseUrl = box.url, idleTimeoutMs = 5000 })
local outcomes, stored_known, unknown, attempts = {}, 0, 0, 0
local settled, began = nil, core.now()

local function note(media, err, info)
  attempts = attempts + info.attempts
  local outcome = media and "ok" or err.code
  outcomes[outcome] = (outcomes[outcome] or 0) + 1
  if media then
    stored_known = stored_known + 1
  elseif err.possiblyStored then
    unknown = unknown + 1
  end
end

for number = 1, uploads do
  local given = { data = bytes, fileName = number .. ".jpg", mimeType = "image/jpeg" }
  if at_once then
    given.onDone = note
    assert(client:start(given))
    while client:poll() >= at_once do client:poll(1000) end
  else
    note(client:upload(given))
  end
  if number == math.floor(uploads / 5) then
    collectgarbage()
    settled = memory_kb()
  end
end
while client:poll(1000) > 0 do end
local seconds = (core.now() - began) / 1000
collectgarbage()
local grown = memory_kb() - settled
client:close()
local _, stored = box:media()
box:stop()

for outcome, count in pairs(outcomes) do print(("%8d  %s"):format(count, outcome)) end
print(("%d uploads, %d requests, %.0f a second"):format(uploads, attempts, uploads / seconds))
print(("%d said to be stored, %d possibly, %d in the sandbox"):format(stored_known, unknown, stored))
print(("%d KB more memory at the end than after a fifth"):format(grown))
assert(stored >= stored_known, "an upload was lost")
assert(stored <= stored_known + unknown, "an upload was stored twice")
assert(grown < 1024, "memory grows")
