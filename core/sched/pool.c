/* SPDX-License-Identifier: MIT
 *
 * pool.c: a pool's memory: made at once, freed when the last of its futures is.
 *
 * Memory   the pool, its workers, lanes, deques and slabs live as long as the pool or any block of a
 *          slab does. When the threads have gone and the handle is given up, every slab is retired:
 *          that counts the blocks still out, and each block that comes back from then on counts
 *          itself off. Whoever counts the last one frees everything. A pin counts as a block that is
 *          out: it keeps the memory, nothing else.
 * Words    blocks_out  BIAS while slabs hand out; then blocks still out, plus what has not been added
 *                      yet; 0 once
 *          mode        stop.c
 * Always   M1  blocks_out reaches 0 once: the bias goes when every slab is retired
 * Orders   M2  count off  blocks_out  sub acq_rel -> M2 M3   what was done with a block before all is freed
 *          M3  release    blocks_out  add acq_rel <- M2
 *          M5  is broken  mode        acquire <- stop.c's X1 */
#include "sched/pool.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/cpus.h"
#include "base/random.h"
#include "queue/ring.h"
#include "queue/table.h"

#include <string.h>

static const int64_t BIAS = INT64_C(1) << 40;

static size_t pool_bytes(unsigned n_slots)
{
    return sizeof(struct fl_pool) + n_slots * sizeof(fl_atomic(struct fl_worker *));
}

struct fl_worker *fl_worker_create(struct fl_pool *p, unsigned index)
{
    struct fl_heap *heap = &p->home.heap;
    struct fl_worker *w = fl_heap_zalloc(heap, sizeof *w, alignof(struct fl_worker));

    if (w == NULL)
        return NULL;
    w->pool = p;
    w->index = index;
    w->rank = index;
    w->random = fl_random_seed((uint64_t)(uintptr_t)w + index);
    fl_slab_open(&w->slab, heap);
    fl_init(&w->life, FL_EMPTY);
    fl_init(&w->busy, 0);
    fl_init(&w->asked, FL_ASKED_BY_IDLE); /* by those who have no thread yet */
    w->lazy = p->min_workers < p->n_workers;
    if (fl_deque_open(&w->deque, heap) != 0)
        goto free_worker;
    if (p->trace_events != 0 &&
        fl_ring_create(&w->trace, heap, p->trace_events, sizeof(filch_trace_event)) != 0)
        goto close_deque;
    return w;

close_deque:
    fl_deque_close(&w->deque);
free_worker:
    fl_heap_free(heap, w, sizeof *w, alignof(struct fl_worker));
    return NULL;
}

void fl_worker_free(struct fl_worker *w)
{
    struct fl_heap *heap = &w->pool->home.heap;

    fl_ring_destroy(w->trace);
    fl_slab_close(&w->slab);
    fl_deque_close(&w->deque);
    fl_heap_free(heap, w, sizeof *w, alignof(struct fl_worker));
}

int fl_worker_start(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;
    struct fl_thread_options options = {p->stack_size, (p->flags & FILCH_KEEP_SIGNALS) != 0};
    int status;

    w->before = w->thread;
    w->has_before = w->has_thread;
    w->has_thread = true;
    fl_add(&p->threads, 1, relaxed); /* count: the starter is alive itself, or is create */
    status = fl_thread_start(&w->thread, fl_worker_main, w, &options);
    if (status != 0) {
        fl_sub(&p->threads, 1, relaxed); /* count */
        w->thread = w->before;
        w->has_thread = w->has_before;
        w->has_before = false;
        w->fresh = false;
    }
    return status;
}

void fl_pool_break(struct fl_pool *p)
{
    fl_pool_set_mode(p, FL_BROKEN);
    fl_timers_end(fl_timers_close(p, true), FILCH_EBROKEN); /* nothing will run at its time */
    fl_idle_wake_all(p);
}

bool fl_pool_is_broken(const struct fl_pool *p)
{
    return (fl_load(&p->mode, acquire) & FL_BROKEN) != 0; /* M5 */
}

static void free_pool(struct fl_pool *p)
{
    struct fl_heap heap;

    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            fl_worker_free(w);
    }
    for (unsigned i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane =
            fl_load(&p->lane[i], relaxed); /* settled by M3: nobody else is left */

        if (lane != NULL)
            fl_lane_free(p, lane);
    }
    fl_table_destroy(fl_load(&p->names, relaxed)); /* settled by M3: nobody else is left */
    fl_timers_free(p);
    fl_forked_close(&p->home.forked);
    fl_heap_open(&heap, &p->home.heap.with);
    fl_heap_free(&heap, p, pool_bytes(p->n_slots), alignof(struct fl_pool));
    fl_heap_close(&heap);
}

void fl_pool_release(struct fl_pool *p)
{
    int64_t out = 0;

    if (p->drop_handle != NULL)
        p->drop_handle(p->handle);
    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            out += (int64_t)fl_slab_retire(&w->slab);
    }
    for (unsigned i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane = fl_load(&p->lane[i], acquire); /* G2 of push.c */

        if (lane != NULL)
            out += (int64_t)fl_slab_retire(&lane->slab);
    }
    if (fl_add(&p->blocks_out, out - BIAS, acq_rel) + out - BIAS == 0) /* M3 */
        free_pool(p);
}

