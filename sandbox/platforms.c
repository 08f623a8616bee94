/* The two platforms of the workspace, what each of them takes, and their endpoints.
 * SPDX-License-Identifier: MIT */
#include "platforms.h"

#include "exchange.h"

#include <string.h>
#include <strings.h>

static const char *const no_choices[] = {NULL};
static const char *const privacy_levels[] = {"PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR",
                                             "SELF_ONLY", NULL};

static const struct sandbox_platform_setting tiktok_settings[] = {
    {"privacy_level", "enum", true, "null", privacy_levels, "Who can see the post."},
    {"allow_comment", "boolean", false, "true", no_choices, "Whether viewers may comment."},
    {"title", "string", false, "null", no_choices, "The title of a post of images."},
};

const struct sandbox_platform sandbox_platforms[SANDBOX_PLATFORM_COUNT] = {
    {.provider = "tiktok",
     .name = "TikTok",
     .display_name = "Sandbox TikTok",
     .display_handle = "@sandbox",
     .release_url = "https://www.tiktok.com/@sandbox/video/",
     .content_required = true,
     .content_maximum = 2200,
     .media_minimum = 1,
     .media_maximum = 35,
     .video_maximum = 1,
     .rule = "Exactly one video, or 1 to 35 images.",
     .settings = tiktok_settings,
     .setting_count = sizeof tiktok_settings / sizeof *tiktok_settings},
    {.provider = "instagram",
     .name = "Instagram",
     .display_name = "Sandbox Instagram",
     .release_url = "https://www.instagram.com/p/",
     .media_minimum = 1,
     .media_maximum = 10,
     .video_maximum = 10,
     .mixed = true,
     .comments = true},
};

int sandbox_platforms_by_provider(const char *provider)
{
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        if (strcmp(sandbox_platforms[i].provider, provider) == 0)
            return i;
    return -1;
}

int sandbox_platforms_usable(const struct sandbox *sandbox, const char *id)
{
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        if (strcasecmp(sandbox->platform_ids[i], id) == 0 && !sandbox->settings.platforms[i].disabled &&
            !sandbox->settings.platforms[i].refresh_needed)
            return i;
    return -1;
}

static json_t *describe(const struct sandbox *sandbox, int place)
{
    const struct sandbox_platform *platform = &sandbox_platforms[place];
    json_t *account = json_sprintf("sandbox-%s", platform->provider);
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:s?, s:n, s:b, s:b, s:n, s:[s], s:{}, s:{}}", "id", sandbox->platform_ids[place],
        "provider", platform->provider, "providerName", platform->name, "providerAccountId", account, "displayName",
        platform->display_name, "displayHandle", platform->display_handle, "displayImageUrl", "disabled",
        sandbox->settings.platforms[place].disabled, "refreshNeeded", sandbox->settings.platforms[place].refresh_needed,
        "tokenExpiresAt", "capabilities", "publish", "metadata", "settings");
}

static json_t *setting_fields(const struct sandbox_platform *platform)
{
    json_t *fields = json_array();
    for (size_t i = 0; i < platform->setting_count; i++) {
        const struct sandbox_platform_setting *setting = &platform->settings[i];
        json_t *choices = json_array();
        for (size_t c = 0; setting->choices[c]; c++)
            json_array_append_new(choices, json_string(setting->choices[c]));
        json_array_append_new(fields, json_pack("{s:s, s:s, s:b, s:o, s:o, s:s}", "name", setting->name, "type",
                                                setting->type, "required", setting->required, "default",
                                                json_loads(setting->initial, JSON_DECODE_ANY, NULL), "enum", choices,
                                                "description", setting->description));
    }
    return fields;
}

static json_t *describe_schema(const struct sandbox_platform *platform)
{
    json_t *maximum = platform->content_maximum ? json_integer((json_int_t)platform->content_maximum) : json_null();
    json_t *rules = json_array();
    if (platform->rule)
        json_array_append_new(rules, json_string(platform->rule));
    return json_pack("{s:s, s:{s:b, s:o}, s:{s:b, s:[s, s], s:I, s:I, s:b, s:o}, s:{s:b, s:b, s:b}, s:{s:o}}",
                     "provider", platform->provider, "content", "required", platform->content_required, "maxLength",
                     maximum, "media", "required", platform->media_minimum > 0, "allowedTypes", "image", "video",
                     "minItems", (json_int_t)platform->media_minimum, "maxItems", (json_int_t)platform->media_maximum,
                     "supportsMixedTypes", platform->mixed, "rules", rules, "comments", "supported", platform->comments,
                     "mediaSupported", false, "delayInMinutesSupported", platform->comments, "settings", "fields",
                     setting_fields(platform));
}

void sandbox_platforms_list(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    json_t *list = json_array();
    pthread_mutex_lock(&sandbox->lock);
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        json_array_append_new(list, describe(sandbox, i));
    pthread_mutex_unlock(&sandbox->lock);
    sandbox_answer_json(&exchange->answer, 200, json_pack("{s:o}", "platforms", list));
}

void sandbox_platforms_get_schema(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    int place = sandbox_platforms_usable(sandbox, exchange->parameter);
    json_t *platform = place < 0 ? NULL : describe(sandbox, place);
    pthread_mutex_unlock(&sandbox->lock);
    if (platform)
        sandbox_answer_json(
            &exchange->answer, 200,
            json_pack("{s:o, s:o}", "platform", platform, "schema", describe_schema(&sandbox_platforms[place])));
    else
        sandbox_answer_error(&exchange->answer, 404, "platform_not_found", SANDBOX_PLATFORM_NOT_FOUND, NULL);
}
