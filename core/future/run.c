/* SPDX-License-Identifier: MIT
 *
 * run.c: a task with its future is run, dropped, and given back.
 *
 * Memory   a task without a future has no references: whoever runs or drops it gives the block back. The
 *          argument goes when the function has returned, before the outcome is told; of a task that never
 *          runs with the move that decides that: in the canceller, whose task stays in its queue as a
 *          tombstone of 64 or 128 bytes, or by whoever drops it. Nobody but the one who has moved it out of
 *          PENDING (future.c, B1 B7) looks at it.
 *
 *          A filch_task is the same record in the caller's memory (task.c): no reference counts it, and
 *          it is taken out of its queue before it runs, never claimed in there.
 *
 * Ends     a function may end its thread instead of returning (pthread_exit, pthread_cancel). Then its
 *          future fails with FILCH_EABANDONED as the stack is unwound, and so does each one below it on the
 *          stack; worker.c sees to the thread.
 *
 * Words    floor, runner   of a future: the runner's, once, before the function; before that
 *                          NOT_DUE, if it waits for a time (timed.c)
 *          tombstones      of a pool: a count, up by whoever cancels and down by whoever takes it out of
 *                          the queue; the latter may be first
 * Orders   R1  run  runner  release -> wait.c's J1 deadlock.c's D4   the floor before the runner */
#include "future/run.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "future/context.h"
#include "future/error.h"
#include "future/running.h"
#include "future/timed.h"
#include "future/token.h"

_Static_assert(sizeof(struct filch_future) == 64, "a task and its future are one cache line");
_Static_assert(sizeof(struct fl_task_extra) <= FL_COPY_ROOM, "it fits behind the record");

static filch_future *future_of(const struct fl_task *task)
{
    return fl_container_of(task, filch_future, task);
}

static struct fl_pool *pool_of(const filch_future *f)
{
    return fl_container_of(f->home, struct fl_pool, home);
}

static void *argument_of(filch_future *f)
{
    switch ((enum fl_future_kind)f->kind) {
    case FL_KIND_COPY:
        return f + 1;
    case FL_KIND_COPY_FAR:
        return (struct fl_far_copy *)f->u.arg + 1;
    case FL_KIND_TASK:
    case FL_KIND_PROMISE:
    case FL_KIND_OWN:
    case FL_KIND_TIMED:
    case FL_KIND_PERIODIC:
        break;
    }
    return f->u.arg;
}

/* A periodic one keeps its context from run to run. */
static fl_apart void free_rare_argument(filch_future *f, void *arg)
{
    const struct fl_task_extra *extra = fl_task_extra_of(f);

    /* A task that has forked returns twice: in the child what it was given is the parent's. */
    if (f->has_extra && !fl_forked(&f->home->forked)) {
        if (extra != NULL) {
            if (extra->arg_dtor != NULL)
                extra->arg_dtor(arg, extra->base.dtor_arg);
            fl_context_release(extra->context);
        } else if (f->kind == FL_KIND_TIMED) {
            fl_context_release(fl_timed_of(f)->context);
        }
    }
    if (f->kind == FL_KIND_COPY_FAR) {
        struct fl_far_copy *copy = (struct fl_far_copy *)arg - 1;

        fl_heap_free(&f->home->heap, copy, copy->bytes, alignof(max_align_t));
    }
}

/* It has run, or the caller has seen to it that it never will. */
static inline void free_argument(filch_future *f, void *arg)
{
    if (fl_unlikely(f->has_extra) || fl_unlikely(f->kind == FL_KIND_COPY_FAR))
        free_rare_argument(f, arg);
}

/* The result of a task that has no future, or has failed. */
static void free_value(const filch_future *f, void *value)
{
    const struct fl_extra *extra = fl_extra_of(f);

    if (fl_unlikely(extra != NULL) && extra->value_dtor != NULL && value != NULL)
        extra->value_dtor(value, extra->dtor_arg);
}

static const char *name_of(const filch_future *f)
{
    const struct fl_extra *extra = fl_extra_of(f);

    return extra != NULL ? extra->name : NULL;
}

