/* The sockets of an engine's connections: opened as we want them, and known by their ports, since libcurl does not tell which
 * one a request uses. The engine's thread only.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SOCKETS_H
#define LOOMTA_SOCKETS_H

#include <curl/curl.h>
#include <stddef.h>

struct loomta_sockets {
    struct loomta_socket *list; /* owned: those that are open */
    size_t count, capacity;
};

/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION, with a struct loomta_sockets, which must outlive the
 * connections. */
curl_socket_t loomta_sockets_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address);
int loomta_sockets_close(void *sockets, curl_socket_t fd);

/* The one that is bound to a local port; CURL_SOCKET_BAD: there is none. */
curl_socket_t loomta_sockets_find(struct loomta_sockets *sockets, int port);

/* Forgets all, without closing them. */
void loomta_sockets_free(struct loomta_sockets *sockets);

#endif
