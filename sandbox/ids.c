/* UUIDs and time stamps in the forms the API uses.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ids.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void sandbox_ids_random(void *bytes, unsigned length)
{
    /* Up to 256 bytes come whole; less means a kernel without a random source. */
    if (getrandom(bytes, length, 0) != (ssize_t)length) {
        perror("loomta-sandbox: getrandom");
        abort();
    }
}

void sandbox_ids_uuid(char uuid[SANDBOX_UUID_SIZE])
{
    unsigned char b[16];
    sandbox_ids_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    snprintf(uuid, SANDBOX_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

bool sandbox_ids_is_uuid(const char *text)
{
    if (strlen(text) != SANDBOX_UUID_SIZE - 1)
        return false;
    for (int i = 0; i < SANDBOX_UUID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

void sandbox_ids_now(char time[SANDBOX_TIME_SIZE])
{
    struct timespec now;
    struct tm utc;
    char seconds[24];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time, SANDBOX_TIME_SIZE, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}
