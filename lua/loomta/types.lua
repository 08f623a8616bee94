--- What a value of each kind must look like. A check gives the value to use; or nil, how it should be, and, where it is a part
--- of the value that is wrong, that part and the way to it.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local json = require "loomta.json"
local unicode = require "loomta.unicode"

local null = json.null

-- What the API takes: type → "image" or "video"; and the same as words.
local accepted_types, accepted_list = {}, {}
for _, media in ipairs(core.mediaTypes()) do
  if media.accepted then
    accepted_types[media.mimeType] = media.mimeType:match "^%a+"
    accepted_list[#accepted_list + 1] = media.mimeType
  end
end

local uuid = ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"):gsub("x", "%%x"):gsub("%-", "%%-")

local types = {
  acceptedTypes = accepted_types,
  acceptedList = table.concat(accepted_list, ", "):gsub(", ([^,]+)$", " or %1"),
}

---@class loomta.Field
---@field type string
---@field required boolean?
---@field default any
---@field place "path"|"query"|"request"|"local"|nil where it goes: into the URL, or it is what the request is made of, or it is
---for us; else into the body

--- A string that is safe in a header, a URL or a path: not blank, no control characters.
local function line(expected)
  return function(value)
    if type(value) == "string" and value:find "%S" and not value:find "%c" then return value end
    return nil, expected
  end
end

local function of_type(name, expected)
  return function(value)
    if type(value) == name then return value end
    return nil, expected
  end
end

local function whole_number(expected)
  return function(value)
    if type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0 then return value end
    return nil, expected
  end
end

types.text = line "a line of text without control characters"
types.path = line "a path"
types.bytes = of_type("string", "a string with the file's bytes")
types.callback = of_type("function", "a function")
types.flag = of_type("boolean", "true or false")
types.milliseconds = whole_number "a whole number of milliseconds, 0 or more"
types.count = whole_number "a whole number, 0 or more"

function types.positive(value)
  local checked = types.count(value)
  if checked and checked > 0 then return checked end
  return nil, "a whole number, 1 or more"
end

--- A key as it can stand in a header: one word of printable ASCII.
function types.key(value)
  if type(value) == "string" and value:find "^[\33-\126]+$" then return value end
  return nil, "one word such as loomta_sk_… (no spaces, no line breaks, not empty)"
end

function types.reconcile(value)
  if type(value) == "boolean" or value == "exact" then return value end
  return nil, "true, false or 'exact'"
end

function types.file(value)
  if type(value) == "string" then
    if value ~= "" and not value:find("\0", 1, true) then return value end
  elseif io.type(value) then
    return value
  end
  return nil, "a path or an open file handle"
end

--- The last component of what was given: a server has no use for our folders.
function types.fileName(value)
  local base = type(value) == "string" and not value:find("\0", 1, true) and value:match "([^/]+)/*$"
  if base and base ~= "." and base ~= ".." and #base <= 1024 then return base end
  return nil, "a file name of at most 1024 bytes"
end

--- Text in UTF-8 of 1 to `most` characters, as the API counts them.
local function characters(most, expected)
  return function(value)
    if type(value) == "string" and value:find "%S" and unicode.isUtf8(value) and unicode.characters(value) <= most then
      return value
    end
    return nil, expected
  end
end

types.folderName = characters(255, "a name of 1 to 255 characters, in UTF-8")
types.userRequest = characters(500, "a text of 1 to 500 characters, in UTF-8")
types.content = characters(math.huge, "a text of at least one character, in UTF-8")

local function one_of(values)
  local quoted = {}
  for place, value in ipairs(values) do quoted[place] = "'" .. value .. "'" end
  local expected = table.concat(quoted, ", "):gsub(", ([^,]+)$", " or %1")
  return function(value)
    for _, known in ipairs(values) do
      if value == known then return value end
    end
    return nil, expected
  end
end

--- Any type by its form; whether Loomta takes it is for preflight, or the server, to say.
function types.mimeType(value)
  if type(value) == "string" and value:find "^%w[%w.+-]*/%w[%w.+-]*$" then return value end
  return nil, types.acceptedList
end

types.mediaType = one_of { "image", "video" }
types.mode = one_of { "draft", "now", "schedule" }
types.slideLength = one_of { "short", "medium", "long" }
types.method = one_of { "GET", "POST", "PUT", "PATCH", "DELETE" }

function types.slideCount(value)
  local checked = types.count(value)
  if checked and checked >= 3 and checked <= 10 then return checked end
  return nil, "a whole number from 3 to 10"
end

--- RFC 3339. Whether it lies in the future is for the server to say, whose clock counts.
function types.dateTime(value)
  local expected = "a date and time such as 2026-01-31T09:30:00Z"
  if type(value) ~= "string" then return nil, expected end
  local year, month, day, hour, minute, second, zone = value:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.?%d*(.+)$"
  if not year or not (zone == "Z" or zone:find "^[+-]%d%d:%d%d$") or value:find "%.%D" then return nil, expected end
  local days = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  local fits = tonumber(day) >= 1 and tonumber(day) <= (days[tonumber(month)] or 0)
  if fits and tonumber(hour) < 24 and tonumber(minute) < 60 and tonumber(second) <= 60 then return value end
  return nil, expected
end

--- An id, which will be a part of a path. Two names there mean something else.
function types.id(value)
  if types.text(value) and value ~= "." and value ~= ".." then return value end
  return nil, "an id"
end

function types.uuid(value)
  if type(value) == "string" and value:find("^" .. uuid .. "$") then return value end
  return nil, "a UUID"
end

--- Media, by its id or as the object that an upload gave.
function types.media(value)
  local id = value
  if type(value) == "table" then id = value.id end
  if types.text(id) then return value end
  return nil, "a media object, or its id"
end

--- Does the table have names for its keys, and no positions?
local function has_names_only(value)
  for key in pairs(value) do
    if type(key) ~= "string" then return false end
  end
  return true
end

function types.object(value)
  if type(value) == "table" and has_names_only(value) and not json.isArray(value) then return json.copy(value) end
  return nil, "a table with names"
end

--- A list of at least `least` that `check` lets pass.
local function list_of(check, least, expected)
  return function(value)
    if type(value) ~= "table" or json.length(value) == nil or #value < least then return nil, expected end
    local checked = json.array {}
    for place, item in ipairs(value) do
      local part, wanted, at = check(item)
      if part == nil then return nil, wanted, types.within(place, at or { given = item, way = {} }) end
      checked[place] = part
    end
    return checked
  end
end

--- The same wrong part, seen from outside.
function types.within(place, at)
  table.insert(at.way, 1, place)
  return at
end

types.platformIds = list_of(types.uuid, 1, "a list of at least one platform's UUID")
types.mediaIds = list_of(types.media, 0, "a list of media objects, or of their ids")

local function minutes(value)
  if value == null or types.count(value) then return value end
  return nil, "a whole number of minutes, 0 or more, or loomta.null"
end

local comment_fields = { content = types.content, delayInMinutes = minutes, settings = types.object, mediaIds = types.mediaIds }

local function comment(value)
  if type(value) ~= "table" then return nil, "a table with content" end
  local checked = {}
  for name, item in pairs(value) do
    local check = comment_fields[name]
    if not check then return nil, "content, delayInMinutes, mediaIds or settings", { way = { name }, unknown = true } end
    local part, wanted, at = check(item)
    if part == nil then return nil, wanted, types.within(name, at or { given = item, way = {} }) end
    checked[name] = part
  end
  if not checked.content then return nil, select(2, types.content()), { way = { "content" } } end
  return checked
end

types.comments = list_of(comment, 0, "a list of comments: tables with content")

--- What goes into a URL's query: plain values by their names.
function types.query(value)
  local expected = "a table of names with strings, numbers or booleans"
  if not types.object(value) then return nil, expected end
  for name, item in pairs(value) do
    local kind = type(item)
    local plain = kind == "string" or kind == "boolean" or kind == "number" and json.render(item)
    if not plain then return nil, expected, { given = item, way = { name } } end
  end
  return value
end

--- A path as it stands in a request line.
function types.urlPath(value)
  if type(value) == "string" and value:find "^/[%w%-._~!$&'()*+,;=:@/%%]*$" then return value end
  return nil, "a path such as /public/v1/media, percent-encoded where need be, without a query"
end

--- Anything that JSON can say; whether it does, is seen when it is written.
function types.json(value)
  if value ~= nil then return value end
  return nil, "what is to be sent as JSON"
end

--- A folder's id; the root folder is the string "null" or loomta.null.
function types.folderId(value)
  if value == null or value == "null" then return "null" end
  if type(value) == "string" and value:find("^" .. uuid .. "$") then return value end
  return nil, "a folder's UUID, or \"null\" for the root"
end

--- What a queue's options are.
function types.client(value)
  local class = type(value) == "table" and getmetatable(value)
  if class and class.__name == "loomta.Client" then return value end
  return nil, "a client as loomta.new gives it"
end

function types.lease(value)
  if types.count(value) and value >= 300 and value < 2 ^ 31 then return value end
  return nil, "a whole number of milliseconds from 300 to 2147483647"
end

function types.rate(value)
  if type(value) == "number" and value >= 0 and value < 2 ^ 31 then return value end
  return nil, "a number from 0 to 2147483647"
end

function types.resultId(value)
  if type(value) == "string" and value:find "^%d+%-%d+$" then return value end
  return nil, "an id that results gave, such as 1763000000000-0"
end

--- Splits a base URL. Nothing but scheme, host, port and path may be in it.
---@return table? base { url, scheme, loopback }
function types.baseUrl(value)
  local expected = "a URL such as https://api.loomta.com"
  if type(value) ~= "string" or value:find "[%c%s?#@\\]" then return nil, expected end
  local scheme, authority, path = value:match "^(%a+)://([^/]+)(.*)$"
  scheme = scheme and scheme:lower()
  if scheme ~= "https" and scheme ~= "http" then return nil, expected end
  local host, port = authority:match "^(%[[%x:.]+%]):?(%d*)$"
  if not host then host, port = authority:match "^([%w.-]+):?(%d*)$" end
  if not host or authority:sub(-1) == ":" or (port ~= "" and (#port > 5 or tonumber(port) > 65535)) then return nil, expected end
  host = host:lower()
  local octets = { host:match "^127%.(%d+)%.(%d+)%.(%d+)$" }
  local loopback = host == "localhost" or host == "[::1]" or #octets == 3
  for _, octet in ipairs(octets) do loopback = loopback and #octet <= 3 and tonumber(octet) <= 255 end
  return { url = scheme .. "://" .. authority .. path:gsub("/+$", ""), scheme = scheme, loopback = loopback }
end

return types
