/* SPDX-License-Identifier: MIT
 *
 * future.c: one outcome, decided once, told to everyone who asks.
 *
 * Words   state    PENDING > RUNNING > FINISHED or FAILED; PENDING > CANCELLED; a promise goes
 *                  through SETTLING, so that of two who complete it one writes; a periodic one goes
 *                  back to PENDING between runs. Beside it, WAITED: somebody sleeps on this word;
 *                  TAKEN: the result of what has FINISHED is moved out; OBSERVED: somebody has read
 *                  that it FAILED; STOP: it was cancelled in a run, and is CANCELLED after it;
 *                  NUDGE: a count, so that no sleeper misses that he was told (deadlock.c, D6)
 *         refs     references: the handle's, the queue's; the last one frees
 *         waiters  callbacks, and waits for many: waiter.c
 *         runner, floor   written by whoever runs it (run.c), for a waiter to help (wait.c)
 * Always  B1  whose move took state to RUNNING (or SETTLING) owns the outcome; whose move took it to
 *             CANCELLED tells everyone
 *         B2  nobody touches a future after telling unless a reference of his own is left
 *             A record in the caller's memory (task.c) is not touched once its state is told: whoever
 *             sleeps there is woken by address alone
 *         B3  a sleeper has set WAITED in the very word whose swap ends the wait: one comes second
 *         B4  whoever's move has set TAKEN has the result; it stays set, so there is one. Whoever frees
 *             the future finds it set (F4: each taker gave a reference back), or the result is the
 *             future's own still and goes with it
 *         B5  a future that has finished as another did (then.c) keeps that one, which has the result
 *             and the bit: fl_future_owner
 *         B6  a failure is told once: to whoever reads it, and all who do set OBSERVED; or whoever frees
 *             the future finds that clear (F4, as in B4) and reports it
 *         B7  whose move took PENDING to CANCELLED has what the task was to run with: nobody else reads
 *             it any more, not whoever takes the task out of the queue
 * Orders  F1  settle  state  swap release -> F2     value and status before the state that shows them
 *         F2  read    state  acquire <- F1 F3 deadlock.c's D6
 *         F3  cancel  state  CAS release -> F2 deadlock.c's D3      and rest: a run before the next one
 *         F4  count   refs   sub acq_rel -> F5 F6   what was done with it before it is freed
 *         F5  alone   refs   acquire <- F4          the only reference left is ours
 *         F6  last    refs   sub acq_rel <- F4
 * No store-then-look: sleeping and settling meet in state alone. */
#include "future/future.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/futex.h"
#include "future/error.h"
#include "future/waiter.h"
#include "sched/pool.h"

#include <limits.h>

void fl_future_init(filch_future *f, const struct fl_task_ops *ops, struct fl_home *home,
                    enum fl_future_kind kind, filch_task_fn *fn, void *arg, uint32_t refs)
{
    f->task.ops = ops;
    fl_init(&f->state, FL_PENDING);
    fl_init(&f->refs, refs);
    fl_init(&f->waiters, NULL);
    f->fn = fn;
    f->u.arg = arg;
    f->home = home;
    fl_init(&f->floor, 0);
    fl_init(&f->runner, 0);
    f->status = 0;
    f->kind = (uint8_t)kind;
    f->has_extra = 0;
}

uint32_t fl_future_phase(const filch_future *f)
{
    return fl_load(&f->state, acquire) & FL_PHASE; /* F2 */
}

/* True: the caller has moved it, and *before is what it was. */
static bool move(filch_future *f, uint32_t from, uint32_t to, uint32_t *before)
{
    *before = fl_load(&f->state, relaxed); /* hint: the CAS decides */
    do {
        if ((*before & FL_PHASE) != from)
            return false;
    } while (!fl_cas_weak(&f->state, before, (*before & ~(uint32_t)FL_PHASE) | to, release,
                          relaxed)); /* F3; hint: the next try decides */
    return true;
}

bool fl_future_claim(filch_future *f)
{
    uint32_t before;

    return move(f, FL_PENDING, FL_RUNNING, &before);
}

/* After the state: sleepers first, then the nodes in the order added. */
static void tell(filch_future *f, uint32_t state_before)
{
    if ((state_before & FL_WAITED) != 0) {
        if (f->home != NULL && f->home->ops->wake != NULL)
            f->home->ops->wake(f->home, f);
        else
            fl_futex_wake(&f->state, INT_MAX);
    }
    fl_waiters_tell(f);
}

