--- Decides what becomes of a request before it is sent: completed with what the run presets, refused, or known to the journal.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local journal = require "loomta.journal"
local operations = require "loomta.operations"
local options = require "loomta.options"
local response = require "loomta.response"
local types = require "loomta.types"

local admission = {}

--- Opens the journal of a run.
---@param run loomta.Uploads
---@return loomta.Error? err
function admission.openJournal(run)
  local settings = options.check(run.defaults, operations.upload.fields) --[[@as table]]
  local base_url, err = run.client:locate(setmetatable(settings, run.client.inherit))
  if not base_url then return err end
  run.journal, err = journal.open(run.opts.journal, base_url, run.settler ~= nil)
  return err
end

--- The request as a table of its own, with the run's defaults.
local function complete(run, request)
  if type(request) == "string" then request = { file = request } end
  if type(request) ~= "table" then
    return nil, errors.input("invalid_option", "a request must be a table or a path, not a " .. type(request))
  end
  if request.onDone ~= nil then return nil, errors.input("invalid_option", "'onDone' is for start only", "onDone") end
  local given = {}
  for name, value in pairs(run.defaults) do given[name] = value end
  for name, value in pairs(request) do given[name] = value end
  return given
end

--- Asks the journal whether an item is to be uploaded at all.
---@return boolean go_on
---@return loomta.Error? err why not, unless it is seen to already
local function consult(run, item)
  local given = item.given
  if type(given.file) ~= "string" then
    return false, errors.input("invalid_option", "with a journal, 'file' must be a path: it knows uploads by their files", "file")
  end
  if type(item.request) == "table" and item.request.baseUrl ~= nil then
    return false, errors.input("invalid_option", "with a journal, 'baseUrl' is for the whole run", "baseUrl")
  end
  local described, entry, err
  if run.opts.checksum then described, err = run.client:inspect(given, item.token) end -- a pipe would be read for ever
  if not err then entry, err = journal.identify(given.file, journal.folderOf(item.folder), run.opts.checksum) end
  if not entry then return false, err end
  local key = journal.keyOf(entry)
  local same = run.byKey[key]
  if same then
    same.followers = same.followers or {}
    same.followers[#same.followers + 1] = item.request
    return false
  end
  local state, known = run.journal:look(entry)
  if state == "done" then
    local info = response.nothingSent()
    info.skipped = true
    run:report(known, nil, item.request, info)
    return false
  end
  if not described then described, err = run.client:inspect(given, item.token) end
  if not described then return false, err end
  item.entry, item.key = entry, key
  run.byKey[key] = item
  if state == "unknown" then
    err = errors.new {
      code = "outcome_unknown",
      kind = "network",
      message = ("an earlier run ended while it uploaded '%s': nobody can tell whether it was stored"):format(given.file),
      possiblyStored = true,
    }
    if run.settler then
      item.name, item.began, item.token = known.name or described.fileName, known.startedAt, known.token
      entry.name, entry.token = item.name, item.token -- should it be sent again
      item.started = true
      run.settler:add(item, err, nil)
      return false
    elseif given.retryUnknown == false or not (given.retryUnknown or run.client.settings.retryUnknown) then
      return false, err
    end
    item.unknown = { err = err }
  end
  entry.name, entry.token = described.fileName, item.token
  return true
end

--- Completes an item, and asks the journal, where there is one, whether it is to be uploaded at all.
---@param run loomta.Uploads
---@param item loomta.Item that has its request
---@return boolean? go_on
---@return loomta.Error? err why not, unless it is seen to already
function admission.admit(run, item)
  local given, err = complete(run, item.request)
  if not given then return nil, err end
  item.given = given
  item.folder = given.folderId and types.folderId(given.folderId)
  if run.settler and run.settler.exact then item.token = core.token() end
  if not run.journal then return true end
  return consult(run, item)
end

return admission
