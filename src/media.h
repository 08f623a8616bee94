/* Tells what a file is from its first bytes, and whether the Loomta API takes it.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_MEDIA_H
#define LOOMTA_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes that recognition looks at; giving fewer is fine when the file has no more. */
#define LOOMTA_MEDIA_HEAD 4096

struct loomta_media {
    const char *name;      /* for people: "PNG image" */
    const char *mime_type; /* "image/png" */
    const char *extension; /* without the dot: "png" */
    bool accepted;         /* the API takes it (its documented list of five) */
};

/* What `head`, the first bytes of a file, is the beginning of; NULL when nothing known. Static storage. Any thread. */
const struct loomta_media *loomta_media_recognise(const unsigned char *head, size_t length);

/* The known types in the order of the table, one after the other; NULL past the end. For documentation and specs. */
const struct loomta_media *loomta_media_at(size_t index);

#endif
