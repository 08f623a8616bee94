/* One fault: what is to go wrong with a request, read strictly from JSON.
 * SPDX-License-Identifier: MIT */
#include "fault.h"

#include "answer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum kind { STRING, PATH, INTEGER, FRACTION, BOOLEAN, CHOICE, HEADERS, ANY };

struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    json_int_t low, high;
    const char *const *choices; /* the first has the value 1 */
};

static const char *const disconnects[] = {"close", "reset", NULL};
static const char *const places[] = {"headers", "body", "response", "midResponse", NULL};
static const char *const responses[] = {"truncated", "html",    "empty",     "enormous", "invalidUtf8",
                                        "deep",      "notJson", "noContent", "redirect", NULL};

#define AT(member) offsetof(struct sandbox_fault, member)
#define BYTES_MAX 0xFFFFFFFFFFFFFLL
#define DELAY_MAX (24LL * 3600 * 1000)

static const struct field fields[] = {
    {"method", STRING, AT(method), 0, 0, NULL},
    {"path", PATH, AT(path), 0, 0, NULL},
    {"times", INTEGER, AT(times), 0, 1000000000, NULL},
    {"probability", FRACTION, AT(probability), 0, 0, NULL},
    {"status", INTEGER, AT(status), 300, 599, NULL},
    {"code", STRING, AT(code), 0, 0, NULL},
    {"message", STRING, AT(message), 0, 0, NULL},
    {"details", ANY, AT(details), 0, 0, NULL},
    {"retryAfter", STRING, AT(retry_after), 0, 0, NULL},
    {"headers", HEADERS, AT(headers), 0, 0, NULL},
    {"early", BOOLEAN, AT(early), 0, 0, NULL},
    {"store", BOOLEAN, AT(store), 0, 0, NULL},
    {"delayBeforeBodyMs", INTEGER, AT(delay_before_ms), 0, DELAY_MAX, NULL},
    {"delayAfterBodyMs", INTEGER, AT(delay_after_ms), 0, DELAY_MAX, NULL},
    {"stopReadingAfter", INTEGER, AT(stop_reading_after), 0, BYTES_MAX, NULL},
    {"disconnect", CHOICE, AT(disconnect), 0, 0, disconnects},
    {"at", CHOICE, AT(at), 0, 0, places},
    {"afterBytes", INTEGER, AT(after_bytes), 0, BYTES_MAX, NULL},
    {"response", CHOICE, AT(response), 0, 0, responses},
    {"location", STRING, AT(location), 0, 0, NULL},
    {"body", STRING, AT(body), 0, 0, NULL},
    {"contentType", STRING, AT(content_type), 0, 0, NULL},
    {"manyHeaders", INTEGER, AT(many_headers), 1, SANDBOX_FAULT_MAX_HEADERS, NULL},
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

static bool is_header_value(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < 0x20 || *value == 0x7F)
            return false;
    return true;
}

static bool is_header(const char *name, const char *value)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (!*name || name[strspn(name, token)] || !*value || !is_header_value(value))
        return false;
    /* libmicrohttpd frames the answer itself. */
    return strcasecmp(name, "Content-Length") != 0 && strcasecmp(name, "Transfer-Encoding") != 0 &&
           (strcasecmp(name, "Connection") != 0 || strcasecmp(value, "close") == 0);
}

static const char *read_headers(json_t *value)
{
    const char *name;
    json_t *text;
    if (!json_is_object(value))
        return "Expected an object of strings";
    json_object_foreach (value, name, text)
        if (!json_is_string(text) || !is_header(name, json_string_value(text)))
            return "Expected header names with string values that can be sent (not Content-Length, not "
                   "Transfer-Encoding)";
    return NULL;
}

static const char *read_choice(const struct field *field, json_t *value, json_int_t *to)
{
    static _Thread_local char message[160];
    int length = snprintf(message, sizeof message, "Expected one of");
    for (int i = 0; field->choices[i]; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), field->choices[i]) == 0) {
            *to = i + 1;
            return NULL;
        }
        length += snprintf(message + length, sizeof message - (size_t)length, " %s", field->choices[i]);
    }
    return message;
}

/* Returns NULL, or what is wrong. */
static const char *read_field(const struct field *field, json_t *value, struct sandbox_fault *fault)
{
    static _Thread_local char message[96];
    void *to = (char *)fault + field->offset;
    switch (field->kind) {
    case STRING:
    case PATH:
        if (!json_is_string(value))
            return "Expected a string";
        if (field->kind == PATH && json_string_value(value)[0] != '/')
            return "Expected a path that starts with /";
        *(const char **)to = json_string_value(value);
        return NULL;
    case INTEGER:
        if (!json_is_integer(value) || json_integer_value(value) < field->low ||
            json_integer_value(value) > field->high) {
            snprintf(message, sizeof message, "Expected an integer from %lld to %lld", (long long)field->low,
                     (long long)field->high);
            return message;
        }
        *(json_int_t *)to = json_integer_value(value);
        return NULL;
    case FRACTION:
        if (!json_is_number(value) || !(json_number_value(value) >= 0 && json_number_value(value) <= 1))
            return "Expected a number from 0 to 1";
        *(double *)to = json_number_value(value);
        return NULL;
    case BOOLEAN:
        if (!json_is_boolean(value))
            return "Expected true or false";
        *(json_int_t *)to = json_is_true(value);
        return NULL;
    case CHOICE:
        return read_choice(field, value, to);
    case HEADERS:
        *(json_t **)to = value;
        return read_headers(value);
    case ANY:
        *(json_t **)to = value;
        return NULL;
    }
    return NULL;
}

