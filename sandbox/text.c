/* A growable string for building answers and lists; running out of memory ends the program, as nothing here could go on without it.
 * SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *sandbox_text_checked(void *allocation)
{
    if (!allocation) {
        fputs("loomta-sandbox: out of memory\n", stderr);
        abort();
    }
    return allocation;
}

void sandbox_text_add(struct sandbox_text *text, const void *bytes, size_t length)
{
    size_t needed = text->length + length + 1;
    if (needed > text->capacity) {
        size_t capacity = text->capacity ? text->capacity : 256;
        while (capacity < needed)
            capacity *= 2;
        text->data = sandbox_text_checked(realloc(text->data, capacity));
        text->capacity = capacity;
    }
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void sandbox_text_append(struct sandbox_text *text, const char *string)
{
    sandbox_text_add(text, string, strlen(string));
}

void sandbox_text_free(struct sandbox_text *text)
{
    free(text->data);
    *text = (struct sandbox_text){0};
}

char *sandbox_text_copy(const void *bytes, size_t length)
{
    char *copy = sandbox_text_checked(malloc(length + 1));
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

/* How many bytes the first character takes, or 0 when it is not valid UTF-8. */
static size_t character_length(const unsigned char *bytes, size_t available)
{
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80                    ? 1
                    : lead >= 0xC2 && lead <= 0xDF ? 2
                    : (lead & 0xF0) == 0xE0        ? 3
                    : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                   : 0;
    if (length == 0 || length > available)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    if ((lead == 0xE0 && bytes[1] < 0xA0) || (lead == 0xED && bytes[1] > 0x9F) || (lead == 0xF0 && bytes[1] < 0x90) ||
        (lead == 0xF4 && bytes[1] > 0x8F))
        return 0;
    return length;
}

json_t *sandbox_text_json(const char *bytes, size_t length)
{
    json_t *valid = json_stringn(bytes, length);
    if (valid)
        return valid;

    struct sandbox_text repaired = {0};
    for (size_t at = 0; at < length;) {
        size_t step = character_length((const unsigned char *)bytes + at, length - at);
        if (step > 0)
            sandbox_text_add(&repaired, bytes + at, step);
        else
            sandbox_text_append(&repaired, "\xEF\xBF\xBD");
        at += step > 0 ? step : 1;
    }
    json_t *result = sandbox_text_checked(json_stringn(repaired.data, repaired.length));
    sandbox_text_free(&repaired);
    return result;
}

char *sandbox_text_hex(const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    char *hex = sandbox_text_checked(malloc(2 * length + 1));
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = digits[from[i] >> 4];
        hex[2 * i + 1] = digits[from[i] & 15];
    }
    hex[2 * length] = '\0';
    return hex;
}

size_t sandbox_text_characters(const char *utf8)
{
    size_t count = 0;
    for (; *utf8; utf8++)
        count += ((unsigned char)*utf8 & 0xC0) != 0x80;
    return count;
}
