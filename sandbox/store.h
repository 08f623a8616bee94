/* The workspace: media (the newest of them, and an exact count) and folders. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_STORE_H
#define SANDBOX_STORE_H

#include "ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_stored_media {
    char *json;
    char id[SANDBOX_UUID_SIZE];
    char folder[SANDBOX_UUID_SIZE]; /* "" at the root */
    bool video;
    bool pending;
    uint64_t listings; /* in which it was PENDING */
};

struct sandbox_stored_folder {
    char id[SANDBOX_UUID_SIZE];
    char *json;
};

struct sandbox_store {
    struct sandbox_stored_media *ring;
    size_t size; /* of the ring: how many media are remembered */
    uint64_t total;
    struct sandbox_stored_folder *folders;
    size_t folder_count;
};

/* What a list is narrowed to; all zero means everything. */
struct sandbox_store_filter {
    const char *folder;     /* NULL: any; "": the root; otherwise a UUID */
    const char *media_type; /* NULL: any; "image" or "video" */
};

void sandbox_store_init(struct sandbox_store *store, size_t size);
void sandbox_store_free(struct sandbox_store *store);
void sandbox_store_reset(struct sandbox_store *store);

/* Both take the JSON text. */
void sandbox_store_add_media(struct sandbox_store *store, const struct sandbox_stored_media *media);
void sandbox_store_add_folder(struct sandbox_store *store, char *json, const char *id);

/* Makes those READY that were listed often enough; -1: none. Comes before everything that depends on the status. */
void sandbox_store_settle(struct sandbox_store *store, int64_t listings);
void sandbox_store_note_listing(struct sandbox_store *store, struct sandbox_store_filter filter);

/* NULL when there is none of that id. */
const struct sandbox_stored_media *sandbox_store_find_media(const struct sandbox_store *store, const char *id);

bool sandbox_store_has_folder(const struct sandbox_store *store, const char *id);

/* A JSON array, oldest first; the caller frees it. */
char *sandbox_store_list_media(const struct sandbox_store *store, struct sandbox_store_filter filter);
char *sandbox_store_list_folders(const struct sandbox_store *store);

#endif
