/* Sends the answer of an exchange, whole or cut off in the middle.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_REPLY_H
#define SANDBOX_REPLY_H

#include <microhttpd.h>

struct sandbox_exchange;

/* Publishes the request and queues exchange->answer, whose body it takes. MHD_NO drops the connection. */
enum MHD_Result sandbox_reply_send(struct sandbox_exchange *exchange);

#endif
