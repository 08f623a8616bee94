--- Opens what an upload reads from: exactly one of `file`, `data` and `reader`.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"

local head_size = core.headSize -- what recognition looks at
local piece_size = 64 * 1024 -- small chunks are joined up to this

---@class loomta.Source
---@field handle userdata the C source
---@field head string? the first bytes of a reader, until they have been looked at
---@field field "file"|"data"|"reader" how it was given
---@field name string? for messages: what kind of source it is
---@field path string? when it is a file that was opened by its name: there is no `name` then
---@field next (fun(): string?, loomta.Error?)? a reader's next piece: "" is none yet, nil the end or a failure

local source = {}

local function failed(code, message, cause)
  local err = errors.input(code, message)
  err.cause = cause
  return nil, err
end

--- What to call it in a message.
---@param opened loomta.Source
---@return string
function source.nameOf(opened) return opened.name or ("'%s'"):format(opened.path) end

local function open_file(file)
  local path = type(file) == "string" and file or nil
  local handle, code, why = core.openFile(file)
  local opened = { handle = handle, field = "file", name = not path and "the file handle" or nil, path = path }
  if not handle then return failed(code, ("cannot upload %s: %s"):format(source.nameOf(opened), why)) end
  return opened
end

local function open_data(data)
  return { handle = core.openMemory(data), field = "data", name = "the data" }
end

--- Wraps a reader, so that it is never called again once it has ended.
---@param reader fun(): string?, any
---@return fun(wanted: integer): string?, loomta.Error? next about `wanted` bytes; "" is none yet, nil the end or a failure
local function pieces_of(reader)
  local ended = false
  return function(wanted)
    local pieces, length = {}, 0
    while not ended do
      local chunk, why = reader()
      if chunk == nil then
        ended = true
        if why ~= nil then return failed("file_read_failed", "the reader failed", tostring(why)) end
      elseif type(chunk) ~= "string" then
        ended = true
        return failed("file_read_failed", "the reader must return a string, or nil at the end, not a " .. type(chunk))
      else
        pieces[#pieces + 1] = chunk
        length = length + #chunk
        if chunk == "" or length >= wanted then return table.concat(pieces) end
      end
    end
    if length > 0 then return table.concat(pieces) end
  end
end

local function open_reader(reader, size)
  local next_piece = pieces_of(reader)
  local head, ended = ""
  repeat
    local piece, err = next_piece(head_size - #head)
    if err then return nil, err end
    head, ended = head .. (piece or ""), piece == nil
  until ended or piece == "" or #head >= head_size

  if ended then -- all of it is here: its size is known and it can be sent again
    if size and size ~= #head then
      return failed("file_read_failed", ("the reader gave %d bytes, but 'size' says %.0f"):format(#head, size))
    end
    return { handle = core.openMemory(head), field = "reader", name = "the reader's data" }
  end

  local first = head
  return {
    handle = core.openChunks(size),
    head = head,
    field = "reader",
    name = "the reader's data",
    next = function()
      local piece = first
      first = nil
      if piece then return piece end
      return next_piece(piece_size)
    end,
  }
end

--- Opens the one source among the fields.
---@param fields table the checked fields of an upload
---@return loomta.Source?
---@return loomta.Error?
function source.open(fields)
  local file, data, reader = fields.file, fields.data, fields.reader
  if file and (data or reader) or data and reader then
    local given = {}
    for _, name in ipairs { "file", "data", "reader" } do
      if fields[name] then given[#given + 1] = name end
    end
    return failed("invalid_option", ("give only one source, not '%s'"):format(table.concat(given, "' and '")))
  end
  if fields.size and not reader then return failed("invalid_option", "'size' goes with 'reader' only") end

  if file then return open_file(file) end
  if data then return open_data(data) end
  if reader then return open_reader(reader, fields.size) end
  return failed("invalid_media_file", "nothing to upload: give one of 'file', 'data' and 'reader'")
end

return source
