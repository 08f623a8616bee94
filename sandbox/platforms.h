/* The two platforms of the workspace, what each of them takes, and their endpoints.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_PLATFORMS_H
#define SANDBOX_PLATFORMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct sandbox;
struct sandbox_exchange;

#define SANDBOX_PLATFORM_COUNT 2
#define SANDBOX_PLATFORM_NOT_FOUND "The platform is unknown, disabled or needs to be connected again."

struct sandbox_platform_setting {
    const char *name;
    const char *type; /* string, boolean or enum */
    bool required;
    const char *initial;        /* the default, as JSON */
    const char *const *choices; /* of an enum; NULL comes last, also where there are none */
    const char *description;
};

struct sandbox_platform {
    const char *provider, *name, *display_name, *display_handle;
    const char *release_url; /* goes before the id of what was published */

    /* The schema: what is true of both is in platforms.c. */
    bool content_required;
    size_t content_maximum; /* in characters; 0: none */
    size_t media_minimum, media_maximum, video_maximum;
    bool mixed;       /* images and videos may come together */
    const char *rule; /* on media, in words; NULL: none */
    bool comments;
    const struct sandbox_platform_setting *settings;
    size_t setting_count;
};

extern const struct sandbox_platform sandbox_platforms[SANDBOX_PLATFORM_COUNT];

/* Their place in sandbox_platforms, or -1. */
int sandbox_platforms_by_provider(const char *provider);

/* The same for those that can be used: not when it is disabled or needs a refresh. The caller holds the state's lock. */
int sandbox_platforms_usable(const struct sandbox *sandbox, const char *id);

/* GET /public/v1/platforms and GET /public/v1/platforms/{id}/schema */
void sandbox_platforms_list(struct sandbox_exchange *exchange);
void sandbox_platforms_get_schema(struct sandbox_exchange *exchange);

#endif
