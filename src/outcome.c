/* How an attempt ended, and what it took.
 * SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <stdio.h>
#include <string.h>

static void record_connection(struct loomta_outcome *outcome, const struct loomta_transfer *transfer)
{
    curl_off_t connected_us = 0, secured_us = 0;
    long connects = 0;

    /* Without a handle (it could not be made, or it is another process's) there is nothing to ask. */
    if (!transfer->easy)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &outcome->http_version);
    outcome->connected = true;
    outcome->tls_us = secured_us > connected_us ? secured_us - connected_us : 0;
    outcome->reused_connection = transfer->connected && connects == 0;
    /* Old libcurls count the time that they look for one. */
    outcome->connect_us = outcome->reused_connection ? 0 : connected_us;
    if (transfer->answered_us > 0)
        outcome->first_byte_us = transfer->answered_us - transfer->began_us;
}

void loomta_outcome_record(struct loomta_outcome *outcome, struct loomta_transfer *transfer, CURLcode result)
{
    struct loomta_answer *answer = &transfer->answer;

    outcome->result = transfer->abort == LOOMTA_ABORT_NONE ? result : CURLE_OK;
    memcpy(outcome->error, transfer->error, sizeof outcome->error);
    outcome->saved_errno = transfer->body.source.saved_errno;
    outcome->status = answer->status;
    if (answer->status > 0) {
        outcome->body = answer->body;
        answer->body = (struct loomta_buffer){.limit = answer->body.limit};
    }
    snprintf(outcome->request_id, sizeof outcome->request_id, "%s", answer->request_id);
    snprintf(outcome->content_type, sizeof outcome->content_type, "%s", answer->content_type);
    outcome->sent = loomta_transfer_sent(transfer);
    outcome->total = transfer->body.source.size;
    outcome->first_byte_us = -1;
    record_connection(outcome, transfer);
}

void loomta_outcome_clear(struct loomta_outcome *outcome)
{
    loomta_buffer_free(&outcome->body);
    memset(outcome, 0, sizeof *outcome);
}
