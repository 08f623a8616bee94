-- The documentation keeps its word: its tables say what the code says, and its links lead somewhere.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local files = require "spec.support.files"
local operations = require "loomta.operations"
local pages = require "spec.support.pages"
local posts = require "loomta.posts"

local function unquoted(cell) return cell:match "^`([^`]+)`$" end

describe("the documentation", function()
  it("lists the operations as they are declared", function()
    local listed, declared = {}, {}
    for _, row in ipairs(pages.rowsAfter("docs/operations.md", "# Operations")) do
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
    for _, row in ipairs(pages.rowsAfter("docs/media-types.md", "All types that are recognised")) do
      listed[#listed + 1] = { name = row[1], mimeType = unquoted(row[2]), extension = row[3], accepted = row[4] == "accepted" }
    end
    assert.same(core.mediaTypes(), listed)
  end)

  describe("error table", function()
    local kinds_of, listed = {}, {} -- code → its kinds; code → { possibly stored, retryable }
    for _, row in ipairs(pages.rowsAfter("docs/errors.md", "## Codes")) do
      local kinds = {}
      for kind in row[2]:gmatch "[%l_]+" do kinds[kind] = true end
      kinds_of[unquoted(row[1])] = kinds
      listed[unquoted(row[1])] = { (row[3]:gsub("%*", "")), row[4] }
    end

    --- The codes that a source file names: what is handed to the functions that make errors, and every other string
    --- that looks like a code.
    local function codes_in(path)
      local text, codes = files.read(path), {}
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
    for path in files.shell("ls lua/loomta/*.lua lua/loomta/queue/*.lua"):gmatch "%S+" do
      -- The one names fields of the API, the other lists codes for editors.
      if path ~= "lua/loomta/operations.lua" and path ~= "lua/loomta/meta.lua" then sources[#sources + 1] = path end
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

    --- Calls `note` with the failure of every end that an exchange can have.
    local function each_failure(note)
      local function look(given)
        local failure = core.classify(given)
        if failure then note(failure, failure.code == "http" and "http_STATUS" or failure.code) end
      end
      for _, complete in ipairs { false, true } do
        for result = 1, 99 do
          for _, connected in ipairs { false, true } do
            look { result = result, bodyComplete = complete, connected = connected }
          end
        end
        for _, abort in ipairs { "canceled", "deadline", "idle", "responseTooLarge", "noMemory" } do
          look { abort = abort, bodyComplete = complete, connected = true }
        end
        for _, source_error in ipairs { "readFailed", "changed", "tooShort", "tooLong" } do
          look { abort = "source", sourceError = source_error, bodyComplete = complete, connected = true }
        end
        for status = 200, 599 do look { status = status, bodyComplete = complete, connected = true } end
      end
    end

    it("has the kinds of every end that an exchange can have", function()
      local seen = {}
      each_failure(function(failure, code)
        assert(kinds_of[code], code)
        assert(kinds_of[code][failure.kind], ("%s can be of the kind '%s'"):format(code, failure.kind))
        seen[code] = seen[code] or {}
        seen[code][failure.kind] = true
      end)
      for code, kinds in pairs(kinds_of) do
        if seen[code] and code ~= "invalid_option" then assert.same(kinds, seen[code], code) end
      end
    end)

    it("says of each whether it may be stored, and whether calling again can help", function()
      local words = {} -- code → { "yes", "no" or "depends" for the one, and for the other }
      local function note(code, ...)
        words[code] = words[code] or {}
        for place, word in ipairs { ... } do
          local before = words[code][place]
          words[code][place] = (before == nil or before == word) and word or "depends"
        end
      end
      local function yes_or_no(value) return value and "yes" or "no" end
      each_failure(function(failure, code) note(code, yes_or_no(failure.possiblyStored), yes_or_no(failure.retryable)) end)

      -- Those that are made in Lua: what they say where they are made. `false` is what is not said.
      local function said(fields, name)
        local value = fields:match("%f[%w]" .. name .. " = ([^,}]+)")
        return value == nil and "no" or value == "true" and "yes" or "depends"
      end
      for _, path in ipairs(sources) do
        local text = path:find "%.lua$" and files.read(path) or ""
        for code in text:gmatch 'errors%.input%(%s*"([%l_]+)"' do note(code, "no", "no") end
        for fields in text:gmatch "errors%.new (%b{})" do
          local code = fields:match 'code = "([%l_]+)"'
          if code then note(code, said(fields, "possiblyStored"), said(fields, "retryable")) end
        end
      end
      for _, code in ipairs { "timeout", "would_block" } do note(code, "yes", "no") end -- of job:wait, while the job goes on
      local function posted(...)
        local err = posts.failure({ created = { ... }, failed = { { platformId = "a", status = "unknown" } } }, {})
        note(err.code, yes_or_no(err.possiblyStored), yes_or_no(err.retryable))
      end
      posted {}
      posted()
      local refused = posts.failure({ created = {}, failed = { { platformId = "a", status = "failed" } } }, {})
      note(refused.code, yes_or_no(refused.possiblyStored), yes_or_no(refused.retryable))
      assert.same(listed, words)
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
    for _, row in ipairs(pages.rowsAfter("docs/retries.md", "# Retries")) do
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
    assert.equal("git+" .. files.read("README.md"):match "git clone (%S+)", rockspec.source.url)
  end)

  it("has every page in the site's navigation and in the README", function()
    local navigation, readme = files.read "mkdocs.yml", files.read "README.md"
    for _, path in ipairs(pages.all) do
      local name = path:match "^docs/(.*)$"
      assert(not name or navigation:find(": " .. name .. "\n", 1, true), path .. " is not in mkdocs.yml")
      assert(not name or readme:find("(" .. path, 1, true), path .. " is not in the README")
    end
  end)

  for _, path in ipairs(pages.all) do
    it("links from " .. path .. " to what is there", function()
      local folder = path:match "^.*/" or ""
      for _, target in ipairs(pages.links(path)) do
        local file, anchor = target:match "^([^#]*)#?(.*)$"
        file = file == "" and path or folder .. file
        assert.equal("", files.shell(("test -e '%s' || echo is missing"):format(file)), target)
        assert(anchor == "" or pages.anchors(file)[anchor], "no section for " .. target)
      end
    end)
  end
end)
