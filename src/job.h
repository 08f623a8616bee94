/* One call of the API with all its attempts: a transfer, and the decision what to do when an attempt ends.
 *
 * Two sides use it. The engine's side, on whatever thread the engine runs, works on the job itself. The owner's side sees
 * only what was published, and talks to the engine's side through the worker; both are one thread where the owner steps
 * the engine itself. SPDX-License-Identifier: MIT */
#ifndef LOOMTA_JOB_H
#define LOOMTA_JOB_H

#include "bell.h"
#include "failure.h"
#include "outcome.h"
#include "request.h"
#include "retry.h"
#include "transfer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loomta_mailbox;

enum loomta_job_state {
    LOOMTA_JOB_QUEUED,  /* no attempt has begun */
    LOOMTA_JOB_RUNNING, /* an attempt is under way */
    LOOMTA_JOB_WAITING, /* for the next attempt */
    LOOMTA_JOB_DONE,
};

/* What the owner may ask of the worker; several at once. */
enum loomta_job_ask {
    LOOMTA_ASK_SUBMIT = 1,
    LOOMTA_ASK_RESUME = 2, /* its source was fed */
    LOOMTA_ASK_CANCEL = 4,
    LOOMTA_ASK_AWAIT = 8,   /* somebody will connect to wait for it */
    LOOMTA_ASK_RECALL = 16, /* cancel it, if no attempt has begun */
};

struct loomta_job {
    atomic_int references;
    unsigned process;               /* that made it */
    uint64_t id;                    /* never given twice in a process */
    struct loomta_mailbox *mailbox; /* where its owner hears of it; a reference. NULL: the owner steps the engine */

    /* Set before it is submitted. */
    int64_t timeout_ms, idle_timeout_ms; /* 0: none */
    int64_t delay_ms;                    /* before the first attempt */
    struct loomta_retry_policy policy;
    bool wants_progress;
    bool urgent; /* does not wait for its turn */

    /* The engine's side. */
    struct loomta_request *request; /* owned; NULL once the job is done */
    struct loomta_transfer transfer;
    enum loomta_job_state state;
    int attempts; /* begun */
    int64_t submitted_us, began_us, retry_at_us;
    bool without_expect;        /* the last attempt was refused for it */
    bool maybe_stored;          /* some attempt may have been */
    int64_t told_us, told_sent; /* when the owner heard of progress, and of how much */
    struct loomta_job *next_expected;
    int waiter_fd;                /* a connection that waits for it; -1: none. Not owned */
    struct loomta_engine *engine; /* that runs it, NULL: none */
    struct loomta_lane *lane;     /* it is under way, or queued, in */
    struct loomta_job *next, *previous;

    /* What the owner's side may see. Written by the engine's side, under the lock. */
    pthread_mutex_t lock;
    struct {
        enum loomta_job_state state;
        int attempts;
        int ended;         /* attempts that have: the outcome is that of the last one */
        int64_t sent;      /* bytes of the source, in this attempt */
        bool progress_due; /* the owner wants to hear of it */
        struct loomta_outcome outcome;
    } seen;
    struct loomta_bell bell; /* rung with the mailbox's; closed unless the owner has one for this job */

    bool posted; /* guarded by the mailbox's lock, as the next */
    struct loomta_job *next_posted;
    unsigned asked; /* loomta_job_ask; guarded by the worker's lock, as the next */
    struct loomta_job *next_asked;
};

/* A job with one reference, the caller's, that holds a copy of `request` and, when that worked, takes `body` over. NULL:
 * out of memory. `mailbox`: NULL, or its owner's; held. */
struct loomta_job *loomta_job_new(const struct loomta_request *request, struct loomta_body *body,
                                  struct loomta_mailbox *mailbox);

void loomta_job_hold(struct loomta_job *job);

/* Gives a reference back; the last one frees the job. Any thread; NULL is fine. */
void loomta_job_release(struct loomta_job *job);

/* --- the engine's side --- */

/* Begins the first or next attempt; the caller gives the easy handle to its multi. `may_expect`: the server is not known
 * to ignore Expect; `buffer_bytes`: see loomta_transfer_begin. False: the job is done with a failure. */
bool loomta_job_begin(struct loomta_job *job, bool may_expect, int64_t buffer_bytes);

/* Takes the end of an attempt (or of a job that has had none), the handle being out of the multi: the job waits or is done
 * afterwards. */
void loomta_job_end_attempt(struct loomta_job *job, CURLcode result, enum loomta_abort abort);

/* Publishes state and progress. A job that is done must not be touched by the engine's side afterwards. */
void loomta_job_publish(struct loomta_job *job);

/* Wakes the owner, wherever it waits. */
void loomta_job_tell(struct loomta_job *job);

/* When timeoutMs is over, in the monotonic clock's microseconds; INT64_MAX: never. */
int64_t loomta_job_deadline_us(const struct loomta_job *job);

/* When something must happen without any byte moving; INT64_MAX: never. */
int64_t loomta_job_due_us(const struct loomta_job *job);

/* Why a job that is under way has to be ended at `now_us`; LOOMTA_ABORT_NONE: it need not. */
enum loomta_abort loomta_job_overdue(const struct loomta_job *job, int64_t now_us);

/* Does the owner have to hear something now: of progress, of a source that has become hungry? Says so once. */
bool loomta_job_has_news(struct loomta_job *job, int64_t now_us);

/* --- the owner's side --- */

struct loomta_job_view {
    enum loomta_job_state state;
    int attempts, ended;
    int64_t sent;
    bool progress_due;
    bool hungry; /* loomta_job_feed would be welcome */
};

/* Is it a job of the parent's worker, and this a child of fork()? */
bool loomta_job_is_foreign(const struct loomta_job *job);

/* A foreign job looks done, and its outcome canceled. */
struct loomta_job_view loomta_job_look(struct loomta_job *job);

/* The same, for an owner who is about to do what is due: that counts as heard. */
struct loomta_job_view loomta_job_attend(struct loomta_job *job);

/* Moves the outcome of the last ended attempt, to be cleared by the caller. */
void loomta_job_take_outcome(struct loomta_job *job, struct loomta_outcome *outcome);

/* From now on this bell, too, rings when the job needs its owner, until the owner attends to it. It is duplicated; false, with errno,
 * when the system refuses that. */
bool loomta_job_ring_on(struct loomta_job *job, const struct loomta_bell *bell);

/* The owner goes: what it lent is not read any more. */
void loomta_job_revoke(struct loomta_job *job);

#endif
