--- Waits for what another thread or process brings about; only a fault takes so long that it gives up.
-- SPDX-License-Identifier: MIT
local socket = require "socket"

--- Raises when it never comes.
---@param condition fun(): any
---@param what string? says what is missing
---@param patience_s number? default 20
return function(condition, what, patience_s)
  local give_up = socket.gettime() + (patience_s or 20)
  while not condition() do
    assert(socket.gettime() < give_up, what or "it never came")
    socket.sleep(0.005)
  end
end
