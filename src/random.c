/* Random bytes from the system, for boundaries and jitter.
 * SPDX-License-Identifier: MIT */
#include "random.h"

#include "platform.h"
#include "process.h"

#include <stdint.h>
#include <string.h>
#if defined(__APPLE__) || defined(__linux__)
#include <sys/random.h>
#endif

/* A call of the system costs more than what it is for, so some are kept; a child of fork() must not have the same ones. */
struct pool {
    unsigned char bytes[256];
    size_t left;
    unsigned process;
};

bool loomta_random_bytes(void *bytes, size_t length)
{
    static _Thread_local struct pool pool;

    if (pool.left < length || pool.process != loomta_process_generation()) {
        if (getentropy(pool.bytes, sizeof pool.bytes) != 0)
            return false;
        pool.left = sizeof pool.bytes;
        pool.process = loomta_process_generation();
    }
    pool.left -= length;
    memcpy(bytes, pool.bytes + pool.left, length);
    return true;
}

double loomta_random_unit(void)
{
    uint32_t bits;

    if (!loomta_random_bytes(&bits, sizeof bits))
        return 0.5;
    return (double)bits / 4294967296.0;
}
