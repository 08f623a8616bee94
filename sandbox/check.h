/* Judges JSON member by member and gathers what is wrong, each finding with the path to it.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_CHECK_H
#define SANDBOX_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct sandbox_check {
    json_t *path;    /* where the next finding is */
    json_t *details; /* the findings: [{"path":[names and indices],"message":…}] */
};

void sandbox_check_start(struct sandbox_check *check);

/* The details, which the caller owns, or NULL when nothing is wrong. */
json_t *sandbox_check_finish(struct sandbox_check *check);

/* Go one step down, and back. */
void sandbox_check_enter(struct sandbox_check *check, const char *name);
void sandbox_check_enter_index(struct sandbox_check *check, size_t index);
void sandbox_check_leave(struct sandbox_check *check);

__attribute__((format(printf, 2, 3))) void sandbox_check_fail(struct sandbox_check *check, const char *format, ...);

/* For those that look at a member of an object: one that is missing is wrong only if it is required. What they return is borrowed,
 * and NULL (or -1) if missing or wrong. */

json_t *sandbox_check_member(struct sandbox_check *check, json_t *object, const char *name, json_type type,
                             bool required);

/* Lengths are in characters; a maximum of 0 is none. */
const char *sandbox_check_string(struct sandbox_check *check, json_t *object, const char *name, bool required,
                                 size_t minimum, size_t maximum);

/* A list of strings, or of UUIDs. */
json_t *sandbox_check_strings(struct sandbox_check *check, json_t *object, const char *name, bool required, bool uuids);

/* The place in the list of choices, which ends with NULL. */
int sandbox_check_choice(struct sandbox_check *check, json_t *object, const char *name, bool required,
                         const char *const *choices);

/* The same for values already in hand, at the current path: each is true when all is well. */
bool sandbox_check_integer(struct sandbox_check *check, json_t *value, json_int_t low, json_int_t high);
bool sandbox_check_one_of(struct sandbox_check *check, json_t *value, const char *const *choices, int *place);
bool sandbox_check_type(struct sandbox_check *check, json_t *value, json_type type);

#endif
