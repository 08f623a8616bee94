-- What the process may do while jobs are under way: fork, exit, close its state, look up dead names, queue thousands.
-- #plain keeps specs from the sanitizers: see process_spec.lua.
local core = require "loomta.core"
local lua = require "spec.support.lua"
local sandbox = require "spec.support.sandbox"
local tls = require "spec.support.tls"

local box, secure, pair

local function settings(of)
  return ("apiKey = %q, baseUrl = %q, caFile = %q"):format(of.key, of.url, pair.cert)
end

--- Runs code that sees `client`, `loomta`, `core`, `process` and `start(given)`.
local function run(code, options)
  options = options or {}
  return lua.run(([[
    local loomta, core, process = require "loomta", require "loomta.core", require "spec.process"
    local client = assert(loomta.new { maxConnections = %d, %s })
    local bytes = ("x"):rep(300000)
    local function start(given)
      given.mimeType = "video/mp4"
      if not (given.file or given.reader) then given.data = given.data or bytes end
      return assert(client:start(given))
    end
    %s]]):format(options.connections or 64, settings(options.box or box), code), options)
end

setup(function()
  pair = tls.make()
  box = sandbox.start {}
  secure = sandbox.start { tls = { cert = pair.cert, key = pair.key } }
end)
teardown(function()
  box:stop()
  secure:stop()
  pair.remove()
end)
before_each(function()
  box:reset()
  secure:reset()
end)

describe("fork() and jobs #plain", function()
  it("before the first job leaves parent and child a worker each", function()
    local output = run [[
      local child = process.fork()
      for i = 1, 20 do loomta.check(start { fileName = i .. ".mp4" }:wait()) end
      client:close()
      if child == 0 then os.exit(0, true) end
      print(process.wait(child) == 0)
    ]]
    assert.equal("true\n", output)
    assert.equal(40, select(2, box:media()))
  end)

  it("in the middle of jobs leaves them with the parent", function()
    for _, of in ipairs { box, secure } do
      local output = run([[
        local ended = 0
        local mine = start { data = bytes:rep(5), maxBytesPerSec = 1500000, onDone = function() ended = ended + 1 end }
        local readers = start { reader = function() return bytes end, maxBytesPerSec = 1500000 }
        while mine:progress() == 0 or readers:progress() == 0 do client:poll(10) end
        mine:fd()
        local child = process.fork()
        if child == 0 then
          assert(mine:done())
          local media, err, info = mine:wait()
          assert(media == nil and err.code == "canceled" and info.attempts == 0, tostring(err))
          assert(err.possiblyStored, "the parent goes on with it")
          assert(select(2, readers:wait()).code == "canceled")
          assert(mine:progress() and client:poll() == 0)
          assert(mine:fd() and readers:fd())
          mine:cancel()
          assert(select(2, readers:wait()).code == "canceled")
          local media = loomta.check(start { fileName = "child.mp4" }:wait()) -- on a worker of its own
          assert(media.originalFileName == "child.mp4")
          mine, readers = nil, nil
          collectgarbage()
          client:close()
          os.exit(0, true)
        end
        print(process.wait(child) == 0)
        readers:cancel()
        local media, err, info = mine:wait()
        print(media and media.size or err, info.attempts, ended)
        print(start({}):wait() ~= nil)
        client:close()
      ]], { box = of })
      assert.equal("true\n1500000\t1\t1\ntrue\n", output)
      assert.equal(3, select(2, of:media()))
    end
  end)

  it("again and again at any moment harms neither side", function()
    local output = run [[
      local ended, children = 0, {}
      for i = 1, 60 do
        for _ = 1, 5 do start { onDone = function(media) assert(media) ended = ended + 1 end } end
        local child = process.fork()
        if child == 0 then
          assert(client:poll() == 0)
          if i % 2 == 0 then loomta.check(start {}:wait()) end
          os.exit(0, i % 3 == 0)
        end
        children[i] = child
        client:poll()
      end
      for _, child in ipairs(children) do assert(process.wait(child) == 0) end
      while client:poll(100) > 0 do end
      print(ended)
    ]]
    assert.equal("300\n", output)
    assert.equal(330, select(2, box:media()))
  end)
end)

