/* One HTTP exchange over libcurl: a request with a streamed body, a capped answer.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

#include "clock.h"
#include "secret.h"
#include "sockets.h"
#include "trust.h"
#include "wiping.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if LIBCURL_VERSION_NUM < 0x074400
#error "loomta needs libcurl 7.68 or later"
#endif

enum {
    MIN_UPLOAD_BUFFER = 16 * 1024,       /* libcurl takes no less … */
    MAX_UPLOAD_BUFFER = 2 * 1024 * 1024, /* … and no more */
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
    global_result = loomta_wiping_global_init();
}

bool loomta_transfer_global_init(void)
{
    pthread_once(&global_once, global_init);
    return global_result == CURLE_OK;
}

/* --- callbacks: they run inside libcurl, on the thread of the engine's step ------------------------------------- */

/* How many of `wanted` bytes may be read now; 0: none, and the transfer is to pause. */
static size_t may_read(struct loomta_transfer *transfer, size_t wanted)
{
    int64_t now_us = loomta_now_us(), at_us = transfer->throttled_until_us;

    if (transfer->promised == 0)
        transfer->promised = loomta_pace_reserve(transfer->pace, (int64_t)wanted, now_us, &at_us);
    transfer->throttled_until_us = at_us > now_us ? at_us : 0;
    if (transfer->throttled_until_us > 0)
        return 0;
    return wanted < (size_t)transfer->promised ? wanted : (size_t)transfer->promised;
}

/* The others may have what it does not need. */
static void give_back_promised(struct loomta_transfer *transfer)
{
    if (transfer->promised > 0)
        loomta_pace_return(transfer->pace, transfer->promised);
    transfer->promised = 0;
}

