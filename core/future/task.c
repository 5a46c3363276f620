/* SPDX-License-Identifier: MIT
 *
 * task.c: filch_task: a task and its outcome in the caller's memory.
 *
 * It is the record of future.h without what needs a holder: no reference counts it, no callback and
 * no listener hangs from it. So showing the outcome is the last touch (future.c's B2), and whoever
 * sees it may free the record. A thread that waits for it, helps with it and is told of a deadlock as
 * for any other future (wait.c). */
#include <filch/task.h>

#include "future/future.h"
#include "sched/executor.h"

_Static_assert(sizeof(filch_task) == sizeof(struct filch_future), "a task is one record");
_Static_assert(_Alignof(filch_task) >= _Alignof(struct filch_future), "wherever it stands");

static filch_future *record_of(filch_task *t)
{
    return (filch_future *)(void *)t;
}

int filch_submit_task(filch_executor *ex, filch_task *t, filch_task_fn *fn, void *arg)
{
    if (ex == NULL || t == NULL || fn == NULL)
        return FILCH_EINVAL;
    return ex->ops->submit_own != NULL ? ex->ops->submit_own(ex, record_of(t), fn, arg)
                                       : FILCH_ENOTSUP;
}

bool filch_task_done(const filch_task *t)
{
    return t != NULL && fl_future_phase((const filch_future *)(const void *)t) >= FL_OVER;
}

int filch_task_result(filch_task *t, filch_deadline deadline, void **result)
{
    filch_future *f;
    int status;

    if (t == NULL)
        return FILCH_EINVAL;
    f = record_of(t);
    if (f->home == NULL)
        return FILCH_EINVAL;
    status = fl_future_await(f, deadline);
    return status != 0 ? status : fl_future_outcome(f, result);
}
