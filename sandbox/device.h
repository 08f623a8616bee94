/* Device codes that wait for somebody to approve them, the newest of them. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_DEVICE_H
#define SANDBOX_DEVICE_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_DEVICE_CODES 1000
#define SANDBOX_DEVICE_CODE_SIZE 65
#define SANDBOX_DEVICE_USER_CODE_SIZE 14

enum sandbox_device_state { SANDBOX_DEVICE_WAITS, SANDBOX_DEVICE_APPROVED, SANDBOX_DEVICE_DENIED };

enum sandbox_device_poll {
    SANDBOX_POLL_PENDING,
    SANDBOX_POLL_SLOW_DOWN,
    SANDBOX_POLL_EXPIRED,
    SANDBOX_POLL_DENIED,
    SANDBOX_POLL_APPROVED
};

struct sandbox_device_code {
    char code[SANDBOX_DEVICE_CODE_SIZE];           /* "": no code */
    char user_code[SANDBOX_DEVICE_USER_CODE_SIZE]; /* LMT-XXXX-XXXX */
    enum sandbox_device_state state;
    json_int_t interval;    /* seconds */
    int64_t expires, asked; /* as the monotonic clock has it, in milliseconds; asked: -1 before the first poll */
};

struct sandbox_device {
    struct sandbox_device_code codes[SANDBOX_DEVICE_CODES];
    uint64_t total;
};

void sandbox_device_reset(struct sandbox_device *device);

struct sandbox_device_code sandbox_device_compose(const struct sandbox_settings *settings);
void sandbox_device_add(struct sandbox_device *device, const struct sandbox_device_code *code);

/* What the owner of a code is told now. With `keeps` that counts: it uses the code up once it is approved, and a slow-down of the
 * settings. */
enum sandbox_device_poll sandbox_device_ask(struct sandbox_device *device, struct sandbox_settings *settings,
                                            const char *code, bool keeps);

/* By what a person types; NULL if there is none or it is over. */
struct sandbox_device_code *sandbox_device_by_user_code(struct sandbox_device *device, const char *user_code);

#endif
