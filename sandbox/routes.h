/* The table of everything the sandbox answers.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_ROUTES_H
#define SANDBOX_ROUTES_H

#include <stdbool.h>

struct sandbox_exchange;

enum sandbox_access { SANDBOX_KEY_NEEDED, SANDBOX_NO_KEY };
enum sandbox_body { SANDBOX_BODY_IGNORED, SANDBOX_BODY_JSON, SANDBOX_BODY_MULTIPART };

struct sandbox_route {
    const char *method;
    const char *path; /* {id} stands for one segment */
    enum sandbox_access access;
    enum sandbox_body body;
    void (*answer)(struct sandbox_exchange *exchange); /* called when the whole body is in; fills exchange->answer */
};

/* Sets *known when the path exists with any method. On a match of {id}, *parameter is a string for the caller to free. */
const struct sandbox_route *sandbox_routes_find(const char *method, const char *path, bool *known, char **parameter);

bool sandbox_routes_is_control(const char *path); /* no key, no faults, not in the journal */

#endif
