--- What a value of each kind must look like. A check gives the value to use, or nil and how it should be.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local null = require("loomta.json").null

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

---@alias loomta.Field { type: string, part: integer?, required: boolean? }

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

--- The API counts a folder's name in characters, 1 to 255.
function types.folderName(value)
  local characters = type(value) == "string" and #value:gsub("[\128-\191]", "")
  if characters and value:find "%S" and characters <= 255 then return value end
  return nil, "a name of 1 to 255 characters"
end

--- Any type by its form; whether Loomta takes it is for preflight, or the server, to say.
function types.mimeType(value)
  if type(value) == "string" and value:find "^%w[%w.+-]*/%w[%w.+-]*$" then return value end
  return nil, types.acceptedList
end

function types.mediaType(value)
  if value == "image" or value == "video" then return value end
  return nil, "'image' or 'video'"
end

--- A folder's id; the root folder is the string "null" or loomta.null.
function types.folderId(value)
  if value == null or value == "null" then return "null" end
  if type(value) == "string" and value:find("^" .. uuid .. "$") then return value end
  return nil, "a folder's UUID, or \"null\" for the root"
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
