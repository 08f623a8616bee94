--- The journal of bulk uploads: JSON lines, only ever appended. An upload is `started` on the disk before its first byte goes
--- out, and `done` or `failed` after: so whatever ends the program, a later run knows what is stored, what is not, and what
--- nobody knows.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local json = require "loomta.json"

local version = 1
local hash_piece = 1024 * 1024
local load_piece = 64 * 1024

--- What an upload is known by: the file as it was, and where it goes.
---@class loomta.JournalEntry
---@field file string absolute path
---@field size integer
---@field modified string time of its last change
---@field sha256 string? of its content
---@field folderId string?
---@field name string? what the server was told to call it
---@field token string? in that name
---@field startedAt integer? seconds since 1970

---@class loomta.Journal
---@field private path string
---@field private log userdata
---@field private file file* the same one, to read
---@field private index table<string, any> by key: the offset of a `done` line; or the entry that was started and not ended
---@field private pending string[] lines that are not written yet; first the end of one that was torn
---@field private headed boolean? its first line says what it is
---@field private ids table<string, boolean>? of all media it knows, where that was asked for
local Journal = {}
Journal.__index = Journal

local journal = {}

local function failed(path, what, why)
  return errors.new { code = "journal_failed", message = ("journal '%s': %s"):format(path, what), cause = why }
end

local function stat_key(entry)
  return table.concat({ entry.file, ("%.0f"):format(entry.size), entry.modified, entry.folderId or "" }, "\0")
end

local function content_key(entry) return entry.sha256 .. "\0" .. (entry.folderId or "") end

--- What two requests have in common that want the same upload.
---@param entry loomta.JournalEntry
---@return string
function journal.keyOf(entry) return entry.sha256 and content_key(entry) or stat_key(entry) end

local function remember(self, entry, value)
  self.index[stat_key(entry)] = value
  if entry.sha256 then self.index[content_key(entry)] = value end
end

local function is_entry(line)
  return type(line.file) == "string" and type(line.size) == "number" and type(line.modified) == "string"
    and (line.sha256 == nil or type(line.sha256) == "string") and (line.folderId == nil or type(line.folderId) == "string")
end

--- Takes one line in. A line that makes no sense was torn when a program was killed: what it would have said did not happen.
local function learn(self, line, offset)
  if line.type == "started" and is_entry(line) then
    remember(self, line, line)
  elseif line.type == "done" and is_entry(line) and type(line.media) == "table" then
    remember(self, line, offset)
    if self.ids and line.media.id then self.ids[line.media.id] = true end
  elseif line.type == "failed" and is_entry(line) and not line.possiblyStored then
    remember(self, line, nil)
  end
end

