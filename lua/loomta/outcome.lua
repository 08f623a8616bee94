--- What became of a file: in one word, and as the record that programs read.
-- SPDX-License-Identifier: MIT
local outcome = {}

--- In one word.
---@param media loomta.Media|false|nil
---@param err loomta.Error?
---@param info loomta.Info
---@return "uploaded"|"skipped"|"unknown"|"notStarted"|"refused"|"failed"
function outcome.of(media, err, info)
  if media then return info.skipped and "skipped" or "uploaded" end
  if err.possiblyStored then return "unknown" end
  if err.code == "not_started" then return "notStarted" end
  return info.attempts == 0 and (err.kind == "input" or err.kind == "auth") and "refused" or "failed"
end

--- The fields of an error that a record has.
---@param err loomta.Error
---@return table
function outcome.error(err)
  return {
    code = err.code, message = err.message, kind = err.kind, status = err.status, retryable = err.retryable,
    possiblyStored = err.possiblyStored, attempts = err.attempts, retryAfterMs = err.retryAfterMs, cause = err.cause,
    details = err.details,
  }
end

--- The record of one file.
---@param kind string what outcome.of says
---@param file string
---@param media loomta.Media|false|nil
---@param err loomta.Error?
---@param info loomta.Info
---@return table
function outcome.record(kind, file, media, err, info)
  return {
    type = kind, file = file, size = info.totalBytes or (media and media.size) or nil, media = media or nil,
    error = err and outcome.error(err), info = info,
  }
end

return outcome
