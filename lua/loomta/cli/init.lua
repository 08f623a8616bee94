--- The command line tool: reads what is wanted, runs the uploads, and says what came of them.
-- SPDX-License-Identifier: MIT
local account = require "loomta.cli.account"
local args = require "loomta.cli.args"
local core = require "loomta.core"
local files = require "loomta.cli.files"
local folders = require "loomta.cli.folders"
local lfs = require "lfs"
local loomta = require "loomta"
local options = require "loomta.options"
local progress = require "loomta.cli.progress"
local queue = require "loomta.cli.queue"
local report = require "loomta.cli.report"
local stop = require "loomta.cli.stop"
local watch = require "loomta.cli.watch"

local tick_ms = 100
local count_at_once = 500

-- Where stdin, stdout or stderr is closed, a socket would take its place, and what is printed go to a server.
local cli = { places = { io.open "/dev/null", io.open "/dev/null", io.open "/dev/null" } }

--- One named file, and no more: then the output is that of Loomta's own tool.
local function is_single(given)
  return not given.json and not given.dry_run and #given.paths == 1 and not given.files_from and not given.watch
    and lfs.attributes(given.paths[1], "mode") ~= "directory"
end

local function make_progress(given, mode)
  local columns = core.terminal(2)
  local style = given.progress == "none" and "none" or "plain"
  local interactive = columns and (os.getenv "TERM" or "dumb") ~= "dumb" and (os.getenv "CI" or "") == ""
  if given.progress == "auto" and not given.quiet and interactive then style = "terminal" end
  if given.quiet or mode == "single" and style == "plain" and not given.verbose then style = "none" end
  return progress.new {
    mode = style,
    out = io.stderr,
    color = (os.getenv "NO_COLOR" or "") == "",
    size = function() return core.terminal(2) end,
    now = core.now,
  }
end

--- What the library is to be told.
local function options_of(given, folder_id)
  local retries = given.retries
  if given.max_elapsed and not retries then retries = 1000000 end
  return {
    concurrency = given.concurrency,
    maxBytesPerSec = given.bwlimit,
    maxRetries = retries,
    maxElapsedMs = given.max_elapsed,
    timeoutMs = given.timeout,
    journal = given.journal,
    checksum = given.checksum,
    reconcile = given.reconcile_exact and "exact" or given.reconcile,
    retryUnknown = given.retry_unknown,
    folderId = folder_id,
  }
end

--- How many files and bytes there are, found out bit by bit beside the uploads; nil: a list tells only as it is read.
local function counter(given, view)
  if given.files_from or given.watch or view.mode ~= "terminal" then return function() end end
  local each = files.each(given, function() end)
  local count, bytes = 0, 0
  return function()
    for _ = 1, count_at_once do
      if not each then break end
      local path, size = each()
      if path then
        count, bytes = count + 1, bytes + size
      else
        each = nil
      end
    end
    view:total(count, bytes)
  end
end

--- What a file is at the moment, to tell it from what may replace it.
local function identity(path) return table.concat({ core.fileIdentity(path) }, "\0") end

--- Where a watched file goes once it was stored. One that is another by now stays: it is not what was uploaded, and its turn
--- will come.
local function settle_source(given, path, seen, view)
  local after = given.after
  if not after or after.action == "keep" or identity(path) ~= seen then return end
  local ok, why
  if after.action == "delete" then
    ok, why = os.remove(path)
  else
    local target = after.folder .. "/" .. path:match "[^/]+$"
    local stem, extension = target:match "^(.*[^/])(%.[^./]*)$"
    local number = 1
    while lfs.symlinkattributes(target) do -- nothing is overwritten
      number = number + 1
      target = ("%s-%d%s"):format(stem or target, number, extension or "")
    end
    ok, why = os.rename(path, target)
  end
  if not ok then view:note(report.plain(("loomta-upload: %s was uploaded, but stays: %s"):format(path, why)), true) end
end

--- The requests, one by one, as the run asks for them.
local function request_source(given, view, out, watcher, seen)
  local each = watcher and function() return watcher:next() or false end
    or files.each(given, function(path, why) out:absent(path, why) end)
  return function()
    local path, size = each()
    if not path then return path end
    local request = { file = path, fileName = given.name }
    view:expect(request, size)
    if given.after then seen[request] = identity(path) end
    request.onProgress = function(sent, total) view:sent(request, path, sent, total) end
    if given.verbose then
      request.onRetry = function(err, attempt, delay_ms)
        local text = "retry     %s  attempt %d: %s; again in %.1f s"
        view:note(text:format(report.plain(path), attempt, tostring(err), delay_ms / 1000))
      end
    end
    return request
  end
end

local function dry_run(given, client, out)
  for path in files.each(given, function(missing, why) out:absent(missing, why) end) do
    if path then out:would(path, client:preflight { file = path, fileName = given.name }) end
    if out.gone then return end
  end