static void require(json_t *details, bool holds, const char *path, const char *message)
{
    if (!holds)
        sandbox_answer_detail(details, path, message);
}

/* Fields that only mean something together, and combinations that mean nothing. */
static void check_combinations(const struct sandbox_fault *f, json_t *details)
{
    bool redirect = f->response == SANDBOX_RESPONSE_REDIRECT;
    bool answers = f->status >= 0 || f->response || f->body;
    require(details,
            answers || f->disconnect || f->retry_after || f->headers || f->delay_before_ms >= 0 ||
                f->delay_after_ms >= 0 || f->stop_reading_after >= 0 || f->many_headers >= 0 || f->store >= 0,
            "", "A fault needs at least one thing that goes wrong");
    require(details, (f->status >= 0) + (f->response != 0) + (f->body != NULL) <= 1, "status",
            "Only one of status, response and body can be the answer");
    require(details, f->status >= 0 || !(f->code || f->message || f->details || f->early == 1), "status",
            "code, message, details and early need a status");
    bool reads_all = f->stop_reading_after < 0 && f->at != SANDBOX_AT_HEADERS && f->at != SANDBOX_AT_BODY;
    require(details, f->early != 1 || (reads_all && f->store != 1), "early",
            "An early answer cannot come with a fault in the body, nor store");
    require(details, !f->disconnect == !f->at, "at", "disconnect and at need each other");
    require(details, (f->at == SANDBOX_AT_BODY) == (f->after_bytes >= 0), "afterBytes",
            "afterBytes and at: body need each other");
    require(details, f->stop_reading_after < 0 || !f->disconnect, "stopReadingAfter",
            "stopReadingAfter excludes disconnect");
    require(details, redirect == (f->location != NULL), "location", "location and response: redirect need each other");
    require(details, !f->content_type || f->body, "contentType", "contentType needs a body");
    require(details, f->store != 1 || reads_all, "store", "An upload that is not read whole cannot be stored");
    require(details, !f->content_type || (*f->content_type && is_header_value(f->content_type)), "contentType",
            "Not a header value");
    require(details, !f->retry_after || (*f->retry_after && is_header_value(f->retry_after)), "retryAfter",
            "Not a header value");
    require(details, !f->location || (*f->location && is_header_value(f->location)), "location", "Not a header value");
}

bool sandbox_fault_parse(struct sandbox_fault *fault, json_t *source, json_t *details)
{
    *fault = (struct sandbox_fault){.source = source,
                                    .times = 1,
                                    .probability = 1,
                                    .status = -1,
                                    .early = -1,
                                    .store = -1,
                                    .delay_before_ms = -1,
                                    .delay_after_ms = -1,
                                    .stop_reading_after = -1,
                                    .after_bytes = -1,
                                    .many_headers = -1};
    if (!json_is_object(source)) {
        sandbox_answer_detail(details, "", "Expected an object");
        return false;
    }
    const char *name;
    json_t *value;
    json_object_foreach (source, name, value) {
        size_t i = 0;
        while (i < FIELD_COUNT && strcmp(fields[i].name, name) != 0)
            i++;
        const char *wrong = i < FIELD_COUNT ? read_field(&fields[i], value, fault) : "Unknown field";
        if (wrong)
            sandbox_answer_detail(details, name, wrong);
    }
    if (json_array_size(details) == 0)
        check_combinations(fault, details);
    return json_array_size(details) == 0;
}

void sandbox_fault_free(struct sandbox_fault *fault)
{
    json_decref(fault->source);
    fault->source = NULL;
}

bool sandbox_fault_matches(const struct sandbox_fault *fault, const char *method, const char *path)
{
    return (!fault->method || strcmp(fault->method, method) == 0) && (!fault->path || strcmp(fault->path, path) == 0);
}

bool sandbox_fault_stores(const struct sandbox_fault *fault)
{
    if (fault->store >= 0)
        return fault->store == 1;
    return fault->status < 0 && fault->response != SANDBOX_RESPONSE_REDIRECT;
}

json_int_t sandbox_fault_body_limit(const struct sandbox_fault *fault)
{
    return fault->stop_reading_after >= 0 ? fault->stop_reading_after : fault->after_bytes;
}
