/* What the jobs of one lane share in a bulk run: a hold, a budget of retries, a limit of bytes a second.
 * SPDX-License-Identifier: MIT */
#include "pace.h"

#include "retry.h"

static const double most_retries = 10, retries_per_sec = 1, earned_retries = 0.1;

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
    double tenth = (double)pace->bytes_per_sec / 10;

    return tenth > LEAST_BURST ? tenth : LEAST_BURST;
}

static void refill(double *tokens, int64_t *at_us, double per_sec, double most, int64_t now_us)
{
    *tokens = at_most(*tokens + (double)(now_us - *at_us) / 1e6 * per_sec, most);
    *at_us = now_us;
}

void loomta_pace_open(struct loomta_pace *pace, int64_t bytes_per_sec, int64_t now_us)
{
    *pace = (struct loomta_pace){
        .shared = true,
        .retries = most_retries,
        .retries_at_us = now_us,
        .bytes_per_sec = bytes_per_sec,
        .bytes_at_us = now_us,
    };
    pace->bytes = burst(pace);
}

void loomta_pace_hold(struct loomta_pace *pace, int64_t wait_ms, int64_t now_us)
{
    int64_t until_us =
        now_us + (wait_ms < LOOMTA_LONGEST_RETRY_AFTER_MS ? wait_ms : LOOMTA_LONGEST_RETRY_AFTER_MS) * 1000;

    if (until_us > pace->held_until_us)
        pace->held_until_us = until_us;
}

int64_t loomta_pace_held_ms(const struct loomta_pace *pace, int64_t now_us)
{
    return pace->held_until_us > now_us ? (pace->held_until_us - now_us + 999) / 1000 : 0;
}

int64_t loomta_pace_retry_ms(struct loomta_pace *pace, int64_t now_us)
{
    refill(&pace->retries, &pace->retries_at_us, retries_per_sec, most_retries, now_us);
    return pace->retries >= 1 ? 0 : (int64_t)((1 - pace->retries) / retries_per_sec * 1000 + 0.5);
}

void loomta_pace_take_retry(struct loomta_pace *pace)
{
    pace->retries -= 1;
}

void loomta_pace_earn(struct loomta_pace *pace, int64_t now_us)
{
    refill(&pace->retries, &pace->retries_at_us, retries_per_sec, most_retries, now_us);
    pace->retries = at_most(pace->retries + earned_retries, most_retries);
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
    refill(&pace->bytes, &pace->bytes_at_us, rate, burst(pace), now_us);
    pace->bytes -= (double)slice;
    *at_us = pace->bytes >= 0 ? now_us : now_us + (int64_t)(-pace->bytes / rate * 1e6);
    return slice;
}

void loomta_pace_return(struct loomta_pace *pace, int64_t bytes)
{
    pace->bytes = at_most(pace->bytes + (double)bytes, burst(pace));
}
