/* What a transfer is made from, apart from its body.
 * SPDX-License-Identifier: MIT */
#include "request.h"

#include "secret.h"

#include <stdlib.h>
#include <string.h>

enum { STRINGS = 10 };

/* The copy and its strings in one block, so that it is wiped in one go. */
struct block {
    struct loomta_request request;
    size_t size;
    char text[];
};

static void list_strings(struct loomta_request *request, const char **strings[STRINGS])
{
    const char **const all[STRINGS] = {
        &request->method, &request->url,     &request->api_key, &request->content_type, &request->user_agent,
        &request->proxy,  &request->ca_file, &request->ca_path, &request->client_cert,  &request->client_key};

    memcpy(strings, all, sizeof all);
}

struct loomta_request *loomta_request_copy(const struct loomta_request *request)
{
    struct loomta_request own = *request;
    const char **strings[STRINGS];
    size_t size = sizeof(struct block);

    list_strings(&own, strings);
    for (size_t i = 0; i < STRINGS; i++)
        size += *strings[i] ? strlen(*strings[i]) + 1 : 0;

    struct block *block = malloc(size);
    if (!block)
        return NULL;
    char *next = block->text;
    for (size_t i = 0; i < STRINGS; i++) {
        if (!*strings[i])
            continue;
        size_t length = strlen(*strings[i]) + 1;
        *strings[i] = memcpy(next, *strings[i], length);
        next += length;
    }
    block->size = size;
    block->request = own;
    return &block->request;
}

bool loomta_request_is_safe(const struct loomta_request *request)
{
    return strcmp(request->method, "GET") == 0;
}

void loomta_request_free(struct loomta_request *copy)
{
    struct block *block = (struct block *)copy; /* its first member */

    if (!block)
        return;
    loomta_wipe(block, block->size);
    free(block);
}
