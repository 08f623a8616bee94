/* When to try again: a pure function of the failure, the attempt, the clock and a random number. Never sleeps.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_RETRY_H
#define LOOMTA_RETRY_H

#include "failure.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct loomta_retry_policy {
    int max_retries;        /* after the first attempt */
    int64_t max_elapsed_ms; /* from the first attempt's start to that of another; 0: no limit */
    bool retry_unknown;     /* repeat also what may have been stored */
};

#define LOOMTA_RETRY_STOP ((int64_t)-1)

/* A server that asks for more is not waited for: the caller gets its answer and may know better. */
#define LOOMTA_LONGEST_RETRY_AFTER_MS ((int64_t)120 * 1000)

/* The wait in ms before attempt `attempt` + 1, or LOOMTA_RETRY_STOP. `attempt` counts from 1, `elapsed_ms` since the
 * first one began, `random` is in [0, 1). `can_rewind`: the body can be sent again. `least_ms`: others make it wait so long,
 * unless it only drops Expect. */
int64_t loomta_retry_delay(const struct loomta_retry_policy *policy, const struct loomta_failure *failure,
                           bool can_rewind, int attempt, int64_t elapsed_ms, int64_t least_ms, double random);

/* The wait before attempt `attempt` + 1 as far as only it counts, in ms. */
int64_t loomta_retry_backoff(int attempt, double random);

/* A Retry-After value (RFC 9110, 10.2.3: seconds or an HTTP date) in ms from `now`; -1 when it is neither. */
int64_t loomta_retry_after_parse(const char *value, size_t length, time_t now);

#endif
