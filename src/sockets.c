/* The sockets of an engine's connections.
 * SPDX-License-Identifier: MIT */
#include "sockets.h"

#include "backlog.h"
#include "platform.h"

#include <stdlib.h>

struct loomta_socket {
    curl_socket_t fd;
    int port; /* 0: not asked for yet */
};

/* One that finds no room is opened all the same: it is only not found. */
static void remember(struct loomta_sockets *sockets, curl_socket_t fd)
{
    if (sockets->count == sockets->capacity) {
        size_t capacity = sockets->capacity ? 2 * sockets->capacity : 16;
        struct loomta_socket *list = realloc(sockets->list, capacity * sizeof *list);
        if (!list)
            return;
        sockets->list = list;
        sockets->capacity = capacity;
    }
    sockets->list[sockets->count++] = (struct loomta_socket){.fd = fd};
}

/* A socket that a child process inherited would keep the connection open behind our back. */
curl_socket_t loomta_sockets_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address)
{
    int type = address->socktype;

    (void)purpose;
#if defined(SOCK_CLOEXEC) && !defined(LOOMTA_PORTABLE)
    type |= SOCK_CLOEXEC;
#endif
    curl_socket_t fd = socket(address->family, type, address->protocol);
    if (fd == CURL_SOCKET_BAD)
        return CURL_SOCKET_BAD;
#if defined(_WIN32)
    SetHandleInformation((HANDLE)fd, HANDLE_FLAG_INHERIT, 0);
#elif !defined(SOCK_CLOEXEC) || defined(LOOMTA_PORTABLE)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    loomta_backlog_limit(fd, LOOMTA_BACKLOG_LEAST);
    remember(sockets, fd);
    return fd;
}

int loomta_sockets_close(void *user, curl_socket_t fd)
{
    struct loomta_sockets *sockets = user;

    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->list[i].fd != fd)
            continue;
        sockets->list[i] = sockets->list[--sockets->count];
        break;
    }
    return loomta_close_socket(fd);
}

static int port_of(curl_socket_t fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port) : 0;
}

curl_socket_t loomta_sockets_find(struct loomta_sockets *sockets, int port)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct loomta_socket *each = &sockets->list[i];
        if (each->port == 0)
            each->port = port_of(each->fd);
        if (each->port == port)
            return each->fd;
    }
    return CURL_SOCKET_BAD;
}

void loomta_sockets_free(struct loomta_sockets *sockets)
{
    free(sockets->list);
    *sockets = (struct loomta_sockets){0};
}
