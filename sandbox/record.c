/* What the journal says about one request.
 * SPDX-License-Identifier: MIT */
#include "record.h"

#include "exchange.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fields {
    json_t *object;
    bool headers;
};

static json_t *header_value(const char *name, const char *value, size_t size)
{
    /* The key must not come to light here, in whatever form it was sent. */
    if (strcasecmp(name, "authorization") == 0 || strcasecmp(name, "proxy-authorization") == 0)
        return json_string("present");
    return sandbox_text_json(value, size);
}

static enum MHD_Result add_field(void *closure, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                 const char *value, size_t value_size)
{
    struct fields *fields = closure;
    (void)kind;
    json_t *name_json = sandbox_text_json(key, key_size);
    char *name = sandbox_text_copy(json_string_value(name_json), strlen(json_string_value(name_json)));
    json_decref(name_json);
    for (char *c = name; fields->headers && *c; c++)
        *c = (char)tolower((unsigned char)*c);

    json_t *text = fields->headers ? header_value(name, value ? value : "", value_size)
                                   : sandbox_text_json(value ? value : "", value_size);
    const char *before = json_string_value(json_object_get(fields->object, name));
    if (before) {
        json_t *both = json_sprintf("%s, %s", before, json_string_value(text));
        json_decref(text);
        text = both;
    }
    json_object_set_new(fields->object, name, text);
    free(name);
    return MHD_YES;
}

static json_t *read_fields(struct MHD_Connection *connection, enum MHD_ValueKind kind, bool headers)
{
    struct fields fields = {json_object(), headers};
    MHD_get_connection_values_n(connection, kind, add_field, &fields);
    return fields.object;
}

void sandbox_record_begin(struct sandbox_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const char *expect = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
    json_t *record = json_object();

    pthread_mutex_lock(&exchange->sandbox->lock);
    exchange->id = sandbox_journal_begin(&exchange->sandbox->journal);
    pthread_mutex_unlock(&exchange->sandbox->lock);

    json_object_set_new(record, "id", json_integer((json_int_t)exchange->id));
    json_object_set_new(record, "connection", json_integer((json_int_t)(uintptr_t)info->socket_context));
    json_object_set_new(record, "method", sandbox_text_json(exchange->method, strlen(exchange->method)));
    json_object_set_new(record, "path", sandbox_text_json(exchange->path, strlen(exchange->path)));
    json_object_set_new(record, "query", read_fields(exchange->connection, MHD_GET_ARGUMENT_KIND, false));
    json_object_set_new(record, "headers", read_fields(exchange->connection, MHD_HEADER_KIND, true));
    json_object_set_new(record, "continue", json_boolean(expect && strcasecmp(expect, "100-continue") == 0));
    exchange->record = record;
    sandbox_record_publish(exchange);
}

void sandbox_record_publish(const struct sandbox_exchange *exchange)
{
    if (!exchange->record)
        return;
    json_t *record = exchange->record;
    const struct sandbox_part *file = exchange->upload ? sandbox_upload_file(exchange->upload, "file") : NULL;
    json_object_set_new(record, "status", exchange->status ? json_integer((json_int_t)exchange->status) : json_null());
    json_object_set_new(record, "bytes", json_integer((json_int_t)exchange->received));
    json_object_set_new(record, "bodyComplete", json_boolean(exchange->body_complete));
    json_object_set_new(record, "stored", json_boolean(exchange->stored));
    json_object_set_new(record, "sha256", file && file->sha256 ? json_string(file->sha256) : json_null());
    json_object_set_new(record, "parts", sandbox_upload_json(exchange->upload));
    char *json = sandbox_text_checked(json_dumps(record, JSON_COMPACT));

    pthread_mutex_lock(&exchange->sandbox->lock);
    sandbox_journal_put(&exchange->sandbox->journal, exchange->id, json);
    pthread_mutex_unlock(&exchange->sandbox->lock);
}

void sandbox_record_keep_body(struct sandbox_exchange *exchange)
{
    if (!exchange->kept.data)
        return;
    pthread_mutex_lock(&exchange->sandbox->lock);
    sandbox_journal_put_body(&exchange->sandbox->journal, exchange->id, exchange->kept.data, exchange->kept.length);
    pthread_mutex_unlock(&exchange->sandbox->lock);
    exchange->kept = (struct sandbox_text){0};
}
