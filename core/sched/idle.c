/* SPDX-License-Identifier: MIT
 *
 * idle.c: who searches, who sleeps, and who wakes whom.
 *
 * A worker that finds nothing searches for a while, if few others do; then it announces that it will
 * sleep, looks at every source once more, and sleeps. A push wakes one sleeper, and only if nobody
 * searches; the searcher that leaves last looks behind itself and wakes the next. So work travels
 * from one awake worker to the next, and a push mostly reads one word that nobody writes.
 *
 * Words   idle   three counts in one word, which is also the futex:
 *                searchers   awake without work: looking for some, or woken to look
 *                sleepers    have announced themselves and not been chosen
 *                tokens      sleepers that were chosen and have not noticed yet
 * Always  I1  sleepers + tokens is the number of workers between announce and waking up; whoever
 *             wakes takes a token, or leaves as a sleeper if there is none: chosen means anybody
 *         I2  a token's owner is counted as a searcher already, by whoever chose it
 *         I3  whoever sleeps has announced it and then looked at every source
 *         I4  the last searcher to leave with work looks at every source after it has left
 *         I5  who comes back from an announce may take the token that would have woken another; that
 *             one stays a sleeper, so a worker that ends wakes all that still sleep
 *         I6  whoever has chosen a sleeper owes it the wake: a thread that is stopped for ever between
 *             the two is counted on by everybody else, until some other wake on this word comes
 *         I7  a push that finds nobody idle starts a thread where one is lacking; that one begins as a
 *             searcher, so that it too looks behind itself when it leaves with work
 *         I8  who has slept too long leaves as a sleeper, in the same word in which it would have been
 *             chosen, and looks at every source when its slot is one more that lacks a thread: so a
 *             push either chooses somebody else, or finds the slot vacant, or is found
 *         I9  a surplus worker that is chosen leaves the search as with work, so that somebody else looks
 *         I10 in a paused pool nobody looks for work, nobody is chosen, and no thread is started; who was
 *             asleep sleeps on. Whoever resumes it wakes all: each push that has seen it paused comes before their look
 *         I11 where work is looked for before a sleep, a search takes it: also from the worker's own deque, or it
 *             would search for ever for what a pause has left there
 * Orders  N1  notify    idle   look <- N3 N4      after a push, whose bottom was stored to be looked
 *                                                 at (deque.c, D1)
 *         N2  notify    idle   seq_cst -> N5      a token
 *         N3  announce  idle   seq_cst -> N1      then the sources are looked at (deque.c, D5)
 *         N4  found     idle   seq_cst -> N1      likewise
 *         N5  wake      idle   acquire <- N2 N6
 *         N6  wake_all  idle   seq_cst -> N5 N7
 *         N7  meet      idle   acq_rel <- N6      everybody who stops looking for work, and everybody
 *                                                 who waits for that, moves this word: the later of
 *                                                 two sees what the earlier did before
 *         N10 notify    mode   look <- stop.c's X1     after N1
 *         N8  notify    vacant look <- spare.c's E10    after N1, which found nobody
 * Why a push may go unannounced while somebody searches: the pusher stored bottom and then read idle
 * before that searcher's N3 or N4, so in the single order of looks the searcher's look at bottom
 * comes after the push and finds it. */
#include "base/clock.h"
#include "base/compiler.h"
#include "sched/pool.h"

#include <limits.h>

static const uint32_t SEARCHER = 1, SLEEPER = UINT32_C(1) << 10, TOKEN = UINT32_C(1) << 21;

static uint32_t searchers(uint32_t idle)
{
    return idle & (SLEEPER - 1);
}

static uint32_t sleepers(uint32_t idle)
{
    return (idle & (TOKEN - 1)) / SLEEPER;
}

static uint32_t tokens(uint32_t idle)
{
    return idle / TOKEN;
}

/* Who would take work, or could be started for it. */
static uint32_t hungry(uint32_t idle, int32_t vacant)
{
    return searchers(idle) + sleepers(idle) + (vacant > 0 ? (uint32_t)vacant : 0);
}

uint32_t fl_idle_hungry(struct fl_pool *p)
{
    uint32_t idle = fl_look(&p->idle);    /* N1: after a fork's answer, forkjoin.c's K1 */
    int32_t vacant = fl_look(&p->vacant); /* N8 */

    return hungry(idle, vacant);
}

static bool is_between_tasks(struct fl_pool *p)
{
    uint32_t n = fl_load(&p->active, relaxed); /* hint: a surplus worker will not look for work */

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != fl_self()->worker && fl_load(&w->life, relaxed) == FL_ACTIVE && /* hint */
            fl_load(&w->busy, relaxed) == 0)                                     /* hint */
            return true;
    }
    return false;
}

/* A worker that has told the end of its task is not idle yet, but will be before a thread could
 * start. True: somebody is. */
