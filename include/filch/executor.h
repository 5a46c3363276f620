/* SPDX-License-Identifier: MIT
 *
 * filch/executor.h: executors: made, shut down, destroyed.
 *
 * An executor owns worker threads and the queues between them. Everything it needs is inside it:
 * any number may live side by side, and destroying one leaves the others alone. Tasks go in with
 * filch_submit (submit.h) and come back as futures (future.h). The workers steal from each other,
 * sleep when there is nothing to do, and have all signals blocked but those of a crash.
 *
 *     filch_options o = { .size = sizeof o, .workers = 4, .name = "io" };
 *     int status = filch_executor_create(&ex, &o);
 *     ...
 *     filch_executor_destroy(ex); */
#ifndef FILCH_EXECUTOR_H
#define FILCH_EXECUTOR_H

#include <filch/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct filch_executor filch_executor;
struct filch_unobserved;
struct filch_deadlock;

enum filch_limit {
    FILCH_MAX_WORKERS = 512, /* more is FILCH_EINVAL */
    FILCH_MAX_SPARES = 500
};

/* Which executor is made. All but the first are there to be compared with. */
enum filch_backend {
    FILCH_BACKEND_STEAL = 0, /* work stealing: filch itself */
    FILCH_BACKEND_MUTEX,     /* naive: one queue, a mutex and condition variables, futures too */
    FILCH_BACKEND_CK,        /* the pool one would build from Concurrency Kit's parts */
    FILCH_BACKEND_GLOBAL,    /* one queue behind one lock, by futexes alone */
    FILCH_BACKEND_SPAWN      /* a thread for each task, which ends with it */
};

/* What a worker that waits for a future may run meanwhile. */
enum filch_help {
    FILCH_HELP_DESCENDANTS = 0, /* the awaited task and what it has submitted: a lock that none of
                                   these takes may be held across the wait */
    FILCH_HELP_ANY,             /* whatever is queued: never holds a lock across a wait */
    FILCH_HELP_NONE             /* nothing: another thread takes the waiting one's place */
};

enum filch_executor_flags {
    FILCH_BEST_EFFORT_THREADS = 1, /* fewer threads than asked for are fine, from one upwards */
    FILCH_FORK_RESTART = 2,        /* a forked child gets an empty executor of its own */
    FILCH_KEEP_SIGNALS = 4         /* workers inherit the creating thread's signal mask */
};

/* Set size to sizeof and the rest to zero: every zero is a default. Fields are only ever appended.
 */
typedef struct filch_options {
    size_t size;
    unsigned workers;       /* 0: filch_cpu_budget() */
    unsigned flags;         /* enum filch_executor_flags */
    const char *name;       /* threads are called "name-w3"; 8 bytes count; NULL: "filch" */
    size_t stack_size;      /* of a worker, in bytes; 0: the system's default */
    int64_t spin_ns;        /* watch that long at most before sleeping; 0: 50 us; < 0: not at all */
    unsigned max_searchers; /* workers that search at once; 0: half of them, rounded up */
    unsigned max_spares;    /* threads that may stand in for waiting ones; 0: 256 */
    enum filch_help help;   /* what waiting workers do */
    enum filch_backend backend;             /* a rival, to compare */
    int (*on_thread_start)(void *hook_arg); /* first on each worker; not 0: executor broken */
    void (*on_thread_stop)(void *hook_arg); /* last on each worker whose start hook returned 0 */
    void *hook_arg;
    const filch_allocator *allocator; /* NULL: the system's; copied */
    size_t trace_events;              /* a ring of that many events for each worker; 0: none */
    unsigned min_workers;             /* started at once, the others when nobody is idle; 0: all */
    int64_t idle_timeout_ns; /* workers above these, and spares, that sleep so long end; 0: never */
    /* For a failure that nobody has read (filch_unobserved, future.h). hook_arg has to live until the last
     * of the executor's futures is released. A rival ignores it. */
    void (*on_unobserved)(const struct filch_unobserved *info, void *hook_arg);
    /* For a wait of one of its tasks that would never end (filch_deadlock, future.h). A rival ignores it. */
    void (*on_deadlock)(const struct filch_deadlock *info, void *hook_arg);
} filch_options;

