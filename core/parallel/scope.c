/* SPDX-License-Identifier: MIT
 *
 * scope.c: tasks that end together: a token, and a count of those that are not over.
 *
 * A task of a scope is a record of its own (task.h), so that it is counted off whether it ran, was
 * cancelled or was dropped by an executor that ends.
 *
 * Words   left       tasks that are not over, and one for the opener until it joins
 *         over       1 once left is 0; a futex. Whoever sets it touches nothing of the scope any more,
 *                    and wakes by address alone
 *         error      the first status that was not 0
 *         successes, skipped   flags
 * Orders  S1  leave  left   sub acq_rel -> S1    all that the tasks did, before the last one tells
 *         S2  last   over   store release -> S3
 *         S3  join   over   acquire <- S2 */
#include <filch/scope.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "base/futex.h"
#include "base/options.h"
#include "future/context.h"
#include "future/running.h"
#include "future/token.h"
#include "future/wait.h"
#include "sched/executor.h"
#include "sched/pool.h"

#include <limits.h>

struct filch_scope {
    filch_executor *ex;
    filch_token *token;
    enum filch_scope_policy policy;
    struct fl_worker *opener; /* the worker that has opened it, or NULL */
    uint64_t floor;           /* from where on its deque holds what was pushed since */
    int process;              /* that has opened it: its tasks run there */
    fl_atomic(size_t) left;
    fl_atomic(uint32_t) over;
    fl_atomic(int) error;
    fl_atomic(uint32_t) successes;
    fl_atomic(uint32_t) skipped;
};

struct child {
    struct fl_task task;
    filch_scope *scope;
    filch_task_fn *fn;
    void *arg;
    filch_context *context;
};

static struct child *child_of(const struct fl_task *task)
{
    return fl_container_of(task, struct child, task);
}

static void leave(filch_scope *s)
{
    if (fl_sub(&s->left, 1, acq_rel) != 1) /* S1 */
        return;
    fl_store(&s->over, 1, release); /* S2 */
    fl_futex_wake(&s->over, INT_MAX);
}

static void end_child(struct child *c)
{
    filch_scope *s = c->scope;

    fl_context_release(c->context);
    fl_free(c);
    leave(s);
}

static void count_failure(filch_scope *s, int status)
{
    int none = 0;

    fl_cas(&s->error, &none, status, relaxed, relaxed); /* settled by S1; hint: the first stands */
    if (s->policy == FILCH_SCOPE_FIRST_ERROR)
        filch_token_cancel(s->token);
}

static void count_success(filch_scope *s)
{
    fl_store(&s->successes, 1, relaxed); /* settled by S1 */
    if (s->policy == FILCH_SCOPE_FIRST_SUCCESS)
        filch_token_cancel(s->token);
}

static void skip(filch_scope *s)
{
    fl_store(&s->skipped, 1, relaxed); /* settled by S1 */
}

/* A child that is under way: what it returned, or that it ended its thread. */
struct run {
    struct child *c;
    struct fl_running running;
    int status;
};

static void end_run(struct run *run)
{
    filch_scope *s = run->c->scope;

    fl_failure_free(fl_running_end(&run->running, run->status));
    if (run->status != 0)
        count_failure(s, run->status);
    else
        count_success(s);
    end_child(run->c);
}

static void run_child(struct fl_task *task)
{
    struct child *c = child_of(task);
    void *result = NULL;

    if (filch_token_is_cancelled(c->scope->token)) {
        skip(c->scope);
        end_child(c);
        return;
    }

    struct run run fl_cleanup(end_run);
    run.c = c;
    run.status = FILCH_EABANDONED;
    fl_running_begin(&run.running, c->scope->token, c->context);
    run.status = c->fn(c->arg, &result);
}

static bool drop_child(struct fl_task *task, int status)
{
    struct child *c = child_of(task);

    if (status == FILCH_ECANCELED)
        skip(c->scope);
    else
        count_failure(c->scope, status);
    end_child(c);
    return true;
}

static filch_task_fn *fn_of_child(const struct fl_task *task)
{
    return child_of(task)->fn;
}

static const struct fl_task_ops child_ops = {run_child, drop_child, fn_of_child, false};

static int complete(filch_scope_options *o, const filch_scope_options *given)
{
    int status = 0;

    *o = (filch_scope_options){.size = sizeof *o};
    if (given != NULL)
        status = fl_options_complete(o, sizeof *o, given, given->size);
    if (status == 0 && (unsigned)o->policy > FILCH_SCOPE_FIRST_SUCCESS)
        status = FILCH_EINVAL;
    if (o->deadline == 0)
        o->deadline = FILCH_FOREVER;
    if (o->parent == NULL)
        o->parent = fl_token_current();
    return status;
}

