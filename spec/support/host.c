/* A Lua interpreter of few lines, so that a sanitizer can be built into it: a preloaded one would reach the shell and
 * curl, which the specs start. Closes its state at the end, as a careful host does.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* os.exit(code) that closes the state first: what is left then is a leak. */
static int exit_closed(lua_State *L)
{
    int status = lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                                     : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);

    lua_close(L);
    exit(status);
}

int main(int count, char **words)
{
    lua_State *L = luaL_newstate();

    if (!L || count < 2)
        return 2;
    luaL_openlibs(L);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, exit_closed);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
    lua_createtable(L, count, 1);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, words[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    lua_pushcfunction(L, traceback);
    int status = luaL_loadfile(L, words[1]);
    for (int i = 2; i < count && status == LUA_OK; i++)
        lua_pushstring(L, words[i]);
    if (status == LUA_OK)
        status = lua_pcall(L, count - 2, 0, 1);
    if (status != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
