/* A server that swallows uploads as fast as the kernel hands them over, counts them, and answers all alike: one thread, and
 * without TLS no copy of a file's bytes, so that what is measured is who sends them. Ends when standard input does.
 *
 *   sink [CERT KEY]   prints its port; with two PEM files it speaks TLS
 *
 *   POST [/delay/MS]/public/v1/media   a multipart upload whose last part is the file; answered MS milliseconds after its end
 *   GET /count                         what arrived so far, as JSON
 *   GET /release                       answers all that wait for their delay, and then as /count
 *
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_SIZE = 16 * 1024, CLOSING_SIZE = 128, GULP_SIZE = 1024 * 1024, EVENTS = 256 };

enum state {
    READING_HEAD,    /* of the request */
    READING_FORM,    /* of the body, as far as the file's first byte */
    READING_FILE,    /* thrown away */
    READING_CLOSING, /* the boundary after the file */
    WAITING,         /* for the answer's time */
};

struct connection {
    int fd;
    SSL *tls; /* NULL without */
    enum state state;
    char buffer[BUFFER_SIZE + 1]; /* head and form; then the closing boundary */
    size_t have;
    char closing[CLOSING_SIZE]; /* the boundary that must end the body */
    size_t closing_length;
    int64_t body_left, file_size, delay_ms, answer_at_us;
    struct connection *previous, *next; /* of those that wait, soonest first */
};

static struct {
    int64_t requests, file_bytes; /* whole uploads and their files */
    int64_t bytes;                /* of all bodies, also unfinished ones */
    int64_t malformed, broken, broken_at_us, waiting, open;
} count;

static SSL_CTX *tls_settings; /* NULL without TLS */
static bool drained;          /* the connection in hand has nothing more to say */
static struct connection *first_waiting, *last_waiting;
static int poller;
static char gulp[GULP_SIZE];

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* --- who waits for an answer -------------------------------------------------------------------------------------- */

static void wait_for_answer(struct connection *connection)
{
    struct connection *before = last_waiting;

    connection->state = WAITING;
    connection->answer_at_us = now_us() + connection->delay_ms * 1000;
    while (before && before->answer_at_us > connection->answer_at_us)
        before = before->previous;
    connection->previous = before;
    connection->next = before ? before->next : first_waiting;
    *(before ? &before->next : &first_waiting) = connection;
    *(connection->next ? &connection->next->previous : &last_waiting) = connection;
    count.waiting++;
}

static void leave_waiting(struct connection *connection)
{
    *(connection->previous ? &connection->previous->next : &first_waiting) = connection->next;
    *(connection->next ? &connection->next->previous : &last_waiting) = connection->previous;
    count.waiting--;
}

/* --- bytes, with TLS or without ----------------------------------------------------------------------------------- */

/* So little always fits; if the client is gone, reading will tell. */
static void send_text(struct connection *connection, const char *text, size_t length)
{
    if (connection->tls)
        (void)!SSL_write(connection->tls, text, (int)length);
    else
        (void)!send(connection->fd, text, length, MSG_NOSIGNAL);
}

/* Like recv: -1 with EAGAIN when there is nothing, 0 at the end. `discarded`: nobody looks at these bytes. */
static ssize_t receive(struct connection *connection, char *place, size_t wanted, bool discarded)
{
    if (!connection->tls) /* on Linux the kernel drops bytes without copying them */
        return recv(connection->fd, place, wanted, discarded ? MSG_TRUNC : 0);
    int got = SSL_read(connection->tls, place, (int)wanted);
    if (got > 0)
        return got;
    int reason = SSL_get_error(connection->tls, got);
    ERR_clear_error();
    drained = true;
    errno = EAGAIN;
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void say(struct connection *connection, int status, const char *json)
{
    char text[2048];
    int length =
        snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 status, status < 300 ? "OK" : "Refused", strlen(json), json);

    send_text(connection, text, (size_t)length);
    connection->state = READING_HEAD;
    connection->have = 0;
}

static void say_media(struct connection *connection)
{
    char json[1024];

    snprintf(
        json, sizeof json,
        "{\"id\":\"00000000-0000-4000-8000-%012" PRId64 "\",\"status\":\"READY\",\"storageKey\":\"media/%" PRId64 "\","
        "\"publicUrl\":\"http://localhost/files\",\"previewUrl\":\"http://localhost/previews\","
        "\"mimeType\":\"video/mp4\",\"size\":%" PRId64 ",\"mediaType\":\"video\",\"originalFileName\":\"clip.mp4\","
        "\"thumbnailMetadata\":null,\"finalizedAt\":\"2025-01-01T00:00:00.000Z\",\"folderId\":null,"
        "\"createdAt\":\"2025-01-01T00:00:00.000Z\"}",
        count.requests, count.requests, connection->file_size);
    say(connection, 201, json);
}

