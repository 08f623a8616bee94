/* Jobs that may not all be under way at once.
 * SPDX-License-Identifier: MIT */
#include "lane.h"

/* Overlooking one that leaves only costs a look in vain. */
static void note_deadline(struct loomta_lane *lane, const struct loomta_job *job)
{
    int64_t due_us = loomta_job_deadline_us(job);

    if (due_us != INT64_MAX && (lane->due_us == 0 || due_us < lane->due_us))
        lane->due_us = due_us;
}

void loomta_lane_push(struct loomta_lane *lane, struct loomta_job *job)
{
    job->next = NULL;
    job->previous = lane->last;
    if (lane->last)
        lane->last->next = job;
    else
        lane->first = job;
    lane->last = job;
    note_deadline(lane, job);
}

void loomta_lane_remove(struct loomta_lane *lane, struct loomta_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        lane->first = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        lane->last = job->previous;
    job->next = job->previous = NULL;
}

struct loomta_job *loomta_lane_pop(struct loomta_lane *lane)
{
    struct loomta_job *job = lane->first;

    if (job)
        loomta_lane_remove(lane, job);
    return job;
}

struct loomta_job *loomta_lane_take_overdue(struct loomta_lane *lane, int64_t now_us)
{
    struct loomta_job *overdue = NULL;

    if (lane->due_us == 0 || lane->due_us > now_us)
        return NULL;
    lane->due_us = 0;
    for (struct loomta_job *job = lane->first, *next; job; job = next) {
        next = job->next;
        if (loomta_job_deadline_us(job) > now_us) {
            note_deadline(lane, job);
            continue;
        }
        loomta_lane_remove(lane, job);
        job->next = overdue;
        overdue = job;
    }
    return overdue;
}
