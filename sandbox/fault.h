/* One fault: what is to go wrong with a request, read strictly from JSON.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <jansson.h>
#include <stdbool.h>

/* Of the connection's memory pool, which also has to hold the request. */
#define SANDBOX_FAULT_MAX_HEADERS 256

enum sandbox_disconnect { SANDBOX_DISCONNECT_NONE, SANDBOX_DISCONNECT_CLOSE, SANDBOX_DISCONNECT_RESET };

enum sandbox_disconnect_at {
    SANDBOX_AT_NONE,
    SANDBOX_AT_HEADERS,
    SANDBOX_AT_BODY,
    SANDBOX_AT_RESPONSE,
    SANDBOX_AT_MID_RESPONSE
};

enum sandbox_response {
    SANDBOX_RESPONSE_NORMAL,
    SANDBOX_RESPONSE_TRUNCATED,
    SANDBOX_RESPONSE_HTML,
    SANDBOX_RESPONSE_EMPTY,
    SANDBOX_RESPONSE_ENORMOUS,
    SANDBOX_RESPONSE_INVALID_UTF8,
    SANDBOX_RESPONSE_DEEP,
    SANDBOX_RESPONSE_NOT_JSON,
    SANDBOX_RESPONSE_NO_CONTENT,
    SANDBOX_RESPONSE_REDIRECT
};

/* Strings and JSON values are borrowed from `source`, which the fault owns. Numbers are -1 and pointers NULL where not given. */
struct sandbox_fault {
    json_t *source;
    const char *method, *path;
    json_int_t times;
    double probability;
    json_int_t status;
    const char *code, *message, *retry_after;
    json_t *details, *headers;
    json_int_t early, store; /* -1, 0 or 1 */
    json_int_t delay_before_ms, delay_after_ms;
    json_int_t stop_reading_after, after_bytes;
    json_int_t disconnect, at, response; /* of the enums above */
    const char *location, *body, *content_type;
    json_int_t many_headers;
};

/* Takes `source`. On failure appends what is wrong to `details` and returns false; the fault is to be freed either way. */
bool sandbox_fault_parse(struct sandbox_fault *fault, json_t *source, json_t *details);
void sandbox_fault_free(struct sandbox_fault *fault);

bool sandbox_fault_matches(const struct sandbox_fault *fault, const char *method, const char *path);

/* Whether a complete upload is kept in spite of the fault. */
bool sandbox_fault_stores(const struct sandbox_fault *fault);

/* How many body bytes are read before the fault strikes, or -1 if it does not strike within the body. */
json_int_t sandbox_fault_body_limit(const struct sandbox_fault *fault);

#endif
