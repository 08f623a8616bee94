-- lua bench/peers/lua_curl.lua URL PATH COUNT AT-ONCE [CA]
-- SPDX-License-Identifier: MIT
local curl = require "cURL"

local url, path, count, at_once = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
if at_once > 1 then os.exit(3) end

local easy = curl.easy { url = url .. "/public/v1/media", cainfo = arg[5], httpheader = { "Authorization: Bearer k", "Expect:" } }
for _ = 1, count do
  local form = curl.form()
  form:add_file("file", path, "video/mp4")
  local answer = {}
  easy:setopt_httppost(form):setopt_writefunction(function(piece) answer[#answer + 1] = piece end):perform()
  assert(easy:getinfo_response_code() == 201, table.concat(answer))
end
easy:close()
