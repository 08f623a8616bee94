/* The rest of /public/v1/media: lists, and folders.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_LIBRARY_H
#define SANDBOX_LIBRARY_H

struct sandbox_exchange;

void sandbox_library_list_media(struct sandbox_exchange *exchange);
void sandbox_library_list_folders(struct sandbox_exchange *exchange);
void sandbox_library_create_folder(struct sandbox_exchange *exchange);

#endif
