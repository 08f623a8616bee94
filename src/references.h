/* Counts who holds a thing that several threads share; the last one frees it.
 * SPDX-License-Identifier: MIT */
#ifndef LOOMTA_REFERENCES_H
#define LOOMTA_REFERENCES_H

#include <stdatomic.h>
#include <stdbool.h>

/* Helgrind does not see that what others did with the thing before they let go of it comes before what the last one does. */
#ifdef LOOMTA_HELGRIND
#include <valgrind/helgrind.h>
#else
#define ANNOTATE_HAPPENS_BEFORE(counter) ((void)0)
#define ANNOTATE_HAPPENS_AFTER(counter) ((void)0)
#endif

static inline void loomta_references_hold(atomic_int *counter)
{
    atomic_fetch_add(counter, 1);
}

/* Was it the last one? */
static inline bool loomta_references_release(atomic_int *counter)
{
    ANNOTATE_HAPPENS_BEFORE(counter);
    if (atomic_fetch_sub(counter, 1) != 1)
        return false;
    ANNOTATE_HAPPENS_AFTER(counter);
    return true;
}

#endif
