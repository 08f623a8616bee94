--- What loomta-upload prints, and its exit status: one outcome after the other goes in. Data goes to stdout, all else to
--- stderr.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local json = require "loomta.json"
local outcomes = require "loomta.outcome"
local unicode = require "loomta.unicode"

local report = {}

---@class loomta.cli.Report
---@field counts table<string, integer> of outcomes
---@field gone string? why stdout takes no more
---@field private progress table
---@field private mode "json"|"single"|"list"
---@field private quiet boolean?
---@field private verbose boolean?
---@field private shared boolean? stdout is the terminal on which the progress is drawn: what is printed goes through that
---@field private bytes integer of what was uploaded
---@field private missing integer named files and folders that are not there
---@field private lasting integer failures that calling again does not help
local Report = {}
Report.__index = Report

---@param given table mode, quiet, verbose, progress
---@return loomta.cli.Report
function report.new(given)
  local self = setmetatable(given, Report)
  self.counts = { uploaded = 0, skipped = 0, failed = 0, refused = 0, unknown = 0, notStarted = 0, wouldUpload = 0 }
  self.bytes, self.missing, self.lasting = 0, 0, 0
  return self
end

--- Bytes for people: 1.5 MB.
---@param bytes number
---@return string
function report.size(bytes)
  local unit = 1
  local units = { "B", "kB", "MB", "GB", "TB" }
  while bytes >= 999.5 and unit < #units do
    bytes, unit = bytes / 1000, unit + 1
  end
  return (unit == 1 and "%.0f %s" or "%.1f %s"):format(bytes, units[unit])
end

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(sequence)
  return escapes[sequence] or sequence:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end)
end

--- A text for one line of a terminal or a log: control characters, and what turns the direction of text, as \n or \x1b.
---@param text string
---@return string
function report.plain(text)
  text = tostring(text):gsub("%c", escape)
  for _, pattern in ipairs(errors.disguises) do text = text:gsub(pattern, escape) end
  return text
end

local rank = {}
for place, name in ipairs {
  "type", "file", "fileBytes", "size", "fileName", "mimeType", "media", "error", "info", -- a line's
  "code", "message", "kind", "status", "retryable", "possiblyStored", "attempts", -- an error's
} do rank[name] = place end

local function before(a, b)
  local first, second = rank[a] or math.huge, rank[b] or math.huge
  if first ~= second then return first < second end
  return a < b
end

--- Says something about the run as a whole, on stderr.
---@param text string
function report.say(text) io.stderr:write("loomta-upload: ", report.plain(text), "\n") end

--- A value as JSON, for people too: what matters stands first.
local function encode(value) return json.render(value, { before = before, text = unicode.clean }) end

--- One JSON object on a line. A path is not always UTF-8, which JSON has to be: then its bytes are there in hexadecimal.
---@param object table it may have a `file`
---@return string
function report.line(object)
  if object.file then
    local clean, changed = unicode.clean(object.file)
    if changed then object.fileBytes = object.file:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end) end
    object.file = clean
  end
  return (encode(object))
end

local function print_json(self, object) self:print(report.line(object)) end

--- A failure as Loomta's own tool prints it, and what its message does not say.
local function say_error(self, err)
  local fields = {
    code = err.code, message = err.message, possiblyStored = err.possiblyStored or nil, retryAfterMs = err.retryAfterMs,
    cause = err.cause, details = err.status and err.details, -- ours repeat the message
  }
  self.progress:note(encode { error = fields }, true)
end

--- Says what a command failed of.
---@param err loomta.Error
---@param caught integer? the signal that has ended it
---@return integer status that of uploads
function report.fail(err, caught)
  report.say(tostring(err))
  if caught then return 128 + caught end
  if err.kind == "auth" then return 3 end
  if err.code == "invalid_option" then return 2 end
  if err.code == "folder_not_found" then return 4 end
  return (err.retryable or err.kind == "network") and 5 or 1
end

--- Prints a line of data on stdout.
---@return boolean
---@return string? why it cannot be
function report.data(line)
  local ok, why = io.stdout:write(line, "\n")
  if ok then ok, why = io.stdout:flush() end
  return ok and true or false, why
end

--- Says that not all data was printed.
---@param why string
function report.lost(why) report.say("standard output cannot be written: " .. why) end

--- Prints a line of data; whoever reads them may have gone.
function Report:print(line)
  if self.shared then return self.progress:note(line) end
  local ok, why = report.data(line)
  if not ok then self.gone = why end
end

local words = {
  uploaded = "uploaded", skipped = "skipped", failed = "failed", refused = "refused", unknown = "unknown",
  notStarted = "not started", returned = "returned", lost = "lost",
}

--- How large what was uploaded is; the server says it of what an earlier run has sent.
local function size_of(media, info) return info.totalBytes or tonumber(media.size) or info.bytesSent end

--- What came of a file, as a line for people.
---@param record table as loomta.outcome makes them
---@param verbose boolean?
---@return string
function report.text(record, verbose)
  local media, info = record.media, record.info
  local text = ("%-8s  %s"):format(words[record.type], report.plain(record.file))
  if record.type == "uploaded" then
    text = ("%s  %s"):format(text, report.size(size_of(media, info)))
    if info.reconciled then text = text .. ", found in the list" end
    if verbose then text = ("%s in %.2f s, attempt %d"):format(text, info.durationMs / 1000, info.attempts) end
    return text
  elseif record.type == "skipped" then
    return ("%s  was uploaded before as %s"):format(text, media.id)
  end
  return record.error and ("%s  %s"):format(text, tostring(errors.copy(record.error))) or text
end

