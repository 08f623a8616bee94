/* One call of the API with all its attempts: a transfer, and the decision what to do when an attempt ends.
 * SPDX-License-Identifier: MIT */
#include "job.h"

#include "clock.h"
#include "random.h"

/* Below this a wasted body costs less than the round trip that asks first. */
static const int64_t expect_from_bytes = 8 * 1024 * 1024;

static bool should_expect(const struct loomta_job *job)
{
    int64_t size = loomta_body_size(&job->transfer.body);

    if (!job->transfer.content_type || job->failure.without_expect)
        return false;
    /* A body that broke half-way may have been an early refusal whose answer got lost: ask first the second time. */
    return size < 0 || size >= expect_from_bytes || (job->attempts > 0 && job->transfer.body.handed > 0);
}

static void finish(struct loomta_job *job)
{
    job->state = LOOMTA_JOB_DONE;
    job->ended_us = loomta_now_us();
    job->maybe_stored |= job->failure.possibly_stored;
    if (job->failure.code && job->maybe_stored) {
        job->failure.possibly_stored = true;
        job->failure.retryable = false;
    }
}

bool loomta_job_begin(struct loomta_job *job, bool may_expect)
{
    if (job->attempts == 0)
        job->began_us = loomta_now_us();
    if (!loomta_transfer_begin(&job->transfer, may_expect && should_expect(job))) {
        job->failure = (struct loomta_failure){"file_read_failed", "input", "the source cannot be read again",
                                               .retry_after_ms = -1};
        finish(job);
        return false;
    }
    job->attempts++;
    job->state = LOOMTA_JOB_RUNNING;
    return true;
}

void loomta_job_fail(struct loomta_job *job, CURLcode result)
{
    struct loomta_end end = {.result = result, .retry_after_ms = -1};

    job->result = result;
    job->failure = loomta_failure_classify(&end);
    job->failure.retryable = false;
    job->began_us = loomta_now_us();
    finish(job);
}

void loomta_job_end_attempt(struct loomta_job *job, CURLcode result, enum loomta_abort abort)
{
    int64_t now_us = loomta_now_us(), delay_ms;

    if (abort != LOOMTA_ABORT_NONE)
        job->transfer.abort = abort;
    job->result = result;
    job->ended_us = now_us;
    struct loomta_end end = loomta_transfer_end(&job->transfer, result);
    job->failure = loomta_failure_classify(&end);
    job->maybe_stored |= job->failure.possibly_stored;

    delay_ms = loomta_retry_delay(&job->policy, &job->failure, loomta_source_can_rewind(&job->transfer.body.source),
                                  job->attempts, (now_us - job->began_us) / 1000, loomta_random_unit());
    if (delay_ms == LOOMTA_RETRY_STOP) {
        finish(job);
        return;
    }
    job->state = LOOMTA_JOB_WAITING;
    job->retry_at_us = now_us + delay_ms * 1000;
}

/* When the connection counts as idle, unless something moves until then. */
static int64_t idle_at_us(const struct loomta_job *job)
{
    const struct loomta_transfer *transfer = &job->transfer;
    int64_t limit_us = job->idle_timeout_ms * 1000 + transfer->pace_us;

    if (job->idle_timeout_ms == 0 || !transfer->connected || transfer->paused)
        return INT64_MAX;
    if (transfer->expect_sent && transfer->body.handed == 0)
        limit_us += LOOMTA_EXPECT_WAIT_MS * 1000; /* it is we who wait */
    return transfer->moved_us + limit_us;
}

static int64_t deadline_us(const struct loomta_job *job)
{
    return job->timeout_ms > 0 ? job->began_us + job->timeout_ms * 1000 : INT64_MAX;
}

int64_t loomta_job_due_us(const struct loomta_job *job)
{
    if (job->state == LOOMTA_JOB_WAITING)
        return job->retry_at_us;
    if (job->state != LOOMTA_JOB_RUNNING)
        return INT64_MAX;
    int64_t idle_us = idle_at_us(job), end_us = deadline_us(job);
    return idle_us < end_us ? idle_us : end_us;
}

enum loomta_abort loomta_job_overdue(const struct loomta_job *job, int64_t now_us)
{
    if (job->state != LOOMTA_JOB_RUNNING)
        return LOOMTA_ABORT_NONE;
    if (deadline_us(job) <= now_us)
        return LOOMTA_ABORT_DEADLINE;
    if (idle_at_us(job) <= now_us)
        return LOOMTA_ABORT_IDLE;
    return LOOMTA_ABORT_NONE;
}

void loomta_job_close(struct loomta_job *job)
{
    loomta_transfer_close(&job->transfer);
    job->state = LOOMTA_JOB_DONE;
}
