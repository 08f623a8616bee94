/* When to try again: a pure function of the failure, the attempt, the clock and a random number. Never sleeps.
 * SPDX-License-Identifier: MIT */
#include "retry.h"

#include <curl/curl.h>
#include <string.h>

enum {
    FIRST_DELAY_MS = 500,
    LONGEST_DELAY_MS = 30 * 1000,
};

int64_t loomta_retry_backoff(int attempt, double random)
{
    int64_t ceiling = FIRST_DELAY_MS;

    for (int i = 1; i < attempt && ceiling < LONGEST_DELAY_MS; i++)
        ceiling *= 2;
    if (ceiling > LONGEST_DELAY_MS)
        ceiling = LONGEST_DELAY_MS;
    return (int64_t)((double)ceiling * random);
}

int64_t loomta_retry_delay(const struct loomta_retry_policy *policy, const struct loomta_failure *failure,
                           bool can_rewind, int attempt, int64_t elapsed_ms, int64_t least_ms, double random)
{
    bool wanted = failure->retryable || (failure->unknown && policy->retry_unknown);
    int64_t delay;

    if (!failure->code || !wanted || !can_rewind)
        return LOOMTA_RETRY_STOP;
    /* Dropping Expect is the same attempt asked differently: it costs no retry, and it can happen only once. */
    if (failure->without_expect)
        return 0;
    if (attempt > policy->max_retries)
        return LOOMTA_RETRY_STOP;
    if (failure->retry_after_ms > LOOMTA_LONGEST_RETRY_AFTER_MS)
        return LOOMTA_RETRY_STOP;

    delay = loomta_retry_backoff(attempt, random);
    if (delay < least_ms)
        delay = least_ms;
    if (delay < failure->retry_after_ms)
        delay = failure->retry_after_ms;
    if (policy->max_elapsed_ms > 0 && elapsed_ms + delay > policy->max_elapsed_ms)
        return LOOMTA_RETRY_STOP;
    return delay;
}

int64_t loomta_retry_after_parse(const char *value, size_t length, time_t now)
{
    char text[64];
    int64_t seconds = 0;
    size_t digits = 0;

    while (length > 0 && (*value == ' ' || *value == '\t'))
        value++, length--;
    while (length > 0 && strchr(" \t\r\n", value[length - 1]))
        length--;
    if (length == 0 || length >= sizeof text || memchr(value, '\0', length))
        return -1;

    while (digits < length && value[digits] >= '0' && value[digits] <= '9') {
        if (seconds < INT32_MAX)
            seconds = seconds * 10 + (value[digits] - '0');
        digits++;
    }
    if (digits < length) {
        if (digits > 0) /* a date starts with a day's name; "1.5" and "10s" are nothing */
            return -1;
        memcpy(text, value, length);
        text[length] = '\0';
        time_t date = curl_getdate(text, NULL);
        if (date == (time_t)-1)
            return -1;
        seconds = date > now ? (int64_t)date - (int64_t)now : 0;
    }
    return (seconds < INT32_MAX ? seconds : INT32_MAX) * 1000;
}