--- One file's end.
---@param file string
---@param media loomta.Media|false
---@param err loomta.Error?
---@param info loomta.Info
---@param key any what the progress knows it by
---@return string outcome
function Report:add(file, media, err, info, key)
  local outcome = outcomes.of(media, err, info)
  local record = outcomes.record(outcome, file, media, err, info)
  self.counts[outcome] = self.counts[outcome] + 1
  if outcome == "uploaded" then self.bytes = self.bytes + size_of(media, info) end
  if outcome == "refused" or outcome == "failed" and not err.retryable then self.lasting = self.lasting + 1 end
  if self.mode == "single" and err then
    self.progress:finished(key)
    say_error(self, err)
  else
    local said
    if outcome == "uploaded" then
      said = self.verbose or not (self.quiet or self.shared or self.mode == "single")
    elseif outcome == "skipped" or outcome == "notStarted" then
      said = self.verbose
    else
      said = true
    end
    self.progress:finished(key, said and report.text(record, self.verbose) or nil, err ~= nil)
  end
  if self.mode == "json" then
    print_json(self, record)
  elseif self.mode == "single" and media then
    self:print(encode(media))
  elseif self.mode == "list" and media then
    self:print(media.id .. "\t" .. report.plain(file))
  end
  return outcome
end

--- A dry run's word on one file.
function Report:would(file, described, err)
  local outcome = described and "wouldUpload" or "refused"
  self.counts[outcome] = self.counts[outcome] + 1
  if err then self.lasting = self.lasting + 1 end
  if described then self.bytes = self.bytes + (described.size or 0) end
  if self.mode == "json" then
    return print_json(self, {
      type = outcome, file = file, size = described and described.size, mimeType = described and described.mimeType,
      fileName = described and unicode.clean(described.fileName) or nil, error = err and outcomes.error(err),
    })
  end
  if err then return self.progress:note(("refused   %s  %s"):format(report.plain(file), tostring(err)), true) end
  self:print(("%s\t%.0f\t%s"):format(described.mimeType, described.size or 0, report.plain(file)))
end

--- A named file or folder cannot be had.
---@param path string
---@param why string
---@param code string? none: it cannot be read
function Report:absent(path, why, code)
  self.missing = self.missing + 1
  if self.mode == "single" and not code then why = ("cannot upload '%s': %s"):format(path, why) end
  code = code or "file_read_failed"
  if self.mode == "json" then print_json(self, { type = "missing", file = path, error = { code = code, message = why } }) end
  if self.mode == "single" then return say_error(self, { code = code, message = why }) end
  self.progress:note(("missing   %s  %s"):format(report.plain(path), why), true)
end

--- Something kept the run from beginning.
function Report:refuse(err)
  self.refusal = err
  self:trouble(err)
end

--- Something went wrong that is about no file.
function Report:trouble(err)
  if self.mode == "json" then
    print_json(self, { type = "error", error = outcomes.error(err) })
  elseif self.mode == "single" then
    return say_error(self, err)
  end
  self.progress:note(report.plain("loomta-upload: " .. tostring(err)), true)
end

local function status_of_refusal(err)
  if err.kind == "auth" then return 3 end
  if err.code == "invalid_option" then return 2 end
  if err.retryable or err.code == "journal_locked" then return 5 end
  return 1
end

--- Was there anything at all to be looked at?
function Report:isEmpty()
  for _, count in pairs(self.counts) do
    if count > 0 then return false end
  end
  return self.missing == 0 and not self.refusal
end

--- The worst that happened decides.
---@param fatal loomta.Error? what ended the run early
---@param signal integer? that ended it
---@return integer
function Report:status(fatal, signal)
  local counts = self.counts
  if signal then return 128 + signal end
  if self.refusal then return status_of_refusal(self.refusal) end
  if fatal and fatal.kind == "auth" and counts.uploaded == 0 then return 3 end
  if fatal then return 7 end
  if counts.unknown > 0 then return 6 end
  if self.lasting > 0 or self.gone then return 1 end
  if self.missing > 0 then return 4 end
  return counts.failed > 0 and 5 or 0
end

local shown = {
  { "uploaded", "uploaded" }, { "wouldUpload", "to upload" }, { "skipped", "there already" }, { "failed", "failed" },
  { "refused", "refused" }, { "unknown", "unknown" }, { "notStarted", "not started" },
}

--- The last words.
---@param status integer
---@param duration_ms number
function Report:summarize(status, duration_ms)
  if self.mode == "json" then
    local fields = { '"type":"summary"' }
    for _, pair in ipairs(shown) do fields[#fields + 1] = ('"%s":%d'):format(pair[1], self.counts[pair[1]]) end
    return self:print(("{%s,\"missing\":%d,\"bytes\":%.0f,\"durationMs\":%.0f,\"exitCode\":%d}"):format(
      table.concat(fields, ","), self.missing, self.bytes, duration_ms, status))
  end
  if self.mode == "single" or self.quiet or self.refusal then return end
  local words_said = {}
  for _, pair in ipairs(shown) do
    local count = self.counts[pair[1]]
    if count > 0 then words_said[#words_said + 1] = ("%d %s"):format(count, pair[2]) end
  end
  if self.missing > 0 then words_said[#words_said + 1] = self.missing .. " missing" end
  local text = #words_said > 0 and table.concat(words_said, ", ") or "nothing to upload"
  if self.bytes > 0 then text = ("%s; %s"):format(text, report.size(self.bytes)) end
  if self.counts.uploaded > 0 then text = ("%s in %.1f s"):format(text, duration_ms / 1000) end
  self.progress:note(text)
end

return report