void fl_pool_free_block(struct fl_pool *p, void *block)
{
    struct fl_worker *w = fl_self()->worker;

    if (w != NULL && fl_slab_owns(&w->slab, block))
        fl_slab_free(&w->slab, block);
    else if (!fl_slab_return(block) && fl_sub(&p->blocks_out, 1, acq_rel) == 1) /* M2 */
        free_pool(p);
}

void fl_pool_pin(struct fl_pool *p)
{
    fl_add(&p->blocks_out, 1, relaxed); /* count: it is not 0, for the pool is there */
}

void fl_pool_unpin(struct fl_pool *p)
{
    if (fl_sub(&p->blocks_out, 1, acq_rel) == 1) /* M2 */
        free_pool(p);
}

static void end_threads(struct fl_pool *p)
{
    int ignored = fl_pool_shutdown(p, FILCH_DRAIN, FILCH_FOREVER);

    (void)ignored; /* nothing was submitted: it is over at once */
}

/* Options have been checked. */
int fl_pool_create(struct fl_pool **out, const filch_options *o, const struct fl_home_ops *home_ops)
{
    unsigned budget = fl_cpus_budget();
    unsigned workers = o->workers != 0 ? o->workers : budget;
    unsigned spares = o->max_spares != 0 ? o->max_spares : FL_MAX_SPARES;
    unsigned at_once;
    struct fl_heap heap;
    struct fl_pool *p;
    unsigned started = 0;
    int status;

    if (workers > FILCH_MAX_WORKERS)
        workers = FILCH_MAX_WORKERS; /* a machine larger than we count */
    if (o->min_workers > workers)
        return FILCH_EINVAL;
    at_once = o->min_workers != 0 ? o->min_workers : workers;
    fl_heap_open(&heap, o->allocator);
    p = fl_heap_zalloc(&heap, pool_bytes(workers + spares), alignof(struct fl_pool));
    if (p == NULL)
        return FILCH_ENOMEM;
    fl_heap_open(&p->home.heap, o->allocator);
    p->home.ops = home_ops;
    p->n_workers = workers;
    p->n_slots = workers + spares;
    p->min_workers = at_once;
    fl_init(&p->active, workers);
    p->idle_timeout_ns = o->idle_timeout_ns;
    p->cpus = budget;
    p->max_searchers =
        o->max_searchers != 0 ? o->max_searchers : ((workers < budget ? workers : budget) + 1) / 2;
    if (p->max_searchers > workers)
        p->max_searchers = workers;
    p->help = o->help;
    p->spin_ns = o->spin_ns != 0 ? o->spin_ns : FL_SPIN_NS;
    if (p->spin_ns < 0 || budget == 1) /* on one CPU, spinning keeps what it waits for away */
        p->spin_ns = 0;
    p->flags = o->flags;
    p->trace_events = o->trace_events;
    p->stack_size = o->stack_size;
    strncpy(p->name, o->name != NULL ? o->name : "filch", sizeof p->name - 1);
    p->on_thread_start = o->on_thread_start;
    p->on_thread_stop = o->on_thread_stop;
    p->on_unobserved = o->on_unobserved;
    p->on_deadlock = o->on_deadlock;
    p->hook_arg = o->hook_arg;
    fl_init(&p->blocks_out, BIAS);

    status = fl_forked_open(&p->home.forked);
    if (status != 0)
        goto free_memory;
    for (unsigned i = 0; i < workers; i++) {
        struct fl_worker *w = fl_worker_create(p, i);

        if (w == NULL) {
            status = FILCH_ENOMEM;
            goto free_workers;
        }
        fl_init(&p->worker[i], w);
    }
    fl_init(&p->top_slot, workers);
    fl_init(&p->vacant, (int32_t)(workers - at_once));
    for (; started < at_once; started++) {
        struct fl_worker *w = fl_worker_at(p, started);

        fl_store(&w->life, FL_ACTIVE, relaxed); /* own word: nobody knows the pool yet */
        status = fl_worker_start(w);
        if (status != 0) {
            fl_store(&w->life, FL_EMPTY, relaxed); /* own word: likewise */
            break;
        }
    }
    if (status != 0 && (started == 0 || (o->flags & FILCH_BEST_EFFORT_THREADS) == 0))
        goto stop_threads;
    p->n_started = at_once < workers ? workers : started;
    if (at_once < workers)
        fl_add(&p->vacant, (int32_t)(at_once - started), seq_cst); /* spare.c's E10 */
    *out = p;
    return 0;

stop_threads:
    end_threads(p);
free_workers:
    for (unsigned i = 0; i < workers; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            fl_worker_free(w);
    }
    fl_forked_close(&p->home.forked);
free_memory:
    fl_heap_free(&heap, p, pool_bytes(p->n_slots), alignof(struct fl_pool));
    return status;
}
