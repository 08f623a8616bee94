-- A worker in a process of its own: `start` gives one that ends when its queue is empty, is killed, or gets a SIGTERM.
-- SPDX-License-Identifier: MIT
local workers = {}

--- What runs in the process: arg = url, API's url, key, options as words "name=number".
if arg and arg[1] == "worker" then
  local core = require "loomta.core"
  local loomta = require "loomta"
  local given = { client = assert(loomta.new { apiKey = arg[4], baseUrl = arg[3], allowHttp = true, idleTimeoutMs = 2000 }) }
  for place = 5, #arg do
    local name, value = arg[place]:match "^(%w+)=(.*)$"
    given[name] = tonumber(value) or value == "true"
  end
  local signals = core.signals()
  given.onTick = function(run)
    if signals:count "TERM" > 0 then run:stop() end
  end
  io.stdout:setvbuf "line"
  given.onResult = function(record) print(record.type, record.file:match "[^/]*$", record.info.reconciled and "reconciled" or "") end
  local queue = assert(loomta.queue { url = arg[2] })
  local counts, err = queue:work(given)
  if counts then
    print(("counts done=%d failed=%d unknown=%d dead=%d returned=%d lost=%d"):format(
      counts.done, counts.failed, counts.unknown, counts.dead, counts.returned, counts.lost))
  end
  if err then print("error", tostring(err)) end
  queue:close()
  given.client:close()
  return
end

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local quote = require("spec.support.lua").quote

---@class QueueWorker
---@field pid string
---@field log string path of what it prints
local Worker = {}
Worker.__index = Worker

--- Starts one. What it prints goes to a file, so that nothing waits for whoever reads it.
---@param url string of the queue
---@param box table sandbox: url and key
---@param log string
---@param words string[]? such as "concurrency=8"
---@param prefix string? a command to run it with
function workers.start(url, box, log, words, prefix)
  local command = { os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", "spec/support/queue_worker.lua", "worker", url, box.url, box.key }
  for _, word in ipairs(words or {}) do command[#command + 1] = word end
  for place, word in ipairs(command) do command[place] = quote(word) end
  local pid = files.shell(("%s %s >>%s 2>&1 </dev/null & echo $!"):format(prefix or "", table.concat(command, " "), quote(log)))
  return setmetatable({ pid = pid, log = log }, Worker)
end

function Worker:signal(name) files.shell(("kill -%s %s 2>/dev/null || true"):format(name, self.pid)) end

function Worker:isRunning()
  local state = files.contents(("/proc/%s/stat"):format(self.pid)):match "%) (%a)"
  return state ~= nil and state ~= "Z"
end

function Worker:said() return files.contents(self.log) end

--- Waits for its end; what it printed.
function Worker:wait(patience_s)
  eventually(function() return not self:isRunning() end, "it does not end: " .. self:said(), patience_s or 60)
  return self:said()
end

return workers
