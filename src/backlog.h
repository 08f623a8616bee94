/* What the kernel may hold of an upload that the network has not taken yet: little, so that what was handed over has nearly
 * been sent, and a slow line shows its pace; yet enough that a fast line never waits for us. And no small segments: head and
 * body leave together.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_BACKLOG_H
#define LOOMTA_BACKLOG_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOMTA_BACKLOG_LEAST (256 * 1024)

struct loomta_backlog {
    curl_socket_t fd;        /* of the connection in use; CURL_SOCKET_BAD: not known, then nothing is done */
    bool corked;             /* the kernel waits for full segments */
    int64_t bytes, since_us; /* where the last measurement ended */
    int limit;               /* the last one that was set; 0: none */
};

/* How many bytes that have not been sent a socket takes. */
void loomta_backlog_limit(curl_socket_t fd, int bytes);

/* A request begins on a connection. `cork`: its body is at hand, and follows at once. */
void loomta_backlog_begin(struct loomta_backlog *backlog, curl_socket_t fd, bool cork);

/* Fits the limit to the pace, after `bytes` have been handed over in all. */
void loomta_backlog_adapt(struct loomta_backlog *backlog, int64_t bytes, int64_t now_us);

/* All has been handed over, or the request has ended: what is left leaves at once. */
void loomta_backlog_flush(struct loomta_backlog *backlog);

#endif
