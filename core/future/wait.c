/* SPDX-License-Identifier: MIT
 *
 * wait.c: threads that wait: for one future, for many; and workers, that do something meanwhile.
 *
 * A thread spins for as long as a wake would cost, then sleeps: on the future's own state if it waits
 * for one, on a group's word if for many. A worker first runs what the wait is for, if that has not
 * started, or what the awaited task has pushed; when nothing is left that it may run, it brings in a
 * spare thread and sleeps like anybody else (help.c, spare.c). If it would wait for ever for itself,
 * directly or through others, it is told so: what its own stack runs is seen at once, a circle of
 * workers by whoever closes it (deadlock.c).
 *
 * Words   runner, floor   of the awaited future: who runs it, and from where on that worker's deque
 *                         lies what it has pushed (run.c, waiter.c)
 *         fired           of a group: the wait is over
 * Always  A1  floor is believed only if the future is still running after it was read: whoever ends
 *             it puts something else there, after the state
 * Orders  J1  help  runner, floor  acquire <- run.c's R1 waiter.c's V6
 *         J2  wake  fired          acquire <- waiter.c's V7 */
#include "future/wait.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/futex.h"
#include "base/options.h"
#include "base/thread.h"
#include "future/deadlock.h"
#include "future/future.h"
#include "future/run.h"
#include "future/waiter.h"
#include "sched/pool.h"

#include <string.h>

/* Whoever waits, for what, and how long it may still spin. */
struct wait {
    struct fl_worker *w; /* the calling worker, or NULL */
    int64_t spin_ns;
    int64_t spin_until; /* 0: not begun */
    filch_deadline deadline;
    bool is_stubborn;  /* sleeps even if it closes a circle */
    bool is_announced; /* deadlock.c: others may follow what this worker waits for */
    bool has_spare;    /* a stand-in was brought in */
    bool is_desperate; /* none was to be had: nest as deep as the stack allows */
};

static struct fl_pool *pool_of(const filch_future *f)
{
    if (f->home == NULL || f->home->ops != &fl_pool_home_ops)
        return NULL;
    return fl_container_of(f->home, struct fl_pool, home);
}

static bool is_over(const filch_future *f)
{
    return fl_future_phase(f) >= FL_OVER;
}

static bool one_is_over(const void *f)
{
    return is_over(f);
}

static bool has_fired(const void *group)
{
    const struct fl_group *g = group;

    return fl_load(&g->fired, acquire) != 0; /* J2 */
}

/* What a worker runs is on its own stack, below the caller. */
static bool is_running_on(const struct fl_worker *w, const filch_future *f)
{
    return fl_future_phase(f) == FL_RUNNING &&
           fl_load(&f->runner, relaxed) == w->index + 1; /* own word, if it is ours */
}

/* What forbids waiting for f at all; 0: nothing does. */
static int objection(struct fl_worker *w, const filch_future *f)
{
    if (f->home != NULL && fl_forked(&f->home->forked))
        return FILCH_EFORKED;
    if (w != NULL && pool_of(f) == w->pool && is_running_on(w, f))
        return FILCH_EDEADLK;
    return 0;
}

static bool is_running(void *f)
{
    return fl_future_phase(f) == FL_RUNNING;
}

static bool help_now(struct fl_worker *w, filch_future *f)
{
    uint32_t phase = fl_future_phase(f);

    if (pool_of(f) == w->pool) {
        uint16_t runner;

        if (phase == FL_PENDING && (fl_help_with(w, &f->task) || fl_future_run_here(w, f)))
            return true;
        runner = fl_load(&f->runner, acquire); /* J1 */
        if (phase == FL_RUNNING && runner != 0 &&
            fl_help_from(w, runner - 1U, fl_load(&f->floor, acquire), is_running, f)) /* J1 */
            return true;
    }
    return w->pool->help == FILCH_HELP_ANY && fl_help_any(w);
}

static bool may_help(const struct wait *wait)
{
    const struct fl_worker *w = wait->w;

    if (w == NULL || w->pool->help == FILCH_HELP_NONE || fl_self()->nohelp != 0)
        return false;
    return wait->is_desperate ? fl_stack_has_eighths(1)
                              : w->nested < FL_MAX_NESTED && fl_stack_has_eighths(4);
}

static bool help_with(struct fl_worker *w, void *f)
{
    return help_now(w, f);
}

/* What runs on top of the waiting task has nothing of that one's (running.h): functions have their own, and
 * callbacks, hooks and dtors none. */
static bool run_on_top(struct fl_worker *w, bool (*help)(struct fl_worker *w, void *what),
                       void *what)
{
    struct fl_self *self = fl_self();
    void *running = self->running;
    void *context = self->context;
    bool helped;

    self->running = NULL;
    self->context = NULL;
    w->nested++;
    helped = help(w, what);
    w->nested--;
    if (helped)
        fl_waiters_catch_up(); /* what it ran may have put something off for us to tell */
    self->running = running;
    self->context = context;
    return helped;
}

