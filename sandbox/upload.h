/* A multipart body as it streams in: its parts are measured and hashed, and the bytes dropped.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_UPLOAD_H
#define SANDBOX_UPLOAD_H

#include <jansson.h>
#include <microhttpd.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_UPLOAD_VALUE_SIZE 4096
#define SANDBOX_UPLOAD_MAX_PARTS 100

struct sandbox_part {
    char *name, *file_name, *content_type; /* NULL when the part does not say */
    uint64_t size;
    char *sha256; /* NULL until the part is whole */
    char *value;  /* of a part without a file name; NULL when it is longer than SANDBOX_UPLOAD_VALUE_SIZE */
};

struct sandbox_upload {
    struct MHD_PostProcessor *parser;
    struct sandbox_part *parts;
    size_t count;
    struct sha256_ctx hash; /* of the last part */
    bool broken;
};

/* NULL when the request's Content-Type is not multipart/form-data with a usable boundary. */
struct sandbox_upload *sandbox_upload_new(struct MHD_Connection *connection);
void sandbox_upload_free(struct sandbox_upload *upload);

void sandbox_upload_feed(struct sandbox_upload *upload, const char *data, size_t size);

/* Call once, after the last byte. False when the body is not well-formed multipart. */
bool sandbox_upload_finish(struct sandbox_upload *upload);

/* The first part of that name, with a file name or without; NULL if there is none. */
const struct sandbox_part *sandbox_upload_file(const struct sandbox_upload *upload, const char *name);
const struct sandbox_part *sandbox_upload_field(const struct sandbox_upload *upload, const char *name);

json_t *sandbox_upload_json(const struct sandbox_upload *upload);

#endif