static bool await_idle(struct fl_pool *p)
{
    int64_t until = 0;

    while (is_between_tasks(p)) {
        int64_t now;

        fl_thread_yield();
        if (fl_load(&p->idle, relaxed) != 0) /* hint: it is looked at again */
            return true;
        now = p->spin_ns > 0 ? fl_now() : 0;
        if (until == 0)
            until = now + p->spin_ns;
        if (now >= until)
            return false;
    }
    return false;
}

/* How many workers are neither asleep nor without a thread: a hint. */
static int64_t awake(struct fl_pool *p, uint32_t idle)
{
    int64_t vacant = fl_load(&p->vacant, relaxed); /* hint */
    int64_t active = fl_load(&p->active, relaxed); /* hint */

    return active - sleepers(idle) - (vacant > 0 ? vacant : 0);
}

/* Who has ended a task looks for the next within a moment, and a wake costs a hundred of them. Returns
 * the word idle as it is when somebody searches or the moment is over. */
static uint32_t give_a_moment(struct fl_pool *p, uint32_t idle)
{
    enum {
        MOMENT = 20
    };

    for (int i = 0; i < MOMENT && searchers(idle) == 0 && awake(p, idle) > 0; i++) {
        fl_relax();
        idle = fl_look(&p->idle); /* N1 */
    }
    return idle;
}

/* There is somebody to be woken, or a thread to be started. Apart from the looks: most pushes go no further. */
static fl_apart void bring_somebody(struct fl_pool *p, uint32_t idle)
{
    bool has_waited = false;

    if (p->spin_ns > 0)
        idle = give_a_moment(p, idle);
    for (;;) {
        if (searchers(idle) != 0)
            return;
        if (sleepers(idle) != 0) {
            if (fl_unlikely((fl_look(&p->mode) & FL_PAUSED) != 0)) /* N10 */
                return;
            if (fl_cas_weak(&p->idle, &idle, idle - SLEEPER + SEARCHER + TOKEN, seq_cst,
                            seq_cst)) /* N2, on failure N1 */
                break;
            continue;
        }
        if (fl_likely(fl_look(&p->vacant) == 0) || /* N8 */
            (fl_look(&p->mode) & FL_PAUSED) != 0)  /* N10 */
            return;
        if (has_waited || !await_idle(p)) {
            fl_slot_fill(p); /* I7 */
            return;
        }
        has_waited = true;
        idle = fl_look(&p->idle); /* N1 */
    }
    fl_futex_wake(&p->idle, 1);
}

void fl_idle_notify(struct fl_pool *p)
{
    uint32_t idle = fl_look(&p->idle); /* N1 */

    if (searchers(idle) == 0 &&
        (sleepers(idle) != 0 || fl_unlikely(fl_look(&p->vacant) != 0))) /* N8 */
        bring_somebody(p, idle);
}

/* How many a push could set to work, or rather those it could not do without: who splits what he has only
 * if somebody wants it asks at every step. */
unsigned fl_idle_wants(struct fl_pool *p)
{
    uint32_t idle = fl_load(&p->idle, relaxed);    /* hint: a push looks */
    int32_t vacant = fl_load(&p->vacant, relaxed); /* hint: likewise */
    uint32_t n = hungry(idle, vacant);

    return fl_unlikely(n != 0) && !fl_pool_is_paused(p) ? n : 0;
}

void fl_idle_wake_all(struct fl_pool *p)
{
    uint32_t idle = fl_load(&p->idle, relaxed); /* hint: the CAS decides */
    uint32_t n;

    do {
        n = sleepers(idle);
    } while (!fl_cas_weak(&p->idle, &idle, idle + n * (SEARCHER + TOKEN - SLEEPER), seq_cst,
                          relaxed)); /* N6; hint: the next try decides */
    if (n != 0)
        fl_futex_wake(&p->idle, INT_MAX);
}

/* Whether more are awake than there are CPUs: so the yield was to one of them, maybe. */
static bool is_crowded(struct fl_pool *p, bool from_outside)
{
    return awake(p, fl_load(&p->idle, relaxed)) + from_outside > p->cpus; /* hint */
}

bool fl_pool_spin_turn(struct fl_pool *p, struct fl_spin *spin, bool from_outside)
{
    if (!fl_spin_turn(spin))
        return false;
    if (fl_unlikely(spin->was_long) && (p == NULL || !is_crowded(p, from_outside)))
        return fl_spin_shy(spin);
    return true;
}

void fl_idle_meet(struct fl_pool *p)
{
    fl_add(&p->idle, 0, acq_rel); /* N7 */
}

static bool begin_search(struct fl_pool *p)
{
    uint32_t idle = fl_load(&p->idle, relaxed); /* hint: the CAS decides */

    do {
        if (searchers(idle) >= p->max_searchers)
            return false;
    } while (!fl_cas_weak(&p->idle, &idle, idle + SEARCHER, relaxed,
                          relaxed)); /* count: it is the leaving that orders */
    return true;
}

static void found(struct fl_pool *p)
{
    uint32_t idle = fl_sub(&p->idle, SEARCHER, seq_cst); /* N4 */

    if (searchers(idle) == 1 && fl_work_is_visible(p))
        fl_idle_notify(p);
}

