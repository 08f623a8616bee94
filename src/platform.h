/* What the systems that loomta is for have in different ways. LOOMTA_PORTABLE does without what only Linux has, so that Linux
 * can test what the others run.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PLATFORM_H
#define LOOMTA_PLATFORM_H

#include <sys/stat.h>
#include <time.h>

#if defined(__linux__) && !defined(LOOMTA_PORTABLE)
#define LOOMTA_LINUX
#endif

/* When a file was changed last. */
static inline struct timespec loomta_modified(const struct stat *status)
{
#ifdef __APPLE__
    return status->st_mtimespec;
#else
    return status->st_mtim;
#endif
}

#endif
