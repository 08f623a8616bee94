-- What the kernel is let hold of an upload, and when it may wait for full segments.
-- SPDX-License-Identifier: MIT
local core = require "loomta.core"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"

-- libcurl tells which connection a request uses since 7.80.
local major, minor = core.libcurlVersion():match "^(%d+)%.(%d+)"
local tells = tonumber(major) > 7 or tonumber(minor) >= 80

describe("what is set on an upload's socket #plain", function()
  local preload, box = os.tmpname(), nil
  setup(function()
    local ok = os.execute(("cc -D_GNU_SOURCE -shared -fPIC -o %s spec/support/socket_log.c -ldl"):format(preload))
    assert(ok == true or ok == 0)
    box = sandbox.start {}
  end)
  teardown(function()
    os.remove(preload)
    box:stop()
  end)

  --- The lines that uploads with these fields write, in order.
  local function settings(code)
    local output, ok = lua.run(([[
      local loomta = require "loomta"
      local client = loomta.check(loomta.new { apiKey = %q, baseUrl = %q })
      local bytes = ("x"):rep(64 * 1024 * 1024)
      local function upload(given)
        given.mimeType = "video/mp4"
        loomta.check(client:upload(given))
      end
      %s
    ]]):format(box.key, box.url, code), { env = { LD_PRELOAD = preload } })
    assert.is_true(ok, output)
    local lines = {}
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    return lines
  end

  it("is little at first, and more once the line has shown itself to be fast", function()
    local lines = settings "upload { data = bytes }"
    assert.equal("limit 262144", lines[1])
    if tells then assert.truthy(lines[#lines]:find "^limit %d+" or lines[#lines] == "cork 0", table.concat(lines, ", ")) end
    local most = 0
    for _, line in ipairs(lines) do most = math.max(most, tonumber(line:match "^limit (%d+)" or 0)) end
    assert.equal(tells and 1048576 or 262144, most)
  end)

  it("stays little on a slow line", function()
    for _, line in ipairs(settings "upload { data = bytes:sub(1, 12000000), maxBytesPerSec = 12000000 }") do
      assert.equal("limit 262144", line)
    end
  end)

  it("lets head and body of a small upload leave together, and its end at once #linux", function()
    local expected = tells and { "limit 262144", "cork 1", "cork 0", "cork 1", "cork 0" } or { "limit 262144" }
    assert.same(expected, settings "for _ = 1, 2 do upload { data = 'x' } end")
  end)

  it("holds nothing back where the rest is not at hand", function()
    assert.same({ "limit 262144" }, settings [[
      local pieces = { bytes:sub(1, 5000), bytes:sub(1, 5000) } -- more than what is looked at first
      upload { reader = function() return table.remove(pieces) end, fileName = "a.mp4" }
    ]])
  end)

  it("holds nothing back where a 100 Continue is awaited", function()
    for _, line in ipairs(settings "upload { data = bytes:sub(1, 9000000) }") do assert.truthy(line:find "^limit", line) end
  end)

  it("is let go of where an upload fails in the middle #linux", function()
    box:fault { disconnect = "reset", at = "body", afterBytes = 1000 }
    local corked, freed = 0, 0
    for _, line in ipairs(settings "upload { data = bytes:sub(1, 3000000) }") do
      corked, freed = corked + (line == "cork 1" and 1 or 0), freed + (line == "cork 0" and 1 or 0)
    end
    assert.equal(tells and 1 or 0, corked) -- the second attempt asks for 100 Continue
    assert.equal(corked, freed)
  end)
end)
