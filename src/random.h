/* Random bytes from the system, for boundaries and jitter.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_RANDOM_H
#define LOOMTA_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/* Fills `bytes`; at most 256 at a time. Any thread. False when the system refuses. */
bool loomta_random_bytes(void *bytes, size_t length);

/* A number from 0 up to but not including 1; 0.5 when the system refuses. */
double loomta_random_unit(void);

#endif
