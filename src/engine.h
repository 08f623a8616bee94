/* Runs jobs: one curl_multi, whose connections and TLS sessions stay for the next job, and one step. A blocking call
 * steps it on the caller's thread; the worker's thread is a loop around the same step.
 * One thread at a time, but for loomta_engine_interrupt. SPDX-License-Identifier: MIT */
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

/* Starts a new job, or lets one that is not urgent wait for its turn in its mailbox's lane; holds a reference until it is done. */
void loomta_engine_submit(struct loomta_engine *engine, struct loomta_job *job);

/* Works until the owner of a job has to hear something (its state changed, it became hungry, progress is due), or
 * `timeout_ms` have passed (so without jobs it just waits). Says whether that was so.
 * SIGPIPE is kept from the calling thread. */
bool loomta_engine_step(struct loomta_engine *engine, int timeout_ms);

/* Makes a step return early, also one that has not begun yet. Any thread. False: libcurl has not got the descriptors for
 * that, and never will. */
bool loomta_engine_interrupt(struct loomta_engine *engine);

/* Makes a step return also when one of these descriptors is ready; they are borrowed until this is called again. */
void loomta_engine_watch(struct loomta_engine *engine, struct curl_waitfd *descriptors, unsigned count);

/* Wakes a job whose source was fed. One that is still hungry is asked again a little later. */
void loomta_engine_resume(struct loomta_engine *engine, struct loomta_job *job);

/* Ends a job now, with code "canceled"; nothing happens to one that is done. */
void loomta_engine_cancel(struct loomta_engine *engine, struct loomta_job *job);

/* Ends all jobs of a mailbox, also those queued, and those still to be submitted. The caller holds a reference on it. */
void loomta_engine_cancel_all(struct loomta_engine *engine, struct loomta_mailbox *mailbox);

/* Cancels what still runs, closes all connections, frees the engine. NULL is fine. */
void loomta_engine_free(struct loomta_engine *engine);

#endif
