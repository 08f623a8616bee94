--- A client: the settings, and the engines whose connections its calls share: one of its own for calls that block, and the
--- process's worker for jobs.
-- SPDX-License-Identifier: MIT
local config = require "loomta.config"
local core = require "loomta.core"
local errors = require "loomta.errors"
local inbox = require "loomta.inbox"
local job = require "loomta.job"
local nginx = require "loomta.nginx"
local operations = require "loomta.operations"
local options = require "loomta.options"
local request = require "loomta.request"
local response = require "loomta.response"
local uploads = require "loomta.uploads"

---@class loomta.Client
---@field private settings table the checked options over the defaults
---@field private inherit table the metatable by which a call's settings fall back on these
---@field private inheritKeyless table the same for calls that carry no key
---@field private engine userdata? runs the calls that block
---@field private inbox loomta.Inbox of the jobs that were started
---@field package inboxes table<loomta.Inbox, boolean> that one and those of bulk uploads; weak
---@field private live table<loomta.Job, boolean> all that have not ended; weak
---@field private found table<boolean, table> what config.find gave, by "the caller has a key"
local Client = { __name = "loomta.Client" }
Client.__index = Client

local client = {}

-- By an operation's name: may it be called without anything?
local takes_nothing = {}
for name, operation in pairs(operations) do
  takes_nothing[name] = operation.body ~= "form" or nil
  for _, field in pairs(operation.fields) do
    if field.required then takes_nothing[name] = nil end
  end
end

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
  local checked, err = options.check(given or {}, nil, "new")
  if not checked then return nil, err --[[@as loomta.Error]] end
  hide_key(checked)
  local settings = options.defaults()
  for name, value in pairs(checked) do settings[name] = value end
  local own = inbox.new(settings.maxConnections)
  return setmetatable({
    settings = settings,
    inherit = { __index = settings },
    inheritKeyless = { __index = function(_, name) return name ~= "apiKey" and settings[name] or nil end },
    found = {},
    inbox = own,
    inboxes = setmetatable({ [own] = true }, { __mode = "k" }),
    live = setmetatable({}, { __mode = "k" }),
  }, Client)
end

--- Completes the settings of a call with host and, where it needs one, key, from the environment where the caller gave none.
---@private
function Client:locate(settings, keyless)
  if not ((keyless or settings.apiKey) and settings.baseUrl) then
    local has_key = keyless or settings.apiKey ~= nil
    local found = self.found[has_key]
    if not found then
      local err
      found, err = config.find(has_key)
      if not found then return nil, err end
      self.found[has_key] = found
    end
    settings.apiKey = settings.apiKey or found.apiKey -- found.apiKey is nil where none was looked for
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

--- There is another key in the credentials file.
---@private
function Client:lookAgain() self.found = {} end

--- The settings and fields of a call, checked and complete.
---@private
---@param purpose string? "start" for a job
---@return table? settings
---@return table fields the error when settings is nil
---@return loomta.Operation? operation as the fields resolve it
function Client:prepare(operation, given, purpose)
  local settings, fields = options.check(given, operation.fields, purpose)
  if not settings then return nil, fields end
  local err = operation.prepare and operation.prepare(fields)
  if err then return nil, err end
  hide_key(settings)
  if operation.keyless then settings.apiKey = nil end
  setmetatable(settings, operation.keyless and self.inheritKeyless or self.inherit)
  local base
  base, err = self:locate(settings, operation.keyless)
  if not base then return nil, err --[[@as table]] end
  operation = request.resolve(operation, fields)
  settings.method = operation.method
  settings.url = base .. request.target(operation, fields)
  settings.userAgent = request.userAgent(settings.userAgent)
  return settings, fields, operation
end

--- The engine that is this process's own: a child of fork() needs a new one.
---@private
function Client:ownEngine()
  if not (self.engine and self.engine:isOurs()) then self.engine = core.engine() end
  return self.engine
end

--- Starts one operation. Raises what only a mistake in the program can cause, at the caller's caller's caller.
---@private
---@param into loomta.Inbox? for a job that the worker runs; nil: the client's own engine does
---@param purpose string? "start" for a job that the caller keeps
---@param more table? settings that no caller can give: token, delayMs, reconcile
---@return loomta.Job?
---@return loomta.Error? err when it was refused here
function Client:begin(name, given, into, purpose, more)
  if type(given) ~= "table" then error(("%s takes a table, not a %s"):format(purpose or name, type(given)), 4) end
  if self.closed then error("the client is closed", 4) end
  local settings, fields, operation = self:prepare(operations[name], given, purpose)
  if not settings then return nil, fields end
  if more then
    for setting, value in pairs(more) do settings[setting] = value end
  end
  local started, err = job.start(self, into, operation, given, fields, settings)
  if started then self.live[started] = true end
  return started, err
end

--- Performs one operation and returns when it has ended: in nginx without blocking the process, elsewhere blocking.
---@private
---@return any value, loomta.Error? err, loomta.Info info
function Client:perform(name, given)
  if given == nil and takes_nothing[name] then given = {} end
  local in_nginx = nginx.phase()
  local started, err
  if in_nginx then err = nginx.refusal() end
  if not err then started, err = self:begin(name, given, in_nginx and self.inbox or nil) end
  if not started then return nil, err, response.nothingSent() end
  if not in_nginx then return started:run() end
  self.inbox:tidy()
  return started:wait()
end

