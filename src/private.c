/* Reads a small file that only its owner may read, such as one that holds a key.
 * SPDX-License-Identifier: MIT */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum loomta_private_status read_open(int fd, char *contents, size_t *length)
{
    struct stat status;
    ssize_t got;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > LOOMTA_PRIVATE_MAX)
        return LOOMTA_PRIVATE_UNUSABLE;
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (status.st_uid != geteuid() && status.st_uid != 0))
        return LOOMTA_PRIVATE_EXPOSED;
    *length = 0;
    while (*length < LOOMTA_PRIVATE_MAX && (got = read(fd, contents + *length, LOOMTA_PRIVATE_MAX - *length)) != 0) {
        if (got > 0)
            *length += (size_t)got;
        else if (errno != EINTR)
            return LOOMTA_PRIVATE_UNUSABLE;
    }
    return LOOMTA_PRIVATE_OK;
}

enum loomta_private_status loomta_private_read(const char *path, char contents[LOOMTA_PRIVATE_MAX], size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? LOOMTA_PRIVATE_ABSENT : LOOMTA_PRIVATE_UNUSABLE;
    enum loomta_private_status status = read_open(fd, contents, length);
    close(fd);
    return status;
}
