-- Uploads from a libuv loop, which goes on turning meanwhile. Needs luv.
--
--     lua examples/loop_luv.lua clip.mp4 film.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"
local uv = require "luv"

if not arg[1] then
  io.stderr:write("usage: lua examples/loop_luv.lua FILE …\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())
local watcher = uv.new_poll(loomta.check(client:fd()))
local timer = uv.new_timer()

local failed = 0
for _, path in ipairs(arg) do
  loomta.check(client:start {
    file = path,
    onDone = function(media, err)
      print(path, media and media.id or err)
      if not media then failed = failed + 1 end
    end,
  })
end

watcher:start("r", function()
  if client:poll() > 0 then return end -- runs the callbacks, and never waits
  timer:close()
  watcher:close() -- before the client, whose descriptor it watches
  client:close()
end)

local ticks = 0
timer:start(20, 20, function() ticks = ticks + 1 end)

uv.run()
print(ticks .. " ticks meanwhile")
os.exit(failed == 0 and 0 or 1)
