/* One HTTP exchange over libcurl: a request with a streamed body, a capped answer. It can be begun again for another
 * attempt. Knows nothing of Lua, of retries, or of other transfers.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_TRANSFER_H
#define LOOMTA_TRANSFER_H

#include "answer.h"
#include "body.h"
#include "failure.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* What a transfer is made from. Strings are borrowed for the time of loomta_transfer_open only; NULL: not given. */
struct loomta_request {
    const char *method, *url;
    const char *api_key;      /* sent as a Bearer token, copied to memory that is wiped */
    const char *content_type; /* of the body; NULL: the request has none */
    const char *user_agent, *proxy, *ca_file, *ca_path, *client_cert, *client_key;
    bool verify;                                   /* the server's certificate and name */
    bool direct;                                   /* ignore the environment's proxies */
    int64_t connect_timeout_ms, max_bytes_per_sec; /* 0: libcurl's default, no limit */
    size_t max_response_bytes;
};

#define LOOMTA_HEADER_COUNT 5

/* How long a server may take to say 100 Continue before the body goes out all the same. */
#define LOOMTA_EXPECT_WAIT_MS 250

struct loomta_transfer {
    CURL *easy;                                     /* NULL: closed */
    struct curl_slist headers[LOOMTA_HEADER_COUNT]; /* linked here: libcurl borrows a header list */
    char *authorization;                            /* the header line; wiped */
    char *content_type;                             /* the header line */
    struct loomta_body body;
    char error[CURL_ERROR_SIZE];

    /* This attempt: */
    enum loomta_abort abort;
    bool expect_sent;
    bool paused;                   /* the source is starved … */
    bool hunger_told;              /* … and the engine's step has said so */
    bool connected;                /* the connection is ready for the request */
    int64_t began_us, answered_us; /* answered: the final status line came, 0: not yet */
    int64_t moved_us;              /* the last time that a byte moved, either way */
    int64_t uploaded, downloaded;
    int64_t pace_us; /* how long our own rate limit may hold bytes back */
    struct loomta_answer answer;
};

/* Sets up libcurl once a process. Any thread. False when libcurl refuses. */
bool loomta_transfer_global_init(void);

/* Fills a zeroed transfer. Takes `body` over, also when it fails: false with a CURLcode in *result. */
bool loomta_transfer_open(struct loomta_transfer *transfer, const struct loomta_request *request,
                          struct loomta_body *body, CURLcode *result);

/* Makes it ready for an attempt: body at its first byte, answer empty. False when the body cannot go back or memory is
 * short. */
bool loomta_transfer_begin(struct loomta_transfer *transfer, bool expect_continue);

/* Wakes a transfer that paused for a starved source. After a failure it must be ended: libcurl 7.88 divides by zero when
 * it is asked to resume once more. */
CURLcode loomta_transfer_resume(struct loomta_transfer *transfer);

/* All that is known now that libcurl (or we) ended the attempt. */
struct loomta_end loomta_transfer_end(const struct loomta_transfer *transfer, CURLcode result);

/* Bytes of the source (not of the framing around it) that the network has taken in this attempt. */
int64_t loomta_transfer_sent(const struct loomta_transfer *transfer);

/* Idempotent. The easy handle must not be in a multi any more. */
void loomta_transfer_close(struct loomta_transfer *transfer);

#endif
