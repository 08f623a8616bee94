-- Starts loomta-sandbox for a spec and drives it with nothing but curl and cjson, so that it owes nothing to the library under test.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local files = require "spec.support.files"

local START_TIMEOUT_S = 10
local DEFAULT_KEY = "loomta_sk_sandbox"

---@class SandboxTls
---@field cert string path of a PEM file
---@field key string path of a PEM file

---@class SandboxOptions
---@field args? string[] more command-line words, such as {"--pending"}
---@field tls? SandboxTls
---@field bin? string path of the program; else LOOMTA_SANDBOX_BIN, else build/sandbox/loomta-sandbox

---@class Sandbox
---@field url string such as http://127.0.0.1:43127
---@field host string
---@field port integer
---@field key string an API key that it accepts
---@field pid string|nil its process id, until it was stopped
---@field errors string|nil what it had said on stderr, once it was stopped
local Sandbox = {}
Sandbox.__index = Sandbox

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Output and exit status of a command; Lua 5.1 cannot tell the status itself.
local function run(command)
  local pipe = assert(io.popen(command .. "; printf '\\n%d' $?", "r"))
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)\n(%d+)$")
  return output, tonumber(status)
end

local function temporary_folder()
  local folder, status = run("mktemp -d")
  assert(status == 0, "mktemp failed")
  return (folder:gsub("%s+$", ""))
end

---One request to the sandbox, by curl.
---@param method string
---@param path string
---@param body? string
---@return integer status
---@return string body
function Sandbox:control(method, path, body)
  local data = ""
  if body then
    write_file(self.folder .. "/request", body)
    data = " --data-binary @" .. quote(self.folder .. "/request")
  end
  local status, failed = run(("curl -q -sS -k -m 60 --noproxy '*' -X %s%s -o %s -w '%%{http_code}' %s 2>%s"):format(
    method, data, quote(self.folder .. "/answer"), quote(self.url .. path), quote(self.folder .. "/curl")))
  if failed ~= 0 then
    error(("sandbox: curl %s %s failed (%d): %s"):format(method, path, failed, files.contents(self.folder .. "/curl")), 2)
  end
  local answer = tonumber(status) == 204 and "" or files.contents(self.folder .. "/answer")
  return tonumber(status), answer
end

local function expect(box, wanted, method, path, body)
  local status, answer = box:control(method, path, body)
  if status ~= wanted then
    error(("sandbox: %s %s answered %d: %s"):format(method, path, status, answer), 3)
  end
  return answer
end

---Requests to the API that arrived, oldest first, also those that broke off.
---@param sinceId? integer only those after this one
---@return table[] requests
---@return integer total since the last reset
function Sandbox:requests(sinceId)
  local query = sinceId and ("?since=%d"):format(sinceId) or ""
  local list = cjson.decode(expect(self, 200, "GET", "/sandbox/requests" .. query))
  return list.requests, list.total
end

---@return table|nil request
function Sandbox:lastRequest()
  local list = self:requests()
  return list[#list]
end

---The raw body of a request, as far as --keep-bodies kept it.
---@param id integer
---@return string|nil body
function Sandbox:body(id)
  local status, answer = self:control("GET", ("/sandbox/requests/%d/body"):format(id))
  return status == 200 and answer or nil
end

---Stored media, oldest first: the newest 10,000 of them, and how many there are in all.
---@return table[] media
---@return integer total
function Sandbox:media()
  local list = cjson.decode(expect(self, 200, "GET", "/sandbox/media"))
  return list.media, list.total
end

---Queues a fault for the next matching request; sandbox/README.md lists them. Raises if the sandbox refuses it.
---@param fault table
function Sandbox:fault(fault)
  expect(self, 201, "POST", "/sandbox/faults", cjson.encode(fault))
end

---@return table[] faults those still waiting
function Sandbox:faults()
  return cjson.decode(expect(self, 200, "GET", "/sandbox/faults")).faults
end

function Sandbox:clearFaults()
  expect(self, 204, "DELETE", "/sandbox/faults")
end

---Connections to it that are open on the client's side, whoever the client is.
---@return integer
function Sandbox:connections()
  local count = 0
  local port = (":%04X"):format(self.port)
  for remote, state in files.contents("/proc/net/tcp"):gmatch("%d+: %x+:%x+ %x+(:%x+) (%x+)") do
    if remote == port and state == "01" then count = count + 1 end
  end
  return count
end

---Forgets requests, media, folders and faults. Ids of requests go on counting.
function Sandbox:reset()
  expect(self, 204, "POST", "/sandbox/reset")
end

---Closes its standard input, upon which it exits, and waits for that.
---@return integer|nil status its exit status (128 + n for signal n); nil if already stopped
function Sandbox:stop()
  if not self.stdin then return nil end
  self.stdin:close()
  self.stdin, self.pid = nil, nil
  local status = tonumber(files.contents(self.folder .. "/status"))
  self.errors = files.contents(self.folder .. "/stderr")
  run("rm -rf " .. quote(self.folder))
  return status
end

local sandbox = {}

---Starts a sandbox on a port of the system's choice. It ends with `stop`, or when this process ends.
---@param options? SandboxOptions
---@return Sandbox box raises, with what the program said, when it does not start
function sandbox.start(options)
  options = options or {}
  local box = setmetatable({ key = DEFAULT_KEY, folder = temporary_folder() }, Sandbox)
  local words = { options.bin or os.getenv("LOOMTA_SANDBOX_BIN") or "build/sandbox/loomta-sandbox", "--port", "0", "--until-eof", "--quiet" }
  if options.tls then
    words[#words + 1] = "--tls"
    words[#words + 1] = options.tls.cert
    words[#words + 1] = options.tls.key
  end
  for i, word in ipairs(options.args or {}) do
    words[#words + 1] = word
    if word == "--key" and box.key == DEFAULT_KEY then box.key = options.args[i + 1] end
  end
  for i, word in ipairs(words) do words[i] = quote(word) end

  -- The outer shell notes how the program ended: that is how its end is seen here, and Lua 5.1 has no other way to the status.
  local program = ("echo $$ >%s; exec %s"):format(quote(box.folder .. "/pid"), table.concat(words, " "))
  box.stdin = assert(io.popen(("sh -c %s >%s 2>%s; echo $? >%s"):format(quote(program),
    quote(box.folder .. "/stdout"), quote(box.folder .. "/stderr"), quote(box.folder .. "/status")), "w"))

  local give_up = os.time() + START_TIMEOUT_S
  repeat
    box.url = files.contents(box.folder .. "/stdout"):match("^loomta%-sandbox listening on (%S+)\n")
    box.pid = files.contents(box.folder .. "/pid"):match("%d+")
    local ended = files.contents(box.folder .. "/status") ~= ""
    if not box.url and (ended or os.time() > give_up) then
      if not ended then run("kill -KILL " .. box.pid) end
      box:stop()
      error("sandbox: " .. words[1] .. " did not start: " .. box.errors, 2)
    end
    if not box.url then run("sleep 0.01") end
  until box.url

  box.host, box.port = box.url:match("^%a+://(.+):(%d+)$")
  box.port = tonumber(box.port)
  return box
end

return sandbox
