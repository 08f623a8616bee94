-- Uploads from a game: a frame 60 times a second, and in each a poll that does not hold it up.
-- Needs LuaSocket, for a clock and a sleep; in LÖVE there is love.timer, and love.run is the loop.
--
--     lua examples/game_loop.lua replay.mp4
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"
local socket = require "socket"

local path = arg[1]
if not path then
  io.stderr:write("usage: lua examples/game_loop.lua FILE\n")
  os.exit(2)
end

local budget = 1 / 60
local client = loomta.check(loomta.new { maxBytesPerSec = 4 * 1024 * 1024 }) -- leaves some of the line to the game
local job, over, failed
local frames, longest, late = 0, 0, 0

local function load()
  job = loomta.check(client:start {
    file = path,
    onDone = function(media, err)
      over = media and media.id or tostring(err)
      failed = not media
    end,
  })
end

local function update()
  local began = socket.gettime()
  client:poll()
  local took = socket.gettime() - began
  longest = math.max(longest, took)
  if took > budget then late = late + 1 end
end

local function draw()
  local sent, total = job:progress()
  local bar = ("#"):rep(math.floor(30 * sent / total))
  io.write(("\r[%-30s] %3.0f %%"):format(bar, 100 * sent / total))
  io.flush()
end

load()
local frame_ends = socket.gettime()
repeat
  update()
  draw()
  frames = frames + 1
  frame_ends = frame_ends + budget
  socket.sleep(math.max(0, frame_ends - socket.gettime()))
until over

client:close()
print("\n" .. over)
print(("%d frames; poll took %.2f ms at most, and more than a frame's %.1f ms in %d of them")
  :format(frames, longest * 1000, budget * 1000, late))
os.exit(failed and 1 or 0)