void fl_future_finish_with(filch_future *f, int status, void *value, uint32_t bit)
{
    uint32_t outcome = status == 0 ? FL_FINISHED : FL_FAILED;

    f->status = status;
    f->u.result = value;
    tell(f, fl_swap(&f->state, outcome | bit, release)); /* F1 */
}

void fl_future_finish(filch_future *f, int status, void *value)
{
    fl_future_finish_with(f, status, value, 0);
}

void fl_future_finish_own(filch_future *f, uint32_t outcome, int status, void *value)
{
    fl_atomic(uint32_t) *state = &f->state;

    f->status = status;
    f->u.result = value;
    if ((fl_swap(state, outcome, release) & FL_WAITED) != 0) /* F1 */
        fl_futex_wake(state, INT_MAX);
}

bool fl_future_drop(filch_future *f, int status)
{
    uint32_t before;

    if (status != FILCH_ECANCELED) {
        if (!fl_future_claim(f))
            return false;
        fl_future_finish(f, status, NULL);
        return true;
    }
    if (f->home != NULL && f->home->ops->may_cancel != NULL &&
        !f->home->ops->may_cancel(f->home, f))
        return false;
    if (!move(f, FL_PENDING, FL_CANCELLED, &before))
        return false;
    if (f->home != NULL && f->home->ops->let_go != NULL)
        f->home->ops->let_go(f->home, f); /* B7 */
    tell(f, before);
    return true;
}

bool fl_future_rest(filch_future *f)
{
    uint32_t state = fl_load(&f->state, relaxed); /* hint: the CAS decides */

    do {
        if ((state & FL_STOP) != 0)
            return false;
    } while (!fl_cas_weak(&f->state, &state, (state & ~(uint32_t)FL_PHASE) | FL_PENDING, release,
                          relaxed)); /* F3; hint: the next try decides */
    return true;
}

void fl_future_end_runs(filch_future *f, int status, struct fl_failure *failure)
{
    uint32_t state = fl_load(&f->state, relaxed); /* hint: the CAS decides */
    uint32_t to;

    f->status = status;
    f->u.failure = failure;
    do {
        to = (state & FL_STOP) != 0 ? FL_CANCELLED : FL_FAILED;
    } while (
        !fl_cas_weak(&f->state, &state, to, release, relaxed)); /* F3; hint: the next try decides */
    if (to == FL_CANCELLED)
        fl_failure_free(failure);
    tell(f, state);
}

/* Of a periodic one: false if it is not running. */
static bool stop_after_run(filch_future *f)
{
    uint32_t state = fl_load(&f->state, relaxed); /* hint: the CAS decides */

    do {
        if ((state & FL_PHASE) != FL_RUNNING)
            return false;
    } while (!fl_cas_weak(&f->state, &state, state | FL_STOP, release,
                          relaxed)); /* F3; hint: the next try decides */
    return true;
}

/* It may begin a run and end one as often as it likes meanwhile. */
static bool cancel_periodic(filch_future *f)
{
    do {
        if (fl_future_drop(f, FILCH_ECANCELED) || stop_after_run(f))
            return true;
    } while (fl_future_phase(f) < FL_OVER);
    return filch_future_cancelled(f);
}

bool fl_future_expect(filch_future *f)
{
    uint32_t state = fl_load(&f->state, acquire); /* F2 */

    do {
        if ((state & FL_PHASE) >= FL_OVER)
            return false;
        if ((state & FL_WAITED) != 0)
            return true;
    } while (!fl_cas_weak(&f->state, &state, state | FL_WAITED, acquire, acquire)); /* F2 */
    return true;
}

filch_future *fl_future_owner(const filch_future *f)
{
    const struct fl_promise_extra *extra = (struct fl_promise_extra *)fl_extra_of(f);
    filch_future *self = (filch_future *)(uintptr_t)f;

    if (fl_likely(f->kind != FL_KIND_PROMISE) || extra == NULL || extra->source == NULL)
        return self;
    return extra->source;
}

static bool is_taken(const filch_future *f)
{
    return (fl_load(&fl_future_owner(f)->state, relaxed) & FL_TAKEN) !=
           0; /* hint: who takes moves */
}

