/* A multipart body as it streams in: its parts are measured and hashed, and the bytes dropped.
 * SPDX-License-Identifier: MIT */
#include "upload.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Large enough for few copies, small enough to stay in the cache while it is hashed. */
#define PARSER_BUFFER 65536

static char *copy_or_null(const char *string)
{
    return string ? sandbox_text_copy(string, strlen(string)) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The part that is being read; NULL before the first. */
static struct sandbox_part *last_part(struct sandbox_upload *upload)
{
    return upload->parts && upload->count > 0 ? &upload->parts[upload->count - 1] : NULL;
}

static void close_part(struct sandbox_upload *upload)
{
    struct sandbox_part *part = last_part(upload);
    if (!part)
        return;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&upload->hash, sizeof digest, digest);
    part->sha256 = sandbox_text_hex(digest, sizeof digest);
}

static bool open_part(struct sandbox_upload *upload, const char *name, const char *file_name, const char *type)
{
    close_part(upload);
    if (upload->count == SANDBOX_UPLOAD_MAX_PARTS)
        return false;
    struct sandbox_part *part = &upload->parts[upload->count++];
    *part = (struct sandbox_part){copy_or_null(name), copy_or_null(file_name), copy_or_null(type), 0, NULL, NULL};
    if (!file_name)
        part->value = sandbox_text_copy("", 0);
    sha256_init(&upload->hash);
    return true;
}

static void collect_value(struct sandbox_part *part, const char *data, size_t size)
{
    if (!part->value)
        return;
    if (part->size + size > SANDBOX_UPLOAD_VALUE_SIZE) {
        free(part->value);
        part->value = NULL;
        return;
    }
    part->value = sandbox_text_checked(realloc(part->value, (size_t)part->size + size + 1));
    memcpy(part->value + part->size, data, size);
    part->value[part->size + size] = '\0';
}

static enum MHD_Result take_data(void *closure, enum MHD_ValueKind kind, const char *name, const char *file_name,
                                 const char *type, const char *encoding, const char *data, uint64_t offset, size_t size)
{
    struct sandbox_upload *upload = closure;
    struct sandbox_part *part = last_part(upload);
    (void)kind;
    (void)encoding;
    /* The parser announces a part with an empty call when it has too few bytes at hand, and comes again at offset 0. */
    bool announced = part && part->size == 0 && size > 0 && same(part->name, name) &&
                     same(part->file_name, file_name) && same(part->content_type, type);
    if (offset == 0 && !announced) {
        if (!open_part(upload, name, file_name, type))
            return MHD_NO;
        part = last_part(upload);
    }
    if (!part)
        return MHD_NO;
    sha256_update(&upload->hash, size, (const uint8_t *)data);
    collect_value(part, data, size);
    part->size += size;
    return MHD_YES;
}

/* Older libmicrohttpd (CVE-2023-27371) reads out of bounds with a boundary that is a lone quote, and takes an empty one. */
static bool has_boundary(struct MHD_Connection *connection)
{
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    static const char multipart[] = MHD_HTTP_POST_ENCODING_MULTIPART_FORMDATA;
    if (!type || strncasecmp(type, multipart, sizeof multipart - 1) != 0)
        return false;
    const char *boundary = strstr(type, "boundary=");
    if (!boundary)
        return false;
    boundary += strlen("boundary=");
    return *boundary && strcmp(boundary, "\"") != 0 && strcmp(boundary, "\"\"") != 0;
}

struct sandbox_upload *sandbox_upload_new(struct MHD_Connection *connection)
{
    if (!has_boundary(connection))
        return NULL;
    struct sandbox_upload *upload = sandbox_text_checked(calloc(1, sizeof *upload));
    upload->parser = MHD_create_post_processor(connection, PARSER_BUFFER, take_data, upload);
    if (!upload->parser) {
        free(upload);
        return NULL;
    }
    upload->parts = sandbox_text_checked(calloc(SANDBOX_UPLOAD_MAX_PARTS, sizeof *upload->parts));
    return upload;
}

void sandbox_upload_free(struct sandbox_upload *upload)
{
    if (!upload)
        return;
    if (upload->parser)
        MHD_destroy_post_processor(upload->parser);
    for (size_t i = 0; i < upload->count; i++) {
        struct sandbox_part *part = &upload->parts[i];
        free(part->name);
        free(part->file_name);
        free(part->content_type);
        free(part->sha256);
        free(part->value);
    }
    free(upload->parts);
    free(upload);
}

void sandbox_upload_feed(struct sandbox_upload *upload, const char *data, size_t size)
{
    if (!upload->broken && MHD_post_process(upload->parser, data, size) == MHD_NO)
        upload->broken = true;
}

bool sandbox_upload_finish(struct sandbox_upload *upload)
{
    if (MHD_destroy_post_processor(upload->parser) == MHD_NO)
        upload->broken = true;
    upload->parser = NULL;
    /* A broken body ends nobody knows where in its last part: that one gets no digest. */
    if (!upload->broken)
        close_part(upload);
    return !upload->broken;
}

static const struct sandbox_part *find(const struct sandbox_upload *upload, const char *name, bool file)
{
    for (size_t i = 0; i < upload->count; i++)
        if (same(upload->parts[i].name, name) && (upload->parts[i].file_name != NULL) == file)
            return &upload->parts[i];
    return NULL;
}

const struct sandbox_part *sandbox_upload_file(const struct sandbox_upload *upload, const char *name)
{
    return find(upload, name, true);
}

const struct sandbox_part *sandbox_upload_field(const struct sandbox_upload *upload, const char *name)
{
    return find(upload, name, false);
}

static json_t *string_or_null(const char *string)
{
    return string ? sandbox_text_json(string, strlen(string)) : json_null();
}

static json_t *part_json(const struct sandbox_part *part)
{
    json_t *json = json_object();
    json_object_set_new(json, "name", string_or_null(part->name));
    json_object_set_new(json, "fileName", string_or_null(part->file_name));
    json_object_set_new(json, "contentType", string_or_null(part->content_type));
    json_object_set_new(json, "size", json_integer((json_int_t)part->size));
    json_object_set_new(json, "sha256", string_or_null(part->sha256));
    if (part->file_name) {
        json_t *valid = json_string(part->file_name);
        if (!valid) {
            char *hex = sandbox_text_hex(part->file_name, strlen(part->file_name));
            json_object_set_new(json, "fileNameHex", json_string(hex));
            free(hex);
        }
        json_decref(valid);
    }
    json_t *value = part->value ? json_stringn(part->value, (size_t)part->size) : NULL;
    if (value)
        json_object_set_new(json, "value", value);
    return json;
}

json_t *sandbox_upload_json(const struct sandbox_upload *upload)
{
    json_t *list = json_array();
    for (size_t i = 0; upload && i < upload->count; i++)
        json_array_append_new(list, part_json(&upload->parts[i]));
    return list;
}