static void say_count(struct connection *connection)
{
    char json[512];

    snprintf(json, sizeof json,
             "{\"requests\":%" PRId64 ",\"fileBytes\":%" PRId64 ",\"bytes\":%" PRId64 ",\"malformed\":%" PRId64
             ",\"broken\":%" PRId64 ",\"brokenAtUs\":%" PRId64 ",\"waiting\":%" PRId64 ",\"open\":%" PRId64 "}",
             count.requests, count.file_bytes, count.bytes, count.malformed, count.broken, count.broken_at_us,
             count.waiting, count.open);
    say(connection, 200, json);
}

static void answer_until(int64_t until_us)
{
    while (first_waiting && first_waiting->answer_at_us <= until_us) {
        struct connection *connection = first_waiting;
        leave_waiting(connection);
        say_media(connection);
    }
}

/* --- reading; each function says whether the connection is still of use ------------------------------------------- */

static bool refuse(struct connection *connection)
{
    count.malformed++;
    say(connection, 400, "{\"code\":\"invalid_request\",\"message\":\"the sink does not understand this\"}");
    return false;
}

static bool end_upload(struct connection *connection)
{
    if (memcmp(connection->buffer, connection->closing, connection->closing_length) != 0)
        return refuse(connection);
    count.requests++;
    count.file_bytes += connection->file_size;
    if (connection->delay_ms > 0)
        wait_for_answer(connection);
    else
        say_media(connection);
    return true;
}

/* Where the file begins: after the head of the part that has a file name. 0: not there yet. */
static size_t file_offset(const struct connection *connection)
{
    const char *part = strstr(connection->buffer, "; filename=");
    const char *end = part ? strstr(part, "\r\n\r\n") : NULL;

    return end ? (size_t)(end + 4 - connection->buffer) : 0;
}

static bool read_form(struct connection *connection)
{
    size_t offset = file_offset(connection);
    if (offset == 0)
        return connection->have < BUFFER_SIZE && connection->body_left > 0 ? true : refuse(connection);

    size_t rest = connection->have - offset;
    connection->file_size = connection->body_left + (int64_t)rest - (int64_t)connection->closing_length;
    if (connection->file_size < 0)
        return refuse(connection);
    size_t of_file = (int64_t)rest < connection->file_size ? rest : (size_t)connection->file_size;
    connection->have = rest - of_file;
    memmove(connection->buffer, connection->buffer + offset + of_file, connection->have);
    connection->state = connection->body_left > (int64_t)connection->closing_length ? READING_FILE : READING_CLOSING;
    return connection->body_left > 0 ? true : end_upload(connection);
}

static bool read_head(struct connection *connection)
{
    char *end = strstr(connection->buffer, "\r\n\r\n");
    if (!end)
        return connection->have < BUFFER_SIZE ? true : refuse(connection);
    end[2] = '\0';

    const char *head = connection->buffer;
    if (strncmp(head, "GET /count ", 11) == 0 || strncmp(head, "GET /release ", 13) == 0) {
        if (head[5] == 'r')
            answer_until(INT64_MAX);
        say_count(connection);
        return true;
    }
    const char *length = strcasestr(head, "\r\nContent-Length:"), *boundary = strcasestr(head, "boundary=");
    const char *path = strstr(head, "/public/v1/media HTTP/1.1\r\n");
    if (strncmp(head, "POST /", 6) != 0 || !path || !length || !boundary)
        return refuse(connection);
    connection->delay_ms = strncmp(head, "POST /delay/", 12) == 0 ? strtoll(head + 12, NULL, 10) : 0;

    boundary += strlen("boundary=");
    boundary += *boundary == '"';
    int closing =
        snprintf(connection->closing, CLOSING_SIZE, "\r\n--%.*s--\r\n", (int)strcspn(boundary, "\";\r"), boundary);
    if (closing >= CLOSING_SIZE)
        return refuse(connection);
    connection->closing_length = (size_t)closing;
    if (strcasestr(head, "\r\nExpect: 100-continue"))
        send_text(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);

    size_t taken = (size_t)(end + 4 - connection->buffer);
    connection->have -= taken;
    connection->body_left = strtoll(length + strlen("\r\nContent-Length:"), NULL, 10) - (int64_t)connection->have;
    if (connection->body_left < 0)
        return refuse(connection);
    count.bytes += (int64_t)connection->have;
    memmove(connection->buffer, end + 4, connection->have + 1);
    connection->state = READING_FORM;
    return read_form(connection);
}

