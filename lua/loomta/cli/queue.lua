--- loomta-upload's commands about a queue that many workers share: enqueue, work, status and results.
-- SPDX-License-Identifier: MIT
local argparse = require "argparse"
local args = require "loomta.cli.args"
local core = require "loomta.core"
local errors = require "loomta.errors"
local files = require "loomta.cli.files"
local folders = require "loomta.cli.folders"
local json = require "loomta.json"
local loomta = require "loomta"
local report = require "loomta.cli.report"
local stop = require "loomta.cli.stop"
local types = require "loomta.types"

local say, fail = report.say, report.fail

local queue = {}

--- Prints a line of data; says it where nobody can read it.
local function print_line(text)
  local ok, why = report.data(text)
  if not ok then report.lost(why) end
  return ok
end

local function enqueue_options(parser)
  args.sources(parser)
  parser:option("--folder", "Loomta's folder, by its name or id."):argname "FOLDER"
  parser:flag("--create-folder", "Make that folder where there is none.")
  parser:flag("-n --dry-run", "Print the paths that would be queued, say which files would be refused; ask nobody.")
end

--- What is wrong with the words for enqueue.
local function enqueue_problem(given)
  local problem = args.lists(given)
  if problem then return problem end
  if #given.paths == 0 and not given.files_from then return "nothing to queue: name a file or a folder" end
  if given.create_folder and not given.folder then return "--create-folder goes with --folder" end
end

--- Prints what would be queued.
local function dry_run(each)
  local client, err = loomta.new {}
  if not client then return fail(err) end
  local refused = 0
  for path in each do
    local described, why
    if path then described, why = client:preflight { file = path } end
    if described then
      print(report.plain(path))
    elseif path then
      refused = refused + 1
      say(("refused: %s: %s"):format(path, tostring(why)))
    end
  end
  client:close()
  return refused > 0 and 1 or 0
end

--- The id of the folder that was named. For an id nobody is asked.
local function find_folder(given)
  if not given.folder or types.folderId(given.folder) then return given.folder end
  local client, err = loomta.new {}
  if client then err = require("loomta.cli.account").keyProblem(client) end
  if err then return nil, err end
  local id
  id, err = folders.find(client, given.folder, given.create_folder)
  client:close()
  return id, err
end

local function enqueue(given, opened)
  local missing = 0
  local function complain(path, why)
    missing = missing + 1
    say(("missing: %s: %s"):format(path, why))
  end
  local each = files.each(given, complain)
  if given.dry_run then
    local code = dry_run(each)
    return code == 0 and missing > 0 and 4 or code
  end
  local folder, problem = find_folder(given)
  if problem then return fail(problem) end
  local stopping = stop.watch()
  local caught
  local counts, err = opened:enqueue(function() return (each()) end, {
    folderId = folder,
    onError = function(path, why) complain(path, tostring(why)) end,
    onTick = function()
      caught = stopping:caught()
      return not caught
    end,
  })
  stopping:restore()
  if not counts then return fail(err, caught) end
  local told = print_line(("{\"enqueued\":%d,\"known\":%d,\"missing\":%d}"):format(counts.enqueued, counts.known, missing))
  if caught then return 128 + caught end
  return not told and 1 or missing > 0 and 4 or 0
end

local function lease(text)
  local seconds = args.positive(text)
  return seconds and seconds * 1000
end

local function json_option(parser) parser:flag("--json", "JSON on a terminal, too.") end

--- Is what it prints for a person?
local function for_people(given) return core.terminal(1) and not given.json end

local function work_options(parser)
  local function count(name, about) args.valued(parser, name, about, "N", args.positive, "a number, 1 or more") end
  count("--concurrency", "How many files are under way at once; 4 by default.")
  args.valued(parser, "--lease", "After so long others take over what a silent worker had; 60 by default.", "SECONDS", lease,
    "a number of seconds, 1 or more")
  count("--deliveries", "How often a file is tried before it is a dead letter; 5 by default.")
  count("--rate", "The most files a second that all workers together begin.")
  args.valued(parser, "--retries", "How often a request is tried again; 2 by default.", "N", args.wholeNumber,
    "a number, 0 or more")
  parser:flag("--wait", "When the queue is empty, wait for more.")
  parser:flag("-q --quiet", "Print no line for each file.")
  json_option(parser)
end

--- Did the server not take a file that it may take later?
local function is_outage(record)
  local err = record.type == "returned" and record.error
  return err and err.retryable and err.kind ~= "canceled" and not err.code:find "^queue_" or false
end

