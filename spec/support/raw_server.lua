--- A server of few lines that does what no library lets a server do. Run as a program it serves; required it starts one.
---
--- Modes:
---   ignoreExpect     reads a body without ever saying 100 Continue
---   refuseRudely     answers 401 as soon as it has the headers, and closes with the body unread: the system resets the connection
---   refuseExpect     answers 417 to whoever asks with Expect, and closes
---   always417        answers 417 to everything, on a connection that stays
---   lose417          answers 417 once, then reads a body and closes
---   storeAtBoundary  resets the connection when it has seen the last boundary, as if it had stored the upload
---   sips             reads a body steadily, 60 KB ten times a second
---   silent           accepts connections and never says a word
---   interim          sends 103 and 100 before its answer
---   garbage          answers something that is not HTTP
-- SPDX-License-Identifier: MIT

local answer = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

local function respond(client, status, body) client:send(answer:format(status, #body, body)) end

local function serve(mode)
  local socket = require "socket"
  local listener = assert(socket.bind("127.0.0.1", 0))
  print((select(2, listener:getsockname())))
  io.stdout:flush()
  local media = '{"id":"00000000-0000-4000-8000-000000000000","status":"READY","size":1}'

  local kept, requests = {}, 0

  local function handle(client)
    if mode == "silent" then
      kept[#kept + 1] = client
      return false
    end
    local first = client:receive "*l"
    if not first then return false end
    local headers = {}
    repeat
      local line = client:receive "*l"
      local name, value = (line or ""):match "^([^:]+):%s*(.*)$"
      if name then headers[name:lower()] = value end
    until not line or line == ""

    requests = requests + 1
    print("request length=" .. (headers["content-length"] or "?"))
    io.stdout:flush()
    if (mode == "always417" and headers.expect) or (mode == "lose417" and requests == 1) then
      respond(client, "417 Expectation Failed", "{}")
      return true
    elseif mode == "storeAtBoundary" then
      local boundary = headers["content-type"]:match "boundary=(.*)$"
      local tail = ""
      repeat
        local bytes, why, part = client:receive(1)
        tail = (tail .. (bytes or part)):sub(-200)
      until tail:find("--" .. boundary .. "--", 1, true) or why
      client:setoption("linger", { on = true, timeout = 0 })
      return false
    elseif mode == "refuseRudely" then
      respond(client, "401 Unauthorized", '{"code":"invalid_api_key","message":"No."}')
      return false
    elseif mode == "refuseExpect" and headers.expect then
      respond(client, "417 Expectation Failed", "{}")
      return false
    elseif mode == "interim" then
      client:send "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    end
    local began, left = socket.gettime(), tonumber(headers["content-length"]) or 0
    local first_byte
    while left > 0 do
      if mode == "sips" then socket.sleep(0.1) end
      local bytes = client:receive(math.min(left, mode == "sips" and 60000 or 65536))
      if not bytes then return false end
      first_byte = first_byte or socket.gettime()
      left = left - #bytes
    end
    print(("expect=%s waited=%d"):format(headers.expect or "no", math.floor(((first_byte or began) - began) * 1000)))
    io.stdout:flush()
    if mode == "lose417" then return false end
    if mode == "always417" then
      respond(client, "417 Expectation Failed", "{}")
      return true
    end
    if mode == "garbage" then
      client:send "SSH-2.0-OpenSSH_9.2\r\n"
      return false
    end
    respond(client, "201 Created", media)
    return true
  end

  while true do
    local client = listener:accept()
    if mode == "sips" then client:setoption("tcp-nodelay", true) end
    client:settimeout(30)
    while handle(client) do end
    if mode ~= "silent" then client:close() end
  end
end

if not ... then error "raw_server: give a mode" end
if not package.loaded["busted"] and arg and arg[0] and arg[0]:find "raw_server" then return serve(...) end

local raw_server = {}

--- Starts one in a mode.
---@param mode string
---@return table server { url, seen = fun(): string the lines it printed so far, stop = fun() }
function raw_server.start(mode)
  local log = os.tmpname()
  local interpreter = os.getenv "LOOMTA_SPEC_PLAIN_LUA" or "lua5.4"
  local command = ("env -u LUA_CPATH %s spec/support/raw_server.lua %s > %s 2>&1 & echo $!"):format(interpreter, mode, log)
  local pipe = assert(io.popen(command))
  local pid = pipe:read "*l"
  pipe:close()

  local function read()
    local file = assert(io.open(log))
    local text = file:read "*a"
    file:close()
    return text
  end
  local port
  local deadline = os.time() + 10
  repeat
    port = read():match "^(%d+)\n"
    if not port then os.execute "sleep 0.02" end
  until port or os.time() > deadline
  assert(port, "raw server: " .. read())
  return {
    url = "http://127.0.0.1:" .. port,
    seen = read,
    stop = function()
      os.execute("kill " .. pid)
      os.remove(log)
    end,
  }
end

return raw_server