static int64_t at_most(int64_t wanted, int64_t limit)
{
    return wanted < limit ? wanted : limit;
}

static bool serve(struct connection *connection)
{
    char *place = connection->buffer + connection->have;
    int64_t room = (int64_t)(BUFFER_SIZE - connection->have), wanted = room;
    bool discarded = connection->state == READING_FILE;

    if (connection->state == READING_FORM || connection->state == READING_CLOSING)
        wanted = at_most(connection->body_left, room);
    if (discarded) {
        wanted = at_most(connection->body_left - (int64_t)connection->closing_length, GULP_SIZE);
        place = gulp;
    }
    ssize_t got = receive(connection, place, (size_t)wanted, discarded);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    if (connection->state == WAITING)
        return false; /* a client that says something now is none of ours */
    if (connection->state != READING_HEAD) {
        connection->body_left -= got;
        count.bytes += got;
    }
    if (connection->state == READING_FILE) {
        if (connection->body_left == (int64_t)connection->closing_length)
            connection->state = READING_CLOSING;
        return true;
    }
    connection->have += (size_t)got;
    connection->buffer[connection->have] = '\0';
    if (connection->state == READING_HEAD)
        return read_head(connection);
    if (connection->state == READING_FORM)
        return read_form(connection);
    return connection->body_left > 0 ? true : end_upload(connection);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        fail(fd == STDIN_FILENO ? "sink: standard input must be a pipe" : "sink: epoll_ctl");
}

static void let_in(int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
            fail("sink");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection->fd = fd;
        if (tls_settings) {
            connection->tls = SSL_new(tls_settings);
            if (!connection->tls || SSL_set_fd(connection->tls, fd) != 1)
                fail("sink: TLS");
            SSL_set_accept_state(connection->tls);
        }
        watch(fd, connection);
        count.open++; /* NOLINT(clang-analyzer-unix.Malloc): epoll has it */
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail("sink: accept");
}

static void end_connection(struct connection *connection)
{
    if (connection->state == WAITING)
        leave_waiting(connection);
    if (connection->state != READING_HEAD || connection->have > 0) {
        count.broken++;
        count.broken_at_us = now_us();
    }
    count.open--;
    SSL_free(connection->tls);
    close(connection->fd);
    free(connection);
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("sink: listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void use_tls(const char *certificate, const char *key)
{
    tls_settings = SSL_CTX_new(TLS_server_method());
    if (!tls_settings || SSL_CTX_use_certificate_chain_file(tls_settings, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_settings, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_read_ahead(tls_settings, 1);
    SSL_CTX_set_default_read_buffer_len(tls_settings, 256 * 1024);
}

int main(int argc, char **argv)
{
    static char listening, input; /* what their events point to */
    struct epoll_event events[EVENTS];

    signal(SIGPIPE, SIG_IGN);
    if (argc == 3)
        use_tls(argv[1], argv[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("sink: epoll");
    watch(STDIN_FILENO, &input);
    int listener = open_listener();
    watch(listener, &listening);
    for (;;) {
        int64_t left_us = first_waiting ? first_waiting->answer_at_us - now_us() : 0;
        int timeout_ms = !first_waiting ? -1 : left_us > 0 ? (int)at_most((left_us + 999) / 1000, 60000) : 0;
        int ready = epoll_wait(poller, events, EVENTS, timeout_ms);
        for (int i = 0; i < ready; i++) {
            void *what = events[i].data.ptr;
            if (what == &input) {
                if (read(STDIN_FILENO, gulp, sizeof gulp) <= 0)
                    return 0;
            } else if (what == &listening) {
                let_in(listener);
            } else {
                struct connection *connection = what;
                bool open;
                drained = !connection->tls; /* what TLS has read ahead is no event */
                do
                    open = serve(connection);
                while (open && !drained);
                if (!open)
                    end_connection(connection);
            }
        }
        answer_until(now_us());
    }
}
