-- Starts loomta-sandbox for a spec and drives it with LuaSocket (curl where it speaks TLS) and cjson, so that it owes nothing to
-- the library under test.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local files = require "spec.support.files"
local http = require "socket.http"
local ltn12 = require "ltn12"

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

local function by_curl(self, method, path, body, headers)
  local words = ""
  if body then
    write_file(self.folder .. "/request", body)
    words = " --data-binary @" .. quote(self.folder .. "/request")
  end
  for name, value in pairs(headers or {}) do words = words .. " -H " .. quote(name .. ": " .. value) end
  local status, failed = run(("curl -q -sS -k -m 60 --noproxy '*' -X %s%s -o %s -w '%%{http_code}' %s 2>%s"):format(
    method, words, quote(self.folder .. "/answer"), quote(self.url .. path), quote(self.folder .. "/curl")))
  if failed ~= 0 then
    error(("sandbox: curl %s %s failed (%d): %s"):format(method, path, failed, files.contents(self.folder .. "/curl")), 2)
  end
  local answer = tonumber(status) == 204 and "" or files.contents(self.folder .. "/answer")
  return tonumber(status), answer
end

---One request to the sandbox.
---@param method string
---@param path string
---@param body? string
---@param headers? table<string, string>
---@return integer status
---@return string body
function Sandbox:control(method, path, body, headers)
  if self.url:find "^https" then return by_curl(self, method, path, body, headers) end
  local pieces, all = {}, {}
  for name, value in pairs(headers or {}) do all[name:lower()] = value end
  if body then
    all["content-length"] = #body
    all["content-type"] = all["content-type"] or "application/x-www-form-urlencoded" -- as curl does
  end
  http.TIMEOUT = 60
  local ok, status = http.request {
    url = self.url .. path, method = method, headers = all, redirect = false,
    source = body and ltn12.source.string(body), sink = ltn12.sink.table(pieces),
  }
  if not ok then error(("sandbox: %s %s failed: %s"):format(method, path, status), 2) end
  return status, table.concat(pieces)
end

local function expect(box, wanted, method, path, body)
  local status, answer = box:control(method, path, body)
  if status ~= wanted then
    error(("sandbox: %s %s answered %d: %s"):format(method, path, status, answer), 3)
  end
  return answer
end

---One request to the API, as its clients send it, with the key.
---@param method string
---@param path string below /public/v1
---@param body? string|table a table goes as JSON
---@param headers? table<string, string>
---@return integer status
---@return any answer decoded, if it is JSON
function Sandbox:call(method, path, body, headers)
  local all = { Authorization = "Bearer " .. self.key }
  for name, value in pairs(headers or {}) do all[name] = value end
  local status, answer = self:control(method, "/public/v1" .. path, type(body) == "table" and cjson.encode(body) or body, all)
  local decoded, json = pcall(cjson.decode, answer)
  return status, decoded and json or answer
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

---Changes switches, if any are given; sandbox/README.md lists them. Raises if the sandbox refuses them.
---@param changes? table
---@return table settings all of them, as they are then
function Sandbox:settings(changes)
  return cjson.decode(expect(self, 200, changes and "PATCH" or "GET", "/sandbox/settings", changes and cjson.encode(changes)))
end

---Posts, oldest first, each root before its comments: the newest 10,000 roots, and how many posts there are in all.
---@return table[] posts
---@return integer total
function Sandbox:posts()
  local list = cjson.decode(expect(self, 200, "GET", "/sandbox/posts"))
  return list.posts, list.total
end

---Does as the person would to whom a program shows this code. Raises if no sign-in waits with it.
---@param userCode string such as LMT-AB2C-DE3F
function Sandbox:approve(userCode)
  expect(self, 204, "POST", "/sandbox/device/approve", cjson.encode{ user_code = userCode })
end

---@param userCode string
function Sandbox:deny(userCode)
  expect(self, 204, "POST", "/sandbox/device/deny", cjson.encode{ user_code = userCode })
end

---Forgets requests, media, folders, posts, sign-ins and faults, and puts the switches back. Ids of requests go on counting.
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
