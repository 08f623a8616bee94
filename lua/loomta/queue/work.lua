--- A worker: takes entries from a queue, uploads them, and says what came of each, until there are no more.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local ledger = require "loomta.queue.ledger"
local outcome = require "loomta.outcome"
local response = require "loomta.response"
local uploads = require "loomta.uploads"

local tick_ms = 100
local hold_ms, longest_hold_ms = 1000, 3600000 -- after a 429 that says nothing of the time, or anything
local settle_after_ms = 1000 -- so long uploads of unknown outcome wait at most for a pause of the others
local longest_pause_ms = 60000

local work = {}

---@class loomta.queue.Worker
---@field private ledger loomta.queue.Ledger
---@field private run loomta.Uploads
---@field private opts table
---@field private owner table<table, loomta.queue.Held> by request
---@field private counts table<string, integer>
---@field private failures integer in a row, that may pass
---@field private notBefore number nothing is begun before, as core.now
---@field private outage loomta.Error? why Redis did not answer when it was asked last
---@field private busySince number? uploads wait to be looked for
local Worker = {}
Worker.__index = Worker

--- Where this server does not answer, or is out of order, entry after entry would fail.
local function slow_down(self)
  self.failures = self.failures + 1
  if self.failures < self.opts.concurrency then return end
  self.notBefore = core.now() + math.min(longest_pause_ms, 500 * 2 ^ math.min(self.failures - self.opts.concurrency, 10))
end

local function give_back(self, one, how)
  self.counts.returned = self.counts.returned + 1
  self.ledger:release(one, how)
  return "returned"
end

local function conclude(self, one, kind, media, err, info)
  self.counts[kind] = self.counts[kind] + 1
  self.ledger:conclude(one, kind, media, err, info)
  return kind
end

--- The upload of an earlier worker may be there, whatever came of this one.
local function doubtful(err)
  err.possiblyStored, err.retryable = true, false
  return err
end

-- Nothing was sent, whatever the file is.
local could_not_connect = { dns_failed = true, connect_failed = true, tls_failed = true }

--- Decides what becomes of an entry whose upload has ended without success.
local function judge(self, one, err, info)
  local run, last = self.run, one.deliveries >= self.opts.maxDeliveries
  local why = err.unseen or err
  local is_ours = not why.status -- a server may use these words, too
  -- An entry brings a file and a folder, and no options: then it is this worker that is set up wrongly.
  local own_fault = is_ours and (why.code == "invalid_option" or why.code == "would_block"
    or why.code == "tls_failed" and not why.retryable) or err.unseen and why.kind == "auth"
  if own_fault and not self.refusal then
    self.refusal = why
    run:stop()
  end
  local ending = run.stopped or run.fatal
  local not_begun = is_ours and (why.code == "not_started" or why.code == "lease_lost" or why.code:find "^queue_" ~= nil)
  local is_asked_to_wait = why.status == 429
  if is_asked_to_wait then self.ledger:hold(math.max(hold_ms, math.min(why.retryAfterMs or 0, longest_hold_ms))) end
  local has_no_connection = is_ours and could_not_connect[why.code]
  if err.possiblyStored or one.mark then
    local nobody_looked = err.unseen and why.retryable
    local no_attempt = ending or not_begun or is_asked_to_wait or has_no_connection or nobody_looked
    if no_attempt or not last then
      if has_no_connection or nobody_looked or one.begun then slow_down(self) end
      -- What this worker has sent may still arrive, and a server may list it later: nobody is to look for it at once.
      local at_once = ending and not one.begun
      return give_back(self, one, { keepMark = true, noAttempt = no_attempt, atOnce = at_once, err = err })
    end
    return conclude(self, one, "unknown", nil, doubtful(err), info)
  elseif not_begun or own_fault or ending and (err.code == "canceled" or run.fatal and err.code == run.fatal.code) then
    return give_back(self, one, { noAttempt = true, atOnce = true })
  elseif is_asked_to_wait then
    return give_back(self, one, { noAttempt = true, atOnce = true, err = err })
  elseif not err.retryable then
    return conclude(self, one, "failed", nil, err, info)
  end
  slow_down(self)
  if has_no_connection then return give_back(self, one, { noAttempt = true, err = err }) end
  if last then return conclude(self, one, "dead", nil, err, info) end
  return give_back(self, one, { err = err })
end

local function tell(self, one, kind, media, err, info)
  if not self.opts.onResult then return end
  local word = (kind == "returned" or kind == "lost") and kind or outcome.of(media, err, info)
  self.opts.onResult(outcome.record(word, one.entry.file, media, err, info))
end

