/* SPDX-License-Identifier: MIT
 *
 * create.c: options in, an executor out; the only file that sees every executor. */
#include <filch/executor.h>

#include "api/front.h"
#include "base/options.h"
#include "naive/ck.h"
#include "naive/global.h"
#include "naive/mutex.h"
#include "naive/spawn.h"
#include "sched/executor.h"

static int check(const filch_options *o)
{
    const unsigned known = FILCH_BEST_EFFORT_THREADS | FILCH_FORK_RESTART | FILCH_KEEP_SIGNALS;

    if (o->workers > FILCH_MAX_WORKERS || o->max_spares > FILCH_MAX_SPARES ||
        (o->flags & ~known) != 0 || (unsigned)o->help > FILCH_HELP_NONE ||
        o->stack_size > PTRDIFF_MAX || o->min_workers > FILCH_MAX_WORKERS ||
        (o->workers != 0 && o->min_workers > o->workers) || o->idle_timeout_ns < 0 ||
        o->trace_events > UINT32_MAX / 4)
        return FILCH_EINVAL;
    if (o->allocator != NULL && (o->allocator->alloc == NULL || o->allocator->free == NULL))
        return FILCH_EINVAL;
    return 0;
}

int filch_executor_create(filch_executor **out, const filch_options *options)
{
    filch_options o = {.size = sizeof o};
    int status = 0;

    if (out == NULL)
        return FILCH_EINVAL;
    if (options != NULL)
        status = fl_options_complete(&o, sizeof o, options, options->size);
    if (status == 0)
        status = check(&o);
    if (status != 0)
        return status;
    switch (o.backend) {
    case FILCH_BACKEND_STEAL:
        return fl_front_create(out, &o);
    case FILCH_BACKEND_MUTEX:
        return fl_mutex_pool_create(out, &o);
    case FILCH_BACKEND_CK:
        return fl_ck_pool_create(out, &o);
    case FILCH_BACKEND_GLOBAL:
        return fl_global_pool_create(out, &o);
    case FILCH_BACKEND_SPAWN:
        return fl_spawn_pool_create(out, &o);
    }
    return FILCH_EINVAL;
}

/* More than a function, an argument and how to pass it. */
static bool needs_more(const filch_task_options *o)
{
    return o->token != NULL || o->start_by != 0 || o->value_dtor != NULL || o->arg_dtor != NULL ||
           o->context != NULL;
}

int filch_submit_with(filch_executor *ex, const filch_task_options *options, filch_task_fn *fn,
                      void *arg, filch_future **future)
{
    filch_task_options o = {.size = sizeof o};

    if (options != NULL) {
        int status = fl_options_complete(&o, sizeof o, options, options->size);

        if (status != 0)
            return status;
    }
    if (ex == NULL || fn == NULL || (arg == NULL && o.copy_bytes != 0) ||
        (o.flags & ~(unsigned)FILCH_NOWAKE) != 0)
        return FILCH_EINVAL;
    if (ex->ops->submit_with != NULL && (o.flags != 0 || o.name != NULL || needs_more(&o)))
        return ex->ops->submit_with(ex, &o, fn, arg, future);
    if (needs_more(&o))
        return FILCH_ENOTSUP;
    return o.copy_bytes != 0 ? filch_submit_copy(ex, fn, arg, o.copy_bytes, future)
                             : filch_submit(ex, fn, arg, future);
}
