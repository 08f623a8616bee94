/* loomta.core: assembles the C part of loomta for Lua. The Lua modules beside it are its only users.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "clock.h"
#include "media.h"
#include "multipart.h"

#include <curl/curl.h>
#include <pthread.h>
#include <unistd.h>

static const char *version_of_libcurl;

static void ask_libcurl(void)
{
    version_of_libcurl = curl_version_info(CURLVERSION_NOW)->version;
}

/* libcurlVersion() → "7.88.1" */
static int libcurl_version(lua_State *L)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    /* libcurl writes the answer anew for each who asks, and several states may be loading this. */
    pthread_once(&once, ask_libcurl);
    lua_pushstring(L, version_of_libcurl);
    return 1;
}

/* now() → milliseconds of a clock that never goes back */
static int now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)loomta_now_us() / 1000);
    return 1;
}

/* pid() → this process, which is another one after a fork */
static int pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)getpid());
    return 1;
}

/* token() → 12 random characters, fit for a file name */
static int token(lua_State *L)
{
    char boundary[LOOMTA_BOUNDARY_SIZE];

    if (!loomta_multipart_boundary(boundary))
        return luaL_error(L, "the system gives no random bytes");
    lua_pushstring(L, boundary + LOOMTA_BOUNDARY_SIZE - 1 - 12);
    return 1;
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_loomta_core(lua_State *L);

int luaopen_loomta_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"engine", loomta_lua_engine},
        {"mailbox", loomta_lua_mailbox},
        {"bell", loomta_lua_bell},
        {"secret", loomta_lua_secret},
        {"openFile", loomta_lua_open_file},
        {"openMemory", loomta_lua_open_memory},
        {"openChunks", loomta_lua_open_chunks},
        {"openLog", loomta_lua_open_log},
        {"fileIdentity", loomta_lua_file_identity},
        {"signals", loomta_lua_signals},
        {"terminal", loomta_lua_terminal},
        {"readAvailable", loomta_lua_read_available},
        {"recognise", loomta_lua_recognise},
        {"mediaTypes", loomta_lua_media_types},
        {"readCredentials", loomta_lua_read_credentials},
        {"writeCredentials", loomta_lua_write_credentials},
        {"classify", loomta_lua_classify},
        {"retryDelay", loomta_lua_retry_delay},
        {"parseRetryAfter", loomta_lua_parse_retry_after},
        {"pace", loomta_lua_pace},
        {"libcurlVersion", libcurl_version},
        {"token", token},
        {"now", now},
        {"pid", pid},
        {NULL, NULL},
    };

    loomta_lua_secret_register(L);
    loomta_lua_source_register(L);
    loomta_lua_engine_register(L);
    loomta_lua_mailbox_register(L);
    loomta_lua_bell_register(L);
    loomta_lua_job_register(L);
    loomta_lua_log_register(L);
    loomta_lua_signals_register(L);
    luaL_newlib(L, functions);
    loomta_bind_set_integer(L, "headSize", LOOMTA_MEDIA_HEAD);
    return 1;
}
