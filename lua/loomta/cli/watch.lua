--- Watches a folder for files that are complete: whatever has stopped growing is given once, and again when it changes later.
-- SPDX-License-Identifier: MIT
local lfs = require "lfs"

local rescan_ms = 60000 -- with events: they can be lost
local settle_ms = 2000

local watch = {}

---@class loomta.cli.Watch
---@field kind "inotify"|"polling" how it learns of changes
---@field private folder string
---@field private accept fun(relative: string): boolean
---@field private settleMs number
---@field private now fun(): number
---@field private known table<string, table> by path: { size, modified, since, given, scan }
---@field private ready string[] to be given, in order
---@field private scan integer how many there were
---@field private dueAt number when to look next
local Watch = {}
Watch.__index = Watch

local function luv()
  local ok, uv = pcall(require, "luv")
  return ok and uv or nil
end

--- Hears of changes in one folder; false: the system has no more watches.
local function listen(self, folder)
  if self.kind ~= "inotify" or self.handles[folder] then return end
  local uv = self.uv
  local handle = uv.new_fs_event()
  local ok = handle and handle:start(folder, {}, function(err)
    if err then
      self.kind = "polling"
    else
      self.dueAt = math.min(self.dueAt, self.now() + 50) -- several changes come together
    end
  end)
  if not ok then
    if handle then handle:close() end
    self.kind = "polling"
    return
  end
  self.handles[folder] = handle
end

--- Looks at one file; says whether it is still to be waited for.
local function look(self, path, found)
  local known = self.known[path]
  local now = self.now()
  if not known or known.size ~= found.size or known.modified ~= found.modification then
    known = { size = found.size, modified = found.modification, since = now }
    self.known[path] = known
  end
  known.scan = self.scan
  if known.given then return false end
  if now - known.since >= self.settleMs then
    known.given = true
    self.ready[#self.ready + 1] = path
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
  self.scan = self.scan + 1
  local pending = visit(self, self.folder)
  for path, known in pairs(self.known) do
    if known.scan ~= self.scan then self.known[path] = nil end
  end
  local wait_ms = self.settleMs / 2
  if not pending and self.kind == "inotify" then wait_ms = rescan_ms end
  self.dueAt = self.now() + wait_ms
end

--- Begins to watch.
---@param given { folder: string, accept: fun(relative: string): boolean, settleMs: number?, now: fun(): number }
---@return loomta.cli.Watch?
---@return string? why not
function watch.new(given)
  local mode, why = lfs.attributes(given.folder, "mode")
  if not mode then return nil, (why:gsub("^cannot obtain information from file '.-': ", "")) end
  if mode ~= "directory" then return nil, "it is no folder" end
  local self = setmetatable({
    folder = (given.folder:gsub("(.)/+$", "%1")),
    accept = given.accept, now = given.now, settleMs = given.settleMs or settle_ms,
    known = {}, ready = {}, scan = 0, dueAt = given.now(), handles = {}, uv = luv(),
  }, Watch)
  self.kind = self.uv and "inotify" or "polling"
  listen(self, self.folder)
  return self
end

--- The next file that is complete; nil: none at the moment.
---@return string?
function Watch:next()
  if self.kind == "inotify" then self.uv.run "nowait" end
  if #self.ready == 0 and self.now() >= self.dueAt then rescan(self) end
  while #self.ready > 0 do
    local path = table.remove(self.ready, 1)
    if lfs.symlinkattributes(path, "mode") == "file" then return path end
  end
end

--- Stops watching.
function Watch:close()
  for _, handle in pairs(self.handles) do
    if not handle:is_closing() then handle:close() end
  end
  self.handles = {}
  if self.uv then self.uv.run "nowait" end
end

return watch