--- A job has ended.
---@private
function Client:forget(ended)
  self.live[ended] = nil
  if self.closed then self:wipe() end
  if ended.inbox then ended.inbox:remove(ended) end
end

for name in pairs(operations) do
  local how = ("client:%s%s"):format(name, takes_nothing[name] and "()" or " { … }")
  Client[name] = function(self, given)
    errors.checkSelf(self, Client, how)
    local value, err, info = self:perform(name, given) -- no tail call: an error names the caller's line
    return value, err, info
  end
end

--- Says whether an upload would be refused here, and how it would be sent. Nothing is sent, and no key is needed. (A reader's
--- first pieces are taken from it.)
---@param given loomta.Upload
---@return { fileName: string, mimeType: string, size: integer? }? described
---@return loomta.Error? err what `upload` would say
function Client:preflight(given)
  errors.checkSelf(self, Client, "client:preflight { … }")
  if type(given) ~= "table" then error(("preflight takes a table, not a %s"):format(type(given)), 2) end
  return self:inspect(given)
end

---@private
---@param token string? to be in the file's name
function Client:inspect(given, token)
  local settings, fields = options.check(given, operations.upload.fields, "start")
  if not settings then return nil, fields end
  settings.token = token
  local source, err = request.multipart(operations.upload, fields, setmetatable(settings, self.inherit))
  if not source then return nil, err end
  local size = source.handle:size()
  source.handle:close()
  return { fileName = settings.fileName, mimeType = settings.mimeType, size = size >= 0 and size or nil }
end

--- Uploads many files, several at once, and gives what came of each as soon as it is known:
---
---     for media, err, request, info in client:uploads(requests, { concurrency = 8 }) do … end
---
--- `media` is false after a failure. What keeps it from beginning at all (a wrong option, a journal in use) is given the same
--- way, once, with no request.
---@param requests (loomta.Upload|string)[]|(fun(): loomta.Upload|string|false|nil) what `upload` takes, or paths; a function
---gives the next one, nil when there are no more, and false when there is none at the moment
---@param opts loomta.BulkOptions?
---@return loomta.Uploads uploads
function Client:uploads(requests, opts)
  errors.checkSelf(self, Client, "client:uploads(requests, { … })")
  local run = uploads.new(self, requests, opts)
  return run, nil, nil, run -- since Lua 5.4, leaving the loop closes the fourth
end

--- Starts an operation and returns at once. A thread of the process sends it; its callbacks run when this client is polled or a
--- job is waited for. `file` must stay as it is until the job has ended. What is refused here has no job and calls no `onDone`.
---@param name string|loomta.Upload the operation, "createPosts"; an upload needs none
---@param given table? what the operation takes, and `onDone`
---@return loomta.Job? job nil when it was refused before anything was sent
---@return loomta.Error? err
---@return loomta.Info? info
function Client:start(name, given)
  errors.checkSelf(self, Client, "client:start { … }")
  local started, err, info = self:launch(name, given)
  return started, err, info
end

---@private
function Client:launch(name, given)
  if type(name) == "string" and given ~= nil and not operations[name] then
    error(("there is no operation '%s'"):format(name), 3)
  elseif not operations[name] then
    name, given = "upload", name
  elseif given == nil and takes_nothing[name] then
    given = {}
  end
  local err, started = nginx.startRefusal(), nil
  if not err then started, err = self:begin(name, given, self.inbox, "start") end
  if not started then return nil, err, response.nothingSent() end
  self.inbox:add(started)
  self.inbox:tidy()
  return started
end

--- Runs the callbacks that are due: onProgress, onRetry, onDone, readers. What a callback raises is raised here, and its job is
--- canceled.
---@param timeoutMs integer? how long to wait for something to do; none: not at all
---@return integer running how many started jobs have not ended
function Client:poll(timeoutMs)
  errors.checkSelf(self, Client, "client:poll()")
  local timeout_ms = timeoutMs or 0
  errors.checkTimeout(timeout_ms, "poll")
  if timeout_ms > 0 and nginx.phase() then
    error("in nginx, poll does not wait: leave timeoutMs out, or use job:wait", 2)
  end
  if not self.inbox:isOpen() then return 0 end
  self.inbox:sleep(core.now() + timeout_ms)
  local raised = self.inbox:serve()
  if raised then error(raised[1], 0) end
  return self.inbox.running
end

--- A descriptor that is readable while `poll` has something to do. It is the client's: do not read or close it.
---@return integer? fd
---@return loomta.Error? err when the system gives none
function Client:fd()
  errors.checkSelf(self, Client, "client:fd()")
  if self.closed then error("the client is closed", 2) end
  local mailbox, err = self.inbox:open()
  if not mailbox then return nil, err end
  return mailbox:fd()
end

--- Cancels what still runs, closes the connections and wipes the key. Nothing can be started afterwards; jobs can still be
--- waited for, to learn how they ended. Closing it again does nothing.
function Client:close()
  errors.checkSelf(self, Client, "client:close()")
  self.closed = true
  for each in pairs(self.inboxes) do each:leave() end
  for running in pairs(self.live) do running:cancel() end
  if self.engine then self.engine:close() end
  self:wipe()
end

--- Wipes the key, unless a job's answer is still to be read: the key must not be in it.
---@private
function Client:wipe()
  if next(self.live) then return end
  if self.settings.apiKey then self.settings.apiKey:close() end
  if self.found[false] then self.found[false].apiKey:close() end
end
Client.__close = Client.close

function Client.__tostring() return "loomta.Client" end

return client
