/* SPDX-License-Identifier: MIT
 *
 * worker.c: a worker's life: look, run, look again; search and sleep when there is nothing (idle.c).
 *
 * Words   mode   see stop.c: read here as a hint before each task: a stale read runs one task more in a pool
 *                that has just broken, which began before it broke. Whoever has taken a task of a
 *                paused pool holds it until the pause is over: so nothing begins that was submitted in the pause
 * Orders  W1  hold  mode  acquire <- stop.c's X1 */
#include "base/clock.h"
#include "base/compiler.h"
#include "base/thread.h"
#include "queue/ring.h"
#include "sched/pool.h"

#include <stdio.h>

void fl_worker_trace_named(struct fl_worker *w, uint32_t kind, filch_task_fn *fn, const char *name)
{
    if (fl_likely(w->trace == NULL))
        return;

    filch_trace_event event = {fl_now(), w->index, kind, fn, name};
    if (!fl_ring_push(w->trace, &event))
        fl_count(&w->count.trace_dropped);
}

void fl_worker_trace(struct fl_worker *w, uint32_t kind, filch_task_fn *fn)
{
    fl_worker_trace_named(w, kind, fn, NULL);
}

void fl_worker_stole(struct fl_worker *w, const struct fl_task *task)
{
    fl_count(&w->count.stolen);
    if (w->trace != NULL)
        fl_worker_trace(w, FILCH_TRACE_STEAL, task->ops->fn(task));
}

void fl_worker_run(struct fl_worker *w, struct fl_task *task)
{
    uint32_t mode = fl_load(&w->pool->mode, relaxed); /* hint: see above */

    fl_count(&w->count.begun);
    if (fl_unlikely((mode & FL_BROKEN) != 0))
        task->ops->drop(task, FILCH_EBROKEN);
    else
        task->ops->run(task);
    fl_count_shown(&w->count.ended);
}

/* The youngest of its own first, and now and then what waits outside. */
static struct fl_task *next_task(struct fl_worker *w)
{
    struct fl_task *task = NULL;

    if (++w->turn % FL_LANES_EVERY == 0)
        task = fl_take_from_lanes(w);
    if (task == NULL)
        task = fl_deque_pop(&w->deque);
    if (task == NULL)
        task = fl_take_from_lanes(w);
    if (task == NULL)
        task = fl_take_from_workers(w);
    return task;
}

/* NULL: the worker has to end. */
static struct fl_task *find_task(struct fl_worker *w)
{
    struct fl_task *task = fl_pool_is_paused(w->pool) ? NULL : next_task(w);

    return task != NULL ? task : fl_idle(w);
}

static void hold_in_pause(struct fl_pool *p)
{
    uint32_t mode;

    while (((mode = fl_load(&p->mode, acquire)) & FL_PAUSED) != 0) /* W1 */
        fl_futex_wait(&p->mode, mode, INT64_MAX);
}

static void start_hook(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;

    if (p->on_thread_start == NULL || p->on_thread_start(p->hook_arg) == 0)
        return;
    w->unhooked = true;
    fl_pool_break(p);
}

void *fl_worker_main(void *worker)
{
    struct fl_worker *w = worker;
    struct fl_pool *p = w->pool;
    struct fl_task *task;
    char name[16];

    if (fl_unlikely(w->has_before)) {
        fl_thread_join(&w->before);
        w->has_before = false;
    }
    fl_self()->worker = w;
    fl_stack_begin();
    snprintf(name, sizeof name, "%.8s-w%u", p->name, w->index % 100000);
    fl_thread_name(name);
    start_hook(w);
    fl_store(&w->busy, 0, relaxed); /* own word */
    task = w->fresh ? fl_idle_arrive(w) : find_task(w);
    w->fresh = false;
    for (; task != NULL; task = find_task(w)) {
        if (fl_unlikely((fl_load(&p->mode, acquire) & FL_PAUSED) != 0)) /* W1 */
            hold_in_pause(p);
        fl_worker_run(w, task);
        if (fl_unlikely(fl_forked(&p->home.forked)))
            return NULL; /* the task forked, and this is the child: it has no pool */
        if (fl_worker_may_be_surplus(w) && fl_spare_retire(w) && w->retires)
            break;
    }
    if (!w->unhooked && p->on_thread_stop != NULL)
        p->on_thread_stop(p->hook_arg);
    fl_self()->worker = NULL;
    if (w->retires)
        fl_slot_vacate(w);
    fl_worker_gone(w);
    return NULL;
}
