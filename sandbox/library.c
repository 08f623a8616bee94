/* The rest of /public/v1/media: lists, and folders.
 * SPDX-License-Identifier: MIT */
#include "library.h"

#include "body.h"
#include "exchange.h"

#include <string.h>

static const char *query(const struct sandbox_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

void sandbox_library_list_media(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    json_t *details = json_array();
    const char *folder = query(exchange, "folderId");
    const char *media_type = query(exchange, "mediaType");
    if (folder && strcmp(folder, "null") != 0 && !sandbox_ids_is_uuid(folder))
        sandbox_answer_detail(details, "folderId", "Invalid uuid");
    if (media_type && strcmp(media_type, "image") != 0 && strcmp(media_type, "video") != 0)
        sandbox_answer_detail(details, "mediaType", "Expected 'image' | 'video'");
    if (json_array_size(details) > 0) {
        sandbox_answer_invalid(&exchange->answer, details);
        return;
    }
    json_decref(details);

    struct sandbox_store_filter filter = {folder && strcmp(folder, "null") == 0 ? "" : folder, media_type};
    pthread_mutex_lock(&sandbox->lock);
    sandbox_store_settle(&sandbox->store, sandbox->settings.media_ready_after);
    char *list = sandbox_store_list_media(&sandbox->store, filter);
    if (sandbox_exchange_keeps(exchange))
        sandbox_store_note_listing(&sandbox->store, filter);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_list(&exchange->answer, "{\"media\":", list);
}

void sandbox_library_list_folders(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    char *list = sandbox_store_list_folders(&sandbox->store);
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_list(&exchange->answer, "{\"folders\":", list);
}

void sandbox_library_create_folder(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct sandbox_check check;
    json_t *request = sandbox_body_object(exchange);
    if (!request)
        return;
    sandbox_check_start(&check);
    const char *name = sandbox_check_string(&check, request, "name", true, 1, 255);
    if (!sandbox_body_passes(exchange, &check))
        return;

    char id[SANDBOX_UUID_SIZE];
    char now[SANDBOX_TIME_SIZE];
    sandbox_ids_uuid(id);
    sandbox_ids_now(now);
    sandbox_answer_json(&exchange->answer, 201,
                        json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "organizationId", sandbox->organization,
                                  "name", name, "createdAt", now, "updatedAt", now));
    pthread_mutex_lock(&sandbox->lock);
    if (sandbox_exchange_keeps(exchange))
        sandbox_store_add_folder(&sandbox->store, sandbox_text_copy(exchange->answer.body, exchange->answer.size), id);
    pthread_mutex_unlock(&sandbox->lock);
}
