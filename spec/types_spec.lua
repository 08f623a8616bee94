-- The annotations that an editor shows say what the code does: options, fields, functions, results, errors.
local annotations = require "scripts.annotations"
local errors = require "loomta.errors"
local files = require "spec.support.files"
local loomta = require "loomta"
local operations = require "loomta.operations"
local options = require "loomta.options"
local sandbox = require "spec.support.sandbox"
local types = require "loomta.types"

local classes, module_functions = annotations.read "lua/loomta/meta.lua"

--- { name = "optional" | "required" } of a class's own fields; "any" may be either.
local function fields_of(name)
  local found = {}
  for _, field in ipairs(classes[name].fields) do
    assert.is_nil(found[field.name], name .. " has twice " .. field.name)
    found[field.name] = field.type == "any" and "any" or field.optional and "optional" or "required"
  end
  return found
end

--- The class that a function in the annotations takes.
local function taken_by(class, operation)
  for _, field in ipairs(classes[class].fields) do
    if field.name == operation then return field.type:match "given: ([%w.]+)", field.type:find("given: [%w.]+%?") ~= nil end
  end
end

--- Holds what a field is annotated to be against what the check of its values lets pass.
local function compare_type(field, check)
  local words = "|" .. field.type:gsub("%b()", "()"):gsub("%b{}", "{}"):gsub("%b<>", "") .. "|"
  words = words:gsub("|fun%(%)[^|]*", "|fun()")
  if words == "|any|" then return end
  for kind, sample in pairs { boolean = true, integer = 5, ["fun()"] = print } do
    assert.equal(words:find("|" .. kind, 1, true) ~= nil, check(sample) ~= nil, field.name .. ": " .. kind)
  end
  for literal in words:gmatch '|"([^"]+)"' do assert.equal(literal, check(literal), field.name) end
  local one_of_some = words:find '|"' and not words:find "|string|"
  if one_of_some then assert.is_nil(check "something else", field.name) end
end

