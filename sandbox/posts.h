/* Posts and their lives: groups of a root and its comments, the newest of them. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_POSTS_H
#define SANDBOX_POSTS_H

#include "platforms.h"
#include "post_request.h"
#include "settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_POSTS_GROUPS 10000

struct sandbox_group {
    json_t *root, *children; /* NULL: no group */
    const struct sandbox_platform *platform;
    json_int_t reads; /* that found it due and in the queue */
};

struct sandbox_posts {
    struct sandbox_group *ring;
    uint64_t groups, posts; /* made since the last reset */
};

void sandbox_posts_init(struct sandbox_posts *posts);
void sandbox_posts_free(struct sandbox_posts *posts);
void sandbox_posts_reset(struct sandbox_posts *posts);

/* The caller owns what is in the group, until it adds it. */
struct sandbox_group sandbox_posts_compose(const struct sandbox_post_request *request,
                                           const struct sandbox_platform *platform, const char *platform_id);
void sandbox_posts_drop(struct sandbox_group *group);
void sandbox_posts_add(struct sandbox_posts *posts, const struct sandbox_group *group);

/* The group of a root or of a child; NULL if there is none. */
struct sandbox_group *sandbox_posts_find(const struct sandbox_posts *posts, const char *id);

/* No clock publishes a post, but those who look: so tests need not wait. To be called before the answer. */
void sandbox_posts_note_read(struct sandbox_group *group, const struct sandbox_settings *settings);

/* False when it was published, or failed, before. */
bool sandbox_posts_reschedule(struct sandbox_group *group, const char *scheduled_for);

/* {"root":…,"children":[…]}, sharing what is in the group. */
json_t *sandbox_posts_group(const struct sandbox_group *group);

/* Oldest first, sharing what is in the groups. */
json_t *sandbox_posts_list(const struct sandbox_posts *posts, bool with_children);

#endif
