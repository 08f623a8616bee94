-- What torture.c runs again and again: an upload by file and one by reader on one client. Returns what must not be, or nil.
local url, key = ...

local function upload()
  local loomta = require "loomta"
  local client, err = loomta.new { apiKey = key, baseUrl = url, maxRetries = 0, userAgent = "torture" }
  if not client then return nil, err end
  local pieces = 3
  local media, info
  for _, source in ipairs {
    { file = "spec/fixtures/clip.mp4", folderId = "null", onProgress = function() end },
    {
      fileName = "take.webm",
      mimeType = "video/webm",
      preflight = false,
      reader = function()
        pieces = pieces - 1
        return pieces >= 0 and ("x"):rep(4096) or nil
      end,
    },
  } do
    media, err, info = client:upload(source)
    if not media then break end
  end
  client:close()
  return media, err, info
end

local media, err, info = upload()
if media then
  if type(media.id) ~= "string" then return "a success without an id" end
elseif type(err) ~= "table" or type(err.code) ~= "string" or type(tostring(err)) ~= "string" then
  return "a failure without an error table: " .. tostring(err)
elseif err.attempts > 0 and type(info) ~= "table" then
  return "a failure without info"
end
