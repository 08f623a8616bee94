--- Logging in by a second device (RFC 8628): the user confirms a code in a browser, and a key comes back.
-- SPDX-License-Identifier: MIT
local config = require "loomta.config"
local core = require "loomta.core"
local errors = require "loomta.errors"
local nginx = require "loomta.nginx"
local options = require "loomta.options"
local response = require "loomta.response"
local types = require "loomta.types"

local default_interval_s, default_expiry_s = 5, 600 -- where the server does not say
local slower_s = 5 -- what slow_down adds (RFC 8628, 3.5)
local slowest_s = 60

local too_late = "the code is too old, or was used already; log in again"

local login = {}

local function number(value, default)
  return type(value) == "number" and value >= 0 and value or default
end

--- What the code's end means; nil: it may still be confirmed.
---@return loomta.Error?
local function final(err)
  if err.code == "authorization_pending" or err.code == "slow_down" then return nil end
  if err.code == "access_denied" then
    err.message = "the login was refused in the browser"
  elseif err.code == "expired_token" then
    err.message = too_late
  elseif err.kind == "network" or err.kind == "timeout" or err.kind == "server" or err.kind == "rate_limit" then
    return nil -- the code outlives a network that drops
  end
  return err
end

--- Asks until the code was confirmed, refused or is too old.
local function await_key(job, started)
  local interval_s = number(started.interval, default_interval_s)
  local expires_ms = core.now() + number(started.expires_in, default_expiry_s) * 1000
  while core.now() + interval_s * 1000 <= expires_ms do
    local left = job:timeLeft()
    if not left or left > 0 and left <= interval_s * 1000 then
      return nil, errors.new { code = "timeout", kind = "timeout", message = "the code was not confirmed within 'timeoutMs'" }
    end
    local given = options.passedOn(job.given, left)
    given.device_code = started.device_code
    local token, err, info = job:call("pollDeviceToken", given, interval_s * 1000)
    if token then return token, nil, info end
    local ended = final(err)
    if ended then return nil, ended, info end
    if err.code == "slow_down" then
      interval_s = interval_s + slower_s
    elseif err.code ~= "authorization_pending" then
      interval_s = math.min(math.max(interval_s, 1) * 2, slowest_s)
    end
  end
  return nil, errors.new { code = "expired_token", kind = "timeout", message = too_late }
end

--- `login`, as a job's flow.
---@param job loomta.Job
---@return { apiUrl: string, path: string?, apiKey: string? }? done path: of the credentials file; apiKey: with save = false
---@return loomta.Error? err
---@return loomta.Info info
function login.run(job)
  local save = job.fields.save ~= false
  local err
  if nginx.phase() then
    err = errors.input("would_block", "in nginx nobody can log in: set LOOMTA_API_KEY, or give apiKey")
  elseif save then
    err = config.refusal()
  end
  if err then return nil, err, response.nothingSent() end

  local started, info
  started, err, info = job:call("startDeviceAuthorization", options.passedOn(job.given, job:timeLeft()))
  if not started then return nil, err, info end
  local url = started.verification_uri_complete or started.verification_uri
  job:callBack(job.fields.onCode, started.user_code, type(url) == "string" and url or job.settings.baseUrl.url, started)

  local token, took
  token, err, took = await_key(job, started)
  info = took or info
  if not token then return nil, err, info end
  if not types.key(token.api_key) then
    return nil, errors.new { code = "invalid_response", kind = "protocol", message = "the key that came is none" }, info
  end
  local done = { apiUrl = job.settings.baseUrl.url }
  if save then
    done.path, err = config.save(token.api_key, done.apiUrl)
    if not done.path then return nil, err, info end
    job.client:lookAgain()
  else
    done.apiKey = token.api_key
  end
  return done, nil, info
end

return login
