/* Keeps SIGPIPE, which OpenSSL's writes may raise, from the host while libcurl runs on the host's thread.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SIGPIPE_H
#define LOOMTA_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct loomta_sigpipe {
#ifndef _WIN32       /* which has no such signal */
    sigset_t before; /* the thread's mask */
#endif
    bool was_pending; /* one that is not ours to drop */
};

/* Blocks it for the calling thread. */
void loomta_sigpipe_block(struct loomta_sigpipe *guard);

/* Drops one that came since, and gives the thread its mask back. */
void loomta_sigpipe_restore(const struct loomta_sigpipe *guard);

#endif
