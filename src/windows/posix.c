/* What the core needs of POSIX, on Windows.
 * SPDX-License-Identifier: MIT */
#define _CRT_RAND_S
#include "posix.h"

#include <errno.h>
#include <string.h>

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

/* (It moves the descriptor's offset, which nobody here goes by.) */
ssize_t pread(int fd, void *into, size_t length, off_t from)
{
    OVERLAPPED place = {.Offset = (DWORD)(from & 0xFFFFFFFF), .OffsetHigh = (DWORD)(from >> 32)};
    DWORD most = length < 0x40000000 ? (DWORD)length : 0x40000000, got = 0;

    if (ReadFile(handle_of(fd), into, most, &got, &place) || GetLastError() == ERROR_HANDLE_EOF)
        return (ssize_t)got;
    errno = EIO;
    return -1;
}

int flock(int fd, int operation)
{
    OVERLAPPED place = {.Offset = 0};

    (void)operation;
    if (LockFileEx(handle_of(fd), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, MAXDWORD, MAXDWORD, &place))
        return 0;
    errno = GetLastError() == ERROR_LOCK_VIOLATION ? EWOULDBLOCK : EIO;
    return -1;
}

int getentropy(void *into, size_t length)
{
    unsigned bits;

    for (size_t done = 0; done < length; done += sizeof bits) {
        if (rand_s(&bits) != 0)
            return -1;
        memcpy((char *)into + done, &bits, length - done < sizeof bits ? length - done : sizeof bits);
    }
    return 0;
}

int mkostemp(char *pattern, int flags)
{
    return _mktemp(pattern) ? _open(pattern, flags | _O_RDWR | _O_CREAT | _O_EXCL, _S_IREAD | _S_IWRITE) : -1;
}
