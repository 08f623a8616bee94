/* What every request of one sandbox shares.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "device.h"
#include "fault_queue.h"
#include "journal.h"
#include "options.h"
#include "posts.h"
#include "settings.h"
#include "store.h"
#include "wire.h"

#include <pthread.h>

struct sandbox {
    struct sandbox_options options; /* set before the first request, not changed after */
    struct sandbox_wire wire;
    char url[300]; /* http://127.0.0.1:43127 */
    char organization[SANDBOX_UUID_SIZE];
    char platform_ids[SANDBOX_PLATFORM_COUNT][SANDBOX_UUID_SIZE];

    pthread_mutex_t lock; /* for what follows; never held while sleeping or doing I/O */
    struct sandbox_journal journal;
    struct sandbox_store store;
    struct sandbox_fault_queue faults;
    struct sandbox_settings settings;
    struct sandbox_posts posts;
    struct sandbox_device device;
    unsigned connections; /* seen so far */
};

#endif
