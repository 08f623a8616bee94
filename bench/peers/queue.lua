-- lua bench/peers/queue.lua URL COUNT: queues uploads of one byte, all at once
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local client = loomta.check(loomta.new { apiKey = "k", baseUrl = arg[1] })
for _ = 1, tonumber(arg[2]) do
  assert(client:start {
    data = "x", mimeType = "image/jpeg", fileName = "a.jpg", preflight = false,
    onDone = function(media, err) assert(media, tostring(err)) end,
  })
end
while client:poll(1000) > 0 do end
