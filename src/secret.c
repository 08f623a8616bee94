/* A string that must not outlive its use: wiped before its memory is freed.
 * SPDX-License-Identifier: MIT */
#include "secret.h"

#include <stdlib.h>
#include <string.h>

void loomta_wipe(void *bytes, size_t length)
{
    if (length == 0)
        return;
    memset(bytes, 0, length);
    /* Says that somebody may still look, so that the memset stays. */
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

void loomta_secret_free(char *secret)
{
    if (secret)
        loomta_wipe(secret, strlen(secret));
    free(secret);
}
