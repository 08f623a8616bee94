/* Opens libcurl's sockets as we want them.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SOCKET_H
#define LOOMTA_SOCKET_H

#include <curl/curl.h>

/* For CURLOPT_OPENSOCKETFUNCTION; needs no user data. */
curl_socket_t loomta_socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address);

#endif
