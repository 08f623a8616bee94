/* What calls that block need of POSIX, on Windows. It compiles with mingw-w64; nothing of it has been run. Jobs, signals and the
 * writing of credentials are not there: opening a bell or a folder fails.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_WINDOWS_POSIX_H
#define LOOMTA_WINDOWS_POSIX_H

#include <winsock2.h> /* before all that includes windows.h */
#include <ws2tcpip.h>

#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* For open: handed down to nobody, not a byte translated; and no file there makes one wait. */
#define O_CLOEXEC (_O_NOINHERIT | _O_BINARY)
#define O_NONBLOCK 0
#define O_NOCTTY 0
#define O_DIRECTORY 0
#define MSG_DONTWAIT 0

enum { LOCK_EX = 1, LOCK_NB = 2 };

ssize_t pread(int fd, void *into, size_t length, off_t from);
int flock(int fd, int operation); /* never waits */
int getentropy(void *into, size_t length);
int mkostemp(char *pattern, int flags);

#define loomta_duplicate _dup
#define mkdir(path, mode) _mkdir(path)
#define fchmod(fd, mode) 0
#define geteuid() 0
#define fsync _commit
#define fdatasync _commit
#define realpath(path, resolved) _fullpath(resolved, path, PATH_MAX)
#define poll WSAPoll
#define loomta_close_socket closesocket

#endif
