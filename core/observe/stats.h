/* SPDX-License-Identifier: MIT
 *
 * stats.h: what the work-stealing executor tells of itself. */
#ifndef FL_OBSERVE_STATS_H
#define FL_OBSERVE_STATS_H

#include "sched/pool.h"

int fl_pool_stats(struct fl_pool *p, filch_executor_stats *stats);
int fl_pool_trace_next(struct fl_pool *p, filch_trace_event *event);
int fl_pool_name_function(struct fl_pool *p, filch_task_fn *fn, const char *name);

#endif /* FL_OBSERVE_STATS_H */
