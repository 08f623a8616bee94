/* POST /public/v1/slides/…: captions made up from the request, and an echo.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_SLIDES_H
#define SANDBOX_SLIDES_H

struct sandbox_exchange;

void sandbox_slides_caption(struct sandbox_exchange *exchange);
void sandbox_slides_composite(struct sandbox_exchange *exchange);

#endif
