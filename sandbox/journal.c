/* The log of public requests: a ring of the newest ones as JSON text, with their bodies where kept. The caller holds the state's lock.
 * SPDX-License-Identifier: MIT */
#include "journal.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void forget(struct sandbox_journal_entry *entry)
{
    free(entry->json);
    free(entry->body);
    *entry = (struct sandbox_journal_entry){0};
}

void sandbox_journal_init(struct sandbox_journal *journal)
{
    journal->ring = sandbox_text_checked(calloc(SANDBOX_JOURNAL_SIZE, sizeof *journal->ring));
    journal->first = journal->next = 1;
}

void sandbox_journal_reset(struct sandbox_journal *journal)
{
    for (size_t i = 0; i < SANDBOX_JOURNAL_SIZE; i++)
        forget(&journal->ring[i]);
    journal->first = journal->next;
}

void sandbox_journal_free(struct sandbox_journal *journal)
{
    sandbox_journal_reset(journal);
    free(journal->ring);
}

uint64_t sandbox_journal_begin(struct sandbox_journal *journal)
{
    struct sandbox_journal_entry *entry = &journal->ring[journal->next % SANDBOX_JOURNAL_SIZE];
    forget(entry);
    entry->id = journal->next;
    return journal->next++;
}

bool sandbox_journal_current(const struct sandbox_journal *journal, uint64_t id)
{
    return id >= journal->first;
}

void sandbox_journal_put(struct sandbox_journal *journal, uint64_t id, char *json)
{
    struct sandbox_journal_entry *entry = &journal->ring[id % SANDBOX_JOURNAL_SIZE];
    if (entry->id != id) {
        free(json);
        return;
    }
    free(entry->json);
    entry->json = json;
}

void sandbox_journal_put_body(struct sandbox_journal *journal, uint64_t id, char *body, size_t size)
{
    struct sandbox_journal_entry *entry = &journal->ring[id % SANDBOX_JOURNAL_SIZE];
    if (entry->id != id) {
        free(body);
        return;
    }
    free(entry->body);
    entry->body = body;
    entry->body_size = size;
}

char *sandbox_journal_list(const struct sandbox_journal *journal, uint64_t since, size_t *length)
{
    struct sandbox_text list = {0};
    char head[64];
    snprintf(head, sizeof head, "{\"total\":%" PRIu64 ",\"requests\":[", journal->next - journal->first);
    sandbox_text_append(&list, head);

    uint64_t id = journal->next > SANDBOX_JOURNAL_SIZE ? journal->next - SANDBOX_JOURNAL_SIZE : 1;
    if (since >= id)
        id = since < journal->next ? since + 1 : journal->next;
    for (const char *comma = ""; id < journal->next; id++) {
        const struct sandbox_journal_entry *entry = &journal->ring[id % SANDBOX_JOURNAL_SIZE];
        if (entry->id != id || !entry->json)
            continue;
        sandbox_text_append(&list, comma);
        sandbox_text_append(&list, entry->json);
        comma = ",";
    }
    sandbox_text_append(&list, "]}");
    *length = list.length;
    return list.data;
}

const struct sandbox_journal_entry *sandbox_journal_find(const struct sandbox_journal *journal, uint64_t id)
{
    const struct sandbox_journal_entry *entry = &journal->ring[id % SANDBOX_JOURNAL_SIZE];
    return id > 0 && entry->id == id ? entry : NULL;
}
