-- The fault matrix: every way in which a server can fail × a fresh or kept connection × HTTP or HTTPS × each source. What must hold:
-- the outcome is the one that the fault deserves, no call stores more than one upload, what may be stored is not denied, no
-- descriptor is lost. The table that this makes is left in build/fault-matrix.txt.
local lfs = require "lfs"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"

local bytes = ("0123456789abcdef"):rep(20000) -- 320,000: some of it is still on the way when the server stops reading

local sources = {
  { "file", function(path) return { file = path } end },
  { "data", function() return { data = bytes } end },
  {
    "reader",
    function()
      local at = 1
      return {
        reader = function()
          local piece = bytes:sub(at, at + 49999)
          at = at + 50000
          return piece ~= "" and piece or nil
        end,
      }
    end,
  },
}

-- fault → for a source that can be read again, and for one that cannot: code (or "ok"), attempts, uploads stored,
-- possiblyStored. A fault strikes once.
local rows = {
  { "none", nil, { "ok", 1, 1 } },
  { "400 early", { status = 400, code = "no", early = true }, { "no", 1, 0 } },
  { "400", { status = 400, code = "no" }, { "no", 1, 0 } },
  { "401", { status = 401, code = "no" }, { "no", 1, 0 } },
  { "403", { status = 403, code = "no" }, { "no", 1, 0 } },
  { "404", { status = 404, code = "no" }, { "no", 1, 0 } },
  { "409", { status = 409, code = "no" }, { "no", 1, 0 } },
  { "413 early", { status = 413, code = "no", early = true }, { "no", 1, 0 } },
  { "422", { status = 422, code = "no" }, { "no", 1, 0 } },
  { "408", { status = 408, code = "no", store = true }, { "no", 1, 1, true } },
  { "429", { status = 429, code = "no", retryAfter = "0" }, { "ok", 2, 1 }, { "no", 1, 0 } },
  { "500", { status = 500, code = "no" }, { "no", 1, 0, true } },
  { "500, stored", { status = 500, code = "no", store = true }, { "no", 1, 1, true } },
  { "502, stored", { status = 502, code = "no", store = true }, { "no", 1, 1, true } },
  { "503", { status = 503, code = "no" }, { "no", 1, 0, true } },
  { "503 Retry-After", { status = 503, code = "no", retryAfter = "0" }, { "ok", 2, 1 }, { "no", 1, 0 } },
  { "504, stored", { status = 504, code = "no", store = true }, { "no", 1, 1, true } },
  { "redirect", { response = "redirect", location = "http://127.0.0.1:1/" }, { "http_302", 1, 0 } },
  { "close at headers", { disconnect = "close", at = "headers" }, { "any", nil, 0 } },
  { "reset at headers", { disconnect = "reset", at = "headers" }, { "any", nil, 0 } },
  { "close in the body", { disconnect = "close", at = "body", afterBytes = 1000 }, { "any", nil, 0 } },
  { "reset in the body", { disconnect = "reset", at = "body", afterBytes = 1000 }, { "any", nil, 0 } },
  { "close after the body", { disconnect = "close", at = "response" }, { "outcome_unknown", 1, 1, true } },
  { "reset after the body", { disconnect = "reset", at = "response" }, { "outcome_unknown", 1, 1, true } },
  { "close in the answer", { disconnect = "close", at = "midResponse" }, { "invalid_response", 1, 1, true } },
  { "reset in the answer", { disconnect = "reset", at = "midResponse" }, { "answer cut", 1, 1, true } },
  { "stall in the body", { stopReadingAfter = 1000 }, { "any", nil, 0 } },
  { "stall after the body", { delayAfterBodyMs = 5000 }, { "outcome_unknown", 1, 1, true } },
  { "cut answer", { response = "truncated" }, { "invalid_response", 1, 1, true } },
  { "HTML answer", { response = "html" }, { "invalid_response", 1, 1, true } },
  { "empty answer", { response = "empty" }, { "invalid_response", 1, 1, true } },
  { "enormous answer", { response = "enormous" }, { "response_too_large", 1, 1, true } },
  { "deep answer", { response = "deep" }, { "invalid_response", 1, 1, true } },
  { "204", { response = "noContent" }, { "invalid_response", 1, 1, true } },
}

