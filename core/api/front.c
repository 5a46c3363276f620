/* SPDX-License-Identifier: MIT
 *
 * front.c: the handle of the work-stealing executor: a pointer to its pool, so that a forked child can
 * have another one.
 *
 * In a child the parent's pool is dead: its threads do not exist, and its words may stand anywhere.
 * Nothing of it is touched or freed. Every call says FILCH_EFORKED, unless the executor was made with
 * FILCH_FORK_RESTART: then the first call makes a new, empty pool and puts it in the old one's place.
 * Futures point to the pool they came from, so those of the parent stay dead.
 *
 * Words   pool   the pool in use; moved only in a child, away from a dead one
 * Orders  A1  restart  pool  CAS release -> A2   a pool before it is found
 *         A2  use      pool  acquire <- A1 */
#include "api/front.h"

#include "base/compiler.h"
#include "future/forkjoin.h"
#include "future/run.h"
#include "future/submit.h"
#include "future/timed.h"
#include "future/waiter.h"
#include "observe/stats.h"
#include "sched/pool.h"

#include <string.h>

struct front {
    struct filch_executor ex;
    fl_atomic(struct fl_pool *) pool;
    filch_options options; /* as completed; name and allocator point below */
    filch_allocator allocator;
    char name[9];
};

static struct front *front_of(const filch_executor *ex)
{
    return fl_container_of(ex, struct front, ex);
}

static struct fl_pool *pool_of(const filch_executor *ex)
{
    return fl_load(&front_of(ex)->pool, acquire); /* A2 */
}

static void free_front(void *handle)
{
    struct front *front = handle;
    struct fl_heap heap;

    fl_heap_open(&heap, &front->allocator);
    fl_heap_free(&heap, front, sizeof *front, alignof(struct front));
}

static int make_pool(struct front *front, struct fl_pool **out)
{
    int status = fl_pool_create(out, &front->options, &fl_pool_home_ops);

    if (status == 0) {
        (*out)->drop_handle = free_front;
        (*out)->handle = front;
    }
    return status;
}

static int restart(struct front *front, struct fl_pool *dead)
{
    struct fl_pool *fresh;
    int status = make_pool(front, &fresh);

    if (status != 0)
        return status;
    if (!fl_cas(&front->pool, &dead, fresh, release, relaxed)) { /* A1; hint: usable looks again */
        fresh->drop_handle = NULL; /* the handle and the allocator stay with the pool that won */
        fresh->home.heap.with.destroy = NULL;
        fl_pool_destroy(fresh);
    }
    return 0;
}

/* The pool to use; FILCH_EFORKED if it is dead and stays so. */
static int usable(filch_executor *ex, struct fl_pool **out)
{
    struct front *front = front_of(ex);
    int status;

    *out = pool_of(ex);
    if (!fl_forked(&(*out)->home.forked))
        return 0;
    if ((front->options.flags & FILCH_FORK_RESTART) == 0)
        return FILCH_EFORKED;
    status = restart(front, *out);
    *out = pool_of(ex);
    return status;
}

static int submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit(p, fn, arg, future);
}

static int submit_with(filch_executor *ex, const filch_task_options *options, filch_task_fn *fn,
                       void *arg, filch_future **future)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_with(p, options, fn, arg, future);
}

static int submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                       filch_future **future)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_copy(p, fn, arg, len, future);
}

static int submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[])
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_batch(p, fn, args, n, futures);
}

static int submit_own(filch_executor *ex, filch_future *record, filch_task_fn *fn, void *arg)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_own(p, record, fn, arg);
}

static int submit_task(filch_executor *ex, struct fl_task *task)
{
    struct fl_push at;
    struct fl_pool *p;
    int status = usable(ex, &p);

    if (status == 0)
        status = fl_push_begin(&at, p, 1);
    if (status == 0)
        fl_push_end(&at, &task, 1);
    return status;
}

static int submit_at(filch_executor *ex, filch_deadline when, filch_task_fn *fn, void *arg,
                     filch_future **future)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_at(p, when, fn, arg, future);
}

