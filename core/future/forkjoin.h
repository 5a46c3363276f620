/* SPDX-License-Identifier: MIT
 *
 * forkjoin.h: forks that nobody has seen, when their thread turns to something else. forkjoin.c tells how. */
#ifndef FL_FUTURE_FORKJOIN_H
#define FL_FUTURE_FORKJOIN_H

#include "base/compiler.h"
#include "base/thread.h"

/* Shows all that the caller has forked, if others may have it at all. */
void fl_forks_show_all(void);

/* Before the caller waits for what may need one of them. */
static inline void fl_forks_show(void)
{
    if (fl_unlikely(FILCH_FORKS->newest != NULL))
        fl_forks_show_all();
}

/* Around what is no part of the task that has forked: as if it had not. What was not to be shown is found
 * again afterwards. */
static inline filch_task *fl_forks_set_aside(void)
{
    struct filch_forks *forks = FILCH_FORKS;
    filch_task *newest;

    fl_forks_show();
    newest = forks->newest;
    forks->newest = NULL;
    return newest;
}

static inline void fl_forks_put_back(filch_task *newest)
{
    FILCH_FORKS->newest = newest;
}

#endif /* FL_FUTURE_FORKJOIN_H */
