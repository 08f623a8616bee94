/* Reads a small file that only its owner may read, such as one that holds a key.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PRIVATE_H
#define LOOMTA_PRIVATE_H

#include <stddef.h>

#define LOOMTA_PRIVATE_MAX (16 * 1024)

enum loomta_private_status {
    LOOMTA_PRIVATE_OK,
    LOOMTA_PRIVATE_ABSENT,   /* there is no such file */
    LOOMTA_PRIVATE_EXPOSED,  /* its group or others have rights on it, or it belongs to another user */
    LOOMTA_PRIVATE_UNUSABLE, /* not a regular file, larger than LOOMTA_PRIVATE_MAX, or not readable */
};

/* Reads the file whole; the caller wipes `contents`. */
enum loomta_private_status loomta_private_read(const char *path, char contents[LOOMTA_PRIVATE_MAX], size_t *length);

#endif
