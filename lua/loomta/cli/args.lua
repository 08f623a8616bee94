--- What loomta-upload takes on its command line, each option declared once: the help, the completions and the checks come from
--- here.
-- SPDX-License-Identifier: MIT
local argparse = require "argparse"
local version = require "loomta.version"

local args = {}

args.epilog = [[
Commands:
   loomta-upload login     get a key: confirm a code in a browser
   loomta-upload status    say whether there is a key, and whether the server takes it
   loomta-upload logout    remove the key that login has stored
   loomta-upload enqueue, work, results, and status --queue URL
                           a queue on Redis that workers on many machines share; see
                           loomta-upload enqueue --help
   (A file of such a name: ./login)

Examples:
   loomta-upload clip.mp4
   loomta-upload --journal run.jsonl --concurrency 8 clips/
   find . -name '*.webm' -print0 | loomta-upload -0 --folder Takes -
   loomta-upload --dry-run clips/
   loomta-upload --watch renders/ --journal run.jsonl

Environment:
   LOOMTA_API_KEY    the key; else the file ~/.loomta/credentials.json
   LOOMTA_API_URL    another server, such as a sandbox
   LOOMTA_QUEUE_URL  the queue of enqueue, work and results
   NO_COLOR          no colours
   CI                no redrawn lines

Output:
   One file: the media object as JSON; a failure as {"error":{"code","message",...}} on
   stderr
   Several: an id, a TAB and a path for each that is stored; all else goes to stderr
   --json: the "type" of a line is uploaded, skipped, failed, refused, unknown,
   notStarted, missing, error, with --dry-run wouldUpload, and at the end summary. In a
   "file" that is not UTF-8 each wrong byte is U+FFFD, and "fileBytes" has the whole name
   in hexadecimal.

Exit status, the first that applies:
   130, 143  ended by Ctrl-C or SIGTERM (--watch: only when pressed twice)
   2  wrong usage
   3  no key, or one that is refused
   7  ended early, the rest would have failed too
   6  some may have been stored, nobody can tell
   1  some failed, or stdout could not be written
   4  a named file or folder is missing, or there was nothing to upload
   5  some failed, and all of these may succeed later
   0  all done]]

--- An option with a value of its own form: `read` gives what the text means, or nil; `expected` says what it takes.
function args.valued(parser, name, description, argname, read, expected)
  return parser:option(name, description):argname(argname):convert(function(text)
    local value = read(text)
    if value ~= nil then return value end
    return nil, ("option '%s' must be %s, not '%s'"):format(name, expected, text)
  end)
end

function args.wholeNumber(text)
  local number = text:match "^%d+$" and tonumber(text)
  return number and number < 2 ^ 31 and number or nil
end

function args.positive(text)
  local number = args.wholeNumber(text)
  return number and number > 0 and number or nil
end

local units = { [""] = 1, K = 1e3, M = 1e6, G = 1e9, Ki = 2 ^ 10, Mi = 2 ^ 20, Gi = 2 ^ 30 }

--- `2.5M` → bytes a second.
local function rate(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a*)$"
  unit = unit and unit:gsub("^k", "K"):gsub("B$", "")
  local bytes = number and units[unit] and math.floor(tonumber(number) * units[unit])
  return bytes and bytes >= 1 and bytes or nil
end

