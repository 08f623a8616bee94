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
int64_t sandbox_ids_clock(void); /* milliseconds since 1970 */

/* The same for a date-time such as 2026-01-31T12:34:56.789Z, with or without a fraction, Z or an offset. False if it is none. */
bool sandbox_ids_time(const char *text, int64_t *milliseconds);

void sandbox_ids_now(char time[SANDBOX_TIME_SIZE]); /* 2026-01-31T12:34:56.789Z */

#endif
