/* Tells a process from the ones that it was forked from, without asking the system each time.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_PROCESS_H
#define LOOMTA_PROCESS_H

/* How many forks lie between the process that asked first and this one. What was made under another number is not this
 * process's own. Any thread. */
unsigned loomta_process_generation(void);

#endif
