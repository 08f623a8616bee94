--- Finds out what became of uploads whose outcome is unknown, when a run has nothing else to do: one list of media serves them
--- all, and none is taken for another: of several that look alike, nobody can tell which one it is. What is not there is sent
--- again, once.
-- SPDX-License-Identifier: MIT
local reconcile = require "loomta.reconcile"
local response = require "loomta.response"

local looks_ms = reconcile.looksMs

---@class loomta.Settler
---@field exact boolean uploads carry a token in their names
---@field private run loomta.Uploads
---@field private taken table<string, boolean> ids of media that are known to be other uploads'
---@field private items loomta.Item[] to be settled
---@field private look integer the next one; 0: none has been planned
---@field private asked integer lists that are on their way
---@field private stopped boolean?
local Settler = {}
Settler.__index = Settler

local settle = {}

---@param run loomta.Uploads
---@param mode true|"exact"
---@return loomta.Settler
function settle.new(run, mode)
  local exact = mode == "exact"
  return setmetatable({ run = run, exact = exact, taken = {}, items = {}, look = 0, asked = 0 }, Settler)
end

--- This media object is accounted for.
---@param id string
function Settler:claim(id) self.taken[id] = true end

--- Takes over an upload that may have been stored.
---@param item loomta.Item
---@param err loomta.Error
---@param info loomta.Info? nil: it was an earlier run's
function Settler:add(item, err, info)
  item.unknown = { err = err, info = info }
  self.items[#self.items + 1] = item
  self.look = 0 -- it has not been looked for yet
end

---@return boolean
function Settler:isBusy() return #self.items > 0 or self.asked > 0 end

--- Gives up looking: what is unknown stays so.
function Settler:stop() self.stopped = true end

local function conclude(self, item, media)
  local unknown, unseen = item.unknown, item.unseen
  local info = unknown.info or response.nothingSent()
  if media then
    info.reconciled = true
  elseif unseen then
    unknown.err.unseen, unknown.err.cause = unseen, unknown.err.cause or tostring(unseen)
  end
  self.run:conclude(item, media, not media and unknown.err or nil, info)
end

local function looks_of(name, size, folder) return table.concat({ name, ("%.0f"):format(size or -1), folder or "" }, "\0") end

local function size_of(item) return item.entry and item.entry.size or item.unknown.info and item.unknown.info.totalBytes end

--- How many uploads of unknown outcome there are that would look the same in a list. A found one may be any of them.
local function count_alike(self)
  local count = {}
  local function note(name, size, folder)
    local looks = looks_of(name, size, folder)
    count[looks] = (count[looks] or 0) + 1
  end
  local journal = self.run.journal
  for entry in pairs(journal and journal:unknown() or {}) do
    note(entry.name or entry.file:match "[^/]*$", entry.size, entry.folderId)
  end
  if not journal then
    for _, item in ipairs(self.items) do note(item.name, size_of(item), item.folder) end
    for item in pairs(self.run.flying) do note(item.name, select(2, item.job:progress()), item.folder) end
  end
  return count
end

--- Looks for items of one folder in its list.
---@param media loomta.Media[]
---@param folder any
local function match(self, media, folder)
  local left, alike = {}, count_alike(self)
  for _, item in ipairs(self.items) do
    local journal = self.run.journal
    local size = size_of(item)
    local is_here = (item.folder or false) == folder
    local found = is_here and reconcile.find(media, {
      name = item.name,
      size = size,
      since = item.began,
      exact = item.token ~= nil,
      taken = setmetatable({}, { __index = function(_, id) return self.taken[id] or journal and journal.ids[id] end }),
    })
    if found and (item.token or (alike[looks_of(item.name, size, item.folder)] or 0) < 2) then
      conclude(self, item, found)
    else
      item.looked, item.ambiguous = item.looked or is_here, item.ambiguous or found
      left[#left + 1] = item
    end
  end
  self.items = left
end

--- Is what this run has sent looked for again, later? Then there is no hurry.
local function looks_later(self) return self.run.journal and self.run.journal.looksLater end

local function may_resend(self, item)
  if looks_later(self) and item.unknown.info then return false end -- it was this run's
  return item.looked and not self.stopped and not item.resent and not item.ambiguous and not item.given.reader
end

--- All looks were in vain: sends again what can be sent again, once; the rest stays unknown.
local function resend(self)
  local items, again = self.items, {}
  self.items, self.look = {}, 0
  for _, item in ipairs(items) do
    if may_resend(self, item) then
      item.resent = true
      again[#again + 1] = item
    else
      conclude(self, item)
    end
  end
  self.run:depart(again)
end

--- Asks for the list of each folder that something is to be looked for in.
local function ask(self)
  local run, folders = self.run, {}
  for _, item in ipairs(self.items) do folders[item.folder or false] = item end
  for folder, item in pairs(folders) do
    local delay_ms = looks_ms[self.look]
    local limit_ms = item.given.timeoutMs or run.client.settings.timeoutMs
    local given = reconcile.listing(item.given, item.folder, limit_ms > 0 and limit_ms + delay_ms or 0)
    given.onDone = function(list, err)
      self.asked = self.asked - 1
      for _, other in ipairs(self.items) do
        if (other.folder or false) == folder then other.unseen = err end
      end
      if list then match(self, list.media, folder) end
    end
    local job = run.client:begin("listMedia", given, run.inbox, "start", { delayMs = delay_ms })
    if job then
      self.asked = self.asked + 1
      run.inbox:add(job)
    end
  end
end

--- Moves on, once no upload is under way any more.
function Settler:step()
  if self.asked > 0 then return end
  if #self.items == 0 then
    self.look = 0
  elseif self.stopped or self.run.fatal or self.look == (looks_later(self) and 1 or #looks_ms) then
    resend(self)
  else
    self.look = self.look + 1
    ask(self)
  end
end

return settle
