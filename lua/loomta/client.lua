--- A client: the settings, and the engine whose connections its calls share.
-- SPDX-License-Identifier: MIT
local config = require "loomta.config"
local core = require "loomta.core"
local errors = require "loomta.errors"
local operations = require "loomta.operations"
local options = require "loomta.options"
local reconcile = require "loomta.reconcile"
local request = require "loomta.request"
local response = require "loomta.response"
local run = require "loomta.run"

---@class loomta.Client
---@field private settings table the checked options over the defaults
---@field private inherit table the metatable by which a call's settings fall back on these
---@field private engine userdata?
---@field private found table<boolean, table> what config.find gave, by "the caller has a key"
local Client = { __name = "loomta.Client" }
Client.__index = Client

local client = {}

--- Keeps the key where nobody sees it.
local function hide_key(settings)
  if settings.apiKey then settings.apiKey = core.secret(settings.apiKey) end
end

--- Makes a client. The key and the host may come later, with the first call.
---@param given loomta.Options?
---@return loomta.Client?
---@return loomta.Error?
function client.new(given)
  if given ~= nil and type(given) ~= "table" then error("loomta.new takes a table of options, not a " .. type(given), 2) end
  local checked, err = options.check(given or {})
  if not checked then return nil, err --[[@as loomta.Error]] end
  hide_key(checked)
  local settings = options.defaults()
  for name, value in pairs(checked) do settings[name] = value end
  return setmetatable({ settings = settings, inherit = { __index = settings }, found = {} }, Client)
end

--- Completes the settings of a call with key and host, from the environment where the caller gave none.
function Client:locate(settings)
  if not (settings.apiKey and settings.baseUrl) then
    local has_key = settings.apiKey ~= nil
    local found = self.found[has_key]
    if not found then
      local err
      found, err = config.find(has_key)
      if not found then return nil, err end
      self.found[has_key] = found
    end
    settings.apiKey = settings.apiKey or found.apiKey
    settings.baseUrl = settings.baseUrl or found.baseUrl
  end
  local base = settings.baseUrl
  settings.direct = base.loopback and not settings.proxy
  if base.scheme == "http" and not settings.direct and not settings.allowHttp then
    local message = "the key would go unencrypted to %s%s; use https://, or allowHttp = true if that network is yours"
    return nil, errors.input("invalid_option", message:format(base.url, settings.proxy and " by a proxy" or ""), "baseUrl")
  end
  return base.url
end

--- Turns what core reports before a retry into the error that the user's callback takes.
local function retry_reporter(operation, job, settings)
  local on_retry = settings.onRetry
  return on_retry and function(attempt)
    local result = job:result()
    local _, err = response.read(operation, result, settings.apiKey)
    on_retry(err, attempt, result.retryInMs)
  end
end

--- Sends a prepared operation and blocks until it has ended.
---@private
---@param operation loomta.Operation
---@param fields table checked
---@param settings table of this call
---@return table? value, loomta.Error? err, loomta.Info info, boolean? unknown stored or not, nobody can tell
function Client:send(operation, fields, settings)
  local source, err
  if operation.multipart then
    source, err = request.multipart(operation, fields, settings)
    if not source then return nil, err, response.nothingSent() end
  end
  if not self.engine or not self.engine:isOurs() then self.engine = core.engine() end
  local job = self.engine:submit(source and source.handle, settings)
  local failed = run.toEnd(self.engine, job, source, {
    onProgress = settings.onProgress,
    onRetry = retry_reporter(operation, job, settings),
  })
  local result = job:result()
  job:close()
  local value, info
  value, err, info = response.read(operation, result, settings.apiKey)
  if failed then
    failed.attempts = info.attempts
    return nil, failed, info
  end
  return value, err, info, result.unknown
end

--- The settings and fields of a call, checked and complete.
---@private
---@return table? settings
---@return table fields the error when settings is nil
function Client:prepare(operation, given)
  local settings, fields = options.check(given, operation.fields)
  if not settings then return nil, fields end
  hide_key(settings)
  setmetatable(settings, self.inherit)
  local base, err = self:locate(settings)
  if not base then return nil, err --[[@as table]] end
  settings.method = operation.method
  settings.url = base .. operation.path
  if operation.query then settings.url = settings.url .. request.query(operation, fields) end
  settings.userAgent = request.userAgent(settings.userAgent)
  return settings, fields
end

--- Performs one operation and blocks until it has ended.
---@private
---@return table? value, loomta.Error? err, loomta.Info info
function Client:perform(name, given)
  if type(given) ~= "table" then error(("%s takes a table, not a %s"):format(name, type(given)), 3) end
  if self.closed then error("the client is closed", 3) end
  local operation = operations[name]
  local settings, fields = self:prepare(operation, given)
  if not settings then return nil, fields, response.nothingSent() end

  local began = os.time()
  local value, err, info, unknown = self:send(operation, fields, settings)
  if unknown and settings.reconcile and operation.multipart then
    return reconcile.settle(self, {
      operation = operation, given = given, fields = fields, settings = settings, began = began,
    }, err, info)
  end
  return value, err, info
end

--- Uploads one image or video and waits for the answer.
---@param given loomta.Upload the source, what to call it, where to put it, and any option for this call alone
---@return loomta.Media? media as the server describes it; nil after a failure
---@return loomta.Error? err
---@return loomta.Info info
function Client:upload(given)
  local media, err, info = self:perform("upload", given) -- no tail call: an error names the caller's line
  return media, err, info
end

--- Lists media, newest or oldest first as the server pleases.
---@param given { folderId: any, mediaType: "image"|"video"|nil }|loomta.Options|nil folderId: a UUID, or "null" for the root
---@return { media: loomta.Media[] }? list
---@return loomta.Error? err
---@return loomta.Info info
function Client:listMedia(given)
  local list, err, info = self:perform("listMedia", given or {})
  return list, err, info
end

--- Closes the connections and wipes the key. The client cannot be used afterwards; closing it again does nothing.
function Client:close()
  if self.engine then self.engine:close() end
  if self.settings.apiKey then self.settings.apiKey:close() end
  if self.found[false] then self.found[false].apiKey:close() end
  self.closed = true
end
Client.__close = Client.close

function Client.__tostring() return "loomta.Client" end

---@class loomta.Upload: loomta.Options
---@field file (string|file*)? a path, or an open handle on a regular file: read whole, neither moved nor closed
---@field data string? the bytes themselves
---@field reader (fun(): string?, any)? called for the next piece until it returns nil; `nil, why` is a failure
---@field size integer? how many bytes the reader will give, when that is known
---@field fileName string? what to call it; else the path's last component
---@field mimeType string? one of the five accepted types; else inferred from the content
---@field mediaType "image"|"video"|nil
---@field folderId any a folder's UUID; "null" or loomta.null for the root

---@class loomta.Media
---@field id string UUID; posts refer to media by it
---@field status "PENDING"|"READY" only READY media goes into a post
---@field storageKey string
---@field publicUrl string
---@field previewUrl string
---@field mimeType string
---@field size integer?
---@field mediaType "image"|"video"|"audio"|"file"
---@field originalFileName string
---@field thumbnailMetadata table?
---@field finalizedAt string? date-time
---@field folderId string?
---@field createdAt string date-time

return client
