-- Watches the retries. Only what cannot have been stored is sent again, after a pause that grows.
--
--     lua examples/retry.lua clip.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local path = arg[1]
if not path then
  io.stderr:write("usage: lua examples/retry.lua FILE\n")
  os.exit(2)
end

local media, err, info = loomta.upload {
  file = path,
  maxRetries = 5, -- so six attempts at most; the default is 2
  maxElapsedMs = 60 * 1000, -- and none that begins later than a minute from now
  onRetry = function(why, attempt, delay_ms)
    print(("attempt %d failed: %s; next one in %.1f s"):format(attempt, tostring(why), delay_ms / 1000))
  end,
}
if not media then
  io.stderr:write(("gave up after %d attempts: %s\n"):format(info.attempts, tostring(err)))
  os.exit(1)
end

print(("%s, stored at attempt %d"):format(media.id, info.attempts))
