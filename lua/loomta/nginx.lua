--- nginx and OpenResty: lets a request wait for its job without blocking the worker process, and with it every other
--- request.
---
--- All that a request can wait for there is a socket or a timer. So it connects to the engine's private socket and names its
--- job; each byte that comes back says that there is something to do. If the request is killed, nginx closes the connection,
--- and the engine cancels the job.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"

local can_yield = {
  rewrite = true, server_rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true,
}

local forever_ms = 2 ^ 31 - 1 -- the longest that a cosocket waits
local poll_s = 0.01 -- where there is no private socket: how often to look

local nginx = {}

--- The phase that the calling code runs in; nil outside nginx.
---@return string?
function nginx.phase()
  local ngx = rawget(_G, "ngx")
  return type(ngx) == "table" and ngx.get_phase and ngx.get_phase() or nil
end

--- Why a call cannot wait here; nil where it can.
---@return loomta.Error?
function nginx.refusal()
  local phase = nginx.phase()
  if can_yield[phase] then return nil end
  local message = "in nginx's %s phase a call cannot wait without blocking the worker process; call it in rewrite, access or "
    .. "content, or in a timer (ngx.timer.at), or use start, which does not wait"
  return errors.input("would_block", message:format(phase))
end

--- A connection on which the job's news come; nil where there can be none (no /proc, no descriptor left).
local function connect(core)
  local place = core:await()
  if not place then return nil end
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, forever_ms)
  if socket:connect("unix:/proc/self/fd/" .. place) and socket:send(("%d\n"):format(core:id())) then return socket end
end

--- Sleeps until there may be something to do.
---@return boolean? lost the connection is of no use any more
local function sleep(socket)
  if not socket then
    ngx.sleep(poll_s)
    return
  end
  return not socket:receiveany(64)
end

--- Waits for a job, yielding to nginx.
---@param job loomta.Job
---@param timeout_ms number?
---@return table? raised what a callback raised, in a table
---@return loomta.Error? refused
function nginx.wait(job, timeout_ms)
  local refused = nginx.refusal()
  if refused then return nil, refused end
  if job.waiting then error("another thread waits for this job already", 3) end
  local socket, core, raised, alarm
  local late = timeout_ms == 0
  -- A cosocket's own timeout would be logged as an error. Goodbye is answered, and so wakes who reads.
  if timeout_ms and not late then
    alarm = ngx.thread.spawn(function()
      ngx.sleep(timeout_ms / 1000)
      late = true
      if socket then socket:send "." end
    end)
  end
  job.waiting = true
  while true do
    raised = job:advance()
    if raised or job.outcome or late then break end
    if core ~= job.exchange.core then -- the first request of the call, or the next one
      core = job.exchange.core
      if socket then socket:close() end
      socket = connect(core)
    elseif sleep(socket) then
      socket:close()
      socket = nil
    end
  end
  job.waiting = nil
  if alarm and not late then ngx.thread.kill(alarm) end
  if socket then
    socket:send "." -- goodbye: without it the job would be canceled
    socket:close()
  end
  return raised
end

return nginx
