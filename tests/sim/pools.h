/* SPDX-License-Identifier: MIT
 *
 * pools.h: what the scenarios of core/sched/ have in common: a pool, its tasks, and a ghost that looks
 * at the pool's words after each step.
 *
 * A pool is started, with workers that are threads of core/, or made by hand, without any: then
 * threads of the scenario take the workers' parts, for as few steps as the scenario is about. */
#ifndef FL_TESTS_SIM_POOLS_H
#define FL_TESTS_SIM_POOLS_H

#include <string.h>

#include <filch/filch.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/futex.h"
#include "base/thread.h"
#include "future/future.h"
#include "future/run.h"
#include "future/submit.h"
#include "sched/pool.h"
#include "sim/sim.h"

static struct fl_pool *pool;

/* ---- the ghost ---- */

#define UNSEEN SIM_GHOST __attribute__((unused))

static struct {
    struct fl_pool *pool; /* NULL: nothing to look at */
} ghost;

UNSEEN static void watch(struct fl_pool *p)
{
    ghost.pool = p;
}

UNSEEN static void watch_idle(struct fl_pool *p)
{
    uint32_t idle = fl_load(&p->idle, relaxed);
    uint32_t searchers = idle & 0x3FF;
    uint32_t sleepers = idle >> 10 & 0x7FF;
    uint32_t tokens = idle >> 21;

    sim_check(searchers + sleepers <= p->n_slots);
    sim_check(tokens <= searchers);
}

UNSEEN static void watch_counts(struct fl_pool *p)
{
    uint64_t pushed = 0;
    uint64_t taken = fl_load(&p->ended_outside, relaxed);

    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_load(&p->worker[i], relaxed);

        if (w == NULL)
            continue;
        sim_check(fl_load(&w->count.ended, relaxed) <= fl_load(&w->count.begun, relaxed));
        sim_check(fl_load(&w->count.wakes, relaxed) <= fl_load(&w->count.parks, relaxed));
        pushed += fl_load(&w->count.pushed, relaxed);
        taken += fl_load(&w->count.begun, relaxed);
    }
    for (unsigned i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane = fl_load(&p->lane[i], relaxed);

        if (lane == NULL)
            break;
        pushed += fl_load(&lane->deque.bottom, relaxed) - FL_DEQUE_START;
    }
    sim_check(taken <= pushed);
}

/* Debt is never more than the spares, and the workers that are lent, which could pay it. */
UNSEEN static void watch_debt(struct fl_pool *p)
{
    int32_t debt = fl_load(&p->debt, relaxed);
    int32_t awake = 0;

    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_load(&p->worker[i], relaxed);
        uint32_t life = w != NULL ? fl_load(&w->life, relaxed) : FL_EMPTY;

        awake += life == FL_LENT || (life == FL_ACTIVE && i >= p->n_workers);
    }
    sim_check(debt >= 0 && debt <= awake);
}

UNSEEN static void watch_pool(void)
{
    struct fl_pool *p = ghost.pool;

    if (p == NULL)
        return;
    watch_idle(p);
    watch_counts(p);
    watch_debt(p);
}

/* ---- tasks without a future ---- */

struct item {
    struct fl_task task;
    int runs, drops; /* plain: who reads them has to know that it is over */
    void (*then)(void);
};

enum {
    ITEMS = 4
};
static struct item items[ITEMS];

static inline void run_item(struct fl_task *task)
{
    struct item *item = (struct item *)task;

    item->runs++;
    if (item->then != NULL)
        item->then();
}

static inline bool drop_item(struct fl_task *task, int status)
{
    (void)status;
    ((struct item *)task)->drops++;
    return true;
}

static inline filch_task_fn *fn_of_item(const struct fl_task *task)
{
    (void)task;
    return NULL;
}

static const struct fl_task_ops item_ops = {run_item, drop_item, fn_of_item, false};

static inline void items_reset(void)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){{&item_ops}, 0, 0, NULL};
}

