/* One request from its headers to its end: what arrived, the fault that hit it, and the answer.
 * SPDX-License-Identifier: MIT */
#include "exchange.h"

#include "fault_answer.h"
#include "record.h"
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON_BODY_MAX (16u * 1024 * 1024)
#define PUBLISH_EVERY (1024u * 1024)

static const char *header(const struct sandbox_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct sandbox_exchange *sandbox_exchange_new(struct sandbox *sandbox, struct MHD_Connection *connection,
                                              const char *method, const char *path)
{
    struct sandbox_exchange *exchange = sandbox_text_checked(calloc(1, sizeof *exchange));
    exchange->sandbox = sandbox;
    exchange->connection = connection;
    exchange->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    exchange->tls = sandbox->options.certificate != NULL;
    exchange->method = sandbox_text_copy(method, strlen(method));
    exchange->path = sandbox_text_copy(path, strlen(path));
    exchange->keeps = true;

    const char *length = header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    exchange->has_body =
        (length && strtoull(length, NULL, 10) > 0) || header(exchange, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    exchange->body_complete = !exchange->has_body;
    if (!sandbox_routes_is_control(path))
        sandbox_record_begin(exchange);
    return exchange;
}

/* The path may hold anything that can be percent-encoded; a terminal should not see it all. */
static void log_request(const struct sandbox_exchange *exchange)
{
    char *line = sandbox_text_copy(exchange->path, strlen(exchange->path));
    char status[16] = "-";
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    if (exchange->status)
        snprintf(status, sizeof status, "%u", exchange->status);
    fprintf(stderr, "%s %s %s %llu\n", exchange->method, line, status, (unsigned long long)exchange->received);
    free(line);
}

void sandbox_exchange_free(struct sandbox_exchange *exchange)
{
    if (!exchange->status)
        sandbox_record_publish(exchange);
    sandbox_record_keep_body(exchange);
    if (!exchange->sandbox->options.quiet)
        log_request(exchange);
    if (exchange->ended_early) {
        /* With TLS the goodbye is libmicrohttpd's, and comes after this. */
        if (!exchange->tls)
            sandbox_wire_finish(exchange->socket);
        sandbox_wire_drain(&exchange->sandbox->wire, exchange->socket);
    }
    sandbox_upload_free(exchange->upload);
    sandbox_text_free(&exchange->body);
    sandbox_text_free(&exchange->kept);
    sandbox_answer_free(&exchange->answer);
    if (exchange->has_fault)
        sandbox_fault_free(&exchange->fault);
    json_decref(exchange->record);
    json_decref(exchange->request);
    free(exchange->parameter);
    free(exchange->method);
    free(exchange->path);
    free(exchange);
}

/* False after having put the refusal into the answer. */
static bool authorize(struct sandbox_exchange *exchange)
{
    const struct sandbox_options *options = &exchange->sandbox->options;
    const char *given = header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!given) {
        sandbox_answer_error(&exchange->answer, 401, "missing_api_key", "A Bearer API key is required.", NULL);
        return false;
    }
    for (size_t i = 0; strncasecmp(given, "Bearer ", 7) == 0 && i < options->key_count; i++)
        if (strcmp(given + 7, options->keys[i]) == 0)
            return true;
    sandbox_answer_error(&exchange->answer, 401, "invalid_api_key", "The API key is invalid.", NULL);
    return false;
}

/* The fault for this request, from its own header or else from the queue. False after having answered that the header is wrong. */
static bool find_fault(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    const char *own = header(exchange, "X-Sandbox-Fault");
    json_t *details = json_array();
    json_t *source;
    if (own) {
        source = json_loads(own, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (json_object_get(source, "times"))
            sandbox_answer_detail(details, "times", "A fault in a header is for its own request only");
    } else {
        pthread_mutex_lock(&sandbox->lock);
        source = sandbox_fault_queue_take(&sandbox->faults, exchange->method, exchange->path);
        pthread_mutex_unlock(&sandbox->lock);
    }

    bool valid = sandbox_fault_parse(&exchange->fault, source, details);
    exchange->has_fault = valid && source;
    if (valid && own) {
        pthread_mutex_lock(&sandbox->lock);
        exchange->has_fault = sandbox_fault_matches(&exchange->fault, exchange->method, exchange->path) &&
                              sandbox_fault_queue_throw(&sandbox->faults, exchange->fault.probability);
        pthread_mutex_unlock(&sandbox->lock);
    }
    if (!exchange->has_fault)
        sandbox_fault_free(&exchange->fault);
    if (own && !valid) {
        sandbox_answer_error(&exchange->answer, 400, "invalid_fault", "The X-Sandbox-Fault header is invalid.",
                             details);
        return false;
    }
    json_decref(details);
    return true;
}

bool sandbox_exchange_keeps(const struct sandbox_exchange *exchange)
{
    return exchange->keeps && sandbox_journal_current(&exchange->sandbox->journal, exchange->id);
}

static enum MHD_Result drop(struct sandbox_exchange *exchange)
{
    sandbox_record_publish(exchange);
    sandbox_record_keep_body(exchange);
    if (exchange->fault.disconnect == SANDBOX_DISCONNECT_RESET) {
        sandbox_wire_reset(&exchange->sandbox->wire, exchange->socket);
    } else if (!exchange->body_complete) {
        sandbox_wire_finish(exchange->socket);
        exchange->ended_early = true;
    }
    return MHD_NO;
}

/* The fault of which the body was the place. */
static enum MHD_Result strike(struct sandbox_exchange *exchange)
{
    if (exchange->fault.disconnect)
        return drop(exchange);
    sandbox_record_publish(exchange);
    sandbox_record_keep_body(exchange);
    sandbox_wire_await_hangup(&exchange->sandbox->wire, exchange->socket);
    return MHD_NO;
}

static enum MHD_Result send_early(struct sandbox_exchange *exchange)
{
    exchange->ended_early = !exchange->body_complete;
    return sandbox_reply_send(exchange);
}

static json_int_t body_limit(const struct sandbox_exchange *exchange)
{
    return exchange->has_fault ? sandbox_fault_body_limit(&exchange->fault) : -1;
}

enum MHD_Result sandbox_exchange_begin(struct sandbox_exchange *exchange)
{
    bool known;
    exchange->route = sandbox_routes_find(exchange->method, exchange->path, &known, &exchange->parameter);
    if (!exchange->route && known)
        sandbox_answer_error(&exchange->answer, 405, "method_not_allowed", "The method is not allowed for this path.",
                             NULL);
    else if (!exchange->route)
        sandbox_answer_error(&exchange->answer, 404, "not_found", "There is nothing at this path.", NULL);

    if (exchange->record) {
        if (exchange->route && exchange->route->access == SANDBOX_KEY_NEEDED && !authorize(exchange))
            return send_early(exchange);
        if (!find_fault(exchange))
            return send_early(exchange);
    }
    if (exchange->has_fault) {
        if (exchange->fault.at == SANDBOX_AT_HEADERS)
            return drop(exchange);
        sandbox_wire_sleep(&exchange->sandbox->wire, exchange->fault.delay_before_ms);
        if (exchange->fault.early == 1) {
            sandbox_fault_answer(&exchange->fault, &exchange->answer);
            return exchange->fault.at == SANDBOX_AT_RESPONSE ? drop(exchange) : send_early(exchange);
        }
        if (body_limit(exchange) == 0)
            return strike(exchange);
    }
    if (exchange->route && exchange->route->body == SANDBOX_BODY_MULTIPART)
        exchange->upload = sandbox_upload_new(exchange->connection);
    return MHD_YES;
}

static void take(struct sandbox_exchange *exchange, const char *data, size_t size)
{
    size_t keep = exchange->sandbox->options.keep_bodies;
    if (exchange->record && exchange->kept.length < keep)
        sandbox_text_add(&exchange->kept, data,
                         size < keep - exchange->kept.length ? size : keep - exchange->kept.length);
    if (exchange->upload)
        sandbox_upload_feed(exchange->upload, data, size);
    else if (exchange->route && exchange->route->body == SANDBOX_BODY_JSON &&
             exchange->body.length + size <= JSON_BODY_MAX)
        sandbox_text_add(&exchange->body, data, size);

    uint64_t before = exchange->received;
    exchange->received += size;
    if (before / PUBLISH_EVERY != exchange->received / PUBLISH_EVERY)
        sandbox_record_publish(exchange);
}

enum MHD_Result sandbox_exchange_body(struct sandbox_exchange *exchange, const char *data, size_t *size)
{
    json_int_t limit = body_limit(exchange);
    size_t length = *size;
    if (limit >= 0 && length > (uint64_t)limit - exchange->received)
        length = (size_t)((uint64_t)limit - exchange->received);
    take(exchange, data, length);
    *size -= length;
    return limit >= 0 && exchange->received == (uint64_t)limit ? strike(exchange) : MHD_YES;
}

enum MHD_Result sandbox_exchange_end(struct sandbox_exchange *exchange)
{
    exchange->body_complete = true;
    if (body_limit(exchange) >= 0)
        return strike(exchange);

    exchange->keeps = !exchange->has_fault || sandbox_fault_stores(&exchange->fault);
    if (exchange->route)
        exchange->route->answer(exchange);
    sandbox_record_keep_body(exchange);
    if (exchange->has_fault) {
        sandbox_fault_answer(&exchange->fault, &exchange->answer);
        sandbox_record_publish(exchange);
        sandbox_wire_sleep(&exchange->sandbox->wire, exchange->fault.delay_after_ms);
        if (exchange->fault.at == SANDBOX_AT_RESPONSE)
            return drop(exchange);
    }
    return sandbox_reply_send(exchange);
}
