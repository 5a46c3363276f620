/* SPDX-License-Identifier: MIT
 *
 * submit.h: the ways into the work-stealing executor. */
#ifndef FL_FUTURE_SUBMIT_H
#define FL_FUTURE_SUBMIT_H

#include "future/future.h"
#include "sched/pool.h"

int fl_pool_submit(struct fl_pool *p, filch_task_fn *fn, void *arg, filch_future **future);
int fl_pool_submit_own(struct fl_pool *p, filch_future *f, filch_task_fn *fn, void *arg);
int fl_pool_submit_with(struct fl_pool *p, const filch_task_options *options, filch_task_fn *fn,
                        void *arg, filch_future **future);
int fl_pool_submit_copy(struct fl_pool *p, filch_task_fn *fn, const void *arg, size_t len,
                        filch_future **future);
int fl_pool_submit_batch(struct fl_pool *p, filch_task_fn *fn, void *const args[], size_t n,
                         filch_future *futures[]);

#endif /* FL_FUTURE_SUBMIT_H */
