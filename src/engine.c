/* Runs jobs: one curl_multi, whose connections and TLS sessions stay for the next job, and one step.
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include "clock.h"
#include "sigpipe.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loomta_engine {
    pid_t process;
    CURLM *multi;
    struct loomta_job *jobs;  /* running and waiting ones; not owned */
    char ignores_expect[512]; /* the URL whose server let us wait for 100 Continue in vain; "": none known */
};

struct loomta_engine *loomta_engine_new(void)
{
    struct loomta_engine *engine;

    if (!loomta_transfer_global_init() || !(engine = calloc(1, sizeof *engine)))
        return NULL;
    engine->process = getpid();
    engine->multi = curl_multi_init();
    if (!engine->multi) {
        free(engine);
        return NULL;
    }
    return engine;
}

bool loomta_engine_is_ours(const struct loomta_engine *engine)
{
    return engine->process == getpid();
}

static void unlink_job(struct loomta_engine *engine, struct loomta_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        engine->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
    job->next = job->previous = NULL;
    job->engine = NULL;
}

static const char *url_of(const struct loomta_job *job)
{
    char *url = NULL;

    curl_easy_getinfo(job->transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
    return url ? url : "";
}

static bool ignores_expect(const struct loomta_engine *engine, const struct loomta_job *job)
{
    return engine->ignores_expect[0] && strcmp(engine->ignores_expect, url_of(job)) == 0;
}

/* In a child of fork(): the job ends without a word on the parent's connection. Its handle is lost on purpose. */
static void abandon(struct loomta_engine *engine, struct loomta_job *job)
{
    job->transfer.easy = NULL;
    loomta_job_end_attempt(job, CURLE_OK, LOOMTA_ABORT_CANCELED);
    unlink_job(engine, job);
}

static void begin_attempt(struct loomta_engine *engine, struct loomta_job *job)
{
    if (loomta_job_begin(job, !ignores_expect(engine, job))) {
        CURLMcode added = curl_multi_add_handle(engine->multi, job->transfer.easy);
        if (added == CURLM_OK)
            return;
        loomta_job_end_attempt(job, CURLE_OUT_OF_MEMORY, LOOMTA_ABORT_NONE);
    }
    unlink_job(engine, job);
}

static void end_attempt(struct loomta_engine *engine, struct loomta_job *job, CURLcode result, enum loomta_abort abort)
{
    const struct loomta_transfer *transfer = &job->transfer;

    if (transfer->expect_sent && !transfer->answer.continue_seen && transfer->body.complete &&
        transfer->answer.status > 0)
        snprintf(engine->ignores_expect, sizeof engine->ignores_expect, "%s", url_of(job));
    curl_multi_remove_handle(engine->multi, transfer->easy);
    loomta_job_end_attempt(job, result, abort);
    if (job->state == LOOMTA_JOB_DONE)
        unlink_job(engine, job);
}

void loomta_engine_submit(struct loomta_engine *engine, struct loomta_job *job)
{
    CURLcode result = curl_easy_setopt(job->transfer.easy, CURLOPT_PRIVATE, job);

    if (result != CURLE_OK) {
        loomta_job_fail(job, result);
        return;
    }
    job->engine = engine;
    job->next = engine->jobs;
    if (engine->jobs)
        engine->jobs->previous = job;
    engine->jobs = job;
    begin_attempt(engine, job);
}

/* Ends what is overdue and begins what has waited long enough; says whether it did either. */
static bool run_timers(struct loomta_engine *engine)
{
    int64_t now_us = loomta_now_us();
    bool changed = false;

    for (struct loomta_job *job = engine->jobs, *next; job; job = next) {
        enum loomta_abort abort = loomta_job_overdue(job, now_us);
        next = job->next;
        if (abort != LOOMTA_ABORT_NONE) {
            end_attempt(engine, job, CURLE_OK, abort);
            changed = true;
        } else if (job->state == LOOMTA_JOB_WAITING && job->retry_at_us <= now_us) {
            begin_attempt(engine, job);
            changed = true;
        }
    }
    return changed;
}

static bool take_ended(struct loomta_engine *engine)
{
    CURLMsg *message;
    int left;
    bool changed = false;

    while ((message = curl_multi_info_read(engine->multi, &left))) {
        struct loomta_job *job = NULL;
        CURLcode result = message->data.result; /* the message is gone once the handle is removed */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
        end_attempt(engine, job, result, LOOMTA_ABORT_NONE);
        changed = true;
    }
    return changed;
}

/* Says once of each hunger that it is there: an owner who has nothing yet must not spin. */
static bool any_newly_hungry(struct loomta_engine *engine)
{
    bool any = false;

    for (struct loomta_job *job = engine->jobs; job; job = job->next)
        if (job->transfer.paused && !job->transfer.hunger_told)
            any = job->transfer.hunger_told = true;
    return any;
}

static int64_t next_due_us(const struct loomta_engine *engine)
{
    int64_t due = INT64_MAX;

    for (const struct loomta_job *job = engine->jobs; job; job = job->next) {
        int64_t own = loomta_job_due_us(job);
        due = own < due ? own : due;
    }
    return due;
}

/* A multi that reports an error has no memory left, and says nothing more of its transfers. */
static bool fail_running(struct loomta_engine *engine)
{
    for (struct loomta_job *job = engine->jobs, *next; job; job = next) {
        next = job->next;
        if (job->state == LOOMTA_JOB_RUNNING)
            end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_NO_MEMORY);
    }
    return true;
}

