/* The rooms of the Lua binding: which C type each file brings to Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_BIND_H
#define LOOMTA_BIND_H

#include "compat.h"
#include "engine.h"
#include "mailbox.h"
#include "source.h"

#include <stdint.h>

/* Creates metatable `name` with `methods` (__index among them or made here), __gc and __close. Pushes nothing. */
void loomta_bind_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

/* Fields of the table at `index`; raise where the value has another type. */
const char *loomta_bind_string(lua_State *L, int index, const char *field); /* NULL when absent; owned by the table */
int64_t loomta_bind_integer(lua_State *L, int index, const char *field, int64_t absent);
bool loomta_bind_boolean(lua_State *L, int index, const char *field);

/* Pushes nil and the system's words for `error`: the two results of a function that failed. */
int loomta_bind_push_failure(lua_State *L, int error);

/* Set a field of the table on top; absent values are left out. */
void loomta_bind_set_string(lua_State *L, const char *field, const char *value);
void loomta_bind_set_boolean(lua_State *L, const char *field, bool value);
void loomta_bind_set_integer(lua_State *L, const char *field, int64_t value);
void loomta_bind_set_ms(lua_State *L, const char *field, int64_t microseconds);

/* lua_secret.c: core.secret(string) → a userdata that shows its string to nobody; core.readCredentials(path),
 * core.writeCredentials(path, text). */
int loomta_lua_secret(lua_State *L);
int loomta_lua_read_credentials(lua_State *L);
int loomta_lua_write_credentials(lua_State *L);
const char *loomta_lua_check_secret(lua_State *L, int index); /* raises when closed */

/* lua_source.c: core.openFile(path or handle), core.openMemory(string), core.openChunks([size]). */
int loomta_lua_open_file(lua_State *L);
int loomta_lua_open_memory(lua_State *L);
int loomta_lua_open_chunks(lua_State *L);
struct loomta_source *loomta_lua_check_source(lua_State *L, int index); /* raises when closed */

/* lua_engine.c: core.engine(), whose submit gives jobs. */
int loomta_lua_engine(lua_State *L);

/* lua_mailbox.c: core.mailbox(limit, [bytes a second]), whose submit gives jobs that the worker runs. */
int loomta_lua_mailbox(lua_State *L);

/* lua_bell.c: core.bell(). */
int loomta_lua_bell(lua_State *L);
const struct loomta_bell *loomta_lua_check_bell(lua_State *L, int index); /* raises when closed */

/* lua_submit.c: pushes the job that engine:submit(source, spec) or mailbox:submit(source, spec) gives. The one that is to
 * run it is at stack index 1, and not NULL. */
int loomta_lua_submit(lua_State *L, struct loomta_engine *engine, struct loomta_mailbox *mailbox);

/* lua_job.c: pushes a job that keeps the values at 1 and 2 alive; the place for the C job, empty. */
struct loomta_job **loomta_lua_new_job(lua_State *L);

/* lua_outcome.c: as job:result() gives it. */
void loomta_lua_push_outcome(lua_State *L, const struct loomta_outcome *outcome);

/* lua_media.c: core.recognise(bytes), core.mediaTypes(); the table that both give for one type, nil for NULL. */
struct loomta_media;
void loomta_lua_push_media(lua_State *L, const struct loomta_media *media);
int loomta_lua_recognise(lua_State *L);
int loomta_lua_media_types(lua_State *L);

/* lua_log.c: core.openLog(path), core.fileIdentity(path). */
int loomta_lua_open_log(lua_State *L);
int loomta_lua_file_identity(lua_State *L);

/* lua_terminal.c: core.signals(), core.terminal(fd), core.readAvailable(file, ms). */
int loomta_lua_signals(lua_State *L);
int loomta_lua_terminal(lua_State *L);
int loomta_lua_read_available(lua_State *L);

/* lua_policy.c: the pure decisions, laid open for specs. */
int loomta_lua_classify(lua_State *L);
int loomta_lua_retry_delay(lua_State *L);
int loomta_lua_parse_retry_after(lua_State *L);
int loomta_lua_pace(lua_State *L);

/* Each registers its types once a Lua state. */
void loomta_lua_secret_register(lua_State *L);
void loomta_lua_source_register(lua_State *L);
void loomta_lua_engine_register(lua_State *L);
void loomta_lua_mailbox_register(lua_State *L);
void loomta_lua_bell_register(lua_State *L);
void loomta_lua_job_register(lua_State *L);
void loomta_lua_log_register(lua_State *L);
void loomta_lua_signals_register(lua_State *L);

#endif
