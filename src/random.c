/* Random bytes from the system, for boundaries and jitter.
 * SPDX-License-Identifier: MIT */
#include "random.h"

#include <stdint.h>
#include <unistd.h>
#if defined(__APPLE__) || defined(__linux__)
#include <sys/random.h>
#endif

bool loomta_random_bytes(void *bytes, size_t length)
{
    return getentropy(bytes, length) == 0;
}

double loomta_random_unit(void)
{
    uint32_t bits;

    if (!loomta_random_bytes(&bits, sizeof bits))
        return 0.5;
    return (double)bits / 4294967296.0;
}
