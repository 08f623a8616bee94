/* A descriptor that one thread makes readable so that another, in whatever loop it sits, wakes up.
 * SPDX-License-Identifier: MIT */
#include "bell.h"

#include "platform.h"

#include <errno.h>
#include <stdint.h>

#ifdef LOOMTA_LINUX
#include <sys/eventfd.h>

static bool open_pair(int ends[2])
{
    ends[0] = ends[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return ends[0] >= 0;
}
#elif defined(_WIN32)
static bool open_pair(int ends[2])
{
    (void)ends;
    errno = ENOSYS; /* no pipe there can be waited for as sockets can */
    return false;
}
#else
static bool open_pair(int ends[2])
{
    if (pipe(ends) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}
#endif

bool loomta_bell_open(struct loomta_bell *bell)
{
    int ends[2];

    *bell = LOOMTA_BELL_CLOSED;
    if (!open_pair(ends))
        return false;
    *bell = (struct loomta_bell){ends[0], ends[1]};
    return true;
}

bool loomta_bell_duplicate(const struct loomta_bell *bell, struct loomta_bell *copy)
{
    *copy = LOOMTA_BELL_CLOSED;
    copy->read_fd = loomta_duplicate(bell->read_fd);
    if (copy->read_fd < 0)
        return false;
    copy->write_fd = bell->write_fd == bell->read_fd ? copy->read_fd : loomta_duplicate(bell->write_fd);
    if (copy->write_fd >= 0)
        return true;
    loomta_bell_close(copy);
    return false;
}

void loomta_bell_ring(const struct loomta_bell *bell)
{
    const uint64_t one = 1; /* an eventfd takes no less */

    if (bell->write_fd < 0)
        return;
    /* A full pipe or counter is readable already. */
    while (write(bell->write_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void loomta_bell_silence(const struct loomta_bell *bell)
{
    uint64_t rung[8];
    ssize_t got;

    do
        got = read(bell->read_fd, rung, sizeof rung);
    while ((got < 0 && errno == EINTR) || got == (ssize_t)sizeof rung);
}

void loomta_bell_close(struct loomta_bell *bell)
{
    if (bell->read_fd >= 0)
        close(bell->read_fd);
    if (bell->write_fd >= 0 && bell->write_fd != bell->read_fd)
        close(bell->write_fd);
    *bell = LOOMTA_BELL_CLOSED;
}