describe("the annotations", function()
  it("have the options as they are declared", function()
    local declared, bulk = {}, { folderId = "optional", mimeType = "optional", mediaType = "optional" }
    for name, rule in pairs(options.declared) do
      (rule.only == "uploads" and bulk or declared)[name] = "optional"
    end
    assert.same(declared, fields_of "loomta.Options")
    assert.same(bulk, fields_of "loomta.BulkOptions")
    for _, name in ipairs { "Options", "BulkOptions", "Upload", "PostRequest", "Info", "Error" } do
      assert.is_true(classes["loomta." .. name].exact, name)
    end
  end)

  it("name the default of each option that has one", function()
    for _, field in ipairs(classes["loomta.Options"].fields) do
      local default = options.declared[field.name].default
      if default == 1024 * 1024 then
        assert.truthy(field.text:find "default 1 MiB")
      elseif default == 0 then
        assert.truthy(field.text:find("%(default%)") or field.text:find "default 0", field.name)
      elseif default ~= nil then
        local shown = type(default) == "number" and ("%.0f"):format(default) or tostring(default)
        assert.truthy(field.text:find("default " .. shown, 1, true), field.name)
      end
    end
  end)

  it("give each option the type that is checked", function()
    for _, name in ipairs { "loomta.Options", "loomta.BulkOptions" } do
      for _, field in ipairs(classes[name].fields) do
        local rule = options.declared[field.name] or operations.upload.fields[field.name]
        compare_type(field, types[rule.type])
      end
    end
  end)

  for name, operation in pairs(operations) do
    it("have what " .. name .. " takes", function()
      local class, may_be_absent = taken_by("loomta.Module", name)
      assert.truthy(class, "there is no function " .. name)
      assert.same({ class, may_be_absent }, { taken_by("loomta.Client", name) })
      local listed = class == "loomta.Options" and {} or fields_of(class)
      for _, field in ipairs(class == "loomta.Options" and {} or classes[class].fields) do
        compare_type(field, types[operation.fields[field.name].type])
      end
      local needs_something = operation.body == "form"
      for field, rule in pairs(operation.fields) do
        needs_something = needs_something or rule.required == true
        local expected = rule.required and "required" or "optional"
        assert.equal(listed[field] == "any" and "any" or expected, listed[field], field)
        listed[field] = nil
      end
      assert.same({}, listed)
      assert.equal(needs_something, not may_be_absent)
    end)
  end

  it("have the module's functions, and no others", function()
    local listed, there = fields_of "loomta.Module", {}
    for name in pairs(loomta) do there[name] = "required" end
    for _, each in ipairs(module_functions) do listed[each.name] = "required" end
    listed.null = "required"
    assert.same(there, listed)
  end)

  for _, object in ipairs {
    { "client", "Client", function(client) return client end },
    { "job", "Job", function(client) return assert(client:start { data = "x", mimeType = "image/jpeg" }) end },
    { "uploads", "Uploads", function(client) return (client:uploads {}) end },
  } do
    it("have each method of " .. object[1], function()
      local known = {}
      for _, method in ipairs(select(2, annotations.read("lua/loomta/" .. object[1] .. ".lua"))) do
        if method.class == object[2] then
          known[method.name] = true
          assert.truthy(method.private or method.text ~= "", method.name .. " has no documentation")
        end
      end
      local client = assert(loomta.new { apiKey = "k", baseUrl = "http://127.0.0.1:1", maxRetries = 0 })
      local methods = getmetatable(object[3](client)).__index
      client:close()
      for name, value in pairs(methods) do
        local listed = known[name] or object[1] == "client" and operations[name] or name:find "^__"
        assert.truthy(type(value) ~= "function" or listed, name)
      end
    end)
  end

  it("have what a call tells", function()
    local box = sandbox.start {}
    local listed = fields_of "loomta.Info"
    local _, _, info = loomta.upload { apiKey = box.key, baseUrl = box.url, data = "x", mimeType = "image/jpeg" }
    local _, err, refused = loomta.upload { apiKey = "wrong", baseUrl = box.url, data = "x", mimeType = "image/jpeg" }
    box:stop()
    for _, each in ipairs { info, refused } do
      for name in pairs(each) do assert.truthy(listed[name], name) end
    end
    local of_error = fields_of "loomta.Error"
    for _, each in ipairs { err, errors.input("invalid_option", "no", "x"), errors.outOfResources "none" } do
      for name in pairs(each) do assert.truthy(of_error[name], name) end
      for name, need in pairs(of_error) do assert.truthy(need ~= "required" or each[name] ~= nil, name) end
    end
    local written = {}
    for name in files.read("lua/loomta/response.lua"):match("local function info_of.-\nend"):gmatch "\n    (%w+) = " do written[name] = true end
    for _, path in ipairs { "admission", "reconcile", "settle" } do
      for name in files.read("lua/loomta/" .. path .. ".lua"):gmatch "info%.(%w+) = true" do written[name] = true end
    end
    for name in pairs(listed) do assert.truthy(written[name], "nothing sets " .. name) end
  end)

  it("make docs/reference.md as it is", function()
    local path = os.tmpname()
    files.shell("lua5.4 scripts/reference.lua " .. path)
    local made = files.read(path)
    os.remove(path)
    assert.equal(made, files.read "docs/reference.md", "run `make reference`")
  end)

  it("have the codes and kinds of the table of errors", function()
    local page, codes, kinds = files.read "docs/errors.md", {}, {}
    for code, row in page:match("## Codes(.*)"):gmatch "\n| `([%l_]+)` |([^|]*)|" do
      codes[code] = true
      for kind in row:gmatch "[%l_]+" do kinds[kind] = true end
    end
    local function set(alias)
      local found = {}
      for _, value in ipairs(classes[alias].values) do found[value] = true end
      return found
    end
    assert.same(codes, set "loomta.ErrorCode")
    kinds.api = true -- of http_STATUS
    for kind in pairs(kinds) do assert.truthy(set("loomta.ErrorKind")[kind], kind) end
  end)
end)
