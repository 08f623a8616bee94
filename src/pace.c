/* What the uploads of one lane share in a bulk run.
 * SPDX-License-Identifier: MIT */
#include "pace.h"

#include "retry.h"

/* The budget: a burst, a steady rate, and what a success earns. */
static const double most_retries = 10, retries_per_sec = 1, earned = 0.1;

enum {
    LEAST_BURST = 16 * 1024,
    LEAST_SLICE = 512, /* of bytes that go together: small, so that all move … */
    MOST_SLICE = 256 * 1024,
    SLICES_PER_SEC = 20, /* … and not many, where the rate is high */
};

static double at_most(double value, double most)
{
    return value < most ? value : most;
}

static double burst(const struct loomta_pace *pace)
{
    return pace->bytes_per_sec / 10 > LEAST_BURST ? (double)pace->bytes_per_sec / 10 : LEAST_BURST;
}

void loomta_pace_open(struct loomta_pace *pace, int64_t bytes_per_sec, int64_t now_us)
{
    *pace = (struct loomta_pace){.shared = true,
                                 .retries = most_retries,
                                 .retries_at_us = now_us,
                                 .bytes_per_sec = bytes_per_sec,
                                 .bytes_at_us = now_us};
    pace->bytes = burst(pace);
}

void loomta_pace_hold(struct loomta_pace *pace, int64_t wait_ms, int64_t now_us)
{
    int64_t until_us;

    if (wait_ms > LOOMTA_LONGEST_RETRY_AFTER_MS)
        wait_ms = LOOMTA_LONGEST_RETRY_AFTER_MS;
    until_us = now_us + wait_ms * 1000;
    if (until_us > pace->held_until_us)
        pace->held_until_us = until_us;
}

int64_t loomta_pace_retry_us(struct loomta_pace *pace, int64_t now_us)
{
    double passed_s = (double)(now_us - pace->retries_at_us) / 1e6;

    pace->retries = at_most(pace->retries + passed_s * retries_per_sec, most_retries) - 1;
    pace->retries_at_us = now_us;
    return pace->retries >= 0 ? 0 : (int64_t)(-pace->retries / retries_per_sec * 1e6);
}

void loomta_pace_earn(struct loomta_pace *pace)
{
    pace->retries = at_most(pace->retries + earned, most_retries);
}

int64_t loomta_pace_reserve(struct loomta_pace *pace, int64_t wanted, int64_t now_us, int64_t *at_us)
{
    double rate = (double)pace->bytes_per_sec;
    int64_t slice = pace->bytes_per_sec / SLICES_PER_SEC;

    if (slice < LEAST_SLICE)
        slice = LEAST_SLICE;
    if (slice > MOST_SLICE)
        slice = MOST_SLICE;
    if (slice > wanted)
        slice = wanted;
    pace->bytes = at_most(pace->bytes + (double)(now_us - pace->bytes_at_us) / 1e6 * rate, burst(pace)) - (double)slice;
    pace->bytes_at_us = now_us;
    *at_us = pace->bytes >= 0 ? now_us : now_us + (int64_t)(-pace->bytes / rate * 1e6);
    return slice;
}

void loomta_pace_return(struct loomta_pace *pace, int64_t bytes)
{
    pace->bytes = at_most(pace->bytes + (double)bytes, burst(pace));
}
