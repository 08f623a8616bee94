/* core.classify, core.retryDelay, core.parseRetryAfter, core.pace: the pure decisions, laid open for specs.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "failure.h"
#include "pace.h"
#include "retry.h"

#include <string.h>

/* The value of `field` among `names`, 0 when absent. */
static int read_option(lua_State *L, int index, const char *field, const char *const *names)
{
    const char *value = loomta_bind_string(L, index, field);

    if (!value)
        return 0;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return luaL_error(L, "field '%s' has no value '%s'", field, value);
}

/* classify{ result, abort, sourceError, status, safe, connected, proxyStatus, bodyComplete, expectSent, retryAfterMs }
 * → { code, kind, message, retryable, possiblyStored, unknown, withoutExpect } | nil for a success */
int loomta_lua_classify(lua_State *L)
{
    static const char *const aborts[] = {"none",   "canceled",         "deadline", "idle",
                                         "source", "responseTooLarge", "noMemory", NULL};
    static const char *const source_errors[] = {"none",    "notFound", "noAccess", "notRegular", "readFailed",
                                                "changed", "tooShort", "tooLong",  NULL};
    struct loomta_end end = {
        .result = (CURLcode)loomta_bind_integer(L, 1, "result", CURLE_OK),
        .abort = (enum loomta_abort)read_option(L, 1, "abort", aborts),
        .source_error = (enum loomta_source_error)read_option(L, 1, "sourceError", source_errors),
        .status = (int)loomta_bind_integer(L, 1, "status", 0),
        .safe = loomta_bind_boolean(L, 1, "safe"),
        .connected = loomta_bind_boolean(L, 1, "connected"),
        .proxy_status = (int)loomta_bind_integer(L, 1, "proxyStatus", 0),
        .body_complete = loomta_bind_boolean(L, 1, "bodyComplete"),
        .expect_sent = loomta_bind_boolean(L, 1, "expectSent"),
        .retry_after_ms = loomta_bind_integer(L, 1, "retryAfterMs", -1),
    };
    struct loomta_failure failure = loomta_failure_classify(&end);

    if (!failure.code)
        return 0;
    lua_newtable(L);
    loomta_bind_set_string(L, "code", failure.code);
    loomta_bind_set_string(L, "kind", failure.kind);
    loomta_bind_set_string(L, "message", failure.message);
    loomta_bind_set_boolean(L, "retryable", failure.retryable);
    loomta_bind_set_boolean(L, "possiblyStored", failure.possibly_stored);
    loomta_bind_set_boolean(L, "unknown", failure.unknown);
    loomta_bind_set_boolean(L, "withoutExpect", failure.without_expect);
    return 1;
}

/* retryDelay(failure, { maxRetries, maxElapsedMs, retryUnknown, canRewind, attempt, elapsedMs, leastMs, random })
 * → ms to wait | nil: stop */
int loomta_lua_retry_delay(lua_State *L)
{
    struct loomta_failure failure = {
        .code = "any",
        .retryable = loomta_bind_boolean(L, 1, "retryable"),
        .unknown = loomta_bind_boolean(L, 1, "unknown"),
        .without_expect = loomta_bind_boolean(L, 1, "withoutExpect"),
        .retry_after_ms = loomta_bind_integer(L, 1, "retryAfterMs", -1),
    };
    struct loomta_retry_policy policy = {
        .max_retries = (int)loomta_bind_integer(L, 2, "maxRetries", 0),
        .max_elapsed_ms = loomta_bind_integer(L, 2, "maxElapsedMs", 0),
        .retry_unknown = loomta_bind_boolean(L, 2, "retryUnknown"),
    };
    lua_getfield(L, 2, "random");
    int64_t delay = loomta_retry_delay(
        &policy, &failure, loomta_bind_boolean(L, 2, "canRewind"), (int)loomta_bind_integer(L, 2, "attempt", 1),
        loomta_bind_integer(L, 2, "elapsedMs", 0), loomta_bind_integer(L, 2, "leastMs", 0), lua_tonumber(L, -1));

    if (delay == LOOMTA_RETRY_STOP)
        return 0;
    loomta_push_integer(L, delay);
    return 1;
}

/* parseRetryAfter(value, now) → ms | nil; `now` in seconds since 1970 */
int loomta_lua_parse_retry_after(lua_State *L)
{
    size_t length;
    const char *value = luaL_checklstring(L, 1, &length);
    int64_t delay = loomta_retry_after_parse(value, length, (time_t)luaL_checknumber(L, 2));

    if (delay < 0)
        return 0;
    loomta_push_integer(L, delay);
    return 1;
}

/* pace(bytesPerSec, { { what, atMs, n }, … }) → for each step how many ms it has to wait from then on, and in a second
 * array how many bytes it was promised. What: "hold" (n ms), "retry", "earn", "reserve" (n bytes), "return" (n bytes). */
int loomta_lua_pace(lua_State *L)
{
    static const char *const names[] = {"hold", "retry", "earn", "reserve", "return", NULL};
    struct loomta_pace pace;
    int count;

    loomta_pace_open(&pace, (int64_t)luaL_checknumber(L, 1), 0);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_newtable(L);
    lua_newtable(L);
    count = (int)lua_rawlen(L, 2);
    for (int i = 1; i <= count; i++) {
        int64_t now_us, at_us, n, promised = 0;
        lua_Number wait_ms = 0;
        lua_rawgeti(L, 2, i);
        for (int k = 1; k <= 3; k++)
            lua_rawgeti(L, 5, k);
        now_us = at_us = (int64_t)(luaL_checknumber(L, 7) * 1000);
        n = (int64_t)lua_tonumber(L, 8);
        switch (luaL_checkoption(L, 6, NULL, names)) {
        case 0:
            loomta_pace_hold(&pace, n, now_us);
            wait_ms = (lua_Number)loomta_pace_held_ms(&pace, now_us);
            break;
        case 1:
            wait_ms = (lua_Number)loomta_pace_retry_ms(&pace, now_us);
            loomta_pace_take_retry(&pace);
            break;
        case 2:
            loomta_pace_earn(&pace, now_us);
            break;
        case 3:
            luaL_argcheck(L, pace.bytes_per_sec > 0, 1, "there is no limit");
            promised = loomta_pace_reserve(&pace, n, now_us, &at_us);
            wait_ms = (lua_Number)(at_us - now_us) / 1000;
            break;
        default:
            loomta_pace_return(&pace, n);
        }
        lua_settop(L, 4);
        lua_pushnumber(L, wait_ms);
        lua_rawseti(L, 3, i);
        loomta_push_integer(L, promised);
        lua_rawseti(L, 4, i);
    }
    return 2;
}
