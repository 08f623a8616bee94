--- A queue of files for many workers, on Redis Streams: each file is uploaded once, whichever machine ends when.
--- docs/queue.md says what is guaranteed.
-- SPDX-License-Identifier: MIT
local address = require "loomta.queue.address"
local core = require "loomta.core"
local errors = require "loomta.errors"
local journal = require "loomta.journal"
local json = require "loomta.json"
local link = require "loomta.queue.link"
local nginx = require "loomta.nginx"
local options = require "loomta.options"
local scripts = require "loomta.queue.scripts"
local uploads = require "loomta.uploads"
local work = require "loomta.queue.work"

local batch_size = 100
local page_size = 500
local pause_ms = 50

---@class loomta.Queue
---@field name string of the queue
---@field private link loomta.queue.Link
---@field private keys string[]
---@field private patienceMs integer
---@field private closed boolean?
---@field private request table? in nginx, the request that opened it: its connection is of no use to others
local Queue = { __name = "loomta.Queue" }
Queue.__index = Queue

local queue = {}

--- A field of what a function takes.
local function field(type_name, default) return { type = type_name, default = default, place = "local" } end

--- Checks what a caller gave, where options of uploads have no place.
local function check(given, fields)
  local settings, checked = options.check(given or {}, fields, "queue")
  if not settings then return nil, checked end
  return checked
end

local open_fields = {
  url = field "text", caFile = field "path", timeoutMs = field("positive", 5000), patienceMs = field("milliseconds", 30000),
}

--- Opens a queue. Nothing is sent before it is used.
---@param given loomta.QueueOptions?
---@return loomta.Queue?
---@return loomta.Error? err
function queue.open(given)
  if given ~= nil and type(given) ~= "table" then error("loomta.queue takes a table of options, not a " .. type(given), 2) end
  local opts, err = check(given, open_fields)
  if nginx.phase() then err = nginx.refusal() or err end
  if err then return nil, err end
  local place
  place, err = address.parse(opts.url or os.getenv "LOOMTA_QUEUE_URL", not opts.url and "LOOMTA_QUEUE_URL" or nil)
  if not place then return nil, err end
  local connection
  connection, err = link.new(place, opts)
  if not connection then return nil, err end
  return setmetatable({
    name = place.name, link = connection, keys = scripts.keys(place.name), patienceMs = opts.patienceMs,
    request = nginx.request(),
  }, Queue)
end

--- Does something, and again while Redis cannot be reached and `goes_on` has nothing against it. Only for what may be done
--- twice.
local function patiently(self, action, goes_on)
  if self.closed then return nil, errors.input("queue_closed", "the queue is closed") end
  if self.request ~= nginx.request() then
    return nil, errors.input("queue_closed", "the queue is another request's: in nginx each opens its own, and closes it")
  end
  local give_up = core.now() + self.patienceMs
  while true do
    local value, err = action()
    if not (err and err.retryable) or core.now() >= give_up or goes_on and not goes_on() then return value, err end
    self.link:sleep(math.max(pause_ms, self.link:pause()))
  end
end

local function run(self, name, given, goes_on)
  return patiently(self, function() return self.link:run(name, self.keys, given) end, goes_on)
end

local enqueue_fields = { folderId = field "folderId", onError = field "callback", onTick = field "callback" }

