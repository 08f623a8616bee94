/* The endpoints of posts: create, list, get, reschedule, and the view for tests.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_PUBLISHING_H
#define SANDBOX_PUBLISHING_H

struct sandbox_exchange;

void sandbox_publishing_create(struct sandbox_exchange *exchange);
void sandbox_publishing_list(struct sandbox_exchange *exchange);
void sandbox_publishing_get(struct sandbox_exchange *exchange);
void sandbox_publishing_reschedule(struct sandbox_exchange *exchange);

void sandbox_publishing_show(struct sandbox_exchange *exchange); /* GET /sandbox/posts */

#endif
