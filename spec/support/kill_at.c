/* Preloaded, it kills the process at one of the calls by which it touches the world: with SIGKILL, so that nothing is put right.
 *
 * KILL_FILE  counting begins when a file whose name ends so is opened
 * KILL_AT    the number of the call; 0: none
 * KILL_HOW   before: it does not happen; half: half of what is written or sent is; after: it has happened
 *
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_bool counting;
static atomic_long calls;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Is this call the one? Kills now where it is not to happen. */
static bool is_the_one(void)
{
    if (!counting || atomic_fetch_add(&calls, 1) + 1 != atol(setting("KILL_AT")))
        return false;
    if (strcmp(setting("KILL_HOW"), "before") == 0)
        die();
    return true;
}

static size_t share(bool doomed, size_t length)
{
    return doomed && strcmp(setting("KILL_HOW"), "half") == 0 ? length / 2 : length;
}

#define AROUND(type, name, parameters, length, arguments)                                                              \
    type name parameters                                                                                               \
    {                                                                                                                  \
        type(*real) parameters;                                                                                        \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                     \
        bool doomed = is_the_one();                                                                                    \
        length;                                                                                                        \
        type result = real arguments;                                                                                  \
        if (doomed)                                                                                                    \
            die();                                                                                                     \
        return result;                                                                                                 \
    }

AROUND(ssize_t, write, (int fd, const void *data, size_t size), size = share(doomed, size), (fd, data, size))
AROUND(ssize_t, writev, (int fd, const struct iovec *pieces, int count), (void)0, (fd, pieces, count))
AROUND(ssize_t, send, (int fd, const void *data, size_t size, int flags), size = share(doomed, size), (fd, data, size, flags))
AROUND(ssize_t, sendto,
       (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
       size = share(doomed, size), (fd, data, size, flags, to, length))
AROUND(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (void)0, (fd, message, flags))
AROUND(ssize_t, recv, (int fd, void *data, size_t size, int flags), (void)0, (fd, data, size, flags))
AROUND(ssize_t, recvfrom,
       (int fd, void *data, size_t size, int flags, struct sockaddr *restrict from, socklen_t *restrict length), (void)0,
       (fd, data, size, flags, from, length))
AROUND(int, connect, (int fd, const struct sockaddr *to, socklen_t length), (void)0, (fd, to, length))
AROUND(int, fsync, (int fd), (void)0, (fd))
AROUND(int, fdatasync, (int fd), (void)0, (fd))
AROUND(int, ftruncate, (int fd, off_t length), (void)0, (fd, length))

static void look_at(const char *path)
{
    size_t length = strlen(path), tail = strlen(setting("KILL_FILE"));

    if (tail > 0 && length >= tail && strcmp(path + length - tail, setting("KILL_FILE")) == 0)
        counting = true;
}

#define AROUND_OPEN(name)                                                                                              \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        int (*real)(const char *, int, ...);                                                                           \
        va_list more;                                                                                                  \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                     \
        va_start(more, flags);                                                                                         \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;                                              \
        va_end(more);                                                                                                  \
        look_at(path);                                                                                                 \
        bool doomed = is_the_one();                                                                                    \
        int fd = real(path, flags, mode);                                                                              \
        if (doomed)                                                                                                    \
            die();                                                                                                     \
        return fd;                                                                                                     \
    }

AROUND_OPEN(open)
AROUND_OPEN(open64)
