/* Posts and their lives: groups of a root and its comments, the newest of them. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#include "posts.h"

#include "ids.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sandbox_posts_init(struct sandbox_posts *posts)
{
    *posts = (struct sandbox_posts){0};
    posts->ring = sandbox_text_checked(calloc(SANDBOX_POSTS_GROUPS, sizeof *posts->ring));
}

void sandbox_posts_drop(struct sandbox_group *group)
{
    json_decref(group->root);
    json_decref(group->children);
    *group = (struct sandbox_group){0};
}

void sandbox_posts_reset(struct sandbox_posts *posts)
{
    for (size_t i = 0; i < SANDBOX_POSTS_GROUPS; i++)
        sandbox_posts_drop(&posts->ring[i]);
    posts->groups = posts->posts = 0;
}

void sandbox_posts_free(struct sandbox_posts *posts)
{
    sandbox_posts_reset(posts);
    free(posts->ring);
}

void sandbox_posts_add(struct sandbox_posts *posts, const struct sandbox_group *group)
{
    struct sandbox_group *place = &posts->ring[posts->groups++ % SANDBOX_POSTS_GROUPS];
    sandbox_posts_drop(place);
    *place = *group;
    posts->posts += 1 + json_array_size(group->children);
}

static json_t *copy_or(json_t *value, json_t *otherwise)
{
    if (!value)
        return otherwise;
    json_decref(otherwise);
    return json_deep_copy(value);
}

/* What a root and a comment have in common. */
static json_t *compose(const struct sandbox_post_request *request, const char *group_id, const char *platform_id,
                       const char *content, json_t *settings, json_t *media_ids)
{
    char id[SANDBOX_UUID_SIZE];
    char now[SANDBOX_TIME_SIZE];
    sandbox_ids_uuid(id);
    sandbox_ids_now(now);
    return json_pack("{s:s, s:s, s:n, s:s, s:s, s:s, s:s?, s:n, s:n, s:n, s:o, s:o, s:n, s:s, s:s}", "id", id,
                     "groupId", group_id, "parentPostId", "integrationId", platform_id, "content", content, "state",
                     request->mode == SANDBOX_MODE_DRAFT ? "DRAFT" : "QUEUE", "scheduledFor",
                     request->mode == SANDBOX_MODE_NOW ? NULL : request->scheduled_for, "delayInMinutes", "releaseId",
                     "releaseUrl", "settings", copy_or(settings, json_object()), "mediaIds",
                     copy_or(media_ids, json_array()), "errorText", "createdAt", now, "updatedAt", now);
}

struct sandbox_group sandbox_posts_compose(const struct sandbox_post_request *request,
                                           const struct sandbox_platform *platform, const char *platform_id)
{
    char group_id[SANDBOX_UUID_SIZE];
    size_t index;
    json_t *comment;
    sandbox_ids_uuid(group_id);
    struct sandbox_group group = {
        .root = compose(request, group_id, platform_id, request->content, request->settings, request->media_ids),
        .children = json_array(),
        .platform = platform};
    json_array_foreach (request->comments, index, comment) {
        json_t *child = compose(request, group_id, platform_id, json_string_value(json_object_get(comment, "content")),
                                json_object_get(comment, "settings"), json_object_get(comment, "mediaIds"));
        json_object_set(child, "parentPostId", json_object_get(group.root, "id"));
        json_object_set_new(child, "delayInMinutes", copy_or(json_object_get(comment, "delayInMinutes"), json_null()));
        json_array_append_new(group.children, child);
    }
    return group;
}

static bool has_id(json_t *post, const char *id)
{
    return strcasecmp(json_string_value(json_object_get(post, "id")), id) == 0;
}

struct sandbox_group *sandbox_posts_find(const struct sandbox_posts *posts, const char *id)
{
    for (size_t i = 0; i < SANDBOX_POSTS_GROUPS && posts->ring[i].root; i++) {
        size_t index;
        json_t *child;
        if (has_id(posts->ring[i].root, id))
            return &posts->ring[i];
        json_array_foreach (posts->ring[i].children, index, child)
            if (has_id(child, id))
                return &posts->ring[i];
    }
    return NULL;
}

static bool is_in(const struct sandbox_group *group, const char *state)
{
    return strcmp(json_string_value(json_object_get(group->root, "state")), state) == 0;
}

static bool is_due(const struct sandbox_group *group)
{
    int64_t time;
    const char *scheduled_for = json_string_value(json_object_get(group->root, "scheduledFor"));
    return !scheduled_for || (sandbox_ids_time(scheduled_for, &time) && time <= sandbox_ids_clock());
}

/* Both take the changes: each member of them goes into the post, or into all of the group. */
static void change_post(json_t *post, json_t *changes)
{
    char now[SANDBOX_TIME_SIZE];
    sandbox_ids_now(now);
    json_object_update(post, changes);
    json_object_set_new(post, "updatedAt", json_string(now));
    json_decref(changes);
}

static void change_group(struct sandbox_group *group, json_t *changes)
{
    size_t index;
    json_t *child;
    json_array_foreach (group->children, index, child)
        change_post(child, json_deep_copy(changes));
    change_post(group->root, changes);
}

static void publish(json_t *post, const struct sandbox_platform *platform)
{
    uint64_t number;
    char id[24];
    sandbox_ids_random(&number, sizeof number);
    snprintf(id, sizeof id, "7%018" PRIu64, number % 1000000000000000000u);
    change_post(post, json_pack("{s:s, s:s+}", "releaseId", id, "releaseUrl", platform->release_url, id));
}

void sandbox_posts_note_read(struct sandbox_group *group, const struct sandbox_settings *settings)
{
    size_t index;
    json_t *child;
    if (!is_in(group, "QUEUE") || !is_due(group))
        return;
    if (group->reads < settings->reads_until_published) {
        group->reads++;
        return;
    }
    const char *state = sandbox_settings_outcomes[settings->publish_as];
    bool published = strcmp(state, "PUBLISHED") == 0;
    change_group(group, json_pack("{s:s, s:s?}", "state", state, "errorText",
                                  published ? NULL : "The sandbox was told not to publish this post."));
    if (!published)
        return;
    publish(group->root, group->platform);
    json_array_foreach (group->children, index, child)
        publish(child, group->platform);
}

bool sandbox_posts_reschedule(struct sandbox_group *group, const char *scheduled_for)
{
    if (is_in(group, "PUBLISHED") || is_in(group, "ERROR"))
        return false;
    group->reads = 0;
    change_group(group, json_pack("{s:s, s:s, s:n}", "state", "QUEUE", "scheduledFor", scheduled_for, "errorText"));
    return true;
}

json_t *sandbox_posts_group(const struct sandbox_group *group)
{
    return json_pack("{s:O, s:O}", "root", group->root, "children", group->children);
}

json_t *sandbox_posts_list(const struct sandbox_posts *posts, bool with_children)
{
    json_t *list = json_array();
    uint64_t oldest = posts->groups > SANDBOX_POSTS_GROUPS ? posts->groups - SANDBOX_POSTS_GROUPS : 0;
    for (uint64_t i = oldest; i < posts->groups; i++) {
        const struct sandbox_group *group = &posts->ring[i % SANDBOX_POSTS_GROUPS];
        json_array_append(list, group->root);
        if (with_children)
            json_array_extend(list, group->children);
    }
    return list;
}
