/* core.bell: a descriptor that becomes readable when a job needs its owner.
 * SPDX-License-Identifier: MIT */
#include "bind.h"

#include <errno.h>

static const char type_name[] = "loomta.bell";

const struct loomta_bell *loomta_lua_check_bell(lua_State *L, int index)
{
    const struct loomta_bell *bell = luaL_checkudata(L, index, type_name);

    luaL_argcheck(L, bell->read_fd >= 0, index, "the bell is closed");
    return bell;
}

/* bell() → bell | nil, why the system gives no descriptor */
int loomta_lua_bell(lua_State *L)
{
    struct loomta_bell *bell = loomta_new_userdata(L, sizeof *bell);

    *bell = LOOMTA_BELL_CLOSED;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    if (loomta_bell_open(bell))
        return 1;
    return loomta_bind_push_failure(L, errno);
}

/* bell:ring() */
static int ring(lua_State *L)
{
    loomta_bell_ring(loomta_lua_check_bell(L, 1));
    return 0;
}

/* bell:fd() → the descriptor, the bell's own */
static int fd(lua_State *L)
{
    loomta_push_integer(L, loomta_lua_check_bell(L, 1)->read_fd);
    return 1;
}

static int close_bell(lua_State *L)
{
    loomta_bell_close(luaL_checkudata(L, 1, type_name));
    return 0;
}

void loomta_lua_bell_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"ring", ring}, {"fd", fd}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, close_bell);
}
