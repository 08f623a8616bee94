/* The rest of /public/v1/media: lists, and folders.
 * SPDX-License-Identifier: MIT */
#include "library.h"

#include "exchange.h"

#include <stdlib.h>
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
        sandbox_answer_error(&exchange->answer, 400, "invalid_request", "The request is invalid.", details);
        return;
    }
    json_decref(details);

    struct sandbox_store_filter filter = {folder && strcmp(folder, "null") == 0 ? "" : folder, media_type};
    pthread_mutex_lock(&sandbox->lock);
    char *list = sandbox_store_list_media(&sandbox->store, filter);
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

/* NULL after having answered with what is wrong; otherwise the name, which lives as long as `request`. */
static const char *read_name(struct sandbox_exchange *exchange, json_t *request)
{
    if (!request) {
        sandbox_answer_error(&exchange->answer, 400, "invalid_json", "The body is not valid JSON.", NULL);
        return NULL;
    }
    const char *name = json_string_value(json_object_get(request, "name"));
    size_t length = name ? sandbox_text_characters(name) : 0;
    if (length >= 1 && length <= 255)
        return name;

    json_t *details = json_array();
    if (!json_is_object(request))
        sandbox_answer_detail(details, "", "Expected object");
    else if (!name)
        sandbox_answer_detail(details, "name", json_object_get(request, "name") ? "Expected string" : "Required");
    else
        sandbox_answer_detail(details, "name",
                              length == 0 ? "String must contain at least 1 character(s)"
                                          : "String must contain at most 255 character(s)");
    sandbox_answer_error(&exchange->answer, 400, "invalid_request", "The request is invalid.", details);
    return NULL;
}

void sandbox_library_create_folder(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    json_t *request =
        json_loadb(exchange->body.data ? exchange->body.data : "", exchange->body.length, JSON_DECODE_ANY, NULL);
    const char *name = read_name(exchange, request);
    if (name) {
        char id[SANDBOX_UUID_SIZE];
        char now[SANDBOX_TIME_SIZE];
        sandbox_ids_uuid(id);
        sandbox_ids_now(now);
        sandbox_answer_json(&exchange->answer, 201,
                            json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "organizationId", sandbox->organization,
                                      "name", name, "createdAt", now, "updatedAt", now));
        if (exchange->keeps) {
            char *json = sandbox_text_copy(exchange->answer.body, exchange->answer.size);
            pthread_mutex_lock(&sandbox->lock);
            bool current = sandbox_journal_current(&sandbox->journal, exchange->id);
            if (current)
                sandbox_store_add_folder(&sandbox->store, json, id);
            pthread_mutex_unlock(&sandbox->lock);
            if (!current)
                free(json);
        }
    }
    json_decref(request);
}
