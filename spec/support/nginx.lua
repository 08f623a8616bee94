-- Starts Debian's nginx with Lua for a spec, on a Unix socket in a folder of its own: it needs no port, no root and no service.
-- Nothing here waits for luck: every wait is for a condition that is seen, and gives up after a time that only a fault takes.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"
local quote = require("spec.support.lua").quote

local GIVE_UP_S = 20
local SIGNALS = { reload = "HUP", quit = "QUIT", stop = "TERM", reopen = "USR1" }

---@class NginxOptions
---@field main? string more directives of the main level
---@field http? string more directives of the http level
---@field server? string directives of the server, such as its locations
---@field workers? integer 1 if absent
---@field env? table<string, string|false> for nginx and its workers, on top of LOOMTA_API_URL and LOOMTA_API_KEY; false unsets

---@class NginxRequest
---@field method? string else POST with a body and GET without
---@field body? string
---@field body_file? string path of a file to send instead
---@field headers? table<string, string>
---@field timeout_s? number 60 if absent

---@class Nginx
---@field prefix string its folder, with nginx.conf, error.log and http.sock
---@field expect_alerts boolean|string|nil true: `stop` lets alerts pass; a Lua pattern: those lines that match it
local Nginx = {}
Nginx.__index = Nginx

---@class NginxCall a request in the background
local Call = {}
Call.__index = Call

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Output and exit status of a command; Lua 5.1 cannot tell the status itself. Never os.execute: unlike popen it hands down the
-- standard inputs that keep sandboxes alive.
local function run(command)
  local pipe = assert(io.popen(command .. "\nprintf '\\n%d' $?", "r"))
  local text = pipe:read "*a"
  pipe:close()
  local output, status = text:match "^(.*)\n(%d+)$"
  return output, tonumber(status)
end

-- What `condition` gave when it was true; nil when it never was.
local function wait_for(condition, seconds)
  local give_up = os.time() + (seconds or GIVE_UP_S)
  repeat
    local value = condition()
    if value then return value end
    run "sleep 0.01"
  until os.time() > give_up
  return condition()
end

