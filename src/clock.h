/* The one clock that deadlines and durations are measured by.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_CLOCK_H
#define LOOMTA_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds of a clock that never goes back. */
static inline int64_t loomta_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The one of two times that comes first. */
static inline int64_t loomta_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
