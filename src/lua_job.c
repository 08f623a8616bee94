/* The job that engine:submit gives: feeding it, watching it, taking its result.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "multipart.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char type_name[] = "loomta.job";

enum { MAX_FIELDS = 8, ANCHOR_ENGINE = 1, ANCHOR_SOURCE, ANCHOR_CHUNK };

struct spec {
    struct loomta_request request;
    struct loomta_field fields[MAX_FIELDS];
    size_t field_count;
    struct loomta_file_part file; /* file_name NULL: the source alone is the body */
};

static struct loomta_job *check_job(lua_State *L)
{
    return luaL_checkudata(L, 1, type_name);
}

/* --- submitting ----------------------------------------------------------------------------------------------- */

/* fields = { {name, value}, … } */
static void read_fields(lua_State *L, int index, struct spec *spec)
{
    lua_getfield(L, index, "fields");
    if (lua_istable(L, -1)) {
        spec->field_count = lua_rawlen(L, -1);
        luaL_argcheck(L, spec->field_count <= MAX_FIELDS, index, "too many form fields");
        for (size_t i = 0; i < spec->field_count; i++) {
            struct loomta_field *field = &spec->fields[i];
            lua_rawgeti(L, -1, (int)i + 1);
            luaL_checktype(L, -1, LUA_TTABLE);
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            field->name = luaL_checkstring(L, -2);
            field->value = luaL_checklstring(L, -1, &field->length);
            lua_pop(L, 3);
        }
    }
    lua_pop(L, 1);
}

/* Reads the whole spec before anything is allocated: what raises here leaves nothing behind. */
static void read_spec(lua_State *L, int index, struct spec *spec)
{
    struct loomta_request *request = &spec->request;

    luaL_checktype(L, index, LUA_TTABLE);
    request->method = loomta_bind_string(L, index, "method");
    request->url = loomta_bind_string(L, index, "url");
    luaL_argcheck(L, request->method && request->url, index, "method and url are needed");
    lua_getfield(L, index, "apiKey");
    if (!lua_isnil(L, -1))
        request->api_key = loomta_lua_check_secret(L, -1);
    lua_pop(L, 1);
    request->content_type = loomta_bind_string(L, index, "contentType");
    request->user_agent = loomta_bind_string(L, index, "userAgent");
    request->proxy = loomta_bind_string(L, index, "proxy");
    request->ca_file = loomta_bind_string(L, index, "caFile");
    request->ca_path = loomta_bind_string(L, index, "caPath");
    request->client_cert = loomta_bind_string(L, index, "clientCert");
    request->client_key = loomta_bind_string(L, index, "clientKey");
    request->verify = loomta_bind_boolean(L, index, "verify");
    request->direct = loomta_bind_boolean(L, index, "direct");
    request->connect_timeout_ms = loomta_bind_integer(L, index, "connectTimeoutMs", 0);
    request->max_bytes_per_sec = loomta_bind_integer(L, index, "maxBytesPerSec", 0);
    int64_t max_response = loomta_bind_integer(L, index, "maxResponseBytes", 1024 * 1024);
    request->max_response_bytes = (uint64_t)max_response < SIZE_MAX ? (size_t)max_response : SIZE_MAX;
    read_fields(L, index, spec);
    spec->file.name = "file";
    spec->file.content_type = loomta_bind_string(L, index, "mimeType");
    lua_getfield(L, index, "fileName");
    spec->file.file_name = lua_tolstring(L, -1, &spec->file.file_name_length);
    lua_pop(L, 1);
    luaL_argcheck(L, !spec->file.file_name || spec->file.content_type, index, "a file part needs a mimeType");
}

static void read_policy(lua_State *L, int index, struct loomta_job *job)
{
    job->timeout_ms = loomta_bind_integer(L, index, "timeoutMs", 0);
    job->idle_timeout_ms = loomta_bind_integer(L, index, "idleTimeoutMs", 0);
    int64_t max_retries = loomta_bind_integer(L, index, "maxRetries", 0);
    job->policy.max_retries = max_retries < INT_MAX ? (int)max_retries : INT_MAX;
    job->policy.max_elapsed_ms = loomta_bind_integer(L, index, "maxElapsedMs", 0);
    job->policy.retry_unknown = loomta_bind_boolean(L, index, "retryUnknown");
    /* A retry that would begin after the deadline is not worth the wait. */
    if (job->timeout_ms > 0 && (job->policy.max_elapsed_ms == 0 || job->policy.max_elapsed_ms > job->timeout_ms))
        job->policy.max_elapsed_ms = job->timeout_ms;
}