end

--- Runs uploads to their end.
local function upload(given, client, out, view, folder_id)
  local watcher, why
  if given.watch then
    watcher, why = watch.new { folder = given.watch, accept = files.filter(given), now = core.now }
    if not watcher then return out:absent(given.watch, why) end
    view:note(("watching %s (%s)"):format(report.plain(given.watch), watcher.kind))
  end
  local seen = {} -- by request: what the file was when it was given to the run
  local stopping = stop.watch()
  local count_more = counter(given, view)
  local run = client:uploads(request_source(given, view, out, watcher, seen), options_of(given, folder_id))
  local told = false -- a file's end told what ended the run
  repeat
    run:wait(tick_ms)
    for media, err, request, info in run:ready() do
      if not request then
        out:refuse(err)
      else
        local outcome = out:add(request.file, media, err, info, request)
        told = told or err and run.fatal and err.code == run.fatal.code
        local stored = outcome == "uploaded" or outcome == "skipped"
        if watcher and stored then settle_source(given, request.file, seen[request], view) end
        seen[request] = nil
      end
    end
    count_more()
    stopping:obey(run, function(text) view:note(text) end)
    if out.gone then run:stop() end -- nobody reads what comes of it; what is under way may still end well
    view:tick()
  until run:done()
  stopping:restore()
  if watcher then watcher:close() end
  if run.fatal and not told then out:trouble(run.fatal) end
  -- That watching ends by a signal is how it ends.
  local signal = stopping.signal
  if given.watch and stopping.obeyed == 1 and signal then signal = nil end
  return run.fatal, signal
end

--- Is a folder, or something in it, the other one?
local function is_within(path, folder)
  local wanted = lfs.attributes(folder)
  while wanted do
    local found = lfs.attributes(path)
    if not found then return false end
    if found.dev == wanted.dev and found.ino == wanted.ino then return true end
    local above = lfs.attributes(path .. "/..")
    if not above or above.dev == found.dev and above.ino == found.ino then return false end
    path = path .. "/.."
  end
  return false
end

--- What the files that were named rule out.
local function unfit(given)
  -- What follows a misspelt command would be uploaded, and nothing can be taken back.
  local first = given.paths[1]
  if first and (given.paths[2] or given.files_from) and not lfs.symlinkattributes(first) then
    local command = options.nearest(first, account.commands, queue.commands)
    if command then return ("there is no file '%s'; did you mean the command '%s'?"):format(first, command) end
  end
  if given.name and lfs.attributes(given.paths[1], "mode") == "directory" then return "--name is for one file, not a folder" end
  local target = given.after and given.after.folder
  if not target then return nil end
  if lfs.attributes(target, "mode") ~= "directory" then return ("--after: there is no folder '%s'"):format(target) end
  if is_within(target, given.watch) then
    return "--after: files that are moved to within the watched folder would be uploaded again"
  end
end

--- Runs the tool.
---@param words string[]
---@return integer status for os.exit
function cli.main(words)
  if queue.isMeant(words) then return queue.run(words) end
  if account.commands[words[1]] then return account.run(words) end
  local given, problem = args.parse(words)
  if not given then
    report.say(args.complaint(problem, "loomta-upload"))
    return 2
  elseif given.version then
    print(args.version)
    return 0
  elseif given.completions then
    io.stdout:write(args.completions(given.completions))
    return 0
  end
  local mode = given.json and "json" or is_single(given) and "single" or "list"
  problem = unfit(given)
  if problem then
    report.say(args.complaint(problem, "loomta-upload"))
    return 2
  end
  local view = make_progress(given, mode)
  local out = report.new { mode = mode, quiet = given.quiet, verbose = given.verbose, progress = view,
    shared = view.mode == "terminal" and core.terminal(1) ~= nil }
  if given.verbose then view:note(("%s, libcurl %s, %s"):format(args.version, core.libcurlVersion(), _VERSION)) end

  local began = core.now()
  local client, err = loomta.new {}
  if client and not given.dry_run then err = account.keyProblem(client) end
  local fatal, signal, folder_id
  if err then
    out:refuse(err)
  elseif given.dry_run then
    dry_run(given, client, out)
  else
    folder_id, err = folders.find(client, given.folder, given.create_folder)
    if err and err.code == "folder_not_found" then
      out:absent(given.folder, err.message, err.code)
    elseif err then
      out:refuse(err)
    else
      fatal, signal = upload(given, client, out, view, folder_id)
    end
  end
  if out:isEmpty() and not (given.watch or signal) then
    out:absent(given.files_from == "-" and "stdin" or given.paths[1] or given.files_from, "nothing to upload")
  end
  view:close()
  local status = out:status(fatal, signal)
  out:summarize(status, core.now() - began)
  if out.gone then report.lost(out.gone) end
  if client then client:close() end
  return status
end

return cli
