--- Runs a job on the caller's own thread until it is done: feeds its reader, reports progress and retries.
--- All callbacks run here, between the engine's steps and never inside libcurl, so they may do anything: raise, yield
--- (not on PUC Lua 5.1), even upload something else with the same client.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"

local slice_ms = 250 -- how long the engine may keep the thread from Lua's hooks (Ctrl-C)
local progress_ms = 50 -- how often progress is reported, and so how soon `false` cancels
local none_yet_ms = 10 -- how soon a reader that had nothing yet is asked again

local run = {}

--- Reports progress when there is some, but not too often.
local function progress_reporter(job, on_progress)
  local reported, next_ms = nil, 0
  return function(state)
    local sent, total = job:progress()
    if sent == reported or (state ~= "done" and core.now() < next_ms) or (state == "done" and sent == 0) then return end
    reported, next_ms = sent, core.now() + progress_ms
    if on_progress(sent, total) == false then job:cancel() end
  end
end

local function drive(engine, job, source, call)
  local report = call.onProgress and progress_reporter(job, call.onProgress)
  local retries_told = 0

  while true do
    local state, attempts = job:state()
    if report then report(state) end
    if call.onRetry and state == "waiting" and attempts > retries_told then
      retries_told = attempts
      call.onRetry(attempts)
    end

    local step_ms = report and progress_ms or slice_ms
    if source and source.next and job:hungry() then
      local piece, err = source.next()
      if err then
        job:cancel()
        return err
      end
      if piece == "" then
        step_ms = none_yet_ms
      elseif job:hungry() then -- still: the reader may have canceled or closed what it feeds
        job:feed(piece)
      end
    end
    if job:state() == "done" then
      if report then report "done" end
      return
    end
    engine:step(step_ms)
  end
end

--- Runs `job` to its end. What a callback or the reader raises is raised again, when the job is canceled and closed.
---@param engine userdata
---@param job userdata
---@param source loomta.Source?
---@param call { onProgress: function?, onRetry: fun(attempt: integer)? }
---@return loomta.Error? err of the reader; the job's own outcome is in job:result()
function run.toEnd(engine, job, source, call)
  local ok, err = pcall(drive, engine, job, source, call)
  if ok then return err end
  job:close()
  error(err, 0)
end

return run
