/* Several Lua states upload on several threads at once, each with clients of its own: for ThreadSanitizer to watch.
 *
 * usage: threads URL KEY SCRIPT [alone-first]     the last word has the main thread run it before the others exist: for
 *                                                 Helgrind, which does not know pthread_once
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int luaopen_loomta_core(lua_State *L);

enum { THREADS = 4 };

static char **words;

/* NULL when all went well. */
static void *run(void *unused)
{
    lua_State *L = luaL_newstate();
    void *failed = NULL;

    (void)unused;
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_loomta_core);
    lua_setfield(L, -2, "loomta.core");
    int status = luaL_loadfile(L, words[3]);
    lua_pushstring(L, words[1]);
    lua_pushstring(L, words[2]);
    if (status != LUA_OK || lua_pcall(L, 2, 0, 0) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        failed = words;
    }
    lua_close(L);
    return failed;
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS];
    int status = EXIT_SUCCESS;

    if (count != 4 && count != 5)
        return 2;
    words = arguments;
    if (count == 5 && run(NULL))
        return EXIT_FAILURE;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        if (failed)
            status = EXIT_FAILURE;
    }
    if (status == EXIT_SUCCESS)
        printf("%d threads, nothing found\n", THREADS);
    return status;
}
