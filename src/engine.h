/* Runs jobs: one curl_multi, whose connections and TLS sessions stay for the next job, and one step. A blocking call
 * steps it on the caller's thread; a worker thread would be a loop around the same step.
 * One thread at a time. SPDX-License-Identifier: MIT */
#ifndef LOOMTA_ENGINE_H
#define LOOMTA_ENGINE_H

#include "job.h"

#include <stdbool.h>

struct loomta_engine;

/* NULL: out of memory. An engine belongs to the process that made it: in a child of fork() it ends its jobs as canceled,
 * and leaves connections, which are the parent's, untouched. */
struct loomta_engine *loomta_engine_new(void);

/* Is it of this process? */
bool loomta_engine_is_ours(const struct loomta_engine *engine);

/* Starts a new job, which stays the caller's and must stay where it is until it is done or withdrawn. A job that cannot
 * start is done at once. */
void loomta_engine_submit(struct loomta_engine *engine, struct loomta_job *job);

/* Works until a job changed its state or became hungry, or `timeout_ms` have passed (so without jobs it just waits).
 * Says whether one did.
 * SIGPIPE is kept from the calling thread. */
bool loomta_engine_step(struct loomta_engine *engine, int timeout_ms);

/* Wakes a job whose source has just been fed. */
void loomta_engine_resume(struct loomta_engine *engine, struct loomta_job *job);

/* Ends a job now, with code "canceled"; nothing happens to one that is done. */
void loomta_engine_cancel(struct loomta_engine *engine, struct loomta_job *job);

/* Cancels what still runs, closes all connections, frees the engine. Jobs stay their owners'. NULL is fine. */
void loomta_engine_free(struct loomta_engine *engine);

#endif
