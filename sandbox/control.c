/* The endpoints below /sandbox, with which tests look into the sandbox and make it fail.
 * SPDX-License-Identifier: MIT */
#include "control.h"

#include "body.h"
#include "exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_id(const char *text, uint64_t *id)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 18)
        return false;
    *id = strtoull(text, &end, 10);
    return *end == '\0';
}

void sandbox_control_requests(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    const char *since = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "since");
    uint64_t id = 0;
    size_t length;
    if (since && !read_id(since, &id)) {
        json_t *details = json_array();
        sandbox_answer_detail(details, "since", "Expected the id of a request");
        sandbox_answer_invalid(&exchange->answer, details);
        return;
    }
    pthread_mutex_lock(&sandbox->lock);
    char *list = sandbox_journal_list(&sandbox->journal, id, &length);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_take(&exchange->answer, 200, SANDBOX_JSON_TYPE, list, length);
}

void sandbox_control_body(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    uint64_t id;
    char *body = NULL;
    size_t size = 0;
    if (read_id(exchange->parameter, &id)) {
        pthread_mutex_lock(&sandbox->lock);
        const struct sandbox_journal_entry *entry = sandbox_journal_find(&sandbox->journal, id);
        if (entry && entry->body) {
            size = entry->body_size;
            body = sandbox_text_copy(entry->body, size);
        }
        pthread_mutex_unlock(&sandbox->lock);
    }
    if (body)
        sandbox_answer_take(&exchange->answer, 200, "application/octet-stream", body, size);
    else
        sandbox_answer_error(&exchange->answer, 404, "not_found",
                             "No body was kept for that request (see --keep-bodies).", NULL);
}

void sandbox_control_media(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_store_settle(&sandbox->store, sandbox->settings.media_ready_after);
    char *list = sandbox_store_list_media(&sandbox->store, (struct sandbox_store_filter){NULL, NULL});
    uint64_t total = sandbox->store.total;
    pthread_mutex_unlock(&sandbox->lock);

    char head[48];
    snprintf(head, sizeof head, "{\"total\":%" PRIu64 ",\"media\":", total);
    sandbox_answer_list(&exchange->answer, head, list);
}

void sandbox_control_reset(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_journal_reset(&sandbox->journal);
    sandbox_store_reset(&sandbox->store);
    sandbox_fault_queue_clear(&sandbox->faults);
    sandbox_posts_reset(&sandbox->posts);
    sandbox_device_reset(&sandbox->device);
    sandbox_settings_reset(&sandbox->settings);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_text(&exchange->answer, 204, NULL, "");
}

void sandbox_control_add_fault(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    json_t *request = sandbox_body_parse(exchange, JSON_REJECT_DUPLICATES);
    if (!request) {
        sandbox_answer_not_json(&exchange->answer);
        return;
    }
    struct sandbox_fault fault;
    json_t *details = json_array();
    if (!sandbox_fault_parse(&fault, json_deep_copy(request), details)) {
        sandbox_answer_error(&exchange->answer, 400, "invalid_fault", "The fault is invalid; nothing was queued.",
                             details);
        sandbox_fault_free(&fault);
        return;
    }
    json_decref(details);
    sandbox_answer_json(&exchange->answer, 201, json_incref(request));
    pthread_mutex_lock(&sandbox->lock);
    sandbox_fault_queue_add(&sandbox->faults, &fault);
    pthread_mutex_unlock(&sandbox->lock);
}

void sandbox_control_list_faults(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    json_t *list = sandbox_fault_queue_list(&sandbox->faults);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_json(&exchange->answer, 200, json_pack("{s:o}", "faults", list));
}

void sandbox_control_clear_faults(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_fault_queue_clear(&sandbox->faults);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_text(&exchange->answer, 204, NULL, "");
}
