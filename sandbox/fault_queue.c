/* Faults waiting for their requests, in the order in which they were given. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#include "fault_queue.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

void sandbox_fault_queue_init(struct sandbox_fault_queue *queue, uint64_t seed)
{
    *queue = (struct sandbox_fault_queue){NULL, 0, seed};
}

void sandbox_fault_queue_clear(struct sandbox_fault_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        sandbox_fault_free(&queue->entries[i].fault);
    free(queue->entries);
    queue->entries = NULL;
    queue->count = 0;
}

void sandbox_fault_queue_add(struct sandbox_fault_queue *queue, struct sandbox_fault *fault)
{
    queue->entries = sandbox_text_checked(realloc(queue->entries, (queue->count + 1) * sizeof *queue->entries));
    queue->entries[queue->count++] = (struct sandbox_queued_fault){*fault, fault->times};
    fault->source = NULL;
}

bool sandbox_fault_queue_throw(struct sandbox_fault_queue *queue, double probability)
{
    /* splitmix64 */
    uint64_t z = queue->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 11) / 9007199254740992.0 < probability;
}

json_t *sandbox_fault_queue_take(struct sandbox_fault_queue *queue, const char *method, const char *path)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct sandbox_queued_fault *entry = &queue->entries[i];
        if (!sandbox_fault_matches(&entry->fault, method, path) ||
            !sandbox_fault_queue_throw(queue, entry->fault.probability))
            continue;
        json_t *taken = json_deep_copy(entry->fault.source);
        if (entry->left > 0 && --entry->left == 0) {
            sandbox_fault_free(&entry->fault);
            memmove(entry, entry + 1, (--queue->count - i) * sizeof *entry);
        }
        return taken;
    }
    return NULL;
}

json_t *sandbox_fault_queue_list(const struct sandbox_fault_queue *queue)
{
    json_t *list = json_array();
    for (size_t i = 0; i < queue->count; i++) {
        json_t *fault = json_deep_copy(queue->entries[i].fault.source);
        json_int_t left = queue->entries[i].left;
        json_object_set_new(fault, "remaining", left > 0 ? json_integer(left) : json_null());
        json_array_append_new(list, fault);
    }
    return list;
}
