-- loomta-upload: what it prints, where, and its exit status.
local cjson = require "cjson"
local cli = require "spec.support.cli"
local files = require "spec.support.files"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local key = "loomta_sk_never_to_be_seen"
local clip, picture, gif = "spec/fixtures/clip.mp4", "spec/fixtures/gradient.jpg", "spec/fixtures/animated.gif"

local box, home, folder

local function options(more)
  local given = { env = { LOOMTA_API_KEY = key, LOOMTA_API_URL = box.url, HOME = home, CI = false, NO_COLOR = false } }
  for name, value in pairs(more or {}) do
    if name == "env" then
      for variable, text in pairs(value) do given.env[variable] = text end
    else
      given[name] = value
    end
  end
  return given
end

local function checked(run)
  assert.is_nil(run.out:find(key, 1, true), "the key is in stdout")
  assert.is_nil(run.err:find(key, 1, true), "the key is in stderr")
  assert.is_nil(run.err:find("traceback", 1, true), run.err)
  return run
end

local function upload(words, more) return checked(cli.run(words, options(more))) end

local function start(words, more) return cli.start(words, options(more)) end

local function has(text, part) assert.truthy(text:find(part, 1, true), ("'%s' is not in: %s"):format(part, text)) end

local function hasnt(text, part) assert.is_nil(text:find(part, 1, true), ("'%s' is in: %s"):format(part, text)) end

local function stored() return (select(2, box:media())) end

--- Makes files to upload, all different.
local function clips(count)
  local bytes, paths = files.read(clip), {}
  for i = 1, count do paths[i] = files.write(("%s/%02d.mp4"):format(folder, i), bytes .. ("\0"):rep(i)) end
  return paths
end

