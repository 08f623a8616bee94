-- An upload takes the same few megabytes whatever its size: the peak of an interpreter that uploads much, against one that uploads little.
local files = require "spec.support.files"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

local shell = files.shell

local key = "loomta_sk_spec_7d1fc0ffee"
local allowed_kib = 16 * 1024

local folder, box

-- The peak memory, in KiB, of an interpreter that uploads a small file and then runs `code` (which sees `client` and `check`).
local function peak(code)
  local output, ok = lua.run(([[
    local loomta = require "loomta"
    local client = assert(loomta.new { apiKey = %q, baseUrl = %q })
    local function check(size, media, err)
      assert(media, tostring(err))
      assert(media.size == size, media.size)
    end
    check(3830, client:upload { file = "spec/fixtures/clip.mp4" })
    %s
    print((assert(io.open "/proc/self/status"):read "*a"):match "VmHWM:%%s*(%%d+) kB")
  ]]):format(key, box.url, code))
  assert.is_true(ok, output)
  return tonumber(output)
end

local function assert_modest(code)
  local idle, busy = peak "", peak(code)
  assert.is_true(busy - idle < allowed_kib, ("%d KiB more than the %d KiB of an idle one"):format(busy - idle, idle))
end

describe("memory #slow", function()
  setup(function()
    folder = shell "mktemp -d"
    box = sandbox.start { args = { "--key", key } }
  end)

  teardown(function()
    if box then box:stop() end
    shell("rm -rf " .. lua.quote(folder))
  end)

  it("is measured: what is held in it shows", function()
    assert.is_true(peak "local held = ('x'):rep(20 * 1024 * 1024)" - peak "" > allowed_kib)
  end)

  it("does not grow with a file of 2 GiB", function()
    local path = folder .. "/sparse.mp4"
    shell(("cp spec/fixtures/clip.mp4 %s && truncate -s 2G %s"):format(lua.quote(path), lua.quote(path)))
    assert_modest(("check(2 ^ 31, client:upload { file = %q })"):format(path))
  end)

  for name, size in pairs { ["a size"] = "2000 * 262144", ["no size"] = "nil" } do
    it("does not grow with 500 MiB from a reader of " .. name, function()
      assert_modest(([[
        local given, piece = 0, ("r"):rep(262144)
        local function reader()
          given = given + 1
          if given <= 2000 then return given .. piece:sub(#tostring(given) + 1) end -- a new string each time
        end
        check(2000 * 262144, client:upload { reader = reader, size = %s, mimeType = "video/mp4" })
      ]]):format(size))
    end)
  end

  it("does not grow with the number of uploads", function()
    assert_modest [[
      local data = assert(io.open("spec/fixtures/clip.mp4", "rb")):read "*a"
      for i = 1, 2000 do
        check(#data, client:upload { data = data })
      end
    ]]
  end)

  it("does not grow with answers that are too large", function()
    box:fault { path = "/large/public/v1/media", response = "enormous", times = 0 }
    local _, answer = box:control("POST", "/large/public/v1/media", "x")
    assert.is_true(#answer > 10 * 1024 * 1024 or #answer < 1000, #answer)
    assert_modest(([[
      for i = 1, 5 do
        local media, err = client:upload { file = "spec/fixtures/clip.mp4", baseUrl = "%s/large" }
        assert(not media and err.status == 404, tostring(err))
      end
    ]]):format(box.url))
  end)
end)
