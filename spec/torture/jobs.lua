-- What torture.c runs again and again: jobs of every source. Returns what must not be, or nil.
local url, key = ...

local patience_ms = 30000

local function run()
  local loomta = require "loomta"
  local client = loomta.check(loomta.new { apiKey = key, baseUrl = url, maxRetries = 0, maxConnections = 1 })
  local pieces, ended, jobs = 3, 0, {}
  local function on_done() ended = ended + 1 end
  for _, source in ipairs {
    { file = "spec/fixtures/clip.mp4", onProgress = function() end },
    {
      mimeType = "video/webm",
      reader = function()
        pieces = pieces - 1
        return pieces >= 0 and ("x"):rep(4096) or nil
      end,
    },
    { data = ("x"):rep(20000), mimeType = "video/mp4" },
  } do
    source.onDone = on_done
    local job, err = client:start(source)
    if job then
      jobs[#jobs + 1] = job
    elseif type(err.code) ~= "string" then
      return "a refusal without an error table"
    end
  end
  if jobs[1] then
    jobs[1]:fd()
    local media, err = jobs[1]:wait(patience_ms)
    if not media and type(err.code) ~= "string" then return "a failure without an error table" end
  end
  while client:poll(patience_ms) > 0 do
    if #jobs - ended > 0 and client:poll(patience_ms) == #jobs then return "no job ends" end
  end
  if ended ~= #jobs then return ("%d of %d jobs ended"):format(ended, #jobs) end
  client:start { data = ("x"):rep(20000), mimeType = "video/mp4", maxBytesPerSec = 1000 } -- left behind
  client:close()
end

return run()