local function with(words, more)
  local all = {}
  for _, word in ipairs(words) do all[#all + 1] = word end
  for _, word in ipairs(more) do all[#all + 1] = word end
  return all
end

--- Waits until the server has all of a request and did not answer yet.
local function eventually_held()
  cli.eventually(function()
    for _, request in ipairs(box:requests()) do
      if request.bodyComplete and not tonumber(request.status) then return true end
    end
  end, "no request was held")
end

setup(function() box = sandbox.start { args = { "--key", key } } end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  home, folder = files.shell "mktemp -d", files.shell "mktemp -d"
end)
after_each(function()
  cli.killAll()
  files.shell(("rm -rf %s %s"):format(home, folder))
end)

describe("loomta-upload", function()
  describe("with one file", function()
    it("prints the media object, and nothing else", function()
      local run = upload { clip }
      assert.equal(0, run.status)
      assert.equal("", run.err)
      assert.equal(1, #cli.lines(run.out))
      local media = cjson.decode(run.out)
      assert.equal(box:media()[1].id, media.id)
      assert.equal("clip.mp4", media.originalFileName)
      has(run.out, box.url) -- no escaped slashes
    end)

    it("takes a name for it", function()
      assert.equal("Föhn.mp4", cjson.decode(upload({ "--name", "Föhn.mp4", clip }).out).originalFileName)
    end)

    for what, case in pairs {
      ["is refused"] = { gif, "unsupported_media_type", 1 },
      ["is not there"] = { "/nowhere.mp4", "file_read_failed", 4, "cannot upload '/nowhere.mp4': No such file or directory" },
    } do
      it("prints a failure as JSON on stderr when it " .. what, function()
        local run = upload { case[1] }
        assert.equal(case[3], run.status)
        assert.equal("", run.out)
        local failure = cjson.decode(run.err)
        assert.equal(case[2], failure.error.code)
        has(failure.error.message, case[4] or "is a GIF image")
        assert.equal(0, #box:requests())
      end)
    end

    it("prints the server's failure as JSON on stderr", function()
      box:fault { status = 413, code = "too_large", message = "Too large." }
      local run = upload { clip }
      assert.equal(1, run.status)
      assert.same({ error = { code = "too_large", message = "Too large." } }, cjson.decode(run.err))
    end)

    it("says in a failure what its message does not: that it may have been stored, why, and what is wrong with which field", function()
      box:fault { status = 500, message = "Oh." }
      assert.is_true(cjson.decode(upload({ clip }).err).error.possiblyStored)
      local unreachable = upload({ "--retries", "0", clip }, { env = { LOOMTA_API_URL = "http://127.0.0.1:1" } })
      has(cjson.decode(unreachable.err).error.cause, "127.0.0.1 port 1")
      local run = upload { "--folder", "00000000-0000-4000-8000-000000000000", clip }
      assert.equal("folderId", cjson.decode(run.err).error.details[1].path[1])
    end)

    it("tells more with --verbose", function()
      box:fault { status = 503, retryAfter = "0" }
      local run = upload { "--verbose", clip }
      assert.equal(0, run.status)
      assert.equal(1, #cli.lines(run.out))
      has(run.err, "libcurl ")
      has(run.err, "attempt 2")
    end)

    it("tells of a retry while it waits for that", function()
      box:fault { status = 503, retryAfter = "60" }
      local running = start { "--verbose", clip }
      cli.eventually(function() return running:said():find("retry     " .. clip, 1, true) end)
      running:signal "INT"
      running:signal "INT"
      local run = checked(running:wait())
      assert.equal(130, run.status)
      has(run.err, "HTTP 503")
    end)
  end)

  describe("with several files", function()
    it("prints ids and paths on stdout, all else on stderr", function()
      local run = upload { clip, picture }
      assert.equal(0, run.status)
      local paths = {}
      for _, line in ipairs(cli.lines(run.out)) do
        local id, path = line:match "^(%S+)\t(.*)$"
        assert.equal(36, #id)
        paths[#paths + 1] = path
      end
      table.sort(paths)
      assert.same({ clip, picture }, paths)
      has(run.err, "uploaded  " .. clip)
      has(run.err, "2 uploaded; ")
    end)

    it("goes on after failures", function()
      local run = upload { gif, clip, picture }
      assert.equal(1, run.status)
      assert.equal(2, #cli.lines(run.out))
      has(run.err, "refused   " .. gif .. "  unsupported_media_type")
      has(run.err, "2 uploaded, 1 refused")
    end)

    it("says nothing but errors with --quiet", function()
      assert.equal("", upload({ "--quiet", clip, picture }).err)
      local run = upload { "--quiet", clip, gif }
      assert.equal(1, #cli.lines(run.err))
      has(run.err, gif)
    end)

    it("uploads a folder, with what is wanted of it", function()
      clips(3)
      files.write(folder .. "/notes.txt", "notes")
      local run = upload { "--include", "*.mp4", "--exclude", "02*", folder }
      assert.equal(0, run.status)
      assert.equal(2, #cli.lines(run.out))
      assert.equal(2, stored())
    end)

    it("does not print what a terminal would obey", function()
      local evil = files.write(folder .. "/a\27[2J\nb.mp4", files.read(clip))
      local run = upload { evil, picture }
      assert.equal(0, run.status)
      assert.equal(2, #cli.lines(run.out))
      has(run.out, [[a\x1b[2J\nb.mp4]])
      has(run.err, [[a\x1b[2J\nb.mp4]])
      hasnt(run.out .. run.err, "\27")
    end)
  end)

  describe("list", function()
    it("comes from a file or from stdin", function()
      local list = files.write(folder .. "/list", clip .. "\n\n" .. picture .. "\n")
      assert.equal(2, #cli.lines(upload({ "--files-from", list }).out))
      assert.equal(2, #cli.lines(upload({ "-" }, { stdin = list }).out))
      assert.equal(2, #cli.lines(upload({ "--files-from", "-" }, { stdin = list }).out))
      assert.equal(3, #cli.lines(upload({ "-", clip }, { stdin = list }).out))
    end)

    it("may end names with NUL bytes", function()
      local odd = files.write(folder .. "/a\nb.mp4", files.read(clip))
      local run = upload({ "-0", "-" }, { stdin = files.write(folder .. "/list", odd .. "\0" .. picture .. "\0") })
      assert.equal(0, run.status)
      assert.equal(2, stored())
    end)
  end)

  describe("with --json", function()
    it("prints an object for each outcome, and a summary", function()
      box:fault { status = 413, code = "too_large" }
      local paths = clips(3)
      local run = upload(with({ "--json", "--concurrency", "1", gif, "/nowhere" }, paths))
      assert.equal(1, run.status)
      local found, summary = cli.objects(run.out)
      assert.equal(2, #found.uploaded)
      assert.equal("string", type(found.uploaded[1].media.id))
      assert.equal(1, found.uploaded[1].info.attempts)
      assert.equal(found.uploaded[1].media.size, found.uploaded[1].size)
      assert.equal(gif, found.refused[1].file)
      assert.equal("unsupported_media_type", found.refused[1].error.code)
      assert.equal("/nowhere", found.missing[1].file)
      assert.same({ "too_large", "api", 413, false, false, 1 }, {
        found.failed[1].error.code, found.failed[1].error.kind, found.failed[1].error.status, found.failed[1].error.retryable,
        found.failed[1].error.possiblyStored, found.failed[1].error.attempts,
      })
      assert.same({ 2, 0, 1, 1, 0, 0, 1, 1 }, {
        summary.uploaded, summary.skipped, summary.failed, summary.refused, summary.unknown, summary.notStarted,
        summary.missing, summary.exitCode,
      })
      assert.equal(found.uploaded[1].size + found.uploaded[2].size, summary.bytes)
      assert.equal("number", type(summary.durationMs))
    end)

    it("prints an object for a single file too", function()
      local found, summary = cli.objects(upload({ "--json", clip }).out)
      assert.equal(clip, found.uploaded[1].file)
      assert.equal(0, summary.exitCode)
    end)

    it("is JSON for names that are not UTF-8, and leaves those that are as they are", function()
      local odd = files.write(folder .. "/\255\194.mp4", files.read(clip))
      local good = files.write(folder .. "/Föhn 日本 😀.mp4", files.read(clip))
      local run = upload { "--json", odd, good }
      for _, object in ipairs(cli.objects(run.out).uploaded) do
        if object.fileBytes then
          assert.equal(folder .. "/\239\191\189\239\191\189.mp4", object.file)
          assert.equal(odd, (object.fileBytes:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)))
        else
          assert.equal(good, object.file)
          assert.equal("Föhn 日本 😀.mp4", object.media.originalFileName)
        end
      end
    end)

    it("says what kept it from beginning", function()
      local found, summary = cli.objects(upload({ "--json", clip }, { env = { LOOMTA_API_KEY = false } }).out)
      assert.equal("missing_api_key", found.error[1].error.code)
      assert.equal(3, summary.exitCode)
    end)
  end)

  describe("with --dry-run", function()
    it("sends nothing, needs no key, and tells what would be", function()
      local run = upload({ "--dry-run", clip, gif, picture }, { env = { LOOMTA_API_KEY = false } })
      assert.equal(1, run.status)
      assert.equal(0, #box:requests())
      has(run.out, "video/mp4\t" .. #files.read(clip) .. "\t" .. clip)
      has(run.err, "refused   " .. gif)
      has(run.err, "2 to upload, 1 refused; 4.2 kB")
    end)

    it("has its own types in JSON", function()
      local found, summary = cli.objects(upload({ "--dry-run", "--json", clip, gif, "/nowhere" }).out)
      assert.equal("video/mp4", found.wouldUpload[1].mimeType)
      assert.equal(#files.read(clip), found.wouldUpload[1].size)
      assert.equal(gif, found.refused[1].file)
      assert.same({ 1, 1, 1, #files.read(clip) }, { summary.wouldUpload, summary.refused, summary.missing, summary.bytes })
    end)
  end)

  describe("folder", function()
    it("is found by its id or its name", function()
      upload { "--folder", "Takes", "--create-folder", clip }
      local id = box:media()[1].folderId
      assert.equal(36, #id)
      assert.equal(id, cjson.decode(upload({ "--folder", "Takes", clip }).out).folderId)
      assert.equal(id, cjson.decode(upload({ "--folder", "Takes", "--create-folder", clip }).out).folderId)
      assert.equal(id, cjson.decode(upload({ "--folder", id, clip }).out).folderId)
    end)

    it("is asked for when it is not there", function()
      local run = upload { "--folder", "Takes", clip, picture }
      assert.equal(4, run.status)
      has(run.err, "no folder is called 'Takes'; --create-folder makes it")
      run = upload { "--folder", "Takes", clip }
      assert.equal("no folder is called 'Takes'; --create-folder makes it", cjson.decode(run.err).error.message)
      assert.equal(0, stored())
    end)

    it("must be the only one of its name", function()
      for _ = 1, 2 do
        local client = assert(loomta.new { apiKey = key, baseUrl = box.url })
        assert(client:createMediaFolder { name = "Takes" })
        client:close()
      end
      local run = upload { "--folder", "Takes", clip }
      assert.equal(4, run.status)
      has(cjson.decode(run.err).error.message, "2 folders are called 'Takes'")
      assert.equal(0, stored())
    end)
  end)

  describe("with a journal", function()
    it("skips what was uploaded before", function()
      local journal = folder .. "/journal"
      local words = { "--json", "--journal", journal, clip, picture }
      upload(words)
      local run = upload(words)
      assert.equal(0, run.status)
      local found, summary = cli.objects(run.out)
      assert.equal(2, #found.skipped)
      assert.equal(36, #found.skipped[1].media.id)
      assert.same({ 0, 2 }, { summary.uploaded, summary.skipped })
      assert.equal(2, stored())
    end)

    it("says why it ended early, where the disk is full once a file was uploaded", function()
      local preload = folder .. "/disk.so"
      files.shell(("cc -D_GNU_SOURCE -shared -fPIC -o %s spec/support/disk.c -ldl"):format(preload))
      local env = { LD_PRELOAD = preload, DISK_FILE = ".journal", DISK_ROOM = "600" } -- for that it was started, not for its end
      for place, more in ipairs { {}, { "--json" }, { picture } } do
        local words = with({ "--journal", ("%s/%d.journal"):format(folder, place), "--concurrency", "1", clip }, more)
        local run = upload(words, { env = env })
        assert.equal(7, run.status)
        assert.truthy(#run.out > 0)
        local said = more[1] == "--json" and cli.objects(run.out).error[1].error.cause or run.err
        has(said, "No space left on device")
      end
    end)

    it("tells the size of what an earlier run has sent and this one has found", function()
      local journal = folder .. "/journal"
      box:fault { disconnect = "reset", at = "response" }
      assert.equal(6, upload({ "--journal", journal, clip, picture }).status)
      local run = upload { "--journal", journal, "--reconcile", clip, picture }
      assert.equal(0, run.status)
      local file, size = run.err:match "uploaded  (%S+)  ([%d.]+ k?B), found in the list\n"
      assert.equal(file == clip and "3.8 kB" or "380 B", size, run.err)
      has(run.err, "1 uploaded, 1 there already; " .. size)
    end)

    it("says so when it cannot be used", function()
      local run = upload { "--journal", folder .. "/none/journal", clip, picture }
      assert.equal(1, run.status)
      has(run.err, "journal_failed")
      assert.equal(0, #box:requests())
    end)
  end)

  describe("exit status", function()
    it("is 3 without a key, or with one that is refused", function()
      for _, value in ipairs { false, "loomta_sk_other", "not one word" } do
        local run = upload({ clip, picture }, { env = { LOOMTA_API_KEY = value } })
        assert.equal(3, run.status)
        assert.equal("", run.out)
      end
      assert.equal("missing_api_key", cjson.decode(upload({ clip }, { env = { LOOMTA_API_KEY = false } }).err).error.code)
    end)

    it("is 2 where the key would go unencrypted, which is said once, and of no option of the library", function()
      for _, words in ipairs { { clip, picture }, { clip }, { "status" }, { "work", "--queue", "redis://127.0.0.1:1/0/none" } } do
        local run = upload(words, { env = { LOOMTA_API_URL = "http://upload.invalid" } })
        assert.equal(2, run.status)
        assert.equal("", run.out)
        assert.equal(1, #cli.lines(run.err))
        has(run.err, "the key would go unencrypted to http://upload.invalid; use https://")
        hasnt(run.err, "allowHttp")
      end
    end)

    it("is 0 with the key in its file", function()
      files.shell(("mkdir -m 700 %s/.loomta"):format(home))
      local path = files.write(home .. "/.loomta/credentials.json", cjson.encode { apiKey = key, apiUrl = box.url })
      local env = { LOOMTA_API_KEY = false, LOOMTA_API_URL = false }
      files.shell("chmod 644 " .. path)
      assert.equal(3, upload({ clip }, { env = env }).status)
      files.shell("chmod 600 " .. path)
      assert.equal(0, upload({ clip }, { env = env }).status)
    end)

    it("is 4 when something is missing or there is nothing, 1 when something failed too", function()
      assert.equal(4, upload({ clip, "/nowhere" }).status)
      assert.equal(1, stored())
      assert.equal(1, upload({ gif, "/nowhere" }).status)
      assert.equal(4, upload({ folder }).status)
      assert.equal(4, upload({ "-" }).status)
      assert.equal(4, upload({ "--files-from", "/nowhere" }).status)
    end)

    it("is 5 when the server asks for more patience than we have, and for how much is said", function()
      box:fault { status = 429, retryAfter = "600", times = 2 }
      local run = upload { "--json", clip }
      assert.equal(5, run.status)
      assert.equal(600000, cli.objects(run.out).failed[1].error.retryAfterMs)
      run = upload { clip }
      assert.equal(5, run.status)
      assert.equal(600000, cjson.decode(run.err).error.retryAfterMs)
    end)

    it("is 5 when all failures may pass", function()
      box:fault { status = 503, retryAfter = "0", times = 2 }
      assert.equal(5, upload({ "--retries", "0", clip, picture }).status)
      box:fault { status = 503, retryAfter = "0" }
      assert.equal(1, upload({ "--retries", "0", clip, gif }).status)
      box:fault { status = 503, retryAfter = "0" }
      assert.equal(0, upload({ "--retries", "1", clip, picture }).status)
    end)

    it("is 5 when the server cannot be asked for the folder", function()
      assert.equal(5, upload({ "--folder", "Takes", "--retries", "0", clip }, { env = { LOOMTA_API_URL = "http://127.0.0.1:1" } }).status)
    end)

    it("is 6 when nobody knows whether it was stored", function()
      box:fault { disconnect = "reset", at = "response" }
      local run = upload { "--json", clip, gif }
      assert.equal(6, run.status)
      local found, summary = cli.objects(run.out)
      assert.equal("outcome_unknown", found.unknown[1].error.code)
      assert.is_true(found.unknown[1].error.possiblyStored)
      assert.equal(1, summary.unknown)
    end)

    it("is 0 when it was found in the list", function()
      for _, word in ipairs { "--reconcile", "--reconcile=exact" } do
        box:reset()
        box:fault { disconnect = "reset", at = "response" }
        local run = upload { "--json", word, clip }
        assert.equal(0, run.status)
        assert.is_true(cli.objects(run.out).uploaded[1].info.reconciled)
        assert.equal(word == "--reconcile=exact", box:media()[1].originalFileName ~= "clip.mp4")
        assert.equal(1, stored())
      end
    end)

    it("is 7 when the key or the plan ends during the run", function()
      for _, fault in ipairs { { status = 401, code = "invalid_api_key" }, { status = 409, code = "post_limit_reached" } } do
        box:reset()
        box:fault { delayAfterBodyMs = 0 } -- the first one goes well
        box:fault(fault)
        local run = upload(with({ "--json", "--concurrency", "1" }, clips(12)))
        assert.equal(7, run.status)
        local found, summary = cli.objects(run.out)
        assert.equal(fault.code, found.failed[1].error.code)
        assert.is_true(summary.notStarted > 0)
        assert.equal(12, summary.uploaded + summary.failed + summary.notStarted)
        assert.equal(stored(), summary.uploaded)
      end
    end)

    it("is 1 when nobody reads what is printed any more, and that is said", function()
      for _, words in ipairs { { clip, picture }, { clip }, { "--json", clip }, { "--quiet", clip } } do
        local run = upload(words, { closedStdout = true })
        assert.equal(1, run.status)
        has(run.err, "standard output cannot be written: Bad file descriptor")
      end
    end)
  end)

  describe("signal", function()
    for name, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
      it(name .. " lets what is under way end", function()
        box:fault { delayAfterBodyMs = 400, times = 0 }
        local running = start(with({ "--json", "--concurrency", "1" }, clips(30)))
        eventually_held()
        running:signal(name)
        local run = checked(running:wait())
        assert.equal(status, run.status)
        has(run.err, "press again")
        local found, summary = cli.objects(run.out)
        assert.is_true(#found.uploaded >= 1 and #found.uploaded < 30)
        assert.is_true(#found.notStarted >= 1)
        assert.is_nil(found.failed)
        assert.equal(stored(), summary.uploaded)
        assert.equal(status, summary.exitCode)
      end)
    end

    it("that comes twice cancels it", function()
      box:fault { delayAfterBodyMs = 60000, times = 0 }
      local running = start(with({ "--json", "--concurrency", "2" }, clips(6)))
      eventually_held()
      running:signal "INT"
      cli.eventually(function() return running:said():find("press again", 1, true) end)
      running:signal "INT"
      local run = checked(running:wait())
      assert.equal(130, run.status)
      local found = cli.objects(run.out)
      assert.equal("canceled", found.unknown[1].error.code)
      assert.is_nil(found.uploaded)
    end)

    it("ends it while it waits for a list", function()
      files.shell("mkfifo " .. folder .. "/list")
      local running = start({ "-" }, { stdin = folder .. "/list" })
      local list = io.open(folder .. "/list", "w") -- waits for the reader
      running:signal "INT"
      local run = checked(running:wait())
      list:close()
      assert.equal(130, run.status)
    end)
  end)

  describe("usage", function()
    for line, message in pairs {
      [""] = "nothing to upload",
      ["--jsn x"] = "unknown option '--jsn'; did you mean '--json'? Try loomta-upload --help",
      ["--reconcile=surely x"] = "option '--reconcile' takes nothing but =exact, not '=surely'",
      ["--concurrency 0 x"] = "option '--concurrency' must be a number, 1 or more, not '0'",
      ["--bwlimit fast x"] = "such as 500K, 2.5M or 10Mi, not 'fast'",
      ["--timeout 10x x"] = "must be a time such as 30s, 10m or 2h, not '10x'",
      ["--max-elapsed -1 x"] = "unknown option '-1'",
      ["--name a.mp4 x y"] = "--name is for one file",
      ["--name a.mp4 spec"] = "--name is for one file, not a folder",
      ["--name a.mp4 -"] = "--name is for one file",
      ["--files-from x -"] = "one list only",
      ["-0 x"] = "-0 goes with",
      ["--checksum x"] = "--checksum goes with --journal",
      ["--create-folder x"] = "--create-folder goes with --folder",
      ["--quiet --verbose x"] = "exclude each other",
      ["--after delete x"] = "--after goes with --watch",
      ["--watch spec"] = "--watch needs --journal",
      ["--watch spec --after eat"] = "must be keep, delete or move:DIR",
      ["--watch spec --after move:/nowhere"] = "there is no folder '/nowhere'",
      ["--watch spec --after move:spec/fixtures"] = "would be uploaded again",
      ["--progress loud x"] = "must be one of",
      ["enque spec/fixtures"] = "there is no file 'enque'; did you mean the command 'enqueue'? Try",
      ["wok -"] = "did you mean the command 'work'? Try",
    } do
      it(("refuses '%s'"):format(line), function()
        local words = {}
        for word in line:gmatch "%S+" do words[#words + 1] = word end
        local run = upload(words)
        assert.equal(2, run.status)
        assert.equal("", run.out)
        assert.equal(1, #cli.lines(run.err))
        has(run.err, message)
        has(run.err, "loomta-upload --help")
      end)
    end

    it("does not take the key as an argument, and does not repeat it", function()
      for _, words in ipairs { { "--api-key", key, clip }, { "--key=" .. key, clip }, { clip, "--api-key=" .. key }, { "--apikey=" .. key, clip } } do
        local run = upload(words)
        assert.equal(2, run.status)
        if words[1] ~= "--apikey=" .. key then
          has(run.err, "LOOMTA_API_KEY")
          has(run.err, "~/.loomta/credentials.json")
        end
        assert.equal(0, #box:requests())
      end
    end)

    it("understands rates and times", function()
      local args = require "loomta.cli.args"
      for text, bytes in pairs { ["1"] = 1, ["500K"] = 500000, ["2.5M"] = 2500000, ["1G"] = 1e9, ["1Ki"] = 1024, ["10Mi"] = 10485760, ["1Gi"] = 1073741824 } do
        assert.equal(bytes, args.parse({ "--bwlimit", text, "x" }).bwlimit)
      end
      for text, ms in pairs { ["30s"] = 30000, ["10m"] = 600000, ["2h"] = 7200000, ["1.5"] = 1500, ["250ms"] = 250 } do
        assert.equal(ms, args.parse({ "--timeout", text, "x" }).timeout)
      end
    end)

    it("prints version, help and completions", function()
      assert.equal("loomta-upload " .. loomta.version .. "\n", upload({ "--version" }).out)
      local help = upload { "--help" }
      assert.equal(0, help.status)
      for _, word in ipairs { "Examples:", "Environment:", "Exit status", "LOOMTA_API_KEY", "--reconcile=exact" } do has(help.out, word) end
      hasnt(help.out, "--api-key")
      for _, line in ipairs(cli.lines(help.out)) do assert.is_true(#line <= 95, line) end
      has(help.out, require("loomta.cli.args").epilog) -- as it is written: no line of it was too long and broken
      for _, shell in ipairs { "bash", "zsh", "fish" } do
        local run = upload { "--completions", shell }
        assert.equal(0, run.status)
        has(run.out, "concurrency")
        hasnt(run.out, "api-key")
      end
    end)
  end)

  describe("with --watch", function()
    it("uploads what appears, does with it what was said, and ends by a signal", function()
      local kept = files.shell "mktemp -d"
      clips(1)
      local running = start { "--json", "--watch", folder, "--after", "move:" .. kept }
      cli.eventually(function() return stored() == 1 end)
      cli.eventually(function() return files.shell("ls " .. kept) == "01.mp4" end)
      clips(1) -- the same name again
      cli.eventually(function() return stored() == 2 end)
      cli.eventually(function() return files.shell("ls " .. kept) == "01-2.mp4\n01.mp4" end)
      running:signal "TERM"
      local run = checked(running:wait())
      files.shell("rm -r " .. kept)
      assert.equal(0, run.status)
      local _, summary = cli.objects(run.out)
      assert.equal(2, summary.uploaded)
    end)

    it("leaves what could not be uploaded", function()
      files.write(folder .. "/bad.gif", files.read(gif))
      clips(1)
      local running = start { "--json", "--watch", folder, "--after", "delete" }
      cli.eventually(function() return running:said("out"):find '"refused"' and files.shell("ls " .. folder) == "bad.gif" end)
      running:signal "INT"
      assert.equal(1, checked(running:wait()).status)
    end)

    it("deletes only what it uploaded, not what took its place meanwhile", function()
      clips(1)
      box:fault { delayAfterBodyMs = 1500 }
      local running = start { "--json", "--watch", folder, "--after", "delete" }
      cli.eventually(function() return #box:requests() == 1 and box:lastRequest().bodyComplete end)
      files.write(folder .. "/.new", files.read(picture))
      os.rename(folder .. "/.new", folder .. "/01.mp4")
      cli.eventually(function() return stored() == 2 end) -- the new one had its turn
      cli.eventually(function() return files.shell("ls " .. folder) == "" end)
      running:signal "TERM"
      assert.equal(0, checked(running:wait()).status)
    end)

    it("needs a folder that is there", function() assert.equal(4, upload({ "--watch", "/nowhere", "--after", "delete" }).status) end)
  end)
end)

describe("whoever reads what it prints", function()
  it("may leave: what is under way ends, the journal is right, and the status says so", function()
    local list = {}
    for i = 1, 60 do list[i] = ("%s/many/%03d.mp4"):format(folder, i) end
    os.execute(("mkdir -p '%s/many'"):format(folder))
    for _, path in ipairs(list) do os.execute(("cp %s '%s'"):format(clip, path)) end
    box:reset()
    box:fault { delayAfterBodyMs = 100, times = 0 } -- so that there is time to leave
    local journal = folder .. "/left.jsonl"
    local program = ("LOOMTA_API_KEY=%s LOOMTA_API_URL=%s %s bin/loomta-upload --journal '%s' '%s/many'"):format(
      box.key, box.url, os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", journal, folder)
    local status = files.shell(("{ %s 2>/dev/null; echo $? >'%s/left'; } | head -n 1 >/dev/null; cat '%s/left'"):format(program, folder, folder))
    assert.equal("1", status)
    local started, ended = 0, 0
    for line in io.lines(journal) do
      local kind = cjson.decode(line).type
      if kind == "started" then started = started + 1 end
      if kind == "done" or kind == "failed" then ended = ended + 1 end
    end
    assert.equal(started, ended)
    assert.is_true(select(2, box:media()) < 60)
  end)

  for what, words in pairs { ["on stdin"] = "- <'%s/list'", ["in a pipe"] = "--files-from '%s/list'" } do
    it("need not wait for a list " .. what .. " that is still being made", function()
      box:reset()
      local program = ("env LOOMTA_API_KEY=%s LOOMTA_API_URL=%s %s bin/loomta-upload " .. words):format(
        box.key, box.url, os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", folder)
      -- The list goes on only once the first file was reported.
      local writer = 'exec 3>"$0/list"; echo "$1" >&3; read -r line; echo "$2" >&3; exec 3>&-; echo "$line"; cat'
      local said = files.shell(("cd '%s'; mkfifo list; cd - >/dev/null; { timeout 20 %s 2>/dev/null; } | sh -c '%s' '%s' %s %s; rm '%s/list'")
        :format(folder, program, writer, folder, clip, picture, folder))
      assert.truthy(said:find(clip, 1, true), said)
      assert.truthy(said:find(picture, 1, true), said)
    end)
  end
end)
