/* SPDX-License-Identifier: MIT
 *
 * task.h: what a queue carries: something that can be run, or dropped, exactly once.
 *
 * This floor knows no future. Whoever takes a task out of a queue owns the queue's hold on it and
 * gives that up by one call of run or drop. */
#ifndef FL_SCHED_TASK_H
#define FL_SCHED_TASK_H

#include <filch/submit.h>

struct fl_task;

struct fl_task_ops {
    /* Runs it, unless it is over already. */
    void (*run)(struct fl_task *task);
    /* Ends it without running: FILCH_ECANCELED, FILCH_EBROKEN. False: it was over, or somebody else runs it,
     * or it is no task of a user's. */
    bool (*drop)(struct fl_task *task, int status);
    /* For the trace; NULL if it is over. */
    filch_task_fn *(*fn)(const struct fl_task *task);
    /* It is part of a task that has begun: no pause holds it. */
    bool has_begun;
};

struct fl_task {
    const struct fl_task_ops *ops;
};

#endif /* FL_SCHED_TASK_H */
