--- Writes docs/reference.md from the annotations: every function, option, result and error. `make reference`.
-- SPDX-License-Identifier: MIT
local annotations = require "scripts.annotations"

local classes, module_functions = annotations.read "lua/loomta/meta.lua"

local out = {}
local function add(text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

--- Text as it can stand in a cell of a table.
local function cell(text) return (text:gsub("\n", " "):gsub("|", "\\|")) end

local function code(text) return "`" .. text .. "`" end

-- Where the objects with methods are told of; all others have a section of their name.
local sections = {
  ["loomta.Client"] = "a-client", ["loomta.Job"] = "a-job", ["loomta.Uploads"] = "a-run-of-uploads", ["loomta.Queue"] = "a-queue",
}

local function link(name)
  local section = sections[name] or classes[name] and (name:lower():gsub("%.", ""))
  return section and ("[%s](#%s)"):format(name, section) or name
end

--- A type, with links to the classes of this page.
local function shown(kind)
  if not kind:find "loomta%.%u" then return code(cell(kind)) end
  return (cell(kind):gsub("loomta%.%u%w*", link):gsub("([<>*])", "\\%1"))
end

local function table_of(fields, heads)
  add("| %s | | |", heads)
  add "|---|---|---|"
  for _, field in ipairs(fields) do
    local text = (field.optional and field.type ~= "any" and "optional; " or "") .. cell(field.text:match "^%s*(.*)$")
    add("| %s | %s | %s |", code(field.name), shown(field.type), (text:gsub("; $", "")))
  end
end

local function returns_of(list)
  if #list == 0 then return end
  add ""
  for _, value in ipairs(list) do
    local text = value.text and value.text ~= "" and ": " .. value.text or ""
    add("- gives %s%s%s", value.name and code(value.name) .. " " or "", shown(value.type), cell(text))
  end
end

local function method(owner, each)
  local names = {}
  for i, param in ipairs(each.params) do names[i] = param.name end
  add("\n### %s%s%s(%s)\n", owner, each.method and ":" or ".", each.name, table.concat(names, ", "))
  add(each.text)
  if #each.params > 0 then
    add ""
    table_of(each.params, "takes")
  end
  returns_of(each.returns)
end

local function methods(owner, path, class)
  for _, each in ipairs(select(2, annotations.read(path))) do
    if each.class == class and not each.private and each.method and not each.name:find "^__" then method(owner, each) end
  end
end

local function class(name)
  local each = classes[name]
  add("\n### %s\n", name)
  if each.text ~= "" then add(each.text .. "\n") end
  if each.parent then add("Besides what %s has:\n", link(each.parent)) end
  table_of(each.fields, "field")
end

add "# Reference"
add "\nEvery function, what it takes, what it gives: made from the annotations that your editor shows.\n"
add "## The module\n"
add(classes["loomta.Module"].text)
for _, field in ipairs(classes["loomta.Module"].fields) do
  local params, results = field.type:match "^fun(%b()):? ?(.*)$"
  local names = {}
  for name in (params or ""):gmatch "[(,] ?([%w.]+):" do names[#names + 1] = name end
  add("\n### loomta.%s%s\n", field.name, params and "(" .. table.concat(names, ", ") .. ")" or "")
  add(field.text)
  if params and #names > 0 then add("\n- takes %s", shown(params:sub(2, -2))) end
  if #names == 0 then add "" end
  if results ~= "" then add("- gives %s", shown(results or field.type)) end
end
for _, each in ipairs(module_functions) do method("loomta", each) end

add "\n## A client\n"
add "What `loomta.new` gives. It has each operation of the module as a method, `client:upload { … }`, and these:"
methods("client", "lua/loomta/client.lua", "Client")
add "\n## A job\n"
add "What `start` gives."
methods("job", "lua/loomta/job.lua", "Job")
add "\n## A run of uploads\n"
add "What `uploads` gives: an iterator, `for media, err, request, info in client:uploads(…) do`, with methods."
methods("uploads", "lua/loomta/uploads.lua", "Uploads")

add "\n## A queue\n"
add "What `loomta.queue` gives: [queue.md](queue.md)."
methods("queue", "lua/loomta/queue.lua", "Queue")

add "\n## What is taken and given"
local own = { ["loomta.Module"] = true, ["loomta.Client"] = true }
for _, each in ipairs(classes) do
  if #each.values == 0 and not own[each.name] then class(each.name) end
end
add "\n### loomta.ErrorKind\n"
add(code(table.concat(classes["loomta.ErrorKind"].values, "`, `")) .. ".")
add "\n### loomta.ErrorCode\n"
add(classes["loomta.ErrorCode"].text .. "\n")
add(code(table.concat(classes["loomta.ErrorCode"].values, "`, `")) .. ".")

local text = table.concat(out, "\n") .. "\n"
local file = assert(io.open(arg[1] or "docs/reference.md", "w"))
file:write(text)
file:close()
