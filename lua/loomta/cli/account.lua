--- loomta-upload's commands about the key: login, logout and status.
-- SPDX-License-Identifier: MIT
local argparse = require "argparse"
local args = require "loomta.cli.args"
local config = require "loomta.config"
local loomta = require "loomta"
local report = require "loomta.cli.report"

local account = {}

local say, fail = report.say, report.fail

--- Does the environment have a key, which goes before the file's?
local function environment_has_key() return (os.getenv "LOOMTA_API_KEY" or "") ~= "" end

--- What is wrong with the key or the server's address, before anything else is done; it speaks of no option of the library.
---@param client loomta.Client
---@return loomta.Error? err
function account.keyProblem(client)
  local _, err = client:locate {}
  if err then
    local message = err.message:gsub("give apiKey, .*", "set LOOMTA_API_KEY, or run loomta-upload login")
    err.message = message:gsub(", or allowHttp.*", "")
  end
  return err
end

local function login()
  local done, err = loomta.login {
    onCode = function(code, url)
      say("open " .. url)
      say("and confirm the code " .. code)
    end,
  }
  if not done then return fail(err) end
  say("logged in; the key is in " .. done.path)
  if environment_has_key() then say "LOOMTA_API_KEY is set, and goes before it" end
  return 0
end

local function logout()
  local path, err = config.forget()
  if err then return fail(err) end
  say(path and "removed " .. path or "there is no key to remove")
  if environment_has_key() then say "LOOMTA_API_KEY is still set" end
  return 0
end

local function status()
  local client = loomta.check(loomta.new {})
  local err = account.keyProblem(client)
  if err then return fail(err) end
  local list
  list, err = client:listPlatforms() -- the least that needs a key
  if not list then return fail(err) end
  print("server     " .. client:locate {})
  print("key        " .. (environment_has_key() and "LOOMTA_API_KEY" or config.credentialsPath()) .. ", accepted")
  client:close()
  for _, platform in ipairs(list.platforms) do
    if type(platform) == "table" then
      local state = platform.disabled and ", disabled" or platform.refreshNeeded and ", to be connected anew" or ""
      local name = platform.displayHandle or platform.displayName or platform.id
      print(("platform   %s %s%s"):format(report.plain(platform.provider), report.plain(name), state))
    end
  end
  return 0
end

account.commands = {
  login = { run = login, about = "Get a key: shows a code to be confirmed in a browser, waits, and stores the key in "
    .. "~/.loomta/credentials.json for Loomta's programs." },
  logout = { run = logout, about = "Remove ~/.loomta/credentials.json. The key itself stays valid." },
  status = { run = status, about = "Say which key and server are used, whether the server takes the key, and what can be "
    .. "posted to." },
}

--- Runs one of the commands.
---@param words string[] the command line
---@return integer status for os.exit
function account.run(words)
  local command = account.commands[words[1]]
  local parser = argparse("loomta-upload " .. words[1], command.about):help_max_width(90)
  local rest = {}
  for place = 2, #words do rest[#rest + 1] = words[place] end
  local ok, problem = parser:pparse(rest)
  if not ok then
    say(args.complaint(problem, "loomta-upload " .. words[1]))
    return 2
  end
  return command.run()
end

return account