-- Where nginx keeps its modules; nil if it, or its Lua, is not there. (/usr/sbin is not in everybody's PATH.)
local function modules_folder()
  local folder = run('PATH="$PATH:/usr/sbin"; nginx -V 2>&1'):match "%-%-modules%-path=(%S+)"
  local file = folder and io.open(folder .. "/ngx_http_lua_module.so")
  if not file then return nil end
  file:close()
  return folder
end

local function configuration(prefix, options, names)
  local tree = run("pwd"):gsub("%s+$", "")
  local cpath = os.getenv "LOOMTA_NGINX_LUA_CPATH" or tree .. "/build/5.1/?.so"
  local modules = assert(modules_folder(), "nginx with Lua is not installed")
  local root = run("id -u"):match "%d+" == "0"
  local lines = {
    "daemon off;",
    "worker_processes " .. (options.workers or 1) .. ";",
    "pid " .. prefix .. "/pid;",
    "error_log " .. prefix .. "/error.log info;",
    "load_module " .. modules .. "/ndk_http_module.so;",
    "load_module " .. modules .. "/ngx_http_lua_module.so;",
    root and "user root;" or "",
  }
  for _, name in ipairs(names) do lines[#lines + 1] = "env " .. name .. ";" end
  lines[#lines + 1] = options.main or ""
  lines[#lines + 1] = "events { worker_connections 256; }"
  lines[#lines + 1] = "http {"
  lines[#lines + 1] = "access_log off;"
  lines[#lines + 1] = "client_max_body_size 0;"
  for _, user in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
    lines[#lines + 1] = ("%s_temp_path %s/%s;"):format(user, prefix, user)
  end
  lines[#lines + 1] = ('lua_package_path "%s/lua/?.lua;%s/lua/?/init.lua;;";'):format(tree, tree)
  lines[#lines + 1] = ('lua_package_cpath "%s;;";'):format(cpath)
  lines[#lines + 1] = options.http or ""
  lines[#lines + 1] = "server {"
  lines[#lines + 1] = "listen unix:" .. prefix .. "/http.sock;"
  lines[#lines + 1] = options.server or ""
  lines[#lines + 1] = "}\n}\n"
  return table.concat(lines, "\n")
end

---@return string text of the error log
function Nginx:log() return files.contents(self.prefix .. "/error.log") end

---Waits for a condition; raises, with the log, if it does not come true.
---@param what string for the error
---@param condition fun(): any
---@return any value the first true one
function Nginx:await(what, condition)
  local value = wait_for(condition)
  if not value then error("nginx: waited in vain for " .. what .. "\n" .. self:log(), 2) end
  return value
end

---@return integer[] workers those that accept connections, lowest first
---@return integer|nil master
---@return integer[] leaving workers that only finish what they have, after a reload or quit
function Nginx:pids()
  local workers, leaving = {}, {}
  if not self.master then return workers, nil, leaving end
  for pid, state, parent in run("cat /proc/[0-9]*/stat 2>/dev/null"):gmatch "(%d+) %(nginx%) (%a) (%d+)" do
    if tonumber(parent) == self.master and state ~= "Z" then
      local title = files.contents("/proc/" .. pid .. "/cmdline")
      if title:find "shutting down" then
        leaving[#leaving + 1] = tonumber(pid)
      elseif title:find "worker process" then
        workers[#workers + 1] = tonumber(pid)
      end
    end
  end
  table.sort(workers)
  table.sort(leaving)
  return workers, self.master, leaving
end

---Whether the master has ended by now.
---@return boolean
function Nginx:ended() return files.contents(self.prefix .. "/status"):find "\n" ~= nil end

---Signals the master. After a reload the new workers are there and the old ones accept no more; the others do not wait.
---@param name "reload"|"quit"|"stop"|"reopen"
function Nginx:signal(name)
  local before = {}
  for _, pid in ipairs((self:pids())) do before[pid] = true end
  local _, failed = run(("kill -%s %d 2>&1"):format(assert(SIGNALS[name], name), self.master))
  if failed ~= 0 then error("nginx: no master to signal\n" .. self:log(), 2) end
  if name ~= "reload" then return end
  self:await("its new workers", function()
    local workers = self:pids()
    for _, pid in ipairs(workers) do
      if before[pid] then return false end
    end
    return #workers == self.workers
  end)
end

-- The words of curl for a request, whose answer goes to files that begin with `base`.
local function curl(web, path, request, base)
  local method, body_file = request.method, request.body_file
  if request.body then
    body_file = base .. ".request"
    write_file(body_file, request.body)
  end
  method = method or (body_file and "POST" or "GET")
  local words = {
    "curl -q -sS --noproxy '*' -m", tostring(request.timeout_s or 60), "--unix-socket", quote(web.prefix .. "/http.sock"),
    method == "HEAD" and "-I" or "-X " .. quote(method), "-H Expect:", "-o", quote(base .. ".answer"), "-w '%{http_code}'",
  }
  for name, value in pairs(request.headers or {}) do words[#words + 1] = "-H " .. quote(name .. ": " .. value) end
  if body_file then words[#words + 1] = "-T " .. quote(body_file) end
  words[#words + 1] = quote("http://localhost" .. path)
  return table.concat(words, " ") .. " >" .. quote(base .. ".status") .. " 2>" .. quote(base .. ".curl")
end

---Starts a request in the background.
---@param path string such as /upload?x=1
---@param request? NginxRequest
---@return NginxCall call
function Nginx:background(path, request)
  self.calls = self.calls + 1
  local base = ("%s/call%d"):format(self.prefix, self.calls)
  local program = ("echo $$ >%s; exec %s"):format(quote(base .. ".pid"), curl(self, path, request or {}, base))
  run(("{ sh -c %s; echo $? >%s; } >/dev/null 2>&1 </dev/null &"):format(quote(program), quote(base .. ".exit")))
  return setmetatable({ base = base, web = self, limit = ((request or {}).timeout_s or 60) + GIVE_UP_S }, Call)
end

---Whether the answer is there, or will never be.
---@return boolean
function Call:done() return files.contents(self.base .. ".exit"):find "\n" ~= nil end

---Waits for the answer.
---@return integer|nil status nil if there was none
---@return string body or, without a status, why
function Call:finish()
  assert(wait_for(function() return self:done() end, self.limit), "nginx: curl did not end")
  local code = tonumber(files.contents(self.base .. ".exit"))
  local status = tonumber(files.contents(self.base .. ".status"))
  if code ~= 0 then return nil, ("curl ended with %d: %s"):format(code, files.contents(self.base .. ".curl")) end
  return status, files.contents(self.base .. ".answer")
end

---Hangs up, as a client that dies does. On return the connection is closed.
function Call:kill()
  local pid = wait_for(function() return files.contents(self.base .. ".pid"):match "^(%d+)\n" end)
  run("kill -KILL " .. pid .. " 2>/dev/null")
  self:finish()
end

---One request.
---@param path string
---@param request? NginxRequest
---@return integer|nil status nil if there was no answer
---@return string body or, without a status, why
function Nginx:get(path, request) return self:background(path, request):finish() end

---Stops it at once, if it still runs, and removes its folder. Raises if it did not end by itself, or had an alert to log, such as
---a worker that crashed. Harmless when repeated.
---@return string log what it had logged, nil when repeated
function Nginx:stop()
  if not self.stdin then return nil end
  local stopped = true
  if self.master and not self:ended() then
    run(("kill -TERM %d 2>/dev/null"):format(self.master))
    stopped = wait_for(function() return self:ended() end)
    if not stopped then
      for _, pid in ipairs((self:pids())) do run("kill -KILL " .. pid .. " 2>/dev/null") end
      run("kill -KILL " .. self.master .. " 2>/dev/null")
    end
  end
  self.stdin:close()
  self.stdin = nil
  local log = self:log() .. files.contents(self.prefix .. "/stderr")
  run("rm -rf " .. quote(self.prefix))
  if not stopped then error("nginx: it did not stop\n" .. log, 2) end
  for line in log:gmatch "[^\n]+" do
    local alert = line:find("[alert]", 1, true) or line:find("[emerg]", 1, true) or line:find "exited on signal"
    local expected = self.expect_alerts == true or (self.expect_alerts and line:find(self.expect_alerts))
    if alert and not expected then error("nginx: " .. line .. "\nin\n" .. log, 2) end
  end
  return log
end

local nginx = {}

---@return boolean there is an nginx with Lua on this machine
function nginx.available() return modules_folder() ~= nil end

---Starts one. It ends with `stop`, or when this process ends.
---@param options? NginxOptions
---@return Nginx web raises, with what it said, when it does not start
function nginx.start(options)
  options = options or {}
  local prefix = run("mktemp -d"):gsub("%s+$", "")
  -- LUA_PATH and the like are the spec's own, and would be nginx's default.
  local words = { "env -u LUA_PATH -u LUA_CPATH -u LUA_INIT" }
  local names = { "LOOMTA_API_URL", "LOOMTA_API_KEY" }
  for name, value in pairs(options.env or {}) do
    if value == false then table.insert(words, 2, "-u " .. quote(name)) else words[#words + 1] = quote(name .. "=" .. value) end
    if name ~= names[1] and name ~= names[2] then names[#names + 1] = name end
  end
  write_file(prefix .. "/nginx.conf", configuration(prefix, options, names))
  words[#words + 1] = ("nginx -p %s -c %s -e %s"):format(quote(prefix), quote(prefix .. "/nginx.conf"), quote(prefix .. "/error.log"))

  -- The shell notes how nginx ended, and ends it when standard input does: so it does not outlive a spec that dies.
  local web = setmetatable({ prefix = prefix, calls = 0, workers = options.workers or 1 }, Nginx)
  web.stdin = assert(io.popen(('cd %s; PATH="$PATH:/usr/sbin"; { %s >stdout 2>stderr; echo $? >status; } & cat >/dev/null; '
    .. '[ -s status ] || kill -TERM "$(cat pid)"; wait'):format(quote(prefix), table.concat(words, " ")), "w"))
  local started = wait_for(function()
    web.master = tonumber(files.contents(prefix .. "/pid"):match "^(%d+)\n")
    return web:ended() or #web:pids() == web.workers
  end)
  if not started or web:ended() then
    web.expect_alerts = true
    local said = files.contents(prefix .. "/stderr") .. web:log()
    web:stop()
    error("nginx: it did not start: " .. said, 2)
  end
  return web
end

return nginx
