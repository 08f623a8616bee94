/* The JSON body of a request: read once, owned by the exchange, refused in one way.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include "check.h"

struct sandbox_exchange;

/* Both results are borrowed from the exchange. `flags` are jansson's. */
json_t *sandbox_body_parse(struct sandbox_exchange *exchange, size_t flags); /* NULL when it is not JSON */
json_t *sandbox_body_object(struct sandbox_exchange *exchange); /* NULL after having answered what is wrong */

/* Ends the check. False after having answered what is wrong. */
bool sandbox_body_passes(struct sandbox_exchange *exchange, struct sandbox_check *check);

#endif
