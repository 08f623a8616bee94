/* Those who wait for a job on a connection of their own.
 * SPDX-License-Identifier: MIT */
#include "waiters.h"

#include "clock.h"
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 48, DEAF_US = 10 * 1000 };

struct waiter {
    int fd;
    struct loomta_job *job; /* a reference; NULL: not named yet, or over */
    int64_t due_us;         /* when its time is over; INT64_MAX: never */
    char said[LINE_SIZE];   /* so far, of its line */
    size_t length;
};

void loomta_waiters_init(struct loomta_waiters *waiters)
{
    *waiters = (struct loomta_waiters){.path_fd = -1, .spare_fd = -1};
    atomic_init(&waiters->listener, -1);
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

#ifdef LOOMTA_LINUX
#include <sys/un.h>

/* Binds in a folder of our own, opens the place, and removes both names. False: not in this parent folder. */
static bool bind_in(const char *parent, int listener, int *path_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[sizeof address.sun_path - sizeof "/s"];

    int length = snprintf(folder, sizeof folder, "%s/loomta-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof folder || !mkdtemp(folder))
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0) {
        *path_fd = open(address.sun_path, O_PATH | O_CLOEXEC);
        unlink(address.sun_path);
    }
    rmdir(folder);
    return *path_fd >= 0;
}

int loomta_waiters_open(struct loomta_waiters *waiters)
{
    const char *const parents[] = {getenv("TMPDIR"), "/tmp", "/dev/shm", "/var/tmp"};

    if (waiters->spare_fd < 0 && (waiters->spare_fd = open_spare()) < 0)
        return -1;
    for (size_t i = 0; waiters->path_fd < 0 && i < sizeof parents / sizeof *parents; i++) {
        if (!parents[i])
            continue;
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (listener < 0)
            return -1;
        if (bind_in(parents[i], listener, &waiters->path_fd) && listen(listener, SOMAXCONN) == 0) {
            atomic_store(&waiters->listener, listener);
            break;
        }
        close(listener);
        if (waiters->path_fd >= 0)
            close(waiters->path_fd);
        waiters->path_fd = -1;
    }
    return waiters->path_fd;
}

static bool is_this_process(int fd)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == getpid();
}

static int accept_one(int listener)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
#else
int loomta_waiters_open(struct loomta_waiters *waiters)
{
    (void)waiters;
    return -1;
}

static bool is_this_process(int fd)
{
    (void)fd;
    return false;
}

static int accept_one(int listener)
{
    (void)listener;
    errno = ENOSYS;
    return -1;
}
#endif

/* --- who waits ---------------------------------------------------------------------------------------------------- */

/* Room for one more; false: out of memory. */
static bool grow(struct loomta_waiters *waiters)
{
    if (waiters->count < waiters->capacity)
        return true;
    size_t capacity = waiters->capacity ? waiters->capacity * 2 : 16;
    struct waiter *grown = realloc(waiters->list, capacity * sizeof *grown);
    if (!grown)
        return false;
    waiters->list = grown;
    waiters->capacity = capacity;
    return true;
}

/* Takes the job at `link` out of those expected, with the list's reference. */
static struct loomta_job *take_expected(struct loomta_job **link)
{
    struct loomta_job *job = *link;

    *link = job->next_expected;
    job->next_expected = NULL;
    return job;
}

void loomta_waiters_expect(struct loomta_waiters *waiters, struct loomta_job *job)
{
    struct loomta_job **link = &waiters->expected;
    bool expected = false;

    /* Those who were killed on their way here never come. */
    while (*link) {
        expected |= *link == job;
        if ((*link)->state == LOOMTA_JOB_DONE)
            loomta_job_release(take_expected(link));
        else
            link = &(*link)->next_expected;
    }
    /* Whoever names a job that is not expected, because it is done, is told at once to look at it. */
    if (expected || job->state == LOOMTA_JOB_DONE)
        return;
    loomta_job_hold(job);
    *link = job;
}

struct curl_waitfd *loomta_waiters_polled(struct loomta_waiters *waiters, unsigned *count)
{
    int listener = atomic_load(&waiters->listener);

    *count = 0;
    if (listener < 0)
        return NULL;
    free(waiters->polled);
    waiters->polled = malloc((waiters->count + 1) * sizeof *waiters->polled);
    struct curl_waitfd *polled = waiters->polled;
    if (!polled)
        return NULL;
    if (waiters->deaf_until_us <= loomta_now_us())
        waiters->deaf_until_us = 0;
    polled[0] = (struct curl_waitfd){.fd = listener, .events = waiters->deaf_until_us > 0 ? 0 : CURL_WAIT_POLLIN};
    for (size_t i = 0; i < waiters->count; i++)
        polled[i + 1] = (struct curl_waitfd){.fd = waiters->list[i].fd, .events = CURL_WAIT_POLLIN};
    *count = (unsigned)waiters->count + 1;
    return polled;
}

