/* Device codes that wait for somebody to approve them, the newest of them. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "device.h"

#include "ids.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SLOWER_BY 5 /* seconds, as RFC 8628 says */

/* Unlike the time of day it does not jump. */
static int64_t uptime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sandbox_device_reset(struct sandbox_device *device)
{
    memset(device, 0, sizeof *device);
}

struct sandbox_device_code sandbox_device_compose(const struct sandbox_settings *settings)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* without those that look alike */
    struct sandbox_device_code made = {
        .interval = settings->device_interval, .expires = uptime() + settings->device_expires_in * 1000, .asked = -1};
    unsigned char bytes[32];
    sandbox_ids_random(bytes, sizeof bytes);
    char *hex = sandbox_text_hex(bytes, sizeof bytes);
    snprintf(made.code, sizeof made.code, "%s", hex);
    free(hex);

    sandbox_ids_random(bytes, sizeof bytes);
    snprintf(made.user_code, sizeof made.user_code, "LMT-XXXX-XXXX");
    for (size_t i = 0; made.user_code[i]; i++)
        if (made.user_code[i] == 'X')
            made.user_code[i] = letters[bytes[i] % (sizeof letters - 1)];
    return made;
}

void sandbox_device_add(struct sandbox_device *device, const struct sandbox_device_code *code)
{
    device->codes[device->total++ % SANDBOX_DEVICE_CODES] = *code;
}

static bool is_over(const struct sandbox_device_code *code)
{
    return !code->code[0] || uptime() >= code->expires;
}

/* Whether the poll comes too early. */
static bool is_hasty(const struct sandbox_device_code *code, const struct sandbox_settings *settings)
{
    return settings->device_slow_downs > 0 ||
           (code->asked >= 0 && uptime() - code->asked < (int64_t)code->interval * 1000);
}

static enum sandbox_device_poll answer_to(const struct sandbox_device_code *code,
                                          const struct sandbox_settings *settings)
{
    if (is_hasty(code, settings))
        return SANDBOX_POLL_SLOW_DOWN;
    if (code->state == SANDBOX_DEVICE_WAITS)
        return SANDBOX_POLL_PENDING;
    return code->state == SANDBOX_DEVICE_DENIED ? SANDBOX_POLL_DENIED : SANDBOX_POLL_APPROVED;
}

static void note(struct sandbox_device_code *code, struct sandbox_settings *settings, enum sandbox_device_poll answer)
{
    code->asked = uptime();
    if (answer == SANDBOX_POLL_APPROVED)
        code->code[0] = '\0';
    if (answer != SANDBOX_POLL_SLOW_DOWN)
        return;
    settings->device_slow_downs -= settings->device_slow_downs > 0;
    /* Without an interval nothing is ever too early: what is told to slow down then was the settings' wish alone. */
    if (code->interval > 0)
        code->interval += SLOWER_BY;
}

enum sandbox_device_poll sandbox_device_ask(struct sandbox_device *device, struct sandbox_settings *settings,
                                            const char *code, bool keeps)
{
    for (size_t i = 0; i < SANDBOX_DEVICE_CODES; i++) {
        struct sandbox_device_code *known = &device->codes[i];
        if (is_over(known) || strcmp(known->code, code) != 0)
            continue;
        enum sandbox_device_poll answer = answer_to(known, settings);
        if (keeps)
            note(known, settings, answer);
        return answer;
    }
    return SANDBOX_POLL_EXPIRED;
}

struct sandbox_device_code *sandbox_device_by_user_code(struct sandbox_device *device, const char *user_code)
{
    for (size_t i = 0; i < SANDBOX_DEVICE_CODES; i++)
        if (!is_over(&device->codes[i]) && strcasecmp(device->codes[i].user_code, user_code) == 0)
            return &device->codes[i];
    return NULL;
}
