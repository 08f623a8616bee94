/* The one thread of a process that runs jobs whose owner must not block.
 * SPDX-License-Identifier: MIT */
#include "worker.h"

#include "clock.h"
#include "engine.h"
#include "platform.h"
#include "process.h"
#include "waiters.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* With nothing to do it sleeps this long; whoever wants something wakes it. */
enum { SLEEP_MS = 60 * 1000 };

/* How long exit() waits for the thread: it needs milliseconds, unless a disk or an old libcurl's resolver hangs. */
enum { EXIT_WAIT_S = 2 };

struct loomta_worker {
    pthread_t thread;
    struct loomta_engine *engine;
    struct loomta_waiters waiters; /* the thread's, once it is open */

    /* Guarded by process.lock: */
    int users;                            /* mailboxes that have joined and not left */
    bool stopping, stopped;               /* told to end; has ended */
    struct loomta_job *first, *last;      /* that were asked for something, linked by next_asked, a reference on each */
    struct loomta_mailbox *first_closing; /* that have left, linked by next_closing, a reference on each */
    struct loomta_worker *next;           /* of those that were told to end */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    struct loomta_worker *current; /* that takes new jobs; NULL: none runs */
    struct loomta_worker *leaving; /* told to end, not joined yet */
    bool exiting;                  /* no more are started */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER};

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* Takes one job out of the inbox, with what was asked and a reference; NULL: it is empty. */
static struct loomta_job *take_asked(struct loomta_worker *worker, unsigned *what)
{
    pthread_mutex_lock(&process.lock);
    struct loomta_job *job = worker->first;
    if (job) {
        worker->first = job->next_asked;
        if (!worker->first)
            worker->last = NULL;
        *what = job->asked;
        job->asked = 0;
    }
    pthread_mutex_unlock(&process.lock);
    return job;
}

static struct loomta_mailbox *take_closing(struct loomta_worker *worker)
{
    pthread_mutex_lock(&process.lock);
    struct loomta_mailbox *mailbox = worker->first_closing;
    if (mailbox)
        worker->first_closing = mailbox->next_closing;
    pthread_mutex_unlock(&process.lock);
    return mailbox;
}

static void read_inbox(struct loomta_worker *worker)
{
    struct loomta_engine *engine = worker->engine;
    struct loomta_mailbox *mailbox;
    struct loomta_job *job;
    unsigned what;

    while ((job = take_asked(worker, &what))) {
        if (what & LOOMTA_ASK_SUBMIT)
            loomta_engine_submit(engine, job);
        if (what & LOOMTA_ASK_RESUME)
            loomta_engine_resume(engine, job);
        if ((what & LOOMTA_ASK_CANCEL) || ((what & LOOMTA_ASK_RECALL) && job->attempts == 0))
            loomta_engine_cancel(engine, job);
        if (what & LOOMTA_ASK_AWAIT)
            loomta_waiters_expect(&worker->waiters, job);
        loomta_job_release(job);
    }
    while ((mailbox = take_closing(worker))) {
        loomta_engine_cancel_all(engine, mailbox);
        loomta_mailbox_release(mailbox);
    }
}

static bool must_stop(const struct loomta_worker *worker)
{
    pthread_mutex_lock(&process.lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&process.lock);
    return stopping;
}

/* How long the next step may take. */
static int step_ms(const struct loomta_worker *worker)
{
    int64_t left_us = loomta_waiters_due_us(&worker->waiters) - loomta_now_us();

    if (left_us >= (int64_t)SLEEP_MS * 1000)
        return SLEEP_MS;
    return left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
}

static void *run(void *user)
{
    struct loomta_worker *worker = user;
    unsigned count;

    do {
        read_inbox(worker);
        struct curl_waitfd *watched = loomta_waiters_polled(&worker->waiters, &count);
        loomta_engine_watch(worker->engine, watched, count);
        loomta_engine_step(worker->engine, step_ms(worker));
        loomta_waiters_serve(&worker->waiters, worker->engine);
    } while (!must_stop(worker));

    read_inbox(worker);
    loomta_engine_free(worker->engine);
    loomta_waiters_close(&worker->waiters);
    pthread_mutex_lock(&process.lock);
    worker->stopped = true;
    pthread_cond_broadcast(&process.stopped);
    pthread_mutex_unlock(&process.lock);
    return NULL;
}

/* --- its life; process.lock is held in these ----------------------------------------------------------------------- */

static void tell_to_stop(struct loomta_worker *worker)
{
    worker->stopping = true;
    worker->next = process.leaving;
    process.leaving = worker;
    if (process.current == worker)
        process.current = NULL;
    loomta_engine_interrupt(worker->engine);
}

/* Frees those that have ended. Nobody can reach them any more: their last user had left. */
static void bury(void)
{
    struct loomta_worker **link = &process.leaving;

    while (*link) {
        struct loomta_worker *worker = *link;
        if (!worker->stopped) {
            link = &worker->next;
            continue;
        }
        *link = worker->next;
        pthread_join(worker->thread, NULL);
        free(worker);
    }
}

