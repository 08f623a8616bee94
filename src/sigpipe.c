/* Keeps SIGPIPE, which OpenSSL's writes may raise, from the host while libcurl runs on the host's thread.
 * SPDX-License-Identifier: MIT */
#include "sigpipe.h"

#include <pthread.h>
#include <stddef.h>

#ifndef _WIN32
static bool is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void only_sigpipe(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void loomta_sigpipe_block(struct loomta_sigpipe *guard)
{
    sigset_t set;

    only_sigpipe(&set);
    pthread_sigmask(SIG_BLOCK, &set, &guard->before);
    /* One that was not blocked is not pending either. */
    guard->was_pending = sigismember(&guard->before, SIGPIPE) == 1 && is_pending();
}

void loomta_sigpipe_restore(const struct loomta_sigpipe *guard)
{
    if (!guard->was_pending && is_pending()) {
        sigset_t set;
        int taken;
        only_sigpipe(&set);
        sigwait(&set, &taken);
    }
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
#else
void loomta_sigpipe_block(struct loomta_sigpipe *guard)
{
    guard->was_pending = false;
}

void loomta_sigpipe_restore(const struct loomta_sigpipe *guard)
{
    (void)guard;
}
#endif
