/* A Retry-After value is a wait that fits, or nothing.
 * SPDX-License-Identifier: MIT */
#include "retry.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t delay = loomta_retry_after_parse((const char *)data, size, 784111740);

    if (delay < -1 || delay > INT64_C(1) << 53)
        abort();
    return 0;
}
