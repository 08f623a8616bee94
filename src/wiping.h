/* Memory functions for libcurl that wipe what they free, since its request buffers hold the key, and keep the large
 * blocks that it frees: it makes a new buffer for each upload.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_WIPING_H
#define LOOMTA_WIPING_H

#include <curl/curl.h>

/* Sets libcurl up with them. Whoever set libcurl up before us in this process has chosen its memory functions: then this
 * counts as one more user, and changes nothing. */
CURLcode loomta_wiping_global_init(void);

#endif
