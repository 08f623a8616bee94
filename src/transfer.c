/* One HTTP exchange over libcurl: a request with a streamed body, a capped answer.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

#include "clock.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* How long a server may take to say 100 Continue before the body goes out all the same. */
    EXPECT_WAIT_MS = 250,
    MIN_UPLOAD_BUFFER = 16 * 1024,       /* libcurl takes no less … */
    MAX_UPLOAD_BUFFER = 2 * 1024 * 1024, /* … and no more */
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool loomta_transfer_global_init(void)
{
    pthread_once(&global_once, global_init);
    return global_result == CURLE_OK;
}

/* --- callbacks: they run inside libcurl, on the thread of the engine's step ------------------------------------- */

static size_t on_read(char *into, size_t size, size_t count, void *user)
{
    struct loomta_transfer *transfer = user;
    ssize_t got = loomta_body_read(&transfer->body, into, size * count);

    if (got >= 0)
        return (size_t)got;
    if (got == LOOMTA_SOURCE_STARVED) {
        transfer->paused = true;
        return CURL_READFUNC_PAUSE;
    }
    transfer->abort = LOOMTA_ABORT_SOURCE;
    return CURL_READFUNC_ABORT;
}

/* libcurl wants to send the body again by itself, e.g. because a kept connection turned out dead. That is its business
 * as long as no byte has gone out. Afterwards the server may have it all: only the retry policy may repeat it. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
    const struct loomta_transfer *transfer = user;

    if (offset == 0 && origin == SEEK_SET && transfer->body.handed == 0)
        return CURL_SEEKFUNC_OK;
    return CURL_SEEKFUNC_FAIL;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *user)
{
    struct loomta_transfer *transfer = user;

    switch (loomta_buffer_append(&transfer->answer.body, bytes, size * count)) {
    case LOOMTA_BUFFER_OK:
        return size * count;
    case LOOMTA_BUFFER_FULL:
        transfer->abort = LOOMTA_ABORT_RESPONSE_TOO_LARGE;
        return 0;
    default:
        transfer->abort = LOOMTA_ABORT_NO_MEMORY;
        return 0;
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct loomta_transfer *transfer = user;

    transfer->moved_us = loomta_now_us();
    if (!loomta_answer_take_header(&transfer->answer, line, size * count)) {
        transfer->abort = LOOMTA_ABORT_RESPONSE_TOO_LARGE;
        return 0;
    }
    if (transfer->answer.status > 0 && transfer->answered_us == 0)
        transfer->answered_us = transfer->moved_us;
    return size * count;
}

static int on_progress(void *user, curl_off_t download_total, curl_off_t downloaded, curl_off_t upload_total,
                       curl_off_t uploaded)
{
    struct loomta_transfer *transfer = user;

    (void)download_total;
    (void)upload_total;
    if (!transfer->connected) {
        curl_off_t ready_us = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
        transfer->connected = ready_us > 0;
        transfer->moved_us = loomta_now_us();
    }
    if (uploaded != transfer->uploaded || downloaded != transfer->downloaded) {
        transfer->uploaded = uploaded;
        transfer->downloaded = downloaded;
        transfer->moved_us = loomta_now_us();
    }
    return 0;
}

/* A socket that a child process inherits would keep the connection open behind our back. */
static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    int type = address->socktype;

    (void)user;
    (void)purpose;
#ifdef SOCK_CLOEXEC
    type |= SOCK_CLOEXEC;
#endif
    int fd = socket(address->family, type, address->protocol);
#ifndef SOCK_CLOEXEC
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* --- set-up ------------------------------------------------------------------------------------------------------- */

/* libcurl allocates the buffer for each transfer: as large as pays off, no larger than the body, and small enough that a
 * rate limit moves in small steps. */
static long upload_buffer_size(int64_t body_size, int64_t max_bytes_per_sec)
{
    int64_t size = body_size < 0 ? 256 * 1024 : body_size;

    if (max_bytes_per_sec > 0 && size > max_bytes_per_sec / 10)
        size = max_bytes_per_sec / 10;
    if (size < MIN_UPLOAD_BUFFER)
        size = MIN_UPLOAD_BUFFER;
    return size > MAX_UPLOAD_BUFFER ? (long)MAX_UPLOAD_BUFFER : (long)size;
}