/* Makes an executor and starts its workers, or the first min_workers of them. Of the others one is
 * started by each submit that finds no worker idle or about to be; if the system gives it no thread,
 * that is no error: the task waits for the workers there are, and the next such submit tries again.
 * Each thread calls on_thread_start first and on_thread_stop last, also one that takes the place of
 * another that has ended. options may be NULL: all defaults.
 * Returns 0 with *out set, or
 *     FILCH_EINVAL    an option out of range, or size not set
 *     FILCH_E2BIG     options of a later version that ask for what this one does not know
 *     FILCH_ENOMEM    out of memory
 *     FILCH_EAGAIN    the system gave fewer threads than asked for (no thread is left behind)
 *     FILCH_ENOTSUP   a backend that this build does not have
 * Blocks   no longer than the system takes to start threads. */
FILCH_API FILCH_CHECK int filch_executor_create(filch_executor **out, const filch_options *options);

enum filch_shutdown_flags {
    FILCH_DRAIN = 0,          /* run what is queued, then stop */
    FILCH_CANCEL_PENDING = 1, /* cancel what is queued: its futures are over on return */
    FILCH_NO_WAIT = 2         /* return at once; the workers stop by themselves when it is done, and
                                 what one of them has just taken from the queue still runs */
};

/* Ends an executor: from now on submits are refused, and once nothing is queued or running the
 * workers end. May be called again, by several threads at once, and with other flags: a later
 * FILCH_CANCEL_PENDING cancels what an earlier FILCH_DRAIN left queued.
 * Returns 0 when all is done (or at once with FILCH_NO_WAIT), or
 *     FILCH_ETIMEDOUT   something still runs at the deadline (filch_executor_stats_read says how
 *                       much); the shutdown goes on, and may be waited for again
 *     FILCH_EDEADLK     called by a task of this executor, which would wait for itself; the
 *                       shutdown goes on
 *     FILCH_EINVAL      unknown flags
 *     FILCH_EFORKED     in a forked child
 * Blocks   up to the deadline. */
FILCH_API int filch_executor_shutdown(filch_executor *ex, unsigned flags, filch_deadline deadline);

/* Drains, stops and frees the executor. Futures outlive it. NULL is a no-op.
 * From a task or callback on one of its own workers it only gives up the handle: queued tasks still
 * run, and the last worker to end frees the executor.
 * No other call with the handle may be under way then in another thread, not even a shutdown that does
 * not wait, and none may follow. But for one: a task may destroy its executor while the call that has
 * submitted it has not returned yet.
 * Blocks   until every task has run, except from its own worker. */
FILCH_API void filch_executor_destroy(filch_executor *ex);

/* Waits until every task submitted so far has ended and nothing is queued.
 * Returns 0, FILCH_ETIMEDOUT, FILCH_EDEADLK from a task of this executor, FILCH_EFORKED.
 * Blocks   up to the deadline. */
FILCH_API FILCH_CHECK int filch_executor_wait_idle(filch_executor *ex, filch_deadline deadline);

/* Sees to it that somebody looks at what was queued with FILCH_NOWAKE (submit.h) before: wakes a worker
 * if none is awake and looking; it wakes the next one if it finds more than it can do.
 * Returns 0, FILCH_EFORKED. */
FILCH_API int filch_executor_kick(filch_executor *ex);

/* The number of workers that run tasks at the same time, at most. */
FILCH_API unsigned filch_executor_workers(const filch_executor *ex);

