/* What the journal says about one request.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_RECORD_H
#define SANDBOX_RECORD_H

struct sandbox_exchange;

/* Gives the request its id and its place in the journal; reads everything that will not change. */
void sandbox_record_begin(struct sandbox_exchange *exchange);

/* Brings the journal up to date. Must come before the client can see the answer, or tests would race with it. */
void sandbox_record_publish(const struct sandbox_exchange *exchange);

/* Hands the kept part of the body to the journal: no more of it will come. */
void sandbox_record_keep_body(struct sandbox_exchange *exchange);

#endif