--- One result of the run.
local function receive(self, media, err, request, info)
  local one = self.owner[request]
  self.owner[request] = nil
  local kind = "lost"
  if not self.ledger:holds(one) then
    self.counts.lost = self.counts.lost + 1
  elseif media then
    self.failures = 0
    kind = conclude(self, one, "done", media, nil, info)
  else
    kind = judge(self, one, err, info)
  end
  tell(self, one, kind, media, err, info)
end

--- An entry that is not to be uploaded.
local function refuse(self, one, err, kind)
  local info = response.nothingSent()
  if one.mark then kind, err = "unknown", doubtful(err) end
  tell(self, one, conclude(self, one, kind, nil, err, info), nil, err, info)
end

--- The server asks for patience: all workers are to hear that.
local function on_retry(self, err, delay_ms)
  if err.status == 429 then self.ledger:hold(delay_ms) end
end

--- Uploads of unknown outcome are looked for when nothing else is under way: do they wait for long?
local function should_settle(self)
  if not self.run.settler:isBusy() then
    self.busySince = nil
    return false
  end
  self.busySince = self.busySince or core.now()
  return core.now() - self.busySince > settle_after_ms
end

--- What the run draws: a request; false: not now; nil: no more.
local function next_request(self)
  if self.run.fatal or self.refusal then return nil end
  if core.now() < self.notBefore or should_settle(self) then return false end
  local until_ms = core.now() + tick_ms -- then leases and signals are to be looked after
  local one, err, kind = self.ledger:next()
  while one and err do
    refuse(self, one, err, kind)
    if core.now() >= until_ms then return false end
    one, err, kind = self.ledger:next()
  end
  if one == nil then
    self.refusal = err
    return nil
  elseif not one then
    if self.ledger:isEmpty() and not self.opts.wait then return nil end
    return false
  end
  local request = { file = one.entry.file, folderId = one.entry.folderId }
  request.onRetry = function(failure, _, delay_ms) on_retry(self, failure, delay_ms) end
  self.owner[request], one.request = one, request
  return request
end

local function abandon(self, list)
  for _, one in ipairs(list) do
    if one.request then self.run:cancel(one.request) end
  end
end

--- Keeps what is held, and lets go in time of what cannot be kept.
local function keep(self)
  local held = self.ledger
  if held:isBehind() then held:flush() end
  if held:isDue() then abandon(self, held:renew()) end
  local expired = held:expired()
  held:forget(expired)
  abandon(self, expired)
end

local function tick(self)
  if self.opts.onTick then self.opts.onTick(self.run) end
end

local function turn(self)
  self.run:wait(tick_ms)
  for media, err, request, info in self.run:ready() do
    if request then
      receive(self, media, err, request, info)
    else
      self.refusal = err
    end
  end
  keep(self)
  local outage = self.ledger.error
  if self.opts.onOutage and (outage ~= nil) ~= (self.outage ~= nil) then self.opts.onOutage(outage) end
  self.outage = outage
  tick(self)
end

--- Says what is left to say, as long as others could not have taken it over, and nobody says that it is to cancel.
local function finish(self)
  local held = self.ledger
  held:returnRest()
  local until_ms = core.now() + self.opts.leaseMs
  while not held:flush() and core.now() < until_ms and not self.run.closed do
    held.link:sleep(tick_ms)
    tick(self)
  end
  held:leave()
end

--- Makes a worker, which takes nothing yet.
---@param client loomta.Client
---@param link loomta.queue.Link
---@param keys string[]
---@param consumer string
---@param opts table checked: concurrency, leaseMs, maxDeliveries, filesPerSecond, wait, onResult, onOutage, onTick
---@param settings table for the uploads
---@return loomta.queue.Worker
function work.new(client, link, keys, consumer, opts, settings)
  local self = setmetatable({
    opts = opts, owner = {}, failures = 0, notBefore = 0, ledger = ledger.new(link, keys, consumer, opts),
    counts = { done = 0, failed = 0, unknown = 0, dead = 0, returned = 0, lost = 0 },
  }, Worker)
  settings.concurrency, settings.reconcile, settings.retryUnknown = opts.concurrency, "exact", false
  self.run = uploads.new(client, function() return next_request(self) end, settings, self.ledger)
  return self
end

--- Was it not told to stop?
---@return boolean
function Worker:goesOn()
  tick(self)
  return not self.run.stopped
end

--- Works until the queue is empty, or the run is stopped.
---@return table? counts
---@return loomta.Error? err
function Worker:go()
  local ok, raised = pcall(function()
    repeat turn(self) until self.run:done()
  end)
  if not ok then
    self.run:close() -- nobody will renew what it holds
    error(raised, 0)
  end
  finish(self)
  local err = self.refusal or self.run.fatal
  if not err and self.ledger:isBehind() then err = self.ledger.error end
  return self.counts, err and errors.copy(err)
end

return work
