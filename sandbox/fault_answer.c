/* Turns the answer that a request would have had into the one that its fault wants.
 * SPDX-License-Identifier: MIT */
#include "fault_answer.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENORMOUS_BYTES (10u * 1024 * 1024)
#define DEEP_ARRAYS 10000u
#define FILLER_BYTES 1024

static void answer_error(const struct sandbox_fault *fault, struct sandbox_answer *answer)
{
    char code[32];
    snprintf(code, sizeof code, "sandbox_%d", (int)fault->status);
    sandbox_answer_error(answer, (unsigned)fault->status, fault->code ? fault->code : code,
                         fault->message ? fault->message : "A fault asked for this answer.",
                         json_incref(fault->details));
}

/* Puts `note` as the first member into the JSON object that the answer holds. */
static void insert_member(struct sandbox_answer *answer, const char *note, size_t length)
{
    struct sandbox_text text = {0};
    bool is_object = answer->size > 2 && answer->body[0] == '{';
    sandbox_text_append(&text, "{");
    sandbox_text_add(&text, note, length);
    sandbox_text_append(&text, is_object ? "," : "}");
    if (is_object)
        sandbox_text_add(&text, answer->body + 1, answer->size - 1);
    sandbox_answer_take(answer, answer->status, SANDBOX_JSON_TYPE, text.data, text.length);
}

static void answer_enormous(struct sandbox_answer *answer)
{
    static const char head[] = "\"padding\":\"";
    char *note = sandbox_text_checked(malloc(ENORMOUS_BYTES));
    memset(note, 'x', ENORMOUS_BYTES);
    memcpy(note, head, sizeof head - 1);
    note[ENORMOUS_BYTES - 1] = '"';
    insert_member(answer, note, ENORMOUS_BYTES);
    free(note);
}

static void answer_deep(struct sandbox_answer *answer)
{
    char *body = sandbox_text_checked(malloc(2 * DEEP_ARRAYS));
    memset(body, '[', DEEP_ARRAYS);
    memset(body + DEEP_ARRAYS, ']', DEEP_ARRAYS);
    sandbox_answer_take(answer, answer->status, SANDBOX_JSON_TYPE, body, 2 * DEEP_ARRAYS);
}

static void answer_response(const struct sandbox_fault *fault, struct sandbox_answer *answer)
{
    switch ((enum sandbox_response)fault->response) {
    case SANDBOX_RESPONSE_NORMAL:
        break;
    case SANDBOX_RESPONSE_TRUNCATED:
        answer->size /= 2;
        break;
    case SANDBOX_RESPONSE_HTML:
        sandbox_answer_text(answer, 200, "text/html; charset=utf-8",
                            "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>"
                            "<body><h1>502 Bad Gateway</h1><p>A proxy said this with status 200.</p></body></html>\n");
        break;
    case SANDBOX_RESPONSE_EMPTY:
        sandbox_answer_text(answer, 200, NULL, "");
        break;
    case SANDBOX_RESPONSE_ENORMOUS:
        answer_enormous(answer);
        break;
    case SANDBOX_RESPONSE_INVALID_UTF8:
        insert_member(answer, "\"note\":\"caf\xE9\"", sizeof "\"note\":\"caf\xE9\"" - 1);
        break;
    case SANDBOX_RESPONSE_DEEP:
        answer_deep(answer);
        break;
    case SANDBOX_RESPONSE_NOT_JSON:
        sandbox_answer_text(answer, answer->status, "text/plain; charset=utf-8", "ok");
        break;
    case SANDBOX_RESPONSE_NO_CONTENT:
        sandbox_answer_text(answer, 204, NULL, "");
        break;
    case SANDBOX_RESPONSE_REDIRECT:
        sandbox_answer_text(answer, 302, NULL, "");
        sandbox_answer_header(answer, "Location", fault->location);
        break;
    }
}

static void add_filler_headers(struct sandbox_answer *answer, json_int_t count)
{
    char name[48];
    char value[FILLER_BYTES];
    for (json_int_t i = 1; i <= count; i++) {
        int length = snprintf(name, sizeof name, "X-Sandbox-Filler-%d", (int)i);
        size_t rest = FILLER_BYTES - (size_t)length - sizeof ": \r\n" + 1;
        memset(value, 'x', rest);
        value[rest] = '\0';
        sandbox_answer_header(answer, name, value);
    }
}

void sandbox_fault_answer(const struct sandbox_fault *fault, struct sandbox_answer *answer)
{
    if (fault->status >= 0)
        answer_error(fault, answer);
    else if (fault->body)
        sandbox_answer_text(answer, 200, fault->content_type ? fault->content_type : SANDBOX_JSON_TYPE, fault->body);
    else
        answer_response(fault, answer);

    if (fault->retry_after)
        sandbox_answer_header(answer, "Retry-After", fault->retry_after);
    const char *name;
    json_t *value;
    json_object_foreach (fault->headers, name, value)
        sandbox_answer_header(answer, name, json_string_value(value));
    if (fault->many_headers > 0)
        add_filler_headers(answer, fault->many_headers);
}
