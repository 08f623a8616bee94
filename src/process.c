/* Tells a process from the ones that it was forked from, without asking the system each time.
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#ifndef _WIN32 /* where there is no fork() */
static void count(void)
{
    atomic_fetch_add(&generation, 1);
}
#endif

static void watch_forks(void)
{
#ifndef _WIN32
    pthread_atfork(NULL, NULL, count);
#endif
}

unsigned loomta_process_generation(void)
{
    pthread_once(&once, watch_forks);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