/* Debian's libcurl has a folder of CAs compiled in besides the bundle: with the folder, each new connection loads them all
 * anew, 25 ms of CPU; with the bundle alone libcurl 7.87 and later keep what they loaded. */
static CURLcode use_bundle_only(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075400
    char *bundle = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle) == CURLE_OK && bundle && access(bundle, R_OK) == 0)
        return curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
#else
    (void)easy;
#endif
    return CURLE_OK;
}

static CURLcode set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    CURLcode result = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Older at run time than at build time: the URL's scheme was checked, and no redirect is followed. */
    return result == CURLE_UNKNOWN_OPTION ? CURLE_OK : result;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static CURLcode set_trust(CURL *easy, const struct loomta_request *request)
{
    CURLcode result = CURLE_OK;

    if (request->ca_file)
        result = curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (result == CURLE_OK && (request->ca_path || request->ca_file)) /* what was given replaces the system's */
        result = curl_easy_setopt(easy, CURLOPT_CAPATH, request->ca_path);
    if (result == CURLE_OK && request->ca_path && !request->ca_file)
        result = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    if (result == CURLE_OK && !request->ca_path && !request->ca_file)
        result = use_bundle_only(easy);
    if (result == CURLE_OK && request->client_cert)
        result = curl_easy_setopt(easy, CURLOPT_SSLCERT, request->client_cert);
    if (result == CURLE_OK && request->client_key)
        result = curl_easy_setopt(easy, CURLOPT_SSLKEY, request->client_key);
    return result;
}

static CURLcode set_options(struct loomta_transfer *transfer, const struct loomta_request *request)
{
    CURL *easy = transfer->easy;
    CURLcode result;

#define SET(option, value)                                                                                             \
    if ((result = curl_easy_setopt(easy, CURLOPT_##option, value)) != CURLE_OK)                                        \
    return result
    SET(URL, request->url);
    SET(ERRORBUFFER, transfer->error);
    SET(NOSIGNAL, 1L);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* many uploads at once are faster over many connections */
    SET(FOLLOWLOCATION, 0L);
    SET(NETRC, (long)CURL_NETRC_IGNORED);
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(SSL_VERIFYPEER, request->verify ? 1L : 0L);
    SET(SSL_VERIFYHOST, request->verify ? 2L : 0L);
    SET(USERAGENT, request->user_agent);
    SET(OPENSOCKETFUNCTION, on_open_socket);
    SET(WRITEFUNCTION, on_write);
    SET(WRITEDATA, transfer);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, transfer);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, transfer);
    SET(NOPROGRESS, 0L);
    SET(EXPECT_100_TIMEOUT_MS, (long)EXPECT_WAIT_MS);
    if (request->connect_timeout_ms > 0)
        SET(CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    if (request->max_bytes_per_sec > 0)
        SET(MAX_SEND_SPEED_LARGE, (curl_off_t)request->max_bytes_per_sec);
    if (request->proxy || request->direct)
        SET(PROXY, request->proxy ? request->proxy : "");
    if (request->content_type) {
        int64_t size = loomta_body_size(&transfer->body);
        SET(POST, 1L);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)size);
        SET(READFUNCTION, on_read);
        SET(READDATA, transfer);
        SET(SEEKFUNCTION, on_seek);
        SET(SEEKDATA, transfer);
        SET(UPLOAD_BUFFERSIZE, upload_buffer_size(size, request->max_bytes_per_sec));
    }
    if (strcmp(request->method, request->content_type ? "POST" : "GET") != 0)
        SET(CUSTOMREQUEST, request->method);
#undef SET
    if ((result = set_protocols(easy)) != CURLE_OK)
        return result;
    return set_trust(easy, request);
}

static const char bearer[] = "Authorization: Bearer ";

