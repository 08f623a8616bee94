/* core.openFile, core.openMemory, core.openChunks: the sources of an upload.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "media.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char type_name[] = "loomta.source";

/* A closed source with its metatable: a failure half-way leaves nothing behind. */
static struct loomta_source *new_source(lua_State *L)
{
    struct loomta_source *source = loomta_new_userdata(L, sizeof *source);

    memset(source, 0, sizeof *source);
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    return source;
}

struct loomta_source *loomta_lua_check_source(lua_State *L, int index)
{
    struct loomta_source *source = luaL_checkudata(L, index, type_name);

    luaL_argcheck(L, source->kind != LOOMTA_SOURCE_CLOSED, index, "the source is closed or in use");
    return source;
}

/* The stream behind an open Lua file handle; NULL when it is closed. */
static FILE *check_stream(lua_State *L, int index)
{
#if LUA_VERSION_NUM >= 502
    luaL_Stream *stream = luaL_checkudata(L, index, LUA_FILEHANDLE);
    return stream->closef ? stream->f : NULL;
#else
    return *(FILE **)luaL_checkudata(L, index, LUA_FILEHANDLE);
#endif
}

static int push_open_error(lua_State *L, const struct loomta_source *source)
{
    lua_pushnil(L);
    switch (source->error) {
    case LOOMTA_SOURCE_NOT_FOUND:
    case LOOMTA_SOURCE_NO_ACCESS:
    case LOOMTA_SOURCE_READ_FAILED:
        lua_pushliteral(L, "file_read_failed");
        lua_pushstring(L, strerror(source->saved_errno));
        break;
    default:
        lua_pushliteral(L, "invalid_media_file");
        lua_pushstring(L, source->saved_errno == EISDIR ? "it is a directory"
                                                        : "it is not a regular file but a pipe, socket or device");
    }
    return 3;
}

/* openFile(path | handle) → source | nil, code, why */
int loomta_lua_open_file(lua_State *L)
{
    bool opened;

    if (lua_type(L, 1) == LUA_TSTRING) {
        struct loomta_source *source = new_source(L);
        opened = loomta_source_open_file(source, lua_tostring(L, 1));
        return opened ? 1 : push_open_error(L, source);
    }

    FILE *stream = check_stream(L, 1);
    struct loomta_source *source = new_source(L);
    if (!stream) {
        lua_pushnil(L);
        lua_pushliteral(L, "file_read_failed");
        lua_pushliteral(L, "the file handle is closed");
        return 3;
    }
    /* What was written to it belongs to the file, or else the file is not what its writer thinks. */
    errno = EIO;
    if (fflush(stream) != 0 || ferror(stream)) {
        source->error = LOOMTA_SOURCE_READ_FAILED;
        source->saved_errno = errno;
        return push_open_error(L, source);
    }
    opened = loomta_source_open_descriptor(source, fileno(stream));
    return opened ? 1 : push_open_error(L, source);
}

/* openMemory(string) → source */
int loomta_lua_open_memory(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    struct loomta_source *source = new_source(L);

    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    loomta_set_anchor(L, -2);
    loomta_source_open_memory(source, bytes, length);
    return 1;
}

/* openChunks([size]) → source */
int loomta_lua_open_chunks(lua_State *L)
{
    lua_Number size = luaL_optnumber(L, 1, -1);
    struct loomta_source *source = new_source(L);

    loomta_source_open_chunks(source, (int64_t)size);
    return 1;
}

/* source:recognise() → what core.recognise says of its first bytes | nil, code, why they cannot be read */
static int recognise(lua_State *L)
{
    struct loomta_source *source = loomta_lua_check_source(L, 1);
    unsigned char bytes[LOOMTA_MEDIA_HEAD];
    ssize_t got = loomta_source_peek(source, bytes, sizeof bytes);

    if (got < 0)
        return push_open_error(L, source);
    loomta_lua_push_media(L, loomta_media_recognise(bytes, (size_t)got));
    return 1;
}

/* source:size() → bytes, -1 when not known */
static int size(lua_State *L)
{
    loomta_push_integer(L, loomta_lua_check_source(L, 1)->size);
    return 1;
}

static int close_source(lua_State *L)
{
    loomta_source_close(luaL_checkudata(L, 1, type_name));
    return 0;
}

void loomta_lua_source_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"recognise", recognise}, {"size", size}, {NULL, NULL}};

    loomta_bind_type(L, type_name, methods, close_source);
}
