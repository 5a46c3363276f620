/* SPDX-License-Identifier: MIT
 *
 * callback.c: a done callback that runs on an executor.
 *
 * It is a listener (waiter.c) that becomes a task of the executor when it is told, in its own memory:
 * so nothing is allocated then. An executor that refuses the task, or drops it, leaves the call to the
 * thread that finds that out: a callback whose future is over is called once, whatever happens.
 *
 * Memory   the record has a reference for the node and one while it is a task, and as a task one to
 *          the future. A future that is freed undecided frees it, and it is never called. */
#include <filch/future.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "future/waiter.h"
#include "sched/executor.h"
#include "sched/task.h"

struct callback {
    struct fl_listener listener;
    struct fl_task task;
    filch_executor *ex;
    filch_future *f; /* while it is a task */
    filch_callback_fn *fn;
    void *user;
};

static struct callback *callback_of(const struct fl_task *task)
{
    return fl_container_of(task, struct callback, task);
}

static void end_call(struct callback **callback)
{
    struct callback *c = *callback;

    filch_future_release(c->f);
    fl_listener_release(&c->listener);
}

/* The callback may end the thread. */
static void call_and_end(struct callback *c)
{
    struct callback *called fl_cleanup(end_call) = c;

    c->fn(c->f, c->user);
}

static void run_task(struct fl_task *task)
{
    call_and_end(callback_of(task));
}

static bool drop_task(struct fl_task *task, int status)
{
    (void)status; /* the executor's end is none for the callback */
    call_and_end(callback_of(task));
    return false;
}

static filch_task_fn *no_function(const struct fl_task *task)
{
    (void)task;
    return NULL;
}

static const struct fl_task_ops task_ops = {run_task, drop_task, no_function, false};

static void told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct callback *c = fl_container_of(l, struct callback, listener);

    (void)node;
    c->f = filch_future_retain(f);
    fl_add(&l->refs, 1, relaxed); /* count: the teller has one */
    if (fl_executor_submit_task(c->ex, &c->task) != 0)
        call_and_end(c);
}

static void callback_free(struct fl_listener *l)
{
    fl_free(fl_container_of(l, struct callback, listener));
}

static void release_listener(struct fl_listener **l)
{
    if (*l != NULL)
        fl_listener_release(*l);
}

int filch_future_add_done_callback_on(filch_future *f, filch_executor *ex, filch_callback_fn *fn,
                                      void *user)
{
    struct callback *c;
    struct fl_waiter *node;
    struct fl_listener *listener fl_cleanup(release_listener) = NULL;
    int status;

    if (f == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (ex == NULL)
        return filch_future_add_done_callback(f, fn, user);
    if (ex->ops->submit_task == NULL)
        return FILCH_ENOTSUP;
    c = fl_malloc(sizeof *c);
    if (c == NULL)
        return FILCH_ENOMEM;
    fl_listener_open(&c->listener, told, callback_free);
    c->task.ops = &task_ops;
    c->ex = ex;
    c->f = NULL;
    c->fn = fn;
    c->user = user;
    listener = &c->listener;
    status = fl_waiter_join(f, listener, &node);
    if (status == 0 && node == NULL)
        told(listener, f, NULL); /* it is over */
    return status;
}
