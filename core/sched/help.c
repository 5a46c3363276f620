/* SPDX-License-Identifier: MIT
 *
 * help.c: what a worker may run while it waits for a future, on top of the task that waits.
 *
 * Safe by default: a waiting task may hold a lock, so it must not run what could want that lock and
 * is not needed for the wait to end. It may run the awaited task itself, and what that has pushed on
 * the deque of the worker that runs it: there, everything from a floor upwards was pushed by the
 * awaited task or by what it waits for (leapfrogging: Wagner & Calder, PPoPP 1993). Nesting is
 * bounded: whoever has used half of its stack, or waits FL_MAX_NESTED times over, sleeps instead, and
 * a spare takes its place.
 * In a paused pool a wait still runs what it waits for, or the task that waits could not go on to its end;
 * but not just anything, though the pool allows that otherwise.
 * Whose task may run is the caller's to know; this file only runs.
 *
 * Words   mode   see stop.c: read again when something was taken, as in worker.c
 * Orders  A1  hold  mode  acquire <- stop.c's X1 */
#include "sched/pool.h"

bool fl_help_with(struct fl_worker *w, const struct fl_task *task)
{
    struct fl_task *own;

    if (!fl_deque_is_last(&w->deque, task))
        return false;
    own = fl_deque_pop(&w->deque);
    if (own == NULL)
        return false; /* a thief was faster */
    fl_count(&w->count.helped);
    fl_worker_run(w, own);
    return true;
}

bool fl_help_from(struct fl_worker *w, unsigned victim, uint64_t floor, bool (*only_if)(void *),
                  void *arg)
{
    struct fl_worker *v = fl_worker_at(w->pool, victim);
    struct fl_task *task;

    if (v == NULL)
        return false;
    task = fl_deque_steal_if(&v->deque, floor, only_if, arg);
    if (task == NULL) {
        fl_ask(v, FL_ASKED_BY_WAITER);
        return false;
    }
    fl_worker_stole(w, task);
    fl_count(&w->count.helped);
    fl_worker_run(w, task);
    return true;
}

/* Only what is popped may be looked at: before, a thief may run and free it. So what lies on top of it
 * is put back where it was, and whoever has looked meanwhile is told. */
bool fl_help_own(struct fl_worker *w, uint64_t floor,
                 bool (*is_wanted)(const struct fl_task *task, const void *arg), const void *arg)
{
    enum {
        DEEP = 16
    };
    struct fl_task *aside[DEEP];
    struct fl_task *task = NULL;
    unsigned n = 0;

    while (n < DEEP && (int64_t)(fl_deque_bottom(&w->deque) - floor) > 0) {
        task = fl_deque_pop(&w->deque);
        if (task == NULL || is_wanted(task, arg))
            break;
        aside[DEEP - ++n] = task;
        task = NULL;
    }
    if (n != 0 && fl_deque_reserve(&w->deque, n) == 0) { /* there is room: they were there */
        fl_deque_push_many(&w->deque, aside + DEEP - n, n);
        fl_idle_notify(w->pool);
    }
    if (task == NULL)
        return false;
    fl_count(&w->count.helped);
    fl_worker_run(w, task);
    return true;
}

/* Takes a task of the worker's own out of its deque again: it is begun and ended, and the caller's to run.
 * False: it is not there any more. */
bool fl_help_take_back(struct fl_worker *w, const struct fl_task *task)
{
    if (fl_deque_is_last(&w->deque, task)) {
        if (fl_deque_pop(&w->deque) == NULL)
            return false; /* a thief was faster */
    } else {
        bool is_ours = fl_deque_take(&w->deque, task);

        fl_idle_notify(w->pool); /* whoever has looked meanwhile has not seen what lay above it */
        if (!is_ours)
            return false;
    }
    fl_count(&w->count.begun);
    fl_count_shown(&w->count.ended);
    return true;
}

/* It may have been submitted in a pause that has begun since it was looked for. */
static bool is_to_be_held(struct fl_pool *p, const struct fl_task *task)
{
    return fl_unlikely((fl_load(&p->mode, acquire) & FL_PAUSED) != 0) && /* A1 */
           !task->ops->has_begun;
}

bool fl_help_any(struct fl_worker *w)
{
    struct fl_task *task;

    if (fl_pool_is_paused(w->pool) || fl_deque_reserve(&w->deque, 1) != 0)
        return false;
    task = fl_deque_pop(&w->deque);
    if (task == NULL)
        task = fl_take_from_lanes(w);
    if (task == NULL)
        task = fl_take_from_workers(w);
    if (task == NULL)
        return false;
    if (is_to_be_held(w->pool, task)) {
        fl_deque_push(&w->deque, task); /* there is room */
        fl_idle_notify(w->pool);
        return false;
    }
    fl_count(&w->count.helped);
    fl_worker_run(w, task);
    return true;
}
