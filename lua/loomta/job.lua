--- A job: one call of an operation, from its first request to its result. It is moved on by whoever waits for it or polls
--- its client, and all callbacks run there: on the caller's own thread, never inside libcurl, so they may do anything:
--- raise, yield (not on PUC Lua 5.1), even start something else on the same client.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local exchange_of = require "loomta.exchange"
local nginx = require "loomta.nginx"
local operations = require "loomta.operations"
local reconcile = require "loomta.reconcile"
local response = require "loomta.response"

-- The flow is ours from end to end: nginx's own coroutines are for what waits in nginx, and not to be had in every phase.
local create, resume = coroutine._create or coroutine.create, coroutine._resume or coroutine.resume
local yield, status = coroutine._yield or coroutine.yield, coroutine._status or coroutine.status

local unpack = table.unpack or unpack
local callback = {} -- what a flow yields to have a function called

local slice_ms = 250 -- how long a step may keep the thread from Lua's hooks (Ctrl-C)

---@class loomta.Job
---@field private client loomta.Client
---@field private inbox loomta.Inbox? where it reports; nil: its owner steps the engine
---@field private runner userdata the engine or mailbox that its requests go through
---@field private operation loomta.Operation
---@field private given table what the caller gave
---@field private fields table checked
---@field private settings table of this call
---@field private began integer os.time()
---@field private beganMs number core.now()
---@field private onDone function? until it has been called
---@field private exchange loomta.Exchange? the request that is on its way
---@field private flow thread? what goes on when it has ended, where the operation needs more than one
---@field private outcome table? { value, err, info }
---@field private turn table? the coroutine and the nginx request in which its callbacks were run last; weak
---@field private busy table? that, while they are running
---@field private failure table? { err, info } of the request that made the flow necessary
---@field private missed boolean? it had news while a callback was running
---@field private canceled boolean?
---@field private reason string? what a callback raised, and so canceled it
---@field private bell userdata? whose descriptor the owner has asked for
---@field package hasNews boolean? it is in its client's list of those to be served
---@field package waited boolean? somebody waits for it in nginx, on its one connection
local Job = { __name = "loomta.Job" }
Job.__index = Job

local job = {}

--- Starts the call: its first request is on its way when this returns.
---@param client loomta.Client
---@param inbox loomta.Inbox?
---@param operation loomta.Operation
---@param given table what the caller gave
---@param fields table checked
---@param settings table of this call
---@return loomta.Job?
---@return loomta.Error? err when the request was refused here
function job.start(client, inbox, operation, given, fields, settings)
  local self = setmetatable({
    client = client,
    inbox = inbox,
    operation = operation,
    given = given,
    fields = fields,
    settings = settings,
    began = os.time(),
    beganMs = core.now(),
    runner = nil, exchange = nil, outcome = nil, onDone = nil, turn = nil, busy = nil, -- room for what most calls need
  }, Job)
  local err
  if operation.steps then
    self.flow = create(operation.steps)
    local ok, value
    ok, value, err = resume(self.flow, self)
    if not ok then error(value, 0) end
  else
    self.exchange, err = exchange_of.begin(self, operation, fields, settings)
  end
  if not self.exchange then return nil, err end
  self.onDone = settings.onDone
  return self
end

--- The engine or mailbox that its requests go through.
---@private
---@return userdata? runner
---@return loomta.Error? err
function Job:findRunner()
  local err
  if self.inbox then
    self.runner, err = self.inbox:open()
  else
    self.runner = self.client:ownEngine()
  end
  return self.runner, err
end

local function canceled()
  return errors.new { code = "canceled", kind = "canceled", message = "the call was canceled" }
end

--- Sends one more request of this call. Inside its flow only, which sleeps until the answer is there.
---@private
---@return table? value, loomta.Error? err, loomta.Info info, boolean? unknown stored or not, nobody can tell
function Job:send(operation, fields, settings)
  if self.canceled or self.client.closed then return nil, canceled(), response.nothingSent() end
  local exchange, err = exchange_of.begin(self, operation, fields, settings)
  if not exchange then return nil, err, response.nothingSent() end
  -- Without a descriptor for that, it stays readable: its owner looks too often, but not too late.
  if self.bell and not exchange.core:ringOn(self.bell) then self.bell:ring() end
  if self.inbox and self.exchange then self.inbox:follow(self, exchange) end
  self.exchange = exchange
  return yield()
