/* Opens libcurl's sockets as we want them.
 * SPDX-License-Identifier: MIT */
#include "socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* The kernel takes no more than this ahead of the network. With its megabytes, minutes could pass on a slow line before it
 * takes more, and libcurl would see nothing move. */
enum { MAX_UNSENT_BYTES = 256 * 1024 };

/* A socket that a child process inherited would keep the connection open behind our back. */
curl_socket_t loomta_socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    int type = address->socktype;

    (void)user;
    (void)purpose;
#ifdef SOCK_CLOEXEC
    type |= SOCK_CLOEXEC;
#endif
    int fd = socket(address->family, type, address->protocol);
#ifndef SOCK_CLOEXEC
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
#ifdef TCP_NOTSENT_LOWAT
    int unsent = MAX_UNSENT_BYTES;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
#endif
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}
