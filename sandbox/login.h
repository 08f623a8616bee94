/* The endpoints of the device login, and the part of the person who approves it.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_LOGIN_H
#define SANDBOX_LOGIN_H

struct sandbox_exchange;

void sandbox_login_start(struct sandbox_exchange *exchange);
void sandbox_login_poll(struct sandbox_exchange *exchange);

/* Below /sandbox/device */
void sandbox_login_page(struct sandbox_exchange *exchange);
void sandbox_login_approve(struct sandbox_exchange *exchange);
void sandbox_login_deny(struct sandbox_exchange *exchange);

#endif
