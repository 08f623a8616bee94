/* UUIDs and time stamps in the forms the API uses.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_IDS_H
#define SANDBOX_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_UUID_SIZE 37
#define SANDBOX_TIME_SIZE 32

void sandbox_ids_random(void *bytes, unsigned length);
void sandbox_ids_uuid(char uuid[SANDBOX_UUID_SIZE]);
bool sandbox_ids_is_uuid(const char *text);
void sandbox_ids_now(char time[SANDBOX_TIME_SIZE]); /* 2026-01-31T12:34:56.789Z */

#endif
