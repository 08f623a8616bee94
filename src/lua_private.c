/* core.readPrivate: the credentials file.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "private.h"
#include "secret.h"

/* readPrivate(path) → contents | nil, "absent" | "exposed" | "unusable" */
int loomta_lua_read_private(lua_State *L)
{
    static const char *const reasons[] = {"", "absent", "exposed", "unusable"};
    const char *path = luaL_checkstring(L, 1);
    char contents[LOOMTA_PRIVATE_MAX];
    size_t length;
    enum loomta_private_status status = loomta_private_read(path, contents, &length);

    if (status == LOOMTA_PRIVATE_OK) {
        lua_pushlstring(L, contents, length);
        loomta_wipe(contents, sizeof contents);
        return 1;
    }
    loomta_wipe(contents, sizeof contents);
    lua_pushnil(L);
    lua_pushstring(L, reasons[status]);
    return 2;
}
