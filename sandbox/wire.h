/* What faults do below HTTP: wait, hang up, reset; every wait ends at once when the sandbox stops.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_WIRE_H
#define SANDBOX_WIRE_H

#include <stdbool.h>
#include <stdint.h>

struct sandbox_wire {
    int stop[2]; /* a pipe: its closed write end is the signal that all waits poll for */
    int dead;    /* an unconnected socket, put in the place of one that was reset */
};

bool sandbox_wire_open(struct sandbox_wire *wire); /* false with errno set */
void sandbox_wire_stop(struct sandbox_wire *wire); /* wakes all waits, now and later */
void sandbox_wire_free(struct sandbox_wire *wire);

void sandbox_wire_sleep(const struct sandbox_wire *wire, int64_t milliseconds);

/* Waits until the client hangs up, without reading a byte; at most ten minutes. */
void sandbox_wire_await_hangup(const struct sandbox_wire *wire, int socket);

/* Puts a TCP RST on the wire. The descriptor stays open and valid for its owner, but leads nowhere. */
void sandbox_wire_reset(const struct sandbox_wire *wire, int socket);

void sandbox_wire_finish(int socket); /* sends FIN; reading goes on */

/* Reads and drops what a client still sends, so that closing the socket does not turn into an RST that eats the answer. Bounded in
 * bytes and time. */
void sandbox_wire_drain(const struct sandbox_wire *wire, int socket);

#endif
