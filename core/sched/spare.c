/* SPDX-License-Identifier: MIT
 *
 * spare.c: threads that come and go: stand-ins for workers that wait, and workers that are started when
 * there is work for them and end when there has been none for long.
 *
 * A worker that goes to sleep in a wait for a future takes a thread away from the pool. So before it
 * sleeps it brings a spare in: one too many from before, a dormant one, or a new one; and when it
 * wakes there is one too many, which the next spare between two tasks finds and goes dormant. So
 * workers that could run a task are never fewer than asked for, as long as the system gives threads
 * and max_spares allows. A spare is a worker like any other, with a deque that others steal from.
 *
 * A worker's slot above min_workers has no thread until a push finds nobody idle (idle.c, I7), and none
 * any more after it has slept for idle_timeout_ns; so has a spare's that was dormant for so long. What
 * belongs to the slot, deque, slab and counters, stays, and the next thread goes on with it.
 *
 * Of the workers, those from the slot `active` on are surplus: each lies down dormant after its task and
 * stays so until `active` is raised; what is on its deque others steal. If no spare can be had for a
 * worker that waits, a surplus one that is dormant is lent and is a spare until it is one too many. A surplus
 * worker that waits gets a stand-in like any other: for so long one more is at work than asked for.
 *
 * Words   debt       spares too many: raised by whoever wakes from a wait, taken by a spare that goes
 *                    dormant or by a waiter that can use it; only taken while > 0
 *         life       of a slot: EMPTY -> ACTIVE by whoever starts its thread, and back if that
 *                    fails; ACTIVE -> DORMANT by the spare; DORMANT -> ACTIVE by whoever needs it,
 *                    by whoever ends the pool, or by itself when its time is up; ACTIVE -> EMPTY by a
 *                    thread that ends while the pool goes on; DORMANT -> LENT by a worker that waits,
 *                    LENT -> DORMANT or ACTIVE by the thread
 *         active     how many workers may work: 1 to n_workers
 *         vacant     workers' slots that are EMPTY: counted down after one is filled, up after one is
 *                    left, so for moments it says one too many or too few
 *         worker[i]  NULL, then a worker for ever
 *         top_slot   1 + the highest slot filled; only grows
 * Always  E1  a dormant spare has left nothing behind unannounced: it notifies before it sleeps
 *         E2  whoever got a stand-in gives one back as debt, and nobody else: debt never says more than
 *             there are
 *         E3  a spare that goes dormant as the pool ends sees FL_EXIT, or is seen dormant and woken
 *         E4  a thread that ends touches nothing of its slot's after E11; the next one joins it first of
 *             all, or else whoever ends the pool does
 *         E5  threads are started by who has the pool held: a worker, the holder of a lane, or who is counted
 *             as one of its threads while he looks. A pool has a thread until it ends, since min_workers is at
 *             least 1
 *         E6  a thread that can't be started leaves its slot vacant: the next push that finds nobody
 *             idle tries again
 *         E7  worker 0 is never surplus; a surplus worker goes dormant, or sees that it is none any more, or is
 *             seen dormant and woken
 * Orders  P1  fill    worker[i]  CAS acq_rel -> P2        a worker before it is found
 *         P2  find    worker[i]  acquire <- P1
 *         E1  start   life       CAS acq_rel <- E8 E11
 *         E2  grow    top_slot   CAS seq_cst -> E3 steal.c's T2 deadlock.c's D5 before the slot's first push
 *         E3  scan    top_slot   look <- E2
 *         E4  sleep   life       look -> E5 E9            then mode is looked at
 *         E5  wake    life       CAS seq_cst <- E4 -> E7
 *         E6  sleep   mode       look <- stop.c's X1
 *         E12 raise   active     swap seq_cst -> E13      then every slot's life is looked at
 *         E13 sleep   active     look <- E12              after E4
 *         E7  awake   life       acquire <- E5
 *         E8  fail    life       release -> E1            a slot is whole again before another try
 *         E9  miss    life       look <- E4               whoever sets FL_EXIT first and then finds it
 *                                                         awake is found out at E6
 *         E10 vacate  vacant     add seq_cst -> idle.c's N8   then every source is looked at
 *         E11 leave   life       release -> E1            all that its thread did in a slot */
#include "base/clock.h"
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

void fl_slot_fill(struct fl_pool *p)
{
    uint32_t n = fl_look(&p->active); /* E13 */

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);
        uint32_t life = FL_EMPTY;

        if (fl_load(&w->life, relaxed) != FL_EMPTY ||              /* hint: the CAS decides */
            !fl_cas(&w->life, &life, FL_ACTIVE, acq_rel, relaxed)) /* E1; hint: try another */
            continue;
        fl_sub(&p->vacant, 1, relaxed); /* count: it is the adding that orders */
        w->fresh = true;
        fl_store(&w->busy, 1, relaxed); /* own word, until the thread has it */
        if (fl_worker_start(w) != 0) {
            fl_store(&w->life, FL_EMPTY, release); /* E8 */
            fl_add(&p->vacant, 1, seq_cst);        /* E10 */
        }
        return;
    }
}

bool fl_slot_may_end(struct fl_worker *w)
{
    w->retires = w->rank < w->pool->n_workers || take_debt(w->pool);
    return w->retires;
}

void fl_slot_replace(struct fl_worker *w)
{
    enum {
        MOMENT_NS = 1000000
    };
    struct fl_pool *p = w->pool;

    w->nested = 0;
    w->retires = false;
    for (;;) {
        uint32_t mode;

        fl_idle_meet(p);
        fl_stop_poll(p);          /* what it was about may have been the last of all */
        mode = fl_look(&p->mode); /* E6 */
        if ((mode & FL_EXIT) != 0)
            return;
        fl_store(&w->busy, 1, relaxed); /* own word */
        if (fl_worker_start(w) == 0)
            return;
        fl_futex_wait(&p->mode, mode, fl_saturating_add(fl_now(), MOMENT_NS));
    }
}

