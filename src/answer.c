/* A server's answer as it comes in: the headers that matter, and a capped body.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include "retry.h"

#include <string.h>
#include <strings.h>

enum { MAX_HEADER_BYTES = 256 * 1024 };

/* What one status line and its headers brought; the count of header bytes runs on. */
static void forget(struct loomta_answer *answer)
{
    loomta_buffer_clear(&answer->body);
    answer->status = 0;
    answer->retry_after_ms = -1;
    answer->request_id[0] = answer->content_type[0] = '\0';
}

void loomta_answer_clear(struct loomta_answer *answer)
{
    forget(answer);
    answer->header_bytes = 0;
    answer->continue_seen = false;
}

/* "HTTP/1.1 201 Created" */
static void take_status_line(struct loomta_answer *answer, const char *line, size_t length)
{
    const char *end = line + length, *digit = memchr(line, ' ', length);
    int status = 0;

    forget(answer);
    if (!digit)
        return;
    while (++digit < end && *digit >= '0' && *digit <= '9' && status < 1000)
        status = status * 10 + (*digit - '0');
    if (status == 100)
        answer->continue_seen = true;
    if (status >= 200)
        answer->status = status;
}

/* The value of header `name` in `line`, without the white space around it; NULL when the line is another header. */
static const char *header_value(const char *line, size_t length, const char *name, size_t *value_length)
{
    size_t name_length = strlen(name);

    if (length <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length) != 0)
        return NULL;
    const char *value = line + name_length + 1, *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value_length = (size_t)(end - value);
    return value;
}

/* Copies what is printable ASCII: the value ends up in tables and messages. */
static void copy_printable(char *into, size_t size, const char *value, size_t length)
{
    size_t kept = 0;

    for (size_t i = 0; i < length && kept + 1 < size; i++)
        if (value[i] >= 0x20 && value[i] < 0x7F)
            into[kept++] = value[i];
    into[kept] = '\0';
}

bool loomta_answer_take_header(struct loomta_answer *answer, const char *line, size_t length)
{
    size_t value_length;
    const char *value;

    answer->header_bytes += length;
    if (answer->header_bytes > MAX_HEADER_BYTES)
        return false;
    if (length > 5 && memcmp(line, "HTTP/", 5) == 0)
        take_status_line(answer, line, length);
    else if ((value = header_value(line, length, "Retry-After", &value_length)))
        answer->retry_after_ms = loomta_retry_after_parse(value, value_length, time(NULL));
    else if ((value = header_value(line, length, "X-Request-Id", &value_length)))
        copy_printable(answer->request_id, sizeof answer->request_id, value, value_length);
    else if ((value = header_value(line, length, "Content-Type", &value_length)))
        copy_printable(answer->content_type, sizeof answer->content_type, value, value_length);
    return true;
}

void loomta_answer_free(struct loomta_answer *answer)
{
    loomta_buffer_free(&answer->body);
}
