/* A string that must not outlive its use: wiped before its memory is freed.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SECRET_H
#define LOOMTA_SECRET_H

#include <stddef.h>

/* Overwrites memory in a way that the compiler does not remove. */
void loomta_wipe(void *bytes, size_t length);

/* Wipes and frees a NUL-terminated string from malloc; NULL is fine. */
void loomta_secret_free(char *secret);

#endif
