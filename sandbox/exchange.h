/* One request from its headers to its end: what arrived, the fault that hit it, and the answer.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_EXCHANGE_H
#define SANDBOX_EXCHANGE_H

#include "answer.h"
#include "fault.h"
#include "routes.h"
#include "sandbox.h"
#include "text.h"
#include "upload.h"

#include <microhttpd.h>

struct sandbox_exchange {
    struct sandbox *sandbox;
    struct MHD_Connection *connection;
    int socket;
    bool tls;
    char *method, *path;
    const struct sandbox_route *route; /* NULL: no such path, or not with that method */
    char *parameter;                   /* what {id} stood for in the route's path, or NULL */

    uint64_t id;    /* in the journal; 0 for a control request */
    json_t *record; /* what the journal shows and does not change; NULL for a control request */
    struct sandbox_fault fault;
    bool has_fault;

    bool has_body; /* the headers announce one */
    bool body_complete;
    uint64_t received; /* body bytes */
    struct sandbox_upload *upload;
    struct sandbox_text body; /* of a JSON request */
    json_t *request;          /* the same, parsed; NULL before */
    struct sandbox_text kept; /* raw body for the debug endpoint */

    bool keeps;       /* its fault lets it change the workspace; ask sandbox_exchange_keeps */
    bool stored;      /* a media object was */
    unsigned status;  /* as answered, 0 before */
    bool ended_early; /* answered or dropped before the body was read whole */
    struct sandbox_answer answer;
};

/* The three calls that libmicrohttpd makes for a request, in this order. MHD_NO drops the connection. */
enum MHD_Result sandbox_exchange_begin(struct sandbox_exchange *exchange);
enum MHD_Result sandbox_exchange_body(struct sandbox_exchange *exchange, const char *data, size_t *size);
enum MHD_Result sandbox_exchange_end(struct sandbox_exchange *exchange);

struct sandbox_exchange *sandbox_exchange_new(struct sandbox *sandbox, struct MHD_Connection *connection,
                                              const char *method, const char *path);

/* Whether what the request does is to last: not when its fault forbids it, nor when it began before a reset. The caller holds the
 * state's lock. */
bool sandbox_exchange_keeps(const struct sandbox_exchange *exchange);

/* After the last byte of the answer, or when the connection is lost. Logs the request and frees it. */
void sandbox_exchange_free(struct sandbox_exchange *exchange);

#endif
