/* A request's body: prologue, source and epilogue handed out as one stream, each byte once an attempt.
 * Knows exactly when the last byte has been handed over: from then on the server may have stored the upload.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_BODY_H
#define LOOMTA_BODY_H

#include "buffer.h"
#include "source.h"

struct loomta_body {
    struct loomta_buffer prologue, epilogue; /* owned */
    struct loomta_source source;             /* owned */
    int64_t handed;                          /* bytes given out in this attempt */
    bool complete;                           /* enough was given out for the server to take it for whole */
};

/* Bytes in all, or -1 when the source does not know. */
int64_t loomta_body_size(const struct loomta_body *body);

/* Like loomta_source_read. A source that is not what it was is an error before the epilogue goes out, so that the
 * server cannot take the body for a whole one. The body counts as complete from the epilogue's first byte on: a server that
 * parses as it reads needs no more than the boundary. */
ssize_t loomta_body_read(struct loomta_body *body, char *into, size_t length);

/* Back to the first byte for another attempt; false where the source cannot. */
bool loomta_body_rewind(struct loomta_body *body);

void loomta_body_close(struct loomta_body *body);

#endif
