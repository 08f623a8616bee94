/* The listening socket and the HTTP daemon.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include "sandbox.h"

#include <microhttpd.h>

/* Listens as the options say and fills sandbox->url. NULL after one clear line on stderr. */
struct MHD_Daemon *sandbox_server_start(struct sandbox *sandbox);

/* Ends all connections, also those that a fault holds, and waits for their threads. */
void sandbox_server_stop(struct sandbox *sandbox, struct MHD_Daemon *daemon);

#endif
