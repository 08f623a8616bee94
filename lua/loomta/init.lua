--- Uploads images and videos to the Loomta API.
---
---     local loomta = require "loomta"
---     local media, err = loomta.upload { file = "clip.mp4" }
---     if not media then return print(err) end
---     print(media.id, media.status)
---
--- Every call returns its value, or `nil` and an error table; nothing the world can do raises. `loomta.start` does not wait for
--- the end, and in nginx nothing blocks.
-- SPDX-License-Identifier: MIT
local client = require "loomta.client"
local errors = require "loomta.errors"
local json = require "loomta.json"
local version = require "loomta.version"

local default

--- The client behind the module's own functions, made from the environment at their first use.
local function default_client()
  default = default or client.new()
  return default
end

--- What the caller gave, unless a colon was written for a dot.
local loomta
local function own(given, how)
  if given == loomta then error("call it with a dot: " .. how, 3) end
  return given
end

loomta = {
  new = client.new,
  check = errors.check,
  null = json.null,
  version = version,

  --- `client:upload` on a client made from the environment.
  ---@param given loomta.Upload
  ---@return loomta.Media? media
  ---@return loomta.Error? err
  ---@return loomta.Info info
  upload = function(given)
    local media, err, info = default_client():perform("upload", own(given, "loomta.upload { … }"))
    return media, err, info
  end,

  --- `client:start` on a client made from the environment.
  ---@param given loomta.Upload
  ---@return loomta.Job? job
  ---@return loomta.Error? err
  ---@return loomta.Info? info
  start = function(given)
    local job, err, info = default_client():launch(own(given, "loomta.start { … }"))
    return job, err, info
  end,

  --- `client:poll` on that client.
  ---@param timeoutMs integer?
  ---@return integer running
  poll = function(timeoutMs) return default_client():poll(own(timeoutMs, "loomta.poll()")) end,

  --- `client:fd` on that client.
  ---@return integer? fd
  ---@return loomta.Error? err
  fd = function() return default_client():fd() end,

  --- `client:uploads` on a client made from the environment.
  ---@param requests table|function
  ---@param opts loomta.BulkOptions?
  ---@return loomta.Uploads uploads
  uploads = function(requests, opts)
    return default_client():uploads(own(requests, "loomta.uploads(requests, { … })"), opts)
  end,

  --- `client:listMedia` on a client made from the environment.
  ---@param given table?
  ---@return { media: loomta.Media[] }? list
  ---@return loomta.Error? err
  ---@return loomta.Info info
  listMedia = function(given)
    local list, err, info = default_client():perform("listMedia", own(given, "loomta.listMedia { … }") or {})
    return list, err, info
  end,

  --- `client:listMediaFolders` on a client made from the environment.
  ---@param given loomta.Options?
  ---@return { folders: loomta.Folder[] }? list
  ---@return loomta.Error? err
  ---@return loomta.Info info
  listMediaFolders = function(given)
    local list, err, info = default_client():perform("listMediaFolders", own(given, "loomta.listMediaFolders()") or {})
    return list, err, info
  end,

  --- `client:createMediaFolder` on a client made from the environment.
  ---@param given { name: string }|loomta.Options
  ---@return loomta.Folder? folder
  ---@return loomta.Error? err
  ---@return loomta.Info info
  createMediaFolder = function(given)
    local folder, err, info = default_client():perform("createMediaFolder", own(given, "loomta.createMediaFolder { … }"))
    return folder, err, info
  end,

  --- `client:preflight` on a client made from the environment.
  ---@param given loomta.Upload
  ---@return { fileName: string, mimeType: string, size: integer? }? described
  ---@return loomta.Error? err
  preflight = function(given) return default_client():preflight(own(given, "loomta.preflight { … }")) end,
}

return loomta
