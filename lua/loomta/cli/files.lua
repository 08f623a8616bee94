--- Which files are meant: walks folders and reads lists, one path after the other, so that memory does not grow with their
--- number.
-- SPDX-License-Identifier: MIT
local lfs = require "lfs"

local block = 64 * 1024

local files = {}

--- A shell's pattern as one of Lua's: * and ? stop at slashes, ** does not.
---@param glob string
---@return string
function files.pattern(glob)
  local pattern = glob:gsub("[%^%$%(%)%%%.%+%-]", "%%%0")
    :gsub("%[!", "[^"):gsub("%*%*", "\1"):gsub("%*", "[^/]*"):gsub("%?", "[^/]"):gsub("\1", ".*")
  -- A bracket that is never closed stands for itself.
  if not pcall(string.find, "", pattern) then pattern = pattern:gsub("%[", "%%[") end
  return "^" .. pattern .. "$"
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
    return not fits(exclude, relative) and (#include == 0 or fits(include, relative))
  end
end

--- Gives every wanted file below a folder, hidden ones left out, each folder once.
local function walk(folder, below, state)
  local ok, next_name, handle = pcall(lfs.dir, folder)
  if not ok then return state.complain(folder, (next_name:gsub("^cannot open [^:]*: ", ""))) end
  for name in next_name, handle do
    local path = (folder:gsub("/+$", "")) .. "/" .. name
    local relative = below and below .. "/" .. name or name
    if name:sub(1, 1) ~= "." and not fits(state.exclude, relative) then
      local found, why = lfs.attributes(path)
      if not found then
        state.complain(path, why)
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

--- The paths in a list.
local function lines(name, null)
  local file = name == "-" and io.stdin or assert(io.open(name, "rb"))
  if not null then return file:lines() end
  local rest, at_end = "", false
  return function()
    while true do
      local entry, after = rest:match "^([^%z]*)%z()"
      if entry then
        rest = rest:sub(after)
        return entry
      end
      if at_end then
        entry, rest = rest, ""
        return entry ~= "" and entry or nil
      end
      local piece = file:read(block)
      at_end = piece == nil
      rest = rest .. (piece or "")
    end
  end
end

--- Gives what a command line means.
---@param given table paths, files_from, null, include, exclude
---@param complain fun(path: string, why: string) about what cannot be had
---@return fun(): string?, integer? next gives a path and its size
function files.each(given, complain)
  return coroutine.wrap(function()
    local state = { include = compile(given.include), exclude = compile(given.exclude), seen = {}, complain = complain }
    local function take(path)
      local found, why = lfs.attributes(path)
      if not found then
        complain(path, (why:gsub("^cannot obtain information from file '.-': ", "")))
      elseif found.mode == "directory" then
        state.seen = { [found.dev .. ":" .. found.ino] = true }
        walk(path, nil, state)
      else
        coroutine.yield(path, found.size)
      end
    end
    for _, path in ipairs(given.paths) do take(path) end
    if given.files_from then
      local ok, next_line = pcall(lines, given.files_from, given.null)
      if not ok then return complain(given.files_from, (tostring(next_line):gsub("^.-: ", ""))) end
      for path in next_line do
        if path ~= "" then take(path) end
      end
    end
  end)
end

return files
