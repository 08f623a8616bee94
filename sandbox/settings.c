/* The switches that tests set: what is left of the plan, how fast things happen, which platform fails.
 * SPDX-License-Identifier: MIT */
#include "settings.h"

#include "body.h"
#include "exchange.h"

#include <stddef.h>
#include <string.h>

#define MANY 1000000000
#define OR_NULL (-1)

const char *const sandbox_settings_outcomes[] = {"PUBLISHED", "ACTION_REQUIRED", "ERROR", NULL};

static const struct number {
    const char *name;
    size_t offset;
    json_int_t low, initial; /* a low of -1: null is allowed, and stored as that */
    const char *const *choices;
} numbers[] = {
    {"postsLeft", offsetof(struct sandbox_settings, posts_left), OR_NULL, -1, NULL},
    {"credits", offsetof(struct sandbox_settings, credits), OR_NULL, -1, NULL},
    {"readsUntilPublished", offsetof(struct sandbox_settings, reads_until_published), 0, 1, NULL},
    {"publishAs", offsetof(struct sandbox_settings, publish_as), 0, 0, sandbox_settings_outcomes},
    {"deviceInterval", offsetof(struct sandbox_settings, device_interval), 0, 5, NULL},
    {"deviceExpiresIn", offsetof(struct sandbox_settings, device_expires_in), 0, 600, NULL},
    {"deviceSlowDowns", offsetof(struct sandbox_settings, device_slow_downs), 0, 0, NULL},
    {"mediaReadyAfter", offsetof(struct sandbox_settings, media_ready_after), OR_NULL, -1, NULL},
};

#define NUMBER_COUNT (sizeof numbers / sizeof *numbers)

static json_int_t *number_at(struct sandbox_settings *settings, const struct number *number)
{
    return (json_int_t *)(void *)((char *)settings + number->offset);
}

void sandbox_settings_reset(struct sandbox_settings *settings)
{
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        json_decref(settings->platforms[i].failure);
    *settings = (struct sandbox_settings){0};
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        *number_at(settings, &numbers[i]) = numbers[i].initial;
}

bool sandbox_settings_spend(json_int_t *left)
{
    if (*left == 0)
        return false;
    *left -= *left > 0;
    return true;
}

static json_t *show(struct sandbox_settings *settings)
{
    json_t *shown = json_object();
    json_t *platforms = json_object();
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        json_int_t value = *number_at(settings, &numbers[i]);
        json_object_set_new(shown, numbers[i].name,
                            numbers[i].choices ? json_string(numbers[i].choices[value])
                            : value < 0        ? json_null()
                                               : json_integer(value));
    }
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        json_object_set_new(platforms, sandbox_platforms[i].provider,
                            json_pack("{s:b, s:b, s:O?}", "disabled", settings->platforms[i].disabled, "refreshNeeded",
                                      settings->platforms[i].refresh_needed, "failure",
                                      settings->platforms[i].failure));
    json_object_set_new(shown, "platforms", platforms);
    return shown;
}

static void read_flag(struct sandbox_check *check, json_t *object, const char *name, bool *flag)
{
    json_t *value = sandbox_check_member(check, object, name, JSON_TRUE, false);
    if (value)
        *flag = json_is_true(value);
}

static void read_failure(struct sandbox_check *check, json_t *value, json_t **failure)
{
    if (json_is_null(value)) {
        *failure = NULL;
    } else if (sandbox_check_type(check, value, JSON_OBJECT)) {
        sandbox_check_string(check, value, "code", true, 1, 0);
        sandbox_check_string(check, value, "message", true, 0, 0);
        *failure = value;
    }
}

static void read_platform(struct sandbox_check *check, json_t *object, struct sandbox_settings *settings, int place)
{
    const char *name;
    json_t *value;
    json_object_foreach (object, name, value) {
        if (strcmp(name, "disabled") == 0) {
            read_flag(check, object, name, &settings->platforms[place].disabled);
        } else if (strcmp(name, "refreshNeeded") == 0) {
            read_flag(check, object, name, &settings->platforms[place].refresh_needed);
        } else {
            sandbox_check_enter(check, name);
            if (strcmp(name, "failure") == 0)
                read_failure(check, value, &settings->platforms[place].failure);
            else
                sandbox_check_fail(check, "Unknown switch");
            sandbox_check_leave(check);
        }
    }
}

static void read_platforms(struct sandbox_check *check, json_t *object, struct sandbox_settings *settings)
{
    const char *provider;
    json_t *value;
    json_object_foreach (object, provider, value) {
        int place = sandbox_platforms_by_provider(provider);
        sandbox_check_enter(check, provider);
        if (place < 0)
            sandbox_check_fail(check, "Unknown platform");
        else if (sandbox_check_type(check, value, JSON_OBJECT))
            read_platform(check, value, settings, place);
        sandbox_check_leave(check);
    }
}

static void read_number(struct sandbox_check *check, json_t *value, const struct number *number, json_int_t *to)
{
    int choice;
    if (number->choices) {
        if (sandbox_check_one_of(check, value, number->choices, &choice))
            *to = choice;
    } else if (number->low == OR_NULL && json_is_null(value)) {
        *to = -1;
    } else if (sandbox_check_integer(check, value, 0, MANY)) {
        *to = (json_int_t)json_number_value(value);
    }
}

static void read_switch(struct sandbox_check *check, const char *name, json_t *value, struct sandbox_settings *settings)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        if (strcmp(numbers[i].name, name) == 0) {
            read_number(check, value, &numbers[i], number_at(settings, &numbers[i]));
            return;
        }
    if (strcmp(name, "platforms") != 0)
        sandbox_check_fail(check, "Unknown switch");
    else if (sandbox_check_type(check, value, JSON_OBJECT))
        read_platforms(check, value, settings);
}

void sandbox_settings_show(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer_json(&exchange->answer, 200, show(&sandbox->settings));
    pthread_mutex_unlock(&sandbox->lock);
}

/* The new failures are the request's own and die with it: copies stay. */
static void keep(struct sandbox_settings *settings, struct sandbox_settings next)
{
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++) {
        next.platforms[i].failure = json_deep_copy(next.platforms[i].failure);
        json_decref(settings->platforms[i].failure);
    }
    *settings = next;
}

void sandbox_settings_change(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct sandbox_check check;
    const char *name;
    json_t *value;
    json_t *changes = sandbox_body_object(exchange);
    if (!changes)
        return;
    sandbox_check_start(&check);
    pthread_mutex_lock(&sandbox->lock);
    struct sandbox_settings next = sandbox->settings;
    json_object_foreach (changes, name, value) {
        sandbox_check_enter(&check, name);
        read_switch(&check, name, value, &next);
        sandbox_check_leave(&check);
    }
    if (sandbox_body_passes(exchange, &check)) {
        keep(&sandbox->settings, next);
        sandbox_answer_json(&exchange->answer, 200, show(&sandbox->settings));
    }
    pthread_mutex_unlock(&sandbox->lock);
}
