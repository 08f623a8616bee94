/* The job that engine:submit and mailbox:submit give: feeding it, watching it, taking its result.
 * SPDX-License-Identifier: MIT */
#include "bind.h"
#include "worker.h"

#include <errno.h>
#include <string.h>

static const char type_name[] = "loomta.job";

enum { ANCHOR_RUNNER = 1, ANCHOR_SOURCE, ANCHOR_CHUNK };

struct owner {
    struct loomta_job *job;        /* a reference; NULL: closed */
    struct loomta_outcome outcome; /* that was taken from it last … */
    int ended;                     /* … after so many attempts */
};

struct loomta_job **loomta_lua_new_job(lua_State *L)
{
    struct owner *owner = loomta_new_userdata(L, sizeof *owner);

    memset(owner, 0, sizeof *owner);
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    lua_createtable(L, ANCHOR_CHUNK, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, ANCHOR_RUNNER);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, ANCHOR_SOURCE);
    loomta_set_anchor(L, -2);
    return &owner->job;
}

static struct owner *check_owner(lua_State *L)
{
    struct owner *owner = luaL_checkudata(L, 1, type_name);

    luaL_argcheck(L, owner->job, 1, "the job is closed");
    return owner;
}

static struct loomta_job *check_job(lua_State *L)
{
    return check_owner(L)->job;
}

static const char *const state_names[] = {"queued", "running", "waiting", "done"};

/* job:look() → "queued" | "running" | "waiting" | "done", attempts begun */
static int look(lua_State *L)
{
    struct loomta_job_view view = loomta_job_look(check_job(L));

    lua_pushstring(L, state_names[view.state]);
    loomta_push_integer(L, view.attempts);
    return 2;
}

/* job:attend() → state, attempts ended, hungry, progress is due. Whoever asks is to do it: nobody else will be woken. */
static int attend(lua_State *L)
{
    struct loomta_job_view view = loomta_job_attend(check_job(L));

    lua_pushstring(L, state_names[view.state]);
    loomta_push_integer(L, view.ended);
    lua_pushboolean(L, view.hungry);
    lua_pushboolean(L, view.progress_due);
    return 4;
}

/* job:progress() → bytes of the source that the network took in this attempt, its size | nil */
static int progress(lua_State *L)
{
    struct loomta_job *job = check_job(L);

    loomta_push_integer(L, loomta_job_look(job).sent);
    if (job->transfer.body.source.size < 0) /* it never changes */
        return 1;
    loomta_push_integer(L, job->transfer.body.source.size);
    return 2;
}

/* job:feed(chunk | nil) → was it taken? Not when the attempt has ended meanwhile: the next one will be hungry for it. "" is
 * none yet: it will be hungry anew; nil says that there are no more. The chunk is borrowed, not copied. */
static int feed(lua_State *L)
{
    struct loomta_job *job = check_job(L);
    size_t length = 0;
    const char *chunk = luaL_optlstring(L, 2, NULL, &length);

    lua_settop(L, 2);
    loomta_get_anchor(L, 1);
    lua_pushvalue(L, 2);
    bool taken = loomta_job_look(job).hungry;
    if (taken) {
        lua_rawseti(L, -2, ANCHOR_CHUNK); /* the chunk before this one is not read any more */
        taken = loomta_source_feed(&job->transfer.body.source, chunk, length);
    }
    if (taken && job->mailbox)
        loomta_worker_ask(job, LOOMTA_ASK_RESUME);
    else if (taken && job->engine)
        loomta_engine_resume(job->engine, job);
    lua_pushboolean(L, taken);
    return 1;
}

static void cancel_job(struct loomta_job *job)
{
    if (job->mailbox)
        loomta_worker_ask(job, LOOMTA_ASK_CANCEL);
    else if (job->engine)
        loomta_engine_cancel(job->engine, job);
}

/* job:recall(): cancels it, if no attempt has begun; for jobs of a mailbox */
static int recall(lua_State *L)
{
    struct loomta_job *job = check_job(L);

    if (job->mailbox)
        loomta_worker_ask(job, LOOMTA_ASK_RECALL);
    return 0;
}

/* job:cancel(): it will be done soon, without a worker at once */
static int cancel(lua_State *L)
{
    cancel_job(check_job(L));
    return 0;
}

/* job:result() → a flat table of everything known about the last attempt that ended; see response.lua for its face */
static int result(lua_State *L)
{
    struct owner *owner = check_owner(L);
    int ended = loomta_job_look(owner->job).ended;

    if (owner->ended == 0 || owner->ended != ended) {
        loomta_outcome_clear(&owner->outcome);
        loomta_job_take_outcome(owner->job, &owner->outcome);
        owner->ended = ended;
    }
    loomta_lua_push_outcome(L, &owner->outcome);
    return 1;
}

/* job:id() → what mailbox:take() calls it */
static int id(lua_State *L)
{
    loomta_push_integer(L, check_job(L)->id);
    return 1;
}

/* job:ringOn(bell) → true: it rings when attend() has something to say, and is silenced by that | nil, why not */
static int ring_on(lua_State *L)
{
    struct loomta_job *job = check_job(L);
    const struct loomta_bell *bell = loomta_lua_check_bell(L, 2);

    if (loomta_job_ring_on(job, bell)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    return loomta_bind_push_failure(L, errno);
}

/* job:await() → N of /proc/self/fd/N, the socket at which to wait for it | nil: there is none */
static int await(lua_State *L)
{
    struct loomta_job *job = check_job(L);
    int descriptor = job->mailbox ? loomta_worker_await(job) : -1;

    if (descriptor < 0)
        return 0;
    loomta_push_integer(L, descriptor);
    return 1;
}

static int close_job(lua_State *L)
{
    struct owner *owner = luaL_checkudata(L, 1, type_name);
    struct loomta_job *job = owner->job;

    owner->job = NULL;
    loomta_outcome_clear(&owner->outcome);
    /* A child of fork() leaves its parent's jobs as they are: the worker may have held their locks. */
    if (!job || loomta_job_is_foreign(job))
        return 0;
    if (loomta_job_look(job).state != LOOMTA_JOB_DONE) {
        cancel_job(job);
        loomta_job_revoke(job);
    }
    loomta_job_release(job);
    return 0;
}

void loomta_lua_job_register(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"look", look},      {"attend", attend}, {"progress", progress}, {"recall", recall},
        {"feed", feed},      {"cancel", cancel}, {"result", result},     {"id", id},
        {"ringOn", ring_on}, {"await", await},   {NULL, NULL},
    };

    loomta_bind_type(L, type_name, methods, close_job);
}
