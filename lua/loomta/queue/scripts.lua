--- What Redis does in one step, so that nothing can come between: each a script that runs on the server. All take the keys of
--- `scripts.keys`, in that order; times are the server's own.
-- SPDX-License-Identifier: MIT
local scripts = {
  -- entries: the stream; known: identities of files; started: marks by entry; faults: last errors by entry; results, dead:
  -- streams; counters: what ended how; ended: how many, by tenths of minutes; pace: token bucket and hold.
  keyNames = { "entries", "known", "started", "faults", "results", "dead", "counters", "ended", "pace" },
}

-- What several scripts need; it is put before each.
local shared = [=[
local entries, known, started, faults, results, dead, counters, ended, pace = unpack(KEYS)
local group = 'workers'

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function is_ours(id, consumer)
  return #redis.call('XPENDING', entries, group, id, id, 1, consumer) == 1
end

-- An entry leaves the queue, with what came of it.
local function conclude(id, outcome, record, identity)
  redis.call('XADD', results, '*', 'id', id, 'result', record)
  if outcome == 'dead' then redis.call('XADD', dead, '*', 'id', id, 'result', record) end
  redis.call('XACK', entries, group, id)
  redis.call('XDEL', entries, id)
  redis.call('HDEL', started, id)
  redis.call('HDEL', faults, id)
  redis.call('HINCRBY', counters, outcome, 1)
  -- What is surely not stored may be queued again.
  if outcome == 'failed' or outcome == 'dead' then redis.call('SREM', known, identity) end
  local slot = math.floor(now() / 6000)
  if redis.call('HINCRBY', ended, slot, 1) == 1 then
    for _, old in ipairs(redis.call('HKEYS', ended)) do
      if tonumber(old) < slot - 20 then redis.call('HDEL', ended, old) end
    end
  end
end
]=]

--- Queues files that are not known yet. ARGV: identity and entry, in turns. Gives how many were new.
scripts.enqueue = [=[
local added = 0
for at = 1, #ARGV, 2 do
  local identity = redis.sha1hex(ARGV[at])
  if redis.call('SISMEMBER', known, identity) == 0 then
    redis.call('XADD', entries, '*', 'entry', ARGV[at + 1], 'identity', identity) -- first: Redis may refuse it
    redis.call('SADD', known, identity)
    added = added + 1
  end
end
redis.call('HINCRBY', counters, 'enqueued', added)
return added
]=]

--- Makes the group, and forgets consumers that have had nothing for an hour.
scripts.join = [=[
if redis.call('EXISTS', entries) == 0 or #redis.call('XINFO', 'GROUPS', entries) == 0 then
  redis.call('XGROUP', 'CREATE', entries, group, '0', 'MKSTREAM')
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', entries, group)) do
  if consumer[4] == 0 and consumer[6] > 3600000 then redis.call('XGROUP', 'DELCONSUMER', entries, group, consumer[2]) end
end
return 1
]=]

