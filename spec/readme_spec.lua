-- README.md keeps its word: every Lua block runs, and its tables say what the code says.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local lua = require "spec.support.lua"
local operations = require "loomta.operations"
local options = require "loomta.options"
local sandbox = require "spec.support.sandbox"

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("%s+$", ""))
end

local readme = contents "README.md"

--- The rows of the first table after a line that contains `mark`: lists of cells, without the head.
local function rows_after(mark)
  local _, last = readme:find(mark, 1, true)
  assert(last, "README.md has no '" .. mark .. "'")
  local rows = {}
  for line in readme:sub(last + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) == "|" then
      local cells = {}
      for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do cells[#cells + 1] = cell end
      rows[#rows + 1] = cells
    elseif #rows > 0 then
      break
    end
  end
  assert(#rows > 2, "no table after '" .. mark .. "'")
  table.remove(rows, 1)
  table.remove(rows, 1)
  return rows
end

local function unquoted(cell) return cell:match "^`([^`]+)`$" end

describe("README.md", function()
  describe("block", function()
    local box, folder, env, prefix
    local files = { ["clip.mp4"] = "clip.mp4", ["cover.jpg"] = "gradient.jpg", ["take.webm"] = "clip.webm", ["animated.gif"] = "animated.gif" }

    setup(function()
      box = sandbox.start()
      folder = output_of "mktemp -d"
      for name, fixture in pairs(files) do os.execute(("cp spec/fixtures/%s %s/%s"):format(fixture, folder, name)) end
      local here = output_of "pwd" .. "/"
      local function absolute(path) return ((";" .. path):gsub(";%./", ";" .. here):gsub(";(%f[%w]build/)", ";" .. here .. "%1"):sub(2)) end
      env = {
        LOOMTA_API_KEY = box.key, LOOMTA_API_URL = box.url,
        LUA_PATH = absolute(package.path), LUA_CPATH = absolute(package.cpath),
      }
      prefix = ("sh -c 'cd \"$0\" && exec \"$@\"' %s"):format(lua.quote(folder))
    end)

    teardown(function()
      if box then box:stop() end
      if folder then os.execute("rm -rf " .. lua.quote(folder)) end
    end)

    local line, blocks = 1, 0
    for before, code in readme:gmatch "(.-)```lua\n(.-)\n```" do
      line = line + select(2, before:gsub("\n", "")) + 1
      blocks = blocks + 1
      it("at line " .. line .. " runs, stores something, and prints what it says", function()
        local _, already = box:media()
        local output, ok = lua.run(code, { env = env, prefix = prefix })
        assert.is_true(ok, output)
        local _, stored = box:media()
        assert.is_true(stored > already, "nothing was stored; it printed: " .. output)

        local from = 1
        for expected in code:gmatch "%-%-> ([^\n]+)" do
          local _, last = output:find(expected, from, true)
          assert(last, ("'%s' is not in its output: %s"):format(expected, output))
          from = last + 1
        end
      end)
      line = line + select(2, code:gsub("\n", "")) + 2
    end

    it("exists", function() assert.is_true(blocks >= 6) end)
  end)

  it("lists the options as they are declared", function()
    local type_names = {
      key = "string", baseUrl = "string", text = "string", path = "string", flag = "boolean", milliseconds = "ms",
      reconcile = 'boolean or `"exact"`', count = "integer", positive = "integer", callback = "function",
    }
    local listed, declared = {}, {}
    for _, row in ipairs(rows_after "## Options") do
      listed[unquoted(row[1])] = { type = row[2], default = row[3] ~= "–" and unquoted(row[3]) or nil }
    end
    for name, rule in pairs(options.declared) do
      local default = rule.default
      if type(default) == "number" then default = ("%.0f"):format(default) end
      declared[name] = { type = type_names[rule.type], default = default ~= nil and tostring(default) or nil }
    end
    assert.same(declared, listed)
  end)

  it("lists the operations as they are declared", function()
    local listed, declared = {}, {}
    for _, row in ipairs(rows_after "Each is a method of a client") do
      local fields = {}
      for bold, name in row[2]:gmatch "(%*?%*?)`([%a_]+)`" do fields[name] = bold == "**" and "required" or "optional" end
      listed[unquoted(row[1])] = fields
    end
    for name, operation in pairs(operations) do
      declared[name] = {}
      for field, rule in pairs(operation.fields) do declared[name][field] = rule.required and "required" or "optional" end
    end
    assert.same(declared, listed)
  end)

  it("lists the types that are recognised", function()
    local listed = {}
    for _, row in ipairs(rows_after "All types that are recognised") do
      listed[#listed + 1] = { name = row[1], mimeType = unquoted(row[2]), extension = row[3], accepted = row[4] == "accepted" }
    end
    assert.same(core.mediaTypes(), listed)
  end)

  describe("error table", function()
    local kinds_of = {} -- listed code → its kinds
    for _, row in ipairs(rows_after "## Errors") do
      local kinds = {}
      for kind in row[2]:gmatch "[%l_]+" do kinds[kind] = true end
      kinds_of[unquoted(row[1])] = kinds
    end

    --- The codes that a source file names: what is handed to the functions that make errors, and every other string
    --- that looks like a code.
    local function codes_in(path)
      local text, codes = contents(path), {}
      for _, pattern in ipairs {
        'failure%(%s*"([%l_]+)"', 'without_answer%(end,%s*"([%l_]+)"', 'code = "([%l_]+)"', 'failed%("([%l_]+)"',
        'errors%.input%("([%l_]+)"', '"(%l+_[%l_]+)"',
      } do
        for code in text:gmatch(pattern) do codes[code] = true end
      end
      codes.rate_limit = nil -- a kind
      for _, server in ipairs { "authorization_pending", "slow_down", "access_denied", "platform_not_found" } do codes[server] = nil end
      codes.http = nil -- stands for the answer's own code
      return codes
    end

    local sources = { "src/failure.c", "src/job.c", "src/lua_source.c" }
    for path in output_of("ls lua/loomta/*.lua"):gmatch "%S+" do
      if path ~= "lua/loomta/operations.lua" then sources[#sources + 1] = path end -- which names fields of the API
    end
    for _, path in ipairs(sources) do
      it("has the codes of " .. path, function()
        for code in pairs(codes_in(path)) do assert(kinds_of[code], "the table does not have '" .. code .. "'") end
      end)
    end

    it("has no code that the code does not have", function()
      local known = { ["http_STATUS"] = true }
      for _, path in ipairs(sources) do
        for code in pairs(codes_in(path)) do known[code] = true end
      end
      for code in pairs(kinds_of) do assert(known[code], "nothing gives '" .. code .. "'") end
    end)

    it("has the kinds of every end that an exchange can have", function()
      local seen = {}
      local function note(given)
        local failure = core.classify(given)
        if not failure then return end
        local code = failure.code == "http" and "http_STATUS" or failure.code
        assert(kinds_of[code], code)
        assert(kinds_of[code][failure.kind], ("%s can be of the kind '%s'"):format(code, failure.kind))
        seen[code] = seen[code] or {}
        seen[code][failure.kind] = true
      end
      for _, complete in ipairs { false, true } do
        for result = 1, 99 do
          for _, connected in ipairs { false, true } do
            note { result = result, bodyComplete = complete, connected = connected }
          end
        end
        for _, abort in ipairs { "canceled", "deadline", "idle", "responseTooLarge", "noMemory" } do
          note { abort = abort, bodyComplete = complete, connected = true }
        end
        for _, source_error in ipairs { "readFailed", "changed", "tooShort", "tooLong" } do
          note { abort = "source", sourceError = source_error, bodyComplete = complete, connected = true }
        end
        for status = 200, 599 do note { status = status, bodyComplete = complete, connected = true } end
      end
      for code, kinds in pairs(kinds_of) do
        if seen[code] and code ~= "invalid_option" then assert.same(kinds, seen[code], code) end
      end
    end)
  end)

  it("tells what is sent again, and what may be stored", function()
    local could_not_connect, could_not_resolve, tls_broke, timed_out, not_trusted, reset = 7, 6, 35, 28, 60, 56
    local ends = { -- the table's first column → ends that it speaks of
      ["the name is not known, no connection, no connection in time"] = {
        { result = could_not_resolve }, { result = could_not_connect }, { result = timed_out },
      },
      ["the TLS handshake broke off"] = { { result = tls_broke } },
      ["the certificate is not trusted"] = { { result = not_trusted } },
      ["the connection broke, or nothing moved, before everything was sent"] = {
        { result = reset, connected = true }, { abort = "idle", connected = true },
      },
      ["the same after everything was sent"] = {
        { result = reset, connected = true, bodyComplete = true }, { abort = "idle", connected = true, bodyComplete = true },
      },
      ["`timeoutMs` ran out before everything was sent"] = { { abort = "deadline", connected = true } },
      ["`timeoutMs` ran out after everything was sent"] = { { abort = "deadline", connected = true, bodyComplete = true } },
      ["408 before everything was sent"] = { { status = 408 } },
      ["408 after everything was sent"] = { { status = 408, bodyComplete = true } },
      ["417 to a request that asked for `100 Continue`"] = { { status = 417, expectSent = true } },
      ["429"] = { { status = 429 }, { status = 429, bodyComplete = true } },
      ["503 with `Retry-After`"] = {
        { status = 503, retryAfterMs = 1000 }, { status = 503, retryAfterMs = 1000, bodyComplete = true },
      },
      ["503 without it, before everything was sent"] = { { status = 503 } },
      ["503 without it, after everything was sent"] = { { status = 503, bodyComplete = true } },
      ["500, 502, 504 before everything was sent"] = { { status = 500 }, { status = 502 }, { status = 504 } },
      ["500, 502, 504 after everything was sent"] = {
        { status = 500, bodyComplete = true }, { status = 502, bodyComplete = true }, { status = 504, bodyComplete = true },
      },
      ["any other 3xx or 4xx"] = {},
      ["2xx with an answer that broke off"] = { { status = 201, bodyComplete = true, result = reset } },
    }
    for _, status in ipairs { 301, 302, 307, 308, 400, 401, 403, 404, 409, 413, 415, 417, 422 } do
      table.insert(ends["any other 3xx or 4xx"], { status = status, bodyComplete = true })
    end

    local function delay(failure, retry_unknown)
      return core.retryDelay(failure, { maxRetries = 1, canRewind = true, random = 0.5, retryUnknown = retry_unknown })
    end
    local listed = {}
    for _, row in ipairs(rows_after "## Retries") do
      local what, stored, again = row[1], row[2], row[3]
      listed[what] = true
      assert(ends[what], "what is '" .. tostring(what) .. "'?")
      for _, given in ipairs(ends[what]) do
        local failure = core.classify(given)
        local wait, wait_unknown = delay(failure), delay(failure, true)
        local is = not wait and (wait_unknown and "no ¹" or "no") or wait == 0 and "once, at once, without asking" or "yes"
        assert.equal(failure.possiblyStored and "**yes**" or "no", stored, what)
        assert.equal(is, again, what)
      end
    end
    for what in pairs(ends) do assert(listed[what], "the table lacks: " .. what) end
  end)

  it("names the repository that the rockspec names", function()
    local rockspec = {}
    local chunk
    if setfenv then -- luacheck: ignore
      chunk = setfenv(assert(loadfile "loomta-scm-1.rockspec"), rockspec) -- luacheck: ignore
    else
      chunk = assert(loadfile("loomta-scm-1.rockspec", "t", rockspec))
    end
    chunk()
    assert.equal("git+" .. readme:match "git clone (%S+)", rockspec.source.url)
  end)

  it("has an anchor for every link within, and a file for every other", function()
    local anchors = {}
    for title in readme:gmatch "\n##+ ([^\n]+)" do anchors[title:lower():gsub(" ", "-")] = true end
    for target in readme:gmatch "%]%(([^)]+)%)" do
      if target:sub(1, 1) == "#" then
        assert(anchors[target:sub(2)], "no section for " .. target)
      elseif not target:find "^https?:" then
        assert.equal("", output_of("test -e " .. lua.quote(target) .. " || echo missing"), target)
      end
    end
  end)
end)
