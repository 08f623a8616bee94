/* Jobs that may not all be under way at once: a limit, and those that wait for their turn in order.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_LANE_H
#define LOOMTA_LANE_H

#include "job.h"
#include "pace.h"

/* Belongs to the thread of the engine that runs its jobs. A zeroed one with a limit is ready for use. */
struct loomta_lane {
    int limit, active;
    bool closed;                     /* its mailbox has left: nothing starts any more */
    bool starting;                   /* its next jobs are being started */
    struct loomta_job *first, *last; /* waiting, linked by next and previous */
    struct loomta_pace pace;         /* that its jobs share, if they do */
    int64_t due_us;                  /* no waiting job's deadline is before that; 0: none has one */
};

/* Makes a job wait; its deadline counts meanwhile. */
void loomta_lane_push(struct loomta_lane *lane, struct loomta_job *job);

/* Takes out the first one that waits; NULL: none does. */
struct loomta_job *loomta_lane_pop(struct loomta_lane *lane);

/* Takes out one that waits in it. */
void loomta_lane_remove(struct loomta_lane *lane, struct loomta_job *job);

/* Takes out all whose deadline has passed at `now_us`, linked by next; NULL: there are none. */
struct loomta_job *loomta_lane_take_overdue(struct loomta_lane *lane, int64_t now_us);

#endif
