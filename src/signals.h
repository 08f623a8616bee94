/* Counts signals instead of dying of them, for the command line tool. The handlers are the process's: one owner at a time.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_SIGNALS_H
#define LOOMTA_SIGNALS_H

#include <stdbool.h>

enum loomta_signal { LOOMTA_SIGNAL_INT, LOOMTA_SIGNAL_TERM, LOOMTA_SIGNAL_HUP, LOOMTA_SIGNAL_WINCH, LOOMTA_SIGNALS };

/* Counts from now on, from 0; waits return early. One that is ignored (nohup, a shell's background) stays so, and
 * SIGPIPE is ignored: writing fails instead. False: somebody does so already. */
bool loomta_signals_catch(void);

/* How often it came since. */
int loomta_signals_count(enum loomta_signal signal);

/* Gives back what there was before. */
void loomta_signals_restore(void);

#endif
