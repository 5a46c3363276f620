/* SPDX-License-Identifier: MIT
 *
 * push.c: how a task gets in: on its own worker's deque, or from outside by a lane.
 *
 * A lane is a deque that nobody pops, with a slab. A thread from outside takes hold of a free one for
 * the length of a push, mostly the one it had last, so that producers do not meet; if all are held it
 * adds one. It never waits for a holder: a thread that is stopped inside submit keeps a lane to
 * itself, and what it has pushed is taken all the same. Only if it is stopped after it has chosen a
 * sleeper and before it has woken it, that wake is owed until it goes on (idle.c, I6).
 *
 * A push may leave out the look at who sleeps. Then whoever is asleep stays so until somebody who knows
 * of the push looks for him (idle.c, N1): the next push, a kick, a wait for what was pushed, the end of
 * the pool. Whoever is awake finds it like any other.
 *
 * Words   held      HELD: somebody is pushing by this lane. NOTED: a worker sleeps on this word until
 *                   he has left, or has done so before
 *         lane[i]   NULL, then a lane for ever; filled in order
 * Always  G1  whoever moves HELD from 0 to 1 holds the lane, its deque's bottom and its slab
 *         G2  a holder that has seen no FL_CLOSING is seen by whoever ends the pool, before or after
 *             its push: through held, which both move
 *         G3  the pool does not end while a lane is held; a holder that leaves touches nothing of the
 *             pool any more and wakes, by address alone, whoever waits for that
 * Orders  H1  take   held     CAS acq_rel <- H2 stop.c's X9
 *         H2  leave  held     swap acq_rel -> H1 <-> stop.c's X9
 *         H3  look   mode     look <- stop.c's X1     in a lane that is new, after G1; else after H1
 *         G1  add    lane[i]  CAS seq_cst -> G2 steal.c's T1              a lane before it is found
 *         G2  find   lane[i]  acquire <- G1 */
#include "base/compiler.h"
#include "base/thread.h"
#include "sched/pool.h"

#include <limits.h>

static struct fl_lane *lane_create(struct fl_pool *p)
{
    struct fl_lane *lane = fl_heap_alloc(&p->home.heap, sizeof *lane, alignof(struct fl_lane));

    if (lane == NULL)
        return NULL;
    if (fl_deque_open(&lane->deque, &p->home.heap) != 0) {
        fl_heap_free(&p->home.heap, lane, sizeof *lane, alignof(struct fl_lane));
        return NULL;
    }
    fl_slab_open(&lane->slab, &p->home.heap);
    fl_init(&lane->held, FL_LANE_HELD);
    return lane;
}

void fl_lane_free(struct fl_pool *p, struct fl_lane *lane)
{
    fl_slab_close(&lane->slab);
    fl_deque_close(&lane->deque);
    fl_heap_free(&p->home.heap, lane, sizeof *lane, alignof(struct fl_lane));
}

static struct fl_lane *lane_find(struct fl_pool *p, uint32_t i)
{
    return i < FL_MAX_LANES ? fl_load(&p->lane[i], acquire) : NULL; /* G2 */
}

static bool take_hold(struct fl_lane *lane)
{
    uint32_t held = fl_load(&lane->held, relaxed); /* hint: the CAS decides */

    return (held & FL_LANE_HELD) == 0 && fl_cas(&lane->held, &held, held | FL_LANE_HELD, acq_rel,
                                                relaxed); /* H1; hint: try others */
}

static struct fl_lane *lane_take(struct fl_pool *p, struct fl_self *self)
{
    struct fl_lane *lane = lane_find(p, self->lane);
    uint32_t i;

    if (lane != NULL && take_hold(lane))
        return lane;
    for (;;) {
        for (i = 0; (lane = lane_find(p, i)) != NULL; i++) {
            if (take_hold(lane)) {
                self->lane = i;
                return lane;
            }
        }
        if (i == FL_MAX_LANES) {
            fl_thread_yield();
            continue;
        }
        lane = lane_create(p);
        if (lane == NULL) {
            if (i == 0)
                return NULL;
            fl_thread_yield(); /* there are lanes: one of them will be free */
            continue;
        }
        for (; i < FL_MAX_LANES; i++) {
            struct fl_lane *none = NULL;

            if (fl_cas(&p->lane[i], &none, lane, seq_cst,
                       relaxed)) { /* G1; hint: the next is tried */
                self->lane = i;
                return lane;
            }
        }
        fl_lane_free(p, lane);
    }
}

/* The pool may be gone by the time this returns: a task that was pushed may have destroyed it. */
static void lane_leave(struct fl_lane *lane)
{
    if ((fl_swap(&lane->held, 0, acq_rel) & FL_LANE_NOTED) != 0) /* H2 */
        fl_futex_wake(&lane->held, INT_MAX);                     /* G3 */
}

static int refusal(uint32_t mode)
{
    if ((mode & FL_BROKEN) != 0)
        return FILCH_EBROKEN;
    return (mode & FL_CLOSING) != 0 ? FILCH_ESHUTDOWN : 0;
}

int fl_push_begin(struct fl_push *at, struct fl_pool *p, size_t n)
{
    struct fl_self *self = fl_self();
    struct fl_worker *w = fl_worker_of(self);
    int status;

    at->pool = p;
    at->self = self;
    if (w != NULL && w->pool == p && fl_likely(!w->is_in_hook)) {
        at->worker = w;
        at->lane = NULL;
        at->deque = &w->deque;
        at->slab = &w->slab;
    } else {
        at->worker = NULL;
        at->lane = lane_take(p, self);
        if (at->lane == NULL)
            return FILCH_ENOMEM;
        at->deque = &at->lane->deque;
        at->slab = &at->lane->slab;
    }
    status = refusal(fl_look(&p->mode)); /* H3 */
    if (status == 0)
        status = fl_deque_reserve(at->deque, n);
    if (status != 0)
        fl_push_abort(at);
    return status;
}

/* By a lane, and even if the pool is closed: it waits for what has been waiting for its time. */
int fl_push_begin_due(struct fl_push *at, struct fl_pool *p, size_t n)
{
    int status;

    at->pool = p;
    at->self = fl_self();
    at->worker = NULL;
    at->lane = lane_take(p, at->self);
    if (at->lane == NULL)
        return FILCH_ENOMEM;
    at->deque = &at->lane->deque;
    at->slab = &at->lane->slab;
    status = fl_deque_reserve(at->deque, n);
    if (status != 0)
        fl_push_abort(at);
    return status;
}

static inline void put(struct fl_push *at, struct fl_task *const *tasks, size_t n)
{
    if (at->worker != NULL)
        fl_count_add(&at->worker->count.pushed, n); /* before it can end: stop.c */
    if (n == 1)
        fl_deque_push(at->deque, tasks[0]);
    else
        fl_deque_push_many(at->deque, tasks, n);
}

void fl_push_end(struct fl_push *at, struct fl_task *const *tasks, size_t n)
{
    put(at, tasks, n);
    fl_idle_notify(at->pool);
    if (at->lane != NULL)
        lane_leave(at->lane);
}

void fl_push_end_nowake(struct fl_push *at, struct fl_task *const *tasks, size_t n)
{
    put(at, tasks, n);
    if (at->lane != NULL)
        lane_leave(at->lane);
}

void fl_push_abort(struct fl_push *at)
{
    if (at->lane != NULL)
        lane_leave(at->lane);
}
