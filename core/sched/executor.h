/* SPDX-License-Identifier: MIT
 *
 * executor.h: the tables that every executor fills in: what its handle does, and what its futures
 * need of it when it may be gone itself. */
#ifndef FL_SCHED_EXECUTOR_H
#define FL_SCHED_EXECUTOR_H

#include <filch/stats.h>

#include "base/alloc.h"
#include "base/forked.h"
#include "sched/task.h"

struct fl_job;
struct fl_pool;

/* What user calls on the handle turn into. Arguments have been checked: nothing is NULL that may not
 * be. */
struct fl_executor_ops {
    /* The pool that its workers are of, for whoever has to look at more than this table. NULL: it is a
     * rival, which has none. */
    int (*pool)(filch_executor *ex, struct fl_pool **pool);
    int (*submit)(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future);
    /* With what goes beyond fn and arg: options completed, copy_bytes among them. NULL: not by this
     * executor. */
    int (*submit_with)(filch_executor *ex, const filch_task_options *options, filch_task_fn *fn,
                       void *arg, filch_future **future);
    int (*submit_copy)(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                       filch_future **future);
    int (*submit_batch)(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[]);
    /* A task and its outcome in the caller's memory, of 64 bytes. NULL: not by this executor. */
    int (*submit_own)(filch_executor *ex, filch_future *record, filch_task_fn *fn, void *arg);
    /* A task of filch's own, in its own memory: run or dropped once. NULL: not by this executor. */
    int (*submit_task)(filch_executor *ex, struct fl_task *task);
    /* What waits for a time. NULL, all three or none: not by this executor. */
    int (*submit_at)(filch_executor *ex, filch_deadline when, filch_task_fn *fn, void *arg,
                     filch_future **future);
    int (*submit_every)(filch_executor *ex, filch_deadline first, int64_t period_ns,
                        filch_task_fn *fn, void *arg, filch_future **future);
    int (*timeout)(filch_executor *ex, filch_future *f, filch_deadline deadline, unsigned flags,
                   filch_future **out);
    /* A job by name. NULL: threads of this process run it, as a task. */
    int (*submit_job)(filch_executor *ex, const struct fl_job *job, filch_future **future);
    int (*shutdown)(filch_executor *ex, unsigned flags, filch_deadline deadline);
    void (*destroy)(filch_executor *ex);
    int (*wait_idle)(filch_executor *ex, filch_deadline deadline);
    int (*kick)(filch_executor *ex); /* NULL: every submit wakes whom it needs */
    unsigned (*workers)(const filch_executor *ex);
    const char *(*broken)(const filch_executor *ex);
    int (*stats)(filch_executor *ex, filch_executor_stats *stats);                 /* NULL: none */
    int (*trace_next)(filch_executor *ex, filch_trace_event *event);               /* NULL: none */
    int (*name_function)(filch_executor *ex, filch_task_fn *fn, const char *name); /* NULL: none */
    int (*set_active)(filch_executor *ex, unsigned n);                             /* NULL: not */
    unsigned (*active)(const filch_executor *ex); /* NULL: all workers */
    ptrdiff_t (*cancel_all)(filch_executor *ex);  /* NULL: not */
    int (*pause)(filch_executor *ex);             /* NULL: not */
    int (*resume)(filch_executor *ex);            /* NULL: not */
};

struct filch_executor {
    const struct fl_executor_ops *ops;
};

/* 0, or what filch_submit returns; FILCH_ENOTSUP from a rival. */
int fl_executor_submit_task(filch_executor *ex, struct fl_task *task);

/* 0 with *pool set, NULL from a rival; FILCH_EFORKED, or what kept a child from having another. */
int fl_executor_pool(filch_executor *ex, struct fl_pool **pool);

/* Where a future's memory is. Lives until the last future is released, longer than the handle. */
struct fl_home {
    const struct fl_home_ops *ops;
    struct fl_heap heap;
    struct fl_forked forked;
};

struct fl_home_ops {
    void (*free)(struct fl_home *home, filch_future *f); /* the last reference has gone */
    /* Together or neither: blocks until f is over, having said so by
     * fl_future_expect; and wakes whoever blocks there. */
    int (*wait)(struct fl_home *home, filch_future *f, filch_deadline deadline);
    void (*wake)(struct fl_home *home, filch_future *f);
    /* Whether the caller is the one thread by which futures of this home are told. NULL: there is none such. */
    bool (*is_teller)(const struct fl_home *home);
    /* f was cancelled before it started, by the caller, who has not told anybody yet. NULL: it holds
     * nothing that has to go before it does. */
    void (*let_go)(struct fl_home *home, filch_future *f);
    /* Whether f, which is pending as far as it knows, can be cancelled: whoever would run it has not begun, and will
     * not. NULL: it can. */
    bool (*may_cancel)(struct fl_home *home, filch_future *f);
    /* Whoever runs f may have begun, and nobody has said so: claims it then. NULL: it is always said. */
    void (*look)(struct fl_home *home, filch_future *f);
    /* A failure that nobody has read and nobody can read any more. NULL: nobody wants to know. */
    void (*unobserved)(struct fl_home *home, const filch_unobserved *info);
};

#endif /* FL_SCHED_EXECUTOR_H */
