/* How an attempt ended, and what it took: all of it by value, so that it outlives the transfer.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_OUTCOME_H
#define LOOMTA_OUTCOME_H

#include "failure.h"
#include "transfer.h"

struct loomta_outcome {
    struct loomta_failure failure; /* its code is NULL after a success */
    CURLcode result;               /* CURLE_OK also when we ended it ourselves */
    char error[CURL_ERROR_SIZE];   /* libcurl's words for `result` */
    int saved_errno;               /* of the source, 0: none */

    int status;                /* 0: no answer came, and so no body */
    struct loomta_buffer body; /* owned */
    char request_id[128];      /* "": none, as the next */
    char content_type[64];

    int attempts;
    int64_t sent, total; /* bytes of the source; total -1: not known */
    int64_t duration_us; /* of the call until here */
    int64_t retry_in_us; /* until the next attempt; -1: there is none */

    bool connected; /* the rest is known */
    bool reused_connection;
    int64_t connect_us, tls_us;
    int64_t first_byte_us; /* -1: none came */
    long http_version;     /* CURL_HTTP_VERSION_* */
};

/* Fills a zeroed outcome with what the transfer knows; moves its answer's body over. The rest is the job's to fill. */
void loomta_outcome_record(struct loomta_outcome *outcome, struct loomta_transfer *transfer, CURLcode result);

/* Frees what it owns and empties it. */
void loomta_outcome_clear(struct loomta_outcome *outcome);

#endif
