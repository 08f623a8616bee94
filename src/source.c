/* Where the bytes of an upload come from: a regular file, bytes in memory, or chunks that the owner feeds.
 * SPDX-License-Identifier: MIT */
#include "source.h"

#include "platform.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool failed(struct loomta_source *source, enum loomta_source_error error, int number)
{
    if (source->error == LOOMTA_SOURCE_OK) {
        source->error = error;
        source->saved_errno = number;
    }
    return false;
}

static bool failed_errno(struct loomta_source *source)
{
    int number = errno;
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return failed(source, LOOMTA_SOURCE_NOT_FOUND, number);
    case EACCES:
    case EPERM:
        return failed(source, LOOMTA_SOURCE_NO_ACCESS, number);
    case ENXIO: /* a socket, or a device without a driver */
        return failed(source, LOOMTA_SOURCE_NOT_REGULAR, number);
    default:
        return failed(source, LOOMTA_SOURCE_READ_FAILED, number);
    }
}

/* Is an open file what the source was when it was opened first? */
static bool is_unchanged(const struct loomta_source *source, const struct stat *status)
{
    struct timespec modified = loomta_modified(status);

    return status->st_size == source->size && modified.tv_sec == source->modified.tv_sec &&
           modified.tv_nsec == source->modified.tv_nsec && status->st_dev == source->device &&
           status->st_ino == source->inode;
}

/* What an open file is; false: it will not do. */
static bool examine(struct loomta_source *source, int fd, struct stat *status)
{
    if (fstat(fd, status) != 0)
        return failed_errno(source);
    if (!S_ISREG(status->st_mode))
        return failed(source, LOOMTA_SOURCE_NOT_REGULAR, S_ISDIR(status->st_mode) ? EISDIR : 0);
    /* One that was parked keeps what others may be looking at, its size. */
    if (source->kind == LOOMTA_SOURCE_FILE)
        return is_unchanged(source, status) || failed(source, LOOMTA_SOURCE_CHANGED, 0);
    source->kind = LOOMTA_SOURCE_FILE;
    source->size = status->st_size;
    source->modified = loomta_modified(status);
    source->device = status->st_dev;
    source->inode = status->st_ino;
    return true;
}

/* Takes `fd` over; closes it when it will not do. */
static bool adopt(struct loomta_source *source, int fd)
{
    struct stat status;

    if (!examine(source, fd, &status)) {
        close(fd);
        return false;
    }
    source->fd = fd;
    return true;
}

