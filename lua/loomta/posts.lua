--- Making posts: what is to be right before one is sent, and what came of it on each platform.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local json = require "loomta.json"
local options = require "loomta.options"
local response = require "loomta.response"
local unicode = require "loomta.unicode"

local posts = {}

local function not_ready(path, media)
  local message = "'%s' must be READY media, but the status of %s is %s"
  return message:format(errors.pathText(path), media.id, tostring(media.status))
end

--- Replaces media objects by their ids, and keeps what is known of them. Gives an error for one that is not READY.
---@param ids (string|loomta.Media)[]
---@param known table<string, loomta.Media> by id; is added to
---@param path (string|integer)[]
local function take_ids(ids, known, path)
  for place, media in ipairs(ids) do
    if type(media) == "table" then
      if media.status ~= nil and media.status ~= "READY" then
        path[#path + 1] = place
        return errors.input("media_not_ready", not_ready(path, media), path)
      end
      known[media.id] = media.status and media
      ids[place] = media.id
    end
  end
end

--- What the fields of a post must be together. Leaves media ids where media objects were given.
---@param fields table
---@return loomta.Error? err
function posts.prepare(fields)
  if fields.mode == "schedule" and not fields.scheduledFor then
    local message = "'scheduledFor' is missing: with mode 'schedule' it must be a date and time such as 2026-01-31T09:30:00Z"
    return errors.input("invalid_request", message, "scheduledFor")
  elseif fields.mode ~= "schedule" and fields.scheduledFor then
    local message = ("'scheduledFor' goes with mode 'schedule', not '%s'"):format(fields.mode)
    return errors.input("invalid_request", message, "scheduledFor")
  end
  local known = {}
  local err = take_ids(fields.mediaIds or {}, known, { "mediaIds" })
  for place, comment in ipairs(fields.comments or {}) do
    err = err or take_ids(comment.mediaIds or {}, known, { "comments", place, "mediaIds" })
  end
  fields.knownMedia = known
  return err
end

--- Is this of the platform's answer a post that was made?
local function was_created(result)
  return result.status == "created" or result.status ~= "failed" and result.error == nil and type(result.post) == "table"
end

--- Adds to a result `created` and `failed`, so that each platform asked for is in one of them.
---@param result table as the server sent it
---@param platform_ids string[]
function posts.judge(result, platform_ids)
  local heard = {}
  result.created, result.failed = {}, {}
  for _, each in ipairs(result.results) do
    -- What names no platform says nothing: the one that is meant is missed below.
    if type(each) == "table" and type(each.platformId) == "string" then
      heard[each.platformId:lower()] = true
      local list = was_created(each) and result.created or result.failed
      list[#list + 1] = each
    end
  end
  for _, id in ipairs(platform_ids) do
    if not heard[id:lower()] then result.failed[#result.failed + 1] = { platformId = id, status = "unknown" } end
  end
  return result
end

--- What a platform's failure says of itself, whatever its shape: that is not documented.
local function reason_of(failure)
  local said = type(failure.error) == "table" and failure.error or failure
  local code, message = said.code, said.message or failure.error or failure.errorText
  if type(code) ~= "string" then code = type(failure.status) == "string" and failure.status or "failed" end
  if failure.status == "unknown" and not failure.error then message = "the answer does not speak of it" end
  return type(message) == "string" and code .. ": " .. message or code
end

--- The error for platforms that failed.
---@param result table judged
---@param info loomta.Info
---@return loomta.Error
function posts.failure(result, info)
  local reasons, details, unheard = {}, {}, false
  for place, failed in ipairs(result.failed) do
    reasons[place] = ("%s: %s"):format(tostring(failed.platformId), reason_of(failed))
    details[place] = { path = { "platformIds", failed.platformId }, message = reason_of(failed) }
    unheard = unheard or failed.status == "unknown"
  end
  local made = #result.created
  return errors.new {
    code = made > 0 and "partial_failure" or "post_failed",
    kind = "api",
    message = ("%d of %d platforms have no post: %s"):format(#result.failed, #result.failed + made, table.concat(reasons, "; ")),
    details = details,
    result = result,
    status = info.status,
    attempts = info.attempts,
    possiblyStored = made > 0 or unheard,
  }
end

-- A schema may be of any shape: what is not as documented is no rule.
local function object(value) return type(value) == "table" and value or {} end
local function number(value) return type(value) == "number" and value or nil end

--- The texts of a list; nil: there is no list of them.
local function texts(value)
  local found = {}
  for _, item in ipairs(object(value)) do
    if type(item) == "string" then found[#found + 1] = item end
  end
  return found[1] and found or nil
end

--- Words for a number of something.
local function counted(count, one) return ("%s %s%s"):format(count, one, count == 1 and "" or "s") end

local kinds = { boolean = "true or false", string = "a text" }

--- What is wrong with one value of the settings; nil: nothing.
local function setting_problem(rule, value)
  if value == nil or value == json.null then return rule.required and rule.default == nil and "is missing" or nil end
  if rule.type == "enum" then
    local known = texts(rule.enum)
    for _, each in ipairs(known or {}) do
      if value == each then return nil end
    end
    return known and ("must be one of %s, not '%s'"):format(table.concat(known, ", "), tostring(value))
  end
  if kinds[rule.type] and type(value) ~= rule.type then return ("must be %s, not a %s"):format(kinds[rule.type], type(value)) end
end

local function check_settings(add, settings, schema)
  for _, rule in ipairs(object(object(schema.settings).fields)) do
    local name = object(rule).name
    local problem = type(name) == "string" and setting_problem(rule, (settings or {})[name])
    if problem then add({ "settings", name }, problem) end
  end
end

local function check_media(add, ids, known, rules)
  local count, kinds_seen, allowed, allowed_types = #ids, {}, {}, texts(rules.allowedTypes)
  for _, kind in ipairs(allowed_types or {}) do allowed[kind] = true end
  local least, most = math.max(number(rules.minItems) or 0, rules.required == true and 1 or 0), number(rules.maxItems)
  if count < least then add({ "mediaIds" }, ("must be %s or more, not %d"):format(counted(least, "item"), count)) end
  if most and count > most then add({ "mediaIds" }, ("must be at most %s, not %d"):format(counted(most, "item"), count)) end
  for place, id in ipairs(ids) do
    local kind = known[id] and known[id].mediaType
    if kind then kinds_seen[kind] = (kinds_seen[kind] or 0) + 1 end
    if kind and allowed_types and not allowed[kind] then
      add({ "mediaIds", place }, ("must be %s, not %s"):format(table.concat(allowed_types, " or "), tostring(kind)))
    end
  end
  if rules.supportsMixedTypes == false then
    local first = next(kinds_seen)
    if first and next(kinds_seen, first) then add({ "mediaIds" }, "must be all of one kind, not images and videos mixed") end
  end
end

local function check_comments(add, comments, rules)
  if #comments > 0 and rules.supported == false then return add({ "comments" }, "are not supported") end
  for place, comment in ipairs(comments) do
    local minutes = comment.delayInMinutes
    if comment.mediaIds and #comment.mediaIds > 0 and rules.mediaSupported == false then
      add({ "comments", place, "mediaIds" }, "are not supported: comments have no media there")
    end
    if minutes and minutes ~= json.null and rules.delayInMinutesSupported == false then
      add({ "comments", place, "delayInMinutes" }, "is not supported")
    end
  end
end

--- What is wrong with a post for one platform, by that platform's own schema. Pure.
---@param fields table of createPosts, with ids for media
---@param known table<string, loomta.Media> the media, by id
---@param answer { platform: loomta.Platform, schema: table } what getPlatformSchema gave
---@return { path: (string|integer)[], message: string }[] violations none: it will do
function posts.check(fields, known, answer)
  local platform, schema = object(answer.platform), object(answer.schema)
  local violations = {}
  local name = tostring(platform.providerName or platform.provider or "the platform")
  local function add(path, problem)
    local message = ("'%s' %s (%s)"):format(errors.pathText(path), problem, name)
    violations[#violations + 1] = { path = path, message = message }
  end
  local length, most = unicode.characters(fields.content), number(object(schema.content).maxLength)
  if most and length > most then
    add({ "content" }, ("must be at most %s characters, not %d"):format(most, length))
  end
  local id = tostring(platform.id)
  if platform.disabled == true then add({ "platformIds" }, "has a platform that is disabled: " .. id) end
  if platform.refreshNeeded == true then add({ "platformIds" }, "has a platform to be connected anew: " .. id) end
  check_media(add, fields.mediaIds or {}, known, object(schema.media))
  check_settings(add, fields.settings, schema)
  check_comments(add, fields.comments or {}, object(schema.comments))
  return violations
end

local function out_of_time()
  local message = "the checks took longer than 'timeoutMs'; nothing was posted"
  return errors.new { code = "timeout", kind = "timeout", message = message }
end

--- Calls an operation for the job, in what is left of its time.
local function ask(job, name, more)
  local left = job:timeLeft()
  if not left then return nil, out_of_time() end
  local given = options.passedOn(job.given, left)
  for field, value in pairs(more) do given[field] = value end
  return job:call(name, given)
end

--- Adds the media of which only an id is known, from the list; and says which of all are not there or not READY.
local function look_up_media(job, known, violations)
  local wanted = {}
  local function want(ids, path)
    for place, id in ipairs(ids or {}) do
      local way = json.copy(path)
      way[#way + 1] = place
      if not known[id] then wanted[#wanted + 1] = { id = id, way = way } end
    end
  end
  want(job.fields.mediaIds, { "mediaIds" })
  for place, comment in ipairs(job.fields.comments or {}) do want(comment.mediaIds, { "comments", place, "mediaIds" }) end
  if #wanted == 0 then return nil end

  local list, err = ask(job, "listMedia", { maxResponseBytes = job.given.maxResponseBytes or options.longestList })
  if not list then return err end
  for _, media in ipairs(list.media) do
    if type(media) == "table" and type(media.id) == "string" then known[media.id] = known[media.id] or media end
  end
  for _, each in ipairs(wanted) do
    local media = known[each.id]
    if not media then
      local message = ("'%s' is not the id of any media: %s"):format(errors.pathText(each.way), each.id)
      violations[#violations + 1] = { path = each.way, message = message }
    elseif media.status ~= "READY" then
      violations[#violations + 1] = { path = each.way, message = not_ready(each.way, media) }
    end
  end
end

--- Checks a post by the schemas of all its platforms.
---@return loomta.Error? err what is wrong with it, or why that cannot be told
local function validate(job)
  local known, violations = job.fields.knownMedia, {}
  local err = look_up_media(job, known, violations)
  if err then return err end
  for place, id in ipairs(job.fields.platformIds) do
    local answer
    answer, err = ask(job, "getPlatformSchema", { id = id })
    if answer then
      for _, violation in ipairs(posts.check(job.fields, known, answer)) do violations[#violations + 1] = violation end
    elseif err.code == "platform_not_found" then
      local path = { "platformIds", place }
      violations[#violations + 1] = { path = path, message = ("'%s': %s"):format(errors.pathText(path), err.message) }
    else
      return err
    end
  end
  if #violations == 0 then return nil end
  local messages = {}
  for place, violation in ipairs(violations) do messages[place] = violation.message end
  return errors.new { code = "invalid_request", message = table.concat(messages, "; "), details = violations }
end

--- createPosts, as a job's flow: the checks, where they are wanted, the post, and what came of it.
---@param job loomta.Job
---@return table? result, loomta.Error? err, loomta.Info info
function posts.create(job)
  if job.fields.validate then
    local err = validate(job)
    if err then
      err.possiblyStored, err.attempts = false, 0 -- whatever else was asked: nothing was posted
      return nil, err, response.nothingSent()
    end
    local left = job:timeLeft()
    if not left then return nil, out_of_time(), response.nothingSent() end
    job.settings.timeoutMs = left
  end
  local result, err, info = job:send(job.operation, job.fields, job.settings)
  if not result then return nil, err, info end
  posts.judge(result, job.fields.platformIds)
  if #result.failed == 0 then return result, nil, info end
  err = posts.failure(result, info)
  return #result.created > 0 and result or nil, err, info
end

return posts
