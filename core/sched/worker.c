/* SPDX-License-Identifier: MIT
 *
 * worker.c: a worker's life: look, run, look again; search and sleep when there is nothing (idle.c).
 *
 * A task or hook may end the thread (pthread_exit, pthread_cancel). As the stack is unwound each task on it
 * is counted as ended, and last of all another thread takes the slot and goes on with its deque. If the
 * system has none to give, the one that ends asks until there is one, or the pool has ended: a pool
 * never lacks its last thread. In a forked child the one that ends has no pool, and nobody goes on.
 *
 * Words   mode   see stop.c: read here as a hint before each task: a stale read runs one task more in a pool
 *                that has just broken, which began before it broke. Whoever has taken a task of a
 *                paused pool holds it until the pause is over: so nothing begins that was submitted in the pause;
 *                if everything is cancelled meanwhile, so is this. A part of what has begun is not held
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

struct run {
    struct fl_worker *w;
    uint32_t epoch_before;
};

static inline void end_run(struct run *run)
{
    fl_epoch_end(run->w, run->epoch_before);
    fl_count_shown(&run->w->count.ended);
}

void fl_worker_run(struct fl_worker *w, struct fl_task *task)
{
    struct run run fl_cleanup(end_run) = {w, w->epoch};
    uint32_t mode = fl_load(&w->pool->mode, relaxed); /* hint: see above */

    w->epoch = fl_epoch_of(mode); /* as fl_epoch_begin */
    fl_count(&w->count.begun);
    if (fl_unlikely((mode & FL_BROKEN) != 0))
        task->ops->drop(task, FILCH_EBROKEN);
    else
        task->ops->run(task);
}

static void drop_held(struct fl_worker *w, struct fl_task *task)
{
    struct run run fl_cleanup(end_run) = {w, w->epoch};

    fl_count(&w->count.begun);
    task->ops->drop(task, FILCH_ECANCELED);
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

/* False: it was cancelled meanwhile with all the others. */
static bool hold_in_pause(struct fl_pool *p, uint32_t mode)
{
    uint32_t epoch = fl_epoch_of(mode);

    while ((mode & FL_PAUSED) != 0 && fl_epoch_of(mode) == epoch) {
        fl_futex_wait(&p->mode, mode, INT64_MAX);
        mode = fl_load(&p->mode, acquire); /* W1 */
    }
    return fl_epoch_of(mode) == epoch;
}

static void run_or_hold(struct fl_worker *w, struct fl_task *task)
{
    uint32_t mode = fl_load(&w->pool->mode, acquire); /* W1 */

    if (fl_likely((mode & FL_PAUSED) == 0) || task->ops->has_begun || hold_in_pause(w->pool, mode))
        fl_worker_run(w, task);
    else
        drop_held(w, task);
}

/* A broken pool needs threads for what is queued, not hooks that fail one after the other. */
static void start_hook(struct fl_worker *w, bool is_next)
{
    struct fl_pool *p = w->pool;

    w->unhooked = p->on_thread_start != NULL; /* so far */
    if (p->on_thread_start == NULL || (is_next && fl_pool_is_broken(p)))
        return;
    w->is_in_hook = true;
    if (p->on_thread_start(p->hook_arg) == 0)
        w->unhooked = false;
    else
        fl_pool_break(p);
}

/* From here on, and no longer, its forks can go to others: a hook's are its own affair. */
static void begin_work(struct fl_worker *w)
{
    w->is_in_hook = false;
    FILCH_FORKS->asked = (const void *)&w->asked;
}

static void end_work(void)
{
    FILCH_FORKS->newest = NULL; /* of a task that has ended its thread */
    FILCH_FORKS->asked = fl_forks_unasked();
}

/* What a thread is at, for when it ends. */
enum stage {
    STARTING,
    WORKING,
    ENDING,
    FORKED /* a child has no pool */
};

struct life {
    struct fl_worker *w;
    enum stage stage;
};

static void leave(struct life *life)
{
    struct fl_worker *w = life->w;

    fl_self()->worker = NULL;
    if (life->stage != ENDING)
        fl_slot_replace(w);
    else if (w->retires)
        fl_slot_vacate(w);
    fl_worker_gone(w);
}

static void end_life(struct life *life)
{
    struct fl_worker *w = life->w;
    struct fl_pool *p = w->pool;

    end_work();
    if (life->stage == FORKED || fl_forked(&p->home.forked))
        return;
    if (life->stage == STARTING)
        fl_pool_break(p); /* the hook is as good as failed */

    struct life rest fl_cleanup(leave) = *life; /* also if the hook ends the thread */
    w->is_in_hook = true;                       /* until the next thread begins to work */
    if (!w->unhooked && p->on_thread_stop != NULL)
        p->on_thread_stop(p->hook_arg);
}

void *fl_worker_main(void *worker)
{
    struct fl_worker *w = worker;
    struct fl_pool *p = w->pool;
    struct life life fl_cleanup(end_life) = {w, STARTING};
    bool is_next = w->has_before;
    struct fl_task *task;
    char name[16];

    if (is_next) {
        fl_thread_join(&w->before);
        w->has_before = false;
    }
    fl_self()->worker = w;
    fl_stack_begin();
    snprintf(name, sizeof name, "%.8s-w%u", p->name, w->index % 100000);
    fl_thread_name(name);
    start_hook(w, is_next);
    life.stage = WORKING;
    begin_work(w);
    fl_store(&w->busy, 0, relaxed); /* own word */
    task = w->fresh ? fl_idle_arrive(w) : find_task(w);
    w->fresh = false;
    for (; task != NULL; task = find_task(w)) {
        run_or_hold(w, task);
        if (fl_unlikely(fl_forked(&p->home.forked)))
            goto child;
        if (fl_worker_may_be_surplus(w) && fl_spare_retire(w) && w->retires)
            break;
    }
    life.stage = ENDING;
    return NULL;

child: /* the task has forked, and this is the child: it has no pool */
    life.stage = FORKED;
    return NULL;
}
