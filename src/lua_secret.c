/* core.secret: a string that Lua can hold and hand on, but not read, print or dump.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "secret.h"

#include <stdlib.h>
#include <string.h>

static const char type_name[] = "loomta.secret";

int loomta_lua_secret(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    char **secret = loomta_new_userdata(L, sizeof *secret);

    *secret = NULL;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    *secret = malloc(length + 1);
    if (!*secret)
        return luaL_error(L, "not enough memory");
    memcpy(*secret, text, length + 1);
    return 1;
}

const char *loomta_lua_check_secret(lua_State *L, int index)
{
    char **secret = luaL_checkudata(L, index, type_name);

    luaL_argcheck(L, *secret, index, "the secret was wiped");
    return *secret;
}

static int close_secret(lua_State *L)
{
    char **secret = luaL_checkudata(L, 1, type_name);

    loomta_secret_free(*secret);
    *secret = NULL;
    return 0;
}

/* secret:blot(text) → the text with the secret starred out, wherever it occurs; as it is once the secret was wiped */
static int blot(lua_State *L)
{
    const char *secret = *(char **)luaL_checkudata(L, 1, type_name);
    const char *text = luaL_checkstring(L, 2);

    lua_settop(L, 2);
    if (secret && *secret && strstr(text, secret))
        luaL_gsub(L, text, secret, "********");
    return 1;
}

static int to_string(lua_State *L)
{
    lua_pushliteral(L, "loomta.secret (hidden)");
    return 1;
}

void loomta_lua_secret_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"blot", blot}, {"__tostring", to_string}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, close_secret);
}
