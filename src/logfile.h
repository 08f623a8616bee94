/* A file that only grows, by whole lines, under one writer at a time: what was appended and synced survives the process
 * and the machine. SPDX-License-Identifier: MIT */
#ifndef LOOMTA_LOGFILE_H
#define LOOMTA_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>

/* Opens or creates it, readable for its owner alone, and locks it against other writers until it is closed. What is in
 * it stays as it is. The descriptor, or -1 with errno: EWOULDBLOCK, another process (or another opening in this one) has it. */
int loomta_logfile_open(const char *path);

/* Appends all of it, or leaves the file as it was: false with errno. */
bool loomta_logfile_append(int fd, const char *text, size_t length);

/* Returns once what was appended is on the disk; false with errno. */
bool loomta_logfile_sync(int fd);

#endif
