/* A request's body: prologue, source and epilogue handed out as one stream, each byte once an attempt.
 * SPDX-License-Identifier: MIT */
#include "body.h"

#include <string.h>

int64_t loomta_body_size(const struct loomta_body *body)
{
    if (body->source.size < 0)
        return -1;
    return (int64_t)body->prologue.length + body->source.size + (int64_t)body->epilogue.length;
}

/* Copies the part of `buffer`, which begins at `start` of the body, that is still to go. */
static size_t take(struct loomta_body *body, const struct loomta_buffer *buffer, int64_t start, char *into,
                   size_t length)
{
    size_t at = (size_t)(body->handed - start);
    size_t left = buffer->length - at;

    if (length > left)
        length = left;
    if (length > 0)
        memcpy(into, buffer->data + at, length);
    body->handed += (int64_t)length;
    return length;
}

ssize_t loomta_body_read(struct loomta_body *body, char *into, size_t length)
{
    size_t got = 0;

    if (body->handed < (int64_t)body->prologue.length)
        got = take(body, &body->prologue, 0, into, length);

    while (got < length && body->handed == (int64_t)body->prologue.length + body->source.position) {
        ssize_t n = loomta_source_read(&body->source, into + got, length - got);
        if (n == -1)
            return -1;
        if (n == LOOMTA_SOURCE_STARVED)
            return got > 0 ? (ssize_t)got : n;
        if (n == 0) {
            if (!loomta_source_verify(&body->source))
                return -1;
            break;
        }
        got += (size_t)n;
        body->handed += n;
    }

    int64_t end = (int64_t)body->prologue.length + body->source.position;
    if (got < length)
        got += take(body, &body->epilogue, end, into + got, length - got);
    if (body->handed > end || body->handed == loomta_body_size(body))
        body->complete = true;
    return (ssize_t)got;
}

bool loomta_body_rewind(struct loomta_body *body)
{
    if (!loomta_source_rewind(&body->source))
        return false;
    body->handed = 0;
    body->complete = false;
    return true;
}

void loomta_body_close(struct loomta_body *body)
{
    loomta_buffer_free(&body->prologue);
    loomta_buffer_free(&body->epilogue);
    loomta_source_close(&body->source);
}