int filch_scope_open(filch_scope **out, filch_executor *ex, const filch_scope_options *options)
{
    filch_scope_options o;
    filch_scope *s;
    int status;

    if (out == NULL || ex == NULL)
        return FILCH_EINVAL;
    if (ex->ops->submit_task == NULL)
        return FILCH_ENOTSUP;
    status = complete(&o, options);
    if (status != 0)
        return status;
    s = fl_malloc(sizeof *s);
    if (s == NULL)
        return FILCH_ENOMEM;
    status = filch_token_create(&s->token, o.parent, o.deadline);
    if (status != 0) {
        fl_free(s);
        return status;
    }
    s->ex = ex;
    s->policy = o.policy;
    s->opener = fl_worker_self();
    s->floor = s->opener != NULL ? fl_deque_bottom(&s->opener->deque) : 0;
    s->process = fl_process();
    fl_init(&s->left, 1);
    fl_init(&s->over, 0);
    fl_init(&s->error, 0);
    fl_init(&s->successes, 0);
    fl_init(&s->skipped, 0);
    *out = s;
    return 0;
}

int filch_scope_spawn(filch_scope *s, filch_task_fn *fn, void *arg)
{
    struct child *c;
    int status;

    if (s == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (filch_token_is_cancelled(s->token)) {
        skip(s);
        return FILCH_ECANCELED;
    }
    c = fl_malloc(sizeof *c);
    if (c == NULL)
        return FILCH_ENOMEM;
    *c = (struct child){{&child_ops}, s, fn, arg, fl_context_retain(filch_context_current())};
    fl_add(&s->left, 1, relaxed); /* count: the caller is counted itself */
    status = fl_executor_submit_task(s->ex, &c->task);
    if (status != 0) {
        fl_sub(&s->left, 1, relaxed); /* count: likewise */
        fl_context_release(c->context);
        fl_free(c);
    }
    return status;
}

void filch_scope_cancel(filch_scope *s)
{
    if (s != NULL)
        filch_token_cancel(s->token);
}

static bool is_over(const void *scope)
{
    const filch_scope *s = scope;

    return fl_load(&s->over, acquire) != 0; /* S3 */
}

static int sleep_on_scope(void *scope, filch_deadline deadline)
{
    filch_scope *s = scope;

    while (!is_over(s)) {
        if (fl_futex_wait(&s->over, 0, deadline) != 0)
            return is_over(s) ? 0 : FILCH_ETIMEDOUT;
    }
    return 0;
}

static bool is_own(const struct fl_task *task, const void *scope)
{
    return task->ops == &child_ops && child_of(task)->scope == scope;
}

/* What this worker has pushed since it opened the scope, as long as it is the scope's: whoever joins may
 * hold a lock that others want. */
static bool help(struct fl_worker *w, void *scope)
{
    filch_scope *s = scope;

    return w == s->opener && fl_help_own(w, s->floor, is_own, s);
}

static int outcome(filch_scope *s)
{
    int error = fl_load(&s->error, relaxed);                 /* settled by S3 */
    bool has_success = fl_load(&s->successes, relaxed) != 0; /* settled by S3 */

    if (s->policy == FILCH_SCOPE_FIRST_SUCCESS && has_success)
        return 0;
    if (error != 0)
        return error;
    return fl_load(&s->skipped, relaxed) != 0 ? FILCH_ECANCELED : 0; /* settled by S3 */
}

/* A join that is under way. */
struct join {
    filch_scope *s;
    bool has_returned;
};

static void free_scope(filch_scope *s)
{
    filch_token_release(s->token);
    fl_free(s);
}

/* What it ran meanwhile has ended the thread: what the others were lent may be on this stack, so they have
 * to be over first. */
static void end_join(struct join *join)
{
    struct fl_awaited awaited = {.is_over = is_over, .sleep = sleep_on_scope, .what = join->s};

    if (!join->has_returned && fl_await(&awaited, FILCH_FOREVER) == 0)
        free_scope(join->s);
}

int filch_scope_join(filch_scope *s)
{
    struct fl_awaited awaited;
    int status;

    if (s == NULL)
        return FILCH_EINVAL;
    if (fl_process() != s->process)
        return FILCH_EFORKED;
    leave(s);
    awaited =
        (struct fl_awaited){.is_over = is_over, .sleep = sleep_on_scope, .what = s, .help = help};

    struct join join fl_cleanup(end_join) = {s, false};
    status = fl_await(&awaited, FILCH_FOREVER);
    join.has_returned = true;
    if (status != 0)
        return status; /* a child, whose siblings are elsewhere: the scope stays as it is */
    status = outcome(s);
    free_scope(s);
    return status;
}
