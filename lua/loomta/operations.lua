--- The operations of the Loomta API, each declared once: how it is asked, what it takes, what it answers.
-- SPDX-License-Identifier: MIT

---@class loomta.Operation
---@field method string
---@field path string below the base URL
---@field multipart boolean? the body is a form with a file part
---@field fields table<string, loomta.Field> what the caller may give
---@field query string[]? the fields that go into the query, in this order
---@field json boolean? the body is a JSON object of the fields
---@field answers fun(value: any): boolean is this what the operation answers when it went well?

--- Does `value` look like an object of the API, with an id to work with?
local function has_id(value)
  return type(value) == "table" and type(value.id) == "string" and value.id ~= ""
end

--- Does `value` look like an object with the list `name`?
local function has_list(name)
  return function(value) return type(value) == "table" and type(value[name]) == "table" end
end

---@type table<string, loomta.Operation>
return {
  upload = { -- uploadMedia in the API's documentation
    method = "POST",
    path = "/public/v1/media",
    multipart = true,
    fields = {
      file = { type = "file" },
      data = { type = "bytes" },
      reader = { type = "callback" },
      size = { type = "count" },
      fileName = { type = "fileName", part = 1 },
      mimeType = { type = "mimeType", part = 2 },
      mediaType = { type = "mediaType", part = 3 },
      folderId = { type = "folderId", part = 4 },
    },
    answers = has_id,
  },

  listMedia = {
    method = "GET",
    path = "/public/v1/media",
    fields = {
      folderId = { type = "folderId" },
      mediaType = { type = "mediaType" },
    },
    query = { "folderId", "mediaType" },
    answers = has_list "media",
  },

  listMediaFolders = {
    method = "GET",
    path = "/public/v1/media/folders",
    fields = {},
    answers = has_list "folders",
  },

  createMediaFolder = {
    method = "POST",
    path = "/public/v1/media/folders",
    json = true,
    fields = { name = { type = "folderName", required = true } },
    answers = has_id,
  },
}
