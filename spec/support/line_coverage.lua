--- Notes which lines of lua/loomta run in this interpreter, for scripts/coverage. Load it before anything else (LUA_INIT, or as
--- a busted helper); when the state is closed it leaves a list in the folder LOOMTA_LUA_COVERAGE.
-- SPDX-License-Identifier: MIT
local hit = {}

local function hook(_, line)
  local file = debug.getinfo(2, "S").source:match "lua/(loomta/[%w_]+%.lua)$"
  if file then hit[file .. ":" .. line] = true end
end

local wrap, create = coroutine.wrap, coroutine.create

-- A hook belongs to one coroutine.
local function hooked(f)
  return function(...)
    debug.sethook(hook, "l")
    return f(...)
  end
end
coroutine.wrap = function(f) return wrap(hooked(f)) end
coroutine.create = function(f) return create(hooked(f)) end
debug.sethook(hook, "l")

-- Collected when the state is closed.
loomta_line_coverage = setmetatable({}, { -- luacheck: ignore
  __gc = function()
    debug.sethook()
    local pipe = io.popen("mktemp " .. os.getenv "LOOMTA_LUA_COVERAGE" .. "/XXXXXXXX")
    local out = assert(io.open(pipe:read "*l", "w"))
    pipe:close()
    for place in pairs(hit) do out:write(place, "\n") end
    out:close()
  end,
})