static int submit_every(filch_executor *ex, filch_deadline first, int64_t period_ns,
                        filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_submit_every(p, first, period_ns, fn, arg, future);
}

static int timeout(filch_executor *ex, filch_future *f, filch_deadline deadline, unsigned flags,
                   filch_future **out)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_timeout(p, f, deadline, flags, out);
}

/* Before a wait for what others do. What this thread has put off telling may submit here, and comes first; and
 * others may need what it has forked. */
static void turn_to_others(void)
{
    fl_waiters_catch_up();
    fl_forks_show();
}

static int shutdown(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    struct fl_pool *p;
    int status;

    turn_to_others();
    status = usable(ex, &p);
    return status != 0 ? status : fl_pool_shutdown(p, flags, deadline);
}

/* In a child the dead pool stays as it is: whatever it held, nobody can tell any more. */
static void destroy(filch_executor *ex)
{
    struct fl_pool *p;

    turn_to_others();
    p = pool_of(ex);
    if (!fl_forked(&p->home.forked))
        fl_pool_destroy(p);
}

static int wait_idle(filch_executor *ex, filch_deadline deadline)
{
    struct fl_pool *p;
    int status;

    turn_to_others();
    status = usable(ex, &p);
    return status != 0 ? status : fl_pool_wait_idle(p, deadline);
}

static int kick(filch_executor *ex)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    if (status == 0)
        fl_look_after_queue(p);
    return status;
}

static unsigned workers(const filch_executor *ex)
{
    return pool_of(ex)->n_started;
}

static int set_active(filch_executor *ex, unsigned n)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_set_active(p, n);
}

static unsigned active(const filch_executor *ex)
{
    return fl_pool_active(pool_of(ex));
}

static ptrdiff_t cancel_all(filch_executor *ex)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : (ptrdiff_t)fl_pool_cancel_all(p);
}

static int pause_pool(filch_executor *ex)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_pause(p);
}

static int resume_pool(filch_executor *ex)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_resume(p);
}

static const char *broken(const filch_executor *ex)
{
    return fl_pool_is_broken(pool_of(ex)) ? "a worker's on_thread_start returned an error" : NULL;
}

static int stats(filch_executor *ex, filch_executor_stats *out)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_stats(p, out);
}

static int trace_next(filch_executor *ex, filch_trace_event *event)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_trace_next(p, event);
}

static int name_function(filch_executor *ex, filch_task_fn *fn, const char *name)
{
    struct fl_pool *p;
    int status = usable(ex, &p);

    return status != 0 ? status : fl_pool_name_function(p, fn, name);
}

static const struct fl_executor_ops ops = {
    .pool = usable,
    .submit = submit,
    .submit_with = submit_with,
    .submit_copy = submit_copy,
    .submit_batch = submit_batch,
    .submit_own = submit_own,
    .submit_task = submit_task,
    .submit_at = submit_at,
    .submit_every = submit_every,
    .timeout = timeout,
    .shutdown = shutdown,
    .destroy = destroy,
    .wait_idle = wait_idle,
    .kick = kick,
    .workers = workers,
    .broken = broken,
    .stats = stats,
    .trace_next = trace_next,
    .name_function = name_function,
    .set_active = set_active,
    .active = active,
    .cancel_all = cancel_all,
    .pause = pause_pool,
    .resume = resume_pool,
};

int fl_front_create(filch_executor **out, const filch_options *options)
{
    struct fl_heap heap;
    struct front *front;
    struct fl_pool *p;
    int status;

    fl_heap_open(&heap, options->allocator);
    front = fl_heap_zalloc(&heap, sizeof *front, alignof(struct front));
    if (front == NULL)
        return FILCH_ENOMEM;
    front->ex.ops = &ops;
    front->options = *options;
    front->allocator = heap.with;
    front->options.allocator = &front->allocator;
    strncpy(front->name, options->name != NULL ? options->name : "filch", sizeof front->name - 1);
    front->options.name = front->name;
    status = make_pool(front, &p);
    if (status != 0) {
        fl_heap_free(&heap, front, sizeof *front, alignof(struct front));
        return status;
    }
    fl_init(&front->pool, p);
    *out = &front->ex;
    return 0;
}
