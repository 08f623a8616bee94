/* What faults do below HTTP: wait, hang up, reset; every wait ends at once when the sandbox stops.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HANGUP_WAIT_MS (10 * 60 * 1000)
#define DRAIN_BYTES (512LL * 1024 * 1024)
#define DRAIN_IDLE_MS 1000
#define DRAIN_TOTAL_MS 10000

bool sandbox_wire_open(struct sandbox_wire *wire)
{
    *wire = (struct sandbox_wire){{-1, -1}, -1};
    if (pipe2(wire->stop, O_CLOEXEC) != 0)
        return false;
    wire->dead = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return wire->dead >= 0;
}

void sandbox_wire_stop(struct sandbox_wire *wire)
{
    if (wire->stop[1] >= 0)
        close(wire->stop[1]);
    wire->stop[1] = -1;
}

void sandbox_wire_free(struct sandbox_wire *wire)
{
    sandbox_wire_stop(wire);
    if (wire->stop[0] >= 0)
        close(wire->stop[0]);
    if (wire->dead >= 0)
        close(wire->dead);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum wake { WAKE_TIME, WAKE_SOCKET, WAKE_STOP };

static enum wake wait_for(const struct sandbox_wire *wire, int socket, short events, int64_t milliseconds)
{
    int64_t until = now_ms() + milliseconds;
    for (;;) {
        int64_t left = until - now_ms();
        if (left <= 0)
            return WAKE_TIME;
        struct pollfd fds[2] = {{wire->stop[0], POLLIN, 0}, {socket, events, 0}};
        int ready = poll(fds, socket >= 0 ? 2 : 1, left > 3600000 ? 3600000 : (int)left);
        if (ready > 0 && fds[0].revents)
            return WAKE_STOP;
        if (ready > 0 && fds[1].revents)
            return WAKE_SOCKET;
    }
}

void sandbox_wire_sleep(const struct sandbox_wire *wire, int64_t milliseconds)
{
    wait_for(wire, -1, 0, milliseconds);
}

void sandbox_wire_await_hangup(const struct sandbox_wire *wire, int socket)
{
    wait_for(wire, socket, POLLRDHUP, HANGUP_WAIT_MS);
}

void sandbox_wire_reset(const struct sandbox_wire *wire, int socket)
{
    /* libmicrohttpd says goodbye (FIN, TLS close_notify) before it closes; dup2 closes the connection before it can. */
    struct linger at_once = {1, 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    while (dup3(wire->dead, socket, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY))
        ;
}

void sandbox_wire_finish(int socket)
{
    shutdown(socket, SHUT_WR);
}

void sandbox_wire_drain(const struct sandbox_wire *wire, int socket)
{
    char discarded[65536];
    int64_t bytes = 0;
    int64_t until = now_ms() + DRAIN_TOTAL_MS;
    while (bytes < DRAIN_BYTES && now_ms() < until) {
        if (wait_for(wire, socket, POLLIN, DRAIN_IDLE_MS) != WAKE_SOCKET)
            return;
        ssize_t got = recv(socket, discarded, sizeof discarded, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return;
        bytes += got > 0 ? got : 0;
    }
}
