/* SPDX-License-Identifier: MIT
 *
 * deadlock.c: workers that wait for each other in a circle, across executors too, and are told.
 *
 * A worker that is about to sleep for ever for one future says which, and then follows: to the worker
 * that runs the future, to what that one sleeps for, and so on. If it comes back to itself, nothing in
 * the circle can ever go on: everything on a stack ends before what lies below it, so the stack that
 * runs a future depends on what its uppermost task waits for. Each announces before it follows; so of
 * those who close a circle the last finds it, and those who close it at once may all find it.
 *
 * Who can not leave his wait, because what he waits for uses what he has on his stack, tells another in
 * the circle if he closes it: that one is woken, walks himself, and leaves if the circle is still there.
 *
 * Only waits for one future without a deadline are edges, and only of workers: whoever else waits runs
 * nothing that could be waited for. A promise, or a future that is queued, leads nowhere.
 *
 * What is followed changes meanwhile. An edge is believed if it had been there when the future before
 * it was last seen running on that worker, and is there still: then that future lies below the wait, on
 * a stack that does not move, and is not over. By that, from the end to the beginning, every edge is
 * there when the circle is found.
 *
 * Words   waits      of a worker: how often it has announced and withdrawn, odd while it is announced;
 *                    its own thread moves it
 *         awaited    plain: for what, while waits is odd
 *         may_be_told   plain: likewise: the wait can be left, and sleeps on the state of awaited
 *         told       which of its waits closes a circle, as somebody says who can not leave his
 *         wait_lock  a withdrawal is made under it: who holds it, and finds waits odd, has an awaited
 *                    future that stays. Whoever follows holds one at a time
 *         state, runner   of a future: future.c, run.c
 * Always  C1  who follows pins the pool of the worker he goes to before he lets go of the one whose
 *             awaited future keeps it
 *         C2  a circle that does not lead back to who follows is left when it is seen to be one: those
 *             in it are told
 * Orders  D1  announce  waits   look -> D2       what its stack runs, its wait; then the others'
 *         D2  follow    waits   look <- D1
 *         D3  follow    state   look <- future.c's F3
 *         D4  follow    runner  look <- run.c's R1
 *         D5  follow    top_slot  look <- spare.c's E2
 *         D6  tell      state   add release -> future.c's F2 wait.c's J2   told before the count: who sleeps
 *                                                                   on another count has to look again
 * Why one is found: of the announcements in a circle one is last in the order of D1's fences; what
 * the others have stored before theirs, its walk sees. Where there are no fences it looks at theirs first. */
#include "future/deadlock.h"

#include "base/compiler.h"
#include "base/futex.h"
#include "future/run.h"
#include "sched/pool.h"

#include <limits.h>

static bool is_running(const filch_future *f)
{
    return (fl_look(&f->state) & FL_PHASE) == FL_RUNNING; /* D3 */
}

/* Without fences, who has announced has shown what its stack runs to whoever has seen the announcement. */
static void look_at_announcements(struct fl_pool *p)
{
    uint32_t n = fl_look(&p->top_slot); /* D5 */

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            (void)fl_look(&w->waits); /* D2 */
    }
}

/* NULL: no worker runs it, as far as can be told. */
static struct fl_worker *runner_of(const filch_future *f)
{
    struct fl_pool *p;
    uint16_t runner;

    if (f->home == NULL || f->home->ops != &fl_pool_home_ops)
        return NULL;
    p = fl_container_of(f->home, struct fl_pool, home);
    if (!FL_HAS_FENCES)
        look_at_announcements(p);
    if (!is_running(f))
        return NULL;
    runner = fl_look(&f->runner); /* D4 */
    return runner != 0 ? fl_worker_at(p, runner - 1U) : NULL;
}

/* Which wait of w's it is below which f runs; 0: none. A periodic one may run elsewhere by now. */
static uint64_t wait_above(struct fl_worker *w, const filch_future *f)
{
    uint64_t turn = fl_look(&w->waits); /* D2 */

    return turn % 2 != 0 && runner_of(f) == w ? turn : 0;
}

/* Holds on to what w waits for. NULL: it is not in that wait any more, and nothing is held. */
static filch_future *enter(struct fl_worker *w, uint64_t turn)
{
    fl_lock_enter(&w->wait_lock);
    if (fl_load(&w->waits, relaxed) == turn) /* settled by the lock */
        return w->awaited;
    fl_lock_leave(&w->wait_lock);
    fl_pool_unpin(w->pool);
    return NULL;
}

static void leave(struct fl_worker *w)
{
    struct fl_pool *p;

    if (w == NULL)
        return;
    p = w->pool;
    fl_lock_leave(&w->wait_lock);
    fl_pool_unpin(p);
}

