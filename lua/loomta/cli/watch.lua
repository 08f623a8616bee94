--- Watches a folder for files that are complete: whatever has stopped growing is given once, and again when it changes later.
-- SPDX-License-Identifier: MIT
local files = require "loomta.cli.files"
local lfs = require "lfs"
local fifo = require "loomta.fifo"

local rescan_ms = 60000 -- with events: they can be lost
local settle_ms = 2000
local together_ms = 50 -- several changes come together
local rest = 10 -- times as long as a look took: a large tree must not keep the processor busy

local watch = {}

---@class loomta.cli.Watch
---@field kind "inotify"|"polling" how it learns of changes
---@field private folder string
---@field private accept fun(relative: string): boolean
---@field private settleMs number
---@field private now fun(): number
---@field private known table<string, table> by path: { size, modified, since, given, scan }
---@field private ready loomta.Fifo of paths to be given
---@field private scan integer how many there were
---@field private dueAt number when to look next
---@field private notBefore number when to look next at the earliest, whatever happens
---@field private handles table<string, table> by folder: { handle, id, scan }
local Watch = {}
Watch.__index = Watch

local function luv()
  local ok, uv = pcall(require, "luv")
  return ok and uv or nil
end

local function deafen(self, folder)
  local known = self.handles[folder]
  self.handles[folder] = nil
  if not known.handle:is_closing() then known.handle:close() end
end

--- From now on by polling alone.
local function give_up_events(self)
  self.kind = "polling"
  self.dueAt = math.min(self.dueAt, self.now())
  for folder in pairs(self.handles) do deafen(self, folder) end
  self.uv.run "nowait"
end

--- Hears of changes in one folder.
local function listen(self, folder)
  if self.kind ~= "inotify" then return end
  local found = lfs.attributes(folder)
  local id = found and found.dev .. ":" .. found.ino
  local known = self.handles[folder]
  if known and known.id == id then
    known.scan = self.scan
    return
  end
  if known then deafen(self, folder) end -- another folder has its place
  local handle = self.uv.new_fs_event()
  local ok = handle and handle:start(folder, {}, function(err)
    if err then self.failed = true end
    self.dueAt = math.min(self.dueAt, math.max(self.now() + together_ms, self.notBefore))
  end)
  if ok then
    self.handles[folder] = { handle = handle, id = id, scan = self.scan }
    return
  end
  if handle then handle:close() end
  if lfs.attributes(folder, "mode") then self.failed = true end -- else it is just gone
end

local function is_same(known, found)
  return found.mode == "file" and known.size == found.size and known.modified == found.modification
end

--- Looks at one file; says whether it is still to be waited for.
local function look(self, path, found)
  local known = self.known[path]
  local now = self.now()
  if not known or not is_same(known, found) then
    known = { size = found.size, modified = found.modification, since = now }
    self.known[path] = known
  end
  known.scan = self.scan
  if known.given then return false end
  if now - known.since >= self.settleMs then
    known.given = true
    self.ready:push(path)
    return false
  end
  return true
end

local function visit(self, folder, below)
  local ok, next_name, handle = pcall(lfs.dir, folder)
  if not ok then return false end
  listen(self, folder)
  local pending = false
  for name in next_name, handle do
    local path, relative = folder .. "/" .. name, below and below .. "/" .. name or name
    local found = name:sub(1, 1) ~= "." and lfs.symlinkattributes(path) or nil
    if found and found.mode == "directory" then
      pending = visit(self, path, relative) or pending
    elseif found and found.mode == "file" and self.accept(relative) then
      pending = look(self, path, found) or pending
    end
  end
  return pending
end

--- Looks at everything.
local function rescan(self)
  local began = self.now()
  self.scan = self.scan + 1
  local pending = visit(self, self.folder)
  for path, known in pairs(self.known) do
    if known.scan ~= self.scan then self.known[path] = nil end
  end
  for folder, known in pairs(self.handles) do
    if known.scan ~= self.scan then deafen(self, folder) end
  end
  local now = self.now()
  local rest_ms = rest * (now - began)
  self.notBefore = now + math.max(self.settleMs / 4, rest_ms)
  self.dueAt = now + (not pending and self.kind == "inotify" and rescan_ms or math.max(self.settleMs / 2, rest_ms))
end

--- Begins to watch.
---@param given { folder: string, accept: fun(relative: string): boolean, settleMs: number?, now: fun(): number }
---@return loomta.cli.Watch?
---@return string? why not
function watch.new(given)
  local mode, why = lfs.attributes(given.folder, "mode")
  if not mode then return nil, files.reason(why) end
  if mode ~= "directory" then return nil, "it is no folder" end
  local self = setmetatable({
    folder = (given.folder:gsub("(.)/+$", "%1")),
    accept = given.accept, now = given.now, settleMs = given.settleMs or settle_ms,
    known = {}, ready = fifo.new(), scan = 0, dueAt = given.now(), notBefore = given.now(), handles = {}, uv = luv(),
  }, Watch)
  self.kind = self.uv and "inotify" or "polling"
  listen(self, self.folder)
  if self.failed then give_up_events(self) end
  return self
end

--- The next file that is complete; nil: none at the moment.
---@return string?
function Watch:next()
  if self.kind == "inotify" then self.uv.run "nowait" end
  if self.failed and self.kind == "inotify" then give_up_events(self) end
  if self.ready:count() == 0 and self.now() >= self.dueAt then rescan(self) end
  for path in self.ready.pop, self.ready do
    local known, found = self.known[path], lfs.symlinkattributes(path)
    if known and found and is_same(known, found) then return path end
    -- It changed while it was in the queue: it has to settle anew.
    self.known[path] = nil
    self.dueAt = math.min(self.dueAt, self.now() + self.settleMs / 2)
  end
end

--- Stops watching.
function Watch:close()
  for folder in pairs(self.handles) do deafen(self, folder) end
  if self.uv then self.uv.run "nowait" end
end

return watch
