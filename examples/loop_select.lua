-- Uploads from a loop around LuaSocket's select, which goes on turning meanwhile. Needs LuaSocket.
--
--     lua examples/loop_select.lua clip.mp4 film.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"
local socket = require "socket"

if not arg[1] then
  io.stderr:write("usage: lua examples/loop_select.lua FILE …\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())
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

-- select takes whatever has a getfd method. The descriptor stays the same for as long as the client lives.
local fd = loomta.check(client:fd())
local uploads = { getfd = function() return fd end }

local ticks = 0
local running = client:poll()
while running > 0 do
  local readable = socket.select({ uploads }, nil, 0.02) -- your own sockets go in there as well
  if readable[uploads] then
    running = client:poll() -- runs the callbacks, and never waits
  else
    ticks = ticks + 1
  end
end

client:close()
print(ticks .. " ticks meanwhile")
os.exit(failed == 0 and 0 or 1)