static void free_block(filch_future *f)
{
    struct fl_task_extra *extra = fl_task_extra_of(f);

    if (extra != NULL)
        filch_token_release(extra->token);
    fl_pool_free_block(pool_of(f), f);
}

static fl_apart int refusal_of_rare(filch_future *f)
{
    const struct fl_task_extra *extra = fl_task_extra_of(f);

    if (extra == NULL)
        return fl_timed_is_revoked(f) ? FILCH_ECANCELED : 0;
    if (filch_token_is_cancelled(extra->token))
        return FILCH_ECANCELED;
    return extra->start_by != FILCH_FOREVER && fl_now() >= extra->start_by ? FILCH_EEXPIRED : 0;
}

/* Why it is not to start any more; 0: it is. */
static inline int refusal(filch_future *f)
{
    return fl_likely(!f->has_extra) ? 0 : refusal_of_rare(f);
}

/* A function that is under way, and what to do if it does not return. */
struct call {
    struct fl_worker *w;
    filch_future *f;
    void *arg;
    bool has_returned;
    struct fl_running running;
};

static inline void end_call(struct call *c)
{
    if (fl_likely(c->has_returned))
        return;
    fl_worker_is_busy(c->w, -1);
    fl_running_abandon(&c->running);
    free_argument(c->f, c->arg);
}

/* Of one that has something behind its record. */
static void begin_with(struct fl_running *r, const filch_future *f)
{
    const struct fl_task_extra *extra = fl_task_extra_of(f);
    const struct fl_running *forker = f->has_extra == FL_FORK ? f->forker : NULL;

    if (extra != NULL)
        fl_running_begin(r, extra->token, extra->context);
    else if (f->has_extra == FL_FORK)
        fl_running_begin(r, forker != NULL ? forker->token : NULL,
                         forker != NULL ? forker->context : NULL);
    else
        fl_running_begin(r, NULL, fl_timed_of(f)->context);
}

/* What a fork has said of a failure is its forker's, whatever it returns: by name that is any value. */
static fl_apart void keep_for_the_join(filch_future *f, struct fl_running *r)
{
    f->said = r->failure;
    f->said_of = r->code;
    r->failure = NULL;
}

/* *failure is what goes with a status that is not 0, the caller's; or NULL. */
static int call(struct fl_worker *w, filch_future *f, void **result, struct fl_failure **failure)
{
    filch_task_fn *fn = f->fn;
    void *arg = argument_of(f);
    int status;

    struct call c fl_cleanup(end_call);
    c.w = w;
    c.f = f;
    c.arg = arg;
    c.has_returned = false;
    if (fl_unlikely(w->trace != NULL))
        fl_worker_trace_named(w, FILCH_TRACE_START, fn, name_of(f));
    if (fl_likely(!f->has_extra))
        fl_running_begin(&c.running, NULL, NULL);
    else
        begin_with(&c.running, f);
    fl_worker_is_busy(w, 1);
    status = fn(arg, result);
    c.has_returned = true;
    fl_worker_is_busy(w, -1);
    if (fl_unlikely(f->has_extra == FL_FORK))
        keep_for_the_join(f, &c.running);
    *failure = fl_running_end(&c.running, status);
    if (fl_unlikely(w->trace != NULL))
        fl_worker_trace_named(w, FILCH_TRACE_END, fn, name_of(f));
    fl_count(&w->count.executed);
    free_argument(f, arg);
    return status;
}

static int call_claimed(struct fl_worker *w, filch_future *f, void **result,
                        struct fl_failure **failure)
{
    fl_store(&f->floor, fl_deque_bottom(&w->deque), relaxed); /* settled by R1 */
    fl_store(&f->runner, (uint16_t)(w->index + 1), release);  /* R1 */
    return call(w, f, result, failure);
}

/* A task that is being run, with what its function has set so far. */
struct run {
    filch_future *f;
    void *result;
    bool has_returned;
};

static inline void end_claimed(struct run *run)
{
    if (fl_likely(run->has_returned))
        return;
    free_value(run->f, run->result);
    fl_future_finish(run->f, FILCH_EABANDONED, NULL);
}

static inline void release(filch_future **f)
{
    filch_future_release(*f);
}

