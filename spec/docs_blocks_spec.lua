-- Every block of code in the documentation runs: Lua and shell against the sandbox, nginx's where nginx is, JSON is JSON.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local lua = require "spec.support.lua"
local nginx = require "spec.support.nginx"
local pages = require "spec.support.pages"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"

local default_port = files.read("sandbox/README.md"):match "`%-%-port N` | default (%d+)"

-- What the blocks find in their folder.
local media = {
  ["clip.mp4"] = "clip.mp4", ["cover.jpg"] = "gradient.jpg", ["take.webm"] = "clip.webm", ["animated.gif"] = "animated.gif",
  ["clips/one.mp4"] = "brand-mp42.mp4", ["clips/two.webp"] = "lossy.webp",
}

-- Confirms a login as its user would, once it has shown its code.
local confirm = [[
( until code=$(grep -aoE 'LMT-[A-Z0-9]{4}-[A-Z0-9]{4}' "$FOLDER/shown" | tail -n 1) && [ -n "$code" ]; do sleep 0.05; done
  curl -q -sS --noproxy '*' -d "{\"user_code\":\"$code\"}" "$LOOMTA_API_URL/sandbox/device/approve" ) &
confirming=$!
"$@" >"$FOLDER/shown" 2>&1 || status=$?
kill $confirming 2>/dev/null
cat "$FOLDER/shown"
exit ${status:-0}]]

