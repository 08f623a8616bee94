/* One HTTP exchange over libcurl: a request with a streamed body, a capped answer. It can be begun again for another
 * attempt. Knows nothing of Lua, of retries, or of other transfers but the pace it shares with them.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_TRANSFER_H
#define LOOMTA_TRANSFER_H

#include "answer.h"
#include "backlog.h"
#include "body.h"
#include "failure.h"
#include "pace.h"
#include "request.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOMTA_HEADER_COUNT 5

/* How long a server may take to say 100 Continue before the body goes out all the same. */
#define LOOMTA_EXPECT_WAIT_MS 250

struct loomta_transfer {
    CURL *easy;                                     /* NULL: closed */
    struct curl_slist headers[LOOMTA_HEADER_COUNT]; /* linked here: libcurl borrows a header list */
    char *authorization;                            /* the header line; wiped */
    char *content_type;                             /* the header line */
    bool safe;                                      /* the request changes nothing on the server */
    bool tells_request;                             /* this libcurl says when a request begins */
    struct loomta_body body;
    char error[CURL_ERROR_SIZE];
    struct loomta_sockets *sockets; /* of the engine. Not owned */
    struct loomta_pace *pace;       /* that limits its bytes; NULL: none does. Not owned */

    /* This attempt: */
    enum loomta_abort abort;
    bool expect_sent;
    bool paused;                   /* the source is starved … */
    int64_t hungry_at_us;          /* … and its owner is to be asked from then on; INT64_MAX: has been */
    int64_t promised;              /* bytes that its pace lets it read now, or … */
    int64_t throttled_until_us;    /* … then, and it pauses for that; 0: it does not. Never both this and `paused` */
    bool connected;                /* the connection is ready for the request */
    int64_t began_us, answered_us; /* answered: the final status line came, 0: not yet */
    int64_t moved_us;              /* the last time that a byte moved, either way */
    int64_t uploaded, downloaded;
    struct loomta_backlog backlog;
    int64_t max_bytes_per_sec; /* 0: no limit */
    int64_t pace_us;           /* how long that limit may hold bytes back */
    struct loomta_answer answer;
};

/* Sets up libcurl once a process. Any thread. False when libcurl refuses. */
bool loomta_transfer_global_init(void);

/* Fills a transfer that holds nothing but its body, `safe` and `sockets`. The request is borrowed for this call only. CURLE_OK, or what went
 * wrong: then it is to be closed. */
CURLcode loomta_transfer_open(struct loomta_transfer *transfer, const struct loomta_request *request);

/* Makes it ready for an attempt: body at its first byte, answer empty. `buffer_bytes` is the most that may be read ahead of
 * the network. False when the body cannot go back. */
bool loomta_transfer_begin(struct loomta_transfer *transfer, bool expect_continue, int64_t buffer_bytes);

/* Wakes a transfer that paused, for a starved source or for its pace. After a failure it must be ended: libcurl 7.88 divides
 * by zero when it is asked to resume once more. */
CURLcode loomta_transfer_resume(struct loomta_transfer *transfer);

/* All that is known now that libcurl (or we) ended the attempt. */
struct loomta_end loomta_transfer_end(struct loomta_transfer *transfer, CURLcode result);

/* Bytes of the source (not of the framing around it) that the network has taken in this attempt. */
int64_t loomta_transfer_sent(const struct loomta_transfer *transfer);

/* Idempotent. The easy handle must not be in a multi any more. */
void loomta_transfer_close(struct loomta_transfer *transfer);

#endif
