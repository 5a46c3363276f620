/* SPDX-License-Identifier: MIT
 *
 * timer.h: a pool's clock: what is to happen when a point in time has come. timer.c tells how. */
#ifndef FL_SCHED_TIMER_H
#define FL_SCHED_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/futex.h"
#include "base/thread.h"
#include "queue/wheel.h"
#include "sched/task.h"

struct fl_pool;
struct fl_timer;

/* Whoever takes a timer out of the wheel owns the wheel's hold on it, and gives that up by one call of
 * task or end; both are called with nothing locked. */
struct fl_timer_ops {
    /* Its time has come: what is to be queued, with the hold. NULL: it is not a task, and is ended. */
    struct fl_task *(*task)(struct fl_timer *t);
    /* FILCH_ETIMEDOUT: its time has come; FILCH_ECANCELED; FILCH_ESHUTDOWN: the pool has ended;
     * FILCH_EBROKEN. False: it was over before, as task.h has it of drop. */
    bool (*end)(struct fl_timer *t, int status);
    /* Nobody wants it any more; under the lock, so it only looks. NULL: always wanted. */
    bool (*is_over)(const struct fl_timer *t);
    bool is_awaited; /* the pool does not end before it has left the wheel */
    bool repeats;    /* a pool that is closed waits for no further time */
};

struct fl_timer {
    struct fl_wheel_node node;
    const struct fl_timer_ops *ops;
};

struct fl_timers {
    struct fl_lock lock;
    fl_atomic(uint32_t) alarm;   /* timer.c */
    fl_atomic(uint64_t) awaited; /* timer.c */
    fl_atomic(uint32_t) keepers; /* alive, 0 or 1: for statistics */
    /* Under the lock. */
    struct fl_wheel *wheel; /* NULL until there is a timer */
    int64_t sleeps_until;   /* the keeper; INT64_MIN: it is awake and will look */
    struct fl_thread keeper;
    bool is_kept; /* there is a keeper, or was one */
    bool is_closed;
    bool is_ending;
};

/* t->node.when is set, and the hold is the wheel's from now on. Starts the keeper, if there is none.
 * Returns 0, or with the hold still the caller's FILCH_ESHUTDOWN, FILCH_EBROKEN, FILCH_ENOMEM,
 * FILCH_EAGAIN (no thread), FILCH_ECANCELED (it is over). */
int fl_timer_add(struct fl_pool *p, struct fl_timer *t);

/* True: it was in the wheel, and the hold is the caller's. In a child it never is. Something of the
 * pool's that is not given back keeps the pool's memory meanwhile. */
bool fl_timer_remove(struct fl_pool *p, struct fl_timer *t);

/* Before the pool is closed, or once it is broken: refuses more, and takes out what a closed pool does
 * not wait for; with cancel everything. Afterwards they are ended. */
struct fl_wheel_node *fl_timers_close(struct fl_pool *p, bool cancel);
uint64_t fl_timers_end(struct fl_wheel_node *list, int status); /* how many of them it has ended */

/* Takes out what nobody wants any more: is_over. To be ended afterwards. */
struct fl_wheel_node *fl_timers_take_what_is_over(struct fl_pool *p);

/* Whether the pool has to be there for a timer. */
bool fl_timers_are_awaited(struct fl_pool *p);

/* Nothing is left that is awaited: the keeper ends, and lets the workers end. False: there is none. */
bool fl_timers_stop(struct fl_pool *p);

/* Whether the calling thread is this pool's keeper. */
bool fl_timers_keeper_is_here(const struct fl_pool *p);

/* With the pool's memory. */
void fl_timers_free(struct fl_pool *p);

#endif /* FL_SCHED_TIMER_H */
