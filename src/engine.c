/* Runs jobs: one curl_multi, whose connections and TLS sessions stay for the next job, and one step.
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include "clock.h"
#include "lane.h"
#include "mailbox.h"
#include "process.h"
#include "sigpipe.h"
#include "sockets.h"
#include "timers.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What all transfers together may read ahead of the network: with more it falls out of the processor's cache. */
static const int64_t buffer_bytes = 8 * 1024 * 1024;

/* How soon an owner who had nothing for a hungry source is asked again. */
enum { HUNGRY_AGAIN_US = 10 * 1000 };

struct loomta_engine {
    unsigned process;
    CURLM *multi;
    struct loomta_sockets sockets;
    struct loomta_job *jobs;  /* running and waiting ones, a reference on each; those queued are in their lanes */
    int count;                /* of them */
    char ignores_expect[512]; /* the URL whose server let us wait for 100 Continue in vain; "": none known */
    atomic_bool interrupted;
    struct curl_waitfd *watched; /* not owned */
    unsigned watched_count;
};

struct loomta_engine *loomta_engine_new(void)
{
    struct loomta_engine *engine;

    if (!loomta_transfer_global_init() || !(engine = calloc(1, sizeof *engine)))
        return NULL;
    engine->process = loomta_process_generation();
    engine->multi = curl_multi_init();
    if (!engine->multi) {
        free(engine);
        return NULL;
    }
    return engine;
}

bool loomta_engine_is_ours(const struct loomta_engine *engine)
{
    return engine->process == loomta_process_generation();
}

static bool ignores_expect(const struct loomta_engine *engine, const struct loomta_job *job)
{
    return engine->ignores_expect[0] && strcmp(engine->ignores_expect, job->request->url) == 0;
}

static void link_job(struct loomta_engine *engine, struct loomta_job *job)
{
    job->previous = NULL;
    job->next = engine->jobs;
    if (engine->jobs)
        engine->jobs->previous = job;
    engine->jobs = job;
    engine->count++;
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
    engine->count--;
}

static void report(struct loomta_job *job)
{
    loomta_job_publish(job);
    loomta_job_tell(job);
}

/* Lets go of a job that is done and out of every list. */
static void dismiss(struct loomta_job *job)
{
    job->engine = NULL;
    report(job);
    loomta_job_release(job);
}

static void start_next(struct loomta_engine *engine, struct loomta_lane *lane);

/* A job that was under way is done: the next one in its lane has its turn. */
static void finish(struct loomta_engine *engine, struct loomta_job *job)
{
    struct loomta_lane *lane = job->lane;
    struct loomta_mailbox *mailbox = job->mailbox;

    unlink_job(engine, job);
    if (!lane) {
        dismiss(job);
        return;
    }
    loomta_mailbox_hold(mailbox); /* the lane is in it */
    dismiss(job);
    lane->active--;
    start_next(engine, lane);
    loomta_mailbox_release(mailbox);
}

/* In a child of fork(): the job ends without a word on the parent's connection, where it may go on and be stored. Its handle
 * is lost on purpose. */
static void abandon(struct loomta_engine *engine, struct loomta_job *job)
{
    job->transfer.easy = NULL;
    job->maybe_stored |= !job->transfer.safe;
    loomta_job_end_attempt(job, CURLE_OK, LOOMTA_ABORT_CANCELED);
    finish(engine, job);
}

void loomta_engine_begin_attempt(struct loomta_engine *engine, struct loomta_job *job)
{
    bool begun = loomta_job_begin(job, !ignores_expect(engine, job), buffer_bytes / engine->count);

    if (begun && curl_multi_add_handle(engine->multi, job->transfer.easy) != CURLM_OK) {
        loomta_job_end_attempt(job, CURLE_OUT_OF_MEMORY, LOOMTA_ABORT_NONE);
        begun = false;
    }
    if (begun)
        loomta_job_publish(job);
    else
        finish(engine, job);
}

void loomta_engine_end_attempt(struct loomta_engine *engine, struct loomta_job *job, CURLcode result,
                               enum loomta_abort abort)
{
    const struct loomta_transfer *transfer = &job->transfer;

    if (transfer->expect_sent && !transfer->answer.continue_seen && transfer->body.complete &&
        transfer->answer.status > 0)
        snprintf(engine->ignores_expect, sizeof engine->ignores_expect, "%s", job->request->url);
    if (job->state == LOOMTA_JOB_RUNNING)
        curl_multi_remove_handle(engine->multi, transfer->easy);
    loomta_job_end_attempt(job, result, abort);
    if (job->state == LOOMTA_JOB_DONE)
        finish(engine, job);
    else
        report(job);
}

/* The job is under way from here on, also while it waits for `delay_ms` or for what holds its lane. */
static void start(struct loomta_engine *engine, struct loomta_job *job)
{
    int64_t now_us = loomta_now_us(), at_us = now_us + job->delay_ms * 1000;

    if (job->lane && job->lane->pace.shared)
        job->submitted_us = now_us; /* its time limit runs from its turn */
    if (job->lane && job->lane->pace.held_until_us > at_us)
        at_us = job->lane->pace.held_until_us;
    link_job(engine, job);
    if (at_us > now_us) {
        job->state = LOOMTA_JOB_WAITING;
        job->retry_at_us = at_us;
        loomta_job_publish(job);
    } else {
        loomta_engine_begin_attempt(engine, job);
    }
}

static void start_next(struct loomta_engine *engine, struct loomta_lane *lane)
{
    struct loomta_job *job;

    /* A job that fails at once calls for the next one: the loop does that, not a recursion as deep as the queue. */
    if (lane->starting)
        return;
    lane->starting = true;
    while (lane->active < lane->limit && (job = loomta_lane_pop(lane))) {
        lane->active++;
        start(engine, job);
    }
    lane->starting = false;
}

