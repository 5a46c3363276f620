/* SPDX-License-Identifier: MIT
 *
 * submit.h: the work-stealing executor's side of a task. */
#ifndef FL_FUTURE_SUBMIT_H
#define FL_FUTURE_SUBMIT_H

#include "future/future.h"
#include "sched/pool.h"

extern const struct fl_home_ops fl_pool_home_ops;

/* A queued task with a future. */
const struct fl_task_ops *fl_task_ops_with_future(void);

/* Calls its function, on the worker that runs it. *failure is what goes with a status that is not 0, the
 * caller's; or NULL. */
int fl_task_call(struct fl_worker *w, filch_future *f, void **result, struct fl_failure **failure);

/* It is out of the queue, and nobody runs it any more. */
void fl_task_bury(filch_future *f);

/* The floor of what is not to be run by whoever waits for it: above all that a deque will ever hold. */
#define FL_NOT_DUE ((uint64_t)FL_DEQUE_START + (UINT64_C(1) << 62))

/* Runs f on top of what the worker is doing, if it has not started: its record stays in its queue
 * and is dropped when it comes up. The caller holds a reference to f. */
bool fl_future_run_here(struct fl_worker *w, filch_future *f);

/* Before a wait for f: if it was queued without waking anybody, somebody looks. */
void fl_future_kick(filch_future *f);

int fl_pool_submit(struct fl_pool *p, filch_task_fn *fn, void *arg, filch_future **future);
int fl_pool_submit_own(struct fl_pool *p, filch_future *f, filch_task_fn *fn, void *arg);
int fl_pool_submit_with(struct fl_pool *p, const filch_task_options *options, filch_task_fn *fn,
                        void *arg, filch_future **future);
int fl_pool_submit_copy(struct fl_pool *p, filch_task_fn *fn, const void *arg, size_t len,
                        filch_future **future);
int fl_pool_submit_batch(struct fl_pool *p, filch_task_fn *fn, void *const args[], size_t n,
                         filch_future *futures[]);

#endif /* FL_FUTURE_SUBMIT_H */
