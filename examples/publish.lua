-- From a file on disk to a published post: finds the TikTok account, uploads a video, posts it, and waits for its link.
--
--     lua examples/publish.lua clip.mp4 "What a day"                          # now
--     lua examples/publish.lua clip.mp4 "What a day" 2030-01-31T09:30:00Z     # later
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local path, content, scheduled_for = arg[1], arg[2], arg[3]
if not content then
  io.stderr:write("usage: lua examples/publish.lua VIDEO TEXT [DATE-TIME]\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())

-- The account.
local account
for _, platform in ipairs(loomta.check(client:listPlatforms()).platforms) do
  local usable = not platform.disabled and not platform.refreshNeeded
  if platform.provider == "tiktok" and usable then account = account or platform end
end
if not account then error "no TikTok account is connected" end
print("account: " .. (account.displayHandle or account.displayName or account.id))

-- What it takes. Of the ways to publish this picks the most private one that there is.
local schema = loomta.check(client:getPlatformSchema { id = account.id }).schema
local settings = {}
for _, field in ipairs(schema.settings.fields) do
  if field.name == "privacy_level" then settings.privacy_level = field.enum[#field.enum] end
end

-- The video. A server may need a while until it is READY: the list tells.
local media = loomta.check(client:upload { file = path })
while media.status ~= "READY" do
  local list = loomta.check(client:listMedia { mediaType = "video", delayMs = 2000 })
  for _, each in ipairs(list.media) do
    if each.id == media.id then media = each end
  end
end
print("media:   " .. media.id)

-- The post. `validate` compares it with the schema first, so that what will not do is refused before anything is sent.
local result = loomta.check(client:createPosts {
  platformIds = { account.id },
  content = content,
  mode = scheduled_for and "schedule" or "now",
  scheduledFor = scheduled_for,
  mediaIds = { media },
  settings = settings,
  validate = true,
})
local post = result.created[1].post.root
print("post:    " .. post.id)

if scheduled_for then
  print("due:     " .. post.scheduledFor)
  os.exit(0, true)
end

-- The link, once it is there. delayMs waits without keeping anybody else waiting.
while post.state == "QUEUE" do
  post = loomta.check(client:getPost { id = post.id, delayMs = 2000 }).root
end
if post.state ~= "PUBLISHED" then error(post.state .. ": " .. tostring(post.errorText)) end
print("link:    " .. post.releaseUrl)
