/* The credentials file: readable by its owner alone, and its key taken out before anybody else sees the text.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_CREDENTIALS_H
#define LOOMTA_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#define LOOMTA_CREDENTIALS_MAX (16 * 1024)

enum loomta_credentials_status {
    LOOMTA_CREDENTIALS_OK,
    LOOMTA_CREDENTIALS_ABSENT,   /* there is no such file */
    LOOMTA_CREDENTIALS_EXPOSED,  /* its group or others have rights on it, or it belongs to another user */
    LOOMTA_CREDENTIALS_UNUSABLE, /* not a regular file, larger than LOOMTA_CREDENTIALS_MAX, or not readable */
};

struct loomta_credentials {
    char text[LOOMTA_CREDENTIALS_MAX + 1]; /* NUL-terminated */
    size_t length;
};

/* Reads the file whole. The caller wipes `credentials`, whatever came out. */
enum loomta_credentials_status loomta_credentials_read(const char *path, struct loomta_credentials *credentials);

/* Cuts the string value of `"apiKey"` out of the text, which stays JSON (its value is then "") if it was, and moves it to
 * `key`. False when there is none, or it holds an escape or a byte that cannot be in a header. Looks at the first
 * member of that name, at any depth: a key needs no escapes, so no JSON parser has to see it. */
bool loomta_credentials_take_key(struct loomta_credentials *credentials, char key[LOOMTA_CREDENTIALS_MAX]);

/* Replaces the file by `text` in one step: whoever reads it sees the old one or the new one, whole, and its owner alone. Makes
 * the folder that it is in, one level, and takes the rights of others on it away. False with errno, then nothing has changed
 * but the folder. */
bool loomta_credentials_write(const char *path, const char *text, size_t length);

#endif
