--- Runs Lua code in an interpreter of its own: for what must not happen in this one (another environment, an exit).
-- SPDX-License-Identifier: MIT
local lua = {}

--- How to run a program with an environment of its own, and with the signals that whoever started the specs in the background had
--- ignored for all that follows.
lua.env = os.execute "env --default-signal=INT true 2>/dev/null"
lua.env = (lua.env == true or lua.env == 0) and "env --default-signal=INT --default-signal=QUIT" or "env"

--- Quotes a word for the shell.
function lua.quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

--- Runs `code`.
---@param code string
---@param options { env: table<string, string|false>?, prefix: string? }? env: false unsets; prefix: a command to run it with
---@return string output standard output and error together
---@return boolean ok it exited with 0
---@return integer status what it exited with; 128 and more: a signal killed it
function lua.run(code, options)
  options = options or {}
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local words = { lua.env }
  for name, value in pairs(options.env or {}) do
    if value == false then table.insert(words, 2, "-u " .. name) else words[#words + 1] = name .. "=" .. lua.quote(value) end
  end
  if os.getenv "LOOMTA_LUA_COVERAGE" then
    words[#words + 1] = "LUA_INIT=@" .. lua.quote(os.getenv "PWD" .. "/spec/support/line_coverage.lua")
  end
  words[#words + 1] = options.prefix
  words[#words + 1] = os.getenv "LOOMTA_SPEC_LUA" or "lua5.4"
  words[#words + 1] = path
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1; echo \"exit $?\""))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(path)
  local text, status = output:match "^(.-)exit (%d+)\n$"
  return text, status == "0", tonumber(status)
end

return lua