void fl_slot_vacate(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;
    bool is_spare = w->index >= p->n_workers;

    w->retires = false;
    w->rank = w->index;
    fl_store(&w->life, FL_EMPTY, release); /* E11 */
    if (is_spare)
        return;
    fl_add(&p->vacant, 1, seq_cst); /* E10 */
    if (fl_work_is_visible(p))
        fl_idle_notify(p);
}

static bool wake_as(struct fl_worker *w, uint32_t how)
{
    uint32_t life = FL_DORMANT;

    if (!fl_cas(&w->life, &life, how, seq_cst, seq_cst)) /* E5, on failure E9 */
        return false;
    fl_futex_wake(&w->life, 1);
    return true;
}

static bool lend_surplus(struct fl_pool *p)
{
    unsigned i = fl_load(&p->active, relaxed); /* hint: whoever is dormant will do */

    for (; i < p->n_workers; i++) {
        if (wake_as(fl_worker_at(p, i), FL_LENT))
            return true;
    }
    return false;
}

bool fl_block_begin(struct fl_pool *p)
{
    if (take_debt(p))
        return true;
    for (unsigned i = p->n_workers; i < p->n_slots; i++) {
        enum outcome outcome = activate(p, i);

        if (outcome == CAME)
            return true;
        if (outcome == FAILED)
            break;
    }
    return lend_surplus(p);
}

void fl_block_end(struct fl_pool *p)
{
    fl_add(&p->debt, 1, relaxed); /* count: nothing goes with it */
}

/* Sleeps until it is needed, or has slept for too long: then it is awake on its own account. */
static void lie_dormant(struct fl_worker *w)
{
    filch_deadline until = fl_worker_bedtime(w);
    uint32_t life;

    while ((life = fl_load(&w->life, acquire)) == FL_DORMANT) { /* E7 */
        if (fl_futex_wait(&w->life, FL_DORMANT, until) == FILCH_ETIMEDOUT)
            w->retires = wake_as(w, FL_ACTIVE);
    }
    w->rank = life == FL_LENT ? UINT32_MAX : w->index;
}

/* A spare, or a worker that is lent, is one too many if there is debt to pay; a worker as long as it is
 * surplus. */
static bool is_one_too_many(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;

    if (w->rank < p->n_workers)
        return w->index >= fl_look(&p->active);                      /* E13 */
    if (fl_likely(fl_load(&p->debt, relaxed) <= 0) || !take_debt(p)) /* hint: take_debt decides */
        return false;
    if (w->index >= fl_look(&p->active)) /* E13 */
        return true;
    w->rank = w->index; /* lent, and not surplus any more: the debt is paid by staying */
    fl_store(&w->life, FL_ACTIVE, relaxed); /* own word: nobody asks between these two */
    return false;
}

/* Nothing has changed for it since it was decided. */
static bool may_sleep(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;

    return (fl_look(&p->mode) & FL_EXIT) == 0 &&                          /* E6 */
           (w->index >= p->n_workers || w->index >= fl_look(&p->active)); /* E13 */
}

bool fl_spare_retire(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;

    if (!is_one_too_many(w))
        return false;
    /* The poll comes first: it may wait for a holder of a lane, who then pushes and wakes nobody. */
    fl_idle_meet(p);
    fl_stop_poll(p);
    if (fl_work_is_visible(p))
        fl_idle_notify(p); /* its deque may hold what only it knew of */

    fl_store_look(&w->life, FL_DORMANT); /* E4 */
    if (!may_sleep(w))
        fl_spare_wake(w);
    lie_dormant(w);
    return true;
}

void fl_spare_wake(struct fl_worker *w)
{
    wake_as(w, FL_ACTIVE);
}

/* Those that are below n. */
static void wake_dormant(struct fl_pool *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            fl_spare_wake(w);
    }
}

void fl_spare_wake_all(struct fl_pool *p)
{
    wake_dormant(p, p->n_slots);
}

/* Somebody looks at what is queued, if anybody may. The caller need not have the pool held (E5): it may have
 * ended. If it has not, he counts as one of its threads for so long. Not as a holder of a lane: a pool that is
 * closing or broken has none for him, but what is queued there may wait for a thread as anywhere else. */
void fl_look_after_queue(struct fl_pool *p)
{
    uint32_t n = fl_load(&p->threads, relaxed); /* hint: the CAS decides */

    do {
        if (n == 0)
            return;
    } while (!fl_cas_weak(&p->threads, &n, n + 1, acquire,
                          relaxed)); /* stop.c's X12; hint: the next try decides */
    if (fl_work_is_visible(p))
        fl_idle_notify(p);
    fl_thread_gone(p, NULL);
}

int fl_pool_set_active(struct fl_pool *p, unsigned n)
{
    uint32_t before;

    if (n == 0 || n > p->n_started)
        return FILCH_EINVAL;
    before = fl_swap(&p->active, n, seq_cst); /* E12 */
    wake_dormant(p, n);
    if (n < before)
        fl_idle_wake_all(p); /* those that are surplus now lie down */
    else
        fl_look_after_queue(p);
    return 0;
}

unsigned fl_pool_active(const struct fl_pool *p)
{
    uint32_t active = fl_load(&p->active, relaxed); /* count */

    return active < p->n_started ? active : p->n_started;
}
