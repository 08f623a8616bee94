/* A growable byte buffer that refuses to grow beyond its limit.
 * SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum loomta_buffer_status loomta_buffer_append(struct loomta_buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0)
        return LOOMTA_BUFFER_OK;
    if (length >= SIZE_MAX / 2 - buffer->length)
        return LOOMTA_BUFFER_NO_MEMORY;

    size_t needed = buffer->length + length;
    if (buffer->limit > 0 && needed > buffer->limit)
        return LOOMTA_BUFFER_FULL;

    if (needed + 1 > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < needed + 1)
            capacity *= 2;
        char *data = realloc(buffer->data, capacity);
        if (!data)
            return LOOMTA_BUFFER_NO_MEMORY;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length = needed;
    buffer->data[needed] = '\0';
    return LOOMTA_BUFFER_OK;
}

bool loomta_buffer_append_string(struct loomta_buffer *buffer, const char *string)
{
    return loomta_buffer_append(buffer, string, strlen(string)) == LOOMTA_BUFFER_OK;
}

void loomta_buffer_clear(struct loomta_buffer *buffer)
{
    buffer->length = 0;
}

void loomta_buffer_free(struct loomta_buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = buffer->capacity = 0;
}
