-- loomta.cli.files: which files a command line means.
local files = require "loomta.cli.files"
local support = require "spec.support.files"

local folder

local function make(...)
  for _, name in ipairs { ... } do
    support.shell(("mkdir -p \"$(dirname '%s/%s')\""):format(folder, name))
    support.write(folder .. "/" .. name, "x")
  end
end

--- The paths below the folder, sorted; and what was complained about.
local function found(given)
  given.paths = given.paths or { folder }
  local list, complaints = {}, {}
  for path in files.each(given, function(path, why) complaints[#complaints + 1] = path:gsub("^.*/", "") .. ": " .. why end) do
    list[#list + 1] = path:sub(1, #folder) == folder and path:sub(#folder + 2) or path
  end
  table.sort(list)
  return list, complaints
end

before_each(function() folder = support.shell "mktemp -d" end)
after_each(function() support.shell("chmod -R u+rwx " .. folder .. "; rm -rf " .. folder) end)

describe("loomta.cli.files", function()
  it("walks folders, but not hidden files and folders", function()
    make("a.mp4", "b/c.jpg", "b/d/e.webm", ".hidden.mp4", ".git/f.mp4", "b/.g.mp4")
    assert.same({ "a.mp4", "b/c.jpg", "b/d/e.webm" }, (found {}))
  end)

  it("takes hidden ones that were named", function()
    make(".hidden.mp4", ".git/f.mp4", ".git/.g.mp4")
    assert.same({ ".git/f.mp4", ".hidden.mp4" }, (found { paths = { folder .. "/.hidden.mp4", folder .. "/.git/" } }))
  end)

  for what, case in pairs {
    ["--include"] = { { include = { "*.mp4" } }, { "a.mp4", "b/c.mp4", "b/old/e.mp4" } },
    ["several --include"] = { { include = { "*.jpg", "c.*" } }, { "b/c.mp4", "b/d.jpg" } },
    ["--exclude of files"] = { { exclude = { "*.mp4" } }, { "b/d.jpg" } },
    ["--exclude of folders"] = { { exclude = { "old/" } }, { "a.mp4", "b/c.mp4", "b/d.jpg" } },
    ["both"] = { { include = { "*.mp4" }, exclude = { "old" } }, { "a.mp4", "b/c.mp4" } },
    ["a pattern with folders"] = { { include = { "b/*.mp4" } }, { "b/c.mp4" } },
    ["a pattern with any folders"] = { { include = { "b/**.mp4" } }, { "b/c.mp4", "b/old/e.mp4" } },
  } do
    it("obeys " .. what, function()
      make("a.mp4", "b/c.mp4", "b/d.jpg", "b/old/e.mp4")
      assert.same(case[2], (found(case[1])))
    end)
  end

  for _, case in ipairs {
    { "*.mp4", "a.mp4", true }, { "*.mp4", "a/b.mp4", false }, { "*.mp4", "axmp4", false }, { "**.mp4", "a/b.mp4", true },
    { "?.mp4", "a.mp4", true }, { "?.mp4", "ab.mp4", false }, { "[a-c]1", "b1", true }, { "[a-c]1", "z1", false },
    { "[!a-c]1", "z1", true }, { "[!a-c]1", "b1", false }, { "[]x]", "]", true }, { "[x", "[x", true }, { "[%w]", "%", true },
    { "[%w]", "b", false }, { "a+b(1)-%d.x", "a+b(1)-%d.x", true }, { "*é*", "caféx", true }, { "a\nb*", "a\nbc", true },
  } do
    it(("finds %q %s %q"):format(case[2], case[3] and "like" or "unlike", case[1]), function()
      assert.equal(case[3], case[2]:find(files.pattern(case[1])) ~= nil)
    end)
  end

  it("follows links, and a loop of them only once", function()
    make("real/a.mp4", "real/deep/b.mp4")
    support.shell(("cd %s/real; ln -s a.mp4 link.mp4; ln -s .. up; ln -s deep deeper; ln -s nowhere broken"):format(folder))
    local list, complaints = found { paths = { folder .. "/real" } }
    assert.equal(1, #complaints)
    assert.equal("broken: No such file or directory", complaints[1])
    local once = {}
    for _, path in ipairs(list) do once[path:match "[^/]+$"] = (once[path:match "[^/]+$"] or 0) + 1 end
    assert.equal(1, once["b.mp4"])
    assert.is_true(#list <= 6, table.concat(list, " "))
    assert.truthy(once["link.mp4"])
  end)

  it("complains about what is not there, and about folders that it cannot read, and goes on", function()
    make("a.mp4", "closed/b.mp4")
    local id = support.shell "id -u"
    support.shell(("chmod 000 %s/closed"):format(folder))
    local list, complaints = found { paths = { folder .. "/none", folder } }
    if id == "0" then -- who may read everything
      assert.same({ "none: No such file or directory" }, complaints)
    else
      assert.same({ "a.mp4" }, list)
      assert.same({ "none: No such file or directory", "closed: Permission denied" }, complaints)
    end
  end)

  it("gives special files to whoever refuses them", function()
    support.shell(("mkfifo %s/pipe.mp4"):format(folder))
    assert.same({ "pipe.mp4" }, (found {}))
  end)

  describe("list", function()
    local function listed(text, null)
      local list, complaints = found { paths = {}, files_from = support.write(folder .. "/list", text), null = null }
      return list, complaints
    end

    it("has a path a line, and empty lines mean nothing", function()
      make("a.mp4", "b c.mp4", "d/e.mp4")
      assert.same({ "a.mp4", "b c.mp4", "d/e.mp4" }, (listed(("%s/a.mp4\n\n%s/b c.mp4\n%s/d"):format(folder, folder, folder))))
    end)

    it("may end paths with NUL bytes, and these hold anything", function()
      make("a\nb.mp4", "c.mp4")
      assert.same({ "a\nb.mp4", "c.mp4" }, (listed(("%s/a\nb.mp4\0%s/c.mp4\0"):format(folder, folder), true)))
      assert.same({ "a\nb.mp4", "c.mp4" }, (listed(("%s/c.mp4\0\0%s/a\nb.mp4"):format(folder, folder), true)))
    end)

    it("is complained about when it cannot be read", function()
      local _, complaints = found { paths = {}, files_from = folder .. "/none" }
      assert.same({ "none: No such file or directory" }, complaints)
      _, complaints = found { paths = {}, files_from = folder }
      assert.same({ folder:gsub("^.*/", "") .. ": Is a directory" }, complaints)
    end)

    it("is read as it is needed: memory does not grow with it", function()
      make "a.mp4"
      local list = support.write(folder .. "/list", (folder .. "/a.mp4\n"):rep(20000))
      collectgarbage()
      collectgarbage()
      local before, most, count = collectgarbage "count", 0, 0
      for _ in files.each({ paths = {}, files_from = list }, error) do
        count = count + 1
        if count % 5000 == 0 then
          collectgarbage()
          most = math.max(most, collectgarbage "count" - before)
        end
      end
      assert.equal(20000, count)
      assert.is_true(most < 100, most .. " KiB more")
    end)
  end)

  it("goes on giving nil at the end", function()
    local each = files.each({ paths = {} }, error)
    assert.is_nil((each()))
    assert.is_nil((each()))
  end)
end)
