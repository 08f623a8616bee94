/* Header lines of any shape.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loomta_answer answer = {0};
    const char *at = (const char *)data, *end = at + size, *newline;

    loomta_answer_clear(&answer);
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
        size_t length = (size_t)(newline - at) + 1;
        if (!loomta_answer_take_header(&answer, at, length))
            break;
        at = newline + 1;
    }
    if (answer.status < 0 || answer.status > 9999 || answer.retry_after_ms < -1 ||
        strlen(answer.request_id) >= sizeof answer.request_id || strpbrk(answer.request_id, "\r\n\x1b"))
        abort();
    loomta_answer_free(&answer);
    return 0;
}
