/* Where the bytes of an upload come from: a regular file, bytes in memory, or chunks that the owner feeds.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SOURCE_H
#define LOOMTA_SOURCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum loomta_source_kind { LOOMTA_SOURCE_CLOSED, LOOMTA_SOURCE_FILE, LOOMTA_SOURCE_MEMORY, LOOMTA_SOURCE_CHUNKS };

enum loomta_source_error {
    LOOMTA_SOURCE_OK,
    LOOMTA_SOURCE_NOT_FOUND,   /* no such file */
    LOOMTA_SOURCE_NO_ACCESS,   /* not allowed to read it */
    LOOMTA_SOURCE_NOT_REGULAR, /* a directory, a pipe, a device */
    LOOMTA_SOURCE_READ_FAILED, /* any other error of the system, see saved_errno */
    LOOMTA_SOURCE_CHANGED,     /* the file's size or modification time changed while it was read */
    LOOMTA_SOURCE_TOO_SHORT,   /* fewer bytes were fed than announced */
    LOOMTA_SOURCE_TOO_LONG,    /* more bytes were fed than announced */
};

/* One value for every kind, so that nothing is allocated. A zeroed one is closed. */
struct loomta_source {
    enum loomta_source_kind kind;
    enum loomta_source_error error; /* the first one; stays */
    int saved_errno;
    int64_t size;     /* bytes in all, -1 when not known */
    int64_t position; /* bytes handed out */

    int fd; /* file: owned; -1 while it is parked */
    struct timespec modified;
    dev_t device;
    ino_t inode;
    char *path; /* parked: owned, absolute */

    /* Borrowed bytes: what lends them and what reads them may be different threads. */
    pthread_mutex_t *guard; /* held while they are read or replaced; NULL: one thread does both. Not owned. */
    const char *bytes;      /* memory: all of it; chunks: the current one. Must outlive its use, or be revoked. */
    size_t length;
    size_t taken; /* of the current chunk */
    bool ended;   /* chunks: no more will be fed */
};

#define LOOMTA_SOURCE_STARVED ((ssize_t)-2) /* chunks: nothing here now, feed and ask again */

/* Opens a path; only a regular file will do, anything else is an error at once, also where opening it would block.
 * False: see source->error; nothing is left open. */
bool loomta_source_open_file(struct loomta_source *source, const char *path);

/* Reads a descriptor that belongs to somebody else, from its beginning, without moving its offset. Duplicates it. */
bool loomta_source_open_descriptor(struct loomta_source *source, int fd);

/* `bytes` is borrowed and must outlive the source. */
void loomta_source_open_memory(struct loomta_source *source, const char *bytes, size_t length);

/* `size` is what the chunks will add up to, or -1. */
void loomta_source_open_chunks(struct loomta_source *source, int64_t size);

/* Gives the next chunk, borrowed until it is taken; NULL says that there are no more. False, and nothing happens, unless
 * it is hungry. */
bool loomta_source_feed(struct loomta_source *source, const char *bytes, size_t length);

/* A chunk is wanted. */
bool loomta_source_hungry(const struct loomta_source *source);

/* Takes back what was lent: it is not read any more once this returns. Reading on is an error. */
void loomta_source_revoke(struct loomta_source *source);

/* Closes the file that was opened as `path` until loomta_source_unpark, for a source that has to wait its turn; the working
 * folder may change meanwhile. Without memory it just stays open. */
void loomta_source_park(struct loomta_source *source, const char *path);

/* Opens a parked file again; nothing to do for any other source. False when it is gone or another one: see
 * source->error. */
bool loomta_source_unpark(struct loomta_source *source);

/* Copies up to `length` bytes from the start without taking them: for recognition. Not for chunks. -1: an error. */
ssize_t loomta_source_peek(struct loomta_source *source, void *into, size_t length);

/* Takes up to `length` bytes: > 0 how many, 0 at the end, -1 an error (see source->error), or LOOMTA_SOURCE_STARVED. */
ssize_t loomta_source_read(struct loomta_source *source, void *into, size_t length);

/* All bytes of a known size were read and the source is still what it was when it was opened. */
bool loomta_source_verify(struct loomta_source *source);

/* Goes back to the first byte; false where that is impossible. */
bool loomta_source_rewind(struct loomta_source *source);

/* Can it be read again from the start? */
bool loomta_source_can_rewind(const struct loomta_source *source);

/* Idempotent; forgets what was borrowed and closes what is owned. */
void loomta_source_close(struct loomta_source *source);

#endif
