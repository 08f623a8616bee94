/* What the jobs of one lane share in a bulk run: a moment before which none begins an attempt, a budget of retries, a limit of
 * bytes a second. Pure, given the clock. SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PACE_H
#define LOOMTA_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Belongs to the thread that runs the lane's jobs. A zeroed one is none: it holds nothing back. */
struct loomta_pace {
    bool shared;           /* there is one */
    int64_t held_until_us; /* no attempt begins before */
    double retries;        /* tokens; below 0: so many are promised ahead */
    int64_t retries_at_us; /* when that was so */
    int64_t bytes_per_sec; /* 0: no limit */
    double bytes;          /* as with the retries */
    int64_t bytes_at_us;
};

/* `bytes_per_sec`: 0 is no limit. */
void loomta_pace_open(struct loomta_pace *pace, int64_t bytes_per_sec, int64_t now_us);

/* No attempt is to begin for `wait_ms`, of which no more counts than a server is waited for at all. */
void loomta_pace_hold(struct loomta_pace *pace, int64_t wait_ms, int64_t now_us);

/* How long no attempt is to begin, in ms. */
int64_t loomta_pace_held_ms(const struct loomta_pace *pace, int64_t now_us);

/* How long the next retry has to wait for its token, in ms; it does not take it. */
int64_t loomta_pace_retry_ms(struct loomta_pace *pace, int64_t now_us);

/* Takes a retry's token, also one that is still to come. */
void loomta_pace_take_retry(struct loomta_pace *pace);

/* An upload ended well: that earns a part of a retry. */
void loomta_pace_earn(struct loomta_pace *pace, int64_t now_us);

/* Promises some of the `wanted` bytes, at least one; they may go from *at_us on. Whoever asks first goes first: those that
 * ask for more only when they have sent what was promised take turns. Only where there is a limit. */
int64_t loomta_pace_reserve(struct loomta_pace *pace, int64_t wanted, int64_t now_us, int64_t *at_us);

/* Bytes that were promised will not go. */
void loomta_pace_return(struct loomta_pace *pace, int64_t bytes);

#endif
