-- Puts the lists together that spec/support/line_coverage.lua left in a folder: lua scripts/coverage.lua FOLDER
-- SPDX-License-Identifier: MIT
local hit = {}
local places = io.popen("cat " .. arg[1] .. "/*")
for place in places:lines() do hit[place] = true end
places:close()

local all, all_hit = 0, 0
local files = io.popen "ls lua/loomta/*.lua"
for path in files:lines() do
  local file, lines = path:match "^lua/(.*)$", {}
  local listing = assert(io.popen("luac5.4 -l -p " .. path)) -- the lines that have code
  for line, operation in listing:read("*a"):gmatch "\n\t%d+\t%[(%d+)%]%s+(%S+)" do
    if operation ~= "VARARGPREP" then lines[tonumber(line)] = true end
  end
  listing:close()
  local count, ran, missed = 0, 0, {}
  for line in pairs(lines) do
    count = count + 1
    if hit[file .. ":" .. line] then ran = ran + 1 else missed[#missed + 1] = line end
  end
  table.sort(missed)
  all, all_hit = all + count, all_hit + ran
  local rest = #missed > 0 and "  not: " .. table.concat(missed, " ") or ""
  print(("%-24s %5.1f %% of %3d lines%s"):format(file, ran / count * 100, count, rest))
end
files:close()
print(("%-24s %5.1f %% of %3d lines"):format("lua", all_hit / all * 100, all))
