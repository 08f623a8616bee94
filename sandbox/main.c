/* loomta-sandbox: a local emulator of the Loomta API, from its start to its clean end.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sandbox.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int wake[2]; /* a signal handler may only write to a pipe */

static void on_signal(int number)
{
    int saved = errno;
    (void)number;
    /* A full pipe already wakes. */
    if (write(wake[1], "", 1) < 0)
        errno = saved;
    errno = saved;
}

static bool catch_signals(void)
{
    struct sigaction end = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    return pipe2(wake, O_CLOEXEC | O_NONBLOCK) == 0 && sigaction(SIGINT, &end, NULL) == 0 &&
           sigaction(SIGTERM, &end, NULL) == 0 && sigaction(SIGPIPE, &ignore, NULL) == 0;
}

static void await_end(bool until_eof)
{
    for (;;) {
        struct pollfd fds[2] = {{wake[0], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        char discarded[512];
        if (poll(fds, until_eof ? 2 : 1, -1) < 0)
            continue;
        if (fds[0].revents)
            return;
        ssize_t got = fds[1].revents ? read(STDIN_FILENO, discarded, sizeof discarded) : 1;
        if (got == 0 || (got < 0 && errno != EINTR))
            return;
    }
}

static void announce(const struct sandbox *sandbox)
{
    printf("loomta-sandbox listening on %s\n", sandbox->url);
    if (!sandbox->options.quiet) {
        printf("  export LOOMTA_API_URL=%s LOOMTA_API_KEY=%s\n", sandbox->url, sandbox->options.keys[0]);
        printf("  what arrives is listed at %s/sandbox/requests\n", sandbox->url);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sandbox sandbox = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sandbox_options_read(&sandbox.options, argc, argv);
    if (!catch_signals() || !sandbox_wire_open(&sandbox.wire)) {
        perror("loomta-sandbox");
        return EXIT_FAILURE;
    }
    sandbox_ids_uuid(sandbox.organization);
    for (int i = 0; i < SANDBOX_PLATFORM_COUNT; i++)
        sandbox_ids_uuid(sandbox.platform_ids[i]);
    sandbox_journal_init(&sandbox.journal);
    sandbox_store_init(&sandbox.store, sandbox.options.keep_media);
    sandbox_posts_init(&sandbox.posts);
    sandbox_settings_reset(&sandbox.settings);
    sandbox_fault_queue_init(&sandbox.faults, sandbox.options.seed);

    struct MHD_Daemon *daemon = sandbox_server_start(&sandbox);
    if (daemon) {
        announce(&sandbox);
        await_end(sandbox.options.until_eof);
        sandbox_server_stop(&sandbox, daemon);
    }

    sandbox_fault_queue_clear(&sandbox.faults);
    sandbox_settings_reset(&sandbox.settings);
    sandbox_posts_free(&sandbox.posts);
    sandbox_store_free(&sandbox.store);
    sandbox_journal_free(&sandbox.journal);
    sandbox_wire_free(&sandbox.wire);
    sandbox_options_free(&sandbox.options);
    close(wake[0]);
    close(wake[1]);
    return daemon ? EXIT_SUCCESS : EXIT_FAILURE;
}
