/* The credentials file: for its owner alone, and its key taken out before anybody else sees the text.
 * SPDX-License-Identifier: MIT */
#include "credentials.h"

#include "platform.h"
#include "secret.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum loomta_credentials_status read_open(int fd, struct loomta_credentials *credentials)
{
    struct stat status;
    ssize_t got;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > LOOMTA_CREDENTIALS_MAX)
        return LOOMTA_CREDENTIALS_UNUSABLE;
#ifndef _WIN32 /* which keeps elsewhere who may read a file */
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (status.st_uid != geteuid() && status.st_uid != 0))
        return LOOMTA_CREDENTIALS_EXPOSED;
#endif
    while ((got = read(fd, credentials->text + credentials->length, LOOMTA_CREDENTIALS_MAX - credentials->length)) !=
           0) {
        if (got > 0)
            credentials->length += (size_t)got;
        else if (errno != EINTR)
            return LOOMTA_CREDENTIALS_UNUSABLE;
    }
    return LOOMTA_CREDENTIALS_OK;
}

enum loomta_credentials_status loomta_credentials_read(const char *path, struct loomta_credentials *credentials)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    credentials->length = 0;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? LOOMTA_CREDENTIALS_ABSENT : LOOMTA_CREDENTIALS_UNUSABLE;
    enum loomta_credentials_status status = read_open(fd, credentials);
    credentials->text[credentials->length] = '\0';
    close(fd);
    return status;
}

bool loomta_credentials_take_key(struct loomta_credentials *credentials, char key[LOOMTA_CREDENTIALS_MAX])
{
    static const char white[] = " \t\r\n";
    char *at = strstr(credentials->text, "\"apiKey\"");
    size_t length = 0;

    if (!at)
        return false;
    at += strlen("\"apiKey\"");
    at += strspn(at, white);
    if (*at++ != ':')
        return false;
    at += strspn(at, white);
    if (*at++ != '"')
        return false;
    while (at[length] > ' ' && at[length] < 0x7F && at[length] != '"' && at[length] != '\\')
        length++;
    if (length == 0 || at[length] != '"')
        return false;

    memcpy(key, at, length);
    key[length] = '\0';
    char *rest = at + length;
    size_t rest_size = credentials->length - (size_t)(rest - credentials->text) + 1;
    memmove(at, rest, rest_size);
    loomta_wipe(at + rest_size, length);
    credentials->length -= length;
    return true;
}

/* Makes the folder of `path`, or makes it private; its descriptor, or -1 with errno. */
static int open_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;

    if (length == 0 || length >= sizeof folder) {
        errno = length == 0 ? EINVAL : ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    /* (chmod: whatever the umask is.) */
    if (mkdir(folder, S_IRWXU) == 0 ? chmod(folder, S_IRWXU) != 0 : errno != EEXIST)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0 || fchmod(fd, S_IRWXU) == 0))
        return fd;
    int saved_errno = errno;
    if (fd >= 0)
        close(fd);
    errno = saved_errno;
    return -1;
}

/* Writes all of it to the disk. */
static bool fill(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0;
}

bool loomta_credentials_write(const char *path, const char *text, size_t length)
{
    char temporary[PATH_MAX];
    int folder = open_folder(path);

    if (folder < 0)
        return false;
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path); /* the folder's path fits, mkstemp refuses what was cut */
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool written = fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0 && fill(fd, text, length);
    int saved_errno = errno;
    if (fd >= 0 && close(fd) != 0 && written) {
        written = false;
        saved_errno = errno;
    }
    if (written && rename(temporary, path) != 0) {
        written = false;
        saved_errno = errno;
    }
    if (written)
        fsync(folder); /* a file system that cannot has nothing to do */
    else if (fd >= 0)
        unlink(temporary);
    close(folder);
    errno = saved_errno;
    return written;
}
