/* Preloaded, it makes every look-up of a name ending in ".slow" take a minute, as a dead name server does.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    size_t length = name ? strlen(name) : 0;

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (length > 5 && strcmp(name + length - 5, ".slow") == 0)
        sleep(60);
    return real(name, service, hints, found);
}
