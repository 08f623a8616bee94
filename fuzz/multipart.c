/* No name and no value breaks out of its place in a multipart body.
 * SPDX-License-Identifier: MIT */
#include "multipart.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loomta_buffer quoted = {0}, plain = {0}, again = {0};

    if (!loomta_multipart_append_text(&quoted, (const char *)data, size, true) ||
        !loomta_multipart_append_text(&plain, (const char *)data, size, false) ||
        !loomta_multipart_append_text(&again, plain.data, plain.length, false))
        abort();
    for (size_t i = 0; i < quoted.length; i++)
        if (strchr("\"\r\n", quoted.data[i]) && quoted.data[i])
            abort();
    if (quoted.length > 0 && quoted.data[quoted.length - 1] == '\\')
        abort();
    /* What is valid already stays as it is. */
    if (plain.length != again.length || (plain.length > 0 && memcmp(plain.data, again.data, plain.length) != 0))
        abort();
    loomta_buffer_free(&quoted);
    loomta_buffer_free(&plain);
    loomta_buffer_free(&again);
    return 0;
}
