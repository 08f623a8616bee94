/* From the table that describes a call to a job that an engine or the worker has.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "multipart.h"
#include "worker.h"

#include <limits.h>
#include <stdio.h>

enum { MAX_FIELDS = 8 };

struct spec {
    struct loomta_request request;
    struct loomta_field fields[MAX_FIELDS];
    size_t field_count;
    struct loomta_file_part file; /* file_name NULL: the source alone is the body */
    const char *path;             /* of the source, where it was opened by one */
    struct loomta_retry_policy policy;
    int64_t timeout_ms, idle_timeout_ms, delay_ms;
    bool wants_progress, urgent;
};

/* fields = { {name, value}, … } */
static void read_fields(lua_State *L, int index, struct spec *spec)
{
    lua_getfield(L, index, "fields");
    if (lua_istable(L, -1)) {
        spec->field_count = (size_t)lua_rawlen(L, -1);
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

    spec->path = loomta_bind_string(L, index, "path");
    spec->timeout_ms = loomta_bind_integer(L, index, "timeoutMs", 0);
    spec->idle_timeout_ms = loomta_bind_integer(L, index, "idleTimeoutMs", 0);
    spec->delay_ms = loomta_bind_integer(L, index, "delayMs", 0);
    spec->wants_progress = loomta_bind_boolean(L, index, "wantsProgress");
    spec->urgent = loomta_bind_boolean(L, index, "urgent");
    int64_t max_retries = loomta_bind_integer(L, index, "maxRetries", 0);
    spec->policy.max_retries = max_retries < INT_MAX ? (int)max_retries : INT_MAX;
    spec->policy.max_elapsed_ms = loomta_bind_integer(L, index, "maxElapsedMs", 0);
    spec->policy.retry_unknown = loomta_bind_boolean(L, index, "retryUnknown");
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

int loomta_lua_submit(lua_State *L, struct loomta_engine *engine, struct loomta_mailbox *mailbox)
{
    struct loomta_source *source = lua_isnoneornil(L, 2) ? NULL : loomta_lua_check_source(L, 2);
    struct spec spec = {0};
    struct loomta_body body = {0};
    char content_type[64 + LOOMTA_BOUNDARY_SIZE];

    lua_settop(L, 3);
    read_spec(L, 3, &spec);
    struct loomta_job **owner = loomta_lua_new_job(L);

    /* From here on nothing raises before the job, a userdata, owns it all. */
    if (source) {
        body.source = *source;
        *source = (struct loomta_source){0};
    }
    struct loomta_job *job = NULL;
    if (render(&spec, &body, content_type, sizeof content_type))
        job = loomta_job_new(&spec.request, &body, mailbox);
    loomta_body_close(&body);
    if (!job)
        return luaL_error(L, "not enough memory");
    *owner = job;
    job->policy = spec.policy;
    job->timeout_ms = spec.timeout_ms;
    job->idle_timeout_ms = spec.idle_timeout_ms;
    job->delay_ms = spec.delay_ms;
    job->wants_progress = spec.wants_progress;
    job->urgent = spec.urgent;
    if (!mailbox) {
        loomta_engine_submit(engine, job);
        return 1;
    }
    if (spec.path)
        loomta_source_park(&job->transfer.body.source, spec.path);
    loomta_worker_ask(job, LOOMTA_ASK_SUBMIT);
    return 1;
}
