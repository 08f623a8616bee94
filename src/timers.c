/* What an engine does by the clock: deadlines, retries, pauses that are over, and news for owners.
 * SPDX-License-Identifier: MIT */
#include "timers.h"

#include "clock.h"
#include "lane.h"

static bool end_overdue(struct loomta_lane *lane, int64_t now_us)
{
    struct loomta_job *job = loomta_lane_take_overdue(lane, now_us);
    bool any = job != NULL;

    while (job) {
        struct loomta_job *next = job->next;
        job->next = NULL;
        loomta_engine_end_queued(job, LOOMTA_ABORT_DEADLINE);
        job = next;
    }
    return any;
}

/* Has it waited long enough? A hold may have come meanwhile. */
static bool may_begin(struct loomta_job *job, int64_t now_us)
{
    if (job->lane && job->retry_at_us < job->lane->pace.held_until_us)
        job->retry_at_us = job->lane->pace.held_until_us;
    return job->retry_at_us <= now_us;
}

static bool is_throttle_over(const struct loomta_job *job, int64_t now_us)
{
    const struct loomta_transfer *transfer = &job->transfer;

    return job->state == LOOMTA_JOB_RUNNING && transfer->throttled_until_us > 0 &&
           transfer->throttled_until_us <= now_us;
}

static bool run_timer(struct loomta_engine *engine, struct loomta_job *job, int64_t now_us)
{
    enum loomta_abort abort = loomta_job_overdue(job, now_us);

    if (abort == LOOMTA_ABORT_NONE && is_throttle_over(job, now_us) &&
        loomta_transfer_resume(&job->transfer) != CURLE_OK)
        abort = LOOMTA_ABORT_NO_MEMORY;
    if (abort != LOOMTA_ABORT_NONE) {
        loomta_engine_end_attempt(engine, job, CURLE_OK, abort);
        return true;
    }
    if (job->state == LOOMTA_JOB_WAITING && may_begin(job, now_us)) {
        loomta_engine_begin_attempt(engine, job);
        return true;
    }
    return false;
}

bool loomta_timers_run(struct loomta_engine *engine, struct loomta_job *jobs)
{
    int64_t now_us = loomta_now_us();
    bool changed = false;

    for (struct loomta_job *job = jobs, *next; job; job = next) {
        /* Where jobs are queued, others of their lane are under way. */
        if (job->lane)
            changed |= end_overdue(job->lane, now_us);
        next = job->next;
        changed |= run_timer(engine, job, now_us);
    }
    return changed;
}

bool loomta_timers_tell(struct loomta_job *jobs)
{
    int64_t now_us = loomta_now_us();
    bool any = false;

    for (struct loomta_job *job = jobs; job; job = job->next)
        if (loomta_job_has_news(job, now_us)) {
            loomta_job_tell(job);
            any = true;
        }
    return any;
}

int64_t loomta_timers_due_us(const struct loomta_job *jobs)
{
    int64_t due_us = INT64_MAX;

    for (const struct loomta_job *job = jobs; job; job = job->next) {
        due_us = loomta_earlier(due_us, loomta_job_due_us(job));
        if (job->lane && job->lane->due_us > 0)
            due_us = loomta_earlier(due_us, job->lane->due_us);
    }
    return due_us;
}
