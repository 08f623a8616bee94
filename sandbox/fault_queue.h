/* Faults waiting for their requests, in the order in which they were given. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_FAULT_QUEUE_H
#define SANDBOX_FAULT_QUEUE_H

#include "fault.h"

#include <stdint.h>

struct sandbox_queued_fault {
    struct sandbox_fault fault;
    json_int_t left; /* 0: for ever */
};

struct sandbox_fault_queue {
    struct sandbox_queued_fault *entries;
    size_t count;
    uint64_t random; /* the generator's state */
};

void sandbox_fault_queue_init(struct sandbox_fault_queue *queue, uint64_t seed);
void sandbox_fault_queue_clear(struct sandbox_fault_queue *queue);

void sandbox_fault_queue_add(struct sandbox_fault_queue *queue, struct sandbox_fault *fault); /* takes the fault */

/* The JSON of the first fault that hits this request, for the caller to parse and own, or NULL. A fault that matches but loses its
 * throw of the dice keeps its `times`, and the next one gets its chance. */
json_t *sandbox_fault_queue_take(struct sandbox_fault_queue *queue, const char *method, const char *path);

bool sandbox_fault_queue_throw(struct sandbox_fault_queue *queue, double probability);

json_t *sandbox_fault_queue_list(const struct sandbox_fault_queue *queue);

#endif
