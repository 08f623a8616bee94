/* What the systems that loomta is for have in different ways: POSIX, of Linux and of others, and what stands in for it on
 * Windows. LOOMTA_PORTABLE does without what only Linux has, so that Linux can test what the others run.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PLATFORM_H
#define LOOMTA_PLATFORM_H

#include <sys/stat.h>
#include <time.h>

#ifdef _WIN32
#include "windows/posix.h"
#else
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>
#define loomta_close_socket close

/* Another descriptor of the same file, which programs that are started do not inherit; -1 with errno. */
static inline int loomta_duplicate(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}
#endif

#if defined(__linux__) && !defined(LOOMTA_PORTABLE)
#define LOOMTA_LINUX
#endif

/* When a file was changed last. */
static inline struct timespec loomta_modified(const struct stat *status)
{
#if defined(__APPLE__)
    return status->st_mtimespec;
#elif defined(_WIN32)
    return (struct timespec){.tv_sec = status->st_mtime};
#else
    return status->st_mtim;
#endif
}

#endif
