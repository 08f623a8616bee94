--- One request on its way, with its attempts: begun, watched, fed, and in the end read.
-- SPDX-License-Identifier: MIT
local request = require "loomta.request"
local response = require "loomta.response"
local source_of = require "loomta.source"

---@class loomta.Exchange
---@field core userdata the C job
---@field id integer what the mailbox calls it
---@field operation loomta.Operation
---@field settings table
---@field source loomta.Source?
---@field closed boolean? its result was taken
---@field private ended integer attempts whose end was reported
---@field private reported integer? bytes that onProgress heard of
---@field private asked boolean? its reader gave `piece`, which was not taken yet
---@field private piece string? nil: the end
---@field private failed loomta.Error? what ended its reader
local Exchange = {}
Exchange.__index = Exchange

local exchange = {}

--- Opens the source and hands the request to the job's runner.
---@param job loomta.Job
---@param operation loomta.Operation
---@param fields table checked
---@param settings table of the call
---@return loomta.Exchange?
---@return loomta.Error? err when it was refused here
function exchange.begin(job, operation, fields, settings)
  local source, runner, err
  if operation.body == "form" then
    source, err = request.multipart(operation, fields, settings)
  elseif operation.body then
    source, err = request.json(operation, fields, settings)
  end
  if err then return nil, err end
  runner, err = job:findRunner()
  if not runner then
    if source then source.handle:close() end
    return nil, err
  end
  -- By it a job that has to wait long opens its file again; until then it needs no descriptor.
  settings.path = job.inbox and job.inbox:isCrowded() and source and source.path or nil
  -- What asks, and what goes on where a call has begun, does not wait for its turn behind uploads.
  settings.urgent = job.flow ~= nil or operation.method == "GET"
  settings.wantsProgress = settings.onProgress ~= nil
  local core = runner:submit(source and source.handle, settings)
  return setmetatable({
    core = core,
    id = core:id(),
    operation = operation,
    settings = settings,
    source = source,
    ended = 0,
  }, Exchange)
end

--- From 0 on, also where more has been sent before the owner looked.
local function report_progress(self, job)
  local sent, total = self.core:progress()
  for _, count in ipairs { self.reported or 0, sent } do
    if count ~= self.reported and not job.canceled then
      self.reported = count
      if self.settings.onProgress(count, total) == false then job:cancel() end
    end
  end
end

local function report_retry(self, attempt)
  local result = self.core:result()
  local _, err = response.read(self.operation, result, self.settings.apiKey)
  self.ended = attempt
  self.settings.onRetry(err, attempt, result.retryInMs)
end

--- The reader may have canceled or closed what it feeds, and an attempt may end beside it: the next one gets its piece.
local function feed(self)
  if not self.asked then
    local piece, err = self.source.next()
    self.asked, self.piece, self.failed = true, piece, err
    if err and not self.closed then self.core:cancel() end
  end
  if not self.failed and not self.closed and self.core:feed(self.piece) then
    self.asked, self.piece = false, nil
  end
end

--- Does what it needs of its owner, once.
---@param job loomta.Job whose callbacks are not called any more once it was canceled
---@return boolean ended its result is to be taken
function Exchange:attend(job)
  local settings = self.settings
  local state, ended, hungry, due = self.core:attend()
  local done = state == "done"
  if not job.canceled then
    if settings.onProgress and (due or done or not self.reported) then report_progress(self, job) end
    if settings.onRetry and not done and ended > self.ended then report_retry(self, ended) end
    if hungry and not self.failed then feed(self) end
  end
  return done and not self.closed
end

--- Says which file it was: a job's may have changed or gone while it waited for its turn.
local function name_file(err, name)
  if err.code == "file_changed" and err.attempts == 0 then
    err.message = name .. " is not the file that it was when the job was started"
  elseif err.code == "file_changed" or err.code == "file_read_failed" then
    err.message = name .. ": " .. err.message
  end
end

--- Takes the result.
---@param reason string? why its job was canceled, where a callback did that
---@return any value, loomta.Error? err, loomta.Info info, boolean? unknown stored or not, nobody can tell
function Exchange:take(reason)
  local result = self.core:result()
  self.core:close()
  self.closed = true
  local value, err, info = response.read(self.operation, result, self.settings.apiKey)
  if self.failed then
    local stored = value ~= nil or err.possiblyStored
    value, err = nil, self.failed
    err.attempts, err.possiblyStored = info.attempts, stored
  elseif err and err.code == "canceled" then
    err.cause = reason
  elseif err and self.source and self.source.path then
    name_file(err, source_of.nameOf(self.source))
  end
  return value, err, info, result.unknown
end

return exchange
