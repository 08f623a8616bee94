/* Memory functions for libcurl that wipe small blocks when they free them, and keep large ones for the next upload.
 * SPDX-License-Identifier: MIT */
#include "wiping.h"

#include "secret.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <malloc/malloc.h>
#define usable_size malloc_size
#elif defined(_WIN32)
#include <malloc.h>
#define usable_size _msize
#else
#include <malloc.h>
#define usable_size malloc_usable_size
#endif

/* Larger blocks are buffers for bodies; what stands before the body, and the key in it, is at their beginning. */
enum { WIPED_UP_TO = 64 * 1024 };

/* Upload buffers up to a size are kept, so many. Freed, the memory would go back to the system, and its pages be made anew for
 * the next upload: that takes several times as long as sending 200 KB. */
enum { KEPT_UP_TO = 512 * 1024, KEPT = 16 };

/* No lock: a child of fork() must not find it held. */
static _Atomic(void *) kept[KEPT];

/* A kept block of at least this size; NULL: there is none. */
static void *take_kept(size_t size)
{
    for (size_t i = 0; i < KEPT; i++) {
        void *block = atomic_exchange(&kept[i], NULL), *nothing = NULL;
        if (block && usable_size(block) >= size)
            return block;
        if (block && !atomic_compare_exchange_strong(&kept[i], &nothing, block))
            free(block);
    }
    return NULL;
}

/* Keeps a block where there is room, else in the place of another. */
static void keep(void *block)
{
    static atomic_uint next;

    for (size_t i = 0; i < KEPT; i++) {
        void *nothing = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &nothing, block))
            return;
    }
    free(atomic_exchange(&kept[atomic_fetch_add(&next, 1) % KEPT], block));
}

static void *keeping_malloc(size_t size)
{
    void *block = size > WIPED_UP_TO && size <= KEPT_UP_TO ? take_kept(size) : NULL;

    return block ? block : malloc(size);
}

static void wipe_and_free(void *block)
{
    if (!block)
        return; /* most often */
    size_t size = usable_size(block);
    loomta_wipe(block, size < WIPED_UP_TO ? size : WIPED_UP_TO);
    if (size > WIPED_UP_TO && size <= KEPT_UP_TO + WIPED_UP_TO)
        keep(block);
    else
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
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, keeping_malloc, wipe_and_free, wiping_realloc, strdup, calloc);
}
