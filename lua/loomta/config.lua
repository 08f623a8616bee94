--- Where the key and the host come from when the caller names none: the environment, then the file that Loomta's own
--- command line tool writes.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local json = require "loomta.json"
local types = require "loomta.types"

local default_url = "https://api.loomta.com"

local config = {}

---@param name string
---@return string? value nil also when it is empty, as with an unset variable
local function environment(name)
  local value = os.getenv(name)
  if value ~= "" then return value end
end

--- `~/.loomta/credentials.json`, or nil when there is no home.
---@return string?
function config.credentialsPath()
  local home = environment "HOME"
  return home and home .. "/.loomta/credentials.json"
end

--- Writes a text to the credentials file, or to one beside it.
local function write(text, suffix)
  local path = config.credentialsPath()
  if not path then return nil, errors.input("credentials_failed", "HOME is not set: the credentials file has no place") end
  local written, why = core.writeCredentials(path .. (suffix or ""), text)
  if written then return path .. (suffix or "") end
  local err = errors.input("credentials_failed", path .. " cannot be written")
  err.cause = why
  return nil, err
end

--- Writes the credentials file, as Loomta's own command line tool reads it.
---@param key string
---@param url string
---@return string? path where it is now
---@return loomta.Error? err
function config.save(key, url)
  return write(json.render { apiKey = key, apiUrl = url } .. "\n")
end

--- Says whether the file could be written, before a key is asked for that is given only once.
---@return loomta.Error? err
function config.refusal()
  local probe, err = write((" "):rep(4096), ".new")
  if not probe then return err end
  os.remove(probe)
  local path = config.credentialsPath()
  local folder = io.open(path .. "/.")
  if not folder then return nil end
  folder:close()
  return errors.input("credentials_failed", path .. " is a folder")
end

--- Removes the credentials file.
---@return string? path where it was; nil also when there was none
---@return loomta.Error? err
function config.forget()
  local path = config.credentialsPath()
  if not path then return nil end
  local removed, why, number = os.remove(path)
  if removed then return path end
  if number == 2 then return nil end -- ENOENT
  local err = errors.input("credentials_failed", path .. " cannot be removed")
  err.cause = why
  return nil, err
end

--- The credentials file's contents.
---@return { apiKey: userdata?, apiUrl: any }? credentials empty when there is no file
---@return loomta.Error? err when there is one that cannot be used
local function credentials()
  local path = config.credentialsPath()
  if not path then return {} end
  local key, text, why = core.readCredentials(path)
  if why == "absent" then return {} end
  if why == "exposed" then
    return nil, errors.input("missing_api_key", ("others may read %s; make it yours alone: chmod 600 %s"):format(path, path))
  end
  if not text then return nil, errors.input("missing_api_key", path .. " cannot be read, or is not a small regular file") end
  local value = json.decode(text)
  if type(value) ~= "table" or type(value.apiKey) ~= "string" then
    return nil, errors.input("missing_api_key", path .. ' is not JSON with an "apiKey"; log in again or remove it')
  end
  if not key then
    local message = ("the key in %s must be %s"):format(path, select(2, types.key()))
    return nil, errors.input("invalid_api_key", message)
  end
  return { apiKey = key, apiUrl = value.apiUrl }
end

--- The key and base URL that a call without `apiKey` uses, or the URL alone for one with it.
---@param has_key boolean the caller gave a key
---@return { apiKey: any, baseUrl: table }? found apiKey is a core.secret
---@return loomta.Error? err
function config.find(has_key)
  local found, url_origin = {}, "LOOMTA_API_URL"
  local url = environment "LOOMTA_API_URL"
  if not has_key then
    local key = environment "LOOMTA_API_KEY"
    if key then
      local checked, expected = types.key(key)
      if not checked then return nil, errors.input("invalid_api_key", "the key in LOOMTA_API_KEY must be " .. expected) end
      found.apiKey = core.secret(checked)
    else
      local file, err = credentials()
      if not file then return nil, err end
      found.apiKey = file.apiKey
      if not url and type(file.apiUrl) == "string" then
        url, url_origin = file.apiUrl, config.credentialsPath()
      end
    end
    if not found.apiKey then
      local message = "no API key: give apiKey, set LOOMTA_API_KEY, or log in so that ~/.loomta/credentials.json exists"
      return nil, errors.input("missing_api_key", message)
    end
  end

  local base, expected = types.baseUrl(url or default_url)
  if not base then return nil, errors.input("invalid_option", ("%s must be %s"):format(url_origin, expected), "baseUrl") end
  found.baseUrl = base
  return found
end

return config