/* f stays meanwhile, and so does all that goes with it to the hook: functions and names are not freed. */
static void note(struct fl_circle *circle, const filch_future *f)
{
    const struct fl_extra *extra = fl_extra_of(f);

    if (circle->n < sizeof circle->tasks / sizeof circle->tasks[0])
        circle->tasks[circle->n] = (filch_deadlock_task){extra != NULL ? extra->name : NULL, f->fn};
    circle->n++;
}

/* Somebody in a circle who can leave it, and which of his waits it is. His pool is pinned. */
struct member {
    struct fl_worker *w; /* NULL: nobody */
    uint64_t turn;
};

static void let_go_of(struct member *m)
{
    if (m->w != NULL)
        fl_pool_unpin(m->w->pool);
    m->w = NULL;
}

static void note_member(struct member *m, struct fl_worker *w, uint64_t turn)
{
    if (!w->may_be_told)
        return;
    let_go_of(m);
    fl_pool_pin(w->pool);
    *m = (struct member){w, turn};
}

/* Whether what f needs leads to w itself; m, or NULL, becomes one on the way who can leave. Brent's way to see
 * a circle: every now and then the place is noted, twice as late each time. */
static bool leads_back(const struct fl_worker *w, const filch_future *f, struct fl_circle *circle,
                       struct member *m)
{
    struct fl_worker *at = NULL;
    const struct fl_worker *noted = NULL;
    uint64_t steps = 0;
    uint64_t note_at = 1;

    while (f != NULL) {
        struct fl_worker *next = runner_of(f);
        uint64_t turn = next != NULL && next != w ? wait_above(next, f) : 0;

        note(circle, f);
        if (next == noted)
            turn = 0; /* C2 */
        if (turn != 0)
            fl_pool_pin(next->pool); /* C1 */
        leave(at);
        if (turn == 0)
            return next == w;
        f = enter(next, turn);
        at = next;
        if (m != NULL && f != NULL)
            note_member(m, at, turn);
        if (++steps == note_at) {
            noted = next;
            note_at *= 2;
        }
    }
    return false;
}

static uint64_t own_waits(const struct fl_worker *w)
{
    return fl_load(&w->waits, relaxed); /* own word */
}

void fl_deadlock_announce(struct fl_worker *w, filch_future *f, bool may_be_told)
{
    w->awaited = f;
    w->may_be_told = may_be_told;
    fl_store_look(&w->waits, own_waits(w) + 1); /* D1 */
}

bool fl_deadlock_is_closed(struct fl_worker *w, struct fl_circle *circle)
{
    circle->n = 0;
    return leads_back(w, w->awaited, circle, NULL);
}

/* If he is still in that wait he stays until the lock is left, and so does what he waits for. */
static void tell(const struct member *m)
{
    filch_future *f;

    fl_pool_pin(m->w->pool);
    f = enter(m->w, m->turn);
    if (f == NULL)
        return;
    fl_store(&m->w->told, m->turn, relaxed); /* settled by D6 */
    fl_add(&f->state, FL_NUDGE, release);    /* D6 */
    fl_futex_wake(&f->state, INT_MAX);
    leave(m->w);
}

void fl_deadlock_tell_another(struct fl_worker *w)
{
    struct fl_circle circle = {.n = 0};
    struct member m = {NULL, 0};

    if (leads_back(w, w->awaited, &circle, &m) && m.w != NULL)
        tell(&m);
    let_go_of(&m);
}

bool fl_deadlock_is_told(const struct fl_worker *w)
{
    uint64_t waits = own_waits(w);

    return waits % 2 != 0 && fl_load(&w->told, relaxed) == waits; /* settled by D6 */
}

void fl_deadlock_report(struct fl_worker *w, const struct fl_circle *circle)
{
    enum {
        ROOM = sizeof circle->tasks / sizeof circle->tasks[0]
    };
    filch_deadlock info = {circle->tasks, circle->n, circle->n < ROOM ? circle->n : ROOM};

    if (w->pool->on_deadlock != NULL)
        w->pool->on_deadlock(&info, w->pool->hook_arg);
}

void fl_deadlock_report_one(struct fl_worker *w, const filch_future *f)
{
    struct fl_circle circle = {.n = 0};

    note(&circle, f);
    fl_deadlock_report(w, &circle);
}

void fl_deadlock_withdraw(struct fl_worker *w)
{
    fl_lock_enter(&w->wait_lock);
    fl_store(&w->waits, own_waits(w) + 1, relaxed); /* settled by the lock */
    fl_lock_leave(&w->wait_lock);
}
