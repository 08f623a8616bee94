/* Fails every allocation (ours, libcurl's, Lua's) and every libcurl call in turn over the whole path of an upload.
 * Each time the outcome must be a value, an error table or a Lua error, and afterwards nothing may be left: no byte,
 * no descriptor. Linked with --wrap, see scripts/torture.
 *
 * usage: torture URL KEY SCRIPT [STRIDE]     only every so many of Lua's allocations: there are thousands
 * SPDX-License-Identifier: MIT */
#include "mailbox.h"
#include "worker.h"

#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <dirent.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_loomta_core(lua_State *L);

enum victim { OURS, LIBCURLS, LUAS, CURL_CALLS, VICTIM_COUNT };

static const char *const victim_names[VICTIM_COUNT] = {"our allocations", "libcurl's allocations", "Lua's allocations",
                                                       "libcurl's calls"};

static struct {
    atomic_bool armed;  /* points are counted */
    enum victim victim; /* whose points */
    atomic_long point;  /* counted so far … */
    long fatal;         /* … the one that fails */
    bool sticky;        /* … and all after it */
    atomic_bool hit;
} plan;

static atomic_long live; /* our and libcurl's allocations that were not freed */

static bool must_fail(enum victim victim)
{
    if (!plan.armed || plan.victim != victim)
        return false;
    long point = ++plan.point;
    bool fails = point == plan.fatal || (plan.sticky && point > plan.fatal);
    if (fails)
        plan.hit = true;
    return fails;
}

/* --- our allocations: --wrap sends the core's calls here --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static void *counted(void *block)
{
    live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return must_fail(OURS) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail(OURS) ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (must_fail(OURS))
        return NULL;
    void *grown = __real_realloc(block, size);
    live += grown && !block;
    return grown;
}

void __wrap_free(void *block)
{
    live -= block != NULL;
    __real_free(block);
}

/* --- libcurl's allocations: handed to curl_global_init_mem --- */

static void *curl_malloc(size_t size)
{
    return must_fail(LIBCURLS) ? NULL : counted(__real_malloc(size));
}

static void *curl_calloc(size_t count, size_t size)
{
    return must_fail(LIBCURLS) ? NULL : counted(__real_calloc(count, size));
}

static void *curl_realloc(void *block, size_t size)
{
    if (must_fail(LIBCURLS))
        return NULL;
    void *grown = __real_realloc(block, size);
    live += grown && !block;
    return grown;
}

static char *curl_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = curl_malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

/* --- Lua's allocations --- */

static void *lua_allocate(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        __real_free(block);
        return NULL;
    }
    /* Lua must be able to shrink. */
    if ((!block || new_size > old_size) && must_fail(LUAS))
        return NULL;
    return __real_realloc(block, new_size);
}

/* --- libcurl's calls --- */

CURL *__real_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void);
CURLM *__real_curl_multi_init(void);
CURLM *__wrap_curl_multi_init(void);
CURLMcode __real_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);

CURL *__wrap_curl_easy_init(void)
{
    return must_fail(CURL_CALLS) ? NULL : __real_curl_easy_init();
}

CURLM *__wrap_curl_multi_init(void)
{
    return must_fail(CURL_CALLS) ? NULL : __real_curl_multi_init();
}

CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return must_fail(CURL_CALLS) ? CURLM_OUT_OF_MEMORY : __real_curl_multi_add_handle(multi, easy);
}

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list list;
    CURLcode result;

    if (must_fail(CURL_CALLS))
        return CURLE_OUT_OF_MEMORY;
    va_start(list, option);
    if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        result = __real_curl_easy_setopt(easy, option, va_arg(list, curl_off_t));
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        result = __real_curl_easy_setopt(easy, option, va_arg(list, long));
    else
        result = __real_curl_easy_setopt(easy, option, va_arg(list, void *));
    va_end(list);
    return result;
}

/* --- the runs --- */

static int entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Waits until the worker has ended, and leaves what is left of one: always the same. */
static void settle(void)
{
    static const int alone = 3; /* ".", ".." and this thread */
    struct loomta_mailbox *mailbox;

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; entries("/proc/self/task") > alone; i++) {
            if (i > 20000) {
                fprintf(stderr, "%s %ld: the thread does not end\n", victim_names[plan.victim], plan.fatal);
                exit(1);
            }
            poll(NULL, 0, 1);
        }
        if (pass == 1)
            return;
        mailbox = loomta_mailbox_new(1);
        loomta_worker_join(mailbox);
        loomta_worker_leave(mailbox);
        loomta_mailbox_release(mailbox);
    }
}

/* One upload in a state of its own. False when it went wrong in a way that no failure may go wrong. */
static bool run(char **words)
{
    settle();
    long live_before = live;
    int descriptors_before = entries("/proc/self/fd");
    bool fine = true;
    lua_State *L = lua_newstate(lua_allocate, NULL);

    if (!L)
        return false;
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_loomta_core);
    lua_setfield(L, -2, "loomta.core");
    lua_pop(L, 1);
    if (luaL_loadfile(L, words[3]) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    lua_pushstring(L, words[1]);
    lua_pushstring(L, words[2]);

    plan.armed = true;
    int status = lua_pcall(L, 2, 1, 0);
    plan.armed = false;
    if (status == LUA_OK && !lua_isnil(L, -1)) {
        fprintf(stderr, "%s %ld: %s\n", victim_names[plan.victim], plan.fatal, lua_tostring(L, -1));
        fine = false;
    } else if (status != LUA_OK && !(lua_isstring(L, -1) && strstr(lua_tostring(L, -1), "memory"))) {
        fprintf(stderr, "%s %ld: raised %s\n", victim_names[plan.victim], plan.fatal, luaL_tolstring(L, -1, NULL));
        fine = false;
    }
    lua_close(L);
    settle();
    if (live != live_before || entries("/proc/self/fd") != descriptors_before) {
        fprintf(stderr, "%s %ld: %ld blocks and %d descriptors are left\n", victim_names[plan.victim], plan.fatal,
                live - live_before, entries("/proc/self/fd") - descriptors_before);
        fine = false;
    }
    return fine;
}

/* Every point of a victim in turn; the number of points, or -1. */
static long torture(enum victim victim, bool sticky, char **words)
{
    long stride = victim == LUAS && words[4] ? strtol(words[4], NULL, 10) : 1, count = 0;

    plan.victim = victim;
    plan.fatal = 1;
    plan.sticky = sticky;
    for (;; plan.fatal += stride, count++) {
        plan.point = 0;
        plan.hit = false;
        if (!run(words))
            return -1;
        if (!plan.hit)
            return count;
    }
}

int main(int count, char **words)
{
    int status = EXIT_SUCCESS;

    if (count != 4 && count != 5)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, __wrap_free, curl_realloc, curl_strdup, curl_calloc);
    run(words); /* what is set up once a process is set up now */
    for (int victim = 0; victim < VICTIM_COUNT; victim++)
        for (int sticky = 0; sticky <= 1; sticky++) {
            long points = torture((enum victim)victim, sticky, words);
            if (points < 0)
                status = EXIT_FAILURE;
            else
                printf("%s, %s: %ld points\n", victim_names[victim], sticky ? "from a point on" : "one at a time",
                       points);
        }
    return status;
}
