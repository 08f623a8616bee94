-- Makes a client with options of its own, and sends every file over the same connection.
--
--     lua examples/client.lua cover.jpg clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

if not arg[1] then
  io.stderr:write("usage: lua examples/client.lua FILE …\n")
  os.exit(2)
end

-- Key and host come from the environment here; apiKey = "…" and baseUrl = "…" would give them.
local client, err = loomta.new { timeoutMs = 10 * 60 * 1000, maxRetries = 4, userAgent = "my-tool/1.0" }
if not client then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

local failed = 0
for _, path in ipairs(arg) do
  -- A call may override any option of its client.
  local media, why, info = client:upload { file = path, idleTimeoutMs = 20000 }
  if media then
    print(("%s: %s (%s connection)"):format(path, media.id, info.reusedConnection and "same" or "new"))
  else
    io.stderr:write(path, ": ", tostring(why), "\n")
    failed = failed + 1
  end
end

client:close()
os.exit(failed == 0 and 0 or 1)
