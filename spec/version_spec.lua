-- The version stands in lua/loomta/version.lua; whatever else has to name it names the same.
local cli = require "spec.support.cli"
local files = require "spec.support.files"
local loomta = require "loomta"
local sandbox = require "spec.support.sandbox"

local version = require "loomta.version"

--- What a rockspec sets.
local function rockspec(path)
  local globals = {}
  local chunk = assert(loadfile(path, "t", globals))
  if setfenv then setfenv(chunk, globals) end -- Lua 5.1's loadfile takes no environment
  chunk()
  return globals
end

describe("the version", function()
  it("is one of SemVer", function() assert.matches("^%d+%.%d+%.%d+$", version) end)

  it("is the library's", function() assert.equal(version, loomta.version) end)

  it("is told to servers", function()
    local box = sandbox.start()
    assert(loomta.upload { file = "spec/fixtures/clip.mp4", apiKey = box.key, baseUrl = box.url })
    local agent = box:lastRequest().headers["user-agent"]
    box:stop()
    assert.equal("loomta/" .. version, agent:match "^%S+")
  end)

  it("is the sandbox's", function()
    local bin = os.getenv "LOOMTA_SANDBOX_BIN" or "build/sandbox/loomta-sandbox"
    assert.equal("loomta-sandbox " .. version, files.shell(bin .. " --version"))
  end)

  it("is the command's", function() assert.equal("loomta-upload " .. version .. "\n", cli.run({ "--version" }).out) end)

  it("is in the man page's last line", function()
    assert.equal("loomta " .. version, files.read("docs/loomta-upload.1"):match '\n%.TH LOOMTA%-UPLOAD 1 "[^"]*" "([^"]*)"')
  end)

  it("is the one that opm hears", function()
    local told = {}
    for name, value in files.read("dist.ini"):gmatch "\n([%w_]+) = ([^\n]+)" do told[name] = value end
    assert.equal(version, told.version)
    assert.truthy(files.read(told.main_module):find("loomta.version", 1, true))
  end)

  it("is Debian's", function() assert.equal(version, files.read("debian/changelog"):match "^loomta %(([^)]+)%)") end)

  it("has an entry in the changelog, the first after what is unreleased", function()
    assert.equal(version, files.read("CHANGELOG.md"):match "\n## %[Unreleased%].-\n## %[([^%]]+)%]")
  end)

  it("has a rockspec, which differs from that of the source tree in nothing else", function()
    local release = rockspec("rockspecs/loomta-" .. version .. "-1.rockspec")
    assert.equal(version .. "-1", release.version)
    assert.equal("v" .. version, release.source.tag)
    local tree = rockspec "loomta-scm-1.rockspec"
    release.version, release.source.tag = tree.version, nil
    assert.same(tree, release)
  end)
end)
