/* An outcome as a Lua table.
 * SPDX-License-Identifier: MIT */
#include "bind.h"

#include <stdio.h>
#include <string.h>

static void push_failure(lua_State *L, const struct loomta_outcome *outcome)
{
    const struct loomta_failure *failure = &outcome->failure;
    char cause[CURL_ERROR_SIZE + 32];

    loomta_bind_set_string(L, "code", failure->code);
    loomta_bind_set_string(L, "kind", failure->kind);
    loomta_bind_set_string(L, "message", failure->message);
    loomta_bind_set_boolean(L, "retryable", failure->retryable);
    loomta_bind_set_boolean(L, "possiblyStored", failure->possibly_stored);
    loomta_bind_set_boolean(L, "unknown", failure->unknown);
    if (failure->retry_after_ms >= 0)
        loomta_bind_set_integer(L, "retryAfterMs", failure->retry_after_ms);
    if (outcome->result != CURLE_OK) {
        const char *error = outcome->error[0] ? outcome->error : curl_easy_strerror(outcome->result);
        snprintf(cause, sizeof cause, "libcurl %d: %s", (int)outcome->result, error);
        loomta_bind_set_string(L, "cause", cause);
    } else if (outcome->saved_errno != 0) {
        loomta_bind_set_string(L, "cause", strerror(outcome->saved_errno));
    } else {
        loomta_bind_set_string(L, "cause", failure->reason);
    }
}

static void push_connection(lua_State *L, const struct loomta_outcome *outcome)
{
    loomta_bind_set_ms(L, "connectMs", outcome->connect_us);
    loomta_bind_set_ms(L, "tlsMs", outcome->tls_us);
    if (outcome->first_byte_us >= 0)
        loomta_bind_set_ms(L, "firstByteMs", outcome->first_byte_us);
    loomta_bind_set_boolean(L, "reusedConnection", outcome->reused_connection);
    loomta_bind_set_string(L, "httpVersion",
                           outcome->http_version == CURL_HTTP_VERSION_1_0   ? "1.0"
                           : outcome->http_version == CURL_HTTP_VERSION_1_1 ? "1.1"
                           : outcome->http_version == CURL_HTTP_VERSION_2_0 ? "2"
                                                                            : NULL);
}

void loomta_lua_push_outcome(lua_State *L, const struct loomta_outcome *outcome)
{
    lua_createtable(L, 0, 20);
    if (outcome->failure.code)
        push_failure(L, outcome);
    if (outcome->status > 0) {
        loomta_bind_set_integer(L, "status", outcome->status);
        lua_pushlstring(L, outcome->body.data ? outcome->body.data : "", outcome->body.length);
        lua_setfield(L, -2, "body");
    }
    loomta_bind_set_string(L, "contentType", outcome->content_type);
    loomta_bind_set_string(L, "requestId", outcome->request_id);
    loomta_bind_set_integer(L, "attempts", outcome->attempts);
    if (outcome->retry_in_us >= 0)
        loomta_bind_set_integer(L, "retryInMs", outcome->retry_in_us / 1000);
    loomta_bind_set_integer(L, "bytesSent", outcome->sent);
    if (outcome->total >= 0)
        loomta_bind_set_integer(L, "totalBytes", outcome->total);
    loomta_bind_set_ms(L, "durationMs", outcome->duration_us);
    if (outcome->connected)
        push_connection(L, outcome);
}