--- Takes entries: first those whose worker is silent for longer than its lease, then new ones. ARGV: consumer, count, lease in
--- ms, files a second (0: as many as one likes). Gives { ms to wait, entries in the queue, then for each taken
--- one its id, entry, identity, mark or '', deliveries, last error or '' }.
scripts.draw = [=[
local consumer, count, lease, rate = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local length = redis.call('XLEN', entries)
local at = now()
local state = redis.call('HMGET', pace, 'holdUntil', 'tokens', 'at')
local hold = tonumber(state[1] or 0) - at
if hold > 0 then return { hold, length } end
local tokens = count
if rate > 0 then
  local since = tonumber(state[3] or at)
  if since > at then -- the clock was set back
    since = at
    redis.call('HSET', pace, 'at', at)
  end
  -- A second's worth may be saved up.
  local most_tokens = math.max(1, rate)
  tokens = math.min(most_tokens, tonumber(state[2] or most_tokens) + (at - since) * rate / 1000)
  if tokens < 1 then return { math.ceil((1 - tokens) * 1000 / rate), length } end
  count = math.min(count, math.floor(tokens))
end

-- What somebody holds is safe for the longest lease that a worker has: each renews it by its own.
local is_held = redis.call('XPENDING', entries, group)[1] > 0
if is_held then lease = math.max(lease, tonumber(redis.call('HGET', pace, 'lease') or 0)) end
redis.call('HSET', pace, 'lease', lease)

local taken = { 0, length }
local function take(entry)
  local id, fields = entry[1], entry[2]
  local deliveries = redis.call('XPENDING', entries, group, id, id, 1, consumer)[1][4]
  local mark, fault = redis.call('HGET', started, id) or '', redis.call('HGET', faults, id) or ''
  for _, value in ipairs { id, fields[2], fields[4] or '', mark, deliveries, fault } do taken[#taken + 1] = value end
end

local cursor = redis.call('HGET', counters, 'cursor') or '0-0'
local claimed = redis.call('XAUTOCLAIM', entries, group, consumer, lease, cursor, 'COUNT', count)
redis.call('HSET', counters, 'cursor', claimed[1])
for _, entry in ipairs(claimed[2]) do
  if entry and entry[2] then take(entry) end
end
local left = count - #claimed[2]
if left > 0 then
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', left, 'STREAMS', entries, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do take(entry) end
end
if rate > 0 then redis.call('HSET', pace, 'tokens', tostring(tokens - (#taken - 2) / 6), 'at', at) end
return taken
]=]

--- Marks entries as started, those that this consumer still holds. ARGV: consumer, then for each its id and its mark, a JSON
--- object. Gives 1 or 0 for each: 0 means that it must not be uploaded; or -1 for each: not now.
scripts.begin = [=[
local consumer, answers = ARGV[1], {}
if tonumber(redis.call('HGET', pace, 'holdUntil') or 0) > now() then
  for at = 2, #ARGV, 2 do answers[#answers + 1] = -1 end
  return answers
end
for at = 2, #ARGV, 2 do
  local id, mine = ARGV[at], is_ours(ARGV[at], ARGV[1])
  if mine then
    local mark = cjson.decode(ARGV[at + 1])
    local before = redis.call('HGET', started, id)
    before = before and cjson.decode(before)
    mine = not before or before.token == mark.token -- another name would be another upload
    if mine then
      mark.consumer = consumer
      mark.startedAt = before and before.startedAt or math.floor(now() / 1000)
      redis.call('HSET', started, id, cjson.encode(mark))
    end
  end
  answers[#answers + 1] = mine and 1 or 0
end
return answers
]=]

--- Keeps entries. ARGV: consumer, then their ids. Gives 1 or 0 for each: 0 means that it was lost.
scripts.renew = [=[
local consumer, answers = ARGV[1], {}
for at = 2, #ARGV do
  local mine = is_ours(ARGV[at], consumer)
  if mine then redis.call('XCLAIM', entries, group, consumer, 0, ARGV[at], 'JUSTID') end
  answers[#answers + 1] = mine and 1 or 0
end
return answers
]=]

--- Ends an entry, if this consumer holds it. ARGV: consumer, id, outcome, record, identity. Gives 1 or 0.
scripts.finish = [=[
if not is_ours(ARGV[2], ARGV[1]) then return 0 end
conclude(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
]=]

--- Gives an entry back, if this consumer holds it. ARGV: consumer, id, '1' to keep its mark, '1' where it was no attempt, '1'
--- where others may have it at once, last error or '', the mark's token or ''. Gives 1 or 0.
scripts.release = [=[
local consumer, id = ARGV[1], ARGV[2]
local pending = redis.call('XPENDING', entries, group, id, id, 1, consumer)[1]
if not pending then return 0 end
-- A request may come twice, and late: after the same consumer has taken the entry again, and begun.
local mark = redis.call('HGET', started, id)
if mark and cjson.decode(mark).token ~= ARGV[7] then return 0 end
if ARGV[3] ~= '1' then redis.call('HDEL', started, id) end
if ARGV[6] ~= '' then redis.call('HSET', faults, id, ARGV[6]) end
local deliveries = ARGV[4] == '1' and math.max(0, pending[4] - 1) or pending[4]
local idle = ARGV[5] == '1' and 2 ^ 31 or 0 -- longer than any lease, also that of who comes next
redis.call('XCLAIM', entries, group, 'returned', 0, id, 'IDLE', idle, 'RETRYCOUNT', deliveries, 'JUSTID')
return 1
]=]

--- Lets no worker take anything for so many ms. ARGV: ms.
scripts.hold = [=[
local until_ms = now() + tonumber(ARGV[1])
if until_ms > tonumber(redis.call('HGET', pace, 'holdUntil') or 0) then redis.call('HSET', pace, 'holdUntil', until_ms) end
return 1
]=]

--- Takes a consumer's name out, unless entries are left to it. ARGV: consumer.
scripts.leave = [=[
if redis.call('EXISTS', entries) == 1 and #redis.call('XPENDING', entries, group, '-', '+', 1, ARGV[1]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', entries, group, ARGV[1])
end
return 1
]=]

--- Says how it stands, as a JSON object.
scripts.status = [=[
local answer = { length = redis.call('XLEN', entries), consumers = {}, counters = {}, held = 0, perMinute = 0 }
if redis.call('EXISTS', entries) == 1 and #redis.call('XINFO', 'GROUPS', entries) > 0 then
  local pending = redis.call('XPENDING', entries, group)
  answer.held = pending[1]
  for _, consumer in ipairs(pending[4] or {}) do answer.consumers[consumer[1]] = tonumber(consumer[2]) end
end
local all = redis.call('HGETALL', counters)
for at = 1, #all, 2 do
  local name = all[at]
  answer.counters[name] = tonumber(all[at + 1])
end
local slot, oldest, recent = math.floor(now() / 6000), 1, 0
local counts = redis.call('HGETALL', ended)
for at = 1, #counts, 2 do
  local age = slot - tonumber(counts[at])
  oldest = math.max(oldest, age)
  if age >= 1 and age <= 10 then recent = recent + tonumber(counts[at + 1]) end
end
answer.perMinute = math.floor(recent * 10 / math.min(oldest, 10) + 0.5) -- where work began in this minute: since then
answer.holdMs = math.max(0, tonumber(redis.call('HGET', pace, 'holdUntil') or 0) - now())
return cjson.encode(answer)
]=]

for name, text in pairs(scripts) do
  if type(text) == "string" then scripts[name] = shared .. text end
end

--- The keys of a queue: all in one slot of a Redis cluster.
---@param name string
---@return string[]
function scripts.keys(name)
  local keys = {}
  for place, part in ipairs(scripts.keyNames) do keys[place] = ("loomta:{%s}:%s"):format(name, part) end
  return keys
end

return scripts