static void run_claimed(struct fl_worker *w, filch_future *f)
{
    struct run run fl_cleanup(end_claimed) = {f, NULL, false};
    struct fl_failure *failure;
    int status = call_claimed(w, f, &run.result, &failure);

    if (fl_unlikely(status != 0)) {
        void *value = run.result;

        run.result = NULL;
        free_value(f, value); /* it may end the thread as well */
    }
    run.has_returned = true;
    fl_future_finish(f, status, fl_likely(status == 0) ? run.result : failure);
}

static bool refuse(filch_future *f, int status)
{
    if (status == FILCH_ECANCELED)
        return fl_future_drop(f, status);
    if (!fl_future_claim(f))
        return false;
    free_argument(f, argument_of(f));
    fl_future_finish(f, status, NULL);
    return true;
}

/* Out of the queue, by somebody who has not run it: nothing of it is left there. */
static void bury(filch_future **f)
{
    if (fl_future_phase(*f) == FL_CANCELLED)
        fl_sub(&pool_of(*f)->tombstones, 1, relaxed); /* count */
}

static void run_future(struct fl_task *task)
{
    filch_future *f fl_cleanup(release) = future_of(task); /* the queue's reference */
    int status = refusal(f);

    if (fl_likely(status == 0) && fl_likely(fl_future_claim(f))) {
        run_claimed(fl_worker_self(), f);
    } else {
        filch_future *dead fl_cleanup(bury) = f;

        if (status != 0)
            refuse(dead, status);
    }
}

static bool drop_future(struct fl_task *task, int status)
{
    filch_future *f fl_cleanup(release) = future_of(task);
    filch_future *dead fl_cleanup(bury) = f;

    return refuse(dead, status);
}

static filch_task_fn *fn_of_future(const struct fl_task *task)
{
    return future_of(task)->fn;
}

/* In a forked child it is the parent's to be told. */
static void unobserved(struct fl_home *home, const filch_unobserved *info)
{
    struct fl_pool *p = fl_container_of(home, struct fl_pool, home);

    if (fl_forked(&home->forked))
        return;
    fl_add(&p->unobserved, 1, relaxed); /* count */
    if (p->on_unobserved != NULL)
        p->on_unobserved(info, p->hook_arg);
}

/* A task without a future has failed. */
static void nobody_reads(const filch_future *f, int status, const struct fl_failure *failure)
{
    filch_unobserved info = {name_of(f), f->fn, fl_error_of(fl_domain_of(status), status, failure)};

    if (status != FILCH_ECANCELED)
        unobserved(f->home, &info);
}

/* Nobody has its future. */
static inline void end_plain(struct run *run)
{
    free_value(run->f, run->result);
    if (fl_unlikely(!run->has_returned))
        nobody_reads(run->f, FILCH_EABANDONED, NULL);
    free_block(run->f);
}

static void free_failure(struct fl_failure **failure)
{
    fl_failure_free(*failure);
}

static bool drop_plain(struct fl_task *task, int status)
{
    filch_future *f = future_of(task);

    struct run run fl_cleanup(end_plain) = {f, NULL, true};

    free_argument(f, argument_of(f));
    nobody_reads(run.f, status, NULL);
    return true;
}

static void run_plain(struct fl_task *task)
{
    filch_future *f = future_of(task);
    struct fl_failure *failure;
    int status = refusal(f);

    if (fl_unlikely(status != 0)) {
        drop_plain(task, status);
        return;
    }

    struct run run fl_cleanup(end_plain) = {f, NULL, false};
    status = call(fl_worker_self(), f, &run.result, &failure);
    run.has_returned = true;
    if (fl_unlikely(status != 0)) {
        struct fl_failure *why fl_cleanup(free_failure) = failure;

        nobody_reads(f, status, why);
    }
}

static inline void end_own(struct run *run)
{
    if (fl_unlikely(!run->has_returned))
        fl_future_finish_own(run->f, FL_FAILED, FILCH_EABANDONED, NULL);
}

