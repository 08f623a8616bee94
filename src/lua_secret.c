/* core.secret, core.readCredentials, core.writeCredentials: a string that Lua can hold and hand on, but not read, print or dump.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "credentials.h"
#include "secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "loomta.secret";

/* An empty secret with its metatable: what fails afterwards leaves nothing behind. */
static char **new_secret(lua_State *L)
{
    char **secret = loomta_new_userdata(L, sizeof(char *));

    *secret = NULL;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    return secret;
}

static char *copy(const char *text, size_t length)
{
    char *own = malloc(length + 1);

    if (own) {
        memcpy(own, text, length);
        own[length] = '\0';
    }
    return own;
}

int loomta_lua_secret(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    char **secret = new_secret(L);

    *secret = copy(text, length);
    return *secret ? 1 : luaL_error(L, "not enough memory");
}

/* readCredentials(path) → secret | nil, the text without the key | nil, "absent" | "exposed" | "unusable" | nil. The
 * key itself never becomes a Lua string: those are not wiped. */
int loomta_lua_read_credentials(lua_State *L)
{
    static const char *const reasons[] = {NULL, "absent", "exposed", "unusable"};
    const char *path = luaL_checkstring(L, 1);
    char **secret = new_secret(L);
    struct loomta_credentials credentials;
    char key[LOOMTA_CREDENTIALS_MAX];
    enum loomta_credentials_status status = loomta_credentials_read(path, &credentials);

    if (status == LOOMTA_CREDENTIALS_OK && loomta_credentials_take_key(&credentials, key)) {
        *secret = copy(key, strlen(key));
        loomta_wipe(key, strlen(key));
    } else {
        lua_pushnil(L);
        lua_replace(L, -2);
    }
    if (status == LOOMTA_CREDENTIALS_OK)
        lua_pushlstring(L, credentials.text, credentials.length);
    else
        lua_pushnil(L);
    loomta_wipe(&credentials, sizeof credentials);
    lua_pushstring(L, reasons[status]);
    return 3;
}

/* writeCredentials(path, text) → true | nil, the system's words */
int loomta_lua_write_credentials(lua_State *L)
{
    size_t length;
    const char *path = luaL_checkstring(L, 1);
    const char *text = luaL_checklstring(L, 2, &length);

    if (!loomta_credentials_write(path, text, length))
        return loomta_bind_push_failure(L, errno);
    lua_pushboolean(L, 1);
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