describe("the end of the program", function()
  local endings = {
    ["os.exit"] = "os.exit(7)",
    ["os.exit that closes the state"] = "os.exit(7, true)", -- what 5.1 ignores
    ["an error"] = "error 'the end'",
    ["the last line"] = "",
  }
  for name, ending in pairs(endings) do
    for _, scheme in ipairs { "HTTP", "HTTPS" } do
      it(("by %s with %s jobs under way is quick and clean"):format(name, scheme), function()
        local of = scheme == "HTTP" and box or secure
        for round = 1, 6 do
          -- Between the first look at the network and the middle of the bodies.
          local output, _, status = run(([[
            for i = 1, 20 do
              start { maxBytesPerSec = i %% 2 * 100000, onProgress = function() end }
              start { reader = function() return bytes end, maxBytesPerSec = 1000000 }
            end
            for _ = 1, %d do client:poll(5) end
            io.stdout:write "ending "
            io.stdout:flush()
            %s]]):format(round * round, ending), { box = of })
          assert.equal(name:find "^os.exit" and 7 or name == "an error" and 1 or 0, status, output)
          assert.truthy(output:find "^ending ", output)
          if name ~= "an error" then assert.equal("ending ", output) end
        end
      end)
    end
  end

  -- What the thread leaves behind must outlive exit()'s own handlers. (AddressSanitizer sees if it does not.)
  it("may close the state after the thread has gone", function()
    local output, _, status = lua.run(([[
      local process = require "spec.process"
      assert(process.closeAtExit())
      local loomta = require "loomta"
      client = assert(loomta.new { %s })
      job = assert(client:start { data = ("x"):rep(300000), mimeType = "video/mp4", maxBytesPerSec = 10000 })
      client:poll(20)
      io.stdout:write "ending "
      io.stdout:flush()
      process.exit(3)
    ]]):format(settings(box)))
    assert.same({ "ending ", 3 }, { output, status })
  end)

  it("does not wait for a server that says nothing", function()
    box:fault { delayAfterBodyMs = 60000, times = 0 }
    local before = core.now()
    for _ = 1, 3 do run "for _ = 1, 50 do start {} end client:poll(50) os.exit(0)" end
    assert.is_true(core.now() - before < 50000)
    box:clearFaults()
  end)
end)

