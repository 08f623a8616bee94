/* What a client sends to create posts, held against the documentation and against the schema of each platform.
 * SPDX-License-Identifier: MIT */
#include "post_request.h"

#include "body.h"
#include "exchange.h"

#include <string.h>

const char *sandbox_post_request_time(struct sandbox_check *check, json_t *object, const char *name, bool required)
{
    int64_t time;
    const char *text = sandbox_check_string(check, object, name, required, 0, 0);
    if (!text || sandbox_ids_time(text, &time))
        return text;
    sandbox_check_enter(check, name);
    sandbox_check_fail(check, "Invalid datetime");
    sandbox_check_leave(check);
    return NULL;
}

static void check_delay(struct sandbox_check *check, json_t *comment)
{
    json_t *delay = json_object_get(comment, "delayInMinutes");
    sandbox_check_enter(check, "delayInMinutes");
    if (delay && !json_is_null(delay))
        sandbox_check_type(check, delay, JSON_REAL);
    sandbox_check_leave(check);
}

static void check_comments(struct sandbox_check *check, json_t *comments)
{
    size_t index;
    json_t *comment;
    sandbox_check_enter(check, "comments");
    json_array_foreach (comments, index, comment) {
        sandbox_check_enter_index(check, index);
        if (sandbox_check_type(check, comment, JSON_OBJECT)) {
            sandbox_check_string(check, comment, "content", true, 1, 0);
            check_delay(check, comment);
            sandbox_check_member(check, comment, "settings", JSON_OBJECT, false);
            sandbox_check_strings(check, comment, "mediaIds", false, false);
        }
        sandbox_check_leave(check);
    }
    sandbox_check_leave(check);
}

bool sandbox_post_request_read(struct sandbox_exchange *exchange, struct sandbox_post_request *request)
{
    static const char *const modes[] = {"draft", "now", "schedule", NULL};
    struct sandbox_check check;
    json_t *body = sandbox_body_object(exchange);
    if (!body)
        return false;
    sandbox_check_start(&check);
    request->platform_ids = sandbox_check_strings(&check, body, "platformIds", true, true);
    sandbox_check_enter(&check, "platformIds");
    if (request->platform_ids && json_array_size(request->platform_ids) == 0)
        sandbox_check_fail(&check, "Array must contain at least 1 element(s)");
    sandbox_check_leave(&check);
    request->content = sandbox_check_string(&check, body, "content", true, 1, 0);
    int mode = sandbox_check_choice(&check, body, "mode", true, modes);
    request->mode = (enum sandbox_post_mode)mode;
    request->scheduled_for = sandbox_post_request_time(&check, body, "scheduledFor", mode == SANDBOX_MODE_SCHEDULE);
    request->media_ids = sandbox_check_strings(&check, body, "mediaIds", false, false);
    request->settings = sandbox_check_member(&check, body, "settings", JSON_OBJECT, false);
    request->comments = sandbox_check_member(&check, body, "comments", JSON_ARRAY, false);
    check_comments(&check, request->comments);
    return sandbox_body_passes(exchange, &check);
}

static void check_media(struct sandbox_check *check, json_t *media_ids, const struct sandbox_store *store)
{
    size_t index;
    json_t *id;
    sandbox_check_enter(check, "mediaIds");
    json_array_foreach (media_ids, index, id) {
        const struct sandbox_stored_media *media = sandbox_store_find_media(store, json_string_value(id));
        sandbox_check_enter_index(check, index);
        if (!media)
            sandbox_check_fail(check, "Media not found");
        else if (media->pending)
            sandbox_check_fail(check, "Media is not READY");
        sandbox_check_leave(check);
    }
    sandbox_check_leave(check);
}

bool sandbox_post_request_has_media(struct sandbox_exchange *exchange, const struct sandbox_post_request *request)
{
    struct sandbox_check check;
    const struct sandbox_store *store = &exchange->sandbox->store;
    size_t index;
    json_t *comment;
    sandbox_check_start(&check);
    check_media(&check, request->media_ids, store);
    sandbox_check_enter(&check, "comments");
    json_array_foreach (request->comments, index, comment) {
        sandbox_check_enter_index(&check, index);
        check_media(&check, json_object_get(comment, "mediaIds"), store);
        sandbox_check_leave(&check);
    }
    sandbox_check_leave(&check);
    return sandbox_body_passes(exchange, &check);
}

static void fit_media(struct sandbox_check *check, json_t *media_ids, const struct sandbox_platform *platform,
                      const struct sandbox_store *store)
{
    size_t count = json_array_size(media_ids);
    size_t videos = 0;
    size_t index;
    json_t *id;
    json_array_foreach (media_ids, index, id)
        videos += sandbox_store_find_media(store, json_string_value(id))->video;

    sandbox_check_enter(check, "mediaIds");
    if (count < platform->media_minimum)
        sandbox_check_fail(check, "Array must contain at least %zu element(s)", platform->media_minimum);
    if (count > platform->media_maximum)
        sandbox_check_fail(check, "Array must contain at most %zu element(s)", platform->media_maximum);
    if (videos > 0 && videos < count && !platform->mixed)
        sandbox_check_fail(check, "Images and videos cannot be mixed");
    if (videos > platform->video_maximum)
        sandbox_check_fail(check, "No more than %zu video(s)", platform->video_maximum);
    sandbox_check_leave(check);
}

static void fit_settings(struct sandbox_check *check, json_t *settings, const struct sandbox_platform *platform)
{
    sandbox_check_enter(check, "settings");
    for (size_t i = 0; i < platform->setting_count; i++) {
        const struct sandbox_platform_setting *setting = &platform->settings[i];
        json_type type = strcmp(setting->type, "boolean") == 0 ? JSON_TRUE : JSON_STRING;
        if (setting->choices[0])
            sandbox_check_choice(check, settings, setting->name, setting->required, setting->choices);
        else
            sandbox_check_member(check, settings, setting->name, type, setting->required);
    }
    sandbox_check_leave(check);
}

static void fit_comments(struct sandbox_check *check, json_t *comments, const struct sandbox_platform *platform)
{
    size_t index;
    json_t *comment;
    sandbox_check_enter(check, "comments");
    if (json_array_size(comments) > 0 && !platform->comments)
        sandbox_check_fail(check, "Comments are not supported");
    json_array_foreach (comments, index, comment) {
        sandbox_check_enter_index(check, index);
        sandbox_check_enter(check, "mediaIds");
        if (json_array_size(json_object_get(comment, "mediaIds")) > 0)
            sandbox_check_fail(check, "Media in comments are not supported");
        sandbox_check_leave(check);
        sandbox_check_leave(check);
    }
    sandbox_check_leave(check);
}

json_t *sandbox_post_request_violations(const struct sandbox_post_request *request,
                                        const struct sandbox_platform *platform, const struct sandbox_store *store)
{
    struct sandbox_check check;
    sandbox_check_start(&check);
    sandbox_check_enter(&check, "content");
    if (platform->content_maximum && sandbox_text_characters(request->content) > platform->content_maximum)
        sandbox_check_fail(&check, "String must contain at most %zu character(s)", platform->content_maximum);
    sandbox_check_leave(&check);
    fit_media(&check, request->media_ids, platform, store);
    fit_settings(&check, request->settings, platform);
    fit_comments(&check, request->comments, platform);
    return sandbox_check_finish(&check);
}