static struct loomta_job *new_job(lua_State *L)
{
    struct loomta_job *job = loomta_new_userdata(L, sizeof *job);

    memset(job, 0, sizeof *job);
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    lua_createtable(L, ANCHOR_CHUNK, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, ANCHOR_ENGINE);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, ANCHOR_SOURCE);
    loomta_set_anchor(L, -2);
    return job;
}

static bool render(struct spec *spec, struct loomta_body *body, char *content_type, size_t size)
{
    char boundary[LOOMTA_BOUNDARY_SIZE];

    if (!spec->file.file_name)
        return true;
    if (!loomta_multipart_boundary(boundary) || !loomta_multipart_render(boundary, spec->fields, spec->field_count,
                                                                         &spec->file, &body->prologue, &body->epilogue))
        return false;
    snprintf(content_type, size, "multipart/form-data; boundary=%s", boundary);
    spec->request.content_type = content_type;
    return true;
}

int loomta_lua_submit(lua_State *L, struct loomta_engine *engine)
{
    struct loomta_source *source = lua_isnoneornil(L, 2) ? NULL : loomta_lua_check_source(L, 2);
    struct spec spec = {0};
    struct loomta_body body = {0};
    char content_type[64 + LOOMTA_BOUNDARY_SIZE];
    CURLcode result = CURLE_OUT_OF_MEMORY;

    lua_settop(L, 3);
    read_spec(L, 3, &spec);
    struct loomta_job *job = new_job(L);
    read_policy(L, 3, job);

    /* From here on nothing raises before the job, a userdata, owns it all. */
    if (source) {
        body.source = *source;
        *source = (struct loomta_source){0};
    }
    bool ready = render(&spec, &body, content_type, sizeof content_type);
    if (ready)
        ready = loomta_transfer_open(&job->transfer, &spec.request, &body, &result);
    loomta_body_close(&body);
    if (ready)
        loomta_engine_submit(engine, job);
    else
        loomta_job_fail(job, result);
    return 1;
}

/* --- watching and feeding -------------------------------------------------------------------------------------- */

/* job:state() → "running" | "waiting" | "done", attempts */
static int state(lua_State *L)
{
    static const char *const names[] = {"new", "running", "waiting", "done"};
    const struct loomta_job *job = check_job(L);

    lua_pushstring(L, names[job->state]);
    loomta_push_integer(L, job->attempts);
    return 2;
}

/* job:progress() → bytes of the source sent in this attempt, its size | nil */
static int progress(lua_State *L)
{
    const struct loomta_job *job = check_job(L);

    loomta_push_integer(L, loomta_transfer_sent(&job->transfer));
    if (job->transfer.body.source.size < 0)
        return 1;
    loomta_push_integer(L, job->transfer.body.source.size);
    return 2;
}

/* job:hungry() → does the source want a chunk? */
static int hungry(lua_State *L)
{
    const struct loomta_job *job = check_job(L);

    lua_pushboolean(L, job->state == LOOMTA_JOB_RUNNING && loomta_source_hungry(&job->transfer.body.source));
    return 1;
}

/* job:feed(chunk | nil): only when hungry; nil says that there are no more. The chunk is borrowed, not copied. */
static int feed(lua_State *L)
{
    struct loomta_job *job = check_job(L);
    size_t length = 0;
    const char *chunk = luaL_optlstring(L, 2, NULL, &length);

    luaL_argcheck(L, loomta_source_hungry(&job->transfer.body.source), 1, "the job wants no chunk");
    lua_settop(L, 2);
    loomta_get_anchor(L, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, ANCHOR_CHUNK);
    loomta_source_feed(&job->transfer.body.source, chunk, length);
    if (job->engine)
        loomta_engine_resume(job->engine, job);
    return 0;
}

static int cancel(lua_State *L)
{
    struct loomta_job *job = check_job(L);

    if (job->engine)
        loomta_engine_cancel(job->engine, job);
    return 0;
}

