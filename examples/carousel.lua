-- Posts 1 to 35 images as one carousel, with a caption that Loomta writes.
--
--     lua examples/carousel.lua "five cats in boxes" one.jpg two.jpg three.webp
--
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local topic = arg[1]
local paths = { (table.unpack or unpack)(arg, 2) }
if not topic or #paths < 1 or #paths > 35 then
  io.stderr:write("usage: lua examples/carousel.lua TOPIC IMAGE... (1 to 35 of them)\n")
  os.exit(2)
end

local client = loomta.check(loomta.new())

-- The images, several at once. They become ready in any order, and are posted in that of the arguments.
local requests, images = {}, {}
for place, path in ipairs(paths) do requests[place] = { file = path, mediaType = "image" } end
for media, err, request in client:uploads(requests) do
  if not media then error(("%s: %s"):format(request.file, tostring(err))) end
  images[request] = media
end
local media_ids = {}
for place, request in ipairs(requests) do media_ids[place] = images[request] end

-- The caption. It is written for 3 to 10 slides, whatever there are.
local written = loomta.check(client:generateSlideshowCaption {
  userRequest = topic,
  slideCount = math.max(3, math.min(10, #paths)),
  slideLength = "short",
})
print(written.caption)
for _, slide in ipairs(written.slides) do print(("  %d. %s"):format(slide.index + 1, slide.caption)) end

local accounts = {}
for _, platform in ipairs(loomta.check(client:listPlatforms()).platforms) do
  if platform.provider == "tiktok" and not platform.disabled then accounts[#accounts + 1] = platform.id end
end

-- One post, on each account for itself: some may fail while others have it.
local result, err = client:createPosts {
  platformIds = accounts,
  content = written.caption,
  mode = "draft",
  mediaIds = media_ids,
  settings = { privacy_level = "SELF_ONLY" },
  validate = true,
}
for _, created in ipairs(result and result.created or {}) do
  print(("draft %s with %d images"):format(created.post.root.id, #created.post.root.mediaIds))
end
if err then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end
