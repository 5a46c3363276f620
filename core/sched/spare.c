/* SPDX-License-Identifier: MIT
 *
 * spare.c: threads that stand in for workers that wait.
 *
 * A worker that goes to sleep in a wait for a future takes a thread away from the pool. So before it
 * sleeps it brings a spare in: one too many from before, a dormant one, or a new one; and when it
 * wakes there is one too many, which the next spare between two tasks finds and goes dormant. So
 * workers that could run a task are never fewer than asked for, as long as the system gives threads
 * and max_spares allows. A spare is a worker like any other, with a deque that others steal from.
 *
 * Words   debt       spares too many: raised by whoever wakes from a wait, taken by a spare that goes
 *                    dormant or by a waiter that can use it; only taken while > 0
 *         life       of a slot: EMPTY -> ACTIVE by whoever starts its thread, and back if that
 *                    fails; ACTIVE -> DORMANT by the spare; DORMANT -> ACTIVE by whoever needs it,
 *                    or by whoever ends the pool
 *         worker[i]  NULL, then a worker for ever
 *         top_slot   1 + the highest slot filled; only grows
 * Always  E1  a dormant spare has left nothing behind unannounced: it notifies before it sleeps
 *         E2  whoever got a stand-in gives one back as debt, and nobody else: debt never says more than
 *             there are
 *         E3  a spare that goes dormant as the pool ends sees FL_EXIT, or is seen dormant and woken
 * Orders  P1  fill    worker[i]  CAS acq_rel -> P2        a worker before it is found
 *         P2  find    worker[i]  acquire <- P1
 *         E1  start   life       CAS acq_rel <- E8
 *         E2  grow    top_slot   CAS seq_cst -> E3 steal.c's T2   before the slot's first push
 *         E3  scan    top_slot   look <- E2
 *         E4  sleep   life       look -> E5 E9            then mode is looked at
 *         E5  wake    life       CAS seq_cst <- E4 -> E7
 *         E6  sleep   mode       look <- stop.c's X1
 *         E7  awake   life       acquire <- E5
 *         E8  fail    life       release -> E1            a slot is whole again before another try
 *         E9  miss    life       look <- E4               whoever sets FL_EXIT first and then finds it
 *                                                         awake is found out at E6 */
#include "base/compiler.h"
#include "sched/pool.h"

#include <limits.h>

static bool take_debt(struct fl_pool *p)
{
    int32_t debt = fl_load(&p->debt, relaxed); /* count: the CAS decides */

    while (debt > 0) {
        if (fl_cas_weak(&p->debt, &debt, debt - 1, relaxed,
                        relaxed)) /* count: nothing goes with it */
            return true;
    }
    return false;
}

static void raise_top(struct fl_pool *p, uint32_t top)
{
    uint32_t seen = fl_look(&p->top_slot); /* E3 */

    while (seen < top && !fl_cas_weak(&p->top_slot, &seen, top, seq_cst, seq_cst)) /* E2, E3 */
        continue;
}

/* The slot's worker, made if there is none. */
static struct fl_worker *slot(struct fl_pool *p, unsigned i)
{
    struct fl_worker *w = fl_worker_at(p, i);
    struct fl_worker *none = NULL;

    if (w != NULL)
        return w;
    w = fl_worker_create(p, i);
    if (w == NULL)
        return NULL;
    if (!fl_cas(&p->worker[i], &none, w, acq_rel, acquire)) { /* P1, on failure P2 */
        fl_worker_free(w);
        return none;
    }
    raise_top(p, i + 1);
    return w;
}

enum outcome {
    BUSY,
    CAME,
    FAILED
};

static enum outcome activate(struct fl_pool *p, unsigned i)
{
    struct fl_worker *w = slot(p, i);
    uint32_t life = FL_DORMANT;

    if (w == NULL)
        return FAILED;
    if (fl_cas(&w->life, &life, FL_ACTIVE, seq_cst, relaxed)) { /* E5; hint: tried as empty next */
        fl_futex_wake(&w->life, 1);
        return CAME;
    }
    life = FL_EMPTY;
    if (!fl_cas(&w->life, &life, FL_ACTIVE, acq_rel, relaxed)) /* E1; hint: it works already */
        return BUSY;
    if (fl_worker_start(w) != 0) {
        fl_store(&w->life, FL_EMPTY, release); /* E8 */
        return FAILED;
    }
    fl_add(&p->spares_started, 1, relaxed); /* count */
    return CAME;
}

bool fl_block_begin(struct fl_pool *p)
{
    if (take_debt(p))
        return true;
    for (unsigned i = p->n_workers; i < p->n_slots; i++) {
        enum outcome outcome = activate(p, i);

        if (outcome != BUSY)
            return outcome == CAME;
    }
    return false;
}

void fl_block_end(struct fl_pool *p)
{
    fl_add(&p->debt, 1, relaxed); /* count: nothing goes with it */
}

bool fl_spare_retire(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;

    if (fl_likely(fl_load(&p->debt, relaxed) <= 0) || !take_debt(p)) /* hint: take_debt decides */
        return false;
    fl_idle_notify(p); /* its deque may hold what only it knew of */
    fl_idle_meet(p);
    fl_stop_poll(p);
    fl_store_look(&w->life, FL_DORMANT);    /* E4 */
    if ((fl_look(&p->mode) & FL_EXIT) != 0) /* E6 */
        fl_spare_wake(w);
    while (fl_load(&w->life, acquire) == FL_DORMANT) /* E7 */
        fl_futex_wait(&w->life, FL_DORMANT, INT64_MAX);
    return true;
}

void fl_spare_wake(struct fl_worker *w)
{
    uint32_t life = FL_DORMANT;

    if (fl_cas(&w->life, &life, FL_ACTIVE, seq_cst, seq_cst)) /* E5, on failure E9 */
        fl_futex_wake(&w->life, 1);
}

void fl_spare_wake_all(struct fl_pool *p)
{
    for (unsigned i = p->n_workers; i < p->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            fl_spare_wake(w);
    }
}
