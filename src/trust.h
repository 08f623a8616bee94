/* Whom a transfer may talk to, and whom it believes: TLS, protocols, redirects, proxies.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_TRUST_H
#define LOOMTA_TRUST_H

#include "transfer.h"

/* Sets all that on a fresh handle: TLS 1.2 or newer, certificates checked unless asked otherwise, http and https only, no
 * redirect, no .netrc. CURLE_OK, or what libcurl refused. */
CURLcode loomta_trust_apply(CURL *easy, const struct loomta_request *request);

#endif