end

--- Calls another operation as a part of this call, `delay_ms` from now. Inside its flow only.
---@private
---@return table? value, loomta.Error? err, loomta.Info info
function Job:call(name, given, delay_ms)
  local settings, fields, operation = self.client:prepare(operations[name], given)
  if not settings then return nil, fields, response.nothingSent() end
  settings.delayMs = delay_ms or 0
  return self:send(operation, fields, settings)
end

--- Calls one of the caller's functions. Inside its flow only.
---@private
function Job.callBack(_, called, ...)
  yield(callback, called, { n = select("#", ...), ... })
end

--- What is left of `timeoutMs`, in ms: 0 is no limit, nil that it is over.
---@private
---@return integer?
function Job:timeLeft()
  local limit = self.settings.timeoutMs
  if limit == 0 then return 0 end
  local left = math.floor(limit - (core.now() - self.beganMs))
  return left > 0 and left or nil
end

local function finish(self, value, err, info)
  self.outcome = { value, err, info }
  if self.bell then self.bell:ring() end
  self.client:forget(self)
  self.exchange, self.flow = nil, nil
  local on_done = self.onDone
  self.onDone = nil
  if on_done then on_done(value, err, info) end
end

--- What follows now that a request has ended.
local function go_on(self, value, err, info, unknown)
  local flow = self.flow
  if not flow then
    if not (unknown and self.settings.reconcile and self.operation.body == "form") then return finish(self, value, err, info) end
    flow = create(reconcile.settle)
    self.flow, self.failure = flow, { err, info }
    value, err, info, unknown = self, err, info, nil
  end
  local ok
  ok, value, err, info = resume(flow, value, err, info, unknown)
  while ok and value == callback do -- out here, where it may yield to whoever waits
    local called, why = pcall(err, unpack(info, 1, info.n))
    if not called then
      finish(self, nil, canceled(), response.nothingSent())
      error(why, 0)
    end
    ok, value, err, info = resume(flow)
  end
  if not ok then
    local known = self.failure or { canceled(), response.nothingSent() }
    finish(self, nil, known[1], known[2]) -- what is known stays true
    error(value, 0)
  end
  if status(flow) == "dead" then return finish(self, value, err, info) end
end

local function attend(self)
  local exchange = self.exchange
  if exchange:attend(self) then go_on(self, exchange:take(self.reason)) end
end

local weak = { __mode = "v" }

--- Was the coroutine that runs a callback killed or forgotten in the middle of it?
local function is_lost(self)
  local running, request_of = self.busy[1], self.busy[2]
  if running ~= nil and (running == true or coroutine.status(running) ~= "dead") then return false end
  -- Of another request's coroutines nginx says "dead" whatever they are: then only a job that has ended may be taken over.
  return running == nil or request_of == nginx.request() or self.exchange.core:look() == "done"
end

--- Moves the job on as far as that goes without waiting.
---@private
---@return table? raised what a callback raised, in a table; the job is canceled then
function Job:advance()
  if self.outcome then return end
  if self.busy then
    if not is_lost(self) then
      self.missed = true
      return
    end
    self:cancel()
  end
  local turn = self.turn or setmetatable({}, weak)
  turn[1], turn[2] = coroutine.running() or true, nginx.request()
  self.turn, self.busy = turn, turn
  local ok, err = pcall(attend, self)
  self.busy = nil
  if self.missed then -- while a callback slept, others were told what this one has not seen
    self.missed = nil
    if self.inbox then self.inbox:rouse(self) end
  end
  if ok then return end
  self.reason = type(err) == "string" and err or "a callback raised an error"
  self:cancel()
  return { err }
end

--- Waits on the caller's own thread, moving on its own engine.
---@private
---@return any value, loomta.Error? err, loomta.Info info
function Job:run()
  repeat
    local raised = self:advance()
    if raised then
      if not self.outcome then self:advance() end -- canceled: so it ends now
      error(raised[1], 0)
    end
    -- A callback that closed the client has ended the job, and there is no engine any more.
    if not (self.outcome or self.client.closed) then self.runner:step(slice_ms) end
  until self.outcome
  return self.outcome[1], self.outcome[2], self.outcome[3]
end