int fl_future_outcome(const filch_future *f, void **result)
{
    uint32_t state = fl_load(&f->state, acquire); /* F2 */

    switch (state & FL_PHASE) {
    case FL_FINISHED:
        if (fl_unlikely((state & FL_TAKEN) != 0) || (fl_unlikely(f->has_extra) && is_taken(f)))
            return FILCH_ESTATE;
        if (result != NULL)
            *result = f->u.result;
        return 0;
    case FL_FAILED:
        return f->status;
    default:
        return FILCH_ECANCELED;
    }
}

filch_future *filch_future_retain(filch_future *f)
{
    if (f != NULL)
        fl_add(&f->refs, 1, relaxed); /* count: the caller holds one */
    return f;
}

int fl_promise_move(filch_future *f, uint32_t to)
{
    uint32_t before;

    if (move(f, FL_PENDING, to, &before))
        return 1;
    if (to == FL_SETTLING && move(f, FL_RUNNING, to, &before))
        return 1;
    return (before & FL_PHASE) == FL_CANCELLED ? 0 : FILCH_ESTATE;
}

int fl_promise_cancel_started(filch_future *f)
{
    uint32_t before;

    filch_future_retain(f); /* whoever is told may give the caller's back */
    if (!move(f, FL_RUNNING, FL_CANCELLED, &before)) {
        filch_future_release(f);
        return FILCH_ESTATE;
    }
    tell(f, before);
    filch_future_release(f);
    return 0;
}

/* Of a future that was in this state. */
static filch_error error_of(const filch_future *f, uint32_t state)
{
    bool is_own = f->kind == FL_KIND_PROMISE && (state & FL_ALIKE) == 0;

    if ((state & FL_PHASE) != FL_FAILED)
        return (filch_error){0, NULL, "", NULL};
    return fl_error_of(is_own ? "promise" : fl_domain_of(f->status), f->status, f->u.failure);
}

/* By the last holder of a failure that nobody has read. */
static void report(const filch_future *f, uint32_t state)
{
    const filch_future *from = fl_future_owner(f);
    const struct fl_extra *extra = fl_extra_of(from);
    filch_unobserved info = {extra != NULL ? extra->name : NULL, NULL, error_of(f, state)};

    if (f->status == FILCH_ECANCELED)
        return;
    if (from->kind != FL_KIND_PROMISE) {
        if (f == from || (state & FL_ALIKE) != 0)
            info.fn = from->fn;
        if (from->home->ops->unobserved != NULL)
            from->home->ops->unobserved(from->home, &info);
    } else if (extra != NULL) {
        const struct fl_promise_extra *its = (const struct fl_promise_extra *)extra;

        if (its->on_unobserved != NULL)
            its->on_unobserved(&info, its->unobserved_arg);
    }
}

/* A failure that is told: the hook may end the thread. */
static void end_failure(filch_future **f)
{
    fl_failure_free((*f)->u.failure);
    if ((*f)->kind == FL_KIND_PROMISE && (*f)->has_extra) {
        struct fl_promise_extra *extra = (struct fl_promise_extra *)fl_extra_of(*f);

        filch_future_release(extra->source);
        extra->source = NULL;
    }
}

/* Its last holder's: what a failure has, or a result that nobody has taken, goes with it. Few have either,
 * and the others need not make room for it. */
__attribute__((noinline)) static void free_outcome(filch_future *f, uint32_t state)
{
    const struct fl_extra *extra = fl_extra_of(f);

    if (fl_unlikely((state & FL_PHASE) == FL_FAILED)) {
        filch_future *failed fl_cleanup(end_failure) = f;

        if ((state & FL_OBSERVED) == 0)
            report(failed, state); /* B6 */
        return;
    }
    if (extra == NULL)
        return;
    if (extra->value_dtor != NULL && (state & (FL_PHASE | FL_TAKEN)) == FL_FINISHED &&
        f->u.result != NULL)
        extra->value_dtor(f->u.result, extra->dtor_arg); /* B4 */
    if (f->kind == FL_KIND_PROMISE)
        filch_future_release(((struct fl_promise_extra *)extra)->source);
}

static inline void free_record(filch_future **f)
{
    if ((*f)->home != NULL)
        (*f)->home->ops->free((*f)->home, *f);
    else
        fl_free(*f);
}

static void free_future(filch_future *f)
{
    filch_future *mine fl_cleanup(free_record) = f;
    uint32_t state;

    fl_waiters_free(mine);
    state = fl_load(&mine->state, relaxed); /* settled by F5 F6 */
    if (fl_unlikely((state & FL_PHASE) == FL_FAILED || mine->has_extra))
        free_outcome(mine, state);
}

