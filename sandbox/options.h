/* The command line.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_VERSION "1.0.0"

struct sandbox_options {
    const char *host;
    uint16_t port;
    const char **keys;
    size_t key_count;
    char *certificate, *private_key; /* PEM text; NULL without TLS */
    size_t keep_media, keep_bodies;
    uint64_t seed;
    bool pending, until_eof, quiet;
};

/* Does not return when the line is wrong (exit 2, one line on stderr) or only asks for help or version (exit 0). */
void sandbox_options_read(struct sandbox_options *options, int argc, char **argv);
void sandbox_options_free(struct sandbox_options *options);

#endif
