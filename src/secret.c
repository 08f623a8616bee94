/* A string that must not outlive its use: wiped before its memory is freed.
 * SPDX-License-Identifier: MIT */
#include "secret.h"

#include <stdlib.h>
#include <string.h>

void loomta_wipe(void *bytes, size_t length)
{
    volatile unsigned char *p = bytes;

    while (length-- > 0)
        *p++ = 0;
}

void loomta_secret_free(char *secret)
{
    if (secret)
        loomta_wipe(secret, strlen(secret));
    free(secret);
}
