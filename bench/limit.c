/* The least that an upload can cost: a loop that sends the same bytes as fast as the system takes them, and reads the answers.
 * What an uploader needs more than this is what it adds.
 *
 *   limit copy|sendfile PORT PATH COUNT THREADS        pread and send, or sendfile
 *   limit tls PORT PATH COUNT THREADS                  pread and SSL_write
 *
 * Each thread has one connection and sends COUNT / THREADS uploads, one after the other.
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1024 * 1024 };

static const char prologue[] = "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"clip.mp4\"\r\n"
                               "Content-Type: video/mp4\r\n\r\n";
static const char epilogue[] = "\r\n--b0--\r\n";

static struct {
    bool sendfile, tls;
    unsigned short port;
    const char *path;
    int each;
    SSL_CTX *settings;
} work;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, SSL *tls, const char *bytes, size_t length, int flags)
{
    while (length > 0) {
        ssize_t sent = tls ? SSL_write(tls, bytes, (int)length) : send(fd, bytes, length, MSG_NOSIGNAL | flags);
        if (sent <= 0)
            fail("limit: send");
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void send_file(int fd, SSL *tls, int file, off_t size, char *chunk)
{
    off_t at = 0;

    while (at < size) {
        ssize_t sent;
        if (work.sendfile) {
            sent = sendfile(fd, file, &at, (size_t)(size - at));
        } else {
            sent = pread(file, chunk, CHUNK, at);
            if (sent > 0)
                send_all(fd, tls, chunk, (size_t)sent, MSG_MORE);
            at += sent;
        }
        if (sent <= 0)
            fail("limit: file");
    }
}

static void read_answer(int fd, SSL *tls)
{
    char answer[4096];
    size_t have = 0;
    const char *body;

    do {
        ssize_t got = tls ? SSL_read(tls, answer + have, (int)(sizeof answer - 1 - have))
                          : recv(fd, answer + have, sizeof answer - 1 - have, 0);
        if (got <= 0)
            fail("limit: answer");
        have += (size_t)got;
        answer[have] = '\0';
        body = strstr(answer, "\r\n\r\n");
    } while (!body || answer[have - 1] != '}');
    if (strncmp(answer, "HTTP/1.1 201", 12) != 0) {
        fprintf(stderr, "limit: %.60s\n", answer);
        exit(1);
    }
}

static void *upload(void *unused)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(work.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    char *chunk = malloc(CHUNK);
    SSL *tls = NULL;

    if (fd < 0 || !chunk || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("limit: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (work.tls) {
        tls = SSL_new(work.settings);
        if (!tls || SSL_set_fd(tls, fd) != 1 || SSL_connect(tls) != 1)
            fail("limit: TLS");
    }
    for (int i = 0; i < work.each; i++) {
        struct stat status;
        char head[512];
        int file = open(work.path, O_RDONLY);
        if (file < 0 || fstat(file, &status) != 0)
            fail(work.path);
        int length = snprintf(head, sizeof head,
                              "POST /public/v1/media HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\n"
                              "Content-Type: multipart/form-data; boundary=b0\r\nContent-Length: %lld\r\n\r\n%s",
                              (long long)status.st_size + (long long)(strlen(prologue) + strlen(epilogue)), prologue);
        send_all(fd, tls, head, (size_t)length, MSG_MORE);
        send_file(fd, tls, file, status.st_size, chunk);
        send_all(fd, tls, epilogue, strlen(epilogue), 0);
        close(file);
        read_answer(fd, tls);
    }
    SSL_free(tls);
    free(chunk);
    close(fd);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];

    if (argc != 6) {
        fputs("usage: limit copy|sendfile|tls PORT PATH COUNT THREADS\n", stderr);
        return 2;
    }
    work.sendfile = strcmp(argv[1], "sendfile") == 0;
    work.tls = strcmp(argv[1], "tls") == 0;
    work.port = (unsigned short)atoi(argv[2]);
    work.path = argv[3];
    int count = atoi(argv[5]);
    if (count < 1 || count > 64)
        return 2;
    work.each = atoi(argv[4]) / count;
    if (work.tls && !(work.settings = SSL_CTX_new(TLS_client_method())))
        fail("limit: TLS");
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, upload, NULL) != 0)
            fail("limit: thread");
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    SSL_CTX_free(work.settings);
    return 0;
}
