/* SPDX-License-Identifier: MIT
 *
 * wait.c: threads that wait, for one future or for anything; and workers, that do something meanwhile.
 *
 * A thread watches for as long as a wake would cost, if that has mostly been enough (base/spin.h), then
 * sleeps: on the future's own state if it waits for one, or as whoever asks has it (wait_many.c). A worker
 * first runs what the wait is for, if that has not started, or what the awaited task has pushed; when
 * nothing is left that it may run, it brings in a spare thread and sleeps like anybody else (help.c,
 * spare.c). If it would wait for ever for itself, directly or through others, it is told so: what its own
 * stack runs is seen at once, a circle of workers by whoever closes it (deadlock.c).
 *
 * Words   runner, floor   of the awaited future: who runs it, and from where on that worker's deque
 *                         lies what it has pushed (run.c, waiter.c)
 * Always  A1  floor is believed only if the future is still running after it was read: whoever ends
 *             it puts something else there, after the state
 * Orders  J1  help  runner, floor  acquire <- run.c's R1 waiter.c's V6
 *         J2  sleep state          acquire <- deadlock.c's D6     the very word that the kernel compares */
#include "future/wait.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/futex.h"
#include "base/thread.h"
#include "future/deadlock.h"
#include "future/forkjoin.h"
#include "future/future.h"
#include "future/run.h"
#include "future/waiter.h"
#include "sched/pool.h"

/* Whoever waits, and how long it may still spin. */
struct wait {
    struct fl_worker *w; /* the calling worker, or NULL */
    struct fl_pool *pool;
    struct fl_spin spin;
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
    filch_task *forks = fl_forks_set_aside();
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
    fl_forks_put_back(forks);
    return helped;
}

bool fl_help_with_future(struct fl_worker *w, filch_future *f)
{
    return !is_over(f) && help_now(w, f);
}

static struct fl_spin spin_begin(const struct fl_worker *w, int64_t most_ns)
{
    struct fl_spin spin = fl_spin_begin(&fl_self()->spinner, most_ns);

    spin.has_asked = w != NULL;
    return spin;
}

/* Runs something that brings f nearer to its end. The caller holds a reference to f. */
static bool help(struct wait *wait, filch_future *f)
{
    bool helped;

    if (!may_help(wait))
        return false;
    helped = run_on_top(wait->w, help_with, f);
    if (helped)
        wait->spin = spin_begin(wait->w, wait->spin.most_ns);
    return helped;
}

/* Watches for a moment. False: that is no use any more. */
static bool spin(struct wait *wait, bool (*is_done)(const void *what), const void *what)
{
    if (!fl_pool_spin_turn(wait->pool, &wait->spin, wait->w == NULL))
        return false;
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

bool fl_await_is_for_itself(const filch_future *f, filch_deadline deadline)
{
    return f->home != NULL && fl_unlikely(f->home->ops->is_teller != NULL) &&
           f->home->ops->is_teller(f->home) && !is_over(f) && !has_passed(deadline);
}

static struct wait wait_begin(const filch_future *f, filch_deadline deadline)
{
    struct fl_pool *p = f != NULL ? pool_of(f) : NULL;
    struct fl_worker *w = fl_worker_self();

    if (p == NULL && w != NULL)
        p = w->pool;
    return (struct wait){
        .w = w, .pool = p, .spin = spin_begin(w, p != NULL ? p->spin_ns : 0), .deadline = deadline};
}

static int sleep_on_state(filch_future *f, filch_deadline deadline)
{
    const struct fl_worker *w = fl_worker_self();

    while (fl_future_expect(f)) {
        uint32_t state = fl_load(&f->state, acquire); /* J2 */

        if (fl_unlikely(w != NULL) && fl_deadlock_is_told(w))
            return FILCH_EDEADLK;
        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0 &&
            fl_futex_wait(&f->state, state, deadline) != 0)
            return is_over(f) ? 0 : FILCH_ETIMEDOUT;
    }
    return 0;
}

/* Asleep, a worker is none: a spare stands in for it. As long as none can be had it sleeps for moments
 * and asks again; and if it may help it does not sleep on, but looks whether there is something by now
 * (FILCH_EAGAIN): perhaps nobody else would run that. */
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
        if (status == 0 || status == FILCH_EDEADLK || has_passed(wait->deadline))
            return status;
        wait->has_spare = fl_block_begin(wait->w->pool);
        if (!wait->has_spare && may_help(wait))
            return FILCH_EAGAIN;
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