local seconds = { [""] = 1, ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

--- `10m` → milliseconds.
local function duration(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a*)$"
  local ms = number and seconds[unit] and math.floor(tonumber(number) * seconds[unit] * 1000)
  return ms and ms >= 1 and ms or nil
end

local a_time = "a time such as 30s, 10m or 2h"

--- `keep`, `delete` or `move:DIR`.
local function after(text)
  if text == "keep" or text == "delete" then return { action = text } end
  local folder = text:match "^move:(.+)$"
  return folder and { action = "move", folder = folder } or nil
end

--- Adds what says which files are meant.
---@param parser table
---@return table ... its options
function args.sources(parser)
  parser:argument("PATH", "Files, and folders with all that is in them; - reads a list from stdin."):args "*":target "paths"
  return parser:option("--files-from", "Read a list of paths from FILE, one a line; - is stdin."):argname "FILE",
    parser:flag("-0 --null", "The paths in lists end with a NUL byte instead of a line's end."),
    parser:option("--include", "In folders take only files like this: *.mp4. Can be repeated."):argname "GLOB":count "*",
    parser:option("--exclude", "In folders pass over files and folders like this. Can be repeated."):argname "GLOB":count "*"
end

--- The parser.
---@param public boolean? without what is only there to be refused or rewritten
---@return table
function args.parser(public)
  local parser = argparse("loomta-upload", "Uploads images and videos to Loomta.", args.epilog)
    :usage "Usage: loomta-upload [OPTION]... PATH..."
    :usage_max_width(90):help_max_width(90):help_vertical_space(0)

  local from_list, null, include, exclude = args.sources(parser)
  parser:group("What to upload", from_list, null, include, exclude,
    parser:option("--watch", "Upload what appears in DIR once it stopped growing, until stopped."):argname "DIR",
    args.valued(parser, "--after", "What becomes of a watched file that was stored: keep, delete or move:DIR.", "WHAT", after,
      "keep, delete or move:DIR"),
    parser:flag("-n --dry-run", "Say what would be uploaded and what refused; send nothing. Needs no key."))
  parser:group("Where to",
    parser:option("--folder", "Loomta's folder, by its id or its name."):argname "FOLDER",
    parser:flag("--create-folder", "Make the folder if there is none of that name."),
    parser:option("--name", "What to call the file, if there is only one."):argname "NAME")
  parser:group("How",
    args.valued(parser, "--concurrency", "How many files are under way at once; 4 by default.", "N", args.positive,
      "a number, 1 or more"),
    args.valued(parser, "--bwlimit", "The most bytes a second for all of them: 500K, 2.5M, 10Mi.", "RATE", rate,
      "a number of bytes a second such as 500K, 2.5M or 10Mi"),
    args.valued(parser, "--retries", "How often a file is tried again; 2 by default.", "N", args.wholeNumber,
      "a number, 0 or more"),
    args.valued(parser, "--max-elapsed", "Go on trying a file's temporary failures for so long: 30s, 10m, 2h.", "TIME", duration,
      a_time),
    args.valued(parser, "--timeout", "Give up on a file after so long, retries included.", "TIME", duration, a_time))
  parser:group("Never twice, none lost",
    parser:option("--journal", "Remember in FILE what was uploaded; run again, go on from there."):argname "FILE",
    parser:flag("--checksum", "The journal knows files by their content."),
    parser:flag("--reconcile", "Look for uploads of unknown outcome in Loomta's list, by name and size; --reconcile=exact "
      .. "surely: it adds a random part to every name."),
    parser:flag("--retry-unknown", "Send them again: they may be stored twice."))
  parser:group("What is printed",
    parser:flag("--json", "On stdout one JSON object a line, and a summary at the end."),
    parser:option("--progress", "auto, plain (a line a file) or none."):choices { "auto", "plain", "none" }:default "auto",
    parser:flag("-q --quiet", "Errors only."),
    parser:flag("-v --verbose", "Retries and times, too."),
    parser:flag("--version", "Print the version."),
    parser:option("--completions", "Print the completion script for a shell."):choices { "bash", "zsh", "fish" })
  if public then return parser end
  parser:option("--api-key --key"):args "?":hidden(true)
  parser:flag("--reconcile-exact"):hidden(true)
  return parser
end

--- Takes a `-` among the paths for the list that it stands for.
---@param given table
---@return string? problem
function args.lists(given)
  for at = #given.paths, 1, -1 do
    if given.paths[at] == "-" then
      if given.files_from then return "one list only: --files-from or -" end
      given.files_from = "-"
      table.remove(given.paths, at)
    end
  end
  if given.null and not given.files_from then return "-0 goes with --files-from or -: it is about lists" end
end

--- What one option forbids or needs of another; nil: all is well.
local function conflict(given)
  if given.api_key then
    return "the key is not taken as an argument, where every user of this machine can read it: "
      .. "set LOOMTA_API_KEY, or write ~/.loomta/credentials.json"
  end
  local problem = args.lists(given)
  if problem then return problem end
  local list = #given.paths > 0 or given.files_from
  if given.name and (#given.paths ~= 1 or given.files_from) then return "--name is for one file" end
  if given.watch and list then return "--watch goes with no other paths" end
  if given.after and not given.watch then return "--after goes with --watch" end
  if given.watch and given.dry_run then return "--dry-run and --watch exclude each other" end
  if given.watch and not given.journal and (not given.after or given.after.action == "keep") then
    return "--watch needs --journal, or --after delete or move:DIR: else everything is sent again after a restart"
  end
  if given.checksum and not given.journal then return "--checksum goes with --journal" end
  if given.create_folder and not given.folder then return "--create-folder goes with --folder" end
  if given.quiet and given.verbose then return "--quiet and --verbose exclude each other" end
  if not (list or given.watch or given.completions or given.version) then return "nothing to upload: name a file or a folder" end
end

--- What is wrong with a command line, in one line.
---@param problem string what the parser says, or we
---@param name string of the program or command
---@return string
function args.complaint(problem, name)
  local text = problem:gsub("%s*\nDid you", "; did you"):gsub("%s*\n", "; ")
  return ("%s%s %s --help"):format(text, text:find "%?$" and " Try" or "; try", name)
end

--- Reads a command line.
---@param words string[]
---@return table? given
---@return string? problem
function args.parse(words)
  local rewritten = {}
  local is_option = true
  for at, word in ipairs(words) do
    is_option = is_option and word ~= "--"
    local how = is_option and word:match "^%-%-reconcile=(.*)$"
    if how and how ~= "exact" then return nil, ("option '--reconcile' takes nothing but =exact, not '=%s'"):format(how) end
    rewritten[at] = how and "--reconcile-exact" or word
  end
  local ok, given = args.parser():pparse(rewritten)
  if not ok then return nil, given end
  local problem = conflict(given)
  if problem then return nil, problem end
  return given
end

--- A completion script.
---@param shell "bash"|"zsh"|"fish"
---@return string
function args.completions(shell)
  local parser = args.parser(true)
  return parser["get_" .. shell .. "_complete"](parser)
end

args.version = "loomta-upload " .. version

return args
