--- nginx and OpenResty: lets a request wait for its job without blocking the worker process, and with it every other
--- request.
---
--- All that a request can wait for there is a socket or a timer. So it connects to the engine's private socket and names its
--- job; each byte that comes back says that there is something to do. If the request is killed, nginx closes the connection,
--- and the engine cancels the job.
-- SPDX-License-Identifier: MIT
local now = require("loomta.core").now
local errors = require "loomta.errors"

local can_yield = {
  rewrite = true, server_rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true,
}

local forever_ms = 2 ^ 31 - 1 -- the longest that a cosocket waits
local poll_s = 0.01 -- where there is no private socket: how often to look

local ngx = rawget(_G, "ngx") -- there before any Lua code runs in nginx
local get_phase = type(ngx) == "table" and ngx.get_phase or nil

local nginx = {}

--- The phase that the calling code runs in; nil outside nginx.
---@return string?
function nginx.phase() return get_phase and get_phase() end

--- What tells the request that the calling code runs in from others; nil where there is none.
---@return table?
function nginx.request() return can_yield[nginx.phase()] and ngx.ctx or nil end

--- Why nothing can be started here; nil where it can.
---@return loomta.Error?
function nginx.startRefusal()
  if nginx.phase() ~= "init" then return nil end
  local message = "in nginx's init phase nothing can be sent: it belongs to the master process; use init_worker or a later phase"
  return errors.input("would_block", message)
end

--- Why a call cannot wait here; nil where it can.
---@return loomta.Error?
function nginx.refusal()
  local phase = nginx.phase()
  if can_yield[phase] then return nil end
  local message = "in nginx's %s phase a call cannot wait without blocking the worker process; call it in rewrite, access or "
    .. "content, or in a timer (ngx.timer.at), or use start, which does not wait"
  return nginx.startRefusal() or errors.input("would_block", message:format(phase))
end

--- A connection on which the job's news come; nil where there can be none (no /proc, no descriptor left).
local function connect(core, left_ms)
  local place = core:await()
  if not place then return nil end
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, forever_ms)
  if socket:connect("unix:/proc/self/fd/" .. place) and socket:send(("%d %d\n"):format(core:id(), left_ms)) then return socket end
end

--- Sleeps until there may be something to do.
---@return string? news nil: the connection is of no use any more; with "." in it, the time is over
local function sleep(socket)
  if socket then return (socket:receiveany(64)) end
  ngx.sleep(poll_s)
  return ""
end

--- Waits for a job, yielding to nginx. What waits here may be killed at any moment: nothing may depend on its end.
---@param job loomta.Job
---@param timeout_ms number?
---@return table? raised what a callback raised, in a table
---@return loomta.Error? refused
function nginx.wait(job, timeout_ms)
  local refused = nginx.refusal()
  if refused then return nil, refused end
  local until_ms = timeout_ms and timeout_ms < forever_ms and now() + timeout_ms
  local socket, core, raised
  local late = timeout_ms == 0
  local first = not job.waited -- a job has one connection: who else waits for it looks now and then
  job.waited = true
  while true do
    -- Before any callback runs, so that it can be killed in there.
    if first and not late and job.exchange and core ~= job.exchange.core then
      core = job.exchange.core
      if socket then socket:close() end
      socket = connect(core, until_ms and math.max(1, math.ceil(until_ms - now())) or 0)
    end
    raised = job:advance()
    if raised or job.outcome or late then break end
    if not first or core == job.exchange.core then
      local news = sleep(socket)
      late = until_ms and (news and news:find(".", 1, true) or not socket and now() >= until_ms)
      if not news then
        socket:close()
        socket = nil
      end
    end
  end
  if first then job.waited = nil end
  if socket then socket:close() end -- the job is done, or the engine has said that the time is over
  return raised
end

--- Waits until one of several jobs has ended, or the time is over.
---@param waiting table<loomta.Job, thread> who waits for which: the same table each time, since whoever stops waiting cancels
---@param jobs table<any, loomta.Job>
---@param timeout_ms number
---@return table? raised what a callback raised, in a table
function nginx.waitAny(waiting, jobs, timeout_ms)
  local threads = { ngx.thread.spawn(function() ngx.sleep(timeout_ms / 1000) end) }
  for _, job in pairs(jobs) do
    waiting[job] = waiting[job] or ngx.thread.spawn(function() return job, nginx.wait(job) end)
  end
  for _, thread in pairs(waiting) do threads[#threads + 1] = thread end
  local _, ended, raised = ngx.thread.wait(unpack(threads))
  if ended then waiting[ended] = nil end
  ngx.thread.kill(threads[1])
  return raised
end

return nginx
