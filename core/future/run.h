/* SPDX-License-Identifier: MIT
 *
 * run.h: a task and its future as a worker meets them: run, dropped, given back. run.c tells how. */
#ifndef FL_FUTURE_RUN_H
#define FL_FUTURE_RUN_H

#include "future/future.h"
#include "sched/pool.h"

enum {
    FL_COPY_ROOM = 64 /* for a copied argument behind the record, in a block of 128 */
};

/* A copied argument in the heap; the bytes follow, aligned to 16. */
struct fl_far_copy {
    size_t bytes; /* of all of it */
    size_t pad;
};

/* What few tasks have, behind the record in a block of 128. */
struct fl_task_extra {
    struct fl_extra base;
    filch_token *token;
    filch_deadline start_by;
    void (*arg_dtor)(void *arg, void *dtor_arg);
    filch_context *context; /* goes when the argument does */
    bool nowake;            /* it was queued without waking anybody */
};

static inline struct fl_task_extra *fl_task_extra_of(const filch_future *f)
{
    return (struct fl_task_extra *)fl_extra_of(f);
}

extern const struct fl_home_ops fl_pool_home_ops;

/* A queued task with a future, one that has none, and one in the caller's memory. */
extern const struct fl_task_ops fl_future_ops;
extern const struct fl_task_ops fl_plain_ops;
extern const struct fl_task_ops fl_own_ops;

/* ... and a fork that was shown: forkjoin.c. */
extern const struct fl_task_ops fl_fork_ops;

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

#endif /* FL_FUTURE_RUN_H */
