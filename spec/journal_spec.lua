-- client:uploads with a journal: what a later run does with what an earlier one wrote, whatever became of both.
local cjson = require "cjson"
local core = require "loomta.core"
local files = require "spec.support.files"
local loomta = require "loomta"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

local has_digest = pcall(require, "openssl.digest")
local body = ("0123456789abcdef"):rep(100)

local box, folder, journal, client

--- Makes a file, last changed at a time of its own.
local function make(name, content, changed)
  local path = folder .. "/" .. name
  if name:find "/" then files.shell("mkdir -p " .. path:match "^(.*)/") end
  files.write(path, "\255\216\255\224" .. (content or name) .. body)
  files.shell(("touch -d @%d %s"):format(changed or 1700000000, path))
  return path
end

local function make_many(count)
  local paths = {}
  for i = 1, count do paths[i] = make(("%02d.jpg"):format(i)) end
  return paths
end

local function path_of(request) return type(request) == "table" and request.file or request end

--- Runs to the end: by path, { media, err, info }, the last where there are several; how many there were; all of them.
local function upload(requests, options)
  local given = { journal = journal, maxRetries = 0 }
  for name, value in pairs(options or {}) do given[name] = value end
  local results, all = {}, {}
  for media, err, request, info in client:uploads(requests, given) do
    all[#all + 1] = { media = media, err = err, info = info }
    results[path_of(request) or "none"] = all[#all]
  end
  return results, #all, all
end

--- Names, with how many times the sandbox has each.
local function stored()
  local times = {}
  for _, item in ipairs((box:media())) do times[item.originalFileName] = (times[item.originalFileName] or 0) + 1 end
  return times
end

local function posts()
  local count = 0
  for _, arrived in ipairs((box:requests())) do
    if arrived.method == "POST" then count = count + 1 end
  end
  return count
end

local function lines()
  local list = {}
  for text in files.read(journal):gmatch "[^\n]+" do
    local ok, line = pcall(cjson.decode, text)
    list[#list + 1] = ok and line or text
  end
  return list
end

local function types()
  local list = {}
  for i, line in ipairs(lines()) do list[i] = type(line) == "table" and line.type or "torn" end
  return table.concat(list, " ")
end

--- The only result of a run that could not begin.
local function refusal(requests, options)
  local results, count = upload(requests, options)
  assert.equal(1, count)
  assert.is_false(results.none.media)
  assert.is_false(results.none.err.possiblyStored)
  return results.none.err
end

--- Leaves a journal as if the program had been killed while it uploaded the file; `is_stored`: and the server has it.
local function interrupt(paths, is_stored, options)
  local before, since = select(2, box:media()), box:lastRequest() and box:lastRequest().id
  local given = { journal = journal, concurrency = #paths }
  for name, value in pairs(options or {}) do given[name] = value end
  box:fault { method = "POST", delayAfterBodyMs = 60000, store = is_stored, times = #paths }
  local run = client:uploads(paths, given)
  repeat
    run:wait(5)
    local whole = 0
    for _, arrived in ipairs((box:requests(since))) do
      if arrived.bodyComplete and arrived.status == cjson.null then whole = whole + 1 end
    end
  until whole >= #paths and select(2, box:media()) == before + (is_stored and #paths or 0)
  run:close()
  local kept = {}
  for text in files.read(journal):gmatch "[^\n]+\n" do
    if not text:find '"type":"failed"' then kept[#kept + 1] = text end
  end
  files.write(journal, table.concat(kept))
end

setup(function()
  box = sandbox.start {}
end)
teardown(function() box:stop() end)
before_each(function()
  box:reset()
  folder = files.shell "mktemp -d"
  journal = folder .. "/a.journal"
  client = assert(loomta.new { apiKey = box.key, baseUrl = box.url })
end)
after_each(function()
  client:close()
  files.shell("rm -rf " .. folder)
end)

describe("a journal", function()
  it("says what it is, then started and done of each upload", function()
    local path = make "a.jpg"
    local media = upload({ path })[path].media
    local list = lines()
    local first, started, done = list[1], list[2], list[3]
    assert.same({ type = "journal", version = 1, baseUrl = box.url }, first)
    assert.equal("started", started.type)
    assert.same({ path, "a.jpg", #body + 9, "1700000000.000000000" }, { started.file, started.name, started.size, started.modified })
    assert.is_true(math.abs(os.time() - started.startedAt) < 60)
    assert.equal("done", done.type)
    assert.same(media, done.media)
    assert.equal("journal started done", types())
    assert.truthy(files.shell("stat -c %a " .. journal):find "00$") -- for nobody else to read
  end)

  it("has it on record while it is on its way", function()
    local path = make "a.jpg"
    box:fault { delayBeforeBodyMs = 60000 }
    local run = client:uploads({ path }, { journal = journal })
    repeat run:wait(5) until posts() == 1
    assert.equal("journal started", types())
    run:close()
    assert.equal("journal started failed", types())
    for media, err in run:ready() do assert.same({ false, "canceled" }, { media, err.code }) end
  end)

  it("skips what is done, and has its media", function()
    local paths = make_many(5)
    local first = upload(paths)
    local second, count = upload(paths)
    assert.equal(5, count)
    for _, path in ipairs(paths) do
      assert.is_nil(first[path].info.skipped)
      assert.is_true(second[path].info.skipped)
      assert.equal(0, second[path].info.attempts)
      assert.same(first[path].media, second[path].media)
    end
    assert.equal(5, posts())
  end)

  it("goes on with what is new", function()
    local paths = make_many(4)
    upload { paths[1], paths[3] }
    local results = upload(paths)
    for i, path in ipairs(paths) do assert.equal(i % 2 == 1 or nil, results[path].info.skipped) end
    assert.equal(4, posts())
  end)

  it("knows a file by its absolute path", function()
    local path = make "a.jpg"
    upload { path }
    local code = ([[
      for media, _, _, info in require("loomta").uploads({ "a.jpg" }, { journal = "a.journal" }) do print(media.id, info.skipped) end
    ]])
    local tree = files.shell "pwd"
    local output = lua.run(code, {
      env = {
        LOOMTA_API_KEY = box.key, LOOMTA_API_URL = box.url, LUA_PATH = tree .. "/lua/?.lua;" .. tree .. "/lua/?/init.lua;;",
        LUA_CPATH = package.cpath:gsub("build/", tree .. "/build/"),
      },
      prefix = "env -C " .. folder,
    })
    assert.truthy(output:find "^[%x-]+\ttrue\n$", output)
  end)

  for what, change in pairs {
    ["size"] = function(path) make(path:match "[^/]*$", "longer content") end,
    ["time of change"] = function(path) files.shell("touch -d @1700000001 " .. path) end,
    ["fraction of a second"] = function(path) files.shell("touch -d @1700000000.5 " .. path) end,
  } do
    it("uploads again a file with another " .. what, function()
      local path = make "a.jpg"
      upload { path }
      change(path)
      assert.is_nil(upload({ path })[path].info.skipped)
      assert.is_true(upload({ path })[path].info.skipped)
      assert.same({ ["a.jpg"] = 2 }, stored())
    end)
  end

  it("takes the same file for another folder as another upload", function()
    local path = make "a.jpg"
    local folders = { client:createMediaFolder({ name = "One" }).id, client:createMediaFolder({ name = "Two" }).id }
    local before = posts()
    local list = { path, { file = path, folderId = folders[1] }, { file = path, folderId = folders[2] } }
    for round = 1, 2 do
      local _, count, all = upload(list)
      assert.equal(3, count)
      for _, result in ipairs(all) do assert.equal(round == 2 or nil, result.info.skipped) end
    end
    assert.equal(3, posts() - before)
  end)

  it("sends a file once that a run is given twice", function()
    local path, other = make "a.jpg", make "b.jpg"
    local _, count, all = upload { path, path, other, { file = path } }
    assert.equal(4, count)
    local skipped = 0
    for _, result in ipairs(all) do
      assert.truthy(result.media)
      skipped = skipped + (result.info.skipped and 1 or 0)
    end
    assert.equal(2, skipped)
    assert.same({ ["a.jpg"] = 1, ["b.jpg"] = 1 }, stored())
  end)

  it("tells those who were given it twice of the same failure", function()
    local path = make "a.jpg"
    box:fault { status = 400, code = "no", times = 0 }
    local _, count, all = upload { path, path }
    assert.equal(2, count)
    for _, result in ipairs(all) do assert.equal("no", result.err.code) end
    assert.equal(1, posts())
  end)

  it("does not take a file for the same that has changed since it was drawn", function()
    local path = make "a.jpg"
    local drawn = 0
    local results = {}
    for media, err, _, info in client:uploads(function()
      drawn = drawn + 1
      if drawn == 2 then make("a.jpg", "changed", 1700000005) end
      return drawn <= 2 and path or nil
    end, { journal = journal, maxRetries = 0 }) do
      results[#results + 1] = { media = media, err = err, info = info }
    end
    assert.equal(2, #results)
    for _, result in ipairs(results) do assert.is_nil(result.info.skipped) end
  end)

  it("tries again what failed and was not stored", function()
    local path = make "a.jpg"
    box:fault { status = 400, code = "no" }
    assert.equal("no", upload({ path })[path].err.code)
    assert.equal("journal started failed", types())
    assert.truthy(upload({ path })[path].media)
    assert.is_true(upload({ path })[path].info.skipped)
    assert.same({ ["a.jpg"] = 1 }, stored())
  end)

  it("takes no file on record that is refused before anything is sent", function()
    local gif = folder .. "/a.gif"
    files.write(gif, "GIF89a")
    local results = upload { gif, folder .. "/nowhere.jpg" }
    assert.equal("unsupported_media_type", results[gif].err.code)
    assert.equal("file_read_failed", results[folder .. "/nowhere.jpg"].err.code)
    assert.equal("journal", types())
  end)

  for what, source in pairs {
    ["data"] = { data = body, fileName = "a.mp4" },
    ["a reader"] = { reader = function() return nil end, fileName = "a.mp4" },
    ["nothing"] = {},
  } do
    it("is for files: it refuses " .. what, function()
      local path = make "a.jpg"
      local results, count = upload { source, path }
      assert.equal(2, count)
      assert.equal("invalid_option: with a journal, 'file' must be a path: it knows uploads by their files", tostring(results[source].err))
      assert.truthy(results[path].media)
    end)
  end

  it("refuses an open handle", function()
    local handle = assert(io.open(make "a.jpg"))
    local results = upload { { file = handle } }
    assert.equal("invalid_option", results[handle].err.code)
    handle:close()
  end)

  it("can be read while a run that was closed is reported", function()
    local path = make "a.jpg"
    box:fault { disconnect = "close", at = "response" }
    box:fault { method = "GET", delayAfterBodyMs = 60000 }
    local run = client:uploads({ path }, { journal = journal, reconcile = true, maxRetries = 0 })
    repeat run:wait(5) until #box:requests() == 2
    run:close()
    local count = 0
    repeat
      for media, err in run:ready() do
        assert.is_false(media)
        assert.is_true(err.possiblyStored)
        count = count + 1
      end
    until run:done()
    assert.equal(1, count)
    assert.equal("outcome_unknown", upload({ path })[path].err.code)
  end)

  it("begins nothing more after stop(), not even what was drawn when the source raised", function()
    local paths, drawn = make_many(3), 0
    local run = client:uploads(function()
      drawn = drawn + 1
      if drawn == 3 then error("no such luck", 0) end
      return paths[drawn]
    end, { journal = journal })
    assert.has_error(function() run:wait() end, "no such luck")
    run:stop()
    local count = 0
    for media, err in run do
      assert.same({ false, "not_started" }, { media, err.code })
      count = count + 1
    end
    assert.equal(2, count)
    assert.equal(0, posts())
    assert.truthy(upload({ paths[1] })[paths[1]].media)
  end)
end)

describe("a journal with checksums", function()
  local check = has_digest and it or pending
  local with = { checksum = true }

  check("refuses a pipe at once, and does not read it", function()
    local path = folder .. "/pipe.mp4"
    files.shell("mkfifo " .. path)
    assert.equal("invalid_media_file", upload({ path }, with)[path].err.code)
  end)

  check("skips a file that was only touched", function()
    local path = make "a.jpg"
    upload({ path }, with)
    files.shell("touch " .. path)
    assert.is_true(upload({ path }, with)[path].info.skipped)
    assert.equal(files.shell("sha256sum < " .. path):match "%x+", lines()[2].sha256)
    assert.equal(1, posts())
  end)

  check("uploads one with other content, of the same size and time", function()
    local path = make("a.jpg", "one")
    upload({ path }, with)
    make("a.jpg", "two")
    assert.is_nil(upload({ path }, with)[path].info.skipped)
    assert.is_true(upload({ path }, with)[path].info.skipped)
    assert.equal(2, posts())
  end)

  check("knows content under another name", function()
    local first, second = make("a.jpg", "same"), make("b.jpg", "same")
    local results = upload({ first, second }, with)
    assert.equal(results[first].media.id, results[second].media.id)
    local third = make("c.jpg", "same")
    assert.is_true(upload({ third }, with)[third].info.skipped)
    assert.equal(1, posts())
  end)

  check("goes on from one without them", function()
    local path = make "a.jpg"
    upload { path }
    assert.is_true(upload({ path }, with)[path].info.skipped)
  end)

  it("says what it needs where luaossl is not there", function()
    local path = make "a.jpg"
    local loaded, preload = package.loaded["openssl.digest"], package.preload["openssl.digest"]
    package.loaded["openssl.digest"] = nil
    package.preload["openssl.digest"] = function() error "not here" end
    local ok, results = pcall(upload, { path }, with)
    package.loaded["openssl.digest"], package.preload["openssl.digest"] = loaded, preload
    assert.is_true(ok, tostring(results))
    assert.equal("invalid_option: 'checksum' needs the Lua module openssl: luarocks install luaossl", tostring(results[path].err))
    assert.equal(0, posts())
  end)
end)

describe("a journal that was torn", function()
  --- What a run says of the two files that a journal of this text knows.
  local function rerun(text, paths, options)
    files.write(journal, text)
    local results, count = upload(paths, options)
    assert.equal(#paths, count)
    return results
  end

  it("at any byte of its last line is still one", function()
    local paths = make_many(2)
    upload({ paths[1] })
    local before = files.read(journal)
    upload({ paths[2] })
    local whole = files.read(journal)
    local last = whole:find "[^\n]*\n$"
    box:reset()
    for cut = last - 1, #whole do
      local results = rerun(whole:sub(1, cut), paths)
      assert.is_true(results[paths[1]].info.skipped)
      local second = results[paths[2]]
      if cut >= #whole - 1 then -- all of it but the line's end
        assert.is_true(second.info.skipped)
      else
        assert.equal("outcome_unknown", second.err.code, cut)
        assert.is_true(second.err.possiblyStored)
      end
    end
    assert.equal(0, posts())
    for cut = #before, last - 1 do -- in `started`: nothing was sent before it was whole, and on the disk
      local results = rerun(whole:sub(1, cut), paths)
      assert.is_true(results[paths[1]].info.skipped)
      if cut >= last - 2 then
        assert.equal("outcome_unknown", results[paths[2]].err.code, cut)
      else
        assert.truthy(results[paths[2]].media, cut)
        assert.is_nil(results[paths[2]].info.skipped)
        assert.is_true(upload(paths)[paths[2]].info.skipped) -- what was written after the torn line counts
      end
    end
  end)

  it("at any byte of its first line is still one", function()
    local path = make "a.jpg"
    upload { path }
    local first = files.read(journal):match "^[^\n]*\n"
    for cut = 0, #first do
      box:reset()
      assert.truthy(rerun(first:sub(1, cut), { path })[path].media, cut)
      assert.is_true(upload({ path })[path].info.skipped)
      assert.equal(1, posts())
    end
  end)

  it("in the middle is read past that", function()
    local paths = make_many(3)
    upload(paths, { concurrency = 1 })
    local text = files.read(journal)
    local results = rerun(text:gsub('("type":"done"[^\n]*\n)', '%1{"type":"done","fi\n\0\0\0\nnonsense\n{}\n[]\n', 1), paths)
    for _, path in ipairs(paths) do assert.is_true(results[path].info.skipped) end
  end)

  it("where a done line lost its head says that nobody knows", function()
    local path = make "a.jpg"
    upload { path }
    local text = files.read(journal):gsub("\n[^\n]*\n$", "\n##nonsense\n")
    assert.equal("outcome_unknown", rerun(text, { path })[path].err.code)
  end)
end)

describe("what is no journal of this run", function()
  for what, text in pairs {
    ["text"] = "Dear diary\n",
    ["text without an end"] = "Dear diary",
    ["an image"] = "\255\216\255\224\0\16JFIF",
    ["other JSON"] = '{"name":"value"}\n',
    ["JSON of many lines"] = '{\n  "name": "value"\n}\n',
    ["JSON lines of others"] = '{"name":"value"}\n{"name":"other"}',
    ["a list"] = "[1,2,3]\n",
  } do
    it("is refused and left alone: " .. what, function()
      files.write(journal, text)
      local err = refusal { make "a.jpg" }
      assert.equal("journal_failed", err.code)
      assert.equal("input", err.kind)
      assert.truthy(err.message:find("no journal of loomta", 1, true), err.message)
      assert.equal(text, files.read(journal))
      assert.equal(0, posts())
    end)
  end

  it("is refused: another version", function()
    upload { make "a.jpg" }
    files.write(journal, (files.read(journal):gsub('"version":1', '"version":2')))
    assert.truthy(refusal({ make "a.jpg" }).message:find("it is of version 2, this program knows 1", 1, true))
  end)

  it("is refused: another server", function()
    upload { make "a.jpg" }
    local other = sandbox.start {}
    local err = refusal({ make "a.jpg" }, { baseUrl = other.url })
    assert.equal(0, select(2, other:media()))
    other:stop()
    assert.equal("journal_failed", err.code)
    assert.truthy(err.message:find(("it is about uploads to %s, not %s"):format(box.url, other.url), 1, true), err.message)
  end)

  for what, case in pairs {
    ["a folder"] = { "mkdir %s", "Is a directory" },
    ["a FIFO"] = { "mkfifo %s", "Invalid argument" },
    ["a device"] = { "ln -s /dev/null %s", "Invalid argument" },
    ["a link to nowhere"] = { "ln -s /nowhere/at/all %s", "No such file or directory" },
  } do
    it("is refused: " .. what, function()
      files.shell(case[1]:format(journal))
      local err = refusal { make "a.jpg" }
      assert.same({ "journal_failed", case[2] }, { err.code, err.cause })
      assert.equal(0, posts())
    end)
  end

  it("is refused: a file in a folder that is not there", function()
    local err = refusal({ make "a.jpg" }, { journal = folder .. "/none/a.journal" })
    assert.same({ "journal_failed", "No such file or directory" }, { err.code, err.cause })
  end)

  local as_root = files.shell "id -u" == "0"
  local nobody = "setpriv --reuid=65534 --clear-groups"
  local check = (not as_root or files.shell(nobody .. " cat lua/loomta/init.lua 2>&1"):find "SPDX") and it or pending
  check("is refused: a file in a folder that one may not write", function()
    local closed = folder .. "/closed"
    files.shell(("mkdir -m 555 %s && chmod 755 %s"):format(closed, folder))
    local output = lua.run(([[
      local client = assert(require("loomta").new { apiKey = "k", baseUrl = %q })
      for media, err in client:uploads({ "x.jpg" }, { journal = %q }) do print(media, err.code, err.cause) end
    ]]):format(box.url, closed .. "/a.journal"), { prefix = as_root and "sh -c 'chmod 644 \"$2\" && exec " .. nobody .. " \"$@\"' sh" or nil })
    assert.equal("false\tjournal_failed\tPermission denied\n", output)
  end)

  it("is refused while another run writes it", function()
    box:fault { delayAfterBodyMs = 60000 }
    local path = make "a.jpg"
    local run = client:uploads({ path }, { journal = journal })
    run:wait(0)
    local err = refusal { make "b.jpg" }
    assert.same({ "journal_locked", "input" }, { err.code, err.kind })
    assert.truthy(err.message:find("is in use by another run", 1, true))
    local output = lua.run(([[
      local client = assert(require("loomta").new { apiKey = %q, baseUrl = %q })
      for media, err in client:uploads({ %q }, { journal = %q }) do print(media, err.code) end
    ]]):format(box.key, box.url, path, journal))
    assert.equal("false\tjournal_locked\n", output)
    run:close()
    assert.truthy(upload({ make "b.jpg" })[folder .. "/b.jpg"].media)
  end)

  it("is free again after the loop, and after its process", function()
    local path = make "a.jpg"
    for _ = 1, 2 do
      upload { path }
      lua.run(([[
        local client = assert(require("loomta").new { apiKey = %q, baseUrl = %q })
        client:uploads({ %q }, { journal = %q }):wait()
        os.exit(0)
      ]]):format(box.key, box.url, path, journal))
    end
    assert.is_true(upload({ path })[path].info.skipped)
  end)
end)

describe("an upload that an earlier run had started", function()
  it("is unknown, and not sent", function()
    local path = make "a.jpg"
    interrupt({ path }, true)
    for _ = 1, 2 do
      local result = upload({ path })[path]
      assert.is_false(result.media)
      assert.same({ "outcome_unknown", true, "network" }, { result.err.code, result.err.possiblyStored, result.err.kind })
      assert.truthy(result.err.message:find("a.jpg", 1, true))
    end
    assert.equal(1, posts())
  end)

  it("is so as well when that run saw it end, but not how", function()
    local path = make "a.jpg"
    box:fault { disconnect = "close", at = "response" }
    assert.equal("outcome_unknown", upload({ path })[path].err.code)
    assert.equal("journal started failed", types())
    assert.equal("outcome_unknown", upload({ path })[path].err.code)
    assert.equal(1, posts())
  end)

  it("does not keep the others back", function()
    local paths = make_many(3)
    interrupt({ paths[2] }, true)
    local results = upload(paths)
    assert.truthy(results[paths[1]].media)
    assert.truthy(results[paths[3]].media)
    assert.equal("outcome_unknown", results[paths[2]].err.code)
  end)

  it("is sent with retryUnknown, for the run, the client or the file", function()
    for i, how in ipairs { "run", "client", "file" } do
      local path = make(i .. ".jpg")
      interrupt({ path }, false)
      if how == "client" then
        client:close()
        client = assert(loomta.new { apiKey = box.key, baseUrl = box.url, retryUnknown = true })
      end
      local request = how == "file" and { file = path, retryUnknown = true } or path
      assert.truthy(upload({ request }, how == "run" and { retryUnknown = true } or nil)[path].media)
      assert.is_true(upload({ path })[path].info.skipped)
    end
    assert.same({ ["1.jpg"] = 1, ["2.jpg"] = 1, ["3.jpg"] = 1 }, stored())
  end)

  it("stays unknown when it is sent again and refused", function()
    local path = make "a.jpg"
    interrupt({ path }, true)
    box:fault { status = 400, code = "no" }
    local result = upload({ path }, { retryUnknown = true })[path]
    assert.same({ "no", true }, { result.err.code, result.err.possiblyStored })
    assert.equal("outcome_unknown", upload({ path })[path].err.code)
  end)

  it("stays unknown when a run is stopped before it is sent again", function()
    local path = make "a.jpg"
    interrupt({ path }, true)
    local run, drawn
    run = client:uploads(function()
      if drawn then return nil end
      drawn = true
      run:stop()
      return path
    end, { journal = journal, retryUnknown = true })
    local _, err = run()
    assert.same({ "not_started", true }, { err.code, err.possiblyStored })
    assert.equal("outcome_unknown", upload({ path })[path].err.code)
    assert.equal(1, stored()["a.jpg"])
  end)

  for _, mode in ipairs { true, "exact" } do
    local with = { reconcile = mode }

    it(("is found in the list with reconcile = %s, and not sent"):format(tostring(mode)), function()
      local paths = make_many(3)
      interrupt(paths, true, with)
      local before = posts()
      local results = upload(paths, with)
      for _, path in ipairs(paths) do
        assert.truthy(results[path].media, tostring(results[path].err))
        assert.is_true(results[path].info.reconciled)
        local number = path:match "(%d%d)%.jpg$"
        assert.truthy(results[path].media.originalFileName:find("^" .. number .. (mode == "exact" and "%-%w+" or "") .. "%.jpg$"))
      end
      assert.equal(before, posts())
      assert.equal(3, select(2, box:media()))
      for _, path in ipairs(paths) do assert.is_true(upload(paths)[path].info.skipped) end
    end)

    it(("is sent once with reconcile = %s, if it is not there #slow"):format(tostring(mode)), function()
      local path = make "a.jpg"
      interrupt({ path }, false, with)
      local result = upload({ path }, with)[path]
      assert.truthy(result.media, tostring(result.err))
      assert.equal(1, select(2, box:media()))
      assert.is_true(upload({ path }, with)[path].info.skipped)
    end)
  end

  it("keeps its name on record when it is sent again #slow", function()
    local path = make "a.jpg"
    interrupt({ path }, false)
    upload({ path }, { reconcile = true })
    local started = {}
    for _, line in ipairs(lines()) do
      if line.type == "started" then started[#started + 1] = line.name end
    end
    assert.same({ "a.jpg", "a.jpg" }, started)
    -- As if that run had been killed, too.
    files.write(journal, (files.read(journal):gsub('[^\n]*"type":"done"[^\n]*\n', "")))
    assert.is_true(upload({ path }, { reconcile = true })[path].info.reconciled)
    assert.equal(1, select(2, box:media()))
  end)

  it("is found by a name that an older journal does not tell", function()
    local path = make "a.jpg"
    interrupt({ path }, true)
    files.write(journal, (files.read(journal):gsub('"name":"a.jpg",?', ""):gsub(",}", "}")))
    assert.is_true(upload({ path }, { reconcile = true })[path].info.reconciled)
  end)

  it("is not taken for one that is done", function()
    local first, second = make("one/a.jpg", "1"), make("two/a.jpg", "2")
    upload { first }
    interrupt({ second }, true)
    local results = upload({ first, second }, { reconcile = true })
    assert.is_true(results[first].info.skipped)
    assert.is_true(results[second].info.reconciled)
    assert.are_not.equal(results[first].media.id, results[second].media.id)
    assert.equal(2, posts())
  end)

  for what, case in pairs {
    ["one of two that are alike was stored"] = { 1, function(first, second) return { first, second } end },
    ["one of two that are alike was stored, and one is asked for"] = { 1, function(first) return { first } end },
    ["both of two that are alike were stored"] = { 2, function(first, second) return { first, second } end },
  } do
    it("stays unknown where nobody can tell which it is: " .. what .. " #slow", function()
      local first, second = make("one/a.jpg", "1"), make("two/a.jpg", "2")
      interrupt({ second }, true)
      interrupt({ first }, case[1] == 2)
      local before = posts()
      local asked = case[2](first, second)
      local results = upload(asked, { reconcile = true })
      for _, path in ipairs(asked) do
        assert.equal("outcome_unknown", results[path].err and results[path].err.code)
        assert.is_true(results[path].err.possiblyStored)
      end
      assert.equal(before, posts())
    end)
  end

  it("is told from one that is alike by its mark #slow", function()
    local first, second = make("one/a.jpg", "1"), make("two/a.jpg", "2")
    interrupt({ first }, true, { reconcile = "exact" })
    interrupt({ second }, false, { reconcile = "exact" })
    local names = { [first] = lines()[2].name, [second] = lines()[3].name }
    local results = upload({ second, first }, { reconcile = "exact" })
    for path, name in pairs(names) do assert.equal(name, results[path].media and results[path].media.originalFileName) end
    assert.same({ [names[first]] = 1, [names[second]] = 1 }, stored())
    assert.is_true(results[first].info.reconciled)
    assert.is_nil(results[second].info.reconciled)
  end)
end)

describe("a disk that fails #plain", function()
  local preload
  setup(function()
    preload = os.tmpname()
    files.shell(("cc -D_GNU_SOURCE -shared -fPIC -o %s spec/support/disk.c -ldl"):format(preload))
  end)
  teardown(function() os.remove(preload) end)

  --- Uploads 12 files in a process of its own: how many got which code; its output.
  local function run(env)
    make_many(12)
    env.LD_PRELOAD, env.DISK_FILE = preload, ".journal"
    local output = lua.run(([[
      local client = assert(require("loomta").new { apiKey = %q, baseUrl = %q })
      local paths = {}
      for i = 1, 12 do paths[i] = ("%%s/%%02d.jpg"):format(%q, i) end
      local run = client:uploads(paths, { journal = %q, concurrency = 2 })
      for media, err, path in run do print(path or "none/00.jpg", media and "ok" or err.code, err and (err.cause or err.possiblyStored)) end
      print("fatal", run.fatal and run.fatal.code, run.fatal and run.fatal.kind)
    ]]):format(box.key, box.url, folder, journal), { env = env })
    local codes, count = {}, 0
    for code in output:gmatch "%d%d%.jpg\t([%w_]+)\t" do
      codes[code] = (codes[code] or 0) + 1
      count = count + 1
    end
    assert.equal(output:find "none/00" and 1 or 12, count, output) -- where it could not begin
    return codes, output
  end

  it("has each upload on record, on the disk, before the first byte goes out", function()
    local log = folder .. "/log"
    assert.same({ ok = 12 }, (run { DISK_LOG = log }))
    local written, synced, sent = 0, 0, 0
    for what, number in files.read(log):gmatch "(%a+) (%d+)\n" do
      if what == "write" then written = written + number end
      if what == "sync" then synced = written end
      if what == "send" then sent = sent + 1 end
      assert.is_true(sent <= synced, ("%d sent, %d on the disk"):format(sent, synced))
    end
    assert.same({ 12, 12, 12 }, { written, synced, sent })
  end)

  it("sends nothing that it cannot write down", function()
    for room = 0, 4000, 171 do
      box:reset()
      os.remove(journal)
      local codes, output = run { DISK_ROOM = tostring(room) }
      if codes.ok ~= 12 then
        assert.truthy(output:find("No space left on device", 1, true), output)
        if not output:find "none/00" then assert.truthy(output:find("fatal\tjournal_failed\tinput", 1, true), output) end
      end
      local known = {}
      for _, line in ipairs(lines()) do
        if type(line) == "table" and line.type == "started" then known[line.name] = true end
      end
      for name in pairs(stored()) do assert.is_true(known[name], ("%s with %d bytes"):format(name, room)) end
      -- With room again, it goes on.
      local before = stored()
      local results = upload(make_many(12))
      local after = stored()
      for i = 1, 12 do
        local name = ("%02d.jpg"):format(i)
        local result = results[folder .. "/" .. name]
        assert.is_true(result.media and after[name] == 1 or result.err.possiblyStored, name)
        if not result.media then assert.equal(before[name], after[name]) end
      end
    end
  end)

  it("sends nothing that it cannot get to the disk", function()
    for syncs = 0, 2 do
      os.remove(journal)
      local codes, output = run { DISK_SYNC = tostring(syncs) }
      assert.is_true(codes.journal_failed > 0, output)
      assert.truthy(output:find("Input/output error", 1, true), output)
      if syncs == 0 then
        assert.same({ journal_failed = 1 }, codes)
      else
        assert.equal(12, (codes.ok or 0) + codes.journal_failed + (codes.not_started or 0))
        assert.truthy(output:find("fatal\tjournal_failed\tinput", 1, true), output)
      end
      assert.equal(codes.ok or 0, posts())
      assert.is_true(syncs == 2 or posts() == 0)
      box:reset()
    end
  end)
end)

describe("the file that a journal is", function()
  it("can be opened and closed by the core alone", function()
    local log = assert(core.openLog(journal))
    assert.is_true(log:append "one\n")
    assert.is_true(log:sync())
    local _, why, locked = core.openLog(journal)
    assert.is_true(locked)
    assert.truthy(why)
    log:close()
    log:close()
    assert.has_error(function() log:append "two\n" end)
    assert.equal("one\n", files.read(journal))
  end)
end)
