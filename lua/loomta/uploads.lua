--- Many uploads at once: draws requests from the caller as there is room for them, and gives back what came of each. Memory
--- holds those under way, not those to come or done; with a journal, also what that knows.
-- SPDX-License-Identifier: MIT
local admission = require "loomta.admission"
local core = require "loomta.core"
local errors = require "loomta.errors"
local inbox = require "loomta.inbox"
local nginx = require "loomta.nginx"
local options = require "loomta.options"
local operations = require "loomta.operations"
local fifo = require "loomta.fifo"
local response = require "loomta.response"
local settle = require "loomta.settle"

local slice_ms = 250 -- how long a wait may keep the thread from Lua's hooks (Ctrl-C)
local nginx_slice_ms = 60000
local idle_ms = 50 -- how soon a source that had nothing is asked again
local close_ms = 2000 -- what closing waits at most for canceled uploads to end, where a journal wants to know

--- One request on its way.
---@class loomta.Item
---@field request any as it was drawn
---@field given table for `begin`, with the defaults of the whole run
---@field entry loomta.JournalEntry? where there is a journal
---@field job loomta.Job?
---@field folder string? its folderId as the API has it
---@field token string? in its name
---@field began integer seconds since 1970
---@field unknown { err: loomta.Error, info: loomta.Info }? how it ended, where nobody can tell whether it was stored
---@field looked boolean? a list was seen in which it could have been
---@field unseen loomta.Error? why the list was not to be had when it was asked for last
---@field resent boolean? it was, after it could not be found
---@field ambiguous boolean? there is one in the list that it may be, and another upload as well
---@field followers any[]? requests for the same file

---@class loomta.Uploads
---@field fatal loomta.Error? what ended the run early; the rest was not started
---@field private client loomta.Client
---@field private inbox loomta.Inbox
---@field private pull fun(): any
---@field private opts table checked: concurrency, journal …
---@field private defaults table what every request gets that does not say otherwise
---@field private journal loomta.Journal|loomta.queue.Ledger|nil
---@field private settler loomta.Settler? looks for uploads of unknown outcome
---@field private results loomta.Fifo of { media, err, request, info }
---@field private flying table<loomta.Item, boolean> started and not ended
---@field private active integer how many
---@field private batch loomta.Item[] drawn, to be started
---@field private byKey table<string, loomta.Item> those flying, by what the journal calls them
---@field private waiting table<loomta.Job, thread> nginx's threads that wait for them
---@field private stepped boolean? something was done: before, there is something to do
---@field private idle boolean? the source had nothing when it was asked last
---@field private exhausted boolean? the source has no more
---@field private stopped boolean?
---@field private closed boolean?
local Uploads = { __name = "loomta.Uploads" }
Uploads.__index = Uploads

local uploads = {}

--- The fields that a run may preset for its requests.
local preset = { folderId = true, mimeType = true, mediaType = true }

--- Reads what a caller gave one by one.
---@param requests any[]|fun(): any
---@return fun(): any
function uploads.puller(requests)
  if type(requests) == "function" then return requests end
  local at = 0
  return function()
    at = at + 1
    return requests[at]
  end
end

--- Splits what the caller gave into what is for the run and what is for each request.
local function read_options(self, given)
  local fields = {}
  for name in pairs(preset) do fields[name] = operations.upload.fields[name] end
  local checked, err = options.check(given, fields, "uploads")
  if not checked then return err end
  self.opts = { concurrency = options.declared.concurrency.default, maxBytesPerSec = 0 }
  for name, value in pairs(given) do
    if options.declared[name] and (options.declared[name].only == "uploads" or name == "maxBytesPerSec") then
      self.opts[name] = value
    else
      self.defaults[name] = value
    end
  end
  if self.opts.checksum and not self.opts.journal then
    return errors.input("invalid_option", "'checksum' goes with 'journal' only", "checksum")
  end
end

--- Nothing can be started in this phase of nginx, or nothing that waits for the disk.
local function nginx_refusal(self)
  if not nginx.phase() then return nil end
  if not self.opts.journal then return nginx.refusal() end
  return errors.input("would_block", "in nginx there is no 'journal': it waits for the disk, and so would every request")
end

--- Makes a run. What keeps it from beginning becomes its only result.
---@param client loomta.Client
---@param requests table|function
---@param opts loomta.BulkOptions?
---@param ledger loomta.queue.Ledger? a journal that is kept elsewhere
---@return loomta.Uploads
function uploads.new(client, requests, opts, ledger)
  if type(requests) ~= "table" and type(requests) ~= "function" then
    error("uploads takes a table of requests or a function that gives them, not a " .. type(requests), 3)
  end
  if opts ~= nil and type(opts) ~= "table" then error("uploads takes its options as a table, not as a " .. type(opts), 3) end
  if client.closed then error("the client is closed", 3) end
  local self = setmetatable({
    client = client, pull = uploads.puller(requests), defaults = {}, opts = {},
    results = fifo.new(), flying = {}, active = 0, byKey = {}, waiting = {}, batch = {}, journal = ledger,
  }, Uploads)
  local err = read_options(self, opts or {}) or nginx_refusal(self)
  if not err then
    local mode = self.defaults.reconcile
    if mode == nil then mode = client.settings.reconcile end
    self.inbox = inbox.new(self.opts.concurrency, self.opts.maxBytesPerSec)
    client.inboxes[self.inbox] = true
    self.settler = mode and settle.new(self, mode) or nil
    err = self.opts.journal and admission.openJournal(self)
  end
  if err then
    self.exhausted = true
    self:report(false, err, nil, response.nothingSent())
  end
  return self