describe("without descriptors", function()
  it("a job goes on, and asking for its descriptor is an error, again and again", function()
    -- It must not end, and give its own descriptors back, before it is asked.
    box:fault { delayAfterBodyMs = 8000, times = 0 }
    local output = run([[
      local job = start { maxBytesPerSec = 100000 }
      repeat client:poll(10) until job:progress() > 0
      local held = {}
      local function hold()
        local count = 0
        for file in function() return (io.open "/dev/null") end do
          held[#held + 1], count = file, count + 1
        end
        return count
      end
      hold()
      for left = 0, 1 do
        for _ = 1, 2 do
          local fd, err = job:fd()
          print(fd, err.code, err.cause)
        end
        held[#held]:close()
        held[#held] = nil
      end
      print(hold()) -- nothing was kept by what failed
      local fresh = assert(loomta.new { apiKey = "k", baseUrl = "http://127.0.0.1:1" })
      local refused, err = fresh:start { data = "x", mimeType = "video/mp4" }
      print(refused, err.code, err.cause)
      print(job:wait() ~= nil)
    ]], { prefix = "sh -c 'ulimit -n 40 && exec \"$@\"' sh" })
    local line = "nil\tout_of_resources\tToo many open files\n"
    assert.equal(line:rep(4) .. "2\n" .. line .. "true\n", output)
  end)
end)

describe("when descriptors are short", function()
  it("no thread is started that nothing could wake", function()
    local output = run([[
      client:listMedia {} -- libcurl is set up
      local held = {}
      for file in function() return (io.open "/dev/null") end do held[#held + 1] = file end
      for _ = 1, 2 do table.remove(held):close() end
      local fd, err = client:fd()
      for _, file in ipairs(held) do file:close() end
      print(fd, err and err.code)
      print(start {}:wait(20000) ~= nil)
    ]], { prefix = "sh -c 'ulimit -n 64 && exec \"$@\"' sh" })
    assert.equal("nil\tout_of_resources\ntrue\n", output)
  end)

  it("who cannot be let in keeps no processor busy #linux", function()
    local output = run([[
      local socket, unix = require "socket", require "socket.unix"
      local job = start { maxBytesPerSec = 10000 }
      repeat client:poll(10) until job:progress() > 0
      local place = job.exchange.core:await()
      local one = assert(unix())
      local held = {}
      for file in function() return (io.open "/dev/null") end do held[#held + 1] = file end
      assert(one:connect("/proc/self/fd/" .. place))
      local before = os.clock()
      socket.sleep(1)
      print(os.clock() - before < 0.5)
    ]], { prefix = "sh -c 'ulimit -n 64 && exec \"$@\"' sh" })
    assert.equal("true\n", output)
  end)
end)

describe("a dead name server #timing #plain", function()
  local preload = os.tmpname()
  setup(function()
    local ok = os.execute(("cc -D_GNU_SOURCE -shared -fPIC -o %s spec/support/slow_dns.c -ldl"):format(preload))
    assert(ok == true or ok == 0)
  end)
  teardown(function() os.remove(preload) end)
  local quick = tonumber((core.libcurlVersion():gsub("^(%d+)%.(%d+).*", "%1.%2"))) >= 7.87 -- CURLOPT_QUICK_EXIT

  local check = quick and it or pending
  check("delays neither other jobs, nor a cancel, nor the exit", function()
    local before = core.now()
    local output = run([[
      local hung = {}
      for i = 1, 10 do hung[i] = start { baseUrl = "https://host.slow", connectTimeoutMs = 90000 } end
      client:poll(50)
      local began = core.now()
      for _ = 1, 20 do loomta.check(start {}:wait()) end
      print(core.now() - began < 20000)
      began = core.now()
      hung[1]:cancel()
      print(select(2, hung[1]:wait()).code, core.now() - began < 10000)
      os.exit(0)
    ]], { env = { LD_PRELOAD = preload } })
    assert.equal("true\ncanceled\ttrue\n", output)
    assert.is_true(core.now() - before < 50000) -- a look-up takes a minute
  end)
end)

describe("many jobs", function()
  local memory = [[
    local function memory_kb() return tonumber((assert(io.open "/proc/self/status"):read "*a"):match "VmRSS:%s*(%d+)") end
    local function descriptors()
      local pipe = io.popen "ls /proc/$PPID/fd | wc -l"
      local count = tonumber(pipe:read "*a")
      pipe:close()
      return count
    end
  ]]

  it("wait for 500 answers at once", function()
    box:fault { delayAfterBodyMs = 1500, times = 500 }
    local output = run(memory .. [[
      local ended = 0
      for _ = 1, 500 do start { data = "x", onDone = function(media) ended = ended + (media and 1 or 0) end } end
      while client:poll(1000) > 0 do end
      print(ended)
    ]], { connections = 500, prefix = "sh -c 'ulimit -n 2048 && exec \"$@\"' sh" })
    assert.equal("500\n", output)
    assert.equal(500, select(2, box:media()))
  end)

  it("are queued by ten thousand within bounds of memory, descriptors and connections #slow", function()
    local output = run(memory .. [[
      collectgarbage()
      local before, ended = memory_kb(), 0
      for _ = 1, 10000 do
        start { file = "spec/fixtures/clip.mp4", onDone = function(media) ended = ended + (media and 1 or 0) end }
      end
      local queued = memory_kb() - before
      local most = descriptors()
      local each = 0
      while client:poll(1000) > 0 do
        each = each + 1
        if each % 200 == 0 then most = math.max(most, descriptors()) end
      end
      collectgarbage()
      print(ended, queued < 80 * 1024 or queued, most < 150 or most)
    ]], { connections = 16 })
    assert.equal("10000\ttrue\ttrue\n", output)
    assert.equal(10000, select(2, box:media()))
    local connections = {}
    for _, request in ipairs((box:requests())) do connections[request.connection] = true end
    local count = 0
    for _ in pairs(connections) do count = count + 1 end
    assert.is_true(count <= 16, count)
  end)

  it("leave nothing behind that grows #plain", function()
    local output = run(memory .. [[
      local settled
      for round = 1, 80 do
        for _ = 1, 200 do start { data = "x" } end
        while client:poll(1000) > 0 do end
        collectgarbage()
        settled = settled or round == 20 and memory_kb()
      end
      local grown = memory_kb() - settled
      print(grown < 2048 or grown) -- a hundred bytes of each of these 12,000 would show
    ]])
    assert.equal("true\n", output)
  end)
end)
