/* What a client sends to create posts, held against the documentation and against the schema of each platform.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_POST_REQUEST_H
#define SANDBOX_POST_REQUEST_H

#include "platforms.h"
#include "store.h"

#include <jansson.h>
#include <stdbool.h>

struct sandbox_exchange;

enum sandbox_post_mode { SANDBOX_MODE_DRAFT, SANDBOX_MODE_NOW, SANDBOX_MODE_SCHEDULE };

/* Borrowed from the exchange. */
struct sandbox_post_request {
    json_t *platform_ids;
    json_t *media_ids, *settings, *comments; /* NULL when not sent */
    const char *content;
    enum sandbox_post_mode mode;
    const char *scheduled_for; /* NULL when not sent */
};

/* False after having answered what is wrong whatever the platform. */
bool sandbox_post_request_read(struct sandbox_exchange *exchange, struct sandbox_post_request *request);

/* False after having answered that media are unknown or not READY. The caller holds the state's lock. */
bool sandbox_post_request_has_media(struct sandbox_exchange *exchange, const struct sandbox_post_request *request);

/* How the request breaks the platform's schema: details for the caller to own, or NULL. The caller holds the state's lock. */
json_t *sandbox_post_request_violations(const struct sandbox_post_request *request,
                                        const struct sandbox_platform *platform, const struct sandbox_store *store);

/* A date-time member, or NULL after a finding if it is not one or is missing but required. */
struct sandbox_check;
const char *sandbox_post_request_time(struct sandbox_check *check, json_t *object, const char *name, bool required);

#endif
