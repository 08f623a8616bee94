/* Where the worker leaves jobs that need their owner: something to report, to feed, or a result. One for each client.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_MAILBOX_H
#define LOOMTA_MAILBOX_H

#include "bell.h"
#include "lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct loomta_job;
struct loomta_worker;

struct loomta_mailbox {
    atomic_int references;
    unsigned process;         /* that made it */
    struct loomta_lane lane;  /* the worker's thread alone */
    struct loomta_bell bell;  /* the owner's to wait on */
    pthread_mutex_t lock;     /* guards what follows */
    bool closed;              /* nobody reads it any more */
    bool rung;                /* the bell is: there are jobs, or the owner wants it so */
    struct loomta_job *first; /* linked by next_posted; the list holds a reference on each */
    struct loomta_job *last;

    /* Guarded by the worker's own lock: */
    struct loomta_worker *worker; /* that runs its jobs; NULL once it is closed */
    struct loomta_mailbox *next_closing;
};

/* One reference, the caller's. `limit`: how many jobs may be under way at once. NULL with errno when the system gives no
 * memory or descriptor. */
struct loomta_mailbox *loomta_mailbox_new(int limit);

/* Before its first job: they share a pace, see pace.h. `bytes_per_sec`: 0 is no limit. */
void loomta_mailbox_share_pace(struct loomta_mailbox *mailbox, int64_t bytes_per_sec);

void loomta_mailbox_hold(struct loomta_mailbox *mailbox);

/* Gives a reference back; the last one frees it. Any thread; NULL is fine. */
void loomta_mailbox_release(struct loomta_mailbox *mailbox);

/* Leaves a job, unless it is there already. Any thread. */
void loomta_mailbox_post(struct loomta_mailbox *mailbox, struct loomta_job *job);

/* Takes the oldest job out, with a reference that becomes the caller's; NULL: there is none. With none left the bell is
 * silent. */
struct loomta_job *loomta_mailbox_take(struct loomta_mailbox *mailbox);

/* Rings the bell, for an owner who has taken out more than it has done. */
void loomta_mailbox_ring(struct loomta_mailbox *mailbox);

/* Waits until there is a job, at most `timeout_ms` (< 0: for ever) or until a signal comes. Says whether there is one. */
bool loomta_mailbox_wait(const struct loomta_mailbox *mailbox, int timeout_ms);

/* The owner leaves: forgets what is in it, and takes nothing more. Idempotent. */
void loomta_mailbox_close(struct loomta_mailbox *mailbox);

#endif
