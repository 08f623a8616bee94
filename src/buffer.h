/* A growable byte buffer that refuses to grow beyond its limit.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_BUFFER_H
#define LOOMTA_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct loomta_buffer {
    char *data;      /* owned; NUL-terminated whenever length > 0 */
    size_t length;   /* bytes in use, without the NUL */
    size_t capacity; /* bytes allocated */
    size_t limit;    /* the most that length may become; 0: no limit */
};

enum loomta_buffer_status { LOOMTA_BUFFER_OK, LOOMTA_BUFFER_FULL, LOOMTA_BUFFER_NO_MEMORY };

/* Appends `length` bytes, all or none. */
enum loomta_buffer_status loomta_buffer_append(struct loomta_buffer *buffer, const void *bytes, size_t length);

/* Appends a NUL-terminated string; false when memory or the limit does not allow it. */
bool loomta_buffer_append_string(struct loomta_buffer *buffer, const char *string);

/* Forgets the bytes and keeps the memory. */
void loomta_buffer_clear(struct loomta_buffer *buffer);

/* Frees the memory; the buffer may be used again. */
void loomta_buffer_free(struct loomta_buffer *buffer);

#endif
