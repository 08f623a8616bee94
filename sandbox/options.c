/* The command line.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "options.h"

#include "ids.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: loomta-sandbox [options]\n"
    "\n"
    "A local stand-in for the Loomta API, for trying and testing clients: it takes uploads, checks\n"
    "them as the API does, hashes them, drops the bytes, makes posts of them that go nowhere, and\n"
    "fails on demand.\n"
    "\n"
    "  --port N             port to listen on (default 8787; 0: the system picks one)\n"
    "  --host ADDR          address to listen on (default 127.0.0.1)\n"
    "  --tls CERT KEY       serve HTTPS with this certificate and private key (PEM files)\n"
    "  --key KEY            an API key to accept; may be repeated (default loomta_sk_sandbox)\n"
    "  --pending            new media are PENDING instead of READY\n"
    "  --keep-media N       list the newest N media (default 10000)\n"
    "  --keep-bodies BYTES  keep so much of each request's body for /sandbox/requests/ID/body\n"
    "  --seed N             makes faults with a probability repeatable\n"
    "  --until-eof          exit when standard input is closed\n"
    "  --quiet              print nothing but the first line and errors\n"
    "  --help, --version\n"
    "\n"
    "API, with 'Authorization: Bearer KEY':\n"
    "  POST /public/v1/media          GET /public/v1/media[?folderId=ID|null][&mediaType=image|video]\n"
    "  POST /public/v1/media/folders  GET /public/v1/media/folders\n"
    "  GET  /public/v1/platforms      GET /public/v1/platforms/ID/schema\n"
    "  POST /public/v1/posts          GET /public/v1/posts    GET /public/v1/posts/ID\n"
    "  PATCH /public/v1/posts/ID/schedule\n"
    "  POST /public/v1/slides/caption POST /public/v1/slides/composite\n"
    "\n"
    "Device login, without a key:\n"
    "  POST /auth/device/start        POST /auth/device/token\n"
    "\n"
    "Control, without a key:\n"
    "  GET    /sandbox/requests[?since=ID]  what arrived: headers, parts, hashes, what was answered\n"
    "  GET    /sandbox/requests/ID/body     the raw body (with --keep-bodies)\n"
    "  GET    /sandbox/media                what is stored\n"
    "  POST   /sandbox/faults               queue a fault (JSON) for the next requests\n"
    "  GET    /sandbox/faults               faults still waiting;  DELETE forgets them\n"
    "  GET    /sandbox/posts                all posts, also the comments\n"
    "  GET    /sandbox/settings             switches: plan, credits, publishing, login, platforms;\n"
    "                                       PATCH changes some\n"
    "  GET    /sandbox/device               how to approve a device login\n"
    "  POST   /sandbox/device/approve       {\"user_code\":\"LMT-…\"};  /sandbox/device/deny likewise\n"
    "  POST   /sandbox/reset                forget all of that and put the switches back\n"
    "\n"
    "Example: the next upload is stored, but its answer never arrives:\n"
    "  curl -d '{\"disconnect\":\"reset\",\"at\":\"response\"}' http://127.0.0.1:8787/sandbox/faults\n"
    "  curl -H 'Authorization: Bearer loomta_sk_sandbox' -F 'file=@clip.mp4;type=video/mp4' \\\n"
    "       http://127.0.0.1:8787/public/v1/media\n"
    "\n"
    "All faults and switches are described in sandbox/README.md.\n";

static void refuse(const char *format, const char *what)
{
    fputs("loomta-sandbox: ", stderr);
    fprintf(stderr, format, what);
    fputs(" (see --help)\n", stderr);
    exit(2);
}

static uint64_t read_number(const char *option, const char *text, uint64_t maximum)
{
    char *end;
    char message[96];
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number > maximum) {
        snprintf(message, sizeof message, "%s needs a number from 0 to %llu", option, (unsigned long long)maximum);
        refuse("%s", message);
    }
    return number;
}

static char *read_pem(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        refuse("cannot read %s", path);
    struct sandbox_text text = {0};
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        sandbox_text_add(&text, chunk, got);
    bool failed = ferror(file) || !text.data;
    fclose(file);
    if (failed)
        refuse("cannot read %s", path);
    return text.data;
}

static void add_key(struct sandbox_options *options, const char *key)
{
    if (!*key)
        refuse("%s", "--key needs a key");
    options->keys = sandbox_text_checked(realloc(options->keys, (options->key_count + 1) * sizeof *options->keys));
    options->keys[options->key_count++] = key;
}

/* getopt knows no option with two values: the second is the next word. */
static void read_tls(struct sandbox_options *options, int argc, char **argv)
{
    if (optind >= argc || strncmp(argv[optind], "--", 2) == 0)
        refuse("%s", "--tls needs a certificate and a key file");
    free(options->certificate);
    free(options->private_key);
    options->certificate = read_pem(optarg);
    options->private_key = read_pem(argv[optind++]);
}

void sandbox_options_read(struct sandbox_options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"host", required_argument, NULL, 'h'},
        {"tls", required_argument, NULL, 't'},
        {"key", required_argument, NULL, 'k'},
        {"pending", no_argument, NULL, 'n'},
        {"keep-bodies", required_argument, NULL, 'b'},
        {"seed", required_argument, NULL, 's'},
        {"until-eof", no_argument, NULL, 'e'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, '?'},
        {"version", no_argument, NULL, 'v'},
        {"keep-media", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct sandbox_options){.host = "127.0.0.1", .port = 8787, .keep_media = 10000};
    sandbox_ids_random(&options->seed, sizeof options->seed);

    opterr = 0;
    for (int index = -1, option; (option = getopt_long(argc, argv, "+:", known, &index)) != -1; index = -1) {
        if (index < 0)
            refuse(option == ':' ? "%s needs a value" : "unknown or wrongly used option %s", argv[optind - 1]);
        switch (option) {
        case 'p':
            options->port = (uint16_t)read_number("--port", optarg, 65535);
            break;
        case 'h':
            options->host = optarg;
            break;
        case 't':
            read_tls(options, argc, argv);
            break;
        case 'k':
            add_key(options, optarg);
            break;
        case 'n':
            options->pending = true;
            break;
        case 'b':
            options->keep_bodies = (size_t)read_number("--keep-bodies", optarg, 1u << 30);
            break;
        case 'm':
            options->keep_media = (size_t)read_number("--keep-media", optarg, 10000000);
            if (options->keep_media == 0)
                refuse("%s", "--keep-media needs 1 or more");
            break;
        case 's':
            options->seed = read_number("--seed", optarg, UINT64_MAX);
            break;
        case 'e':
            options->until_eof = true;
            break;
        case 'q':
            options->quiet = true;
            break;
        case '?':
            fputs(help, stdout);
            exit(0);
        case 'v':
            puts("loomta-sandbox " SANDBOX_VERSION);
            exit(0);
        }
    }
    if (optind < argc)
        refuse("unexpected argument %s", argv[optind]);
    if (options->key_count == 0)
        add_key(options, "loomta_sk_sandbox");
}

void sandbox_options_free(struct sandbox_options *options)
{
    free(options->keys);
    free(options->certificate);
    free(options->private_key);
}
