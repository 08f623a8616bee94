-- What a build says when something is missing: the package to install, on each of four systems.
local files = require "spec.support.files"
local lua = require "spec.support.lua"

local folder

--- Runs scripts/needs; a header that is missing is one that cannot be compiled.
local function needs(given)
  local words = {}
  for _, name in ipairs { "CC", "FLAGS", "LIBS" } do
    words[#words + 1] = ("%s=%s"):format(name, lua.quote(given[name] or ""))
  end
  local said = files.shell(("%s scripts/needs %s 2>&1; echo $?"):format(table.concat(words, " "), given.lua or "5.4"))
  return said:match "^(.-)\n?(%d+)$"
end

local function lacking(header)
  files.shell(("mkdir -p %s/%s"):format(folder, header:match "^(.-)[^/]*$"))
  files.write(folder .. "/" .. header, "#error\n")
  return "-I" .. folder
end

describe("scripts/needs", function()
  before_each(function()
    folder = files.shell "mktemp -d"
    files.write(folder .. "/lua.h", "")
    files.shell(("mkdir %s/curl && touch %s/curl/curl.h"):format(folder, folder))
  end)
  after_each(function() files.shell("rm -rf " .. folder) end)

  it("is content when all is there", function()
    local said, status = needs { FLAGS = "-I" .. folder }
    assert.equal("", said)
    assert.equal("0", status)
  end)

  it("names the packages of libcurl's header", function()
    local said, status = needs { FLAGS = lacking "curl/curl.h" }
    assert.equal("1", status)
    assert.truthy(said:find("libcurl's header <curl/curl.h> is missing", 1, true), said)
    for _, package in ipairs { "apt%-get install libcurl4%-openssl%-dev", "dnf install libcurl%-devel", "apk add curl%-dev", "brew install curl" } do
      assert.matches(package, said)
    end
    assert.is_nil(said:find("lua", 1, true))
  end)

  it("names the packages of libcurl itself", function()
    local said, status = needs { FLAGS = "-I" .. folder, LIBS = "-lcurl_that_is_nowhere" }
    assert.equal("1", status)
    assert.matches("libcurl %(%-lcurl_that_is_nowhere%) is missing", said)
    assert.matches("libcurl4%-openssl%-dev", said)
  end)

  it("names the package of the Lua that is wanted", function()
    local flags = lacking "lua.h"
    for version, package in pairs { ["5.1"] = "liblua5%.1%-0%-dev", ["5.4"] = "liblua5%.4%-dev", jit = "libluajit%-5%.1%-dev" } do
      local said, status = needs { FLAGS = flags, lua = version }
      assert.equal("1", status)
      assert.matches("header <lua%.h> is missing", said)
      assert.matches(package, said)
      assert.matches("LUA_INCDIR", said)
    end
  end)

  it("names the package of a compiler", function()
    local said, status = needs { CC = "no-such-compiler" }
    assert.equal("1", status)
    assert.matches("a C compiler %(no%-such%-compiler%) is missing", said)
    assert.matches("gcc", said)
  end)
end)