void loomta_engine_end_queued(struct loomta_job *job, enum loomta_abort abort)
{
    loomta_job_end_attempt(job, CURLE_OK, abort);
    dismiss(job);
}

void loomta_engine_submit(struct loomta_engine *engine, struct loomta_job *job)
{
    loomta_job_hold(job);
    job->engine = engine;
    job->transfer.sockets = &engine->sockets;
    job->submitted_us = loomta_now_us();
    if (job->mailbox && job->mailbox->lane.closed) {
        loomta_engine_end_queued(job, LOOMTA_ABORT_CANCELED);
    } else if (job->mailbox && !job->urgent) {
        job->lane = &job->mailbox->lane;
        loomta_lane_push(job->lane, job);
        start_next(engine, job->lane);
    } else {
        start(engine, job);
    }
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
        loomta_engine_end_attempt(engine, job, result, LOOMTA_ABORT_NONE);
        changed = true;
    }
    return changed;
}

static bool any_watched_ready(const struct loomta_engine *engine)
{
    for (unsigned i = 0; i < engine->watched_count; i++)
        if (engine->watched[i].revents != 0)
            return true;
    return false;
}

/* A multi that reports an error has no memory left, and says nothing more of its transfers. */
static bool fail_running(struct loomta_engine *engine)
{
    for (struct loomta_job *job = engine->jobs, *next; job; job = next) {
        next = job->next;
        if (job->state == LOOMTA_JOB_RUNNING)
            loomta_engine_end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_NO_MEMORY);
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
    while (!changed && !atomic_exchange(&engine->interrupted, false)) {
        int running;
        CURLMcode performed = curl_multi_perform(engine->multi, &running);
        changed = take_ended(engine);
        if (performed != CURLM_OK)
            changed = fail_running(engine);
        changed |= loomta_timers_run(engine, engine->jobs);
        changed |= loomta_timers_tell(engine->jobs);
        if (changed)
            break;

        int64_t now_us = loomta_now_us(), due_us = loomta_timers_due_us(engine->jobs);
        if (now_us >= end_us)
            break;
        int64_t wait_us = (due_us < end_us ? due_us : end_us) - now_us;
        int64_t wait_ms = wait_us > 0 ? (wait_us + 999) / 1000 : 0; /* libcurl takes a negative wait for an error */
        if (curl_multi_poll(engine->multi, engine->watched, engine->watched_count,
                            wait_ms < INT_MAX ? (int)wait_ms : INT_MAX, NULL) != CURLM_OK)
            changed = fail_running(engine);
        changed |= any_watched_ready(engine);
    }
    loomta_sigpipe_restore(&guard);
    return changed;
}

bool loomta_engine_interrupt(struct loomta_engine *engine)
{
    return atomic_exchange(&engine->interrupted, true) || curl_multi_wakeup(engine->multi) == CURLM_OK;
}

void loomta_engine_watch(struct loomta_engine *engine, struct curl_waitfd *descriptors, unsigned count)
{
    engine->watched = descriptors;
    engine->watched_count = count;
}

void loomta_engine_resume(struct loomta_engine *engine, struct loomta_job *job)
{
    struct loomta_sigpipe guard;

    if (job->engine != engine || job->state != LOOMTA_JOB_RUNNING || !job->transfer.paused ||
        !loomta_engine_is_ours(engine))
        return;
    if (loomta_source_hungry(&job->transfer.body.source)) {
        job->transfer.hungry_at_us = loomta_now_us() + HUNGRY_AGAIN_US;
        return;
    }
    loomta_sigpipe_block(&guard); /* libcurl may write at once */
    if (loomta_transfer_resume(&job->transfer) != CURLE_OK)
        loomta_engine_end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_NO_MEMORY);
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
    if (job->state == LOOMTA_JOB_QUEUED) {
        loomta_lane_remove(job->lane, job);
        loomta_engine_end_queued(job, LOOMTA_ABORT_CANCELED);
        return;
    }
    loomta_sigpipe_block(&guard); /* closing a TLS connection writes */
    loomta_engine_end_attempt(engine, job, CURLE_OK, LOOMTA_ABORT_CANCELED);
    loomta_sigpipe_restore(&guard);
}

void loomta_engine_cancel_all(struct loomta_engine *engine, struct loomta_mailbox *mailbox)
{
    struct loomta_job *queued;

    mailbox->lane.closed = true;
    while ((queued = loomta_lane_pop(&mailbox->lane)))
        loomta_engine_end_queued(queued, LOOMTA_ABORT_CANCELED);
    for (struct loomta_job *job = engine->jobs, *next; job; job = next) {
        next = job->next;
        if (job->mailbox == mailbox)
            loomta_engine_cancel(engine, job);
    }
}

void loomta_engine_free(struct loomta_engine *engine)
{
    struct loomta_sigpipe guard;

    if (!engine)
        return;
    while (engine->jobs) {
        struct loomta_mailbox *mailbox = engine->jobs->mailbox;
        if (!mailbox) {
            loomta_engine_cancel(engine, engine->jobs);
            continue;
        }
        loomta_mailbox_hold(mailbox);
        loomta_engine_cancel_all(engine, mailbox);
        loomta_mailbox_release(mailbox);
    }
    if (loomta_engine_is_ours(engine)) {
        loomta_sigpipe_block(&guard);
        curl_multi_cleanup(engine->multi);
        loomta_sigpipe_restore(&guard);
    }
    loomta_sockets_free(&engine->sockets);
    free(engine);
}
