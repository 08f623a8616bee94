-- What each thread of threads.c does: jobs of every kind, ended in every way, on the process's one worker.
local url, key = ...
local loomta = require "loomta"

local function reader_of(pieces)
  return function()
    pieces = pieces - 1
    if pieces % 7 == 3 then return "" end
    return pieces >= 0 and ("x"):rep(20000) or nil
  end
end

for round = 1, tonumber(os.getenv "ROUNDS" or 5) do
  local client = assert(loomta.new { apiKey = key, baseUrl = url, maxConnections = round })
  local ended, told = 0, 0
  local function on_done(media, err)
    assert(media or err.code == "canceled", tostring(err))
    ended = ended + 1
  end
  local function on_progress() told = told + 1 end
  local jobs = {}
  for i = 1, 20 do
    jobs[#jobs + 1] = assert(client:start { file = "spec/fixtures/clip.mp4", onDone = on_done, onProgress = on_progress })
    jobs[#jobs + 1] = assert(client:start { reader = reader_of(10), mimeType = "video/webm", onDone = on_done })
    jobs[#jobs + 1] = assert(client:start { data = ("d"):rep(100000), mimeType = "video/mp4", onDone = on_done })
    if i % 3 == 0 then jobs[#jobs]:cancel() end
    if i % 5 == 0 then client:poll() end
    if i % 6 == 0 then assert(jobs[#jobs - 2]:wait()) end
    if i % 9 == 0 then collectgarbage() end
  end
  assert(jobs[1]:fd() and client:fd())
  for i, job in ipairs(jobs) do
    if i % 2 == 0 then job:progress() end
  end
  while client:poll(1000) > 0 do end
  assert(ended == #jobs and told > 0)

  -- Left in the middle: canceled, collected, or closed with the state.
  for _ = 1, 5 do
    client:start { data = ("d"):rep(3000000), mimeType = "video/mp4" }
    client:start { reader = reader_of(100), mimeType = "video/webm" }
  end
  if round % 2 == 0 then client:close() end
end