bool loomta_engine_step(struct loomta_engine *engine, int timeout_ms)
{
    struct loomta_sigpipe guard;
    int64_t end_us = loomta_now_us() + (int64_t)timeout_ms * 1000;
    bool changed = false;

    if (!loomta_engine_is_ours(engine)) {
        while (engine->jobs)
            abandon(engine, engine->jobs);
        return true;
    }
    loomta_sigpipe_block(&guard);
    while (!changed) {
        int running;
        CURLMcode performed = curl_multi_perform(engine->multi, &running);
        changed = take_ended(engine);
        if (performed != CURLM_OK)
            changed = fail_running(engine);
        changed |= run_timers(engine);
        changed |= any_newly_hungry(engine);
        if (changed)
            break;

        int64_t now_us = loomta_now_us(), due_us = next_due_us(engine);
        if (now_us >= end_us)
            break;
        int64_t wait_us = (due_us < end_us ? due_us : end_us) - now_us;
        int64_t wait_ms = wait_us > 0 ? (wait_us + 999) / 1000 : 0; /* libcurl takes a negative wait for an error */
        if (curl_multi_poll(engine->multi, NULL, 0, wait_ms < INT_MAX ? (int)wait_ms : INT_MAX, NULL) != CURLM_OK)
            changed = fail_running(engine);
    }
    loomta_sigpipe_restore(&guard);
    return changed;
}

void loomta_engine_resume(struct loomta_engine *engine, struct loomta_job *job)
{
    struct loomta_sigpipe guard;

    if (job->engine != engine || job->state != LOOMTA_JOB_RUNNING || !job->transfer.paused ||
        !loomta_engine_is_ours(engine))
        return;
    loomta_sigpipe_block(&guard); /* libcurl may write at once */
    if (loomta_transfer_resume(&job->transfer) != CURLE_OK)
        end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_NO_MEMORY);
    loomta_sigpipe_restore(&guard);
}

void loomta_engine_cancel(struct loomta_engine *engine, struct loomta_job *job)
{
    struct loomta_sigpipe guard;

    if (job->engine != engine)
        return;
    if (!loomta_engine_is_ours(engine)) {
        abandon(engine, job);
        return;
    }
    loomta_sigpipe_block(&guard); /* closing a TLS connection writes */
    if (job->state == LOOMTA_JOB_WAITING) {
        /* Nothing is under way: what the last attempt left behind stays true. */
        job->transfer.answer.status = 0;
        job->transfer.body.complete = false;
    }
    end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_CANCELED);
    loomta_sigpipe_restore(&guard);
}

void loomta_engine_free(struct loomta_engine *engine)
{
    struct loomta_sigpipe guard;

    if (!engine)
        return;
    while (engine->jobs)
        loomta_engine_cancel(engine, engine->jobs);
    if (loomta_engine_is_ours(engine)) {
        loomta_sigpipe_block(&guard);
        curl_multi_cleanup(engine->multi);
        loomta_sigpipe_restore(&guard);
    }
    free(engine);
}
