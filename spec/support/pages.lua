--- Reads the documentation's pages: their blocks of code, their tables, and what links can lead to.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"

local pages = {}

--- The paths of those that people read.
pages.all = { "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "sandbox/README.md", "bench/README.md" }
for path in files.shell("ls docs/*.md"):gmatch "%S+" do pages.all[#pages.all + 1] = path end

---@class PageBlock
---@field path string of its page
---@field line integer where it begins
---@field language string
---@field flag string what stands behind the language, "" or "no-run"
---@field code string

--- The blocks of code in a page.
---@param path string
---@return PageBlock[]
function pages.blocks(path)
  local blocks, block, number = {}, nil, 0
  for line in (files.read(path) .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    local language, flag = line:match "^```(%l*) ?(.*)$"
    if block and language then
      block.code = table.concat(block.code, "\n")
      block = nil
    elseif block then
      table.insert(block.code, line)
    elseif language then
      block = { path = path, line = number, language = language, flag = flag, code = {} }
      blocks[#blocks + 1] = block
    end
  end
  assert(not block, path .. ": a block without an end")
  return blocks
end

--- The rows of the first table after a line that contains `mark`: lists of cells, without the head.
---@param path string
---@param mark string
---@return string[][]
function pages.rowsAfter(path, mark)
  local text = files.read(path)
  local _, last = text:find(mark, 1, true)
  assert(last, path .. " has no '" .. mark .. "'")
  local rows = {}
  for line in text:sub(last + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) == "|" then
      local cells = {}
      for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do cells[#cells + 1] = cell end
      rows[#rows + 1] = cells
    elseif #rows > 0 then
      break
    end
  end
  assert(#rows > 2, path .. " has no table after '" .. mark .. "'")
  table.remove(rows, 1)
  table.remove(rows, 1)
  return rows
end

--- The anchors of a page's sections, as forges and mkdocs make them.
---@param path string
---@return table<string, boolean>
function pages.anchors(path)
  local anchors = {}
  for title in ("\n" .. files.read(path):gsub("\n```.-\n```", "")):gmatch "\n#+ ([^\n]+)" do
    anchors[title:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return anchors
end

--- What a page links to, but for the web.
---@param path string
---@return string[]
function pages.links(path)
  local links = {}
  for target in files.read(path):gsub("\n```.-\n```", ""):gsub("`[^`\n]*`", ""):gmatch "%]%(([^)%s]+)%)" do
    if not target:find "^https?:" then links[#links + 1] = target end
  end
  return links
end

return pages
