local repository = "github.com/loomta/loomta-lua"

rockspec_format = "3.0"
package = "loomta"
version = "1.0.0-1"

source = {
  url = "git+https://" .. repository .. ".git",
  tag = "v1.0.0",
}

description = {
  summary = "Uploads images and videos to the Loomta API",
  detailed = [[
Uploads images and videos to the Loomta API: from files, from memory or from a function, with progress, timeouts, and
retries that do not store an upload twice unless asked to. A C core over libcurl does the work.]],
  homepage = "https://" .. repository,
  license = "MIT",
}

supported_platforms = { "unix" }

dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson",
  -- for the command line
  "argparse",
  "luafilesystem",
}

-- For CURL_DIR, CURL_INCDIR and CURL_LIBDIR on the command line. What is missing says scripts/needs, which names packages;
-- LuaRocks looks neither in Debian's folders of the architecture nor in macOS's SDK.
external_dependencies = {
  CURL = {},
}

build = {
  type = "make",
  build_target = "all",
  install_target = "install",
  variables = {
    -- LuaRocks has no variable for Lua's version: the headers' place keeps the objects of two Luas apart.
    BUILD = "build/luarocks$(LUA_INCDIR)",
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    CURL_INCDIR = "$(CURL_INCDIR)",
    CURL_LIBDIR = "$(CURL_LIBDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_MANDIR = "$(PREFIX)/man",
  },
}
