--- What a worker holds of a queue. A run of uploads uses it as its journal: an upload is marked as started in Redis, by the
--- one worker that holds its entry, before its first byte goes out. An entry that comes with a mark is unknown: it is looked for.
---
--- What keeps two workers from one file: a worker that could not renew what it holds for two thirds of the lease cancels what is
--- under way; others take it over after the whole lease.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local journal = require "loomta.journal"
local json = require "loomta.json"
local outcome = require "loomta.outcome"

local ask_again_ms = 250 -- when a queue had nothing
local row_width = 6
local retry_ms = 50

--- An entry that this worker holds.
---@class loomta.queue.Held
---@field id string
---@field identity string
---@field entry table what was queued: file, size, modified, folderId …
---@field mark table? it was started before: name, token, startedAt
---@field deliveries integer
---@field fault string? its last error
---@field request table? its upload's
---@field token string? with which this worker has marked it, or tried to
---@field begun boolean? this worker has marked it

---@class loomta.queue.Ledger
---@field looksLater true what was sent and cannot be found is given back, and looked for again after the lease
---@field ids table<string, boolean> nothing: uploads are known by their tokens
---@field error loomta.Error? why the queue does not answer
---@field link loomta.queue.Link
---@field private keys string[]
---@field private consumer string
---@field private opts { leaseMs: integer, maxDeliveries: integer, filesPerSecond: number, concurrency: integer }
---@field private held table<string, loomta.queue.Held> by id
---@field private byKey table<string, loomta.queue.Held> by what the journal calls a file
---@field private buffer loomta.queue.Held[] drawn and not handed out
---@field private noted any[][] what is to be sent: script and arguments
---@field private pending table[] entries to be marked
---@field private renewedMs number when all that is held was surely ours
---@field private askMs number when to ask the queue again
---@field length integer? entries in the queue when it was asked last
local Ledger = { looksLater = true }
Ledger.__index = Ledger

local ledger = {}

---@param link loomta.queue.Link
---@param keys string[]
---@param consumer string
---@param opts table
---@return loomta.queue.Ledger
function ledger.new(link, keys, consumer, opts)
  return setmetatable({
    link = link, keys = keys, consumer = consumer, opts = opts, held = {}, byKey = {}, buffer = {}, noted = {}, pending = {},
    renewedMs = core.now(), askMs = 0, ids = {},
  }, Ledger)
end

local function run(self, name, given)
  local value, err = self.link:run(name, self.keys, given)
  self.error = err
  return value, err
end

local function let_go(self, one)
  self.held[one.id] = nil
  if one.key and self.byKey[one.key] == one then self.byKey[one.key] = nil end
end

--- Sends what was noted, as far as the queue answers.
---@return boolean all
function Ledger:flush()
  while self.noted[1] do
    local note = self.noted[1]
    local _, err = run(self, note[1], note[2])
    if err and err.retryable then return false end
    table.remove(self.noted, 1)
  end
  return true
end

