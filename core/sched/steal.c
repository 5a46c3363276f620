/* SPDX-License-Identifier: MIT
 *
 * steal.c: every source of work, in one file: taken from, and looked at before a sleep.
 *
 * A source that is added is added here, to both. The orders are the deque's (deque.c); a slot or a
 * lane that is filled later than a look is made belongs to a push that comes later too: filling it
 * is sequenced before its first push, and the push stores to be looked at.
 *
 * What a worker has forked and not shown (future/forkjoin.c) is no source: whoever finds its deque empty
 * asks for it, and sleeps in the knowledge that the next fork will see that.
 *
 * Words   lane[i]    filled once, in order: push.c
 *         top_slot   1 + the highest worker slot ever filled: spare.c
 *         asked      set by whoever would take work; cleared by the worker: future/forkjoin.c
 * Orders  T1  scan  lane[i]    look <- push.c's G1
 *         T2  scan  top_slot   look <- spare.c's E2
 *         T3  ask   asked      look <- forkjoin.c's K1     after whatever the asker has announced */
#include "base/random.h"
#include "sched/pool.h"

static struct fl_lane *lane_at(struct fl_pool *p, uint32_t i)
{
    return i < FL_MAX_LANES ? fl_look(&p->lane[i]) : NULL; /* T1 */
}

/* Set already, it need not be set again: who clears it looks who is idle after that (T3). */
void fl_ask(struct fl_worker *w, enum fl_asked how)
{
    if (fl_look(&w->asked) < (uint32_t)how)          /* T3 */
        fl_store(&w->asked, (uint32_t)how, relaxed); /* hint: nothing goes with it */
}

/* Each time another lane comes first. */
struct fl_task *fl_take_from_lanes(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;
    uint32_t first = lane_at(p, w->lane_turn) != NULL ? w->lane_turn : 0;
    struct fl_lane *lane;

    w->lane_turn = first + 1;
    for (uint32_t i = first; (lane = lane_at(p, i)) != NULL; i++) {
        struct fl_task *task = fl_deque_shift(&lane->deque);

        if (task != NULL)
            return task;
    }
    for (uint32_t i = 0; i < first; i++) {
        struct fl_task *task = fl_deque_shift(&lane_at(p, i)->deque);

        if (task != NULL)
            return task;
    }
    return NULL;
}

struct fl_task *fl_take_from_workers(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;
    uint32_t n = fl_look(&p->top_slot); /* T2 */
    uint32_t first = fl_random_below(&w->random, n);

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *victim = fl_worker_at(p, (first + i) % n);
        struct fl_task *task;

        if (victim == NULL || victim == w)
            continue;
        task = fl_deque_steal(&victim->deque);
        if (task != NULL) {
            fl_worker_stole(w, task);
            return task;
        }
        fl_ask(victim, FL_ASKED_BY_IDLE);
    }
    return NULL;
}

struct fl_task *fl_take_any(struct fl_pool *p)
{
    uint32_t n = fl_look(&p->top_slot); /* T2 */
    struct fl_lane *lane;

    for (uint32_t i = 0; (lane = lane_at(p, i)) != NULL; i++) {
        struct fl_task *task = fl_deque_shift(&lane->deque);

        if (task != NULL)
            return task;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *victim = fl_worker_at(p, i);
        struct fl_task *task = victim != NULL ? fl_deque_steal(&victim->deque) : NULL;

        if (task != NULL)
            return task;
    }
    return NULL;
}

/* As many as the queue holds when it is come to: what others push meanwhile is not waited for. */
static uint64_t take_all_of(struct fl_pool *p, struct fl_deque *d, bool is_lane,
                            bool (*take)(struct fl_pool *p, struct fl_task *task))
{
    uint64_t top = fl_load(&d->top, relaxed);            /* hint: the deque decides what is there */
    int64_t most = (int64_t)(fl_look(&d->bottom) - top); /* deque.c's D1 */
    uint64_t n = 0;

    for (; most > 0; most--) {
        struct fl_task *task = is_lane ? fl_deque_shift(d) : fl_deque_steal(d);

        if (task == NULL)
            break;
        n += take(p, task);
    }
    return n;
}

uint64_t fl_take_all_now(struct fl_pool *p, bool (*take)(struct fl_pool *p, struct fl_task *task))
{
    uint32_t top = fl_look(&p->top_slot); /* T2 */
    struct fl_lane *lane;
    uint64_t n = 0;

    for (uint32_t i = 0; (lane = lane_at(p, i)) != NULL; i++)
        n += take_all_of(p, &lane->deque, true, take);
    for (uint32_t i = 0; i < top; i++) {
        struct fl_worker *victim = fl_worker_at(p, i);

        if (victim != NULL)
            n += take_all_of(p, &victim->deque, false, take);
    }
    return n;
}

bool fl_work_is_visible(struct fl_pool *p)
{
    uint32_t n = fl_look(&p->top_slot); /* T2 */
    struct fl_lane *lane;

    for (uint32_t i = 0; (lane = lane_at(p, i)) != NULL; i++) {
        if (!fl_deque_looks_empty(&lane->deque))
            return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *victim = fl_worker_at(p, i);

        if (victim == NULL)
            continue;
        if (!fl_deque_looks_empty(&victim->deque))
            return true;
        fl_ask(victim, FL_ASKED_BY_IDLE);
    }
    return false;
}