/* --- the result ------------------------------------------------------------------------------------------------ */

static void push_failure(lua_State *L, const struct loomta_job *job)
{
    const struct loomta_failure *failure = &job->failure;
    char cause[CURL_ERROR_SIZE + 32];

    loomta_bind_set_string(L, "code", failure->code);
    loomta_bind_set_string(L, "kind", failure->kind);
    loomta_bind_set_string(L, "message", failure->message);
    loomta_bind_set_boolean(L, "retryable", failure->retryable);
    loomta_bind_set_boolean(L, "possiblyStored", failure->possibly_stored);
    loomta_bind_set_boolean(L, "unknown", failure->unknown);
    if (failure->retry_after_ms >= 0)
        loomta_bind_set_integer(L, "retryAfterMs", failure->retry_after_ms);
    if (job->result != CURLE_OK && job->transfer.abort == LOOMTA_ABORT_NONE) {
        const char *error = job->transfer.error[0] ? job->transfer.error : curl_easy_strerror(job->result);
        snprintf(cause, sizeof cause, "libcurl %d: %s", (int)job->result, error);
        loomta_bind_set_string(L, "cause", cause);
    } else if (job->transfer.body.source.saved_errno != 0) {
        loomta_bind_set_string(L, "cause", strerror(job->transfer.body.source.saved_errno));
    } else {
        loomta_bind_set_string(L, "cause", failure->reason);
    }
}

static void push_timings(lua_State *L, const struct loomta_job *job)
{
    const struct loomta_transfer *transfer = &job->transfer;
    curl_off_t connected_us = 0, secured_us = 0;
    long connects = 0, version = 0;

    loomta_bind_set_ms(L, "durationMs", job->ended_us - job->began_us);
    if (!transfer->easy)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    loomta_bind_set_ms(L, "connectMs", connected_us);
    loomta_bind_set_ms(L, "tlsMs", secured_us > connected_us ? secured_us - connected_us : 0);
    if (transfer->answered_us > 0)
        loomta_bind_set_ms(L, "firstByteMs", transfer->answered_us - transfer->began_us);
    loomta_bind_set_boolean(L, "reusedConnection", transfer->connected && connects == 0);
    loomta_bind_set_string(L, "httpVersion",
                           version == CURL_HTTP_VERSION_1_0   ? "1.0"
                           : version == CURL_HTTP_VERSION_1_1 ? "1.1"
                           : version == CURL_HTTP_VERSION_2_0 ? "2"
                                                              : NULL);
}

/* job:result() → a flat table of everything known about the last attempt that ended; see response.lua for its face */
static int result(lua_State *L)
{
    const struct loomta_job *job = check_job(L);
    const struct loomta_transfer *transfer = &job->transfer;
    const struct loomta_answer *answer = &transfer->answer;

    lua_createtable(L, 0, 20);
    if (job->failure.code)
        push_failure(L, job);
    if (answer->status > 0) {
        loomta_bind_set_integer(L, "status", answer->status);
        lua_pushlstring(L, answer->body.data ? answer->body.data : "", answer->body.length);
        lua_setfield(L, -2, "body");
    }
    loomta_bind_set_string(L, "contentType", answer->content_type);
    loomta_bind_set_string(L, "requestId", answer->request_id);
    loomta_bind_set_integer(L, "attempts", job->attempts);
    if (job->state == LOOMTA_JOB_WAITING)
        loomta_bind_set_integer(L, "retryInMs", (job->retry_at_us - job->ended_us) / 1000);
    loomta_bind_set_integer(L, "bytesSent", loomta_transfer_sent(transfer));
    if (transfer->body.source.size >= 0)
        loomta_bind_set_integer(L, "totalBytes", transfer->body.source.size);
    push_timings(L, job);
    return 1;
}

static int close_job(lua_State *L)
{
    struct loomta_job *job = check_job(L);

    if (job->engine)
        loomta_engine_cancel(job->engine, job);
    loomta_job_close(job);
    return 0;
}

void loomta_lua_job_register(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"state", state},   {"progress", progress}, {"hungry", hungry}, {"feed", feed},
        {"cancel", cancel}, {"result", result},     {NULL, NULL},
    };

    loomta_bind_type(L, type_name, methods, close_job);
}
