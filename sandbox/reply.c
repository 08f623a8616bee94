/* Sends the answer of an exchange, whole or cut off in the middle.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reply.h"

#include "exchange.h"
#include "record.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK_SIZE 65536

/* A body that ends half-way, and takes the connection with it. */
struct cut_body {
    const struct sandbox_wire *wire;
    int socket;
    bool reset;
    char *bytes;
    size_t half;
};

static ssize_t read_cut_body(void *closure, uint64_t position, char *to, size_t room)
{
    struct cut_body *cut = closure;
    size_t left = cut->half - (size_t)position;
    if (left == 0) {
        /* What was sent may still sit in the kernel waiting for a full segment. */
        int on = 1;
        setsockopt(cut->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (cut->reset)
            sandbox_wire_reset(cut->wire, cut->socket);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t length = left < room ? left : room;
    memcpy(to, cut->bytes + position, length);
    return (ssize_t)length;
}

static void free_cut_body(void *closure)
{
    struct cut_body *cut = closure;
    free(cut->bytes);
    free(cut);
}

static struct MHD_Response *cut_response(struct sandbox_exchange *exchange)
{
    struct cut_body *cut = sandbox_text_checked(malloc(sizeof *cut));
    *cut = (struct cut_body){&exchange->sandbox->wire, exchange->socket,
                             exchange->fault.disconnect == SANDBOX_DISCONNECT_RESET, exchange->answer.body,
                             exchange->answer.size / 2};
    return sandbox_text_checked(
        MHD_create_response_from_callback(exchange->answer.size, BLOCK_SIZE, read_cut_body, cut, free_cut_body));
}

static void add_headers(struct sandbox_exchange *exchange, struct MHD_Response *response)
{
    static _Atomic uint64_t control_requests;
    char id[40];
    const char *name;
    json_t *value;
    json_object_foreach (exchange->answer.headers, name, value)
        if (MHD_add_response_header(response, name, json_string_value(value)) == MHD_NO)
            fprintf(stderr, "loomta-sandbox: the header %s cannot be sent\n", name);

    if (exchange->id)
        snprintf(id, sizeof id, "sandbox-%" PRIu64, exchange->id);
    else
        snprintf(id, sizeof id, "sandbox-control-%" PRIu64, ++control_requests);
    MHD_add_response_header(response, "X-Request-Id", id);
    if (exchange->ended_early)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

enum MHD_Result sandbox_reply_send(struct sandbox_exchange *exchange)
{
    struct sandbox_answer *answer = &exchange->answer;
    bool cut = exchange->has_fault && exchange->fault.at == SANDBOX_AT_MID_RESPONSE && answer->size > 0;
    struct MHD_Response *response =
        cut ? cut_response(exchange)
            : sandbox_text_checked(MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE));
    answer->body = NULL;
    add_headers(exchange, response);
    exchange->status = answer->status;
    sandbox_record_publish(exchange);
    enum MHD_Result queued = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}
