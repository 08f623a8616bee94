-- The picture of the rooms has every file of the code in it, and no other.
local files = require "spec.support.files"

local function words(text)
  local found = {}
  for word in text:gmatch "[%w_*/.]+" do found[word] = true end
  return found
end

describe("the picture of the architecture", function()
  local drawn = {}
  for line in files.read("docs/architecture.svg"):gmatch "monospace\"[^>]*>([^<]*)<" do
    for word in pairs(words(line)) do drawn[word] = true end
  end

  it("has every file", function()
    local there = words "core.c lua_*.c bind.h compat.h platform.h windows/ queue/ cli/init"
    local list = files.shell "ls src/*.[ch] lua/loomta/*.lua lua/loomta/cli/*.lua"
    local by_pattern = { core = true, bind = true, compat = true, platform = true }
    for name in list:gmatch "([%w_]+)%.%w+" do
      if not (name:find "^lua_" or by_pattern[name]) then there[name] = true end
    end
    assert.same(there, drawn)
  end)
end)
