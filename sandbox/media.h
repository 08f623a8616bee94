/* POST /public/v1/media: the rules for an upload, and the media object it becomes.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_MEDIA_H
#define SANDBOX_MEDIA_H

struct sandbox_exchange;

void sandbox_media_upload(struct sandbox_exchange *exchange);

#endif
