--- Runs a job on the caller's own thread until it is done: feeds its reader, reports progress and retries.
--- All callbacks run here, between the engine's steps and never inside libcurl, so they may do anything: raise, yield
--- (not on PUC Lua 5.1), even upload something else with the same client.
-- SPDX-License-Identifier: MIT
local slice_ms = 250 -- how long the engine may keep the thread from Lua's hooks (Ctrl-C)
local progress_ms = 50 -- how often progress is reported, and so how soon `false` cancels
local none_yet_ms = 10 -- how soon a reader that had nothing yet is asked again

local run = {}

local function drive(engine, job, source, call)
  local reported_sent, reported_attempt = -1, 1
  local state, attempts = job:state()

  while true do
    if call.onProgress then
      local sent, total = job:progress()
      if sent ~= reported_sent and (sent > 0 or state ~= "done") then
        reported_sent = sent
        if call.onProgress(sent, total) == false and state ~= "done" then job:cancel() end
        state, attempts = job:state()
      end
    end
    if call.onRetry and state == "waiting" and attempts >= reported_attempt then
      reported_attempt = attempts + 1
      call.onRetry(attempts)
    end
    if state == "done" then return end
    local step_ms = call.onProgress and progress_ms or slice_ms
    if source and source.next and job:hungry() then
      local piece, err = source.next()
      if err then
        job:cancel()
        return err
      end
      if piece == "" then step_ms = none_yet_ms else job:feed(piece) end
    end
    engine:step(step_ms)
    state, attempts = job:state()
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