describe("the block", function()
  local box, server, folder, env, here

  setup(function()
    box = sandbox.start()
    here = files.shell "pwd"
    folder = files.shell "mktemp -d"
    files.shell(("mkdir -p %s/clips %s/bin %s/build/sandbox"):format(folder, folder, folder))
    for name, fixture in pairs(media) do files.shell(("cp spec/fixtures/%s %s/%s"):format(fixture, folder, name)) end
    local function absolute(path) return ((";" .. path):gsub(";%./", ";" .. here .. "/"):gsub(";(%f[%w]build/)", ";" .. here .. "/%1"):sub(2)) end
    env = {
      FOLDER = folder, HOME = folder, PATH = folder .. "/bin:" .. os.getenv "PATH", LOOMTA_API_KEY = box.key, LOOMTA_API_URL = box.url,
      LUA_PATH = absolute(package.path), LUA_CPATH = absolute(package.cpath),
    }
    if redis.isThere() then
      server = redis.start()
      env.LOOMTA_QUEUE_URL = server:url "blocks"
    end
    files.write(folder .. "/bin/loomta-upload", ('#!/bin/sh\nexec %s %s/bin/loomta-upload "$@"\n'):format(os.getenv "LOOMTA_SPEC_LUA" or "lua5.4", here))
    files.write(folder .. "/build/sandbox/loomta-sandbox", '#!/bin/sh\necho "sandbox on ${1:-the default port}"\n')
    files.shell(("chmod 755 %s/bin/* %s/build/sandbox/*"):format(folder, folder))
  end)

  teardown(function()
    if box then box:stop() end
    if server then server:stop() end
    if folder then files.shell("rm -rf " .. lua.quote(folder)) end
  end)

  --- Runs a command in the folder. It has to succeed, and to have asked the sandbox for something.
  local function run(words, code)
    box:settings { deviceInterval = 0 }
    local _, before = box:requests()
    if code:find "login" then words = ("sh -c %s confirm %s"):format(lua.quote(confirm), words) end
    local assignments = {}
    for name, value in pairs(env) do assignments[#assignments + 1] = name .. "=" .. lua.quote(value) end
    local command = ("cd %s && rm -f *.jsonl && : >shown && %s %s %s 2>&1; echo \"exit $?\"")
    command = command:format(lua.quote(folder), lua.env, table.concat(assignments, " "), words)
    local output, status = files.shell(command):match "^(.*)exit (%d+)$"
    assert.equal("0", status, output)
    local _, after = box:requests()
    return output, after - before
  end

  local runners = {}

  function runners.lua(block)
    local script = folder .. "/block.lua"
    files.write(script, 'io.stdout:setvbuf "line" ' .. block.code)
    local output, asked = run((os.getenv "LOOMTA_SPEC_LUA" or "lua5.4") .. " " .. script, block.code)
    assert.is_true(asked > 0, "it asked for nothing; it printed: " .. output)
    local from = 1
    for expected in block.code:gmatch "%-%-> ([^\n]+)" do
      local _, last = output:find(expected, from, true)
      assert(last, ("'%s' is not in its output: %s"):format(expected, output))
      from = last + 1
    end
  end

  function runners.sh(block)
    local script = folder .. "/block.sh"
    local starts_sandbox = block.code:find "loomta%-sandbox &"
    files.write(script, "set -e\n" .. block.code .. (starts_sandbox and '\nwait\necho "$LOOMTA_API_URL $LOOMTA_API_KEY"\n' or "\n"))
    local output, asked = run("bash " .. script, block.code)
    if starts_sandbox then
      assert.equal(("sandbox on the default port\nhttp://127.0.0.1:%s %s\n"):format(default_port, box.key), output)
    else
      assert.is_true(asked > 0, "it asked for nothing; it printed: " .. output)
    end
  end

  function runners.json(block) assert.is_table(cjson.decode(block.code)) end

  function runners.text() end -- is only shown

  --- nginx as the block configures it: what is above the "…" goes around the server, its locations are asked for a clip.
  function runners.nginx(block)
    local around, locations = block.code:match "^(.-)\n…\n(.*)$"
    local own = {} -- what the harness says itself
    around = around:gsub("load_module (%S+);[^\n]*\n", function(module) own[#own + 1] = module return "" end):gsub("env LOOMTA_API_KEY;[^\n]*", "")
    for _, module in ipairs(own) do
      local name = module:match "[^/]+$"
      assert.equal(name, files.shell("ls /usr/lib/nginx/modules/" .. name .. " | sed 's|.*/||'"))
    end
    files.shell(("chmod 755 %s; chmod 644 %s/clip.mp4"):format(folder, folder))
    local web = nginx.start {
      http = around, server = locations:gsub("/srv/clips/", folder .. "/"), env = { LOOMTA_API_KEY = box.key, LOOMTA_API_URL = box.url },
    }
    local _, stored = box:media()
    local status, said = web:get(locations:match "location = (%S+)" .. "?name=clip.mp4")
    local later = locations:find "onDone" ~= nil
    eventually(function() return select(2, box:media()) == stored + 1 end, "nothing was stored")
    if later then eventually(function() return web:log():find "%x+%-%x+%-%x+%-%x+%-%x+" end, "its callback was not called") end
    web:stop()
    assert.equal(200, status)
    assert.matches(later and "^accepted\n$" or "^%x+%-%x+%-%x+%-%x+%-%x+\n$", said)
  end

  local count = {}
  for _, path in ipairs(pages.all) do
    for _, block in ipairs(pages.blocks(path)) do
      local name = ("at %s:%d runs"):format(path, block.line)
      count[block.language] = (count[block.language] or 0) + 1
      if block.language == "nginx" and not nginx.available() then
        pending(name .. " (needs nginx with its Lua module)")
      elseif block.code:find "enqueue" and not redis.isThere() then
        pending(name .. " (needs redis-server and lua-redis)")
      elseif block.flag == "no-run" then -- builds and installs: .ci/run does that in steps of its own
        it(("at %s:%d is about building"):format(path, block.line), function()
          assert.equal("sh", block.language)
          assert.matches("make", block.code)
        end)
      else
        it(name, function()
          assert.equal("", block.flag)
          assert(runners[block.language], "nothing runs '" .. block.language .. "'")(block)
        end)
      end
    end
  end

  it("is found", function()
    assert.is_true(count.lua >= 10 and count.sh >= 5 and count.nginx == 2)
  end)
end)
