/* A server's answer as it comes in: the headers that matter, and a capped body. Knows nothing of libcurl.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_ANSWER_H
#define LOOMTA_ANSWER_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loomta_answer {
    struct loomta_buffer body; /* its limit is the caller's to set */
    int status;                /* final; 0: none yet */
    bool continue_seen;        /* the server said 100 Continue */
    size_t header_bytes;       /* of all header lines so far, interim answers' too */
    int64_t retry_after_ms;    /* -1: none */
    char request_id[128];
    char content_type[64];
};

/* Back to nothing, for another attempt; keeps the body's memory and limit. */
void loomta_answer_clear(struct loomta_answer *answer);

/* Takes one header line. A status line starts the answer anew. False when there are more headers than we take. */
bool loomta_answer_take_header(struct loomta_answer *answer, const char *line, size_t length);

void loomta_answer_free(struct loomta_answer *answer);

#endif
