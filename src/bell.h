/* A descriptor that one thread makes readable so that another, in whatever loop it sits, wakes up.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_BELL_H
#define LOOMTA_BELL_H

#include <stdbool.h>

/* An eventfd where the system has them (both fields are the same then), else a pipe. Neither survives exec. */
struct loomta_bell {
    int read_fd, write_fd; /* -1: closed */
};

#define LOOMTA_BELL_CLOSED ((struct loomta_bell){-1, -1})

/* False when the system gives no descriptor, see errno; the bell is closed then. */
bool loomta_bell_open(struct loomta_bell *bell);

/* Opens `copy` as another handle on the same bell. False, with errno, when the system refuses that. */
bool loomta_bell_duplicate(const struct loomta_bell *bell, struct loomta_bell *copy);

/* Makes read_fd readable. Any thread; never blocks; nothing happens to a closed one. */
void loomta_bell_ring(const struct loomta_bell *bell);

/* Makes it unreadable again. */
void loomta_bell_silence(const struct loomta_bell *bell);

/* Idempotent. */
void loomta_bell_close(struct loomta_bell *bell);

#endif
