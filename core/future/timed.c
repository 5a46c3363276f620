/* SPDX-License-Identifier: MIT
 *
 * timed.c: tasks that run once a time has come, or again and again.
 *
 * One block of 128 bytes is task, future and timer. Until its time it is in its pool's wheel
 * (timer.c), which holds the queue's reference; then the keeper puts it in a queue, with that
 * reference, and it is a task like any other. A periodic one puts itself back into the wheel when it
 * has run: so there is never more than one run of it, and a time that passed meanwhile is skipped.
 * Its future is PENDING between runs and RUNNING in one; one that is cancelled in a run is over after
 * it (future.c). A function that ends its thread is over with that, and so is a periodic one.
 *
 * Who cancels all of a pool's raises its epoch and then takes out of the wheel what was submitted in an
 * earlier one. What is just then between the wheel, a queue and a run is found to be of an earlier epoch
 * where it comes next.
 *
 * Words   floor   of such a future: NOT_DUE, so that whoever waits for it does not run it (run.c);
 *                 the keeper takes that back as it queues it, but for a periodic one
 * Always  T1  whoever has cancelled it looks for it in the wheel afterwards, and who puts it there
 *             looks under the same lock whether it is over: so one of them sees the other, and nothing
 *             that is over stays in the wheel
 *         T2  likewise for whoever cancels all (stop.c): the epoch is raised before it looks there
 *         T3  a context goes once: of a task that runs once as of any other (run.c); of a periodic one
 *             with the move out of PENDING by which it does not run, or in the end of its last run */
#include "future/timed.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "future/context.h"
#include "future/run.h"
#include "future/submit.h"

_Static_assert(sizeof(struct fl_timed) <= 128, "it is a block of the slab's larger kind");

static struct fl_timed *timed_of(const struct fl_timer *t)
{
    return fl_container_of(t, struct fl_timed, timer);
}

static struct fl_pool *pool_of(const filch_future *f)
{
    return fl_container_of(f->home, struct fl_pool, home);
}

/* ---- in the wheel ---- */

static struct fl_task *one_is_due(struct fl_timer *t)
{
    struct fl_timed *timed = timed_of(t);

    fl_store(&timed->f.floor, 0,
             relaxed); /* hint: to whoever waits; its queue shows it to a worker */
    return &timed->f.task;
}

static struct fl_task *periodic_is_due(struct fl_timer *t)
{
    return &timed_of(t)->f.task;
}

static bool end(struct fl_timer *t, int status)
{
    struct fl_task *task = &timed_of(t)->f.task;

    return task->ops->drop(task, status);
}

bool fl_timed_is_revoked(const filch_future *f)
{
    return fl_timed_of(f)->epoch !=
           fl_epoch_of(fl_load(&pool_of(f)->mode, relaxed)); /* hint; settled by T2 */
}

static bool is_over(const struct fl_timer *t)
{
    const filch_future *f = &timed_of(t)->f;

    return fl_future_phase(f) >= FL_OVER || fl_timed_is_revoked(f);
}

static const struct fl_timer_ops one_timer = {one_is_due, end, is_over, true, false};
static const struct fl_timer_ops periodic_timer = {periodic_is_due, end, is_over, true, true};

bool fl_timed_forget(filch_future *f)
{
    if (!fl_timer_remove(pool_of(f), &fl_timed_of(f)->timer))
        return false;
    filch_future_release(f);
    return true;
}

/* ---- periodic runs ---- */

filch_deadline fl_timed_next(filch_deadline when, int64_t period_ns, int64_t now)
{
    filch_deadline next = fl_saturating_add(when, period_ns);
    uint64_t late;

    if (next >= now)
        return next;
    late = ((uint64_t)now - (uint64_t)next) % (uint64_t)period_ns;
    return late != 0 ? fl_saturating_add(now, period_ns - (int64_t)late) : now;
}

void fl_timed_runs_no_more(filch_future *f)
{
    fl_context_release(fl_timed_of(f)->context);
}

/* It is out of the wheel and of every queue, and is not to run. */
static bool drop_periodic(struct fl_task *task, int status)
{
    filch_future *f = fl_container_of(task, filch_future, task);
    bool has_ended = true;

    if (status != FILCH_ECANCELED && fl_future_claim(f)) {
        fl_timed_runs_no_more(f);
        fl_future_end_runs(f, status, NULL);
    } else {
        has_ended = fl_future_drop(f, FILCH_ECANCELED);
        fl_task_bury(f);
    }
    filch_future_release(f);
    return has_ended;
}

