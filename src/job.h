/* One call of the API with all its attempts: a transfer, and the decision what to do when an attempt ends.
 * Belongs to one thread at a time; an engine runs it.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_JOB_H
#define LOOMTA_JOB_H

#include "failure.h"
#include "retry.h"
#include "transfer.h"

#include <stdbool.h>
#include <stdint.h>

enum loomta_job_state {
    LOOMTA_JOB_NEW,
    LOOMTA_JOB_RUNNING, /* an attempt is under way */
    LOOMTA_JOB_WAITING, /* for the next attempt; `failure` is what ended the last one */
    LOOMTA_JOB_DONE,    /* `failure` says how, its code is NULL after a success */
};

struct loomta_job {
    struct loomta_transfer transfer;
    struct loomta_retry_policy policy;
    int64_t timeout_ms, idle_timeout_ms; /* 0: none */

    enum loomta_job_state state;
    int attempts;
    int64_t began_us, ended_us, retry_at_us;
    CURLcode result;               /* of the last attempt that ended */
    struct loomta_failure failure; /* of the last attempt that ended */
    bool maybe_stored;             /* some attempt may have been */

    struct loomta_engine *engine; /* the one that runs it, NULL: none */
    struct loomta_job *next, *previous;
};

/* Begins the first or next attempt; the caller gives the easy handle to its multi. `may_expect`: the server is not known
 * to ignore Expect. False: the job is done with a failure. */
bool loomta_job_begin(struct loomta_job *job, bool may_expect);

/* Ends a job that could not be set up. */
void loomta_job_fail(struct loomta_job *job, CURLcode result);

/* Takes the end of an attempt, the handle being out of the multi: the job waits or is done afterwards. */
void loomta_job_end_attempt(struct loomta_job *job, CURLcode result, enum loomta_abort abort);

/* When something must happen without any byte moving, in the monotonic clock's microseconds; INT64_MAX: never. */
int64_t loomta_job_due_us(const struct loomta_job *job);

/* Why a running attempt has to be ended at `now_us`; LOOMTA_ABORT_NONE: it need not. */
enum loomta_abort loomta_job_overdue(const struct loomta_job *job, int64_t now_us);

/* Frees all that it holds. Must not be with an engine any more. */
void loomta_job_close(struct loomta_job *job);

#endif
