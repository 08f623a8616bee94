/* What the kernel may hold of an upload that the network has not taken yet.
 * SPDX-License-Identifier: MIT */
#include "backlog.h"

#include "platform.h"

enum {
    MOST = 1024 * 1024, /* more gains nothing even on loopback */
    WINDOW = 8 * 1024 * 1024,
    LINE_TIME_US = 4000, /* what the line takes in that time may be waiting */
};

void loomta_backlog_limit(curl_socket_t fd, int bytes)
{
#ifdef TCP_NOTSENT_LOWAT
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
#else
    (void)fd;
    (void)bytes;
#endif
}

static bool cork(curl_socket_t fd, int on)
{
#if defined(TCP_CORK) && !defined(LOOMTA_PORTABLE)
    return setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0;
#else
    (void)fd;
    return !on;
#endif
}

void loomta_backlog_begin(struct loomta_backlog *backlog, curl_socket_t fd, bool corked)
{
    *backlog = (struct loomta_backlog){.fd = fd, .corked = corked && fd != CURL_SOCKET_BAD && cork(fd, 1)};
}

void loomta_backlog_adapt(struct loomta_backlog *backlog, int64_t bytes, int64_t now_us)
{
    if (backlog->since_us == 0)
        backlog->since_us = now_us;
    if (bytes - backlog->bytes < WINDOW || backlog->fd == CURL_SOCKET_BAD)
        return;
    int64_t elapsed_us = now_us - backlog->since_us;
    int64_t fitting = elapsed_us > 0 ? (bytes - backlog->bytes) * LINE_TIME_US / elapsed_us : MOST;
    int limit = LOOMTA_BACKLOG_LEAST;
    /* In steps of two, so that it does not swing with every measurement. */
    while (limit < MOST && limit * 2 <= fitting)
        limit *= 2;
    if (limit != backlog->limit)
        loomta_backlog_limit(backlog->fd, limit);
    backlog->limit = limit;
    backlog->bytes = bytes;
    backlog->since_us = now_us;
}

void loomta_backlog_flush(struct loomta_backlog *backlog)
{
    if (backlog->corked)
        cork(backlog->fd, 0);
    backlog->corked = false;
}