bool fl_help_with_future(struct fl_worker *w, filch_future *f)
{
    return !is_over(f) && help_now(w, f);
}

/* Runs something that brings f nearer to its end. The caller holds a reference to f. */
static bool help(struct wait *wait, filch_future *f)
{
    bool helped;

    if (!may_help(wait))
        return false;
    helped = run_on_top(wait->w, help_with, f);
    if (helped)
        wait->spin_until = 0;
    return helped;
}

/* Watches for a moment. False: that is no use any more. */
static bool spin(struct wait *wait, bool (*is_done)(const void *what), const void *what)
{
    int64_t now;

    if (wait->spin_ns <= 0)
        return false;
    now = fl_now();
    if (wait->spin_until == 0)
        wait->spin_until = fl_saturating_add(now, wait->spin_ns);
    if (now >= wait->spin_until)
        return false;
    if (wait->spin_until - now < wait->spin_ns - FL_EAGER_NS)
        fl_thread_yield(); /* whoever is to end the wait may want this very CPU */
    for (int i = 0; i < 32 && !is_done(what); i++)
        fl_relax();
    return true;
}

/* What the waiting worker ran meanwhile may have forked, and this may be the child. */
static bool is_child(const struct wait *wait)
{
    return wait->w != NULL && fl_forked(&wait->w->pool->home.forked);
}

static bool has_passed(filch_deadline deadline)
{
    return deadline <= 0 || (deadline != FILCH_FOREVER && fl_now() >= deadline);
}

static struct wait wait_begin(const filch_future *f, filch_deadline deadline)
{
    struct fl_pool *p = f != NULL ? pool_of(f) : NULL;
    struct fl_worker *w = fl_worker_self();

    if (p == NULL && w != NULL)
        p = w->pool;
    return (struct wait){w, p != NULL ? p->spin_ns : 0, 0, deadline, false, false, false, false};
}

static int sleep_on_state(filch_future *f, filch_deadline deadline)
{
    while (fl_future_expect(f)) {
        uint32_t state = fl_load(&f->state, relaxed); /* hint: the kernel compares it again */

        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0 &&
            fl_futex_wait(&f->state, state, deadline) != 0)
            return is_over(f) ? 0 : FILCH_ETIMEDOUT;
    }
    return 0;
}

/* Asleep, a worker is none: a spare stands in for it. As long as none can be had it sleeps for moments
 * and asks again. */
static int sleep_in(struct wait *wait, int (*sleep)(void *what, filch_deadline deadline),
                    void *what)
{
    enum {
        MOMENT_NS = 10000000
    };
    int status;

    while (wait->w != NULL && !wait->has_spare) {
        filch_deadline moment = fl_saturating_add(fl_now(), MOMENT_NS);

        status = sleep(what, moment < wait->deadline ? moment : wait->deadline);
        if (status == 0 || has_passed(wait->deadline))
            return status;
        wait->has_spare = fl_block_begin(wait->w->pool);
    }
    status = sleep(what, wait->deadline);
    if (wait->w != NULL)
        fl_block_end(wait->w->pool);
    return status;
}

/* False: the caller is a worker, no spare can be had, and it has not gone as deep as it can: it had
 * better help than sleep. */
static bool may_sleep(struct wait *wait)
{
    if (wait->w == NULL)
        return true;
    wait->has_spare = fl_block_begin(wait->w->pool);
    if (wait->has_spare || wait->is_desperate)
        return true;
    wait->is_desperate = true;
    return false;
}

static void withdraw(struct wait *wait)
{
    if (wait->is_announced)
        fl_deadlock_withdraw(wait->w);
    wait->is_announced = false;
}

/* Nothing but the end of f would wake the caller. True: and that would never come. */
static bool closes_a_circle(struct wait *wait, filch_future *f)
{
    if (wait->w == NULL || wait->deadline != FILCH_FOREVER)
        return false;
    fl_deadlock_announce(wait->w, f);
    wait->is_announced = true;
    if (wait->is_stubborn || !fl_deadlock_is_closed(wait->w))
        return false;
    withdraw(wait);
    return true;
}

static int sleep_on_one(void *f, filch_deadline deadline)
{
    const filch_future *one = f;

    if (one->home != NULL && one->home->ops->wait != NULL)
        return one->home->ops->wait(one->home, f, deadline);
    return sleep_on_state(f, deadline);
}

