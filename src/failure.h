/* What an exchange's end means: a code, a kind, whether the server may have stored the upload, whether to try again.
 * Pure: the same end always gives the same failure.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_FAILURE_H
#define LOOMTA_FAILURE_H

#include "source.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* Why we ended an exchange ourselves, if we did. */
enum loomta_abort {
    LOOMTA_ABORT_NONE,
    LOOMTA_ABORT_CANCELED,
    LOOMTA_ABORT_DEADLINE, /* timeoutMs */
    LOOMTA_ABORT_IDLE,     /* idleTimeoutMs */
    LOOMTA_ABORT_SOURCE,   /* the source failed, see its error */
    LOOMTA_ABORT_RESPONSE_TOO_LARGE,
    LOOMTA_ABORT_NO_MEMORY,
};

/* All that is known when an exchange has ended. */
struct loomta_end {
    CURLcode result; /* libcurl's word; CURLE_OK with an abort when we ended it */
    enum loomta_abort abort;
    enum loomta_source_error source_error;
    int status;             /* of the final answer, 0: none came */
    bool safe;              /* the method changes nothing on the server (GET) */
    bool connected;         /* a connection was ready for the request */
    int proxy_status;       /* what a proxy answered to CONNECT, 0: nothing */
    bool body_complete;     /* the body's last byte was handed over */
    bool expect_sent;       /* the request asked for 100 Continue */
    int64_t retry_after_ms; /* the answer's Retry-After, -1: none */
};

struct loomta_failure {
    const char *code;    /* static; NULL: no failure. "http": the answer's own code, or http_STATUS without one */
    const char *kind;    /* static */
    const char *message; /* static, for people; NULL where the answer should speak */
    const char *reason;  /* static; NULL, or what went wrong where the message says what it means */
    bool retryable;      /* calling again may help and stores nothing twice */
    bool possibly_stored;
    bool unknown;           /* stored or not, nobody can tell: repeated only when the caller asked for that */
    bool without_expect;    /* try again without Expect: 100-continue, and at once */
    int64_t retry_after_ms; /* the server's wish, -1: none */
};

/* The failure that `end` is; its code is NULL when the exchange ended well (a 2xx answer, whole). */
struct loomta_failure loomta_failure_classify(const struct loomta_end *end);

#endif
