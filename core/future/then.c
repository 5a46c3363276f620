/* SPDX-License-Identifier: MIT
 *
 * then.c: continuations: a listener on one future that completes another.
 *
 * The new future is a promise. The continuation is in the old one's stack of nodes (waiter.c), and on
 * an executor it is a task in its own memory: so what is dropped there, cancelled or broken, is told,
 * and nothing is allocated once the continuation is made.
 *
 * A new future that is what another one is (fn NULL, or FLATTEN) keeps it, if that owns its result: the
 * result stays there, and is taken from there. One that fails keeps the future with which the failure
 * began, so that there is somebody to tell if nobody reads it.
 *
 * Memory   a continuation has a reference for the node and one while it is a task; it has the new
 *          future's; the last of its own gone, it gives that up, and if it was never told, the old
 *          future has gone undecided and the new one fails. */
#include <filch/then.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "future/context.h"
#include "future/forkjoin.h"
#include "future/forward.h"
#include "future/running.h"
#include "future/waiter.h"
#include "sched/executor.h"
#include "sched/task.h"

struct continuation {
    struct fl_listener listener;
    struct fl_task task;
    filch_future *out;
    filch_future *before; /* while it is a task */
    filch_executor *ex;
    filch_then_fn *fn;
    void *arg;
    filch_context *context;
    unsigned flags;
    bool is_told;
};

/* ---- forwarding ---- */

void fl_forward_status(filch_future *out, int status)
{
    if (status != FILCH_ECANCELED)
        filch_promise_set_error(out, status, filch_strerror(status));
    else if (!filch_future_cancel(out))
        fl_promise_cancel_started(out);
}

void fl_forward(filch_future *out, filch_future *from)
{
    void *result = NULL;
    int status = fl_future_outcome(from, &result);

    if (status == 0)
        fl_promise_finish_as(out, from, result);
    else if (filch_future_state(from) != FILCH_FAILED)
        fl_forward_status(out, status); /* cancelled; or it was taken from */
    else
        fl_promise_fail_as(out, from);
}

/* By a failure of its own, after f, or NULL. */
static void fail(filch_future *out, filch_future *f, int status, struct fl_failure *failure)
{
    if (failure == NULL && (status == FILCH_ECANCELED || f == NULL)) {
        fl_forward_status(out, status);
        return;
    }
    if (failure == NULL)
        failure = fl_failure_create(status > 0 ? "the continuation returned its own error"
                                               : filch_strerror(status),
                                    NULL, NULL);
    fl_promise_fail(out, f, status, failure);
}

struct follower {
    struct fl_listener listener;
    filch_future *out;
    bool is_told;
};

static void follower_told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct follower *follower = fl_container_of(l, struct follower, listener);

    (void)node;
    follower->is_told = true;
    fl_forward(follower->out, f);
}

static void follower_free(struct fl_listener *l)
{
    struct follower *follower = fl_container_of(l, struct follower, listener);

    if (!follower->is_told)
        fl_forward_status(follower->out, FILCH_EABANDONED);
    filch_future_release(follower->out);
    fl_free(follower);
}

/* Has f tell l, now if it is over; the caller's reference to l goes. Out of memory, it is told that. */
static int listen(filch_future *f, struct fl_listener *l)
{
    struct fl_waiter *node;
    int status = fl_waiter_join(f, l, &node);

    if (status == 0 && node == NULL)
        l->tell(l, f, NULL);
    return status;
}

void fl_follow(filch_future *out, filch_future *from, filch_future *after)
{
    struct follower *follower = from != out ? fl_malloc(sizeof *follower) : NULL;
    int status = from == out ? FILCH_EDEADLK : FILCH_ENOMEM;

    if (follower == NULL) {
        fail(out, after, status, NULL);
        filch_future_release(out);
    } else {
        fl_listener_open(&follower->listener, follower_told, follower_free);
        follower->out = out;
        follower->is_told = false;
        status = listen(from, &follower->listener);
        if (status != 0) {
            follower->is_told = true;
            fail(out, after, status, NULL);
        }
        fl_listener_release(&follower->listener);
    }
    filch_future_release(from);
}

/* ---- continuations ---- */

static void settle(struct continuation *c, filch_future *f, void *result)
{
    if ((c->flags & FILCH_THEN_FLATTEN) != 0 && result != NULL)
        fl_follow(filch_future_retain(c->out), result, f);
    else
        filch_promise_set_result(c->out, result);
}

struct call {
    struct continuation *c;
    filch_future *f;
    struct fl_running running;
    filch_task *forks; /* of whoever tells */
    bool has_returned;
};

static inline void end_call(struct call *call)
{
    if (call->has_returned)
        return;
    fl_running_abandon(&call->running);
    fl_forks_put_back(call->forks);
    fail(call->c->out, call->f, FILCH_EABANDONED, NULL);
}

