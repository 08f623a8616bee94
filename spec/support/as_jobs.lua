--- A helper for busted: every upload of the specs is started as a job and waited for, so that what holds for calls that block is
--- seen to hold for jobs.
-- SPDX-License-Identifier: MIT
local loomta = require "loomta"

local Client = getmetatable(assert(loomta.new {})).__index

local function waited(job, err, info)
  if not job then return nil, err, info end
  return job:wait()
end

function Client:upload(given)
  local media, err, info = waited(self:start(given))
  return media, err, info
end

function loomta.upload(given)
  local media, err, info = waited(loomta.start(given))
  return media, err, info
end