end

--- Has something to give.
---@private
function Uploads:report(media, err, request, info) self.results:push { media or false, err, request, info } end

local function take(self)
  local result = self.results:pop()
  if result then return result[1], result[2], result[3], result[4] end
end

--- Would every other request fail as this one did?
local function is_fatal(err)
  local code = err.code
  return err.kind == "auth" or err.status == 402 or code == "journal_failed" or code:find "_limit_reached$" ~= nil
    or code:find "^insufficient_" ~= nil or code:find "quota" ~= nil
end

local function not_started(self)
  return errors.new {
    code = "not_started",
    kind = "canceled",
    message = self.fatal and "not started, because the run ended early" or "not started, because the run was stopped",
    cause = self.fatal and tostring(self.fatal),
    retryable = true,
  }
end

--- Nothing more is begun; what waits for its turn is called back.
local function call_back(self)
  for item in pairs(self.flying) do
    if item.job then item.job:recall() end
  end
end

local function give_up(self, err)
  if self.fatal then return end
  self.fatal = err
  call_back(self)
end

--- Reports what came of an item, and of those that wanted the same file.
---@private
---@param item loomta.Item
function Uploads:conclude(item, media, err, info)
  if item.entry and item.started and self.journal then -- after `close` there is none
    local ok, failure = self.journal:finish(item.entry, media, err)
    if not ok then give_up(self, failure) end
  end
  if self.settler and media and not item.token then self.settler:claim(media.id) end -- a token tells it from all others
  if item.key then self.byKey[item.key] = nil end
  self:report(media, err, item.request, info)
  if err and is_fatal(err) then give_up(self, err) end
  for _, request in ipairs(item.followers or {}) do
    local skipped = response.nothingSent()
    skipped.skipped = media and true or nil
    self:report(media, err, request, skipped)
  end
end

--- What was sent before may still turn up, however it went now.
local function remember_first(item, err, info)
  local first = item.unknown
  if not first then return end
  info.attempts = info.attempts + (first.info and first.info.attempts or 0)
  if err then err.possiblyStored, err.retryable, err.attempts = true, false, info.attempts end
end

--- An upload has ended.
local function land(self, item, media, err, info)
  self.flying[item] = nil
  self.active = self.active - 1
  local ending = self.stopped or self.fatal or self.client.closed
  if ending and err and err.code == "canceled" and info.attempts == 0 then err = not_started(self) end
  remember_first(item, err, info)
  local unknown = err and err.possiblyStored and err.code ~= "canceled"
  if self.settler and unknown and not ending and item.given.reconcile ~= false then
    self.settler:add(item, err, info)
  else
    self:conclude(item, media, err, info)
  end
end

--- Hands an item to the worker.
---@private
---@param item loomta.Item
function Uploads:launch(item)
  item.began = item.began or os.time()
  local more = { token = item.token }
  if self.settler then more.reconcile = false end -- that is the settler's
  item.given.onDone = function(media, err, info) land(self, item, media, err, info) end
  self.flying[item] = true
  self.active = self.active + 1
  local job, err = self.client:begin("upload", item.given, self.inbox, "start", more)
  if not job then return land(self, item, nil, err, response.nothingSent()) end
  item.job = job
  item.name = job.settings.fileName
  self.inbox:add(job)
end

