--- Settles an upload whose outcome is unknown: looks for it in the list of media, and repeats it once if it is not there.
---
--- What that can prove: with "exact", that a found media object is this very upload, by a token in its name. Without, that
--- there is one of the same name and size that is as new as the call. What it cannot prove: that an upload which is not in
--- the list will not appear there later. That is why it is opt-in, and why an error keeps possiblyStored.
-- SPDX-License-Identifier: MIT
local options = require "loomta.options"

local reconcile = {
  looksMs = { 0, 1000, 3000 }, -- waits before each look: a server may still be storing what it has received
}

local clock_slack_s = 120 -- how far its clock may be from ours

--- A time to compare: the API's date-times sort as text. A server may send anything else.
local function time_of(item)
  return type(item.createdAt) == "string" and item.createdAt or ""
end

--- Is one of `media` the upload that we look for? Pure.
---@param media loomta.Media[]
---@param wanted { name: string, size: integer?, since: integer?, exact: boolean, taken: table? } since: in seconds since 1970;
---taken: ids that are known to be other uploads'
---@return loomta.Media?
function reconcile.find(media, wanted)
  local escaped = wanted.name:gsub('"', "%%22") -- as it stood in the form, should the server have kept that
  local since = wanted.since and os.date("!%Y-%m-%dT%H:%M:%S", wanted.since - clock_slack_s)
  local best
  for _, item in ipairs(media) do
    if type(item) ~= "table" then item = {} end
    local named = item.originalFileName == wanted.name or item.originalFileName == escaped
    local sized = not wanted.size or not item.size or item.size == wanted.size
    local fresh = wanted.exact or not since or time_of(item) == "" or time_of(item) >= since
    local free = not (wanted.taken and wanted.taken[item.id])
    if named and sized and fresh and free and (not best or time_of(item) > time_of(best)) then best = item end
  end
  return best
end

--- What is left of the call's time; nil when there is no limit.
local function time_left(settings, info)
  return settings.timeoutMs > 0 and settings.timeoutMs - info.durationMs or nil
end

--- What listMedia is asked with to look for an upload: its folder, and the options of its call.
---@param upload table what the upload's caller gave
---@param folder_id string?
---@param timeout_ms integer
---@return table given
function reconcile.listing(upload, folder_id, timeout_ms)
  local given = options.passedOn(upload, timeout_ms)
  given.folderId = folder_id
  given.maxResponseBytes = given.maxResponseBytes or options.longestList
  return given
end

--- Looks for the upload, patiently.
---@return loomta.Media? found, boolean looked a list was seen to the end of our patience
local function look(job, info)
  local settings = job.settings
  local looked = false
  for _, wait_ms in ipairs(reconcile.looksMs) do
    local left = time_left(settings, info)
    if left and left <= wait_ms then return nil, false end
    local given = reconcile.listing(job.given, job.fields.folderId, left and math.floor(left) or 0)
    local list, _, took = job:call("listMedia", given, wait_ms)
    info.durationMs = info.durationMs + took.durationMs
    looked = list ~= nil
    local found = list and reconcile.find(list.media, {
      name = settings.fileName,
      size = info.totalBytes,
      since = job.began,
      exact = settings.reconcile == "exact",
    })
    if found then return found, true end
  end
  return nil, looked
end

--- Takes over after the first unknown outcome, as the job's flow.
---@param job loomta.Job
---@param err loomta.Error
---@param info loomta.Info of what has happened so far; goes on from there
---@return loomta.Media? media, loomta.Error? err, loomta.Info info
function reconcile.settle(job, err, info)
  local found, looked = look(job, info)
  if not found and looked and not job.fields.reader then
    local left = time_left(job.settings, info)
    if left and left < 1 then return nil, err, info end
    job.settings.timeoutMs = left and math.floor(left) or 0
    local media, again, took, unknown = job:send(job.operation, job.fields, job.settings)
    took.attempts = took.attempts + info.attempts
    took.durationMs = took.durationMs + info.durationMs
    if media then return media, nil, took end
    -- The first one may still appear: whatever the second one ended as, that stays true.
    again.possiblyStored, again.retryable, again.attempts = true, false, took.attempts
    err, info = again, took
    if unknown then found = look(job, info) end
  end
  if not found then return nil, err, info end
  info.reconciled = true
  return found, nil, info
end

return reconcile
