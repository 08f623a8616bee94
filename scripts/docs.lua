--- Gathers the pages for mkdocs: docs/, the READMEs that stand beside what they are about, and the man page. Links
--- are turned to where their targets are on the site, or to the repository. `make docs`.
-- SPDX-License-Identifier: MIT
local files = require "spec.support.files"

local target = assert(arg[1], "usage: lua scripts/docs.lua FOLDER")

-- From elsewhere in the repository → its name on the site.
local guests = {
  ["README.md"] = "index.md",
  ["CHANGELOG.md"] = "changelog.md",
  ["CONTRIBUTING.md"] = "contributing.md",
  ["bench/README.md"] = "benchmarks.md",
  ["sandbox/README.md"] = "sandbox.md",
  ["docs/loomta-upload.1"] = "loomta-upload.md",
}

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local repository = files.read("loomta-scm-1.rockspec"):match 'local repository = "([^"]+)"'

--- A path without "." and "..".
local function plain(path)
  local steps = {}
  for step in path:gmatch "[^/]+" do
    if step == ".." then
      table.remove(steps)
    elseif step ~= "." then
      steps[#steps + 1] = step
    end
  end
  return table.concat(steps, "/")
end

--- Where a link of a page leads to on the site.
local function lead(link, folder)
  if link:find "^#" or link:find "^%a+:" then return link end
  local path, anchor = link:match "^([^#]*)(.*)$"
  path = plain(folder .. path)
  if guests[path] then return guests[path] .. anchor end
  if path:find "%.svg$" then
    local name = path:gsub("/", "-")
    files.write(target .. "/assets/" .. name, files.read(path))
    return "assets/" .. name
  end
  if path:find "^docs/" then return path:sub(#"docs/" + 1) .. anchor end
  return ("https://%s/blob/main/%s%s"):format(repository, path, anchor)
end

--- A page of Markdown for the site; what stands behind a fence's language is for those who run it.
local function page(text, folder)
  text = text:gsub("(\n```%l+) [^\n]*", "%1")
  return (text:gsub("(%]%()([^)%s]+)%)", function(open, link) return open .. lead(link, folder) .. ")" end))
end

--- The words of a line of roff: "quoted ones" are one.
local function words_of(line)
  local words, at = {}, 1
  while at <= #line do
    local quoted, last = line:match('^"([^"]*)"?()', at)
    local bare, behind = line:match("^([^ ]+)()", at)
    if quoted then
      words[#words + 1] = quoted
    elseif bare then
      words[#words + 1] = bare
    end
    at = (last or behind or at) + 1
  end
  return words
end

local fonts = {
  R = function(text) return (text:gsub("[%*_<|]", "\\%0")) end,
  B = function(text) return "`" .. text .. "`" end,
  I = function(text) return "*" .. text .. "*" end,
}

--- A word in a font; the blanks around it stay outside.
local function in_font(font, text)
  local before, core, behind = text:match "^( *)(.-)( *)$"
  return before .. (core == "" and "" or fonts[font](core)) .. behind
end

--- What a line of the man page says, in Markdown.
local function inline(line)
  local macro, rest = line:match "^%.(%u%u?) (.*)$"
  if not macro then return fonts.R(line) end
  local words, text = words_of(rest), ""
  if #macro == 1 then return in_font(macro, table.concat(words, " ")) end
  for place, word in ipairs(words) do
    local font = macro:sub((place - 1) % 2 + 1, (place - 1) % 2 + 1)
    text = text .. in_font(font, word)
  end
  return (text:gsub("``", ""))
end

--- The man page as Markdown. It knows the few macros that the page uses, and fails at others.
local function manual(text)
  local out, indent, tag, code = { "# loomta-upload", "", "This is its man page, `man loomta-upload`.", "" }, "", false, false
  local function add(line) out[#out + 1] = line end
  for line in text:gmatch "[^\n]+" do
    line = line:gsub("\\%(aq", "'"):gsub("\\([-&])", { ["-"] = "-", ["&"] = "" })
    local macro, rest = line:match "^%.(%a+) ?(.*)$"
    if line:find '^%.\\"' or macro == "TH" or macro == "RS" or macro == "RE" then -- luacheck: ignore 542
      -- nothing of it is to be seen
    elseif code and macro ~= "EE" then
      add(indent .. line)
    elseif macro == "SH" or macro == "SS" then
      indent = ""
      add(("\n%s %s\n"):format(macro == "SH" and "##" or "###", rest:sub(1, 1) .. rest:sub(2):lower()))
    elseif macro == "TP" then
      indent, tag = "", true
    elseif macro == "PP" then
      indent = ""
      add ""
    elseif macro == "EX" then
      code = true
      add("\n" .. indent .. "```sh")
    elseif macro == "EE" then
      code = false
      add(indent .. "```\n")
    elseif macro == "br" then
      add "\\"
    elseif macro and not macro:find "^[BIR][BIR]?$" then
      error("the man page has a macro that is not known here: " .. line)
    elseif tag then
      add("\n" .. inline(line) .. "\n:   ")
      tag, indent = false, "    "
    else
      add(indent .. inline(line))
    end
  end
  return (table.concat(out, "\n"):gsub(":   \n +", ":   "):gsub("\n\\\n", "  \n"))
end

os.execute(("rm -rf '%s' && mkdir -p '%s'/assets && cp docs/assets/* '%s'/assets/"):format(target, target, target))
for _, path in ipairs(lines_of "ls docs/*.md") do
  files.write(target .. "/" .. path:match "[^/]+$", page(files.read(path), "docs/"))
end
for path, name in pairs(guests) do
  local folder = path:match "^.*/" or ""
  files.write(target .. "/" .. name, path:find "%.md$" and page(files.read(path), folder) or manual(files.read(path)))
end
