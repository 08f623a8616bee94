/* What an engine does by the clock, and the parts of it that this needs. Private to both.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_TIMERS_H
#define LOOMTA_TIMERS_H

#include "engine.h"

/* --- timers.c; `jobs` are those of the engine that are not queued --- */

/* Ends what is overdue and begins what has waited long enough; says whether it did either. Wakes the transfers that their pace
 * held back. */
bool loomta_timers_run(struct loomta_engine *engine, struct loomta_job *jobs);

/* Tells the owners who have to hear something; says whether there were any. */
bool loomta_timers_tell(struct loomta_job *jobs);

/* When there is something to do without any byte moving; INT64_MAX: never. */
int64_t loomta_timers_due_us(const struct loomta_job *jobs);

/* --- engine.c; the job may be gone afterwards --- */

void loomta_engine_begin_attempt(struct loomta_engine *engine, struct loomta_job *job);

/* Of a job that is running or waiting. */
void loomta_engine_end_attempt(struct loomta_engine *engine, struct loomta_job *job, CURLcode result,
                               enum loomta_abort abort);

/* Ends a job that has not had its turn. It is out of its lane. */
void loomta_engine_end_queued(struct loomta_job *job, enum loomta_abort abort);

#endif
