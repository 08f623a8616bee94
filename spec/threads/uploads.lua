-- What each thread of threads.c does.
local url, key = ...
local loomta = require "loomta"

for _ = 1, 5 do
  local client = assert(loomta.new { apiKey = key, baseUrl = url })
  for _ = 1, 20 do
    loomta.check(client:upload { file = "spec/fixtures/clip.mp4" })
    local left = 3
    loomta.check(client:upload {
      mimeType = "video/webm",
      reader = function()
        left = left - 1
        return left >= 0 and ("x"):rep(20000) or nil
      end,
    })
    local _, err = client:upload { file = "spec/fixtures/animated.gif" }
    assert(err.code == "unsupported_media_type")
  end
  client:close()
  local _, err = loomta.upload { file = "spec/fixtures/clip.mp4", apiKey = key, baseUrl = "http://127.0.0.1:1", maxRetries = 1 }
  assert(err.code == "connect_failed", tostring(err))
end