local function work(given, opened)
  local client, err = loomta.new {}
  if client then err = require("loomta.cli.account").keyProblem(client) end
  if err then return fail(err) end
  local stopping = stop.watch()
  local gone, counts
  local line_of, waits = for_people(given) and report.text or report.line, false
  local function on_result(record)
    if not given.quiet then
      local ok, why = report.data(line_of(record))
      if not ok then gone = why end
    end
    local outage = is_outage(record)
    if outage == waits or not (outage or record.type == "uploaded") then return end
    waits = outage
    say(outage and "waiting: " .. tostring(errors.copy(record.error)) or "the server answers again")
  end
  counts, err = opened:work {
    client = client, concurrency = given.concurrency, leaseMs = given.lease, maxDeliveries = given.deliveries,
    filesPerSecond = given.rate, maxRetries = given.retries, wait = given.wait,
    onResult = on_result,
    onOutage = function(why) say(why and "waiting: " .. tostring(why) or "the queue answers again") end,
    onTick = function(run) stopping:obey(run, say) end,
  }
  stopping:restore()
  client:close()
  local caught = stopping.signal
  if not counts then return fail(err, caught) end
  local words = {}
  for _, name in ipairs { "done", "failed", "unknown", "dead", "returned", "lost" } do
    words[#words + 1] = ("%d %s"):format(counts[name], name)
  end
  say(table.concat(words, ", "))
  if gone then report.lost(gone) end
  if err then
    fail(err)
    return caught and 128 + caught or err.kind == "auth" and counts.done == 0 and 3 or 7
  end
  if caught then return given.wait and stopping.obeyed == 1 and 0 or 128 + caught end
  return counts.unknown > 0 and 6 or (gone or counts.failed + counts.dead > 0) and 1 or 0
end

--- Seconds for people.
local function duration(seconds)
  if not seconds then return "nobody can tell yet" end
  if seconds < 90 then return ("%.0f s"):format(seconds) end
  if seconds < 5400 then return ("%.0f min"):format(seconds / 60) end
  return ("%.1f h"):format(seconds / 3600)
end

local function status(given, opened)
  local found, err = opened:status()
  if not found then return fail(err) end
  if not for_people(given) then return print_line((json.render(found))) and 0 or 1 end
  local function row(name, value) print(("%-10s %s"):format(name, value)) end
  row("queue", found.name)
  for _, pair in ipairs { { "queued", "queued" }, { "in flight", "inFlight" }, { "done", "done" }, { "failed", "failed" },
    { "unknown", "unknown" }, { "dead", "dead" } } do row(pair[1], ("%d"):format(found[pair[2]])) end
  row("rate", ("%d a minute"):format(found.filesPerMinute))
  row("time left", duration(found.secondsLeft))
  if found.holdMs > 0 then row("held", "for " .. duration(found.holdMs / 1000)) end
  local names = {}
  for name in pairs(found.consumers) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do row("worker", ("%d  %s"):format(found.consumers[name], report.plain(name))) end
  return 0
end

local function results_options(parser)
  parser:option("--since", "Only what came after this \"id\"."):argname "ID"
  parser:flag("--follow", "Wait for more, until stopped.")
  parser:flag("--remove", "Take from Redis what was printed.")
end

local function results(given, opened)
  if given.since and not given.since:find "^%d+%-%d+$" then
    say "--since must be an \"id\" that results has printed; try loomta-upload results --help"
    return 2
  end
  local stopping = stop.watch()
  local code = 0
  for record, id in opened:results { since = given.since, follow = given.follow, remove = given.remove } do
    if record then
      record.id = id
      if not print_line(report.line(record)) then
        code = 1
        break
      end
    elseif id then
      code = fail(id)
    end
    local caught = stopping:caught()
    if caught then
      code = given.follow and 0 or 128 + caught
      break
    end
  end
  stopping:restore()
  return code
end

queue.commands = {
  enqueue = { run = enqueue, options = enqueue_options, problem = enqueue_problem, needless = "dry_run",
    about = "Put files into a queue that workers on any number of machines share; a file is queued once." },
  work = { run = work, options = work_options,
    about = "Upload what is queued, until there is no more. A line for each file: for people on a terminal, else JSON." },
  status = { run = status, options = json_option, about = "Say how a queue stands: a table on a terminal, else JSON." },
  results = { run = results, options = results_options,
    about = "Print what came of each file, as loomta-upload --json does, one JSON object a line." },
}

--- Is this a command about a queue? `status` alone is about the key.
---@param words string[]
---@return boolean
function queue.isMeant(words)
  if words[1] ~= "status" then return queue.commands[words[1]] ~= nil end
  for place = 2, #words do
    if words[place] == "--queue" or words[place]:find "^%-%-queue=" then return true end
  end
  return false
end

--- Runs one of the commands.
---@param words string[] the command line
---@return integer status for os.exit
function queue.run(words)
  local command = queue.commands[words[1]]
  local name = "loomta-upload " .. words[1]
  local parser = argparse(name, command.about):help_max_width(90)
  parser:option("--queue", "Where the queue is: redis://[user:password@]host[:port]/db/NAME, or rediss:// for TLS. Without it, "
    .. "or as env: what LOOMTA_QUEUE_URL says, which other users of the machine cannot read."):argname "URL"
  parser:option("--ca-file", "Whom to trust with rediss://; by default whom the system trusts."):argname "FILE"
  command.options(parser)
  local ok, given = parser:pparse({ (table.unpack or unpack)(words, 2) })
  local problem = not ok and given or command.problem and command.problem(given)
  if problem then
    say(args.complaint(problem, name))
    return 2
  end
  if command.needless and given[command.needless] then return command.run(given) end
  local opened, err = loomta.queue { url = given.queue ~= "env" and given.queue or nil, caFile = given.ca_file }
  if not opened then
    err.message = err.message:gsub("^'url'", "--queue"):gsub("give url,", "give --queue,")
    return fail(err)
  end
  local code = command.run(given, opened)
  opened:close()
  return code
end

return queue
