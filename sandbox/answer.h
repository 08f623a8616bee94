/* One HTTP answer before it is sent: status, body and headers, all owned by it.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_ANSWER_H
#define SANDBOX_ANSWER_H

#include <jansson.h>
#include <stddef.h>

#define SANDBOX_JSON_TYPE "application/json; charset=utf-8"

struct sandbox_answer {
    unsigned status; /* 0 while there is no answer */
    char *body;
    size_t size;
    json_t *headers; /* name: string value; NULL when there are none */
};

/* Each replaces what was there. "Takes" means that the answer owns the argument afterwards. */
void sandbox_answer_take(struct sandbox_answer *answer, unsigned status, const char *type, char *body,
                         size_t size); /* takes body */
void sandbox_answer_text(struct sandbox_answer *answer, unsigned status, const char *type, const char *body);
void sandbox_answer_json(struct sandbox_answer *answer, unsigned status, json_t *body); /* takes body */
void sandbox_answer_error(struct sandbox_answer *answer, unsigned status, const char *code, const char *message,
                          json_t *details); /* takes details, which may be NULL */

void sandbox_answer_invalid(struct sandbox_answer *answer, json_t *details); /* 400 invalid_request; takes details */
void sandbox_answer_not_json(struct sandbox_answer *answer);                 /* 400 invalid_json */

void sandbox_answer_header(struct sandbox_answer *answer, const char *name, const char *value);
void sandbox_answer_free(struct sandbox_answer *answer);

/* Appends {"path":[path],"message":message} to a list of details. */
void sandbox_answer_detail(json_t *details, const char *path, const char *message);

/* Answers 200 with `open`, the JSON text `list` (which it frees) and a closing brace. */
void sandbox_answer_list(struct sandbox_answer *answer, const char *open, char *list);

#endif
