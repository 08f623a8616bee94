--- The operations of the Loomta API, each declared once: how it is asked, what it takes, what it answers. The client and the
--- module get a function for each.
-- SPDX-License-Identifier: MIT
local login = require "loomta.login"
local posts = require "loomta.posts"

---@class loomta.Operation
---@field method string
---@field path string below the base URL; {id} is the field of that name
---@field fields table<string, loomta.Field> what the caller may give
---@field body "form"|"fields"|"json"|nil a form with a file part; a JSON object of the fields; what the field `json` is
---@field parts string[]? the fields that go into the form, in this order
---@field query string[]? the fields that go into the query, in this order; or the field `query`, which is one
---@field keyless boolean? no key is sent
---@field answers fun(value: any): boolean, string? is this what the operation answers when it went well, and if not, why
---@field mayBeEmpty boolean? an answer without a body is `true`
---@field prepare (fun(fields: table): loomta.Error?)? what is to be right about the fields together; may complete them
---@field steps (fun(job: loomta.Job): any, loomta.Error?, loomta.Info)? what the call does, where it is more than one request

--- Is `value` an object with these in it, strings or tables?
local function has(kind, ...)
  local names = { ... }
  return function(value)
    for i = 1, #names do
      local item
      if type(value) == "table" then item = value[names[i]] end
      if type(item) ~= kind or item == "" then return false, "it has no " .. names[i] end
    end
    return true
  end
end

local function anything() return true end

local id_in_path = { type = "id", required = true, place = "path" }

---@type table<string, loomta.Operation>
local operations = {
  upload = { -- uploadMedia in the API's documentation
    method = "POST",
    path = "/public/v1/media",
    body = "form",
    fields = {
      file = { type = "file", place = "local" },
      data = { type = "bytes", place = "local" },
      reader = { type = "callback", place = "local" },
      size = { type = "count", place = "local" },
      fileName = { type = "fileName" },
      mimeType = { type = "mimeType" },
      mediaType = { type = "mediaType" },
      folderId = { type = "folderId" },
    },
    parts = { "fileName", "mimeType", "mediaType", "folderId" },
    answers = has("string", "id"),
  },

  listMedia = {
    method = "GET",
    path = "/public/v1/media",
    fields = { folderId = { type = "folderId", place = "query" }, mediaType = { type = "mediaType", place = "query" } },
    query = { "folderId", "mediaType" },
    answers = has("table", "media"),
  },

  listMediaFolders = {
    method = "GET",
    path = "/public/v1/media/folders",
    fields = {},
    answers = has("table", "folders"),
  },

  createMediaFolder = {
    method = "POST",
    path = "/public/v1/media/folders",
    body = "fields",
    fields = { name = { type = "folderName", required = true } },
    answers = has("string", "id"),
  },

  listPlatforms = {
    method = "GET",
    path = "/public/v1/platforms",
    fields = {},
    answers = has("table", "platforms"),
  },

  getPlatformSchema = {
    method = "GET",
    path = "/public/v1/platforms/{id}/schema",
    fields = { id = id_in_path },
    answers = has("table", "platform", "schema"),
  },

  createPosts = {
    method = "POST",
    path = "/public/v1/posts",
    body = "fields",
    fields = {
      platformIds = { type = "platformIds", required = true },
      content = { type = "content", required = true },
      mode = { type = "mode", required = true },
      scheduledFor = { type = "dateTime" },
      mediaIds = { type = "mediaIds" },
      settings = { type = "object" },
      comments = { type = "comments" },
      validate = { type = "flag", place = "local" },
    },
    answers = has("table", "results"),
    prepare = posts.prepare,
    steps = posts.create,
  },

  listPosts = { -- neither what it takes nor what it answers is documented
    method = "GET",
    path = "/public/v1/posts",
    fields = { query = { type = "query", place = "query" } },
    answers = anything,
  },

  getPost = {
    method = "GET",
    path = "/public/v1/posts/{id}",
    fields = { id = id_in_path },
    answers = has("table", "root"),
  },

  reschedulePost = {
    method = "PATCH",
    path = "/public/v1/posts/{id}/schedule",
    body = "fields",
    fields = { id = id_in_path, scheduledFor = { type = "dateTime", required = true } },
    answers = has("table", "root"),
  },

  generateSlideshowCaption = {
    method = "POST",
    path = "/public/v1/slides/caption",
    body = "fields",
    fields = {
      userRequest = { type = "userRequest", required = true },
      slideCount = { type = "slideCount", required = true },
      language = { type = "text" },
      slideLength = { type = "slideLength" },
    },
    answers = has("table", "slides"),
  },

  compositeSlides = { -- neither what it takes nor what it answers is documented
    method = "POST",
    path = "/public/v1/slides/composite",
    body = "json",
    fields = { json = { type = "json", required = true } },
    answers = anything,
    mayBeEmpty = true,
  },

  startDeviceAuthorization = {
    method = "POST",
    path = "/auth/device/start",
    body = "fields",
    keyless = true,
    fields = {},
    answers = has("string", "device_code", "user_code"),
  },

  pollDeviceToken = {
    method = "POST",
    path = "/auth/device/token",
    body = "fields",
    keyless = true,
    fields = { device_code = { type = "text", required = true } },
    answers = has("string", "api_key"),
  },

  request = { -- for what Loomta adds tomorrow
    method = "GET", -- unless `method` says otherwise, as for the path
    path = "",
    body = "json",
    fields = {
      method = { type = "method", place = "request" },
      path = { type = "urlPath", required = true, place = "request" },
      query = { type = "query", place = "query" },
      json = { type = "json" },
    },
    answers = anything,
    mayBeEmpty = true,
  },

  login = { -- not one operation, but the two of the device flow
    method = "POST",
    path = "/auth/device/start",
    keyless = true,
    fields = {
      onCode = { type = "callback", required = true, place = "local" },
      save = { type = "flag", place = "local" },
    },
    answers = anything,
    steps = login.run,
  },
}

return operations