--- What `wait` gives while the job goes on: an error that tells how far it is.
local function still_running(self, err, waited_ms)
  local _, attempts = self.exchange.core:look()
  err.attempts = attempts
  err.possiblyStored = attempts > 0 and self.exchange.operation.method ~= "GET"
    or self.failure ~= nil and self.failure[1].possiblyStored
  return nil, err, { attempts = attempts, bytesSent = self.exchange.core:progress(), durationMs = waited_ms }
end

--- Waits for the result, and runs what callbacks are due meanwhile, also those of the client's other jobs (in nginx only its
--- own). What a callback raises is raised here; its job is canceled.
---@param timeoutMs integer? give up after so long; the job goes on. None: wait until it has ended
---@return table? value what the operation answers: a loomta.Media
---@return loomta.Error? err code "timeout" when it is still running: then `job:done()` is false
---@return loomta.Info info
function Job:wait(timeoutMs)
  errors.checkSelf(self, Job, "job:wait()")
  if timeoutMs ~= nil then errors.checkTimeout(timeoutMs, "job:wait") end
  if not self.outcome then
    local in_nginx = nginx.phase()
    -- In nginx it may be another request's callback, which goes on while this one waits.
    if self.busy and (not in_nginx or self.busy[1] == coroutine.running()) then
      error("a job cannot be waited for in its own callback", 2)
    end
    local raised, refused
    if in_nginx then
      raised, refused = nginx.wait(self, timeoutMs)
    else
      raised = self.inbox:waitFor(self, timeoutMs)
    end
    if raised then error(raised[1], 0) end
    if refused then return still_running(self, refused, 0) end
    if not self.outcome then
      local message = ("the job is still running after %.0f ms"):format(timeoutMs)
      return still_running(self, errors.new { code = "timeout", kind = "timeout", message = message }, timeoutMs)
    end
  end
  return self.outcome[1], self.outcome[2], self.outcome[3]
end

--- Has it ended without anything left to do for its owner, but to ask for the result?
---@private
function Job:isOver()
  local settings = self.settings
  if self.onDone or self.flow or settings.onProgress or settings.reconcile then return false end
  return not self.exchange or (self.exchange.core:look()) == "done"
end

--- Has the job ended, so that `wait` will return at once? Runs what callbacks are due, as `wait` does, for this job alone.
---@return boolean
function Job:done()
  errors.checkSelf(self, Job, "job:done()")
  local raised = self:advance()
  if raised then error(raised[1], 0) end
  return self.outcome ~= nil
end

--- How far it is.
---@return integer sent bytes of the file that the network has taken in this attempt
---@return integer? total the file's size, when it is known
function Job:progress()
  errors.checkSelf(self, Job, "job:progress()")
  local known = self.outcome and self.outcome[3] or self.failure and self.exchange.operation ~= self.operation and self.failure[2]
  if known then return known.bytesSent, known.totalBytes end
  return self.exchange.core:progress()
end

--- Cancels the job, which ends soon after with code "canceled", unless it has ended in another way meanwhile. Where the
--- whole upload was sent already, its `possiblyStored` says so. Nothing happens to a job that has ended.
function Job:cancel()
  errors.checkSelf(self, Job, "job:cancel()")
  self.canceled = true
  if self.exchange and not self.exchange.closed then self.exchange.core:cancel() end
end

--- Cancels the job if nothing was sent of it yet.
---@private
function Job:recall()
  if self.exchange and not self.exchange.closed then self.exchange.core:recall() end
end

--- A descriptor that becomes readable when the job needs attention, and stays so once it has ended: then `job:wait(0)` or
--- `client:poll()`. It is the job's: do not read or close it.
---@return integer? fd
---@return loomta.Error? err when the system gives none
function Job:fd()
  errors.checkSelf(self, Job, "job:fd()")
  if not self.bell then
    local bell, why = core.bell()
    if bell and self.outcome then
      bell:ring()
    elseif bell then
      local rings
      rings, why = self.exchange.core:ringOn(bell)
      if not rings then
        bell:close()
        bell = nil
      end
    end
    if not bell then return nil, errors.outOfResources(why) end
    self.bell = bell
  end
  return self.bell:fd()
end

function Job:__tostring()
  if not self.outcome then return "loomta.Job (running)" end
  return self.outcome[2] and "loomta.Job (failed)" or "loomta.Job (done)"
end

return job
