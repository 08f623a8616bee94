-- The man page tells of every option, exit status and variable that the program's help tells of, and of no others.
local account = require "loomta.cli.account"
local args = require "loomta.cli.args"
local files = require "spec.support.files"

local page = "docs/loomta-upload.1"

--- The man page as plain text by section: roff's escapes and fonts are gone, requests stand at the start of lines.
local function sections()
  local list, title = {}, nil
  for line in files.read(page):gmatch "[^\n]+" do
    line = line:gsub("\\([-&])", { ["-"] = "-", ["&"] = "" })
    local heading = line:match "^%.SH (.*)$"
    if heading then
      title = heading
      list[title] = {}
    elseif title then
      table.insert(list[title], line)
    end
  end
  return list
end

--- The lines that a section's paragraphs are headed with, without their fonts.
local function tags(lines)
  local found = {}
  for at, line in ipairs(lines) do
    if line == ".TP" then found[#found + 1] = (lines[at + 1]:gsub("^%.%u+ ", ""):gsub('[ "]+', " "):gsub(" $", "")) end
  end
  return found
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function public_options()
  local options = {}
  for _, option in ipairs(args.parser(true)._options) do
    if not option._hidden then options[#options + 1] = option end
  end
  return options
end

--- The words that open the lines of a part of the help's last words.
local function epilog(title, pattern)
  local text, found = (args.parser(true)._epilog .. "\n\n"):match(title .. "[^\n]*:\n(.-)\n\n"), {}
  for line in text:gmatch "[^\n]+" do
    for word in (line:match "^%s*([%w_, ]-)%s%s" or ""):gmatch(pattern) do found[word] = true end
  end
  return sorted(found)
end

describe("the man page", function()
  it("has the commands of the program", function()
    local told = {}
    for _, tag in ipairs(tags(sections().COMMANDS)) do told[tag] = true end
    assert.same(sorted(account.commands), sorted(told))
  end)

  it("has the options of the program", function()
    local told, taken = {}, {}
    for _, tag in ipairs(tags(sections().OPTIONS)) do
      for name in (" " .. tag):gmatch "[ ,](%-%-?[%w-]+)" do
        assert.is_nil(told[name], name .. " is there twice")
        told[name] = true
      end
    end
    for _, option in ipairs(public_options()) do
      for _, alias in ipairs(option._aliases) do taken[alias] = true end
    end
    assert.is_true(#sorted(taken) > 25)
    assert.same(sorted(taken), sorted(told))
  end)

  it("calls what they take as the help does", function()
    local argument = {}
    for _, tag in ipairs(tags(sections().OPTIONS)) do
      for name in tag:gmatch "%-%-[%w-]+" do argument[name] = tag:match " (%u+)$" or false end
    end
    for _, option in ipairs(public_options()) do
      local name = option._aliases[#option._aliases]
      local expected = option._argname or option._choices and argument[name] or false
      if type(expected) == "table" then expected = expected[1] end
      assert.equal(expected, argument[name], name)
      assert.equal(option._maxargs > 0, argument[name] ~= false, name)
    end
  end)

  it("has their choices", function()
    local text = table.concat(sections().OPTIONS, "\n")
    for _, option in ipairs(public_options()) do
      for _, choice in ipairs(option._choices or {}) do
        local about = text:match(option._aliases[#option._aliases]:gsub("%-", "%%-") .. " (.-)\n%.TP")
        assert.truthy(about and about:find(choice, 1, true), choice)
      end
    end
  end)

  it("has the exit statuses and the variables", function()
    local statuses, variables = {}, {}
    for _, tag in ipairs(tags(sections()["EXIT STATUS"])) do
      for number in tag:gmatch "%d+" do statuses[number] = true end
    end
    assert.same(epilog("Exit status", "%d+"), sorted(statuses))
    for _, tag in ipairs(tags(sections().ENVIRONMENT)) do variables[tag] = true end
    variables.TERM = nil -- goes without saying in the help
    assert.same(epilog("Environment", "[%u_]+"), sorted(variables))
  end)

  local has_groff = files.shell "command -v groff" ~= "" and it or pending

  has_groff("is sound", function()
    assert.equal("", files.shell("groff -man -ww -z " .. page .. " 2>&1"))
  end)
end)