--- Queues files that this queue has never seen as they are now: by path, size, time of change and folder.
---@param paths string[]|(fun(): string|false|nil) paths, or what gives one after the other; false: none yet
---@param given { folderId: string?, onError: fun(path: string, err: loomta.Error)?, onTick: (fun(counts: table): boolean?)? }?
---onError: of files that cannot be had; onTick: now and then, false stops
---@return { enqueued: integer, known: integer, failed: integer }? counts
---@return loomta.Error? err what was queued until then stays so
function Queue:enqueue(paths, given)
  errors.checkSelf(self, Queue, "queue:enqueue()")
  if type(paths) ~= "table" and type(paths) ~= "function" then
    error("queue:enqueue takes a table of paths or a function that gives them, not a " .. type(paths), 2)
  end
  local opts, err = check(given, enqueue_fields)
  if not opts then return nil, err end
  local folder = journal.folderOf(opts.folderId)
  local counts = { enqueued = 0, known = 0, failed = 0 }
  local words = {}
  local function goes_on() return not opts.onTick or opts.onTick(counts) ~= false end
  local function send()
    if #words == 0 then return true end
    local added, failure = run(self, "enqueue", words, goes_on)
    if not added then return nil, failure end
    counts.enqueued, counts.known = counts.enqueued + added, counts.known + math.floor(#words / 2) - added
    words = {}
    return true
  end
  for path in uploads.puller(paths) do
    local ok = true
    if path then
      local entry, why
      if type(path) == "string" then
        entry, why = journal.identify(path, folder, false)
      else
        why = errors.input("invalid_option", "a path must be a text, not a " .. type(path))
      end
      if entry then
        words[#words + 1] = journal.keyOf(entry)
        words[#words + 1] = json.encode(entry)
      else
        counts.failed = counts.failed + 1
        if opts.onError then opts.onError(path, why) end
      end
    else
      ok, err = send()
      self.link:sleep(pause_ms)
    end
    if #words >= 2 * batch_size then ok, err = send() end
    if not ok then return nil, err end
    if not goes_on() then break end
  end
  local ok
  ok, err = send()
  if not ok then return nil, err end
  return counts
end

local work_fields = {
  client = field "client", concurrency = field("positive", 4), leaseMs = field("lease", 60000), wait = field("flag", false),
  maxDeliveries = field("positive", 5), filesPerSecond = field("rate", 0),
  onResult = field "callback", onOutage = field "callback", onTick = field "callback",
}

--- Uploads what is queued, until there is no more.
---@param given loomta.WorkOptions?
---@return { done: integer, failed: integer, unknown: integer, dead: integer, returned: integer, lost: integer }? counts
---@return loomta.Error? err what ended it early
function Queue:work(given)
  errors.checkSelf(self, Queue, "queue:work()")
  if nginx.phase() then
    return nil, errors.input("would_block", "in nginx there is no worker: run loomta-upload work beside it")
  end
  given = given or {}
  for _, name in ipairs { "journal", "checksum", "reconcile", "retryUnknown", "folderId", "onRetry" } do
    if given[name] ~= nil then
      return nil, errors.input("invalid_option", ("'%s' has no place here: the queue sees to that"):format(name), name)
    end
  end
  local settings, opts = options.check(given, work_fields, "uploads")
  if not settings then return nil, opts end
  for name in pairs(settings) do settings[name] = given[name] end -- the run checks them itself
  local client, ours = opts.client, nil
  if not client then
    local err
    ours, err = require("loomta.client").new {}
    if not ours then return nil, err end
    client = ours
  end
  self.link:limit(opts.leaseMs / 6)
  local consumer = self.link:hostName() .. "-" .. core.token()
  local worker = work.new(client, self.link, self.keys, consumer, opts, settings)
  local counts
  local joined, err = run(self, "join", {}, function() return worker:goesOn() end)
  if joined then counts, err = worker:go() end
  if ours then ours:close() end
  return counts, err
end

--- How it stands.
---@return table? status name, queued, inFlight, consumers (entries by worker), enqueued, done, failed, unknown, dead,
---filesPerMinute, secondsLeft (nil: cannot be told), holdMs
---@return loomta.Error? err
function Queue:status()
  errors.checkSelf(self, Queue, "queue:status()")
  local text, err = run(self, "status", {})
  if not text then return nil, err end
  local found = json.decode(text) --[[@as table]]
  local status = { name = self.name, consumers = {}, inFlight = 0, holdMs = found.holdMs, filesPerMinute = found.perMinute }
  for name, count in pairs(found.consumers) do
    if name ~= "returned" then
      status.consumers[name] = count
      status.inFlight = status.inFlight + count
    end
  end
  status.queued = found.length - status.inFlight -- with those that a worker gave back
  for _, name in ipairs { "enqueued", "done", "failed", "unknown", "dead" } do status[name] = found.counters[name] or 0 end
  if found.length == 0 then
    status.secondsLeft = 0
  elseif found.perMinute > 0 then
    status.secondsLeft = found.length * 60 / found.perMinute
  end
  return status
end

local results_fields = { since = field("resultId", "0-0"), follow = field("flag", false), remove = field("flag", false) }

--- Goes through what came of the files, oldest first.
---@param given { since: string?, follow: boolean?, remove: boolean? }? since: the id of the last one that was seen; follow: wait
---for more; remove: from Redis, once the next ones are asked for
---@return fun(): table|false|nil, string|loomta.Error|nil next gives a record as loomta-upload --json prints it, and its id; or
---false and an error, and then no more; with follow also false alone: none yet
function Queue:results(given)
  errors.checkSelf(self, Queue, "queue:results()")
  local opts, err = check(given, results_fields)
  local last, page, at, ended = opts and opts.since, {}, 1, false
  local function fetch()
    if not opts then return nil, err end
    if opts.remove and page[1] then
      local removed, failure = patiently(self, function()
        local words = { "XDEL", self.keys[5] }
        for _, row in ipairs(page) do words[#words + 1] = row[1] end
        return self.link:call(words)
      end)
      if not removed then return nil, failure end
    end
    return patiently(self, function()
      return self.link:call { "XRANGE", self.keys[5], "(" .. last, "+", "COUNT", page_size }
    end)
  end
  return function()
    if ended then return nil end
    if not page[at] then
      local found, failure = fetch()
      ended = not found or not found[1] and not opts.follow
      if not found then return false, failure end
      page, at = found, 1
      if not page[1] then
        if ended then return nil end
        self.link:sleep(pause_ms)
        return false
      end
    end
    local row = page[at]
    at, last = at + 1, row[1]
    return json.decode(row[2][4]), last
  end
end

--- Lets the connection go. Idempotent.
function Queue:close()
  errors.checkSelf(self, Queue, "queue:close()")
  if not self.closed and self.request == nginx.request() then self.link:close() end
  self.closed = true
end
Queue.__close = Queue.close

function Queue:__tostring() return ("loomta.Queue (%s)"):format(self.name) end

return queue