static bool any_alive(void)
{
    for (const struct loomta_worker *worker = process.leaving; worker; worker = worker->next)
        if (!worker->stopped)
            return true;
    return false;
}

/* The host may end while jobs are under way. TLS libraries clean up at exit, too: the thread must be gone before that. What
 * it leaves stays, for states that are closed later still. */
static void at_exit(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += EXIT_WAIT_S;
    pthread_mutex_lock(&process.lock);
    process.exiting = true;
    if (process.current)
        tell_to_stop(process.current);
    while (any_alive())
        if (pthread_cond_timedwait(&process.stopped, &process.lock, &until) != 0)
            break;
    for (const struct loomta_worker *worker = process.leaving; worker; worker = worker->next)
        if (worker->stopped)
            pthread_join(worker->thread, NULL);
    pthread_mutex_unlock(&process.lock);
}

#ifndef _WIN32
static void before_fork(void)
{
    pthread_mutex_lock(&process.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&process.lock);
}

/* The threads stayed with the parent. What they worked on is left alone: see loomta_job_look. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&process.lock, NULL);
    pthread_cond_init(&process.stopped, NULL);
    process.current = process.leaving = NULL;
}
#endif

/* Once a process, with libcurl set up: handlers of exit() run in the opposite order. */
static void register_handlers(void)
{
    atexit(at_exit);
#ifndef _WIN32
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
#endif
}

static int start_thread(struct loomta_worker *worker)
{
#ifdef _WIN32
    int error = pthread_create(&worker->thread, NULL, run, worker);
#else
    sigset_t all, before;

    /* Signals are the host's. The thread inherits the mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
#endif
#ifdef LOOMTA_LINUX
    if (error == 0)
        pthread_setname_np(worker->thread, "loomta");
#endif
    return error;
}

static int start_worker(void)
{
    struct loomta_worker *worker = calloc(1, sizeof *worker);
    int error = ENOMEM;

    if (worker && (worker->engine = loomta_engine_new())) {
        loomta_waiters_init(&worker->waiters);
        /* Short of descriptors libcurl makes an engine that nothing wakes. */
        error = loomta_engine_interrupt(worker->engine) ? start_thread(worker) : EMFILE;
    }
    if (error == 0) {
        process.current = worker;
        return 0;
    }
    if (worker)
        loomta_engine_free(worker->engine);
    free(worker);
    return error;
}

/* --- what others may call ----------------------------------------------------------------------------------------- */

int loomta_worker_join(struct loomta_mailbox *mailbox)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int error;

    if (!loomta_transfer_global_init())
        return ENOMEM;
    pthread_once(&once, register_handlers);
    pthread_mutex_lock(&process.lock);
    if (process.exiting) {
        error = ECANCELED;
    } else {
        bury();
        error = process.current ? 0 : start_worker();
    }
    if (error == 0) {
        process.current->users++;
        mailbox->worker = process.current;
    }
    pthread_mutex_unlock(&process.lock);
    return error;
}

void loomta_worker_leave(struct loomta_mailbox *mailbox)
{
    if (mailbox->process != loomta_process_generation())
        return;
    pthread_mutex_lock(&process.lock);
    struct loomta_worker *worker = mailbox->worker;
    mailbox->worker = NULL;
    if (worker && !worker->stopping) {
        loomta_mailbox_hold(mailbox);
        mailbox->next_closing = worker->first_closing;
        worker->first_closing = mailbox;
        if (--worker->users == 0)
            tell_to_stop(worker);
        else
            loomta_engine_interrupt(worker->engine);
    }
    pthread_mutex_unlock(&process.lock);
}

void loomta_worker_ask(struct loomta_job *job, unsigned what)
{
    if (job->process != loomta_process_generation())
        return;
    pthread_mutex_lock(&process.lock);
    struct loomta_worker *worker = job->mailbox->worker;
    if (worker && !worker->stopping) {
        if (job->asked == 0) {
            loomta_job_hold(job);
            job->next_asked = NULL;
            if (worker->last)
                worker->last->next_asked = job;
            else
                worker->first = job;
            worker->last = job;
        }
        job->asked |= what;
        loomta_engine_interrupt(worker->engine);
    }
    pthread_mutex_unlock(&process.lock);
}

int loomta_worker_await(struct loomta_job *job)
{
    int fd = -1;

    if (job->process != loomta_process_generation())
        return -1;
    pthread_mutex_lock(&process.lock);
    struct loomta_worker *worker = job->mailbox->worker;
    if (worker && !worker->stopping)
        fd = loomta_waiters_open(&worker->waiters);
    pthread_mutex_unlock(&process.lock);
    if (fd >= 0)
        loomta_worker_ask(job, LOOMTA_ASK_AWAIT);
    return fd;
}