static size_t on_read(char *into, size_t size, size_t count, void *user)
{
    struct loomta_transfer *transfer = user;
    if (transfer->body.handed == 0 && transfer->answer.status > 0) {
        /* libcurl asks anew by itself after an answer that it did not like: that answer is history. */
        loomta_answer_clear(&transfer->answer);
        transfer->answered_us = 0;
    }
    size_t most = size * count;
    if (transfer->pace && (most = may_read(transfer, most)) == 0)
        return CURL_READFUNC_PAUSE;
    ssize_t got = loomta_body_read(&transfer->body, into, most);

    if (got >= 0) {
        transfer->promised -= transfer->pace ? got : 0;
        if (transfer->body.complete)
            give_back_promised(transfer);
        return (size_t)got;
    }
    if (got == LOOMTA_SOURCE_STARVED) {
        transfer->paused = true;
        transfer->hungry_at_us = 0;
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

#if LIBCURL_VERSION_NUM >= 0x075000
/* Corked is only what has a body, and cannot have to wait in the middle: for a reader, a limit, or a 100 Continue. */
static bool may_cork(const struct loomta_transfer *transfer)
{
    return loomta_body_size(&transfer->body) > 0 && transfer->body.source.kind != LOOMTA_SOURCE_CHUNKS &&
           transfer->max_bytes_per_sec == 0 && !transfer->pace && !transfer->expect_sent;
}

/* Called before each request goes out, also one that libcurl repeats: the same rule where it does not think of seeking. */
static int on_request(void *user, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct loomta_transfer *transfer = user;

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    transfer->connected = true;
    loomta_backlog_begin(&transfer->backlog, loomta_sockets_find(transfer->sockets, local_port), may_cork(transfer));
    return transfer->body.handed == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
#endif

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
    /* To this libcurl would repeat the request by itself, and ask with Expect again. */
    if (transfer->answer.status == 417 && transfer->expect_sent)
        return 0;
    return size * count;
}

/* Is the connection ready for the request? on_request says so. Without it, before libcurl 7.80, the time tells, which libcurl 8
 * also has of connections that failed. */
static bool is_connected(const struct loomta_transfer *transfer)
{
    curl_off_t ready_us = 0;

    if (!transfer->tells_request && !transfer->connected)
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return transfer->connected || ready_us > 0;
}

static int on_progress(void *user, curl_off_t download_total, curl_off_t downloaded, curl_off_t upload_total,
                       curl_off_t uploaded)
{
    struct loomta_transfer *transfer = user;

    (void)download_total;
    (void)upload_total;
    if (!transfer->connected) {
        transfer->connected = is_connected(transfer);
        transfer->moved_us = loomta_now_us();
    }
    if (uploaded != transfer->uploaded || downloaded != transfer->downloaded) {
        transfer->uploaded = uploaded;
        transfer->downloaded = downloaded;
        transfer->moved_us = loomta_now_us();
        loomta_backlog_adapt(&transfer->backlog, uploaded, transfer->moved_us);
        if (transfer->body.complete && uploaded >= loomta_body_size(&transfer->body))
            loomta_backlog_flush(&transfer->backlog);
    }
    return 0;
}

/* --- set-up ------------------------------------------------------------------------------------------------------- */

/* libcurl allocates the buffer for each transfer: as large as pays off, no larger than the body, and small enough that a
 * rate limit moves in small steps. */
static long upload_buffer_size(int64_t body_size, int64_t max_bytes_per_sec, int64_t most)
{
    int64_t size = body_size < 0 ? 256 * 1024 : body_size;

    if (max_bytes_per_sec > 0 && size > max_bytes_per_sec / 10)
        size = max_bytes_per_sec / 10;
    if (size > most)
        size = most;
    if (size < MIN_UPLOAD_BUFFER)
        size = MIN_UPLOAD_BUFFER;
    return size > MAX_UPLOAD_BUFFER ? (long)MAX_UPLOAD_BUFFER : (long)size;
}

/* Options that the libcurl of the build knows, but the one at run time perhaps does not. */
static CURLcode set_if_known(struct loomta_transfer *transfer)
{
    CURLcode result = CURLE_OK;

    (void)transfer; /* libcurl's headers may be older than all of them */
#if LIBCURL_VERSION_NUM >= 0x075000
    if ((result = curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, on_request)) == CURLE_OK)
        result = curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer);
    if (result != CURLE_OK && result != CURLE_UNKNOWN_OPTION)
        return result;
    transfer->tells_request = result == CURLE_OK;
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A resolver that hangs is left behind, not waited for. */
    result = curl_easy_setopt(transfer->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return result == CURLE_UNKNOWN_OPTION ? CURLE_OK : result;
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
    SET(PATH_AS_IS, 1L);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* many uploads at once are faster over many connections */
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    SET(USERAGENT, request->user_agent);
    SET(OPENSOCKETFUNCTION, loomta_sockets_open);
    SET(OPENSOCKETDATA, transfer->sockets);
    SET(CLOSESOCKETFUNCTION, loomta_sockets_close);
    SET(CLOSESOCKETDATA, transfer->sockets);
    SET(WRITEFUNCTION, on_write);
    SET(WRITEDATA, transfer);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, transfer);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, transfer);
    SET(NOPROGRESS, 0L);
    SET(EXPECT_100_TIMEOUT_MS, (long)LOOMTA_EXPECT_WAIT_MS);
    if (request->connect_timeout_ms > 0)
        SET(CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    if (request->max_bytes_per_sec > 0)
        SET(MAX_SEND_SPEED_LARGE, (curl_off_t)request->max_bytes_per_sec);
    /* What may have a body says how long it is, also when it has none. */
    bool posts = request->content_type || !(transfer->safe || strcmp(request->method, "DELETE") == 0);
    if (posts) {
        SET(POST, 1L);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)loomta_body_size(&transfer->body));
        SET(READFUNCTION, on_read);
        SET(READDATA, transfer);
        SET(SEEKFUNCTION, on_seek);
        SET(SEEKDATA, transfer);
    }
    /* On a kept connection that turns out dead libcurl sends the request again by itself: for one of which no byte can
     * tell whether it went out, only a new connection keeps it from that. */
    if (!transfer->safe && loomta_body_size(&transfer->body) == 0)
        SET(FRESH_CONNECT, 1L);
    if (strcmp(request->method, posts ? "POST" : "GET") != 0)
        SET(CUSTOMREQUEST, request->method);
