/* fork() and what goes with it, for specs on any Lua.
 * SPDX-License-Identifier: MIT */
#include "compat.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int luaopen_spec_process(lua_State *L);

/* fork() → the child's process id; 0 in the child */
static int do_fork(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)fork());
    return 1;
}

/* wait(pid) → its exit status */
static int do_wait(lua_State *L)
{
    int status = 0;

    waitpid((pid_t)luaL_checknumber(L, 1), &status, 0);
    lua_pushnumber(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 1;
}

static lua_State *late;

static void close_late(void)
{
    lua_close(late);
}

/* closeAtExit(): closes the state when exit() runs what was registered before the modules that are loaded later */
static int close_at_exit(lua_State *L)
{
    late = L;
    lua_pushboolean(L, atexit(close_late) == 0);
    return 1;
}

/* exit(status): the C library's, which leaves the state open whatever the interpreter's own does */
static int do_exit(lua_State *L)
{
    exit((int)luaL_checknumber(L, 1));
}

int luaopen_spec_process(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"fork", do_fork}, {"wait", do_wait}, {"closeAtExit", close_at_exit}, {"exit", do_exit}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
