/* SPDX-License-Identifier: MIT
 *
 * executor.c: calls on a handle go to whatever executor is behind it. Arguments are checked here,
 * once for all of them. */
#include "sched/executor.h"

#include <filch/timer.h>

#include "base/thread.h"

int filch_submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future)
{
    if (ex == NULL || fn == NULL)
        return FILCH_EINVAL;
    return ex->ops->submit(ex, fn, arg, future);
}

int fl_executor_submit_task(filch_executor *ex, struct fl_task *task)
{
    return ex->ops->submit_task != NULL ? ex->ops->submit_task(ex, task) : FILCH_ENOTSUP;
}

int fl_executor_pool(filch_executor *ex, struct fl_pool **pool)
{
    *pool = NULL;
    return ex->ops->pool != NULL ? ex->ops->pool(ex, pool) : 0;
}

int filch_submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                      filch_future **future)
{
    if (ex == NULL || fn == NULL || (arg == NULL && len != 0))
        return FILCH_EINVAL;
    return ex->ops->submit_copy(ex, fn, arg, len, future);
}

int filch_submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                       filch_future *futures[])
{
    if (ex == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (n > PTRDIFF_MAX / sizeof futures[0])
        return FILCH_ENOMEM; /* no memory holds that many */
    return ex->ops->submit_batch(ex, fn, args, n, futures);
}

int filch_submit_at(filch_executor *ex, filch_deadline when, filch_task_fn *fn, void *arg,
                    filch_future **future)
{
    if (ex == NULL || fn == NULL)
        return FILCH_EINVAL;
    return ex->ops->submit_at != NULL ? ex->ops->submit_at(ex, when, fn, arg, future)
                                      : FILCH_ENOTSUP;
}

int filch_submit_every(filch_executor *ex, filch_deadline first, int64_t period_ns,
                       filch_task_fn *fn, void *arg, filch_future **future)
{
    if (ex == NULL || fn == NULL || period_ns <= 0)
        return FILCH_EINVAL;
    return ex->ops->submit_every != NULL
               ? ex->ops->submit_every(ex, first, period_ns, fn, arg, future)
               : FILCH_ENOTSUP;
}

int filch_timeout(filch_future *f, filch_executor *ex, filch_deadline deadline, unsigned flags,
                  filch_future **out)
{
    if (f == NULL || ex == NULL || out == NULL || (flags & ~(unsigned)FILCH_TIMEOUT_CANCEL) != 0)
        return FILCH_EINVAL;
    return ex->ops->timeout != NULL ? ex->ops->timeout(ex, f, deadline, flags, out) : FILCH_ENOTSUP;
}

int filch_executor_shutdown(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    if (ex == NULL || (flags & ~(unsigned)(FILCH_CANCEL_PENDING | FILCH_NO_WAIT)) != 0)
        return FILCH_EINVAL;
    return ex->ops->shutdown(ex, flags, deadline);
}

void filch_executor_destroy(filch_executor *ex)
{
    if (ex != NULL)
        ex->ops->destroy(ex);
}

int filch_executor_wait_idle(filch_executor *ex, filch_deadline deadline)
{
    if (ex == NULL)
        return FILCH_EINVAL;
    return ex->ops->wait_idle(ex, deadline);
}

int filch_executor_kick(filch_executor *ex)
{
    if (ex == NULL)
        return FILCH_EINVAL;
    return ex->ops->kick != NULL ? ex->ops->kick(ex) : 0;
}

unsigned filch_executor_workers(const filch_executor *ex)
{
    return ex != NULL ? ex->ops->workers(ex) : 0;
}

int filch_executor_set_active(filch_executor *ex, unsigned n)
{
    if (ex == NULL || n == 0)
        return FILCH_EINVAL;
    return ex->ops->set_active != NULL ? ex->ops->set_active(ex, n) : FILCH_ENOTSUP;
}

unsigned filch_executor_active(const filch_executor *ex)
{
    if (ex == NULL)
        return 0;
    return ex->ops->active != NULL ? ex->ops->active(ex) : ex->ops->workers(ex);
}

ptrdiff_t filch_executor_cancel_all(filch_executor *ex)
{
    if (ex == NULL)
        return FILCH_EINVAL;
    return ex->ops->cancel_all != NULL ? ex->ops->cancel_all(ex) : FILCH_ENOTSUP;
}

int filch_executor_pause(filch_executor *ex)
{
    if (ex == NULL)
        return FILCH_EINVAL;
    return ex->ops->pause != NULL ? ex->ops->pause(ex) : FILCH_ENOTSUP;
}

int filch_executor_resume(filch_executor *ex)
{
    if (ex == NULL)
        return FILCH_EINVAL;
    return ex->ops->resume != NULL ? ex->ops->resume(ex) : FILCH_ENOTSUP;
}

const char *filch_executor_broken(const filch_executor *ex)
{
    return ex != NULL ? ex->ops->broken(ex) : NULL;
}

int filch_executor_stats_read(filch_executor *ex, filch_executor_stats *stats)
{
    if (ex == NULL || stats == NULL)
        return FILCH_EINVAL;
    return ex->ops->stats != NULL ? ex->ops->stats(ex, stats) : FILCH_ENOTSUP;
}

int filch_executor_trace_next(filch_executor *ex, filch_trace_event *event)
{
    if (ex == NULL || event == NULL)
        return FILCH_EINVAL;
    return ex->ops->trace_next != NULL ? ex->ops->trace_next(ex, event) : FILCH_ENOTSUP;
}

int filch_executor_name_function(filch_executor *ex, filch_task_fn *fn, const char *name)
{
    if (ex == NULL || fn == NULL || name == NULL)
        return FILCH_EINVAL;
    return ex->ops->name_function != NULL ? ex->ops->name_function(ex, fn, name) : FILCH_ENOTSUP;
}

void filch_nohelp_begin(void)
{
    fl_self()->nohelp++;
}

void filch_nohelp_end(void)
{
    if (fl_self()->nohelp > 0)
        fl_self()->nohelp--;
}
