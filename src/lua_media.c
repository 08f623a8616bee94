/* core.recognise, core.mediaTypes: what a file is.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "media.h"

#include <string.h>

/* Its place in the registry. Nobody writes through it. */
static void push_key(lua_State *L, const struct loomta_media *media)
{
    void *key;

    memcpy(&key, &media, sizeof key);
    lua_pushlightuserdata(L, key);
}

void loomta_lua_push_media(lua_State *L, const struct loomta_media *media)
{
    push_key(L, media);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (!media || !lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 4);
    loomta_bind_set_string(L, "name", media->name);
    loomta_bind_set_string(L, "mimeType", media->mime_type);
    loomta_bind_set_string(L, "extension", media->extension);
    loomta_bind_set_boolean(L, "accepted", media->accepted);
    push_key(L, media);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* recognise(bytes) → { name, mimeType, extension, accepted }, always the same one | nil when unknown */
int loomta_lua_recognise(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);

    loomta_lua_push_media(L, loomta_media_recognise((const unsigned char *)bytes, length));
    return 1;
}

/* mediaTypes() → all known types, the accepted ones first */
int loomta_lua_media_types(lua_State *L)
{
    const struct loomta_media *media;

    lua_newtable(L);
    for (int i = 0; (media = loomta_media_at((size_t)i)); i++) {
        loomta_lua_push_media(L, media);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}