/* Of whoever has announced himself. */
static fl_apart bool is_in_a_circle(struct wait *wait)
{
    struct fl_circle circle;

    if (!fl_deadlock_is_closed(wait->w, &circle))
        return false;
    withdraw(wait);
    fl_deadlock_report(wait->w, &circle);
    return true;
}

/* Nothing but the end of f would wake the caller, or whoever else closes a circle. True: and that would never
 * come. Apart, for waits nest, and a circle takes room. */
static fl_apart bool closes_a_circle(struct wait *wait, filch_future *f, bool sleeps_on_state)
{
    if (wait->w == NULL || wait->deadline != FILCH_FOREVER)
        return false;
    fl_deadlock_announce(wait->w, f, sleeps_on_state && !wait->is_stubborn);
    wait->is_announced = true;
    if (!wait->is_stubborn)
        return is_in_a_circle(wait);
    fl_deadlock_tell_another(wait->w);
    return false;
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
    if (deadline > FILCH_NOW) { /* who only looks may be a callback himself, of thousands */
        fl_waiters_catch_up();
        fl_forks_show();
    }
    if (fl_await_is_for_itself(f, deadline))
        return FILCH_EDEADLK;
    wait = wait_begin(f, deadline);
    wait.is_stubborn = is_stubborn;
    status = objection(wait.w, f);
    if (status != 0)
        return fl_await_refused(wait.w, f, status);
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
        if (closes_a_circle(&wait, f, f->home == NULL || f->home->ops->wait == NULL))
            return FILCH_EDEADLK;
        if (may_sleep(&wait)) {
            status = sleep_in(&wait, sleep_on_one, f);
            fl_spin_slept(&wait.spin);
            if (status == FILCH_EDEADLK && is_in_a_circle(&wait))
                return FILCH_EDEADLK;
            withdraw(&wait);
            if (status == FILCH_EAGAIN) {
                wait.spin = spin_begin(wait.w, wait.spin.most_ns);
                continue;
            }
            if (status != FILCH_EDEADLK)
                return status;
            wait.has_spare = false; /* the circle was left by another: once more */
        }
        withdraw(&wait);
    }
    fl_spin_hit(&wait.spin);
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

/* One of them at least: as if it were the calling task (filch/wait.h). */
static bool waits_for_its_own(const struct fl_awaited *a, filch_deadline deadline)
{
    if (fl_self()->keeper == NULL)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (a->futures[i] != NULL && fl_await_is_for_itself(a->futures[i], deadline))
            return true;
    }
    return false;
}

int fl_await(const struct fl_awaited *a, filch_deadline deadline)
{
    struct fl_spinner forgetful = {0};
    struct wait wait;
    size_t first = 0;

    if (a->is_over(a->what))
        return 0;
    if (deadline > FILCH_NOW) {
        fl_waiters_catch_up();
        fl_forks_show();
    }
    if (waits_for_its_own(a, deadline))
        return a->is_over(a->what) ? 0 : FILCH_EDEADLK;
    wait = wait_begin(any_of(a), deadline);
    if (a->spin_ns != 0)
        wait.spin = fl_spin_begin(&forgetful, a->spin_ns); /* as it was asked for */
    do {
        if (is_child(&wait))
            return FILCH_EFORKED;
        if (has_passed(deadline))
            return a->is_over(a->what) ? 0 : FILCH_ETIMEDOUT;
        if (help_any_of(&wait, a, &first))
            continue;
        if (spin(&wait, a->is_over, a->what))
            continue;
        if (a->only != NULL && closes_a_circle(&wait, a->only, false))
            return FILCH_EDEADLK;
        if (may_sleep(&wait)) {
            int status = sleep_in(&wait, a->sleep, a->what);

            fl_spin_slept(&wait.spin);
            withdraw(&wait);
            if (status != FILCH_EAGAIN)
                return status;
            wait.spin = spin_begin(wait.w, wait.spin.most_ns);
        }
        withdraw(&wait);
    } while (!a->is_over(a->what));
    fl_spin_hit(&wait.spin);
    return is_child(&wait) ? FILCH_EFORKED : 0;
}

int fl_await_refused(struct fl_worker *w, const filch_future *f, int status)
{
    if (status == FILCH_EDEADLK)
        fl_deadlock_report_one(w, f);
    return status;
}

int fl_await_objection(struct fl_worker *w, filch_future *f)
{
    int status = is_over(f) ? 0 : objection(w, f);

    if (status == 0)
        fl_future_kick(f);
    return status;
}
