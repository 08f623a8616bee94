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

---@class loomta.Client
--- Uploads one image or video and waits for the answer: the media as the server describes it.
---@field upload fun(self: loomta.Client, given: loomta.Upload): loomta.Media?, loomta.Error?, loomta.Info
--- Lists media. folderId: a UUID, or "null" for the root; mediaType: "image" or "video".
---@field listMedia fun(self: loomta.Client, given: table?): { media: loomta.Media[] }?, loomta.Error?, loomta.Info
--- Lists the folders that media can be in. They are flat: none is inside another.
---@field listMediaFolders fun(self: loomta.Client, given: loomta.Options?): loomta.FolderList?, loomta.Error?, loomta.Info
--- Makes a folder with a `name` of 1 to 255 characters. Names need not be unique: calling it again makes another one.
---@field createMediaFolder fun(self: loomta.Client, given: table): loomta.Folder?, loomta.Error?, loomta.Info
--- Lists the accounts that can be posted to.
---@field listPlatforms fun(self: loomta.Client, given: loomta.Options?): loomta.PlatformList?, loomta.Error?, loomta.Info
--- Says what a platform takes, by its `id`: { platform, schema }.
---@field getPlatformSchema fun(self: loomta.Client, given: table): table?, loomta.Error?, loomta.Info
--- Posts to one or more platforms, each for itself: see loomta.PostRequest and loomta.PostResult.
---@field createPosts fun(self: loomta.Client, given: loomta.PostRequest): loomta.PostResult?, loomta.Error?, loomta.Info
--- Lists posts. `query`: parameters for the server, as they are.
---@field listPosts fun(self: loomta.Client, given: table?): any, loomta.Error?, loomta.Info
--- Gives a post with its comments, by its `id`.
---@field getPost fun(self: loomta.Client, given: table): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Moves a post, by its `id`, to another time: `scheduledFor`.
---@field reschedulePost fun(self: loomta.Client, given: table): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Has captions written for slides. userRequest: 1 to 500 characters; slideCount: 3 to 10; language; slideLength: "short",
--- "medium" or "long". The answer: { caption, slides = { { index, caption } } }.
---@field generateSlideshowCaption fun(self: loomta.Client, given: table): table?, loomta.Error?, loomta.Info
--- Has slides composed. `json`: what the server takes, which is not documented; so is what it answers.
---@field compositeSlides fun(self: loomta.Client, given: table): any, loomta.Error?, loomta.Info
--- Begins a login: { device_code, user_code, verification_uri, verification_uri_complete, interval, expires_in }.
---@field startDeviceAuthorization fun(self: loomta.Client, given: loomta.Options?): table?, loomta.Error?, loomta.Info
--- Asks whether the login with this `device_code` was confirmed: { status, api_key }, once.
---@field pollDeviceToken fun(self: loomta.Client, given: table): table?, loomta.Error?, loomta.Info
--- Calls anything else: `path`, and `method` ("GET" unless given), `query`, `json`. An answer without a body is `true`.
---@field request fun(self: loomta.Client, given: table): any, loomta.Error?, loomta.Info
--- Logs in: `onCode(userCode, url)` is called with what the user is to confirm in a browser. The key goes into
--- ~/.loomta/credentials.json; with `save = false` it is in the answer, as apiKey.
---@field login fun(self: loomta.Client, given: table): loomta.Login?, loomta.Error?, loomta.Info

---@alias loomta.FolderList { folders: loomta.Folder[] }
---@alias loomta.PlatformList { platforms: loomta.Platform[] }
---@alias loomta.Login { apiUrl: string, path: string?, apiKey: string? }

---@class loomta.Platform
---@field id string UUID
---@field provider string "tiktok"
---@field providerName string
---@field providerAccountId string
---@field displayName string?
---@field displayHandle string?
---@field displayImageUrl string?
---@field disabled boolean
---@field refreshNeeded boolean the account has to be connected anew
---@field tokenExpiresAt string? date-time
---@field capabilities string[]
---@field metadata table
---@field settings table

---@class loomta.PostRequest: loomta.Options
---@field platformIds string[] at least one
---@field content string at least one character
---@field mode "draft"|"now"|"schedule"
---@field scheduledFor string? date-time, with mode "schedule" only
---@field mediaIds (string|loomta.Media)[]? media objects must be READY
---@field settings table? what the platform's schema declares, such as privacy_level
---@field comments { content: string, delayInMinutes: integer?, mediaIds: table?, settings: table? }[]?
---@field validate boolean? look first whether all platforms take it, by their schemas and the list of media

---@class loomta.PostResult
---@field results table[] what the server said of each platform
---@field created { platformId: string, post: loomta.PostGroup }[] those of them that went well
---@field failed table[] those that did not; empty unless there is an error as well

---@class loomta.PostGroup
---@field root loomta.Post
---@field children loomta.Post[] its comments

---@class loomta.Post
---@field id string
---@field groupId string
---@field parentPostId string?
---@field integrationId string
---@field content string
---@field state "DRAFT"|"QUEUE"|"PUBLISHED"|"ACTION_REQUIRED"|"ERROR"
---@field scheduledFor string? date-time
---@field delayInMinutes integer?
---@field releaseId string?
---@field releaseUrl string? where it can be seen
---@field settings table
---@field mediaIds string[]
---@field errorText string?
---@field createdAt string date-time
---@field updatedAt string date-time

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
