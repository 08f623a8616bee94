/* The endpoints below /sandbox, with which tests look into the sandbox and make it fail.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

struct sandbox_exchange;

void sandbox_control_requests(struct sandbox_exchange *exchange);
void sandbox_control_body(struct sandbox_exchange *exchange);
void sandbox_control_media(struct sandbox_exchange *exchange);
void sandbox_control_reset(struct sandbox_exchange *exchange);
void sandbox_control_add_fault(struct sandbox_exchange *exchange);
void sandbox_control_list_faults(struct sandbox_exchange *exchange);
void sandbox_control_clear_faults(struct sandbox_exchange *exchange);

#endif