--- What this process has open.
local function descriptors()
  for _ = 1, 2 do collectgarbage() end -- a closed client's own goes with it
  local list = {}
  for name in lfs.dir "/proc/self/fd" do list[#list + 1] = lfs.symlinkattributes("/proc/self/fd/" .. name, "target") end
  table.sort(list)
  return table.concat(list, "\n")
end

describe("under every fault #slow", function()
  local path, table_of_results = os.tmpname(), {}
  local pair

  setup(function()
    local file = assert(io.open(path, "wb"))
    file:write(bytes)
    file:close()
    pair = tls.make()
  end)
  teardown(function()
    os.remove(path)
    pair:remove()
    local out = io.open("build/fault-matrix.txt", "w")
    out:write(table.concat(table_of_results, "\n"), "\n")
    out:close()
  end)

  for _, scheme in ipairs { "HTTP", "HTTPS" } do
    describe("over " .. scheme, function()
      local box
      setup(function() box = sandbox.start(scheme == "HTTPS" and { tls = { cert = pair.cert, key = pair.key } } or {}) end)
      teardown(function() box:stop() end)

      for _, row in ipairs(rows) do
        it("keeps its word: " .. row[1], function()
          for _, kept in ipairs { false, true } do
            for _, source in ipairs(sources) do
              local what = ("%-21s %-5s %-6s %-7s"):format(row[1], scheme, kept and "kept" or "fresh", source[1])
              box:reset()
              local before = descriptors()
              -- Short where the fault is silence, long where a busy machine must not look like it.
              local fault = row[2] or {}
              local silent = fault.delayBeforeBodyMs or fault.delayAfterBodyMs or fault.stopReadingAfter
              local client = assert(loomta.new {
                apiKey = box.key, baseUrl = box.url, caFile = pair.cert, idleTimeoutMs = silent and 400 or 10000,
              })
              local uploads_before = 0
              if kept then
                loomta.check(client:upload { data = "x", mimeType = "image/jpeg" })
                uploads_before = 1
              end
              if row[2] then box:fault(row[2]) end
              local given = source[2](path)
              given.mimeType = "video/mp4"
              local media, err, info = client:upload(given)
              local _, stored = box:media()
              stored = stored - uploads_before
              client:close()
              client = nil -- luacheck: ignore
              local after, looks = descriptors(), 0
              while after ~= before and looks < 100 do -- jobs leave with a thread that ends by itself
                after, looks = descriptors(), looks + 1
              end

              local outcome = media and "ok" or err.code
              table_of_results[#table_of_results + 1] = ("%s %-18s attempts %d  stored %d  possiblyStored %s"):format(
                what, outcome, info.attempts, stored, media and "-" or tostring(err.possiblyStored)
              )
              local expected = source[1] == "reader" and row[4] or row[3]
              if expected[1] == "any" then -- where it strikes is the network's choice; what it means is not
                assert.is_true(outcome == "ok" or outcome == "network_error" or outcome == "timeout" or outcome == "outcome_unknown", what .. outcome)
                assert.equal(outcome == "ok" and 1 or 0, stored, what)
                -- A reader can be asked again only while nothing was taken from it, as when the server left at the headers.
                if source[1] == "reader" and info.attempts > 1 then assert.truthy(row[1]:find "at headers", what) end
              elseif expected[1] == "answer cut" then -- a reset may overtake the half answer
                assert.is_true(outcome == "outcome_unknown" or outcome == "invalid_response", what .. outcome)
              else
                assert.equal(expected[1], outcome, what)
                assert.equal(expected[2], info.attempts, what)
                assert.equal(expected[3], stored, what)
                if err then assert.equal(expected[4] or false, err.possiblyStored, what) end
              end
              -- What holds whatever happens.
              assert.is_true(stored <= 1, what)
              if err and stored > 0 then assert.is_true(err.possiblyStored, what) end
              if err then assert.is_false(err.possiblyStored and err.retryable, what) end
              assert.equal(before, after, what)
            end
          end
        end)
      end
    end)
  end
end)