static bool open_path(struct loomta_source *source, const char *path)
{
    /* O_NONBLOCK: opening a FIFO without a writer must not wait for one. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? failed_errno(source) : adopt(source, fd);
}

bool loomta_source_open_file(struct loomta_source *source, const char *path)
{
    *source = (struct loomta_source){0};
    return open_path(source, path);
}

bool loomta_source_open_descriptor(struct loomta_source *source, int fd)
{
    *source = (struct loomta_source){0};
    int own = loomta_duplicate(fd);
    return own < 0 ? failed_errno(source) : adopt(source, own);
}

void loomta_source_open_memory(struct loomta_source *source, const char *bytes, size_t length)
{
    *source =
        (struct loomta_source){.kind = LOOMTA_SOURCE_MEMORY, .bytes = bytes, .length = length, .size = (int64_t)length};
}

void loomta_source_open_chunks(struct loomta_source *source, int64_t size)
{
    *source = (struct loomta_source){.kind = LOOMTA_SOURCE_CHUNKS, .size = size};
}

static void lock(const struct loomta_source *source)
{
    if (source->guard)
        pthread_mutex_lock(source->guard);
}

static void unlock(const struct loomta_source *source)
{
    if (source->guard)
        pthread_mutex_unlock(source->guard);
}

static bool wants_chunk(const struct loomta_source *source)
{
    return source->kind == LOOMTA_SOURCE_CHUNKS && !source->ended && source->taken == source->length;
}

bool loomta_source_feed(struct loomta_source *source, const char *bytes, size_t length)
{
    lock(source);
    bool wanted = wants_chunk(source);
    if (wanted) {
        source->bytes = bytes;
        source->length = bytes ? length : 0;
        source->taken = 0;
        source->ended = bytes == NULL;
    }
    unlock(source);
    return wanted;
}

bool loomta_source_hungry(const struct loomta_source *source)
{
    lock(source);
    bool hungry = wants_chunk(source);
    unlock(source);
    return hungry;
}

void loomta_source_revoke(struct loomta_source *source)
{
    lock(source);
    source->bytes = NULL;
    source->length = source->taken = 0;
    unlock(source);
}

/* `path` as it reads from any folder; NULL: out of memory, or the folder is gone. For the caller to free. */
static char *absolute(const char *path)
{
    char folder[PATH_MAX] = "";

    if (path[0] != '/' && !getcwd(folder, sizeof folder))
        return NULL;
    size_t size = strlen(folder) + 1 + strlen(path) + 1;
    char *whole = malloc(size);
    if (whole)
        snprintf(whole, size, "%s%s%s", folder, folder[0] ? "/" : "", path);
    return whole;
}

void loomta_source_park(struct loomta_source *source, const char *path)
{
    if (source->kind != LOOMTA_SOURCE_FILE || !(source->path = absolute(path)))
        return;
    close(source->fd);
    source->fd = -1;
}

bool loomta_source_unpark(struct loomta_source *source)
{
    if (source->kind != LOOMTA_SOURCE_FILE || source->fd >= 0)
        return true;
    bool opened = open_path(source, source->path);
    free(source->path);
    source->path = NULL;
    return opened;
}

/* pread until `length` bytes or the end of the file: a short read must not look like the end. */
static ssize_t read_file(struct loomta_source *source, void *into, size_t length, int64_t from)
{
    size_t got = 0;

    while (got < length) {
        ssize_t n = pread(source->fd, (char *)into + got, length - got, (off_t)(from + (int64_t)got));
        if (n == 0)
            break;
        if (n < 0) {
            if (errno == EINTR)
                continue;
            failed(source, LOOMTA_SOURCE_READ_FAILED, errno);
            return -1;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

ssize_t loomta_source_peek(struct loomta_source *source, void *into, size_t length)
{
    if (source->kind == LOOMTA_SOURCE_FILE)
        return read_file(source, into, length, 0);
    if (source->kind != LOOMTA_SOURCE_MEMORY)
        return 0;
    if (length > source->length)
        length = source->length;
    if (length > 0)
        memcpy(into, source->bytes, length);
    return (ssize_t)length;
}

/* This and read_memory run under the guard. */
static ssize_t read_chunk(struct loomta_source *source, void *into, size_t length)
{
    if (source->ended) {
        if (source->size >= 0 && source->position < source->size) {
            failed(source, LOOMTA_SOURCE_TOO_SHORT, 0);
            return -1;
        }
        return 0;
    }
    size_t available = source->length - source->taken;
    if (source->size >= 0 && (int64_t)available > source->size - source->position) {
        failed(source, LOOMTA_SOURCE_TOO_LONG, 0);
        return -1;
    }
    if (available == 0)
        return LOOMTA_SOURCE_STARVED;
    if (length > available)
        length = available;
    memcpy(into, source->bytes + source->taken, length);
    source->taken += length;
    return (ssize_t)length;
}

static ssize_t read_memory(struct loomta_source *source, void *into, size_t length)
{
    if (!source->bytes) { /* revoked */
        failed(source, LOOMTA_SOURCE_READ_FAILED, 0);
        return -1;
    }
    memcpy(into, source->bytes + source->position, length);
    return (ssize_t)length;
}

static ssize_t read_borrowed(struct loomta_source *source, void *into, size_t length)
{
    lock(source);
    ssize_t got =
        source->kind == LOOMTA_SOURCE_CHUNKS ? read_chunk(source, into, length) : read_memory(source, into, length);
    unlock(source);
    return got;
}

ssize_t loomta_source_read(struct loomta_source *source, void *into, size_t length)
{
    ssize_t got;

    if (source->error != LOOMTA_SOURCE_OK)
        return -1;
    if (source->kind != LOOMTA_SOURCE_CHUNKS) {
        int64_t left = source->size - source->position;
        if ((int64_t)length > left)
            length = (size_t)left;
        if (length == 0)
            return 0;
    }
    if (source->kind == LOOMTA_SOURCE_FILE) {
        got = read_file(source, into, length, source->position);
        if (got == 0) {
            failed(source, LOOMTA_SOURCE_CHANGED, 0);
            return -1;
        }
    } else {
        got = read_borrowed(source, into, length);
    }
    if (got > 0)
        source->position += got;
    return got;
}

bool loomta_source_verify(struct loomta_source *source)
{
    struct stat status;

    if (source->kind != LOOMTA_SOURCE_FILE)
        return source->error == LOOMTA_SOURCE_OK;
    if (fstat(source->fd, &status) != 0)
        return failed(source, LOOMTA_SOURCE_READ_FAILED, errno);
    return is_unchanged(source, &status) || failed(source, LOOMTA_SOURCE_CHANGED, 0);
}

bool loomta_source_can_rewind(const struct loomta_source *source)
{
    return source->error == LOOMTA_SOURCE_OK && (source->kind != LOOMTA_SOURCE_CHUNKS || source->position == 0);
}

bool loomta_source_rewind(struct loomta_source *source)
{
    if (!loomta_source_can_rewind(source))
        return false;
    source->position = 0;
    return true;
}

void loomta_source_close(struct loomta_source *source)
{
    if (source->kind == LOOMTA_SOURCE_FILE && source->fd >= 0)
        close(source->fd);
    free(source->path);
    source->path = NULL;
    lock(source);
    source->kind = LOOMTA_SOURCE_CLOSED;
    source->bytes = NULL;
    source->length = source->taken = 0;
    source->ended = true;
    unlock(source);
}
