/* The switches that tests set: what is left of the plan, how fast things happen, which platform fails.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include "platforms.h"

#include <jansson.h>
#include <stdbool.h>

struct sandbox_exchange;

/* Numbers that may be null are -1 then. */
struct sandbox_settings {
    json_int_t posts_left, credits;
    json_int_t reads_until_published;
    json_int_t publish_as;                         /* its place in sandbox_settings_outcomes */
    json_int_t device_interval, device_expires_in; /* seconds */
    json_int_t device_slow_downs;
    json_int_t media_ready_after;
    struct {
        bool disabled, refresh_needed;
        json_t *failure; /* NULL: none */
    } platforms[SANDBOX_PLATFORM_COUNT];
};

/* The states that a post can end in. NULL comes last. */
extern const char *const sandbox_settings_outcomes[];

/* The caller holds the state's lock, except before the first request. */
void sandbox_settings_reset(struct sandbox_settings *settings);

/* Takes one from a number that may be null. False when none is left. */
bool sandbox_settings_spend(json_int_t *left);

/* GET and PATCH /sandbox/settings */
void sandbox_settings_show(struct sandbox_exchange *exchange);
void sandbox_settings_change(struct sandbox_exchange *exchange);

#endif