#undef SET
    if ((result = set_if_known(transfer)) != CURLE_OK)
        return result;
    return loomta_trust_apply(easy, request);
}

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
        "Expect:", "Accept: application/json", transfer->authorization,
        transfer->content_type ? transfer->content_type : "Content-Type:", /* none, also where libcurl has an idea */
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

CURLcode loomta_transfer_open(struct loomta_transfer *transfer, const struct loomta_request *request)
{
    CURLcode result;

    transfer->answer.body.limit = request->max_response_bytes;
    transfer->max_bytes_per_sec = request->max_bytes_per_sec;
    if (request->api_key && !(transfer->authorization = header_line("Authorization: Bearer ", request->api_key)))
        return CURLE_OUT_OF_MEMORY;
    if (request->content_type && !(transfer->content_type = header_line("Content-Type: ", request->content_type)))
        return CURLE_OUT_OF_MEMORY;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return CURLE_OUT_OF_MEMORY;
    link_headers(transfer);
    result = curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return result == CURLE_OK ? set_options(transfer, request) : result;
}

bool loomta_transfer_begin(struct loomta_transfer *transfer, bool expect_continue, int64_t buffer_bytes)
{
    if (!loomta_body_rewind(&transfer->body))
        return false;
    if (transfer->content_type) {
        long buffer = upload_buffer_size(loomta_body_size(&transfer->body), transfer->max_bytes_per_sec, buffer_bytes);
        /* Refused, libcurl's default stays: slower, not wrong. */
        curl_easy_setopt(transfer->easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer);
        /* Held back by our own limit, a buffer may take this long to go: two of them, for the rounding. libcurl 8.22 lets what
         * a second allows go at once, and then nothing for the rest of it. */
        if (transfer->max_bytes_per_sec > 0)
            transfer->pace_us = 1000000 + 2 * (int64_t)buffer * 1000000 / transfer->max_bytes_per_sec;
    }
    loomta_answer_clear(&transfer->answer);
    transfer->answered_us = 0;
    transfer->connected = false;
    transfer->abort = LOOMTA_ABORT_NONE;
    transfer->error[0] = '\0';
    transfer->paused = false;
    transfer->throttled_until_us = 0;
    transfer->expect_sent = expect_continue;
    transfer->headers[0].data = expect_continue ? "Expect: 100-continue" : "Expect:";
    transfer->backlog = (struct loomta_backlog){.fd = CURL_SOCKET_BAD};
    transfer->uploaded = transfer->downloaded = 0;
    transfer->began_us = transfer->moved_us = loomta_now_us();
    return true;
}

CURLcode loomta_transfer_resume(struct loomta_transfer *transfer)
{
    transfer->paused = false;
    transfer->throttled_until_us = 0;
    transfer->moved_us = loomta_now_us(); /* the wait was for the source or the pace, not for the network */
    return curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

struct loomta_end loomta_transfer_end(struct loomta_transfer *transfer, CURLcode result)
{
    bool connected = transfer->easy && is_connected(transfer); /* without a handle: in a child of fork() */
    long proxy_status = 0;

    give_back_promised(transfer);
    loomta_backlog_flush(&transfer->backlog);
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    return (struct loomta_end){
        .result = result,
        .abort = transfer->abort,
        .source_error = transfer->body.source.error,
        .status = transfer->answer.status,
        .safe = transfer->safe,
        .connected = connected,
        .proxy_status = (int)proxy_status,
        .body_complete = transfer->body.complete || (connected && loomta_body_size(&transfer->body) == 0),
        .expect_sent = transfer->expect_sent,
        .retry_after_ms = transfer->answer.retry_after_ms,
    };
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