/* Lets n of the workers work from now on, 1 to filch_executor_workers. Of the others each goes on with
 * the task that it has, and then sleeps until n is raised; what it has queued the others run. Raised, the
 * number counts at once. A worker that waits inside a task is replaced meanwhile, as ever.
 * Returns 0, or
 *     FILCH_EINVAL    n is out of range
 *     FILCH_ENOTSUP   a rival
 *     FILCH_EFORKED   in a forked child
 * Any thread may call it, a task too; of several calls at once one decides. */
FILCH_API FILCH_CHECK int filch_executor_set_active(filch_executor *ex, unsigned n);

/* How many workers may work now. */
FILCH_API unsigned filch_executor_active(const filch_executor *ex);

/* Cancels what there is now, and goes on with what is submitted later: what is queued or waits for its
 * time (timer.h) is over and CANCELLED on return, and in each task that runs filch_cancel_requested is
 * true from now on. A task that a worker has just taken from the queue may still run, and may not be asked
 * to stop; one whose time has just come may be over a moment later, and so may one that a worker had taken as
 * a pause began, which is not counted.
 * Returns how many of those that were queued or waited it has cancelled, or
 *     FILCH_EINVAL, FILCH_ENOTSUP (a rival), FILCH_EFORKED
 * Any thread may call it, a task too. Callbacks of what it cancels run here. */
FILCH_API ptrdiff_t filch_executor_cancel_all(filch_executor *ex);

/* From now on no worker takes a task from the queue, until filch_executor_resume. What runs goes on to its
 * end; submits are accepted and queued. A task that waits for
 * another still runs that one itself, and what that has submitted, as enum filch_help has it (a filch_task:
 * if it was submitted last, task.h; what waits for its time: not before it, timer.h); one that
 * may run nothing meanwhile (FILCH_HELP_NONE, filch_nohelp_begin) waits until the executor goes on.
 * filch_executor_wait_idle returns when nothing is queued and nothing runs, so it times out while something is
 * queued, be it a task that was cancelled since. Shutting down, destroying and breaking end the pause; until FILCH_CANCEL_PENDING has come to a task, a
 * worker may take it then (filch_executor_cancel_all before that leaves none). Pauses are not counted: one
 * resume ends any number of them.
 * Returns 0, or
 *     FILCH_ESHUTDOWN, FILCH_EBROKEN   too late to pause
 *     FILCH_ENOTSUP   a rival
 *     FILCH_EFORKED   in a forked child
 * Any thread may call it, a task too; it does not block. */
FILCH_API FILCH_CHECK int filch_executor_pause(filch_executor *ex);

/* Ends a pause; without one it does nothing.
 * Returns 0, FILCH_ENOTSUP (a rival), FILCH_EFORKED. Any thread may call it, a task too; it does not
 * block. */
FILCH_API int filch_executor_resume(filch_executor *ex);

/* Why the executor is broken, as static text; NULL as long as it is not. */
FILCH_API const char *filch_executor_broken(const filch_executor *ex);

/* Between begin and end a waiting worker runs nothing on the calling thread's stack, so that a lock
 * may be held across a wait whatever the awaited task does: another thread takes its place. Nests;
 * ignored outside a worker. */
FILCH_API void filch_nohelp_begin(void);
FILCH_API void filch_nohelp_end(void);

/* "with": FILCH_SCOPED_POOL(ex, &options); makes ex, NULL if that failed, and destroys it at the
 * end of the block. By hand: filch_executor_create(&ex, &options) ... filch_executor_destroy(ex). */
static inline filch_executor *filch_executor_or_null(const filch_options *options)
{
    filch_executor *ex = NULL;
    return filch_executor_create(&ex, options) == 0 ? ex : NULL;
}

static inline void filch_executor_leave_scope(filch_executor **ex)
{
    filch_executor_destroy(*ex);
}

#define FILCH_SCOPED_POOL(ex, options)                                                             \
    filch_executor *ex __attribute__((cleanup(filch_executor_leave_scope))) =                      \
        filch_executor_or_null(options)

#ifdef __cplusplus
}
#endif

#endif /* FILCH_EXECUTOR_H */