static void announce(struct fl_pool *p, bool searching)
{
    fl_add(&p->idle, searching ? SLEEPER - SEARCHER : SLEEPER, seq_cst); /* N3 */
}

/* Back from the brink: as a searcher, or for good. */
static void renounce(struct fl_pool *p, bool to_search)
{
    uint32_t idle = fl_load(&p->idle, relaxed); /* hint: the CAS decides */
    uint32_t next;

    do {
        next = tokens(idle) != 0 ? idle - TOKEN : idle - SLEEPER + SEARCHER;
        if (!to_search)
            next -= SEARCHER;
    } while (
        !fl_cas_weak(&p->idle, &idle, next, acquire, relaxed)); /* N5; hint: the next decides */
}

/* False: it has slept for too long, and is no sleeper any more. */
static bool sleep_until_chosen(struct fl_worker *w)
{
    struct fl_pool *p = w->pool;
    filch_deadline until = fl_worker_bedtime(w);
    uint32_t idle = fl_load(&p->idle, relaxed); /* hint: the CAS decides */
    bool is_late = false;

    for (;;) {
        if (tokens(idle) != 0) {
            if (fl_cas_weak(&p->idle, &idle, idle - TOKEN, acquire, relaxed)) /* N5; hint */
                return true;
        } else if (is_late) {
            if (fl_cas_weak(&p->idle, &idle, idle - SLEEPER, acq_rel, relaxed)) /* N7; hint */
                return false;
        } else {
            is_late = fl_futex_wait(&p->idle, idle, until) == FILCH_ETIMEDOUT;
            idle = fl_load(&p->idle, relaxed); /* hint: the CAS decides */
        }
    }
}

/* A worker, and no spare. Settled by N3 for whoever has announced: who lowers the number moves idle
 * after it. */
static bool is_surplus(const struct fl_worker *w)
{
    return fl_worker_may_be_surplus(w) && w->rank < w->pool->n_workers;
}

/* What a pause has left on its own deque, or who had the slot before: perhaps nobody else is there to steal it. */
static struct fl_task *take_from_deques(struct fl_worker *w)
{
    struct fl_task *task = fl_deque_pop(&w->deque);

    return task != NULL ? task : fl_take_from_workers(w);
}

/* Lanes at every turn: their words change only when something comes. Deques less often: to look at
 * one is to take the line from its owner. */
static struct fl_task *search(struct fl_worker *w, struct fl_spin *spin)
{
    struct fl_pool *p = w->pool;

    for (unsigned turn = 0; !fl_pool_is_paused(p) && !is_surplus(w); turn++) {
        struct fl_task *task = fl_take_from_lanes(w);

        if (task == NULL && turn % 8 == 0)
            task = take_from_deques(w);
        if (task != NULL)
            return task;
        if (turn % 16 == 0 && !fl_pool_spin_turn(p, spin, false))
            return NULL;
        fl_relax();
    }
    return NULL;
}

static struct fl_task *idle_until_work(struct fl_worker *w, bool searching)
{
    struct fl_pool *p = w->pool;

    for (;;) {
        struct fl_spin spin = fl_spin_begin(&w->spinner, p->spin_ns);
        struct fl_task *task;
        uint32_t mode;

        spin.has_asked = awake(p, fl_load(&p->idle, relaxed)) > 1; /* hint: who could answer */
        task = searching ? search(w, &spin) : NULL;
        if (task != NULL) {
            fl_spin_hit(&spin);
            found(p);
            return task;
        }
        announce(p, searching);
        fl_stop_poll(p);
        /* settled by N3: who ends it or a pause of it has moved idle since, before our announce or after */
        mode = fl_load(&p->mode, relaxed);
        if ((mode & FL_EXIT) != 0 || fl_forked(&p->home.forked)) {
            renounce(p, false);
            fl_idle_wake_all(p); /* I5 */
            return NULL;
        }
        if (is_surplus(w) || ((mode & FL_PAUSED) == 0 && fl_work_is_visible(p))) {
            renounce(p, true);
        } else {
            fl_count(&w->count.parks);
            fl_worker_trace(w, FILCH_TRACE_PARK, NULL);
            searching = sleep_until_chosen(w);
            fl_spin_slept(&spin);
            fl_count(&w->count.wakes);
            fl_worker_trace(w, FILCH_TRACE_UNPARK, NULL);
            if (!searching) {
                if (fl_slot_may_end(w))
                    return NULL;
                continue;
            }
        }
        if (is_surplus(w)) {
            found(p); /* I9 */
            if (fl_spare_retire(w) && w->retires)
                return NULL;
            searching = begin_search(p);
            continue;
        }
        searching = true;
    }
}

struct fl_task *fl_idle(struct fl_worker *w)
{
    return idle_until_work(w, begin_search(w->pool));
}

struct fl_task *fl_idle_arrive(struct fl_worker *w)
{
    fl_add(&w->pool->idle, SEARCHER, relaxed); /* count: it is the leaving that orders */
    return idle_until_work(w, true);
}