/* f is over, and the function is to be called here. */
static void call(struct continuation *c, filch_future *f)
{
    struct fl_failure *failure;
    void *result = NULL;
    int status;

    if (filch_promise_start(c->out) != 1)
        return; /* it was cancelled */

    struct call call fl_cleanup(end_call);
    call.c = c;
    call.f = f;
    call.has_returned = false;
    call.forks = fl_forks_set_aside();
    fl_running_begin(&call.running, NULL, c->context);
    status = c->fn(f, c->arg, &result);
    call.has_returned = true;
    fl_forks_put_back(call.forks);
    failure = fl_running_end(&call.running, status);
    if (status == 0)
        settle(c, f, result);
    else
        fail(c->out, f, status, failure);
}

static struct continuation *continuation_of(const struct fl_task *task)
{
    return fl_container_of(task, struct continuation, task);
}

static void end_task(struct continuation *c)
{
    filch_future_release(c->before);
    fl_listener_release(&c->listener);
}

static void end_task_of(struct continuation **c)
{
    end_task(*c);
}

static void run_task(struct fl_task *task)
{
    struct continuation *c fl_cleanup(end_task_of) = continuation_of(task);

    call(c, c->before);
}

static bool drop_task(struct fl_task *task, int status)
{
    struct continuation *c fl_cleanup(end_task_of) = continuation_of(task);

    fail(c->out, c->before, status, NULL);
    return true;
}

static filch_task_fn *no_function(const struct fl_task *task)
{
    (void)task;
    return NULL;
}

static const struct fl_task_ops task_ops = {run_task, drop_task, no_function, false};

static void submit(struct continuation *c, filch_future *f)
{
    int status;

    c->before = filch_future_retain(f);
    fl_add(&c->listener.refs, 1, relaxed); /* count: the teller has one */
    status = fl_executor_submit_task(c->ex, &c->task);
    if (status != 0) {
        fail(c->out, f, status, NULL);
        end_task(c);
    }
}

static void told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct continuation *c = fl_container_of(l, struct continuation, listener);
    bool is_asked =
        c->fn != NULL && (fl_future_phase(f) == FL_FINISHED || (c->flags & FILCH_THEN_ALWAYS) != 0);
    void *result = NULL;

    (void)node;
    c->is_told = true;
    if (fl_future_phase(c->out) >= FL_OVER)
        return; /* cancelled: the executor may have gone */
    if (c->fn == NULL && (c->flags & FILCH_THEN_FLATTEN) != 0 &&
        fl_future_outcome(f, &result) == 0 && result != NULL)
        fl_follow(filch_future_retain(c->out), filch_future_retain(result),
                  result != c->out ? f : NULL); /* or each would keep the other */
    else if (!is_asked)
        fl_forward(c->out, f);
    else if (c->ex != NULL)
        submit(c, f);
    else
        call(c, f);
}

static void continuation_free(struct fl_listener *l)
{
    struct continuation *c = fl_container_of(l, struct continuation, listener);

    if (!c->is_told)
        fl_forward_status(c->out, FILCH_EABANDONED);
    filch_future_release(c->out);
    fl_context_release(c->context);
    fl_free(c);
}

static void release_promise(filch_future **promise)
{
    filch_future_release(*promise);
}

static void release_listener(struct fl_listener **l)
{
    if (*l != NULL)
        fl_listener_release(*l);
}

int filch_then(filch_future *f, filch_executor *ex, unsigned flags, filch_then_fn *fn, void *arg,
               filch_future **out)
{
    struct continuation *c;
    filch_future *promise fl_cleanup(release_promise) = NULL;
    struct fl_listener *listener fl_cleanup(release_listener) = NULL;
    int status;

    if (f == NULL || out == NULL ||
        (flags & ~(unsigned)(FILCH_THEN_ALWAYS | FILCH_THEN_FLATTEN)) != 0)
        return FILCH_EINVAL;
    if (ex != NULL && ex->ops->submit_task == NULL)
        return FILCH_ENOTSUP;
    c = fl_malloc(sizeof *c);
    if (c == NULL)
        return FILCH_ENOMEM;
    status = fl_promise_create_follower(&promise);
    if (status != 0) {
        fl_free(c);
        return status;
    }
    fl_listener_open(&c->listener, told, continuation_free);
    c->task.ops = &task_ops;
    c->out = filch_future_retain(promise);
    c->before = NULL;
    c->ex = ex;
    c->fn = fn;
    c->arg = arg;
    c->context = fl_context_retain(filch_context_current());
    c->flags = flags;
    c->is_told = false;
    listener = &c->listener;
    status = listen(f, listener); /* what it calls at once may end the thread */
    if (status == 0) {
        *out = promise;
        promise = NULL;
    }
    return status;
}
