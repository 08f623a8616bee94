/* The endpoints of posts: create, list, get, reschedule, and the view for tests.
 * SPDX-License-Identifier: MIT */
#include "publishing.h"

#include "body.h"
#include "exchange.h"
#include "post_request.h"

#include <string.h>

#define LIMIT_REACHED "The plan's posts are used up."

static json_t *failed(const char *platform_id, json_t *error)
{
    return json_pack("{s:s, s:s, s:o}", "platformId", platform_id, "status", "failed", "error", error);
}

static json_t *error_of(const char *code, const char *message, json_t *details)
{
    json_t *error = json_pack("{s:s, s:s}", "code", code, "message", message);
    if (details)
        json_object_set_new(error, "details", details);
    return error;
}

/* What becomes of the request on one platform. */
static json_t *create_on(struct sandbox *sandbox, const struct sandbox_post_request *request, const char *platform_id,
                         bool keeps, json_int_t *left)
{
    int place = sandbox_platforms_usable(sandbox, platform_id);
    if (place < 0)
        return failed(platform_id, error_of("platform_not_found", SANDBOX_PLATFORM_NOT_FOUND, NULL));
    if (sandbox->settings.platforms[place].failure)
        return failed(platform_id, json_incref(sandbox->settings.platforms[place].failure));
    json_t *details = sandbox_post_request_violations(request, &sandbox_platforms[place], &sandbox->store);
    if (details)
        return failed(platform_id, error_of("invalid_request", "The platform does not take this post.", details));
    if (!sandbox_settings_spend(left))
        return failed(platform_id, error_of("post_limit_reached", LIMIT_REACHED, NULL));

    struct sandbox_group group =
        sandbox_posts_compose(request, &sandbox_platforms[place], sandbox->platform_ids[place]);
    json_t *result = json_pack("{s:s, s:s, s:o}", "platformId", platform_id, "status", "created", "post",
                               sandbox_posts_group(&group));
    if (keeps)
        sandbox_posts_add(&sandbox->posts, &group);
    else
        sandbox_posts_drop(&group);
    return result;
}

static void create_all(struct sandbox_exchange *exchange, const struct sandbox_post_request *request)
{
    struct sandbox *sandbox = exchange->sandbox;
    bool keeps = sandbox_exchange_keeps(exchange);
    json_int_t left = sandbox->settings.posts_left;
    json_t *results = json_array();
    size_t index;
    json_t *id;
    json_array_foreach (request->platform_ids, index, id)
        json_array_append_new(results, create_on(sandbox, request, json_string_value(id), keeps, &left));
    if (keeps)
        sandbox->settings.posts_left = left;
    sandbox_answer_json(&exchange->answer, 201, json_pack("{s:o}", "results", results));
}

void sandbox_publishing_create(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct sandbox_post_request request;
    if (!sandbox_post_request_read(exchange, &request))
        return;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_store_settle(&sandbox->store, sandbox->settings.media_ready_after);
    if (sandbox_post_request_has_media(exchange, &request)) {
        if (sandbox->settings.posts_left == 0)
            sandbox_answer_error(&exchange->answer, 409, "post_limit_reached", LIMIT_REACHED, NULL);
        else
            create_all(exchange, &request);
    }
    pthread_mutex_unlock(&sandbox->lock);
}

void sandbox_publishing_list(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer_json(&exchange->answer, 200,
                        json_pack("{s:o}", "posts", sandbox_posts_list(&sandbox->posts, false)));
    pthread_mutex_unlock(&sandbox->lock);
}

void sandbox_publishing_show(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer_json(&exchange->answer, 200,
                        json_pack("{s:I, s:o}", "total", (json_int_t)sandbox->posts.posts, "posts",
                                  sandbox_posts_list(&sandbox->posts, true)));
    pthread_mutex_unlock(&sandbox->lock);
}

/* NULL after having answered that there is none. The caller holds the state's lock. */
static struct sandbox_group *find(struct sandbox_exchange *exchange)
{
    struct sandbox_group *group = sandbox_posts_find(&exchange->sandbox->posts, exchange->parameter);
    if (!group)
        sandbox_answer_error(&exchange->answer, 404, "post_not_found", "There is no such post.", NULL);
    return group;
}

void sandbox_publishing_get(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    struct sandbox_group *group = find(exchange);
    if (group) {
        if (sandbox_exchange_keeps(exchange))
            sandbox_posts_note_read(group, &sandbox->settings);
        sandbox_answer_json(&exchange->answer, 200, sandbox_posts_group(group));
    }
    pthread_mutex_unlock(&sandbox->lock);
}

static void reschedule(struct sandbox_exchange *exchange, struct sandbox_group *group, const char *scheduled_for)
{
    struct sandbox_check check;
    struct sandbox_group copy = *group;
    sandbox_check_start(&check);
    /* The answer shows the change even if it is not to last. */
    if (!sandbox_exchange_keeps(exchange)) {
        copy.root = json_deep_copy(group->root);
        copy.children = json_deep_copy(group->children);
        group = &copy;
    }
    if (!sandbox_posts_reschedule(group, scheduled_for))
        sandbox_check_fail(&check, "The post is no longer waiting");
    if (sandbox_body_passes(exchange, &check))
        sandbox_answer_json(&exchange->answer, 200, sandbox_posts_group(group));
    if (group == &copy)
        sandbox_posts_drop(&copy);
}

void sandbox_publishing_reschedule(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct sandbox_check check;
    json_t *body = sandbox_body_object(exchange);
    if (!body)
        return;
    sandbox_check_start(&check);
    const char *scheduled_for = sandbox_post_request_time(&check, body, "scheduledFor", true);
    if (!sandbox_body_passes(exchange, &check))
        return;
    pthread_mutex_lock(&sandbox->lock);
    struct sandbox_group *group = find(exchange);
    if (group)
        reschedule(exchange, group, scheduled_for);
    pthread_mutex_unlock(&sandbox->lock);
}
