/* SPDX-License-Identifier: MIT
 *
 * timed.h: futures that have to do with a time: tasks that run at one, or at many, and a future that
 * ends by one. */
#ifndef FL_FUTURE_TIMED_H
#define FL_FUTURE_TIMED_H

#include <filch/timer.h>

#include "base/compiler.h"
#include "future/future.h"
#include "sched/pool.h"

/* A task that waits for a time, in a block of 128. */
struct fl_timed {
    filch_future f; /* first: it is freed as this block */
    struct fl_timer timer;
    int64_t period_ns;
    filch_context *context; /* goes when the task is over, before that is told */
    uint32_t epoch;         /* the pool's when it was submitted: stop.c */
};

/* timed.c */
int fl_pool_submit_at(struct fl_pool *p, filch_deadline when, filch_task_fn *fn, void *arg,
                      filch_future **future);
int fl_pool_submit_every(struct fl_pool *p, filch_deadline first, int64_t period_ns,
                         filch_task_fn *fn, void *arg, filch_future **future);

static inline struct fl_timed *fl_timed_of(const filch_future *f)
{
    return fl_container_of(f, struct fl_timed, f);
}

/* All was cancelled since it was submitted. */
bool fl_timed_is_revoked(const filch_future *f);

/* It has been cancelled. True: it was in the wheel, and is in no queue. */
bool fl_timed_forget(filch_future *f);

/* By whoever has seen to it that there is no further run of a periodic one. */
void fl_timed_runs_no_more(filch_future *f);

/* The first of when + n * period_ns, n > 0, that is not before now. */
filch_deadline fl_timed_next(filch_deadline when, int64_t period_ns, int64_t now);

/* timeout.c */
int fl_pool_timeout(struct fl_pool *p, filch_future *f, filch_deadline deadline, unsigned flags,
                    filch_future **out);

#endif /* FL_FUTURE_TIMED_H */
