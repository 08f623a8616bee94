/* core.engine: the engine as a Lua object.
 * SPDX-License-Identifier: MIT */
#include "bind.h"

static const char type_name[] = "loomta.engine";

static struct loomta_engine *check_engine(lua_State *L)
{
    struct loomta_engine **engine = luaL_checkudata(L, 1, type_name);

    luaL_argcheck(L, *engine, 1, "the engine is closed");
    return *engine;
}

/* engine() → engine */
int loomta_lua_engine(lua_State *L)
{
    struct loomta_engine **engine = loomta_new_userdata(L, sizeof(struct loomta_engine *));

    *engine = NULL;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    *engine = loomta_engine_new();
    return *engine ? 1 : luaL_error(L, "not enough memory, or libcurl cannot be set up");
}

/* engine:submit(source | nil, spec) → job; takes the source over */
static int submit(lua_State *L)
{
    return loomta_lua_submit(L, check_engine(L), NULL);
}

/* engine:step(ms) → did a job change its state or become hungry? */
static int step(lua_State *L)
{
    lua_pushboolean(L, loomta_engine_step(check_engine(L), (int)luaL_checknumber(L, 2)));
    return 1;
}

/* engine:isOurs() → false in a child of fork() */
static int is_ours(lua_State *L)
{
    lua_pushboolean(L, loomta_engine_is_ours(check_engine(L)));
    return 1;
}

static int close_engine(lua_State *L)
{
    struct loomta_engine **engine = luaL_checkudata(L, 1, type_name);

    loomta_engine_free(*engine);
    *engine = NULL;
    return 0;
}

void loomta_lua_engine_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"submit", submit}, {"step", step}, {"isOurs", is_ours}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, close_engine);
}