void filch_future_release(filch_future *f)
{
    if (f == NULL)
        return;
    if (fl_load(&f->refs, acquire) == 1 || fl_sub(&f->refs, 1, acq_rel) == 1) /* F5; F4 and F6 */
        free_future(f);
}

static enum filch_state shown(uint32_t state)
{
    static const enum filch_state by_phase[] = {FILCH_PENDING,  FILCH_RUNNING, FILCH_RUNNING,
                                                FILCH_FINISHED, FILCH_FAILED,  FILCH_CANCELLED};

    return by_phase[state & FL_PHASE];
}

enum filch_state filch_future_state(const filch_future *f)
{
    if (f == NULL)
        return FILCH_PENDING;
    if (f->home != NULL && fl_unlikely(f->home->ops->look != NULL) &&
        fl_future_phase(f) == FL_PENDING)
        f->home->ops->look(f->home, (filch_future *)(uintptr_t)f);
    return shown(fl_future_phase(f));
}

bool filch_future_done(const filch_future *f)
{
    return f != NULL && fl_future_phase(f) >= FL_OVER;
}

bool filch_future_running(const filch_future *f)
{
    return filch_future_state(f) == FILCH_RUNNING;
}

bool filch_future_cancelled(const filch_future *f)
{
    return f != NULL && fl_future_phase(f) == FL_CANCELLED;
}

static void release(filch_future **f)
{
    filch_future_release(*f);
}

bool filch_future_cancel(filch_future *f)
{
    filch_future *mine fl_cleanup(release) =
        filch_future_retain(f); /* a callback may release the caller's, or end the thread */

    if (f == NULL)
        return false;
    if (f->kind == FL_KIND_PERIODIC)
        return cancel_periodic(mine);
    return fl_future_drop(f, FILCH_ECANCELED) || filch_future_cancelled(f);
}

void fl_future_observe(filch_future *f)
{
    uint32_t state = fl_load(&f->state, relaxed); /* hint: one move too many does no harm */

    if ((state & FL_PHASE) == FL_FAILED && (state & FL_OBSERVED) == 0)
        fl_or(&f->state, FL_OBSERVED, relaxed); /* B6; settled by F4 */
}

int filch_future_result(filch_future *f, filch_deadline deadline, void **result)
{
    int status;

    if (f == NULL)
        return FILCH_EINVAL;
    status = fl_future_await(f, deadline);
    if (status != 0)
        return status;
    status = fl_future_outcome(f, result);
    if (fl_unlikely(status != 0))
        fl_future_observe(f);
    return status;
}

int filch_future_take(filch_future *f, filch_deadline deadline, void **result)
{
    int status;

    if (f == NULL || result == NULL)
        return FILCH_EINVAL;
    status = fl_future_await(f, deadline);
    if (status != 0)
        return status;
    if (fl_future_phase(f) != FL_FINISHED) {
        fl_future_observe(f);
        return fl_future_outcome(f, NULL);
    }
    if ((fl_or(&fl_future_owner(f)->state, FL_TAKEN, relaxed) & FL_TAKEN) !=
        0) /* B4; settled by F4 */
        return FILCH_ESTATE;
    *result = f->u.result;
    return 0;
}

int filch_future_error(filch_future *f, filch_deadline deadline, filch_error *error)
{
    uint32_t state;
    int status;

    if (f == NULL || error == NULL)
        return FILCH_EINVAL;
    status = fl_future_await(f, deadline);
    if (status != 0)
        return status;
    state = fl_load(&f->state, acquire); /* F2 */
    *error = error_of(f, state);
    fl_future_observe(f);
    return (state & FL_PHASE) == FL_CANCELLED ? FILCH_ECANCELED : 0;
}

int filch_future_snapshot(const filch_future *f, filch_snapshot *s)
{
    uint32_t state;

    if (f == NULL || s == NULL)
        return FILCH_EINVAL;
    (void)filch_future_state(f);         /* as of now */
    state = fl_load(&f->state, acquire); /* F2 */
    s->state = shown(state);
    s->result = (state & FL_PHASE) == FL_FINISHED && !is_taken(f) ? f->u.result : NULL;
    s->error = error_of(f, state);
    if ((state & FL_PHASE) == FL_FAILED)
        fl_future_observe((filch_future *)(uintptr_t)f);
    return 0;
}
