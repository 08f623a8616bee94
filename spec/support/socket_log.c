/* Preloaded: writes what is set on TCP sockets to stderr, "cork 1" or "limit 262144" a line.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int (*real)(int, int, int, const void *, socklen_t) =
        (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");

    if (level == IPPROTO_TCP && name == TCP_CORK)
        fprintf(stderr, "cork %d\n", *(const int *)value);
    if (level == IPPROTO_TCP && name == TCP_NOTSENT_LOWAT)
        fprintf(stderr, "limit %d\n", *(const int *)value);
    return real(fd, level, name, value, size);
}