static int await_one(filch_future *f, filch_deadline deadline, bool is_stubborn)
{
    struct wait wait;
    int status;

    if (is_over(f))
        return 0;
    if (deadline > FILCH_NOW) /* who only looks may be a callback himself, of thousands */
        fl_waiters_catch_up();
    wait = wait_begin(f, deadline);
    wait.is_stubborn = is_stubborn;
    status = objection(wait.w, f);
    if (status != 0)
        return status;
    fl_future_kick(f);
    while (!is_over(f)) {
        if (is_child(&wait))
            return FILCH_EFORKED;
        if (has_passed(deadline))
            return is_over(f) ? 0 : FILCH_ETIMEDOUT;
        if (help(&wait, f))
            continue;
        if (spin(&wait, one_is_over, f))
            continue;
        if (closes_a_circle(&wait, f))
            return FILCH_EDEADLK;
        if (may_sleep(&wait)) {
            status = sleep_in(&wait, sleep_on_one, f);
            withdraw(&wait);
            return status;
        }
        withdraw(&wait);
    }
    return 0;
}

int fl_future_await(filch_future *f, filch_deadline deadline)
{
    return await_one(f, deadline, false);
}

int fl_future_await_end(filch_future *f)
{
    return await_one(f, FILCH_FOREVER, true);
}

static int sleep_on_group(void *group, filch_deadline deadline)
{
    struct fl_group *g = group;

    while (!has_fired(g)) {
        if (fl_futex_wait(&g->fired, 0, deadline) != 0)
            return FILCH_ETIMEDOUT;
    }
    return 0;
}

/* Registers with all that are not over, and takes the registering one's turn away. */
static int join_all(filch_future **futures, size_t n, struct fl_group *g, struct fl_waiter **nodes)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++) {
        fl_add(&g->left, 1, relaxed); /* count: the registering one's 1 is still there */
        status = fl_waiter_join(futures[i], &g->listener, &nodes[i]);
        if (nodes[i] == NULL)
            fl_group_tell(g, status == 0 ? futures[i] : NULL);
    }
    fl_group_tell(g, NULL);
    return status;
}

static void leave_all(struct fl_waiter **nodes, size_t n, struct fl_group *g)
{
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] != NULL)
            fl_waiter_leave(nodes[i], &g->listener);
    }
}

static bool help_any_of(struct wait *wait, const struct fl_awaited *a, size_t *first)
{
    if (wait->w == NULL)
        return false;
    while (*first < a->n && (a->futures[*first] == NULL || is_over(a->futures[*first])))
        ++*first;
    if (a->help != NULL && may_help(wait))
        return run_on_top(wait->w, a->help, a->what);
    for (size_t i = *first; i < a->n; i++) {
        if (a->futures[i] != NULL && !is_over(a->futures[i]) && help(wait, a->futures[i]))
            return true;
    }
    return false;
}

static const filch_future *any_of(const struct fl_awaited *a)
{
    size_t i = 0;

    while (i < a->n && a->futures[i] == NULL)
        i++;
    return i < a->n ? a->futures[i] : NULL;
}

/* only: the one future for whose end alone it waits, or NULL. */
static int await(const struct fl_awaited *a, filch_deadline deadline, int64_t spin_ns,
                 filch_future *only)
{
    struct wait wait;
    size_t first = 0;

    if (a->is_over(a->what))
        return 0;
    if (deadline > FILCH_NOW)
        fl_waiters_catch_up();
    wait = wait_begin(any_of(a), deadline);
    if (spin_ns != 0)
        wait.spin_ns = spin_ns;
    do {
        if (is_child(&wait))
            return FILCH_EFORKED;
        if (has_passed(deadline))
            return a->is_over(a->what) ? 0 : FILCH_ETIMEDOUT;
        if (help_any_of(&wait, a, &first))
            continue;
        if (spin(&wait, a->is_over, a->what))
            continue;
        if (only != NULL && closes_a_circle(&wait, only))
            return FILCH_EDEADLK;
        if (may_sleep(&wait)) {
            int status = sleep_in(&wait, a->sleep, a->what);

            withdraw(&wait);
            return status;
        }
        withdraw(&wait);
    } while (!a->is_over(a->what));
    return is_child(&wait) ? FILCH_EFORKED : 0;
}

int fl_await(const struct fl_awaited *a, filch_deadline deadline)
{
    return await(a, deadline, 0, NULL);
}

/* How many are over, and whether that is enough. */
static size_t survey(filch_future *const *futures, size_t n, const filch_wait_options *o,
                     bool *enough)
{
    enum filch_return_when when = o->when;
    size_t over = 0;
    bool hit = false;

    for (size_t i = 0; i < n; i++) {
        uint32_t phase = fl_future_phase(futures[i]);

        if (phase < FL_OVER)
            continue;
        over++;
        hit = hit || when == FILCH_FIRST_COMPLETED ||
              (when == FILCH_FIRST_EXCEPTION && phase == FL_FAILED) ||
              (when == FILCH_FIRST_SUCCESS && phase == FL_FINISHED);
    }
    *enough = hit || over == n || (when == FILCH_AT_LEAST && over >= o->at_least);
    return over;
}

