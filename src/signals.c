/* Counts signals instead of dying of them.
 * SPDX-License-Identifier: MIT */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static const int numbers[LOOMTA_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

static atomic_flag owned = ATOMIC_FLAG_INIT;
static volatile sig_atomic_t counts[LOOMTA_SIGNALS];
static struct sigaction before[LOOMTA_SIGNALS];

static void on_signal(int number)
{
    for (size_t i = 0; i < LOOMTA_SIGNALS; i++)
        if (numbers[i] == number)
            counts[i]++;
}

bool loomta_signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: whoever waits is to look */

    if (atomic_flag_test_and_set(&owned))
        return false;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < LOOMTA_SIGNALS; i++) {
        counts[i] = 0;
        sigaction(numbers[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
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
    atomic_flag_clear(&owned);
}
