-- lua bench/peers/loomta.lua URL PATH COUNT AT-ONCE [CA]
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local url, path, count, at_once = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local client = loomta.check(loomta.new { apiKey = "k", baseUrl = url, caFile = arg[5] })

if at_once == 1 then
  for _ = 1, count do loomta.check(client:upload { file = path }) end
else
  local begun = 0
  local function next_path()
    begun = begun + 1
    return begun <= count and path or nil
  end
  for media, err in client:uploads(next_path, { concurrency = at_once }) do assert(media, tostring(err)) end
end
