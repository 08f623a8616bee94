/* core.openLog: a file that only grows, for the journal; core.fileIdentity: what a path stands for now.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "logfile.h"
#include "platform.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const char type_name[] = "loomta.log";

static int check_log(lua_State *L)
{
    const int *fd = luaL_checkudata(L, 1, type_name);

    luaL_argcheck(L, *fd >= 0, 1, "the log is closed");
    return *fd;
}

/* openLog(path) → log | nil, why, locked: another writer has it */
int loomta_lua_open_log(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int *fd = loomta_new_userdata(L, sizeof *fd);

    *fd = -1;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    *fd = loomta_logfile_open(path);
    if (*fd >= 0)
        return 1;
    int error = errno;
    loomta_bind_push_failure(L, error);
    lua_pushboolean(L, error == EWOULDBLOCK);
    return 3;
}

/* log:append(text) → true | nil, why; all of it or nothing */
static int append(lua_State *L)
{
    int fd = check_log(L);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);

    if (!loomta_logfile_append(fd, text, length))
        return loomta_bind_push_failure(L, errno);
    lua_pushboolean(L, 1);
    return 1;
}

/* log:sync() → true, once it is on the disk | nil, why */
static int sync_log(lua_State *L)
{
    if (!loomta_logfile_sync(check_log(L)))
        return loomta_bind_push_failure(L, errno);
    lua_pushboolean(L, 1);
    return 1;
}

static int close_log(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, type_name);

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

/* fileIdentity(path) → its one absolute path without links, size, "seconds.nanoseconds" of its last change | nil, why */
int loomta_lua_file_identity(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char resolved[PATH_MAX], modified[48];
    struct stat status;

    if (stat(path, &status) != 0 || !realpath(path, resolved))
        return loomta_bind_push_failure(L, errno);
    lua_pushstring(L, resolved);
    struct timespec changed = loomta_modified(&status);
    snprintf(modified, sizeof modified, "%lld.%09ld", (long long)changed.tv_sec, (long)changed.tv_nsec);
    loomta_push_integer(L, status.st_size);
    lua_pushstring(L, modified);
    return 3;
}

void loomta_lua_log_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"append", append}, {"sync", sync_log}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, close_log);
}
