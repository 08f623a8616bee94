/* Preloaded, it makes a disk full or broken for one file, and notes what happens to it and to the network in which order.
 *
 * DISK_FILE  the file: the end of its name
 * DISK_ROOM  so many bytes can be written to it, then the disk is full
 * DISK_SYNC  so many times it can be synced, then no more
 * DISK_LOG   a file that gets a line per event: "write N" (N: how many uploads it says to have started), "sync", "send" (a request)
 *
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int watched = -1;
static size_t used;
static int syncs;

#define REAL(name) *(void **)&real = dlsym(RTLD_NEXT, #name)

static void note(const char *what, int number)
{
    ssize_t (*real)(int, const void *, size_t);
    const char *path = getenv("DISK_LOG");
    char line[64];

    REAL(write);
    int fd = path ? openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    int length = snprintf(line, sizeof line, "%s %d\n", what, number);
    (void)!real(fd, line, (size_t)length);
    close(fd);
}

static int count(const char *text, size_t size, const char *word)
{
    int found = 0;
    const char *end = text + size;

    while ((text = memmem(text, (size_t)(end - text), word, strlen(word)))) {
        found++;
        text += strlen(word);
    }
    return found;
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*real)(int, const void *, size_t);
    const char *room = getenv("DISK_ROOM");

    REAL(write);
    if (fd != watched)
        return real(fd, data, size);
    size_t left = room ? (size_t)atol(room) - used : size;
    if (left == 0) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t written = real(fd, data, size < left ? size : left);
    if (written > 0)
        used += (size_t)written;
    note("write", count(data, size, "\"started\""));
    return written;
}

int fdatasync(int fd)
{
    int (*real)(int);
    const char *how = getenv("DISK_SYNC");

    REAL(fdatasync);
    if (fd != watched)
        return real(fd);
    if (how && syncs++ >= atoi(how)) {
        errno = EIO;
        return -1;
    }
    note("sync", 0);
    return real(fd);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int);

    REAL(send);
    if (size > 5 && memcmp(data, "POST ", 5) == 0)
        note("send", 1);
    return real(fd, data, size, flags);
}

#define AROUND_OPEN(name)                                                                                              \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        int (*real)(const char *, int, ...);                                                                           \
        const char *file = getenv("DISK_FILE");                                                                        \
        va_list more;                                                                                                  \
        REAL(name);                                                                                                    \
        va_start(more, flags);                                                                                         \
        int fd = real(path, flags, flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0);                             \
        va_end(more);                                                                                                  \
        size_t length = strlen(path), tail = file ? strlen(file) : 0;                                                  \
        if (fd >= 0 && tail > 0 && length >= tail && strcmp(path + length - tail, file) == 0)                          \
            watched = fd;                                                                                              \
        return fd;                                                                                                     \
    }

AROUND_OPEN(open)
AROUND_OPEN(open64)
