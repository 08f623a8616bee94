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

int64_t sandbox_ids_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sandbox_ids_now(char time[SANDBOX_TIME_SIZE])
{
    int64_t now = sandbox_ids_clock();
    time_t whole = (time_t)(now / 1000);
    struct tm utc;
    char seconds[24];
    gmtime_r(&whole, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time, SANDBOX_TIME_SIZE, "%s.%03dZ", seconds, (int)(now % 1000));
}

/* Reads what `form` says: 0 is a digit of the next number, everything else itself. False when the text does not have that form. */
static bool read_form(const char **text, const char *form, int *numbers)
{
    for (bool within = false; *form; form++, (*text)++) {
        bool digit = *form == '0';
        if (digit ? !isdigit((unsigned char)**text) : **text != *form)
            return false;
        if (digit)
            *numbers = (within ? *numbers * 10 : 0) + (**text - '0');
        else if (within)
            numbers++;
        within = digit;
    }
    return true;
}

static bool read_fraction(const char **text, int *milliseconds)
{
    *milliseconds = 0;
    if (**text != '.')
        return true;
    if (!isdigit((unsigned char)*++*text))
        return false;
    for (int unit = 100; isdigit((unsigned char)**text); (*text)++, unit /= 10)
        *milliseconds += (**text - '0') * unit;
    return true;
}

static bool read_offset(const char **text, int *minutes)
{
    int parts[2] = {0};
    int sign = **text == '-' ? -1 : 1;
    *minutes = 0;
    if (*(*text)++ == 'Z')
        return true;
    if ((*text)[-1] != '+' && (*text)[-1] != '-')
        return false;
    if (!read_form(text, "00:00", parts) || parts[0] > 23 || parts[1] > 59)
        return false;
    *minutes = sign * (parts[0] * 60 + parts[1]);
    return true;
}

bool sandbox_ids_time(const char *text, int64_t *milliseconds)
{
    int parts[6] = {0};
    int fraction;
    int offset;
    if (!read_form(&text, "0000-00-00T00:00:00", parts) || !read_fraction(&text, &fraction) ||
        !read_offset(&text, &offset) || *text)
        return false;
    struct tm utc = {.tm_year = parts[0] - 1900,
                     .tm_mon = parts[1] - 1,
                     .tm_mday = parts[2],
                     .tm_hour = parts[3],
                     .tm_min = parts[4],
                     .tm_sec = parts[5]};
    struct tm given = utc;
    int64_t seconds = (int64_t)timegm(&utc);
    /* timegm turns the 30th of February into the 1st of March. */
    if (utc.tm_mon != given.tm_mon || utc.tm_mday != given.tm_mday || utc.tm_hour != given.tm_hour ||
        utc.tm_min != given.tm_min || utc.tm_sec != given.tm_sec)
        return false;
    *milliseconds = (seconds - (int64_t)offset * 60) * 1000 + fraction;
    return true;
}
