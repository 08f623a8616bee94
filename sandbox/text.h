/* A growable string for building answers and lists; running out of memory ends the program, as nothing here could go on without it.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_TEXT_H
#define SANDBOX_TEXT_H

#include <jansson.h>
#include <stddef.h>

struct sandbox_text {
    char *data; /* NULL while nothing was added; otherwise always NUL-terminated */
    size_t length;
    size_t capacity;
};

void sandbox_text_add(struct sandbox_text *text, const void *bytes, size_t length);
void sandbox_text_append(struct sandbox_text *text, const char *string);
void sandbox_text_free(struct sandbox_text *text);

/* The caller frees the result, which is never NULL. */
char *sandbox_text_copy(const void *bytes, size_t length);
void *sandbox_text_checked(void *allocation);

/* A JSON string of any bytes: what is not valid UTF-8 shows as U+FFFD. */
json_t *sandbox_text_json(const char *bytes, size_t length);

/* Lower-case hexadecimal of the bytes; the caller frees it. */
char *sandbox_text_hex(const void *bytes, size_t length);

/* The number of code points in valid UTF-8. */
size_t sandbox_text_characters(const char *utf8);

#endif
