/* Those who wait for a job on a connection of their own: hosts such as nginx, which let a request wait for a socket and for
 * nothing else. They connect to a unix socket that only this process can reach, and name a job; then each byte that comes
 * says that the job needs its owner. Whoever hangs up before the job has ended has been killed, and the job is canceled;
 * unless it was told that its time is over.
 *
 * A waiter says one line: the job's id, a blank, and for how many ms it waits (0: without limit). It hears "!" for each
 * time that it should look, and "." when its time is over.
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
    int spare_fd;          /* for who comes when the system has no more descriptors; opened with the socket */
    int64_t deaf_until_us; /* without it the listener is left alone for a while */
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

/* Tells a waiter to look. Any thread that takes no SIGPIPE. */
void loomta_waiters_wake(int fd);

/* When something is to be done though nobody says anything, in the monotonic clock's microseconds; INT64_MAX: never. */
int64_t loomta_waiters_due_us(const struct loomta_waiters *waiters);

/* Lets in who came, reads what they say, cancels the jobs of those who are gone, tells those whose time is over. */
void loomta_waiters_serve(struct loomta_waiters *waiters, struct loomta_engine *engine);

/* Hangs up on all, and closes the socket. */
void loomta_waiters_close(struct loomta_waiters *waiters);

#endif
