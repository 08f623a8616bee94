--- Where the jobs of one owner (a client, a bulk upload) report: the mailbox that the worker fills, and the queue of those
--- that have news and were not served yet.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local errors = require "loomta.errors"
local fifo = require "loomta.fifo"

local slice_ms = 250 -- how long a wait may keep the thread from Lua's hooks (Ctrl-C)

---@class loomta.Inbox
---@field private limit integer how many of its jobs are sent at once
---@field private rate integer? its jobs share one pace, and at most so many bytes a second; 0: as many as there are
---@field mailbox userdata? brings news of the jobs that the worker runs
---@field running integer how many jobs there are
---@field private jobs table<integer, loomta.Job> those to poll for, by the id of the request that is on its way
---@field private news loomta.Fifo of jobs that were taken out of the mailbox and not served yet, each once
---@field private raised table[] what callbacks raised and nobody has heard of, each in a table
local Inbox = {}
Inbox.__index = Inbox

local inbox = {}

--- Makes an inbox; nothing is taken from the system before its first use.
---@param limit integer how many of its jobs are sent at once, the others wait for their turn
---@param rate integer? let its jobs share one pace: they wait together when the server asks one to, and send at most so
---many bytes a second in all (0: no limit)
---@return loomta.Inbox
function inbox.new(limit, rate)
  return setmetatable({ limit = limit, rate = rate, jobs = {}, running = 0, news = fifo.new(), raised = {} }, Inbox)
end

--- Its mailbox, which is this process's own: a child of fork() gets a new one.
---@return userdata? mailbox
---@return loomta.Error? err when the system does not give what it needs
function Inbox:open()
  if self:isOpen() then return self.mailbox end
  local mailbox, why = core.mailbox(self.limit, self.rate)
  if not mailbox then return nil, errors.outOfResources(why) end
  self.jobs, self.running, self.news = {}, 0, fifo.new()
  self.mailbox = mailbox
  return mailbox
end

--- Has it a mailbox, and one of this process?
---@return boolean
function Inbox:isOpen() return self.mailbox ~= nil and self.mailbox:isOurs() end

--- Does its next job have to wait for more than those under way? (As many as these may wait with their files open.)
---@return boolean
function Inbox:isCrowded() return self.running >= 2 * self.limit end

--- Cancels all its jobs; there will be no more.
function Inbox:leave()
  if self.mailbox then self.mailbox:leave() end
end

--- A job was started.
---@param started loomta.Job
function Inbox:add(started)
  self.jobs[started.exchange.id] = started
  self.running = self.running + 1
end

--- A job has another request on its way.
---@param exchange loomta.Exchange
function Inbox:follow(polled, exchange)
  if self.jobs[polled.exchange.id] ~= polled then return end
  self.jobs[polled.exchange.id] = nil
  self.jobs[exchange.id] = polled
end

--- A job has ended.
function Inbox:remove(ended)
  local exchange = ended.exchange
  if not (exchange and self.jobs[exchange.id] == ended) then return end
  self.jobs[exchange.id] = nil
  self.running = self.running - 1
end

--- Puts a job into the queue of those to be served.
local function enqueue(self, polled)
  if polled.hasNews then return end
  polled.hasNews = true
  self.news:push(polled)
end

--- The next one to be served; nil: there is none.
local function dequeue(self)
  local polled = self.news:pop()
  if polled then polled.hasNews = nil end
  return polled
end

local function any_news(self) return self.news:count() > 0 end

--- Takes the news out of the mailbox. Jobs that ended and have no callback to run need nobody's attention.
local function drain(self)
  for id in self.mailbox.take, self.mailbox do
    local polled = self.jobs[id]
    if polled and polled:isOver() then
      polled.client:forget(polled)
    elseif polled then
      enqueue(self, polled)
    end
  end
end

--- Lets go of jobs that ended, for a program that may never poll. The descriptor stays readable for what is to be done.
function Inbox:tidy()
  if not self.mailbox then return end
  drain(self)
  if any_news(self) then self.mailbox:ring() end
end

--- Says that a job is to be looked at again.
function Inbox:rouse(polled)
  if not (polled.exchange and self.jobs[polled.exchange.id] == polled) then return end
  enqueue(self, polled)
  self.mailbox:ring()
end

--- Moves on all jobs that have news.
---@return table? raised what a callback raised, in a table: the first that nobody has heard of. More may be left, or all may have
---ended with it: the descriptor stays readable
function Inbox:serve()
  drain(self)
  -- A callback may yield, and never come back, or serve others itself: what is left is there for whoever comes next.
  for polled in dequeue, self do
    if any_news(self) then self.mailbox:ring() end
    self.raised[#self.raised + 1] = polled:advance()
  end
  self:tidy()
  local raised = table.remove(self.raised, 1)
  if raised then self.mailbox:ring() end
  return raised
end

--- Waits until there is something to serve.
---@param until_ms number by core.now(); past it there is no wait
function Inbox:sleep(until_ms)
  while self.running > 0 and not any_news(self) and not self.raised[1] do
    local left_ms = until_ms - core.now()
    if left_ms <= 0 or self.mailbox:wait(math.min(math.ceil(left_ms), slice_ms)) then return end
  end
end

--- Waits for one job, serving the others meanwhile.
---@param awaited loomta.Job
---@param timeout_ms number? none: until it has ended
---@return table? raised what a callback raised, in a table
function Inbox:waitFor(awaited, timeout_ms)
  local until_ms = timeout_ms and core.now() + timeout_ms
  while true do
    local raised = awaited:advance() or self:serve()
    local left_ms = until_ms and until_ms - core.now() or slice_ms
    if raised or awaited.outcome or left_ms <= 0 then return raised end
    self.mailbox:wait(math.min(math.ceil(left_ms), slice_ms))
  end
end

return inbox