/* From outside or from a worker, whichever the caller is. */
static inline int push_items(int first, int n)
{
    struct fl_task *tasks[ITEMS];
    struct fl_push at;
    int status = fl_push_begin(&at, pool, (size_t)n);

    for (int i = 0; i < n; i++)
        tasks[i] = &items[first + i].task;
    if (status == 0)
        fl_push_end(&at, tasks, (size_t)n);
    return status;
}

static inline void push_item(int i)
{
    int status = push_items(i, 1);

    sim_check(status == 0);
}

/* ---- pools made by hand ---- */

static inline size_t pool_size(const struct fl_pool *p)
{
    return sizeof *p + p->n_slots * sizeof p->worker[0];
}

static inline void make_pool_by_hand(unsigned workers, unsigned spares)
{
    struct fl_heap heap;
    unsigned slots = workers + spares;

    watch(NULL);
    items_reset();
    sim_solo_begin();
    fl_heap_open(&heap, &sim_allocator);
    pool = fl_heap_zalloc(&heap, sizeof *pool + slots * sizeof pool->worker[0],
                          alignof(struct fl_pool));
    fl_heap_open(&pool->home.heap, &sim_allocator);
    pool->home.ops = &fl_pool_home_ops;
    pool->n_workers = workers;
    pool->n_slots = slots;
    pool->max_searchers = 1;
    fl_init(&pool->top_slot, workers);
    fl_init(&pool->active, workers);
    sim_check(fl_forked_open(&pool->home.forked) == 0);
    for (unsigned i = 0; i < workers; i++)
        fl_init(&pool->worker[i], fl_worker_create(pool, i));
    sim_solo_end();
    watch(pool);
}

/* Nobody uses it any more; threads of core/ have been joined. */
static inline void free_pool_by_hand(void)
{
    struct fl_heap heap;

    watch(NULL);
    sim_solo_begin();
    for (unsigned i = 0; i < pool->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(pool, i);

        if (w != NULL)
            fl_worker_free(w);
    }
    for (unsigned i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane = fl_load(&pool->lane[i], relaxed);

        if (lane == NULL)
            break;
        fl_lane_free(pool, lane);
    }
    fl_timers_free(pool);
    fl_forked_close(&pool->home.forked);
    fl_heap_open(&heap, &sim_allocator);
    fl_heap_free(&heap, pool, pool_size(pool), alignof(struct fl_pool));
    sim_solo_end();
}

/* The calling thread is the pool's i-th worker from now on; the pool's NULL: no worker. */
static inline struct fl_worker *act_as_worker(unsigned i)
{
    struct fl_worker *w = fl_worker_at(pool, i);

    fl_self()->worker = w;
    return w;
}

static inline void act_as_nobody(void)
{
    fl_self()->worker = NULL;
}

/* ---- pools with threads ---- */

/* START(.workers = 1, ...): a pool with the options given. */
#define START(...) start_pool((filch_options){__VA_ARGS__})

static inline filch_options complete(filch_options o)
{
    o.size = sizeof o;
    o.allocator = &sim_allocator;
    if (o.spin_ns == 0)
        o.spin_ns = -1; /* a short execution is one without spinning */
    if (o.max_spares == 0)
        o.max_spares = 1;
    return o;
}

static inline void start_pool(filch_options o)
{
    int status;

    o = complete(o);
    watch(NULL);
    items_reset();
    sim_solo_begin();
    status = fl_pool_create(&pool, &o, &fl_pool_home_ops);
    sim_solo_end();
    sim_check(status == 0);
    watch(pool);
}

/* Everything that was accepted has ended when the threads have. */
static inline void end_pool(void)
{
    int status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);

    sim_check(status == 0);
    sim_check(fl_is_quiet(pool));
    watch(NULL);
    sim_solo_begin();
    fl_pool_destroy(pool);
    sim_solo_end();
}

#endif /* FL_TESTS_SIM_POOLS_H */
