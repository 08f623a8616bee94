/* What Lua 5.1 to 5.4 and LuaJIT name differently. The only header that includes lua.h.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_COMPAT_H
#define LOOMTA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* One table per userdata keeps alive what its C struct borrows. loomta_set_anchor pops the table;
 * loomta_get_anchor pushes it. */
#if LUA_VERSION_NUM >= 504
#define loomta_new_userdata(L, size) lua_newuserdatauv(L, size, 1)
#define loomta_set_anchor(L, index) ((void)lua_setiuservalue(L, index, 1))
#define loomta_get_anchor(L, index) ((void)lua_getiuservalue(L, index, 1))
#elif LUA_VERSION_NUM >= 502
#define loomta_new_userdata(L, size) lua_newuserdata(L, size)
#define loomta_set_anchor(L, index) lua_setuservalue(L, index)
#define loomta_get_anchor(L, index) ((void)lua_getuservalue(L, index))
#else
#define loomta_new_userdata(L, size) lua_newuserdata(L, size)
#define loomta_set_anchor(L, index) ((void)lua_setfenv(L, index))
#define loomta_get_anchor(L, index) lua_getfenv(L, index)
#define luaL_setfuncs(L, functions, upvalues) luaL_register(L, NULL, functions)
#undef luaL_newlib /* LuaJIT has one that differs */
#define luaL_newlib(L, functions) (lua_newtable(L), luaL_register(L, NULL, functions))
#define lua_rawlen(L, index) lua_objlen(L, index)
#endif

/* An integer where Lua has them. */
#if LUA_VERSION_NUM >= 503
#define loomta_push_integer(L, value) lua_pushinteger(L, (lua_Integer)(value))
#else
#define loomta_push_integer(L, value) lua_pushnumber(L, (lua_Number)(value))
#endif

#endif
