--- Files and commands, as specs need them: whatever goes wrong raises.
-- SPDX-License-Identifier: MIT
local files = {}

--- Runs a shell command.
---@param command string
---@return string output without the white space at its end
function files.shell(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  return (output:gsub("%s+$", ""))
end

---@param path string
---@return string bytes
function files.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

--- What is in a file; "" where there is none.
---@param path string
---@return string bytes
function files.contents(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read "*a" or ""
  if file then file:close() end
  return bytes
end

---@param path string
---@param bytes string
---@return string path
function files.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
  return path
end

return files
