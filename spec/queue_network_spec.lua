-- loomta.queue with workers in network namespaces of their own, as on machines of their own: one is cut off and comes back.
-- #plain: it needs root, and the sanitizers' runs need not repeat it.
-- SPDX-License-Identifier: MIT
local clips = require "spec.support.clips"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local loomta = require "loomta"
local redis = require "spec.support.redis"
local sandbox = require "spec.support.sandbox"
local workers = require "spec.support.queue_worker"

local function ok(command) return files.shell(command .. " >/dev/null 2>&1 && echo yes") == "yes" end

local pid = tonumber(files.contents("/proc/self/stat"):match "^%d+")
local prefix = "lq" .. pid % 100000
local subnet = ("10.%d.%d"):format(200 + pid % 50, math.floor(pid / 50) % 256)

--- What runs a command in a namespace. (`ip netns exec` mounts things besides, which it cannot where the root is no mount.)
local function inside(name) return "nsenter --net=/run/netns/" .. name .. " " end

--- A namespace whose only way out is a cable to this one.
local function add_host(number)
  local name, cable = prefix .. "n" .. number, prefix .. "c" .. number
  local here, there = ("%s.%d"):format(subnet, 4 * number + 1), ("%s.%d"):format(subnet, 4 * number + 2)
  assert(ok(("ip netns add %s && ip link add %s type veth peer name up0 netns %s"):format(name, cable, name)))
  assert(ok(("ip addr add %s/30 dev %s && ip link set %s up"):format(here, cable, cable)))
  assert(ok(inside(name) .. ("ip addr add %s/30 dev up0"):format(there)))
  assert(ok(inside(name) .. "ip link set up0 up"))
  assert(ok(inside(name) .. ("ip route add default via %s"):format(here)))
  return name, here
end

local function remove_host(number)
  files.shell(("ip netns del %sn%d 2>/dev/null; ip link del %sc%d 2>/dev/null"):format(prefix, number, prefix, number))
end

local possible = redis.isThere()
  and ok(("ip netns add %sp && ip link add %sq type veth peer name up0 netns %sp"):format(prefix, prefix, prefix))
  and ok(inside(prefix .. "p") .. "true")
files.shell(("ip netns del %sp 2>/dev/null; ip link del %sq 2>/dev/null"):format(prefix, prefix))
if not possible then
  print "\nno redis-server, or no network namespaces here: the spec of workers on machines of their own is skipped"
  return
end

describe("workers on machines of their own #plain", function()
  local box, server, folder, queue, first, second, address

  setup(function()
    first, address = add_host(1)
    second = add_host(2)
    server = redis.start { host = address, password = "spec" }
    box = sandbox.start { args = { "--host", address } }
    folder = files.shell "mktemp -d"
    queue = assert(loomta.queue { url = server:url("q", "tcp") })
  end)
  teardown(function()
    queue:close()
    server:stop()
    box:stop()
    remove_host(1)
    remove_host(2)
    files.shell("rm -rf " .. folder)
  end)

  it("store each file once, also when one of them is cut off and comes back", function()
    local paths = clips.make(folder, 120)
    assert(queue:enqueue(paths))
    box:fault { method = "POST", delayAfterBodyMs = 100, times = 0 }
    local url = server:url("q", "tcp")
    local words = { "concurrency=2", "leaseMs=3000", "maxDeliveries=20" }
    local one = workers.start(url, box, folder .. "/one.log", words, inside(first))
    eventually(function() return #one:said() > 0 end, "it does nothing")
    local two = workers.start(url, box, folder .. "/two.log", words, inside(second))
    eventually(function() return #two:said() > 0 end, "it does nothing")

    assert(ok(inside(first) .. "ip link set up0 down"))
    eventually(function()
      local holders = 0
      for _ in pairs(queue:status().consumers) do holders = holders + 1 end
      return holders <= 1
    end, "nobody took over what it had")
    local before = #one:said()
    assert(ok(inside(first) .. "ip link set up0 up"))
    assert(ok(inside(first) .. ("ip route replace default via %s"):format(address)))

    local said = one:wait() .. two:wait()
    assert.is_true(#said > before)
    local times = clips.stored(box)
    for i = 1, #paths do assert.equal(1, times[i], i .. "\n" .. said) end
    local status = queue:status()
    assert.equal(#paths, status.done, said)
    assert.equal(0, status.queued + status.inFlight)
  end)
end)
