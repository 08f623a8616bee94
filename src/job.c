/* One call of the API with all its attempts: a transfer, and the decision what to do when an attempt ends.
 * SPDX-License-Identifier: MIT */
#include "job.h"

#include "clock.h"
#include "lane.h"
#include "mailbox.h"
#include "process.h"
#include "random.h"
#include "references.h"
#include "waiters.h"

#include <stdlib.h>

/* Below this a wasted body costs less than the round trip that asks first. */
static const int64_t expect_from_bytes = 8 * 1024 * 1024;

/* How often an owner hears of progress. */
enum { PROGRESS_US = 50 * 1000 };

struct loomta_job *loomta_job_new(const struct loomta_request *request, struct loomta_body *body,
                                  struct loomta_mailbox *mailbox)
{
    static atomic_ulong last_id;
    struct loomta_job *job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->request = loomta_request_copy(request);
    if (!job->request) {
        free(job);
        return NULL;
    }
    atomic_init(&job->references, 1);
    job->process = loomta_process_generation();
    job->transfer.safe = loomta_request_is_safe(request);
    job->id = atomic_fetch_add(&last_id, 1) + 1;
    job->waiter_fd = -1;
    job->bell = LOOMTA_BELL_CLOSED;
    pthread_mutex_init(&job->lock, NULL);
    job->transfer.body = *body;
    *body = (struct loomta_body){0};
    if (mailbox) {
        loomta_mailbox_hold(mailbox);
        job->mailbox = mailbox;
        job->transfer.body.source.guard = &job->lock;
    }
    return job;
}

void loomta_job_hold(struct loomta_job *job)
{
    loomta_references_hold(&job->references);
}

