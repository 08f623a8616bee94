/* Where the worker leaves jobs that need their owner.
 * SPDX-License-Identifier: MIT */
#include "mailbox.h"

#include "clock.h"
#include "job.h"
#include "platform.h"
#include "process.h"
#include "references.h"

#include <stdlib.h>

struct loomta_mailbox *loomta_mailbox_new(int limit)
{
    struct loomta_mailbox *mailbox = calloc(1, sizeof *mailbox);

    if (!mailbox)
        return NULL;
    if (!loomta_bell_open(&mailbox->bell)) {
        free(mailbox);
        return NULL;
    }
    atomic_init(&mailbox->references, 1);
    mailbox->process = loomta_process_generation();
    mailbox->lane.limit = limit;
    pthread_mutex_init(&mailbox->lock, NULL);
    return mailbox;
}

void loomta_mailbox_share_pace(struct loomta_mailbox *mailbox, int64_t bytes_per_sec)
{
    loomta_pace_open(&mailbox->lane.pace, bytes_per_sec, loomta_now_us());
}

void loomta_mailbox_hold(struct loomta_mailbox *mailbox)
{
    loomta_references_hold(&mailbox->references);
}

void loomta_mailbox_release(struct loomta_mailbox *mailbox)
{
    if (!mailbox || !loomta_references_release(&mailbox->references))
        return;
    loomta_bell_close(&mailbox->bell);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

/* Under the lock. */
static void ring(struct loomta_mailbox *mailbox)
{
    if (!mailbox->rung)
        loomta_bell_ring(&mailbox->bell);
    mailbox->rung = true;
}

void loomta_mailbox_ring(struct loomta_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    ring(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
}

void loomta_mailbox_post(struct loomta_mailbox *mailbox, struct loomta_job *job)
{
    pthread_mutex_lock(&mailbox->lock);
    if (!mailbox->closed && !job->posted) {
        job->posted = true;
        job->next_posted = NULL;
        loomta_job_hold(job);
        if (mailbox->last)
            mailbox->last->next_posted = job;
        else
            mailbox->first = job;
        mailbox->last = job;
        ring(mailbox);
    }
    pthread_mutex_unlock(&mailbox->lock);
}

struct loomta_job *loomta_mailbox_take(struct loomta_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct loomta_job *job = mailbox->first;
    if (job) {
        job->posted = false;
        mailbox->first = job->next_posted;
    }
    if (!mailbox->first) {
        mailbox->last = NULL;
        if (mailbox->rung)
            loomta_bell_silence(&mailbox->bell);
        mailbox->rung = false;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return job;
}

bool loomta_mailbox_wait(const struct loomta_mailbox *mailbox, int timeout_ms)
{
    struct pollfd polled = {.fd = (curl_socket_t)mailbox->bell.read_fd, .events = POLLIN};

    return poll(&polled, 1, timeout_ms) > 0;
}

void loomta_mailbox_close(struct loomta_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->closed = true;
    struct loomta_job *job = mailbox->first;
    mailbox->first = mailbox->last = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    while (job) {
        struct loomta_job *next = job->next_posted;
        loomta_job_release(job);
        job = next;
    }
}