--- Draws requests while there is room, and starts them: those that a journal has to know of all in one write.
local function fill(self)
  local most = 2 * self.opts.concurrency -- beyond those under way: the next ones, so that no connection waits for us
  local batch = self.batch -- what is in it stays, should the source raise
  self.idle = nil
  while not (self.exhausted or self.stopped) and self.active + #batch < most and self.results:count() < most do
    local request = self.pull()
    if request == false and not self.fatal then
      self.idle = true
      break
    elseif not request then
      self.exhausted = true
      break
    end
    local item = { request = request }
    local go_on, err
    if self.fatal then
      err = not_started(self)
    else
      go_on, err = admission.admit(self, item)
    end
    if err then
      self:conclude(item, nil, err, response.nothingSent())
    elseif go_on then
      batch[#batch + 1] = item
    end
  end
  self.batch = {}
  self:depart(batch)
end

--- Starts items, once the journal has them on the disk.
---@private
---@param batch loomta.Item[]
function Uploads:depart(batch)
  local failure, refused, _
  if self.journal and #batch > 0 then
    for _, item in ipairs(batch) do
      self.journal:start(item.entry)
      item.started = true
    end
    _, failure, refused = self.journal:sync()
    if failure then give_up(self, failure) end
  end
  for _, item in ipairs(batch) do
    local own = refused and refused[item.entry]
    if own or self.fatal or self.stopped then
      local err, info = own or failure and errors.copy(failure) or not_started(self), response.nothingSent()
      remember_first(item, err, info)
      self:conclude(item, nil, err, info)
    else
      self:launch(item)
    end
  end
end

--- Cancels the upload of one request.
---@private
function Uploads:cancel(request)
  for item in pairs(self.flying) do
    if item.request == request and item.job then item.job:cancel() end
  end
end

--- Does what can be done without waiting.
local function step(self)
  if self.client.closed and not self.stopped then self:stop() end
  if not self.inbox then return end
  self.stepped = true
  if self.inbox:isOpen() then
    local raised = self.inbox:serve()
    if raised then error(raised[1], 0) end
  end
  fill(self)
  if self.settler and (self.exhausted or self.stopped or self.idle) and self.active == 0 then self.settler:step() end
  if self.results:count() > 0 and self.inbox:isOpen() then self.inbox.mailbox:ring() end
  if self.journal and self:isOver() then
    self.journal:close()
    self.journal = nil
  end
end

--- Nothing is under way, and nothing will be.
---@private
function Uploads:isOver()
  return (self.exhausted or self.stopped) and self.active == 0 and not (self.settler and self.settler:isBusy())
end

local function sleep(self, until_ms)
  local now = core.now()
  if self.idle then until_ms = math.min(until_ms, now + idle_ms) end
  until_ms = math.min(until_ms, now + (nginx.phase() and nginx_slice_ms or slice_ms))
  if until_ms <= now then return end
  if nginx.phase() then
    local raised = nginx.waitAny(self.waiting, self.inbox.jobs, until_ms - now)
    if raised then error(raised[1], 0) end
  elseif self.inbox.running > 0 then
    self.inbox:sleep(until_ms)
  else
    local mailbox = self.inbox:open()
    if mailbox then mailbox:wait(math.ceil(until_ms - now)) end
  end
end

--- Waits until there is a result, or nothing more to wait for; callbacks run meanwhile.
---@param timeoutMs number? give up after so long; none: wait as long as it takes
---@return boolean ready `ready` has a result, or `done` is true
function Uploads:wait(timeoutMs)
  errors.checkSelf(self, Uploads, "uploads:wait()")
  if timeoutMs ~= nil then errors.checkTimeout(timeoutMs, "uploads:wait") end
  local until_ms = timeoutMs and core.now() + timeoutMs
  while true do
    step(self)
    if self.results:count() > 0 or self:isOver() then return true end
    if until_ms and core.now() >= until_ms then return false end
    sleep(self, until_ms or math.huge)
  end
end

--- Goes through the results that are there, without waiting: for event loops and frames.
---@return fun(): loomta.Media|false|nil, loomta.Error?, any, loomta.Info? next gives media, err, request, info
function Uploads:ready()
  errors.checkSelf(self, Uploads, "uploads:ready()")
  step(self)
  return function() return take(self) end
end

--- Was everything reported?
---@return boolean
function Uploads:done()
  errors.checkSelf(self, Uploads, "uploads:done()")
  step(self)
  return self.results:count() == 0 and self:isOver()
end

--- A descriptor that is readable while `ready` has something to do; where a source gives false, look now and then as well.
---@return integer? fd
---@return loomta.Error? err when the system gives none
function Uploads:fd()
  errors.checkSelf(self, Uploads, "uploads:fd()")
  if not self.inbox then return nil, errors.outOfResources "the run could not begin" end
  local mailbox, err = self.inbox:open()
  if not mailbox then return nil, err end
  if self.results:count() > 0 or not self.stepped then mailbox:ring() end
  return mailbox:fd()
end

--- Begins nothing more. What is under way ends and is reported; what was drawn and not begun is reported as not_started.
function Uploads:stop()
  errors.checkSelf(self, Uploads, "uploads:stop()")
  self.stopped = true
  if self.settler then self.settler:stop() end
  call_back(self)
  if self.inbox and self.inbox:isOpen() then self.inbox.mailbox:ring() end
end

--- Cancels what is under way. What came of it is still to be had from `ready`.
function Uploads:close()
  errors.checkSelf(self, Uploads, "uploads:close()")
  self:stop()
  self.closed = true
  if self.inbox then self.inbox:leave() end
  local until_ms = core.now() + close_ms
  while self.journal and self.active > 0 and core.now() < until_ms do
    self.inbox:sleep(until_ms)
    self.inbox:serve() -- what a callback raises now comes too late
  end
  if self.journal then self.journal:close() end
  self.journal = nil
end
Uploads.__close = Uploads.close

--- The next result, waiting for it; nothing when there are no more.
function Uploads:__call()
  if self:wait() then return take(self) end
end

function Uploads.__tostring() return "loomta.Uploads" end

return uploads