local function note(self, script, given)
  self.noted[#self.noted + 1] = { script, given }
  self:flush()
end

--- The entry leaves the queue.
---@param one loomta.queue.Held
---@param kind "done"|"failed"|"unknown"|"dead"
---@param media loomta.Media|false|nil
---@param err loomta.Error?
---@param info loomta.Info
function Ledger:conclude(one, kind, media, err, info)
  let_go(self, one)
  local record = outcome.record(outcome.of(media, err, info), one.entry.file, media, err, info)
  local text = json.encode(record)
  if not (text and json.decode(text)) then -- what a server sends may be too deep, or hold a number that is none
    record.media, record.error = media and { id = media.id } or nil, err and { code = err.code, message = err.message }
    text = json.encode(record)
  end
  note(self, "finish", { self.consumer, one.id, kind, text, one.identity })
end

--- Another worker may have it: at once, or once it was silent for the lease.
---@param one loomta.queue.Held
---@param how { keepMark: boolean?, noAttempt: boolean?, atOnce: boolean?, err: loomta.Error? } keepMark: it is to be looked for
function Ledger:release(one, how)
  let_go(self, one)
  note(self, "release", {
    self.consumer, one.id, how.keepMark and "1" or "0", how.noAttempt and "1" or "0", how.atOnce and "1" or "0",
    how.err and json.encode(outcome.error(how.err)) or "", one.token or one.mark and one.mark.token or "",
  })
end

local function decoded(text) return text ~= "" and json.decode(text) or nil end

--- Why an entry is not to be tried again: it was delivered too often.
local function exhausted(one)
  local last = decoded(one.fault)
  if last then return errors.new(last) end
  return errors.new {
    code = "too_many_deliveries", kind = "server", message = "every worker that had it ended before it was done",
  }
end

--- What was queued. Somebody else's entry is for a file that there is not.
local function entry_of(text)
  local entry = decoded(text)
  return type(entry) == "table" and type(entry.file) == "string" and entry or { file = text }
end

local function receive(self, rows)
  for at = 3, #rows, row_width do
    local id = rows[at]
    if not self.held[id] then -- a late answer may bring what is here already
      local one = {
        id = id, entry = entry_of(rows[at + 1]), identity = rows[at + 2], mark = decoded(rows[at + 3]),
        deliveries = rows[at + 4], fault = rows[at + 5],
      }
      self.held[id] = one
      self.buffer[#self.buffer + 1] = one
    end
  end
end

local function draw(self)
  local asked = core.now()
  if asked < self.askMs then return end
  if not next(self.held) then self.renewedMs = asked end
  local rows, err = run(self, "draw", { self.consumer, self.opts.concurrency, self.opts.leaseMs, self.opts.filesPerSecond })
  if not rows then
    self.askMs = asked + math.max(retry_ms, self.link:pause())
    return not err.retryable and err or nil
  end
  self.length = rows[2]
  if #rows == 2 then self.askMs = asked + math.min(math.max(rows[1], ask_again_ms), 5000) end
  receive(self, rows)
end

--- What keeps an entry from being uploaded: its past, or the file, which is not what was queued.
---@return loomta.Error?
---@return "dead"|"failed"|nil
local function examine(self, one)
  if one.deliveries > self.opts.maxDeliveries then return exhausted(one), "dead" end
  local entry = one.entry
  local now, err = journal.identify(entry.file, entry.folderId, false)
  if not now then return err, "failed" end
  if now.size ~= entry.size or now.modified ~= entry.modified then
    return errors.input("file_changed", ("'%s' is not as it was when it was queued: queue it again"):format(entry.file), "file"),
      "failed"
  end
  one.key = journal.keyOf(now)
  self.byKey[one.key] = one
end

--- The next entry.
---@return loomta.queue.Held|false|nil one false: there is none at the moment; nil: the queue refuses to give one
---@return loomta.Error? err why; or why this one is not to be uploaded
---@return "dead"|"failed"|nil kind of that
function Ledger:next()
  if not self.buffer[1] then
    local err = draw(self)
    if err then return nil, err end
  end
  local one = table.remove(self.buffer, 1)
  if not one then return false end
  return one, examine(self, one)
end

--- Renews what is held. What others have taken over meanwhile is given up.
---@return loomta.queue.Held[] lost
function Ledger:renew()
  local asked, ids, given = core.now(), {}, { self.consumer }
  for id in pairs(self.held) do
    ids[#ids + 1] = id
    given[#given + 1] = id
  end
  local lost = {}
  if #ids == 0 then
    self.renewedMs = asked
    return lost
  end
  local answers = run(self, "renew", given)
  if not answers then return lost end
  for place, id in ipairs(ids) do
    if answers[place] == 0 then lost[#lost + 1] = self.held[id] end
  end
  self:forget(lost)
  self.renewedMs = asked
  return lost
end

--- Others have these now, or will.
---@param list loomta.queue.Held[]
function Ledger:forget(list)
  local gone = {}
  for _, one in ipairs(list) do
    gone[one] = true
    let_go(self, one)
  end
  for at = #self.buffer, 1, -1 do
    if gone[self.buffer[at]] then table.remove(self.buffer, at) end
  end
end

--- All that is held, where it may not be ours for much longer.
---@return loomta.queue.Held[]
function Ledger:expired()
  local list = {}
  if core.now() - self.renewedMs < self.opts.leaseMs * 2 / 3 then return list end
  for _, one in pairs(self.held) do list[#list + 1] = one end
  return list
end

--- Is it time to renew?
---@return boolean
function Ledger:isDue() return core.now() - self.renewedMs >= self.opts.leaseMs / 4 end

--- Is there something that the queue does not know yet?
---@return boolean
function Ledger:isBehind() return #self.noted > 0 end

--- Is it still this worker's?
---@param one loomta.queue.Held
---@return boolean
function Ledger:holds(one) return self.held[one.id] == one end

--- Had the queue nothing, neither here nor with others, when it was asked last?
---@return boolean
function Ledger:isEmpty() return self.length == 0 and not self:isBehind() end

--- Lets no worker begin anything for so long.
---@param ms number
function Ledger:hold(ms) note(self, "hold", { math.ceil(ms) }) end

--- Takes this worker's name out of the queue.
function Ledger:leave() run(self, "leave", { self.consumer }) end

--- Gives back what was drawn and not begun.
function Ledger:returnRest()
  local rest = self.buffer
  self.buffer = {}
  for _, one in ipairs(rest) do self:release(one, { keepMark = one.mark ~= nil, noAttempt = true, atOnce = true }) end
end

-- What a run wants of its journal.

---@param entry loomta.JournalEntry
---@return "new"|"unknown" state
---@return table? known
function Ledger:look(entry)
  local one = self.byKey[journal.keyOf(entry)]
  if one and one.mark then return "unknown", one.mark end
  return "new"
end

function Ledger.unknown() return {} end

--- Notes that an upload is about to start; `sync` must follow before it does.
---@param entry loomta.JournalEntry
function Ledger:start(entry) self.pending[#self.pending + 1] = entry end

local function lost_error(entry)
  return errors.new {
    code = "lease_lost", kind = "canceled", retryable = true,
    message = ("another worker has '%s' now"):format(entry.file),
  }
end

local function held_error(entry)
  return errors.new {
    code = "queue_held", kind = "rate_limit", retryable = true,
    message = ("'%s' has to wait: the server asked all workers for patience"):format(entry.file),
  }
end

--- Marks what was noted. While the queue cannot be reached, what is under way goes on, and nothing is begun.
---@return true?
---@return loomta.Error? err
---@return table<loomta.JournalEntry, loomta.Error>? refused what must not be begun
function Ledger:sync()
  local refused, given, asked = {}, { self.consumer }, {}
  for _, entry in ipairs(self.pending) do
    local one = self.byKey[journal.keyOf(entry)]
    if one then
      asked[#asked + 1] = { entry = entry, one = one }
      one.token = entry.token
      given[#given + 1] = one.id
      given[#given + 1] = json.encode {
        name = entry.name, token = entry.token, size = entry.size, folderId = entry.folderId,
      }
    else
      refused[entry] = lost_error(entry)
    end
  end
  self.pending = {}
  local answers, err = {}, nil
  if #asked > 0 then answers, err = run(self, "begin", given) end
  for place, pair in ipairs(asked) do
    local one = pair.one
    if answers and answers[place] == 1 then
      one.begun = true
    elseif answers and answers[place] == 0 then
      refused[pair.entry] = lost_error(pair.entry)
      self:forget { one }
    else
      refused[pair.entry] = err or held_error(pair.entry)
    end
  end
  return true, nil, refused
end

--- What came of it is noted by the worker, which knows more of it.
function Ledger.finish() return true end

function Ledger.close() end

return ledger