/* Those that are over first, both parts in their order; aside has room for n. */
static size_t partition(filch_future **futures, size_t n, filch_future **aside)
{
    size_t over = 0;
    size_t pending = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_over(futures[i]))
            futures[over++] = futures[i];
        else
            aside[pending++] = futures[i];
    }
    memcpy(futures + over, aside, pending * sizeof aside[0]);
    return over;
}

static size_t mark(filch_future *const *futures, size_t n, bool *done)
{
    size_t over = 0;

    for (size_t i = 0; i < n; i++) {
        done[i] = is_over(futures[i]);
        over += done[i];
    }
    return over;
}

int fl_await_objection(filch_future *const *futures, size_t n)
{
    struct fl_worker *w = fl_worker_self();

    for (size_t i = 0; i < n; i++) {
        int status = is_over(futures[i]) ? 0 : objection(w, futures[i]);

        if (status != 0)
            return status;
    }
    for (size_t i = 0; i < n; i++)
        fl_future_kick(futures[i]);
    return 0;
}

/* A group that a thread waits for: left, whether the wait is over or the thread ends in what it runs
 * meanwhile. */
struct joined {
    struct fl_group *g;
    struct fl_waiter **nodes;
    size_t n;
};

static void leave_group(struct joined *j)
{
    leave_all(j->nodes, j->n, j->g);
    fl_group_release(j->g);
}

/* room is for n pointers: first the nodes, then the futures that are put aside. */
static ptrdiff_t wait_for(filch_future **futures, size_t n, const filch_wait_options *o,
                          void **room)
{
    struct fl_waiter **nodes = (struct fl_waiter **)room;
    struct fl_group *g;
    bool enough;
    int status;

    survey(futures, n, o, &enough);
    if (!enough) {
        status = fl_await_objection(futures, n);
        if (status != 0)
            return status;
        g = fl_group_create(o->when);
        if (g == NULL)
            return FILCH_ENOMEM;
        fl_init(&g->missing, o->at_least);
        memset(room, 0, n * sizeof room[0]);

        struct joined joined fl_cleanup(leave_group) = {g, nodes, n};
        status = join_all(futures, n, g, nodes);
        if (status == 0) {
            struct fl_awaited awaited = {has_fired, sleep_on_group, g, futures, n, NULL};

            status = await(&awaited, o->deadline, o->spin_ns, n == 1 ? futures[0] : NULL);
        }
        if (status != 0 && status != FILCH_ETIMEDOUT)
            return status;
    }
    if (o->done != NULL)
        return (ptrdiff_t)mark(futures, n, o->done);
    return (ptrdiff_t)partition(futures, n, (filch_future **)room);
}

static void free_room(void ***room)
{
    fl_free(*room);
}

/* Options are complete. */
static ptrdiff_t wait_with(filch_future **futures, size_t n, const filch_wait_options *o)
{
    enum {
        FEW = 32
    };
    void *few[FEW];
    void **room fl_cleanup(free_room) = NULL;

    if ((futures == NULL && n != 0) || n > PTRDIFF_MAX / sizeof(void *))
        return FILCH_EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL)
            return FILCH_EINVAL;
    }
    if (n == 0)
        return 0;
    if (n > FEW) {
        room = fl_malloc(n * sizeof room[0]);
        if (room == NULL)
            return FILCH_ENOMEM;
    }
    return wait_for(futures, n, o, room != NULL ? room : few);
}

ptrdiff_t filch_wait(filch_future **futures, size_t n, enum filch_return_when when,
                     filch_deadline deadline)
{
    filch_wait_options o = {.size = sizeof o, .when = when, .deadline = deadline};

    if ((unsigned)when > FILCH_FIRST_SUCCESS)
        return FILCH_EINVAL;
    return wait_with(futures, n, &o);
}

ptrdiff_t filch_wait_with(filch_future **futures, size_t n, const filch_wait_options *options)
{
    filch_wait_options o = {.size = sizeof o};
    int status = 0;

    if (options != NULL)
        status = fl_options_complete(&o, sizeof o, options, options->size);
    if (status != 0)
        return status;
    if ((unsigned)o.when > FILCH_AT_LEAST || o.at_least > n ||
        (o.at_least != 0 && o.when != FILCH_AT_LEAST))
        return FILCH_EINVAL;
    if (o.deadline == 0)
        o.deadline = FILCH_FOREVER;
    return wait_with(futures, n, &o);
}
