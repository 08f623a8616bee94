--- A job: one call of an operation, from its first request to its result. It is moved on by whoever waits for it or polls
--- its client, and all callbacks run there: on the caller's own thread, never inside libcurl, so they may do anything:
--- raise, yield (not on PUC Lua 5.1), even start something else on the same client.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local nginx = require "loomta.nginx"
local operations = require "loomta.operations"
local reconcile = require "loomta.reconcile"
local request = require "loomta.request"
local response = require "loomta.response"
local source_of = require "loomta.source"

-- The flow is ours from end to end: nginx's own coroutines are for what waits in nginx, and not to be had in every phase.
local create, resume = coroutine._create or coroutine.create, coroutine._resume or coroutine.resume
local yield, status = coroutine._yield or coroutine.yield, coroutine._status or coroutine.status

local unpack = table.unpack or unpack
local callback = {} -- what a flow yields to have a function called

local slice_ms = 250 -- how long a step may keep the thread from Lua's hooks (Ctrl-C)

--- One request on its way, with its attempts.
---@class loomta.Exchange
---@field core userdata the C job
---@field id integer what the mailbox calls it
---@field operation loomta.Operation
---@field settings table
---@field source loomta.Source?
---@field ended integer attempts whose end was reported
---@field reported integer? bytes that onProgress heard of
---@field failed loomta.Error? what ended its reader
---@field closed boolean? its result was taken

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

--- Opens the source and hands the request to the runner.
---@return loomta.Exchange?
---@return loomta.Error? err
local function begin(self, operation, fields, settings)
  local source, err
  if operation.body == "form" then
    source, err = request.multipart(operation, fields, settings)
  elseif operation.body then
    source, err = request.json(operation, fields, settings)
  end
  if err then return nil, err end
  if self.inbox then
    self.runner, err = self.inbox:open()
  else
    self.runner = self.client:ownEngine()
  end
  if not self.runner then
    if source then source.handle:close() end
    return nil, err
  end
  settings.path = source and source.path
  -- What asks, and what goes on where a call has begun, does not wait for its turn behind uploads.
  settings.urgent = self.flow ~= nil or operation.method == "GET"
  settings.wantsProgress = settings.onProgress ~= nil
  local request_job = self.runner:submit(source and source.handle, settings)
  return {
    core = request_job,
    id = request_job:id(),
    operation = operation,
    settings = settings,
    source = source,
    ended = 0,
  }
end

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
  if self.operation.steps then
    self.flow = create(self.operation.steps)
    local ok, value
    ok, value, err = resume(self.flow, self)
    if not ok then error(value, 0) end
  else
    self.exchange, err = begin(self, self.operation, self.fields, self.settings)
  end
  if not self.exchange then return nil, err end
  self.onDone = self.settings.onDone
  return self
end

local function canceled()
  return errors.new { code = "canceled", kind = "canceled", message = "the call was canceled" }
end

--- Sends one more request of this call. Inside its flow only, which sleeps until the answer is there.
---@private
---@return table? value, loomta.Error? err, loomta.Info info, boolean? unknown stored or not, nobody can tell
function Job:send(operation, fields, settings)
  if self.canceled or self.client.closed then return nil, canceled(), response.nothingSent() end
  local exchange, err = begin(self, operation, fields, settings)
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

--- Says which file it was: a job's may have changed or gone while it waited for its turn.
local function name_file(err, name)
  if err.code == "file_changed" and err.attempts == 0 then
    err.message = name .. " is not the file that it was when the job was started"
  elseif err.code == "file_changed" or err.code == "file_read_failed" then
    err.message = name .. ": " .. err.message
  end
end

local function conclude(self, exchange)
  local result = exchange.core:result()
  exchange.core:close()
  exchange.closed = true
  local value, err, info = response.read(exchange.operation, result, exchange.settings.apiKey)
  if exchange.failed then
    local stored = value ~= nil or err.possiblyStored
    value, err = nil, exchange.failed
    err.attempts, err.possiblyStored = info.attempts, stored
  elseif err and err.code == "canceled" then
    err.cause = self.reason
  elseif err and exchange.source and exchange.source.path then
    name_file(err, source_of.nameOf(exchange.source))
  end
  return go_on(self, value, err, info, result.unknown)
end

--- From 0 on, also where more has been sent before the owner looked.
local function report_progress(self, exchange)
  local sent, total = exchange.core:progress()
  for _, count in ipairs { exchange.reported or 0, sent } do
    if count ~= exchange.reported and not self.canceled then
      exchange.reported = count
      if exchange.settings.onProgress(count, total) == false then self:cancel() end
    end
  end
end

local function report_retry(exchange, attempt)
  local result = exchange.core:result()
  local _, err = response.read(exchange.operation, result, exchange.settings.apiKey)
  exchange.ended = attempt
  exchange.settings.onRetry(err, attempt, result.retryInMs)
end

--- The reader may have canceled or closed what it feeds, and an attempt may end beside it: the next one gets its piece.
local function feed(exchange)
  if not exchange.asked then
    local piece, err = exchange.source.next()
    exchange.asked, exchange.piece, exchange.failed = true, piece, err
    if err and not exchange.closed then exchange.core:cancel() end
  end
  if not exchange.failed and not exchange.closed and exchange.core:feed(exchange.piece) then
    exchange.asked, exchange.piece = false, nil
  end
end

--- Does what the request on its way needs of its owner, once.
local function attend(self)
  local exchange = self.exchange
  local settings = exchange.settings
  local state, ended, hungry, due = exchange.core:attend()
  local done = state == "done"
  if not self.canceled then -- its callbacks are not called any more, but for onDone
    if settings.onProgress and (due or done or not exchange.reported) then report_progress(self, exchange) end
    if settings.onRetry and not done and ended > exchange.ended then report_retry(exchange, ended) end
    if hungry and not exchange.failed then feed(exchange) end
  end
  if done and not exchange.closed then conclude(self, exchange) end
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

local function still_running(self, timeout_ms)
  local _, attempts = self.exchange.core:look()
  return nil, errors.new {
    code = "timeout",
    kind = "timeout",
    message = ("the job is still running after %.0f ms"):format(timeout_ms),
    attempts = attempts,
    possiblyStored = attempts > 0 and self.exchange.operation.method ~= "GET"
      or self.failure ~= nil and self.failure[1].possiblyStored,
  }, { attempts = attempts, bytesSent = self.exchange.core:progress(), durationMs = timeout_ms }
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
    if refused then return nil, refused, response.nothingSent() end
    if not self.outcome then return still_running(self, timeoutMs) end
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
