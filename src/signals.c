/* Counts signals instead of dying of them.
 * SPDX-License-Identifier: MIT */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#ifndef _WIN32
static const int numbers[LOOMTA_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

static atomic_flag owned = ATOMIC_FLAG_INIT;
static volatile sig_atomic_t counts[LOOMTA_SIGNALS];
static struct sigaction before[LOOMTA_SIGNALS], pipe_before;

static void on_signal(int number)
{
    for (size_t i = 0; i < LOOMTA_SIGNALS; i++)
        if (numbers[i] == number)
            counts[i]++;
}

static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* A shell without job control starts background commands with SIGINT and SIGQUIT ignored. Lua's interpreters put a handler
 * over the first all the same, the second still tells. */
static bool began_ignored(int number)
{
    return is_ignored(number) || (number == SIGINT && is_ignored(SIGQUIT));
}

bool loomta_signals_catch(void)
{
    struct sigaction action = {0}; /* no SA_RESTART: whoever waits is to look */

    if (atomic_flag_test_and_set(&owned))
        return false;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < LOOMTA_SIGNALS; i++) {
        counts[i] = 0;
        action.sa_handler = began_ignored(numbers[i]) ? SIG_IGN : on_signal;
        sigaction(numbers[i], &action, &before[i]);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &pipe_before);
    return true;
}

int loomta_signals_count(enum loomta_signal signal)
{
    return counts[signal];
}

void loomta_signals_restore(void)
{
    for (size_t i = 0; i < LOOMTA_SIGNALS; i++)
        sigaction(numbers[i], &before[i], NULL);
    sigaction(SIGPIPE, &pipe_before, NULL);
    atomic_flag_clear(&owned);
}
#else
bool loomta_signals_catch(void)
{
    return true;
}

int loomta_signals_count(enum loomta_signal signal)
{
    (void)signal;
    return 0;
}

void loomta_signals_restore(void)
{
}
#endif
