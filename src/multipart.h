/* Renders the framing of a multipart/form-data body (RFC 7578): everything but the file's bytes.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_MULTIPART_H
#define LOOMTA_MULTIPART_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* "----loomta-", 24 random characters of 5 bits each, NUL: the chance that a file holds it is nil. */
#define LOOMTA_BOUNDARY_SIZE 36

struct loomta_field {
    const char *name;  /* plain ASCII, needs no escaping */
    const char *value; /* any bytes; what is not valid UTF-8 becomes U+FFFD */
    size_t length;
};

struct loomta_file_part {
    const char *name;      /* the form field's name */
    const char *file_name; /* any bytes; escaped here */
    size_t file_name_length;
    const char *content_type; /* plain ASCII */
};

/* Writes a fresh boundary, NUL-terminated. False when the system gives no randomness. */
bool loomta_multipart_boundary(char boundary[LOOMTA_BOUNDARY_SIZE]);

/* Appends what stands before the file's bytes to `prologue` (the fields in order, then the file part's head) and
 * what stands after them to `epilogue`. False when out of memory; both stay the caller's to free. */
bool loomta_multipart_render(const char *boundary, const struct loomta_field *fields, size_t field_count,
                             const struct loomta_file_part *file, struct loomta_buffer *prologue,
                             struct loomta_buffer *epilogue);

/* Appends text as browsers do (WHATWG HTML, "multipart form data"): a byte that is not part of valid UTF-8 becomes U+FFFD;
 * with `quoted`, for a Content-Disposition, '"', CR and LF become %22, %0D and %0A, and a
 * backslash at the very end becomes %5C, since some parsers take it for an escape of the closing quote. False when out of memory. */
bool loomta_multipart_append_text(struct loomta_buffer *out, const char *text, size_t length, bool quoted);

#endif