/* Without descriptors nobody could come in, and the listener would call again and again. Whoever is let in and shut out at
 * once looks after its job in another way, and needs no descriptor for it. */
static void shut_out(struct loomta_waiters *waiters)
{
    close(waiters->spare_fd);
    int fd = accept_one(atomic_load(&waiters->listener));
    if (fd >= 0)
        close(fd);
    waiters->spare_fd = open_spare();
}

static void let_in(struct loomta_waiters *waiters)
{
    int fd;

    if (waiters->spare_fd < 0)
        waiters->spare_fd = open_spare();
    while ((fd = accept_one(atomic_load(&waiters->listener))) >= 0) {
        if (!is_this_process(fd) || !grow(waiters)) {
            close(fd);
            continue;
        }
        waiters->list[waiters->count++] = (struct waiter){.fd = fd, .due_us = INT64_MAX};
    }
    if (errno != EMFILE && errno != ENFILE)
        return;
    if (waiters->spare_fd >= 0)
        shut_out(waiters);
    if (waiters->spare_fd < 0)
        waiters->deaf_until_us = loomta_now_us() + DEAF_US;
}

static void say(int fd, const char *word)
{
    (void)!send(fd, word, 1, MSG_DONTWAIT);
}

void loomta_waiters_wake(int fd)
{
    say(fd, "!");
}

static void detach(struct waiter *waiter)
{
    if (!waiter->job)
        return;
    waiter->job->waiter_fd = -1;
    loomta_job_release(waiter->job);
    waiter->job = NULL;
}

/* The job of this id, if it is expected, with a reference. */
static struct loomta_job *find_expected(struct loomta_waiters *waiters, uint64_t id)
{
    for (struct loomta_job **link = &waiters->expected; *link; link = &(*link)->next_expected)
        if ((*link)->id == id)
            return take_expected(link);
    return NULL;
}

/* Its line is complete. */
static void attach(struct loomta_waiters *waiters, struct waiter *waiter)
{
    char *end;

    waiter->said[waiter->length] = '\0';
    uint64_t id = strtoull(waiter->said, &end, 10);
    int64_t wait_ms = strtoll(end, NULL, 10);
    if (wait_ms > 0)
        waiter->due_us = loomta_now_us() + wait_ms * 1000;
    waiter->job = find_expected(waiters, id);
    if (waiter->job)
        waiter->job->waiter_fd = waiter->fd;
    loomta_waiters_wake(waiter->fd); /* something may have happened on the way */
}

/* Reads what a waiter says; false: it is gone. */
static bool listen_to(struct loomta_waiters *waiters, struct waiter *waiter, struct loomta_engine *engine)
{
    char words[LINE_SIZE];
    ssize_t got = recv(waiter->fd, words, sizeof words, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0) {
        if (waiter->job)
            loomta_engine_cancel(engine, waiter->job);
        return false;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (words[i] == '\n')
            attach(waiters, waiter);
        else if (waiter->length + 1 < sizeof waiter->said)
            waiter->said[waiter->length++] = words[i];
    }
    return true;
}

int64_t loomta_waiters_due_us(const struct loomta_waiters *waiters)
{
    int64_t due_us = waiters->deaf_until_us > 0 ? waiters->deaf_until_us : INT64_MAX;

    for (size_t i = 0; i < waiters->count; i++)
        due_us = loomta_earlier(due_us, waiters->list[i].due_us);
    return due_us;
}

/* Its time is over: from now on it may hang up. */
static void dismiss(struct waiter *waiter)
{
    detach(waiter);
    waiter->due_us = INT64_MAX;
    say(waiter->fd, ".");
}

void loomta_waiters_serve(struct loomta_waiters *waiters, struct loomta_engine *engine)
{
    size_t count = waiters->count;
    int64_t now_us = loomta_now_us();

    /* Only what was polled has something to say; from the end, so that the last can fill a gap. */
    if (!waiters->polled || atomic_load(&waiters->listener) < 0)
        return;
    for (size_t i = count; i-- > 0;) {
        struct waiter *waiter = &waiters->list[i];
        if (waiters->polled[i + 1].revents == 0 || listen_to(waiters, waiter, engine)) {
            if (waiter->due_us <= now_us)
                dismiss(waiter);
            continue;
        }
        detach(waiter);
        close(waiter->fd);
        *waiter = waiters->list[--waiters->count];
    }
    if (waiters->polled[0].revents != 0)
        let_in(waiters);
}

void loomta_waiters_close(struct loomta_waiters *waiters)
{
    for (size_t i = 0; i < waiters->count; i++) {
        detach(&waiters->list[i]);
        close(waiters->list[i].fd);
    }
    while (waiters->expected)
        loomta_job_release(take_expected(&waiters->expected));
    free(waiters->list);
    free(waiters->polled);
    if (atomic_load(&waiters->listener) >= 0) {
        close(atomic_load(&waiters->listener));
        close(waiters->path_fd);
    }
    if (waiters->spare_fd >= 0)
        close(waiters->spare_fd);
    loomta_waiters_init(waiters);
}
