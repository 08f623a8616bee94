/* The credentials file: readable by its owner alone, and its key taken out before anybody else sees the text.
 * SPDX-License-Identifier: MIT */
#include "credentials.h"

#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum loomta_credentials_status read_open(int fd, struct loomta_credentials *credentials)
{
    struct stat status;
    ssize_t got;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > LOOMTA_CREDENTIALS_MAX)
        return LOOMTA_CREDENTIALS_UNUSABLE;
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (status.st_uid != geteuid() && status.st_uid != 0))
        return LOOMTA_CREDENTIALS_EXPOSED;
    while ((got = read(fd, credentials->text + credentials->length, LOOMTA_CREDENTIALS_MAX - credentials->length)) !=
           0) {
        if (got > 0)
            credentials->length += (size_t)got;
        else if (errno != EINTR)
            return LOOMTA_CREDENTIALS_UNUSABLE;
    }
    return LOOMTA_CREDENTIALS_OK;
}

enum loomta_credentials_status loomta_credentials_read(const char *path, struct loomta_credentials *credentials)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    credentials->length = 0;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? LOOMTA_CREDENTIALS_ABSENT : LOOMTA_CREDENTIALS_UNUSABLE;
    enum loomta_credentials_status status = read_open(fd, credentials);
    credentials->text[credentials->length] = '\0';
    close(fd);
    return status;
}

bool loomta_credentials_take_key(struct loomta_credentials *credentials, char key[LOOMTA_CREDENTIALS_MAX])
{
    static const char white[] = " \t\r\n";
    char *at = strstr(credentials->text, "\"apiKey\"");
    size_t length = 0;

    if (!at)
        return false;
    at += strlen("\"apiKey\"");
    at += strspn(at, white);
    if (*at++ != ':')
        return false;
    at += strspn(at, white);
    if (*at++ != '"')
        return false;
    while (at[length] > ' ' && at[length] < 0x7F && at[length] != '"' && at[length] != '\\')
        length++;
    if (length == 0 || at[length] != '"')
        return false;

    memcpy(key, at, length);
    key[length] = '\0';
    char *rest = at + length;
    size_t rest_size = credentials->length - (size_t)(rest - credentials->text) + 1;
    memmove(at, rest, rest_size);
    loomta_wipe(at + rest_size, length);
    credentials->length -= length;
    return true;
}
