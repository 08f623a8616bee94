/* core.recognise, core.mediaTypes: what a file is.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "media.h"

static void push_media(lua_State *L, const struct loomta_media *media)
{
    lua_createtable(L, 0, 4);
    loomta_bind_set_string(L, "name", media->name);
    loomta_bind_set_string(L, "mimeType", media->mime_type);
    loomta_bind_set_string(L, "extension", media->extension);
    loomta_bind_set_boolean(L, "accepted", media->accepted);
}

/* recognise(bytes) → { name, mimeType, extension, accepted } | nil when unknown */
int loomta_lua_recognise(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    const struct loomta_media *media = loomta_media_recognise((const unsigned char *)bytes, length);

    if (media)
        push_media(L, media);
    else
        lua_pushnil(L);
    return 1;
}

/* mediaTypes() → all known types, the accepted ones first */
int loomta_lua_media_types(lua_State *L)
{
    const struct loomta_media *media;

    lua_newtable(L);
    for (int i = 0; (media = loomta_media_at((size_t)i)); i++) {
        push_media(L, media);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}
