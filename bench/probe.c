/* Asks a web server for the same small thing over and over, on one connection, and says how long each answer took.
 *
 *   probe SOCKET PATH PERIOD_US     SOCKET is a Unix socket. Ends when standard input does, and prints a line for each request:
 *                                   when it was due and how long it took, in microseconds of the monotonic clock
 *
 * One request is out at a time. One that comes late because the one before took too long counts from when it was due, so
 * that a server that stands still for a second is not let off with a single slow answer.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 20 };

static struct {
    int64_t due_us, took_us;
} seen[MOST];

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "probe: %s\n", what);
    exit(1);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path)
        fail("the socket's path is too long");
    memcpy(address.sun_path, path, strlen(path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    return fd;
}

/* The answer is chunked, and its last chunk the last thing that comes. */
static void exchange(int fd, const char *request, size_t length)
{
    static const char end[] = "0\r\n\r\n";
    const size_t end_length = sizeof end - 1;
    char answer[4096];
    size_t have = 0;

    if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("cannot send");
    do {
        ssize_t got = recv(fd, answer + have, sizeof answer - have, 0);
        if (got <= 0)
            fail("no answer");
        have += (size_t)got;
    } while (have < end_length || memcmp(answer + have - end_length, end, end_length) != 0);
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        fail("not the answer that was asked for");
}

/* Sleeps until the next one is due and says from when it counts, which what the timer oversleeps does not change. 0: standard
 * input has ended. */
static int64_t sleep_until(int64_t due_us)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t left_us = due_us - now_us();
    bool late = left_us < 0;
    struct timespec left = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};

    if (late)
        left = (struct timespec){0};
    if (ppoll(&input, 1, &left, NULL) != 0)
        return 0;
    return late ? due_us : now_us();
}

int main(int argc, char **argv)
{
    char request[512];
    size_t count = 0;

    if (argc != 4)
        fail("usage: probe SOCKET PATH PERIOD_US");
    int fd = connect_to(argv[1]);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
    int64_t period_us = strtoll(argv[3], NULL, 10);
    if (length >= (int)sizeof request || period_us <= 0)
        fail("wrong arguments");

    exchange(fd, request, (size_t)length);
    puts("ready");
    fflush(stdout);
    for (int64_t due_us = now_us() + period_us, from_us; count < MOST && (from_us = sleep_until(due_us)) != 0;
         due_us += period_us) {
        exchange(fd, request, (size_t)length);
        seen[count].due_us = due_us;
        seen[count++].took_us = now_us() - from_us;
    }
    for (size_t i = 0; i < count; i++)
        printf("%" PRId64 " %" PRId64 "\n", seen[i].due_us, seen[i].took_us);
    return 0;
}
