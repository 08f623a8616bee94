/* core.mailbox: the worker's side door for a client, as a Lua object.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "process.h"
#include "worker.h"

#include <errno.h>
#include <limits.h>

static const char type_name[] = "loomta.mailbox";

/* More than that is no limit. */
static const lua_Number most_bytes_per_sec = 1e15;

static struct loomta_mailbox *check_mailbox(lua_State *L)
{
    struct loomta_mailbox **mailbox = luaL_checkudata(L, 1, type_name);

    luaL_argcheck(L, *mailbox, 1, "the mailbox is closed");
    return *mailbox;
}

static bool is_foreign(const struct loomta_mailbox *mailbox)
{
    return mailbox->process != loomta_process_generation();
}

/* mailbox(limit, [bytes a second]) → mailbox | nil, why the system refuses a thread or a descriptor. Starts the worker if there
 * is none. With the second, 0 or more, its jobs share a pace. */
int loomta_lua_mailbox(lua_State *L)
{
    lua_Number limit = luaL_checknumber(L, 1), bytes_per_sec = luaL_optnumber(L, 2, 0);
    bool paced = !lua_isnoneornil(L, 2);

    luaL_argcheck(L, bytes_per_sec >= 0, 2, "0 or more");
    struct loomta_mailbox **mailbox = loomta_new_userdata(L, sizeof(struct loomta_mailbox *));
    *mailbox = NULL;
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    *mailbox = loomta_mailbox_new(limit < INT_MAX ? (int)limit : INT_MAX);
    if (*mailbox && paced)
        loomta_mailbox_share_pace(*mailbox, bytes_per_sec < most_bytes_per_sec ? (int64_t)bytes_per_sec : 0);
    int error = *mailbox ? loomta_worker_join(*mailbox) : errno;
    if (error == 0)
        return 1;
    loomta_mailbox_release(*mailbox);
    *mailbox = NULL;
    return loomta_bind_push_failure(L, error);
}

/* mailbox:submit(source | nil, spec) → job; takes the source over */
static int submit(lua_State *L)
{
    return loomta_lua_submit(L, NULL, check_mailbox(L));
}

/* mailbox:wait(ms) → does a job need its owner? */
static int wait(lua_State *L)
{
    const struct loomta_mailbox *mailbox = check_mailbox(L);
    lua_Number timeout_ms = luaL_checknumber(L, 2);

    lua_pushboolean(L, loomta_mailbox_wait(mailbox, timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX));
    return 1;
}

/* mailbox:take() → the id of a job that needs its owner | nil */
static int take(lua_State *L)
{
    struct loomta_mailbox *mailbox = check_mailbox(L);
    struct loomta_job *job = is_foreign(mailbox) ? NULL : loomta_mailbox_take(mailbox);

    if (!job)
        return 0;
    uint64_t id = job->id;
    loomta_job_release(job);
    loomta_push_integer(L, id);
    return 1;
}

/* mailbox:ring(): what was taken is not all done; its descriptor is readable until the next take() */
static int ring(lua_State *L)
{
    struct loomta_mailbox *mailbox = check_mailbox(L);

    if (!is_foreign(mailbox))
        loomta_mailbox_ring(mailbox);
    return 0;
}

/* mailbox:fd() → a descriptor that is readable while take() has something to give, or ring() was called. The mailbox's. */
static int fd(lua_State *L)
{
    loomta_push_integer(L, check_mailbox(L)->bell.read_fd);
    return 1;
}

/* mailbox:isOurs() → false in a child of fork() */
static int is_ours(lua_State *L)
{
    lua_pushboolean(L, !is_foreign(check_mailbox(L)));
    return 1;
}

/* mailbox:leave(): cancels all its jobs and takes no more; how they ended is still to be had */
static int leave(lua_State *L)
{
    loomta_worker_leave(check_mailbox(L));
    return 0;
}

static int close_mailbox(lua_State *L)
{
    struct loomta_mailbox **owned = luaL_checkudata(L, 1, type_name);
    struct loomta_mailbox *mailbox = *owned;

    *owned = NULL;
    if (!mailbox || is_foreign(mailbox))
        return 0;
    loomta_worker_leave(mailbox);
    loomta_mailbox_close(mailbox);
    loomta_mailbox_release(mailbox);
    return 0;
}

void loomta_lua_mailbox_register(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"submit", submit}, {"wait", wait},   {"take", take},      {"fd", fd},
        {"ring", ring},     {"leave", leave}, {"isOurs", is_ours}, {NULL, NULL},
    };

    loomta_bind_type(L, type_name, methods, close_mailbox);
}
