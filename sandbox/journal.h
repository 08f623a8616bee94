/* The log of public requests: a ring of the newest ones as JSON text, with their bodies where kept. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_JOURNAL_H
#define SANDBOX_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_JOURNAL_SIZE 10000

struct sandbox_journal_entry {
    uint64_t id;
    char *json;
    char *body; /* NULL when not kept */
    size_t body_size;
};

struct sandbox_journal {
    struct sandbox_journal_entry *ring;
    uint64_t first; /* ids below it were forgotten by a reset */
    uint64_t next;  /* ids keep counting across resets, so that one id never means two requests */
};

void sandbox_journal_init(struct sandbox_journal *journal);
void sandbox_journal_free(struct sandbox_journal *journal);
void sandbox_journal_reset(struct sandbox_journal *journal);

uint64_t sandbox_journal_begin(struct sandbox_journal *journal);

/* True while a request is not older than the last reset. */
bool sandbox_journal_current(const struct sandbox_journal *journal, uint64_t id);

/* Both take their buffer, and drop it if the request has left the ring. */
void sandbox_journal_put(struct sandbox_journal *journal, uint64_t id, char *json);
void sandbox_journal_put_body(struct sandbox_journal *journal, uint64_t id, char *body, size_t size);

/* {"total":N,"requests":[...]} of those with a higher id than `since`; the caller frees it. */
char *sandbox_journal_list(const struct sandbox_journal *journal, uint64_t since, size_t *length);

const struct sandbox_journal_entry *sandbox_journal_find(const struct sandbox_journal *journal,
                                                         uint64_t id); /* NULL if not there */

#endif
