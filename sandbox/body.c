/* The JSON body of a request: read once, owned by the exchange, refused in one way.
 * SPDX-License-Identifier: MIT */
#include "body.h"

#include "exchange.h"

json_t *sandbox_body_parse(struct sandbox_exchange *exchange, size_t flags)
{
    json_decref(exchange->request);
    exchange->request = json_loadb(exchange->body.data ? exchange->body.data : "", exchange->body.length,
                                   JSON_DECODE_ANY | flags, NULL);
    return exchange->request;
}

json_t *sandbox_body_object(struct sandbox_exchange *exchange)
{
    struct sandbox_check check;
    json_t *body = sandbox_body_parse(exchange, 0);
    if (!body) {
        sandbox_answer_not_json(&exchange->answer);
        return NULL;
    }
    sandbox_check_start(&check);
    sandbox_check_type(&check, body, JSON_OBJECT);
    return sandbox_body_passes(exchange, &check) ? body : NULL;
}

bool sandbox_body_passes(struct sandbox_exchange *exchange, struct sandbox_check *check)
{
    json_t *details = sandbox_check_finish(check);
    if (details)
        sandbox_answer_invalid(&exchange->answer, details);
    return !details;
}