--- The lines of a file, each with its place and whether it has an end. (On Lua 5.1 file:lines() loses what follows a zero byte,
--- and a machine that lost its power leaves such.)
local function lines_of(file)
  local buffer, from, offset = "", 1, 0
  return function()
    local stop
    repeat
      stop = buffer:find("\n", from, true)
      local more = not stop and file:read(load_piece)
      if more then buffer, from = buffer:sub(from) .. more, 1 end
    until not more
    local text, place = buffer:sub(from, (stop or 0) - 1), offset
    if not stop and text == "" then return nil end
    from, offset = (stop or #buffer) + 1, offset + #text + 1
    return text, place, stop ~= nil
  end
end

--- Could a line be our first one, torn when the journal was made?
local function is_torn_header(text)
  for _, name in ipairs { "type", "version", "baseUrl" } do
    local start = '{"' .. name .. '":'
    if text:sub(1, #start) == start:sub(1, #text) then return true end
  end
  return false
end

local function load(self, base_url)
  local count = 0
  for text, offset, ended in lines_of(self.file) do
    local line = json.decode(text)
    count = count + 1
    if type(line) == "table" then
      if line.type == "journal" and line.version ~= version then
        return failed(self.path, ("it is of version %s, this program knows %d"):format(tostring(line.version), version))
      end
      if line.type == "journal" and line.baseUrl ~= base_url then
        return failed(self.path, ("it is about uploads to %s, not %s; use another"):format(tostring(line.baseUrl), base_url))
      end
      self.headed = self.headed or line.type == "journal"
      if self.headed then learn(self, line, offset) end
    end
    if not self.headed and (count > 1 or type(line) == "table" or not is_torn_header(text)) then
      return failed(self.path, "it is no journal of loomta")
    end
    if not ended then self.pending[1] = "\n" end
  end
end

local function line_of(kind, entry, more)
  local line = { type = kind }
  for name, value in pairs(entry) do line[name] = value end
  for name, value in pairs(more or {}) do line[name] = value end
  return json.encode(line) .. "\n"
end

--- Opens or creates a journal, for this process alone.
---@param path string
---@param base_url string of the API that it is about
---@param keep_ids boolean `ids` is to be known
---@return loomta.Journal?
---@return loomta.Error? err code journal_locked or journal_failed
function journal.open(path, base_url, keep_ids)
  local log, why, locked = core.openLog(path)
  if locked then
    return nil, errors.new { code = "journal_locked", message = ("journal '%s' is in use by another run"):format(path) }
  elseif not log then
    return nil, failed(path, "it cannot be written", why)
  end
  local self = setmetatable({ path = path, log = log, index = {}, pending = {}, ids = keep_ids and {} or nil }, Journal)
  local err
  self.file, why = io.open(path, "rb")
  if self.file then
    err = load(self, base_url)
  else
    err = failed(path, "it cannot be read", why)
  end
  if not err and not self.headed then
    self.pending[#self.pending + 1] = json.encode { type = "journal", version = version, baseUrl = base_url } .. "\n"
    err = select(2, self:sync())
  end
  if not err then return self end
  self:close()
  return nil, err
end

--- The SHA-256 of a file, in hexadecimal.
local function sha256_of(path)
  local ok, digest = pcall(require, "openssl.digest")
  if not ok then
    return nil, errors.input("invalid_option", "'checksum' needs the Lua module openssl: luarocks install luaossl", "checksum")
  end
  local file, why = io.open(path, "rb")
  local sum = digest.new "sha256"
  while file do
    local piece, read_failure = file:read(hash_piece)
    if not piece then
      file:close()
      if not read_failure then return (sum:final():gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end
      file, why = nil, read_failure
    else
      sum:update(piece)
    end
  end
  local err = errors.input("file_read_failed", ("cannot read '%s'"):format(path), "file")
  err.cause = why
  return nil, err
end

--- A folder as the journal has it. The root has two names: none, and "null".
---@param folder_id string?
---@return string?
function journal.folderOf(folder_id) return folder_id ~= "null" and folder_id and folder_id:lower() or nil end

--- What the journal knows a file by.
---@param path string
---@param folder_id string? as folderOf gives it
---@param with_checksum boolean
---@return loomta.JournalEntry?
---@return loomta.Error? err
function journal.identify(path, folder_id, with_checksum)
  local file, size, modified = core.fileIdentity(path)
  if not file then
    local err = errors.input("file_read_failed", ("cannot upload '%s'"):format(path), "file")
    err.cause = size
    return nil, err
  end
  local entry = { file = file, size = size, modified = modified, folderId = folder_id }
  if with_checksum then
    local err
    entry.sha256, err = sha256_of(path)
    if not entry.sha256 then return nil, err end
  end
  return entry
end

local function line_at(self, offset)
  self.file:seek("set", offset)
  return json.decode(self.file:read "*l") --[[@as table]]
end

--- What is known of an upload. A checksum, where there is one, decides; without, a file is the same when its path, size and
--- time of change are.
---@param entry loomta.JournalEntry
---@return "new"|"done"|"unknown" state
---@return table? known the media of what is done; the entry that was started
function Journal:look(entry)
  local known = entry.sha256 and self.index[content_key(entry)]
  if not known then
    known = self.index[stat_key(entry)]
    local line = type(known) == "number" and line_at(self, known) or known
    if line and entry.sha256 and line.sha256 then return "new" end -- changed, with its time set back
  end
  if not known then return "new" end
  if type(known) == "number" then return "done", line_at(self, known).media end
  return "unknown", known
end

--- All uploads that were started and whose end is not known.
---@return table<loomta.JournalEntry, boolean>
function Journal:unknown()
  local entries = {}
  for _, known in pairs(self.index) do
    if type(known) == "table" then entries[known] = true end
  end
  return entries
end

--- Notes that an upload is about to start; `sync` must follow before it does.
---@param entry loomta.JournalEntry
function Journal:start(entry)
  entry.startedAt = os.time()
  self.pending[#self.pending + 1] = line_of("started", entry)
  remember(self, entry, entry)
end

local function write(self)
  if #self.pending == 0 then return true end
  local ok, why = self.log:append(table.concat(self.pending))
  self.pending = {}
  if not ok then return nil, failed(self.path, "it cannot be written", why) end
  return true
end

--- Writes what was noted and returns once it is on the disk.
---@return true?
---@return loomta.Error? err
function Journal:sync()
  local ok, err = write(self)
  if not ok then return nil, err end
  local why
  ok, why = self.log:sync()
  if not ok then return nil, failed(self.path, "it cannot be written to the disk", why) end
  return true
end

--- Notes how an upload ended.
---@param entry loomta.JournalEntry
---@param media loomta.Media?
---@param failure loomta.Error? when there is no media
---@return true?
---@return loomta.Error? err
function Journal:finish(entry, media, failure)
  local text
  if media then
    text = line_of("done", entry, { media = media })
    if self.ids then self.ids[media.id] = true end
  else
    text = line_of("failed", entry, { code = failure.code, message = failure.message, possiblyStored = failure.possiblyStored })
  end
  self.pending[#self.pending + 1] = text
  local ok, err = write(self)
  if not ok then return nil, err end
  if media then
    remember(self, entry, self.file:seek "end" - #text)
  elseif not failure.possiblyStored then
    remember(self, entry, nil)
  end
  return true
end

--- Lets the next one have it. Idempotent.
function Journal:close()
  self.log:close()
  if self.file then self.file:close() end
  self.file = nil
end

return journal
