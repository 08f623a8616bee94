/* What every file of the Lua binding needs: making a type, reading and writing table fields.
 * SPDX-License-Identifier: MIT */
#include "bind.h"

#include <string.h>

void loomta_bind_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushcfunction(L, close);
    lua_pushvalue(L, -1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "close");
    lua_setfield(L, -3, "__gc");
    lua_setfield(L, -2, "__close");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

int loomta_bind_push_failure(lua_State *L, int error)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    return 2;
}

const char *loomta_bind_string(lua_State *L, int index, const char *field)
{
    const char *value = NULL;

    lua_getfield(L, index, field);
    if (lua_type(L, -1) == LUA_TSTRING)
        value = lua_tostring(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "field '%s' must be a string, not a %s", field, luaL_typename(L, -1));
    lua_pop(L, 1); /* the table keeps it alive */
    return value;
}

int64_t loomta_bind_integer(lua_State *L, int index, const char *field, int64_t absent)
{
    int64_t value = absent;

    lua_getfield(L, index, field);
    if (lua_type(L, -1) == LUA_TNUMBER)
        value = (int64_t)lua_tonumber(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "field '%s' must be a number, not a %s", field, luaL_typename(L, -1));
    lua_pop(L, 1);
    return value;
}

bool loomta_bind_boolean(lua_State *L, int index, const char *field)
{
    lua_getfield(L, index, field);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

void loomta_bind_set_string(lua_State *L, const char *field, const char *value)
{
    if (!value || !*value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

void loomta_bind_set_boolean(lua_State *L, const char *field, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

void loomta_bind_set_integer(lua_State *L, const char *field, int64_t value)
{
    loomta_push_integer(L, value);
    lua_setfield(L, -2, field);
}

void loomta_bind_set_ms(lua_State *L, const char *field, int64_t microseconds)
{
    lua_pushnumber(L, (lua_Number)microseconds / 1000);
    lua_setfield(L, -2, field);
}
