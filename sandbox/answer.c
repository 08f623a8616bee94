/* One HTTP answer before it is sent: status, body and headers, all owned by it.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sandbox_answer_take(struct sandbox_answer *answer, unsigned status, const char *type, char *body, size_t size)
{
    free(answer->body);
    answer->status = status;
    answer->body = body;
    answer->size = size;
    if (type)
        sandbox_answer_header(answer, "Content-Type", type);
    else if (answer->headers)
        json_object_del(answer->headers, "Content-Type");
}

void sandbox_answer_text(struct sandbox_answer *answer, unsigned status, const char *type, const char *body)
{
    sandbox_answer_take(answer, status, type, sandbox_text_copy(body, strlen(body)), strlen(body));
}

void sandbox_answer_json(struct sandbox_answer *answer, unsigned status, json_t *body)
{
    char *text = sandbox_text_checked(json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)));
    json_decref(body);
    sandbox_answer_take(answer, status, SANDBOX_JSON_TYPE, text, strlen(text));
}

void sandbox_answer_error(struct sandbox_answer *answer, unsigned status, const char *code, const char *message,
                          json_t *details)
{
    json_t *body = json_pack("{s:s, s:s}", "code", code, "message", message);
    if (details)
        json_object_set_new(body, "details", details);
    sandbox_answer_json(answer, status, body);
}

void sandbox_answer_invalid(struct sandbox_answer *answer, json_t *details)
{
    sandbox_answer_error(answer, 400, "invalid_request", "The request is invalid.", details);
}

void sandbox_answer_not_json(struct sandbox_answer *answer)
{
    sandbox_answer_error(answer, 400, "invalid_json", "The body is not valid JSON.", NULL);
}

void sandbox_answer_header(struct sandbox_answer *answer, const char *name, const char *value)
{
    const char *present;
    json_t *old;
    void *next;
    if (!answer->headers)
        answer->headers = json_object();
    json_object_foreach_safe (answer->headers, next, present, old)
        if (strcasecmp(present, name) == 0)
            json_object_del(answer->headers, present);
    json_object_set_new(answer->headers, name, sandbox_text_json(value, strlen(value)));
}

void sandbox_answer_free(struct sandbox_answer *answer)
{
    free(answer->body);
    json_decref(answer->headers);
    *answer = (struct sandbox_answer){0};
}

void sandbox_answer_detail(json_t *details, const char *path, const char *message)
{
    json_array_append_new(details, json_pack("{s:[s], s:s}", "path", path, "message", message));
}

void sandbox_answer_list(struct sandbox_answer *answer, const char *open, char *list)
{
    struct sandbox_text body = {0};
    sandbox_text_append(&body, open);
    sandbox_text_append(&body, list);
    sandbox_text_append(&body, "}");
    free(list);
    sandbox_answer_take(answer, 200, SANDBOX_JSON_TYPE, body.data, body.length);
}
