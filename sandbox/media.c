/* POST /public/v1/media: the rules for an upload, and the media object it becomes.
 * SPDX-License-Identifier: MIT */
#include "media.h"

#include "exchange.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct type {
    const char *mime, *extension;
} types[] = {
    {"image/jpeg", "jpg"}, {"image/jpeg", "jpeg"}, {"image/webp", "webp"},
    {"video/mp4", "mp4"},  {"video/webm", "webm"}, {"video/quicktime", "mov"},
};

#define TYPE_COUNT (sizeof types / sizeof *types)

static const struct type *type_by_mime(const char *mime)
{
    size_t length = strcspn(mime, "; \t");
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (strlen(types[i].mime) == length && strncasecmp(types[i].mime, mime, length) == 0)
            return &types[i];
    return NULL;
}

static const struct type *type_by_field(const char *mime)
{
    const struct type *type = type_by_mime(mime);
    return type && strcmp(type->mime, mime) == 0 ? type : NULL;
}

static const struct type *type_by_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < TYPE_COUNT; i++)
        if (strcasecmp(types[i].extension, dot + 1) == 0)
            return &types[i];
    return NULL;
}

/* What an upload says about itself, once it has passed the rules. */
struct upload {
    const struct sandbox_part *file;
    const struct type *type;
    const char *name;
    bool video;
    char folder[SANDBOX_UUID_SIZE]; /* "" at the root */
    char id[SANDBOX_UUID_SIZE];     /* of the media object */
};

static bool refuse(struct sandbox_exchange *exchange, const char *code, const char *message, json_t *details)
{
    sandbox_answer_error(&exchange->answer, 400, code, message, details);
    return false;
}

/* The value of an optional text part: NULL when it was not sent. One that is too long has a value that no rule accepts. */
static const char *field(const struct sandbox_exchange *exchange, const char *name)
{
    const struct sandbox_part *part = sandbox_upload_field(exchange->upload, name);
    return !part ? NULL : part->value ? part->value : "\x01too long";
}

static void read_folder(struct sandbox_exchange *exchange, struct upload *upload, json_t *details)
{
    const char *folder = field(exchange, "folderId");
    upload->folder[0] = '\0';
    if (!folder || strcmp(folder, "null") == 0)
        return;
    if (!sandbox_ids_is_uuid(folder)) {
        sandbox_answer_detail(details, "folderId", "Invalid uuid");
        return;
    }
    pthread_mutex_lock(&exchange->sandbox->lock);
    bool known = sandbox_store_has_folder(&exchange->sandbox->store, folder);
    pthread_mutex_unlock(&exchange->sandbox->lock);
    if (!known)
        sandbox_answer_detail(details, "folderId", "Folder not found");
    snprintf(upload->folder, sizeof upload->folder, "%s", folder);
}

static bool read_fields(struct sandbox_exchange *exchange, struct upload *upload)
{
    json_t *details = json_array();
    const char *mime = field(exchange, "mimeType");
    const char *media_type = field(exchange, "mediaType");
    const char *name = field(exchange, "fileName");

    upload->name = name && *name ? name : upload->file->file_name;
    if (name && *name == '\x01')
        sandbox_answer_detail(details, "fileName", "String is too long");

    if (mime)
        upload->type = type_by_field(mime);
    else if (upload->file->content_type)
        upload->type = type_by_mime(upload->file->content_type);
    else
        upload->type = type_by_name(upload->name);
    if (mime && !upload->type)
        sandbox_answer_detail(details, "mimeType",
                              "Expected 'image/jpeg' | 'image/webp' | 'video/mp4' | 'video/webm' | 'video/quicktime'");

    if (media_type && strcmp(media_type, "image") != 0 && strcmp(media_type, "video") != 0)
        sandbox_answer_detail(details, "mediaType", "Expected 'image' | 'video'");
    read_folder(exchange, upload, details);

    if (json_array_size(details) > 0) {
        sandbox_answer_invalid(&exchange->answer, details);
        return false;
    }
    json_decref(details);
    if (!upload->type)
        return refuse(exchange, "unsupported_media_type", "The file is not an accepted image or video.", NULL);
    upload->video = strcmp(media_type ? media_type : upload->type->mime, "video") == 0 ||
                    (!media_type && strncmp(upload->type->mime, "video/", 6) == 0);
    return true;
}

static bool read_upload(struct sandbox_exchange *exchange, struct upload *upload)
{
    if (!exchange->upload)
        return refuse(exchange, "invalid_media_file", "The body must be multipart/form-data with a boundary.", NULL);
    if (!sandbox_upload_finish(exchange->upload))
        return refuse(exchange, "invalid_media_file", "The multipart body is malformed or incomplete.", NULL);
    upload->file = sandbox_upload_file(exchange->upload, "file");
    if (!upload->file)
        return refuse(exchange, "invalid_media_file", "The file field is required.", NULL);
    if (upload->file->size == 0)
        return refuse(exchange, "invalid_media_file", "The file is empty.", NULL);
    return read_fields(exchange, upload);
}

static json_t *media_object(const struct sandbox *sandbox, const struct upload *upload)
{
    char key[96];
    char url[420];
    char now[SANDBOX_TIME_SIZE];
    json_t *media = json_object();
    const char *id = upload->id;
    sandbox_ids_now(now);

    json_object_set_new(media, "id", json_string(id));
    snprintf(key, sizeof key, "%s/media/%s.%s", sandbox->organization, id, upload->type->extension);
    json_object_set_new(media, "storageKey", json_string(key));
    snprintf(url, sizeof url, "%s/files/%s", sandbox->url, key);
    json_object_set_new(media, "publicUrl", json_string(url));
    snprintf(url, sizeof url, "%s/previews/%s", sandbox->url, key);
    json_object_set_new(media, "previewUrl", json_string(url));
    json_object_set_new(media, "mimeType", json_string(upload->type->mime));
    json_object_set_new(media, "size", json_integer((json_int_t)upload->file->size));
    json_object_set_new(media, "mediaType", json_string(upload->video ? "video" : "image"));
    json_object_set_new(media, "originalFileName", sandbox_text_json(upload->name, strlen(upload->name)));
    json_object_set_new(media, "status", json_string(sandbox->options.pending ? "PENDING" : "READY"));
    json_object_set_new(media, "thumbnailMetadata", json_null());
    json_object_set_new(media, "finalizedAt", sandbox->options.pending ? json_null() : json_string(now));
    json_object_set_new(media, "folderId", upload->folder[0] ? json_string(upload->folder) : json_null());
    json_object_set_new(media, "createdAt", json_string(now));
    return media;
}

void sandbox_media_upload(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct upload upload;
    if (!read_upload(exchange, &upload))
        return;

    sandbox_ids_uuid(upload.id);
    sandbox_answer_json(&exchange->answer, 201, media_object(sandbox, &upload));
    sandbox_answer_header(&exchange->answer, "X-Sandbox-Sha256", upload.file->sha256);

    struct sandbox_stored_media media = {.video = upload.video, .pending = sandbox->options.pending};
    snprintf(media.id, sizeof media.id, "%s", upload.id);
    snprintf(media.folder, sizeof media.folder, "%s", upload.folder);
    pthread_mutex_lock(&sandbox->lock);
    exchange->stored = sandbox_exchange_keeps(exchange);
    if (exchange->stored) {
        media.json = sandbox_text_copy(exchange->answer.body, exchange->answer.size);
        sandbox_store_add_media(&sandbox->store, &media);
    }
    pthread_mutex_unlock(&sandbox->lock);
}