/* Of a record in the caller's memory: nobody else claims it, and its end is the last touch. */
static void run_own(struct fl_task *task)
{
    filch_future *f = future_of(task);
    struct run run fl_cleanup(end_own) = {f, NULL, false};
    struct fl_failure *failure;
    int status;

    fl_future_claim(f);
    status = call_claimed(fl_worker_self(), f, &run.result, &failure);
    run.has_returned = true;
    fl_failure_free(failure); /* there is nobody to ask for it */
    fl_future_finish_own(f, status == 0 ? FL_FINISHED : FL_FAILED, status,
                         status == 0 ? run.result : NULL);
}

static bool drop_own(struct fl_task *task, int status)
{
    fl_future_finish_own(future_of(task), status == FILCH_ECANCELED ? FL_CANCELLED : FL_FAILED,
                         status, NULL);
    return true;
}

static inline void end_fork(struct run *run)
{
    if (fl_likely(run->has_returned))
        return;
    run->f->said = NULL;
    end_own(run);
}

/* As run_own, but as a part of the task that has forked it. */
static void run_fork(struct fl_task *task)
{
    filch_future *f = future_of(task);
    struct run run fl_cleanup(end_fork) = {f, NULL, false};
    struct fl_worker *w = fl_worker_self();
    struct fl_failure *failure;
    int status;

    w->epoch = f->epoch; /* worker.c puts back what was */
    fl_future_claim(f);
    status = call_claimed(w, f, &run.result, &failure);
    run.has_returned = true;
    fl_future_finish_own(f, status == 0 ? FL_FINISHED : FL_FAILED, status,
                         status == 0 ? run.result : NULL);
}

/* Its join runs it: with its argument, which stays. */
static bool drop_fork(struct fl_task *task, int status)
{
    filch_future *f = future_of(task);

    fl_future_finish_own(f, FL_CANCELLED, status, f->u.arg);
    return false;
}

const struct fl_task_ops fl_future_ops = {run_future, drop_future, fn_of_future, false};
const struct fl_task_ops fl_plain_ops = {run_plain, drop_plain, fn_of_future, false};
const struct fl_task_ops fl_own_ops = {run_own, drop_own, fn_of_future, false};
const struct fl_task_ops fl_fork_ops = {run_fork, drop_fork, fn_of_future, true};

int fl_task_call(struct fl_worker *w, filch_future *f, void **result, struct fl_failure **failure)
{
    return call(w, f, result, failure);
}

void fl_task_bury(filch_future *f)
{
    bury(&f);
}

bool fl_future_run_here(struct fl_worker *w, filch_future *f)
{
    if (f->kind == FL_KIND_OWN)
        return false; /* its queue would find the caller's memory when it is over */
    if (fl_load(&f->floor, relaxed) == FL_NOT_DUE) /* hint: seen too long, it runs elsewhere */
        return false;
    if (refusal(f) != 0 || !fl_future_claim(f))
        return false;
    filch_future *mine fl_cleanup(release) =
        filch_future_retain(f); /* the queue's reference may go while we run */
    uint32_t epoch_before = fl_epoch_begin(w);
    fl_count(&w->count.helped);
    run_claimed(w, mine);
    fl_epoch_end(w, epoch_before);
    return true;
}

void fl_future_kick(filch_future *f)
{
    /* What a promise has behind its record is something else. */
    if (f->kind != FL_KIND_PROMISE && fl_unlikely(f->has_extra == FL_EXTRA) &&
        fl_task_extra_of(f)->nowake && fl_future_phase(f) == FL_PENDING)
        fl_look_after_queue(pool_of(f));
}

static void free_home_future(struct fl_home *home, filch_future *f)
{
    (void)home;
    free_block(f);
}

/* In a forked child the argument stays where it is: it is the parent's task that has it. What is in the
 * wheel leaves nothing behind. */
static void let_go(struct fl_home *home, filch_future *f)
{
    if (fl_forked(&home->forked))
        return;
    if (f->has_extra != FL_TIMER || !fl_timed_forget(f))
        fl_add(&pool_of(f)->tombstones, 1, relaxed); /* count */
    free_argument(f, argument_of(f));
    if (f->kind == FL_KIND_PERIODIC)
        fl_timed_runs_no_more(f);
}

const struct fl_home_ops fl_pool_home_ops = {
    .free = free_home_future, .let_go = let_go, .unobserved = unobserved};
