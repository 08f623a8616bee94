/* The one thread of a process that runs jobs whose owner must not block: an engine, and an inbox before it. It starts with
 * the first mailbox that joins and ends by itself when the last one has left. It never sees Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_WORKER_H
#define LOOMTA_WORKER_H

#include "job.h"
#include "mailbox.h"

/* All of these may be called on any thread, and none waits for the worker. */

/* Gives a new mailbox to the worker, starting it if need be. 0, or the system's error number. */
int loomta_worker_join(struct loomta_mailbox *mailbox);

/* Takes a mailbox back: all its jobs are canceled. Idempotent. */
void loomta_worker_leave(struct loomta_mailbox *mailbox);

/* Asks for something to be done with a job (of loomta_job_ask) whose mailbox has joined; once it has left, or in a child of
 * fork(), nothing happens. */
void loomta_worker_ask(struct loomta_job *job, unsigned what);

/* Says that somebody in this process is about to connect to the worker's private socket and wait for the job there. Gives
 * the descriptor N by which it is reached, as "/proc/self/fd/N" (not ours to close); -1 where that cannot be. */
int loomta_worker_await(struct loomta_job *job);

#endif
