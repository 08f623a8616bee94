--- Which files are meant: walks folders and reads lists, one path after the other, so that memory does not grow with their
--- number.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local lfs = require "lfs"

local patience_ms = 1000 -- where nothing else is to be done meanwhile

local files = {}

--- What a bracket of a shell's pattern is to Lua, and where it ends; nil: it is never closed, so it stands for itself.
local function bracket(glob, at)
  local negated, body, last = glob:match("^%[([!^]?)(%]?[^%]]*)%]()", at)
  if not body or body == "" then return nil end
  return "[" .. (negated ~= "" and "^/" or "") .. body:gsub("[%%%]%[^]", "%%%0") .. "]", last
end

--- A shell's pattern as one of Lua's: * and ? stop at slashes, ** does not.
---@param glob string
---@return string
function files.pattern(glob)
  local pieces, at = { "^" }, 1
  while at <= #glob do
    local piece, last
    if glob:sub(at, at + 1) == "**" then
      piece, last = ".*", at + 2
    elseif glob:sub(at, at) == "[" then
      piece, last = bracket(glob, at)
    end
    if not piece then
      local character = glob:sub(at, at)
      piece = character == "*" and "[^/]*" or character == "?" and "[^/]" or character:gsub("%W", "%%%0")
      last = at + 1
    end
    pieces[#pieces + 1] = piece
    at = last
  end
  return table.concat(pieces) .. "$"
end

--- Does a path below a folder fit one of these? One without a slash is about the last component.
local function fits(patterns, relative)
  for _, pattern in ipairs(patterns) do
    local subject = pattern.whole and relative or relative:match "[^/]+$"
    if subject:find(pattern.text) then return true end
  end
  return false
end

local function compile(globs)
  local patterns = {}
  for i, glob in ipairs(globs or {}) do
    patterns[i] = { text = files.pattern((glob:gsub("/$", ""))), whole = glob:gsub("/$", ""):find("/", 1, true) ~= nil }
  end
  return patterns
end

--- Is a file in a folder wanted?
---@param rules { include: string[]?, exclude: string[]? } globs
---@return fun(relative: string): boolean
function files.filter(rules)
  local include, exclude = compile(rules.include), compile(rules.exclude)
  return function(relative)
    -- What is excluded is so with all that is in it.
    for at in relative:gmatch "()/" do
      if fits(exclude, relative:sub(1, at - 1)) then return false end
    end
    return not fits(exclude, relative) and (#include == 0 or fits(include, relative))
  end
end

--- The system's own words, without what luafilesystem says around them.
---@param text string
---@return string
function files.reason(text) return tostring(text):match "^.*: (.-)$" or text end

--- Gives every wanted file below a folder, hidden ones left out, each folder once.
local function walk(folder, below, state)
  local ok, next_name, handle = pcall(lfs.dir, folder)
  if not ok then return state.complain(folder, files.reason(next_name)) end
  for name in next_name, handle do
    local path = (folder:gsub("/+$", "")) .. "/" .. name
    local relative = below and below .. "/" .. name or name
    if name:sub(1, 1) ~= "." and not fits(state.exclude, relative) then
      local found, why = lfs.attributes(path)
      if not found then
        state.complain(path, files.reason(why))
      elseif found.mode == "directory" then
        local id = found.dev .. ":" .. found.ino
        if not state.seen[id] then
          state.seen[id] = true
          walk(path, relative, state)
        end
      elseif #state.include == 0 or fits(state.include, relative) then
        coroutine.yield(path, found.size)
      end
    end
  end
end

--- The entries of a list. `read` gives its next piece; false: none yet; nil: its end, or why there is no more.
local function entries(read, null)
  local separator = null and "\0" or "\n"
  local buffer, from, ended = "", 1, false
  return function()
    while true do
      local stop = buffer:find(separator, from, true)
      if stop or ended then
        local entry = buffer:sub(from, (stop or 0) - 1)
        from = (stop or #buffer) + 1
        if entry ~= "" then return entry end
        if not stop then return nil end
      else
        local piece, why = read()
        if why then return nil, why end
        if piece == false then return false end
        ended = piece == nil
        buffer, from = buffer:sub(from) .. (piece or ""), 1
      end
    end
  end
end

--- Gives what a command line means.
---@param given table paths, files_from, null, include, exclude
---@param complain fun(path: string, why: string) about what cannot be had
---@return fun(): string|false|nil, integer? next gives a path and its size; false: there is none at the moment
function files.each(given, complain)
  local gives = coroutine.wrap(function()
    local state = { include = compile(given.include), exclude = compile(given.exclude), seen = {}, complain = complain }
    local function take(path)
      local found, why = lfs.attributes(path)
      if not found then
        complain(path, files.reason(why))
      elseif found.mode == "directory" then
        state.seen = { [found.dev .. ":" .. found.ino] = true }
        walk(path, nil, state)
      else
        coroutine.yield(path, found.size)
      end
    end
    for _, path in ipairs(given.paths) do take(path) end
    if not given.files_from then return end
    local file, why = io.stdin, nil
    if given.files_from ~= "-" then file, why = io.open(given.files_from, "rb") end
    if not file then return complain(given.files_from, files.reason(why)) end
    -- Uploads go on while a list is being made.
    local function read() return core.readAvailable(file, given.dry_run and patience_ms or 0) end
    local next_entry = entries(read, given.null)
    local path
    repeat
      path, why = next_entry()
      if path then
        take(path)
      elseif path == false then
        coroutine.yield(false)
      end
    until path == nil
    if why then complain(given.files_from == "-" and "the list on stdin" or given.files_from, files.reason(why)) end
  end)
  local ended = false
  return function()
    if ended then return nil end
    local path, size = gives()
    ended = path == nil
    return path, size
  end
end

return files
