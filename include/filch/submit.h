/* SPDX-License-Identifier: MIT
 *
 * filch/submit.h: tasks go in.
 *
 * A task is a function and a pointer. From outside, tasks are queued in the order submitted, per
 * thread; a task that submits puts its children on its own worker's deque, where that worker takes
 * the youngest first and others steal the oldest. Submit never blocks. Without a future nothing is
 * kept of the task's outcome, and that is the cheapest way in.
 *
 *     static int twice(void *arg, void **result) { *result = ...; return 0; }
 *     int status = filch_submit(ex, twice, &number, &future); */
#ifndef FILCH_SUBMIT_H
#define FILCH_SUBMIT_H

#include <filch/executor.h>
#include <filch/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A task: 0 for success with *result set (NULL unless it sets it), or its own positive error code.
 * A negative return, a status handed on, fails the future with that status.
 * One that ends its thread (pthread_exit, pthread_cancel at a cancellation point) fails its future with
 * FILCH_EABANDONED, and so it does those of tasks below it on the same stack, which were waiting;
 * another thread takes the worker's place. Of these, one that waits in filch_scope_join or
 * filch_map_array leaves only when all the others of the scope or the map are over; what else it holds,
 * a future or an iterator, is its own to give back (pthread_cleanup_push). The same goes for all other
 * functions of the user's that filch calls. A thread whose end is under way must not be ended again, by
 * a callback of what it has failed or by on_thread_stop: if clang has compiled filch, that aborts the
 * process. Asynchronous cancellation, and a longjmp out of the function, are undefined. A C++ exception
 * that leaves it ends the process by std::terminate, as one that leaves a thread does. */
typedef int filch_task_fn(void *arg, void **result);

/* In a task's function, or a continuation's: says why it fails, as
 *
 *     return filch_fail(ENOENT, "no such file", NULL, NULL);
 *
 * filch_future_error gives message, which is copied, and detail. Both count if the function then returns
 * code, and the last call counts. They belong to the future; detail_dtor, if it is not NULL, is called
 * once for a detail that is not NULL: when the last reference goes, or as soon as nobody can ask for it:
 * there is no future, another failure was given or another status returned, or there is no memory, and
 * then code stands alone. A failure that is passed on (filch_then, filch_all) takes code, domain and
 * message with it; the detail stays with the first future, which is kept for as long. Of a scope's task
 * or a map's call the code alone is kept.
 * Returns code; FILCH_EINVAL for 0. Outside of a function it does nothing but to call detail_dtor; a
 *     callback or a dtor is outside, unless it is called by what the function itself does. */
FILCH_API int filch_fail(int code, const char *message, void *detail,
                         void (*detail_dtor)(void *detail));

/* Queues fn(arg). future may be NULL: then no outcome is kept.
 * Returns 0, or with nothing queued
 *     FILCH_EINVAL      ex or fn is NULL
 *     FILCH_ENOMEM      out of memory
 *     FILCH_ESHUTDOWN   after filch_executor_shutdown
 *     FILCH_EBROKEN     a worker's start hook has failed
 *     FILCH_EFORKED     in a forked child
 * Owns     *future, one reference, is the caller's to release. arg is only passed on. */
FILCH_API int filch_submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future);

/* Queues fn with a copy of the len bytes at arg, aligned to 8; fn gets the copy, which goes when it
 * returns. Up to 64 bytes are stored in the task itself. arg may be NULL if len is 0.
 * Returns as filch_submit. */
FILCH_API int filch_submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                                filch_future **future);

/* Queues fn(args[i]) for each i below n, published together, with one decision whom to wake.
 * futures may be NULL; args may be NULL (then each arg is). n may be 0.
 * Returns as filch_submit: all are queued or none is. */
FILCH_API int filch_submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[],
                                 size_t n, filch_future *futures[]);

/* What goes with a task to the tasks that it submits: a trace's span, a request, a user. It stands in a
 * struct of the user's own, and is current while a function runs that has it; what is submitted meanwhile
 * (each form of submit, filch_then, filch_map, filch_scope_spawn) inherits it; a filch_task (task.h) and a
 * done callback have none. retain is called once for
 * each task or continuation that is made with it, by whoever makes it; release once for each that is
 * over, by any thread, before its outcome is told or in the canceller, with nothing locked; for a
 * continuation when it is freed. Either may be NULL. */
typedef struct filch_context filch_context;
struct filch_context {
    void (*retain)(filch_context *context);
    void (*release)(filch_context *context);
};

/* The calling function's context; NULL if it has none, and outside of one. */
FILCH_API filch_context *filch_context_current(void);

/* Says "stop" to the tasks that look at it: scope.h. */
typedef struct filch_token filch_token;

enum filch_task_flags {
    /* Queues it without waking anybody. Workers that are awake may take it all the same; those that are
     * asleep leave it where it is until something looks for them: filch_executor_kick, the next submit
     * without this flag, a wait for its future (filch_future_result, filch_wait, filch_as_completed, a
     * poll by these too), filch_executor_wait_idle, and the end of the executor, which drains it or
     * cancels it. Nothing else does: not filch_future_done, a callback, a completion queue or a scope.
     * A rival wakes as it always does. */
    FILCH_NOWAKE = 1
};

/* Set size to sizeof and the rest to zero. */
typedef struct filch_task_options {
    size_t size;
    size_t copy_bytes;  /* not 0: arg points to that many bytes, copied as filch_submit_copy does */
    filch_token *token; /* once it is cancelled the task does not start (scope.h) */
    filch_deadline
        start_by;   /* not started by then it fails with FILCH_EEXPIRED; 0: FILCH_FOREVER */
    unsigned flags; /* enum filch_task_flags */
    const char
        *name; /* of the task, for the trace (stats.h) and on_unobserved; not copied: it has to
                         live as long as the executor and the future */
    void (*value_dtor)(void *value, void *dtor_arg); /* the task owns what its function sets */
    void (*arg_dtor)(void *arg, void *dtor_arg);     /* the task owns its argument */
    void *dtor_arg;                                  /* for both */
    filch_context
        *context; /* current while the function runs; NULL: the submitter's, if it has one */
} filch_task_options;

/* filch_submit with options; NULL options are all defaults. Returns as filch_submit, FILCH_E2BIG or
 * FILCH_EINVAL for options as filch_executor_create does (an unknown flag is one), and FILCH_ENOTSUP
 * for a rival's executor with a token, start_by, a dtor or a context; a rival ignores name, and inherits
 * nothing.
 * Owns     the task takes a reference to the token, and to the context.
 *          With arg_dtor, arg (with copy_bytes the copy) is the task's once this has returned 0; if it
 *          fails, arg is the caller's still. arg_dtor is called once, with nothing locked: when the
 *          function has returned, before the outcome is told; for a task that is cancelled before it
 *          starts, by whoever cancels it, before filch_future_cancel returns and before anybody is
 *          told; for one that is dropped otherwise (start_by, its token, a broken executor, a shutdown
 *          that cancels) by whoever drops it. In a forked child nothing of the parent's is dropped.
 *          With value_dtor, the future owns its result until filch_future_take moves it out. value_dtor
 *          is called once for a result that is not NULL and was not taken: when the last reference
 *          goes; when the function returns, if there is no future or if it returns a failure although
 *          it has set a result. */
FILCH_API int filch_submit_with(filch_executor *ex, const filch_task_options *options,
                                filch_task_fn *fn, void *arg, filch_future **future);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_SUBMIT_H */
