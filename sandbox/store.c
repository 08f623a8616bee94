/* The workspace: media (the newest of them, and an exact count) and folders. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#include "store.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sandbox_store_init(struct sandbox_store *store, size_t size)
{
    *store = (struct sandbox_store){.size = size};
    store->ring = sandbox_text_checked(calloc(store->size, sizeof *store->ring));
}

void sandbox_store_reset(struct sandbox_store *store)
{
    for (size_t i = 0; i < store->size; i++) {
        free(store->ring[i].json);
        store->ring[i] = (struct sandbox_stored_media){0};
    }
    for (size_t i = 0; i < store->folder_count; i++)
        free(store->folders[i].json);
    free(store->folders);
    store->folders = NULL;
    store->folder_count = 0;
    store->total = 0;
}

void sandbox_store_free(struct sandbox_store *store)
{
    sandbox_store_reset(store);
    free(store->ring);
}

void sandbox_store_add_media(struct sandbox_store *store, const struct sandbox_stored_media *media)
{
    struct sandbox_stored_media *place = &store->ring[store->total++ % store->size];
    free(place->json);
    *place = *media;
}

static size_t media_count(const struct sandbox_store *store)
{
    return store->total < store->size ? (size_t)store->total : store->size;
}

static void make_ready(struct sandbox_stored_media *media)
{
    char now[SANDBOX_TIME_SIZE];
    json_t *object = sandbox_text_checked(json_loads(media->json, 0, NULL));
    sandbox_ids_now(now);
    json_object_set_new(object, "status", json_string("READY"));
    json_object_set_new(object, "finalizedAt", json_string(now));
    free(media->json);
    media->json = sandbox_text_checked(json_dumps(object, JSON_COMPACT));
    media->pending = false;
    json_decref(object);
}

void sandbox_store_settle(struct sandbox_store *store, int64_t listings)
{
    for (size_t i = 0; listings >= 0 && i < media_count(store); i++)
        if (store->ring[i].pending && store->ring[i].listings >= (uint64_t)listings)
            make_ready(&store->ring[i]);
}

const struct sandbox_stored_media *sandbox_store_find_media(const struct sandbox_store *store, const char *id)
{
    for (size_t i = 0; i < media_count(store); i++)
        if (strcasecmp(store->ring[i].id, id) == 0)
            return &store->ring[i];
    return NULL;
}

void sandbox_store_add_folder(struct sandbox_store *store, char *json, const char *id)
{
    store->folders = sandbox_text_checked(realloc(store->folders, (store->folder_count + 1) * sizeof *store->folders));
    struct sandbox_stored_folder *folder = &store->folders[store->folder_count++];
    folder->json = json;
    snprintf(folder->id, sizeof folder->id, "%s", id);
}

bool sandbox_store_has_folder(const struct sandbox_store *store, const char *id)
{
    for (size_t i = 0; i < store->folder_count; i++)
        if (strcasecmp(store->folders[i].id, id) == 0)
            return true;
    return false;
}

static bool matches(const struct sandbox_stored_media *media, struct sandbox_store_filter filter)
{
    return (!filter.folder || strcasecmp(filter.folder, media->folder) == 0) &&
           (!filter.media_type || (strcmp(filter.media_type, "video") == 0) == media->video);
}

void sandbox_store_note_listing(struct sandbox_store *store, struct sandbox_store_filter filter)
{
    for (size_t i = 0; i < media_count(store); i++)
        store->ring[i].listings += store->ring[i].pending && matches(&store->ring[i], filter);
}

char *sandbox_store_list_media(const struct sandbox_store *store, struct sandbox_store_filter filter)
{
    struct sandbox_text list = {0};
    sandbox_text_append(&list, "[");
    uint64_t oldest = store->total > store->size ? store->total - store->size : 0;
    for (uint64_t i = oldest; i < store->total; i++) {
        const struct sandbox_stored_media *media = &store->ring[i % store->size];
        if (!matches(media, filter))
            continue;
        if (list.length > 1)
            sandbox_text_append(&list, ",");
        sandbox_text_append(&list, media->json);
    }
    sandbox_text_append(&list, "]");
    return list.data;
}

char *sandbox_store_list_folders(const struct sandbox_store *store)
{
    struct sandbox_text list = {0};
    sandbox_text_append(&list, "[");
    for (size_t i = 0; i < store->folder_count; i++) {
        if (i > 0)
            sandbox_text_append(&list, ",");
        sandbox_text_append(&list, store->folders[i].json);
    }
    sandbox_text_append(&list, "]");
    return list.data;
}