/* A header line in memory of its own. */
static char *header_line(const char *start, const char *value)
{
    size_t size = strlen(start) + strlen(value) + 1;
    char *line = malloc(size);

    if (line)
        snprintf(line, size, "%s%s", start, value);
    return line;
}

/* The first header is Expect, so that an attempt can change it. */
static void link_headers(struct loomta_transfer *transfer)
{
    const char *lines[LOOMTA_HEADER_COUNT] = {
        "Expect:", "Accept: application/json", transfer->authorization, transfer->content_type,
        loomta_body_size(&transfer->body) < 0 ? "Transfer-Encoding: chunked" : NULL};
    struct curl_slist **next = NULL;

    for (size_t i = 0, used = 0; i < LOOMTA_HEADER_COUNT; i++) {
        if (!lines[i])
            continue;
        struct curl_slist *header = &transfer->headers[used++];
        header->data = (char *)lines[i];
        if (next)
            *next = header;
        next = &header->next;
    }
}

bool loomta_transfer_open(struct loomta_transfer *transfer, const struct loomta_request *request,
                          struct loomta_body *body, CURLcode *result)
{
    transfer->body = *body;
    *body = (struct loomta_body){0};
    transfer->answer.body.limit = request->max_response_bytes;

    *result = CURLE_OUT_OF_MEMORY;
    if (request->api_key && !(transfer->authorization = header_line(bearer, request->api_key)))
        return false;
    if (request->content_type && !(transfer->content_type = header_line("Content-Type: ", request->content_type)))
        return false;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return false;
    link_headers(transfer);
    *result = curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (*result == CURLE_OK)
        *result = set_options(transfer, request);
    return *result == CURLE_OK;
}

bool loomta_transfer_begin(struct loomta_transfer *transfer, bool expect_continue)
{
    if (!loomta_body_rewind(&transfer->body))
        return false;
    loomta_answer_clear(&transfer->answer);
    transfer->answered_us = 0;
    transfer->connected = false;
    transfer->abort = LOOMTA_ABORT_NONE;
    transfer->error[0] = '\0';
    transfer->paused = transfer->hunger_told = false;
    transfer->expect_sent = expect_continue;
    transfer->headers[0].data = expect_continue ? "Expect: 100-continue" : "Expect:";
    transfer->uploaded = transfer->downloaded = 0;
    transfer->began_us = transfer->moved_us = loomta_now_us();
    return true;
}

CURLcode loomta_transfer_resume(struct loomta_transfer *transfer)
{
    transfer->paused = transfer->hunger_told = false;
    transfer->moved_us = loomta_now_us(); /* the wait was for the source, not for the network */
    return curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

struct loomta_end loomta_transfer_end(const struct loomta_transfer *transfer, CURLcode result)
{
    curl_off_t ready_us = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return (struct loomta_end){
        .result = result,
        .abort = transfer->abort,
        .source_error = transfer->body.source.error,
        .status = transfer->answer.status,
        .safe = !transfer->content_type,
        .connected = ready_us > 0,
        .body_complete = transfer->body.complete,
        .can_rewind = loomta_source_can_rewind(&transfer->body.source),
        .expect_sent = transfer->expect_sent,
        .retry_after_ms = transfer->answer.retry_after_ms,
    };
}

void loomta_transfer_redact(struct loomta_transfer *transfer)
{
    if (transfer->authorization)
        loomta_answer_redact(&transfer->answer, transfer->authorization + sizeof bearer - 1);
}

int64_t loomta_transfer_sent(const struct loomta_transfer *transfer)
{
    int64_t sent = transfer->uploaded - (int64_t)transfer->body.prologue.length;

    if (sent < 0)
        return 0;
    return sent < transfer->body.source.position ? sent : transfer->body.source.position;
}

void loomta_transfer_close(struct loomta_transfer *transfer)
{
    if (transfer->easy)
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    loomta_secret_free(transfer->authorization);
    free(transfer->content_type);
    transfer->authorization = transfer->content_type = NULL;
    loomta_answer_free(&transfer->answer);
    loomta_body_close(&transfer->body);
}
