/* The listening socket and the HTTP daemon.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server.h"

#include "exchange.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Half of it becomes the read buffer: larger ones fall out of the cache between recv and hash. Answers' headers must fit, too. */
#define CONNECTION_MEMORY (512u * 1024)
#define CONNECTIONS_MAX 4000u
#define BACKLOG 1024

static enum MHD_Result handle(void *closure, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **state)
{
    struct sandbox_exchange *exchange = *state;
    (void)version;
    if (!exchange) {
        *state = exchange = sandbox_exchange_new(closure, connection, method, path);
        return sandbox_exchange_begin(exchange);
    }
    return *size > 0 ? sandbox_exchange_body(exchange, data, size) : sandbox_exchange_end(exchange);
}

static void complete(void *closure, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode how)
{
    (void)closure;
    (void)connection;
    (void)how;
    if (*state)
        sandbox_exchange_free(*state);
    *state = NULL;
}

static void number_connection(void *closure, struct MHD_Connection *connection, void **context,
                              enum MHD_ConnectionNotificationCode what)
{
    struct sandbox *sandbox = closure;
    (void)connection;
    if (what != MHD_CONNECTION_NOTIFY_STARTED)
        return;
    pthread_mutex_lock(&sandbox->lock);
    *context = (void *)(uintptr_t)++sandbox->connections; // NOLINT(performance-no-int-to-ptr): a number, never followed
    pthread_mutex_unlock(&sandbox->lock);
}

static int complain(const struct sandbox_options *options, const char *why)
{
    fprintf(stderr, "loomta-sandbox: cannot listen on %s port %u: %s\n", options->host, (unsigned)options->port, why);
    return -1;
}

static int open_socket(const struct sandbox_options *options)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)options->port);
    int error = getaddrinfo(options->host, port, &hints, &found);
    if (error != 0)
        return complain(options, gai_strerror(error));

    int on = 1;
    int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, BACKLOG) != 0) {
        complain(options, strerror(errno));
        if (listener >= 0)
            close(listener);
        listener = -1;
    }
    freeaddrinfo(found);
    return listener;
}

static void write_url(struct sandbox *sandbox, int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[128] = "";
    char port[8] = "";
    getsockname(listener, (struct sockaddr *)&address, &length);
    getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(sandbox->url, sizeof sandbox->url, address.ss_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s",
             sandbox->options.certificate ? "https" : "http", host, port);
}

struct MHD_Daemon *sandbox_server_start(struct sandbox *sandbox)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, sandbox->options.certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, sandbox->options.private_key},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    if (sandbox->options.certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;

    int listener = open_socket(&sandbox->options);
    if (listener < 0)
        return NULL;
    write_url(sandbox, listener);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, sandbox, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED,
        complete, NULL, MHD_OPTION_NOTIFY_CONNECTION, number_connection, sandbox, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!daemon)
        fprintf(stderr, "loomta-sandbox: cannot start the HTTP server%s\n",
                sandbox->options.certificate ? ": are the certificate and key a matching pair of PEM files?" : "");
    return daemon;
}

void sandbox_server_stop(struct sandbox *sandbox, struct MHD_Daemon *daemon)
{
    sandbox_wire_stop(&sandbox->wire);
    MHD_stop_daemon(daemon);
}
