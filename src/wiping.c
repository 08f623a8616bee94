/* Memory functions for libcurl that wipe what they free: its request buffers hold the key.
 * SPDX-License-Identifier: MIT */
#include "wiping.h"

#include "secret.h"

#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <malloc/malloc.h>
#define usable_size malloc_size
#else
#include <malloc.h>
#define usable_size malloc_usable_size
#endif

/* Larger ones are buffers for bodies. A key that was at their beginning has been overwritten by the body behind it. */
enum { WIPED_UP_TO = 64 * 1024 };

static void wipe_and_free(void *block)
{
    size_t size = block ? usable_size(block) : 0;

    if (size <= WIPED_UP_TO)
        loomta_wipe(block, size);
    free(block);
}

/* The system's realloc leaves the old bytes where they were when it has to move the block. */
static void *wiping_realloc(void *block, size_t size)
{
    size_t old = block ? usable_size(block) : 0;

    if (old > WIPED_UP_TO)
        return realloc(block, size);
    if (block && size <= old)
        return block;
    void *grown = malloc(size);
    if (grown && block) {
        memcpy(grown, block, old);
        wipe_and_free(block);
    }
    return grown;
}

CURLcode loomta_wiping_global_init(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_and_free, wiping_realloc, strdup, calloc);
}
