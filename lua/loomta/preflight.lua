--- Decides what a file is, and refuses it here where the server would refuse it, before a byte is sent.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local name_of = require("loomta.source").nameOf
local types = require "loomta.types"

local by_extension = { jpeg = "image/jpeg", m4v = "video/mp4", qt = "video/quicktime" }
for _, media in ipairs(core.mediaTypes()) do
  if media.accepted then by_extension[media.extension] = media.mimeType end
end

local extensions = {}
for _, media in ipairs(core.mediaTypes()) do extensions[media.mimeType] = media.extension end

local accepted_list = "Loomta takes JPEG, WebP, MP4, WebM and QuickTime"

local preflight = {}

local spoken_with_vowel = { "^[AEO]", "^MP", "^HTML", "^SVG", "^XML" }

--- A type as people say it: "a PNG image (image/png)", "an AVI video …", "MP3 audio …".
local function described(media)
  local article = media.name:find " audio$" and "" or "a "
  for _, pattern in ipairs(spoken_with_vowel) do
    if article ~= "" and media.name:find(pattern) then article = "an " end
  end
  return ("%s%s (%s)"):format(article, media.name, media.mimeType)
end

--- The type that a file name promises; nil when it is not an accepted one.
---@param name string?
---@return string?
function preflight.typeOfName(name)
  local extension = name and name:match "%.(%w+)$"
  return extension and by_extension[extension:lower()]
end

--- A name for a source that has none.
---@param mime_type string?
---@return string
function preflight.defaultName(mime_type)
  return "upload." .. (extensions[mime_type] or "bin")
end

--- A reader's first piece has left its source already.
local function recognise(source)
  if source.head then return core.recognise(source.head) end
  return source.handle:recognise()
end

--- Looks at a source's first bytes.
---@param source loomta.Source
---@param fields table the checked fields: fileName, mimeType and mediaType speak here
---@return string? mime_type
---@return loomta.Error?
function preflight.check(source, fields)
  if source.handle:size() == 0 then
    return nil, errors.input("invalid_media_file", name_of(source) .. " is empty", source.field)
  end

  if fields.mimeType and not types.acceptedTypes[fields.mimeType] then
    local message = ("'mimeType' must be %s, not %q"):format(types.acceptedList, fields.mimeType)
    return nil, errors.input("invalid_request", message, "mimeType")
  end

  local media, code, why = recognise(source)
  if code then return nil, errors.input(code, ("cannot read %s: %s"):format(name_of(source), why)) end
  if media and not media.accepted then
    local message = ("%s is %s; %s"):format(name_of(source), described(media), accepted_list)
    return nil, errors.input("unsupported_media_type", message, source.field)
  end
  if media and fields.mimeType and fields.mimeType ~= media.mimeType then
    local message = ("'mimeType' says %s, but %s is %s"):format(fields.mimeType, name_of(source), described(media))
    return nil, errors.input("invalid_request", message, "mimeType")
  end

  local mime_type = fields.mimeType or (media and media.mimeType) or preflight.typeOfName(fields.fileName or source.path)
  if not mime_type then
    local message = "%s is of no known type; %s (if it is one of them, say so by its name's extension or by 'mimeType')"
    message = message:format(name_of(source), accepted_list)
    return nil, errors.input("unsupported_media_type", message, source.field)
  end
  if fields.mediaType and fields.mediaType ~= types.acceptedTypes[mime_type] then
    local message = ("'mediaType' says %s, but %s is %s"):format(fields.mediaType, name_of(source), mime_type)
    return nil, errors.input("invalid_request", message, "mediaType")
  end
  return mime_type
end

return preflight
