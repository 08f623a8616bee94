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
local operations = require "loomta.operations"
local version = require "loomta.version"

local default

--- The client behind the module's own functions, made from the environment at their first use.
local function default_client()
  default = default or client.new()
  return default
end

--- What the caller gave, unless a colon was written for a dot.
---@type loomta.Module
local loomta
local function own(given, how)
  if given == loomta then error("call it with a dot: " .. how, 3) end
  return given
end

loomta = {
  new = client.new,
  check = errors.check,
  null = json.null,
  array = json.array,
  version = version,

  start = function(name, given)
    local job, err, info = default_client():launch(own(name, "loomta.start { … }"), given)
    return job, err, info
  end,

  poll = function(timeoutMs) return default_client():poll(own(timeoutMs, "loomta.poll()")) end,

  fd = function() return default_client():fd() end,

  uploads = function(requests, opts)
    return default_client():uploads(own(requests, "loomta.uploads(requests, { … })"), opts)
  end,

  -- Loaded when it is used: few need it, and it needs a client of Redis.
  queue = function(given) return require("loomta.queue").open(given) end,

  preflight = function(given) return default_client():preflight(own(given, "loomta.preflight { … }")) end,
}

-- Each operation, on that client.
for name in pairs(operations) do
  local how = ("loomta.%s { … }"):format(name)
  loomta[name] = function(given)
    local value, err, info = default_client():perform(name, own(given, how))
    return value, err, info
  end
end

return loomta
