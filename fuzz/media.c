/* Recognition takes any bytes, whole or cut anywhere.
 * SPDX-License-Identifier: MIT */
#include "media.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct loomta_media *media = loomta_media_recognise(data, size);

    if (media && (!media->name || !media->mime_type || !media->extension))
        abort();
    return 0;
}
