/* Those who wait for a job on a connection of their own: hosts such as nginx, which let a request wait for a socket and for
 * nothing else. They connect to a unix socket that only this process can reach, and name a job; then each byte that comes
 * says that the job needs its owner. Whoever hangs up without a goodbye has been killed, and its job is canceled.
 *
 * Their words: the job's id in decimal and a line feed; a full stop for goodbye, which is answered by one.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_WAITERS_H
#define LOOMTA_WAITERS_H

#include "engine.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct loomta_waiters {
    /* -1: closed. Opened by any thread under the worker's lock. */
    atomic_int listener;
    int path_fd; /* the socket's place, whose name is gone: reached as /proc/self/fd/N */

    /* The worker's thread alone: */
    struct waiter *list;
    size_t count, capacity;
    struct curl_waitfd *polled;  /* the listener and each of the list */
    struct loomta_job *expected; /* said to be waited for soon, linked by next_expected; a reference on each */
};

void loomta_waiters_init(struct loomta_waiters *waiters);

/* Opens the socket unless it is open. The descriptor by which it is reached; -1 where the system has no such thing. */
int loomta_waiters_open(struct loomta_waiters *waiters);

/* Somebody will come and name this job. */
void loomta_waiters_expect(struct loomta_waiters *waiters, struct loomta_job *job);

/* What to poll; valid until the next call of any of these. */
struct curl_waitfd *loomta_waiters_polled(struct loomta_waiters *waiters, unsigned *count);

/* Lets in who came, reads what they say, cancels the jobs of those who are gone. Without anything to do it is cheap. */
void loomta_waiters_serve(struct loomta_waiters *waiters, struct loomta_engine *engine);

/* Hangs up on all, and closes the socket. */
void loomta_waiters_close(struct loomta_waiters *waiters);

#endif
