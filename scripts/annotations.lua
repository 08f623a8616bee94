--- Reads LuaLS annotations: the classes of a file with their fields, and its documented functions. For the reference and for
--- specs.
-- SPDX-License-Identifier: MIT

---@class Annotation.Field
---@field name string
---@field type string as written, without the "?" of what may be absent
---@field optional boolean
---@field text string

---@class Annotation.Class
---@field name string
---@field exact boolean
---@field parent string?
---@field text string
---@field fields Annotation.Field[] but for the private ones
---@field values string[]? of an alias

---@class Annotation.Function
---@field class string the table it is in, "Client"
---@field method boolean it is called with a colon
---@field name string
---@field private boolean
---@field params Annotation.Field[]
---@field returns Annotation.Field[]
---@field text string

local annotations = {}

--- Splits a type from what follows it: `fun(a: string): b?, c text` is a type and "text".
local function split_type(text)
  local at, depth = 1, 0
  local function here() return text:sub(at, at) end
  while at <= #text do
    local char = here()
    if char == '"' then
      at = text:find('"', at + 1, true) or #text
    elseif char:find "[%(%[{<]" then
      depth = depth + 1
    elseif char:find "[%)%]}>]" then
      depth = depth - 1
    elseif char == " " and depth == 0 and not text:sub(at - 1, at - 1):find "[:,|]" and text:sub(at + 1, at + 1) ~= "|" then
      break
    end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function typed(name, rest)
  local kind, text = split_type(rest)
  local bare = not kind:find "^fun%(" and kind:match "^(.*)%?$" or nil -- there it is what the function gives that may be absent
  local has_nil = kind:find "|nil$"
  kind = bare or kind
  if kind:find "^%b()$" then kind = kind:sub(2, -2) end
  return { name = name, type = (kind:gsub("|nil$", "")), optional = bare ~= nil or has_nil ~= nil or kind == "any", text = text }
end

--- What a line says; the text so far is what stands above it.
local function read_line(found, line)
  local content = line:match "^%s*%-%-%-(.*)"
  if not content then
    local class, sep, name = line:match "^function (%u%w*)([.:])(%l%w*)%("
    if not class then class, sep, name = line:match "^function (%l%w*)(%.)(%l%w*)%(" end
    if class then
      found.functions[#found.functions + 1] = {
        class = class, method = sep == ":", name = name, params = found.params, returns = found.returns, text = found.text,
        private = found.hidden,
      }
    end
    found.text, found.params, found.returns, found.hidden, found.class = "", {}, {}, false, nil
    return
  end
  local tag, rest = content:match "^@(%w+)%s*(.*)"
  if tag == "class" or tag == "alias" then
    local exact = rest:find "^%(exact%)" ~= nil
    local name, parent = rest:gsub("^%(exact%)%s*", ""):match "^([%w.]+):?%s*([%w.]*)"
    found.class = {
      name = name, exact = exact, parent = parent ~= "" and parent or nil, text = found.text, fields = {}, values = {},
    }
    if tag == "alias" then
      for value in rest:gmatch '"([^"]+)"' do table.insert(found.class.values, value) end
    end
    found.classes[#found.classes + 1] = found.class
    found.classes[name] = found.classes[name] or found.class
    found.text = ""
  elseif tag == "field" then
    if not rest:find "^private " and not rest:find "^package " then
      local name, more = rest:match "^(%S+)%s+(.*)"
      local field = typed(name, more)
      if field.text == "" then field.text = found.text end
      table.insert(found.class.fields, field)
    end
    found.text, found.last = "", found.class.fields
  elseif tag == "param" then
    local name, more = rest:match "^(%S+)%s+(.*)"
    table.insert(found.params, typed(name:gsub("%?$", ""), more))
    found.last = found.params
  elseif tag == "return" then
    local kind, more = split_type(rest)
    local name, text = more:match "^([%l][%w_]*)%s*(.*)"
    table.insert(found.returns, { name = name, type = kind, text = text or more })
    found.last = found.returns
  elseif tag == "private" or tag == "package" then
    found.hidden = true
  elseif content:find '^| ' and found.class then
    local value = content:match '"([^"]+)"'
    if value then table.insert(found.class.values, value) end
  elseif tag == nil and content:find "^%S" and found.last and found.last[1] then
    found.last[#found.last].text = found.last[#found.last].text .. " " .. content -- goes on
  elseif tag == nil then
    found.text = (found.text == "" and "" or found.text .. "\n") .. content:gsub("^ ", "")
    found.last = nil
  end
end

--- Reads a file.
---@param path string
---@return Annotation.Class[] classes by number, and by name
---@return Annotation.Function[] functions those of a table that a name stands for
function annotations.read(path)
  local found = { classes = {}, functions = {}, text = "", params = {}, returns = {} }
  for line in io.lines(path) do read_line(found, line) end
  return found.classes, found.functions
end

return annotations
