/* A program with Lua in it, and loomta's C core linked into it, so that there is no core.so to ship.
 *
 *     make static                                    makes build/5.4/libloomta_core.a (LUA_VERSION=5.1 and so on for others)
 *     cc host.c libloomta_core.a -llua -lcurl -pthread
 *
 * The Lua files of loomta and lua-cjson are found where package.path and package.cpath say. A host that links Lua itself
 * statically adds -Wl,-E (on macOS nothing), so that lua-cjson finds Lua in it, or preloads lua-cjson as well.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>

/* The archive's entry. */
int luaopen_loomta_core(lua_State *L);

static const char program[] = "local loomta = require 'loomta'\n"
                              "local media = loomta.check(loomta.upload { file = ... })\n"
                              "print(media.id, media.status)\n";

int main(int count, char **words)
{
    lua_State *L = luaL_newstate();

    if (!L || count != 2) {
        fprintf(stderr, "usage: %s FILE\n", words[0]);
        return EXIT_FAILURE;
    }
    luaL_openlibs(L);

    /* What require "loomta.core" looks at before it looks for files. */
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_loomta_core);
    lua_setfield(L, -2, "loomta.core");
    lua_pop(L, 2);

    int status = luaL_loadstring(L, program);
    lua_pushstring(L, words[1]);
    if (status == 0)
        status = lua_pcall(L, 1, 0, 0);
    if (status != 0)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L); /* ends what is under way, and with it the core's thread */
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
