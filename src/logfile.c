/* A file that only grows, by whole lines, under one writer at a time.
 * SPDX-License-Identifier: MIT */
#include "logfile.h"

#include "platform.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* The name of a new file has to survive, too. */
static bool sync_folder(const char *path)
{
#ifdef _WIN32
    (void)path; /* there a folder is no file */
    return true;
#else
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;

    if (length >= sizeof folder)
        return true; /* it could be opened, so this is no path of ours to doubt */
    memcpy(folder, path, length);
    folder[length] = '\0';
    int fd = open(length > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES;                      /* one may write in a folder that one may not read */
    bool synced = fsync(fd) == 0 || errno == EINVAL; /* some file systems have nothing to do */
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return synced;
#endif
}

static bool prepare(int fd, const char *path)
{
    struct stat status;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    return status.st_size > 0 || sync_folder(path);
}

int loomta_logfile_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd < 0)
        return -1;
    if (prepare(fd, path))
        return fd;
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

bool loomta_logfile_append(int fd, const char *text, size_t length)
{
    struct stat before;
    size_t written = 0;

    if (fstat(fd, &before) != 0)
        return false;
    while (written < length) {
        ssize_t n = write(fd, text + written, length - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int saved_errno = n < 0 ? errno : ENOSPC;
            /* Refused as well, half a line stays: readers pass over it. */
            if (written > 0 && ftruncate(fd, before.st_size) != 0)
                (void)!write(fd, "\n", 1);
            errno = saved_errno;
            return false;
        }
        written += (size_t)n;
    }
    return true;
}

bool loomta_logfile_sync(int fd)
{
    int result;

    do {
#if defined(F_FULLFSYNC)
        result = fcntl(fd, F_FULLFSYNC); /* where fsync leaves it in the disk's cache */
#else
        result = fdatasync(fd);
#endif
    } while (result != 0 && errno == EINTR);
    return result == 0;
}