/* A run that is under way, or over with status. */
struct run {
    filch_future *f;
    int status;
    struct fl_failure *failure;
};

static void end_for_good(struct run *run)
{
    filch_future *f = run->f;

    fl_timed_runs_no_more(f);
    fl_future_end_runs(f, run->status, run->failure);
    filch_future_release(f);
}

/* After a run: until the next one, if there is one. */
static void go_on(struct run *run)
{
    filch_future *f = run->f;
    struct fl_timed *timed = fl_timed_of(f);
    int status;

    if (fl_forked(&f->home->forked))
        return; /* it forked, and this is the child: it has no pool */
    timed->timer.node.when = fl_timed_next(timed->timer.node.when, timed->period_ns, fl_now());
    fl_store(&f->runner, 0, relaxed); /* own word; who follows it looks twice: deadlock.c */
    if (run->status != 0 || !fl_future_rest(f)) {
        end_for_good(run);
        return;
    }
    status = fl_timer_add(pool_of(f), &timed->timer);
    if (status != 0) /* it is over, or the pool is */
        drop_periodic(&f->task, status == FILCH_EBROKEN ? status : FILCH_ECANCELED);
}

static void run_periodic(struct fl_task *task)
{
    filch_future *f = fl_container_of(task, filch_future, task);
    struct fl_worker *w = fl_worker_self();
    void *result = NULL;

    if (fl_timed_is_revoked(f) || !fl_future_claim(f)) {
        drop_periodic(task, FILCH_ECANCELED);
        return;
    }
    fl_store(&f->runner, (uint16_t)(w->index + 1),
             relaxed); /* own word; settled by D1 of deadlock.c for who follows it */

    struct run run fl_cleanup(go_on) = {f, FILCH_EABANDONED, NULL}; /* if it does not return */
    run.status = fl_task_call(w, f, &result, &run.failure);
}

static filch_task_fn *fn_of(const struct fl_task *task)
{
    return fl_container_of(task, const filch_future, task)->fn;
}

static const struct fl_task_ops periodic_ops = {run_periodic, drop_periodic, fn_of, false};

/* ---- submitting ---- */

static int submit(struct fl_pool *p, struct fl_timed *like, filch_task_fn *fn, void *arg,
                  filch_future **future)
{
    bool is_periodic = like->period_ns != 0;
    struct fl_timed *timed;
    struct fl_push at;
    int status = fl_push_begin(&at, p, 0);

    if (status != 0)
        return status;
    timed = fl_slab_alloc(at.slab, FL_BLOCK_128);
    fl_push_abort(&at);
    if (timed == NULL)
        return FILCH_ENOMEM;
    fl_future_init(&timed->f, is_periodic ? &periodic_ops : &fl_future_ops, &p->home,
                   is_periodic ? FL_KIND_PERIODIC : FL_KIND_TIMED, fn, arg, future != NULL ? 2 : 1);
    fl_init(&timed->f.floor, FL_NOT_DUE);
    timed->f.has_extra = FL_TIMER;
    timed->timer = like->timer;
    timed->period_ns = like->period_ns;
    timed->context = fl_context_retain(filch_context_current());
    if (future != NULL)
        *future = &timed->f; /* before it could run and look for it */
    do {
        timed->epoch = fl_epoch_of(fl_load(&p->mode, relaxed)); /* hint: the timer's lock decides */
        status = fl_timer_add(p, &timed->timer);
    } while (status == FILCH_ECANCELED); /* all was, just now: this one comes after that */
    if (status != 0) {
        if (future != NULL)
            *future = NULL;
        fl_context_release(timed->context);
        fl_pool_free_block(p, timed);
    }
    return status;
}

int fl_pool_submit_at(struct fl_pool *p, filch_deadline when, filch_task_fn *fn, void *arg,
                      filch_future **future)
{
    struct fl_timed like = {.timer = {{.when = when}, &one_timer}};

    if (when <= fl_now())
        return fl_pool_submit(p, fn, arg, future);
    return submit(p, &like, fn, arg, future);
}

int fl_pool_submit_every(struct fl_pool *p, filch_deadline first, int64_t period_ns,
                         filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_timed like = {.timer = {{.when = first}, &periodic_timer}, .period_ns = period_ns};

    return submit(p, &like, fn, arg, future);
}
