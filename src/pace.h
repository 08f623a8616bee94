/* What the uploads of one lane share in a bulk run: a moment before which none begins, a budget of retries, a limit of bytes a
 * second. Pure, given the clock. Belongs to the thread that runs the lane's jobs. SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PACE_H
#define LOOMTA_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* A zeroed one is none: it holds nothing back. */
struct loomta_pace {
    bool shared;           /* there is one */
    int64_t held_until_us; /* nothing begins before */
    double retries;        /* that may begin at once; below 0: so many wait */
    int64_t retries_at_us; /* when that was so */
    int64_t bytes_per_sec; /* 0: no limit */
    double bytes;          /* that may go at once; below 0: so many were promised */
    int64_t bytes_at_us;
};

void loomta_pace_open(struct loomta_pace *pace, int64_t bytes_per_sec, int64_t now_us);

/* A server wants to be left alone for so long. */
void loomta_pace_hold(struct loomta_pace *pace, int64_t wait_ms, int64_t now_us);

/* Takes a retry out of the budget: how long it has to wait until it is its turn, in microseconds. */
int64_t loomta_pace_retry_us(struct loomta_pace *pace, int64_t now_us);

/* An upload went well: that earns a part of a retry. */
void loomta_pace_earn(struct loomta_pace *pace);

/* Promises some of the `wanted` bytes; they may go from *at_us on. Whoever asks first goes first. */
int64_t loomta_pace_reserve(struct loomta_pace *pace, int64_t wanted, int64_t now_us, int64_t *at_us);

/* Bytes that were promised and will not go. */
void loomta_pace_return(struct loomta_pace *pace, int64_t bytes);

#endif
