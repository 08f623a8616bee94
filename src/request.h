/* What a transfer is made from, apart from its body.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_REQUEST_H
#define LOOMTA_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: not given. */
struct loomta_request {
    const char *method, *url;
    const char *api_key;      /* sent as a Bearer token */
    const char *content_type; /* of the body; NULL: there is none */
    const char *user_agent, *proxy, *ca_file, *ca_path, *client_cert, *client_key;
    bool verify;                                   /* the server's certificate and name */
    bool direct;                                   /* ignore the environment's proxies */
    int64_t connect_timeout_ms, max_bytes_per_sec; /* 0: libcurl's default, no limit */
    size_t max_response_bytes;
};

/* Does the method promise to change nothing on the server? (RFC 9110, 9.2.1) */
bool loomta_request_is_safe(const struct loomta_request *request);

/* A copy that owns its strings, for the caller to free; NULL: out of memory. */
struct loomta_request *loomta_request_copy(const struct loomta_request *request);

/* Wipes and frees a copy; NULL is fine. */
void loomta_request_free(struct loomta_request *copy);

#endif
