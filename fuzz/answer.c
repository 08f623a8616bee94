/* Header lines and bodies of any shape; the first line of the input is the secret that must not survive redaction.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains(const struct loomta_buffer *buffer, const char *word)
{
    size_t length = strlen(word);

    for (size_t at = 0; at + length <= buffer->length; at++)
        if (memcmp(buffer->data + at, word, length) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loomta_answer answer = {.body = {.limit = 4096}};
    const char *at = (const char *)data, *end = at + size, *newline;
    char secret[32] = "";

    loomta_answer_clear(&answer);
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
        size_t length = (size_t)(newline - at) + 1;
        if (at == (const char *)data && length <= sizeof secret)
            memcpy(secret, at, length - 1);
        if (!loomta_answer_take_header(&answer, at, length))
            break;
        at = newline + 1;
    }
    if (answer.status < 0 || answer.status > 9999 || answer.retry_after_ms < -1)
        abort();
    if (at < end)
        loomta_buffer_append(&answer.body, at, (size_t)(end - at));
    loomta_answer_redact(&answer, secret);
    /* A secret of stars alone is what redaction leaves. */
    if (*secret && strspn(secret, "*") == 0 && !strchr(secret, '*') && contains(&answer.body, secret))
        abort();
    loomta_answer_free(&answer);
    return 0;
}