void loomta_job_release(struct loomta_job *job)
{
    if (!job || !loomta_references_release(&job->references))
        return;
    loomta_transfer_close(&job->transfer);
    loomta_request_free(job->request);
    loomta_outcome_clear(&job->seen.outcome);
    loomta_bell_close(&job->bell);
    loomta_mailbox_release(job->mailbox);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* --- the engine's side ------------------------------------------------------------------------------------------ */

static bool should_expect(const struct loomta_job *job)
{
    int64_t size = loomta_body_size(&job->transfer.body);

    if (!job->transfer.content_type || job->without_expect)
        return false;
    /* A body that broke half-way may have been an early refusal whose answer got lost: ask first the second time. */
    return size < 0 || size >= expect_from_bytes || (job->attempts > 0 && job->transfer.body.handed > 0);
}

/* Publishes the outcome of what has just ended. */
static void conclude(struct loomta_job *job, struct loomta_failure failure, CURLcode result, int64_t now_us)
{
    struct loomta_outcome outcome = {0};

    loomta_outcome_record(&outcome, &job->transfer, result);
    job->maybe_stored |= failure.possibly_stored;
    if (job->state == LOOMTA_JOB_DONE && failure.code && job->maybe_stored) {
        failure.possibly_stored = true;
        failure.retryable = false;
    }
    outcome.failure = failure;
    outcome.attempts = job->attempts;
    outcome.duration_us = now_us - job->submitted_us;
    outcome.retry_in_us = job->state == LOOMTA_JOB_WAITING ? job->retry_at_us - now_us : -1;
    if (job->state == LOOMTA_JOB_DONE) {
        loomta_transfer_close(&job->transfer);
        loomta_request_free(job->request);
        job->request = NULL;
    }

    pthread_mutex_lock(&job->lock);
    loomta_outcome_clear(&job->seen.outcome);
    job->seen.outcome = outcome;
    job->seen.ended++;
    pthread_mutex_unlock(&job->lock);
}

/* Ends a job that cannot go on, whatever the policy. */
static bool give_up(struct loomta_job *job, struct loomta_failure failure, CURLcode result)
{
    failure.retryable = false;
    job->state = LOOMTA_JOB_DONE;
    conclude(job, failure, result, loomta_now_us());
    return false;
}

static struct loomta_failure no_longer_readable(const struct loomta_job *job)
{
    struct loomta_end end = {
        .abort = LOOMTA_ABORT_SOURCE, .source_error = job->transfer.body.source.error, .retry_after_ms = -1};

    if (end.source_error != LOOMTA_SOURCE_OK)
        return loomta_failure_classify(&end);
    return (struct loomta_failure){"file_read_failed", "input", "the source cannot be read again",
                                   .retry_after_ms = -1};
}

/* What waited until its turn: the handle, and the file. */
static bool set_up(struct loomta_job *job)
{
    CURLcode result = loomta_transfer_open(&job->transfer, job->request);

    if (result == CURLE_OK)
        result = curl_easy_setopt(job->transfer.easy, CURLOPT_PRIVATE, job);
    if (result != CURLE_OK) {
        struct loomta_end end = {.result = result, .retry_after_ms = -1};
        return give_up(job, loomta_failure_classify(&end), result);
    }
    return loomta_source_unpark(&job->transfer.body.source) || give_up(job, no_longer_readable(job), CURLE_OK);
}

bool loomta_job_begin(struct loomta_job *job, bool may_expect, int64_t buffer_bytes)
{
    if (job->attempts == 0) {
        job->began_us = loomta_now_us();
        if (job->lane && job->lane->pace.bytes_per_sec > 0)
            job->transfer.pace = &job->lane->pace;
        if (!set_up(job))
            return false;
    }
    if (!loomta_transfer_begin(&job->transfer, may_expect && should_expect(job), buffer_bytes))
        return give_up(job, no_longer_readable(job), CURLE_OK);
    job->attempts++;
    job->state = LOOMTA_JOB_RUNNING;
    job->told_us = job->told_sent = 0;
    return true;
}

/* What the lane's other jobs share of this end. Gives the least wait in ms before this job's next attempt. */
static int64_t share_pace(struct loomta_pace *pace, const struct loomta_job *job, int status,
                          const struct loomta_failure *failure, double random, int64_t now_us)
{
    int64_t wait_ms = failure->retry_after_ms;

    if (!failure->code && !job->transfer.safe)
        loomta_pace_earn(pace, now_us);
    if (status == 429 && wait_ms < 0)
        wait_ms = loomta_retry_backoff(job->attempts, random);
    if ((status == 429 || status == 503) && wait_ms >= 0)
        loomta_pace_hold(pace, wait_ms, now_us);

    int64_t least_ms = loomta_pace_held_ms(pace, now_us);
    /* What a server asks for by itself is no extra burden on it. */
    int64_t token_ms = failure->retry_after_ms < 0 ? loomta_pace_retry_ms(pace, now_us) : 0;
    return least_ms > token_ms ? least_ms : token_ms;
}

void loomta_job_end_attempt(struct loomta_job *job, CURLcode result, enum loomta_abort abort)
{
    struct loomta_pace *pace = job->lane && job->lane->pace.shared ? &job->lane->pace : NULL;
    int64_t now_us = loomta_now_us(), delay_ms;

    if (abort != LOOMTA_ABORT_NONE)
        job->transfer.abort = abort;
    if (job->state == LOOMTA_JOB_WAITING) {
        /* Nothing is under way: what the last attempt left behind is not how the job ends. */
        job->transfer.answer.status = 0;
        job->transfer.body.complete = false;
    }
    struct loomta_end end = loomta_transfer_end(&job->transfer, result);
    struct loomta_failure failure = loomta_failure_classify(&end);
    double random = failure.code ? loomta_random_unit() : 0; /* what went well is not repeated */
    job->without_expect = failure.without_expect;
    int64_t least_ms = pace ? share_pace(pace, job, end.status, &failure, random, now_us) : 0;
    delay_ms = loomta_retry_delay(&job->policy, &failure, loomta_source_can_rewind(&job->transfer.body.source),
                                  job->attempts, (now_us - job->began_us) / 1000, least_ms, random);
    /* A retry that would begin after the deadline is not worth the wait. */
    if (delay_ms == LOOMTA_RETRY_STOP || now_us + delay_ms * 1000 >= loomta_job_deadline_us(job)) {
        job->state = LOOMTA_JOB_DONE;
    } else {
        job->state = LOOMTA_JOB_WAITING;
        job->retry_at_us = now_us + delay_ms * 1000;
        if (pace && failure.retry_after_ms < 0 && !failure.without_expect)
            loomta_pace_take_retry(pace);
    }
    conclude(job, failure, result, now_us);
}

void loomta_job_publish(struct loomta_job *job)
{
    int64_t sent = job->state == LOOMTA_JOB_DONE ? 0 : loomta_transfer_sent(&job->transfer);

    pthread_mutex_lock(&job->lock);
    job->seen.state = job->state;
    job->seen.attempts = job->attempts;
    job->seen.sent = job->state == LOOMTA_JOB_DONE ? job->seen.outcome.sent : sent;
    pthread_mutex_unlock(&job->lock);
}

void loomta_job_tell(struct loomta_job *job)
{
    if (!job->mailbox)
        return;
    loomta_mailbox_post(job->mailbox, job);
    pthread_mutex_lock(&job->lock);
    loomta_bell_ring(&job->bell);
    pthread_mutex_unlock(&job->lock);
    if (job->waiter_fd >= 0)
        loomta_waiters_wake(job->waiter_fd);
}

/* When the connection counts as idle, unless something moves until then. */
static int64_t idle_at_us(const struct loomta_job *job)
{
    const struct loomta_transfer *transfer = &job->transfer;
    int64_t limit_us = job->idle_timeout_ms * 1000 + transfer->pace_us;

    if (job->idle_timeout_ms == 0 || !transfer->connected || transfer->paused || transfer->throttled_until_us > 0)
        return INT64_MAX;
    if (transfer->expect_sent && transfer->body.handed == 0)
        limit_us += LOOMTA_EXPECT_WAIT_MS * 1000; /* it is we who wait */
    return transfer->moved_us + limit_us;
}

int64_t loomta_job_deadline_us(const struct loomta_job *job)
{
    /* In a run of uploads its time begins with its turn: nobody asked for it to begin earlier. */
    if (job->state == LOOMTA_JOB_QUEUED && job->lane && job->lane->pace.shared)
        return INT64_MAX;
    return job->timeout_ms > 0 ? job->submitted_us + job->timeout_ms * 1000 : INT64_MAX;
}

/* When loomta_job_has_news will say yes. */
static int64_t news_at_us(const struct loomta_job *job)
{
    int64_t at_us = INT64_MAX;

    if (job->wants_progress && loomta_transfer_sent(&job->transfer) != job->told_sent)
        at_us = job->told_us + PROGRESS_US;
    return job->transfer.paused ? loomta_earlier(at_us, job->transfer.hungry_at_us) : at_us;
}

int64_t loomta_job_due_us(const struct loomta_job *job)
{
    int64_t deadline_us = loomta_job_deadline_us(job);

    if (job->state == LOOMTA_JOB_WAITING)
        return loomta_earlier(job->retry_at_us, deadline_us);
    if (job->state != LOOMTA_JOB_RUNNING)
        return INT64_MAX;
    int64_t due_us = loomta_earlier(news_at_us(job), loomta_earlier(idle_at_us(job), deadline_us));
    return job->transfer.throttled_until_us > 0 ? loomta_earlier(due_us, job->transfer.throttled_until_us) : due_us;
}

enum loomta_abort loomta_job_overdue(const struct loomta_job *job, int64_t now_us)
{
    if (job->state != LOOMTA_JOB_RUNNING && job->state != LOOMTA_JOB_WAITING)
        return LOOMTA_ABORT_NONE;
    if (loomta_job_deadline_us(job) <= now_us)
        return LOOMTA_ABORT_DEADLINE;
    if (job->state == LOOMTA_JOB_RUNNING && idle_at_us(job) <= now_us)
        return LOOMTA_ABORT_IDLE;
    return LOOMTA_ABORT_NONE;
}

bool loomta_job_has_news(struct loomta_job *job, int64_t now_us)
{
    int64_t sent;
    bool hungry, progress;

    if (job->state != LOOMTA_JOB_RUNNING)
        return false;
    sent = loomta_transfer_sent(&job->transfer);
    progress = job->wants_progress && sent != job->told_sent && now_us >= job->told_us + PROGRESS_US;
    hungry = job->transfer.paused && now_us >= job->transfer.hungry_at_us;
    if (progress) {
        job->told_us = now_us;
        job->told_sent = sent;
    }
    /* Said once: an owner who has nothing yet must not spin, and says when it wants to be asked again. */
    if (hungry)
        job->transfer.hungry_at_us = INT64_MAX;

    pthread_mutex_lock(&job->lock);
    job->seen.sent = sent;
    job->seen.progress_due |= progress;
    pthread_mutex_unlock(&job->lock);
    return hungry || progress;
}

/* --- the owner's side ------------------------------------------------------------------------------------------- */

bool loomta_job_is_foreign(const struct loomta_job *job)
{
    return job->mailbox && job->process != loomta_process_generation();
}

static struct loomta_job_view view_of(struct loomta_job *job, bool attending)
{
    struct loomta_job_view view = {.state = LOOMTA_JOB_DONE};

    /* The worker may have held the lock at the moment of the fork. */
    if (loomta_job_is_foreign(job))
        return view;
    pthread_mutex_lock(&job->lock);
    view = (struct loomta_job_view){
        .state = job->seen.state,
        .attempts = job->seen.attempts,
        .ended = job->seen.ended,
        .sent = job->seen.sent,
        .progress_due = job->seen.progress_due,
    };
    if (attending)
        job->seen.progress_due = false;
    if (attending && job->bell.read_fd >= 0 && view.state != LOOMTA_JOB_DONE)
        loomta_bell_silence(&job->bell);
    pthread_mutex_unlock(&job->lock);
    view.hungry = view.state == LOOMTA_JOB_RUNNING && loomta_source_hungry(&job->transfer.body.source);
    return view;
}

struct loomta_job_view loomta_job_look(struct loomta_job *job)
{
    return view_of(job, false);
}

struct loomta_job_view loomta_job_attend(struct loomta_job *job)
{
    return view_of(job, true);
}

void loomta_job_take_outcome(struct loomta_job *job, struct loomta_outcome *outcome)
{
    *outcome = (struct loomta_outcome){0};
    if (loomta_job_is_foreign(job)) {
        struct loomta_end end = {.abort = LOOMTA_ABORT_CANCELED, .retry_after_ms = -1};
        outcome->failure = loomta_failure_classify(&end);
        outcome->failure.possibly_stored = !job->transfer.safe; /* the parent goes on with it */
        outcome->total = job->transfer.body.source.size;
        return;
    }
    pthread_mutex_lock(&job->lock);
    *outcome = job->seen.outcome;
    job->seen.outcome.body = (struct loomta_buffer){0};
    pthread_mutex_unlock(&job->lock);
}

bool loomta_job_ring_on(struct loomta_job *job, const struct loomta_bell *bell)
{
    struct loomta_bell own;

    if (loomta_job_is_foreign(job)) {
        loomta_bell_ring(bell);
        return true;
    }
    if (!loomta_bell_duplicate(bell, &own))
        return false;
    pthread_mutex_lock(&job->lock);
    struct loomta_bell before = job->bell;
    job->bell = own;
    loomta_bell_ring(&own); /* something may have happened already */
    pthread_mutex_unlock(&job->lock);
    loomta_bell_close(&before);
    return true;
}

void loomta_job_revoke(struct loomta_job *job)
{
    loomta_source_revoke(&job->transfer.body.source);
}
