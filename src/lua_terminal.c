/* core.signals, core.terminal and core.readAvailable: what the command line tool needs of the system and Lua does not have.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "platform.h"
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#ifndef _WIN32
#include <sys/ioctl.h>
#endif

static const char type_name[] = "loomta.signals";

/* signals() → an object that counts INT, TERM, HUP and WINCH until it is restored. One at a time in a process. */
int loomta_lua_signals(lua_State *L)
{
    bool *catching = loomta_new_userdata(L, sizeof *catching);

    *catching = false;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    *catching = loomta_signals_catch();
    return *catching ? 1 : luaL_error(L, "the process's signals are being counted already");
}

/* signals:count(name) → how often it came */
static int count(lua_State *L)
{
    static const char *const names[] = {"INT", "TERM", "HUP", "WINCH", NULL};

    luaL_checkudata(L, 1, type_name);
    loomta_push_integer(L, loomta_signals_count((enum loomta_signal)luaL_checkoption(L, 2, NULL, names)));
    return 1;
}

/* signals:restore(): as they were before. Idempotent. */
static int restore(lua_State *L)
{
    bool *catching = luaL_checkudata(L, 1, type_name);

    if (*catching)
        loomta_signals_restore();
    *catching = false;
    return 0;
}

/* terminal(fd) → columns, rows | nil when it is no terminal */
int loomta_lua_terminal(lua_State *L)
{
    int fd = (int)luaL_checknumber(L, 1), columns = 80, rows = 24;

    if (!isatty(fd)) {
        lua_pushnil(L);
        return 1;
    }
#ifdef TIOCGWINSZ
    struct winsize size = {0};
    /* A serial line knows no size. */
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        columns = size.ws_col;
        rows = size.ws_row;
    }
#endif
    loomta_push_integer(L, columns);
    loomta_push_integer(L, rows);
    return 2;
}

/* readAvailable(file, ms) → its next bytes, waiting for them so long | false: none yet | nil: its end | nil, why. Nothing else
 * may read from it. */
int loomta_lua_read_available(lua_State *L)
{
    FILE **file = luaL_checkudata(L, 1, LUA_FILEHANDLE); /* what Lua has there begins with that, in all its versions */
    int timeout_ms = (int)luaL_checknumber(L, 2);
    char bytes[4096];
    struct pollfd ready = {.fd = fileno(*file), .events = POLLIN};
    ssize_t got = 0;

    if (poll(&ready, 1, timeout_ms) <= 0 || ((got = read(ready.fd, bytes, sizeof bytes)) < 0 && errno == EINTR)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (got < 0)
        return loomta_bind_push_failure(L, errno);
    if (got > 0)
        lua_pushlstring(L, bytes, (size_t)got);
    else
        lua_pushnil(L);
    return 1;
}

void loomta_lua_signals_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"count", count}, {"restore", restore}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, restore);
}
