/* SPDX-License-Identifier: MIT
 *
 * filch/future.h: futures: what a task will have come to; and promises, futures completed by hand.
 *
 * A future is decided once and told to everyone who asks. It is reference counted: submit hands out
 * one reference, the task holds another, and whoever sees it over may release it that instant. The
 * result pointer belongs to whoever the task and its user agree on; filch passes it along, and frees it
 * only if the task was given a value_dtor (submit.h). The states are PENDING, RUNNING, then one of
 * FINISHED, FAILED or CANCELLED for ever.
 *
 *     void *result;
 *     int status = filch_future_result(future, filch_in_ms(100), &result);
 *     filch_future_release(future); */
#ifndef FILCH_FUTURE_H
#define FILCH_FUTURE_H

#include <filch/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct filch_future filch_future;

enum filch_state {
    FILCH_PENDING = 0,
    FILCH_RUNNING,
    FILCH_FINISHED,
    FILCH_FAILED,
    FILCH_CANCELLED
};

/* Why a future failed. Text lives as long as the future does. */
typedef struct filch_error {
    int code;            /* 0: it did not fail */
    const char *domain;  /* "filch", "task" or "promise"; NULL if it did not fail */
    const char *message; /* never NULL */
    void *detail;        /* what filch_fail or filch_promise_set_error_with was given, or NULL */
} filch_error;

/* A failure that nobody has read: what on_unobserved of an executor or of a promise is told, once for
 * each. A failed future is read when its status is returned by filch_future_result, _error, _take,
 * _snapshot or filch_map_next, or is passed on to another future (filch_then, filch_all and the like),
 * which is then the one to be read. If nobody has by the time the last reference goes, whoever gives
 * that back calls the hook; for a task without a future, whoever has run or dropped it. What was passed
 * on, and the failure of a continuation, is told to the executor (or the promise) that it all began
 * with. Cancelled is not failed, and neither is a task that returns FILCH_ECANCELED because it was asked
 * to stop. In a forked child nothing of the parent's executors is told; a promise's hook is called by
 * whichever process gives its last reference back.
 * Nothing is locked, and the hook may call anything. All of info is good while it runs. */
typedef struct filch_unobserved {
    const char *name;                    /* of the task's or the promise's options, or NULL */
    int (*fn)(void *arg, void **result); /* the task's; NULL: a promise's, or a continuation's */
    filch_error error;
} filch_unobserved;

/* A circle of tasks that wait for each other, or a task that waits for itself: what on_deadlock of an executor
 * is told by each wait that returns FILCH_EDEADLK, in the task and on the worker that called it and before it
 * returns. Each task, or one that runs on top of it on the same thread, waits for the next one; the last
 * waits for the first, and it is the one that is told.
 * Nothing is locked, and the hook may call anything; what it waits for is waited for on top of that task.
 * All of info is good while it runs. */
typedef struct filch_deadlock_task {
    const char *name;                    /* of its options, or NULL */
    int (*fn)(void *arg, void **result); /* the task's function */
} filch_deadlock_task;

typedef struct filch_deadlock {
    const filch_deadlock_task *tasks;
    size_t n;     /* tasks in the circle */
    size_t known; /* so many of them are in tasks, from the first on: all, if they are few */
} filch_deadlock;

/* Takes a further reference. Returns f; NULL gives NULL. */
FILCH_API filch_future *filch_future_retain(filch_future *f);

/* Gives one reference back; the last one frees the future. A task whose future is released still
 * runs. NULL is a no-op. */
FILCH_API void filch_future_release(filch_future *f);

/* Waits until f is over or the deadline passes, and tells how it ended. result may be NULL.
 * Returns 0 with *result set, the task's own positive code, or
 *     FILCH_ECANCELED   it was cancelled and never ran
 *     FILCH_ETIMEDOUT   not over yet; the task goes on
 *     FILCH_EDEADLK     f is the calling task, or one that the calling thread runs further down; or a job
 *                       that this thread would have to tell, which is in a callback (process.h); or
 *                       with FILCH_FOREVER, f waits in turn for one of these, directly or through
 *                       other tasks, on whatever executor. Whoever closes such a circle is told, or
 *                       several who close it at once; the others wait on. If it is closed by who can
 *                       not leave it (filch_join, filch_map_array), another in it is told who waits by
 *                       this, filch_future_error or filch_task_result. Followed are waits for one
 *                       future (filch_wait of one, filch_task_result too) without a deadline
 *     FILCH_EBROKEN     the executor broke before it ran
 *     FILCH_EEXPIRED    it was not started by start_by (submit.h)
 *     FILCH_EABANDONED  its function ended the thread; or nobody is left who could complete it
 *     FILCH_EFORKED     its executor stayed behind in the parent process
 *     FILCH_ESTATE      its result was taken: filch_future_take
 * Blocks   up to the deadline. On a worker of f's executor the wait runs f itself, if it has not
 *          started, or what f has submitted (enum filch_help); a task that it has begun to run may
 *          carry it beyond the deadline. FILCH_NOW only looks and runs nothing: on a worker, a loop
 *          around it may keep away the very thread that f needs.
 * Owns     *result stays with f and lives until f's last release or a take, as far as filch is
 *          concerned. */
FILCH_API int filch_future_result(filch_future *f, filch_deadline deadline, void **result);

/* Waits like filch_future_result and moves the result out of f, once, to the caller: the value_dtor
 * of f's options (submit.h) is not called for it, and from then on filch_future_result and another take
 * return FILCH_ESTATE. Of several that take at the same time one gets it. A future without a value_dtor
 * may be taken from just as well. What others have read before it, they must not use any more.
 * Returns 0 with *result set, FILCH_ESTATE if it was taken, otherwise what filch_future_result returns.
 * Blocks   as filch_future_result does.
 * Owns     *result is the caller's. */
FILCH_API FILCH_CHECK int filch_future_take(filch_future *f, filch_deadline deadline,
                                            void **result);

/* Waits like filch_future_result and fills in *error: code 0 if f finished well.
 * Returns 0 if f finished or failed, otherwise what filch_future_result returns. */
FILCH_API int filch_future_error(filch_future *f, filch_deadline deadline, filch_error *error);

/* The state now: one acquire load. NULL is PENDING, and neither done, running nor cancelled. */
FILCH_API enum filch_state filch_future_state(const filch_future *f);
FILCH_API bool filch_future_done(const filch_future *f); /* finished, failed or cancelled */
FILCH_API bool filch_future_running(const filch_future *f);
FILCH_API bool filch_future_cancelled(const filch_future *f);

/* What a future is at one moment. */
typedef struct filch_snapshot {
    enum filch_state state;
    void *result;      /* FINISHED: what it has set, NULL if that was taken; otherwise NULL */
    filch_error error; /* FAILED: why; code 0 otherwise */
} filch_snapshot;

/* Fills in *s by one look: state, result and error belong together. Never waits, whoever calls.
 * Returns 0.
 * Owns     what s points to stays with f, as with filch_future_result and filch_future_error. */
FILCH_API int filch_future_snapshot(const filch_future *f, filch_snapshot *s);

/* Cancels f if it has not started, wakes its waiters and runs its callbacks in this thread.
 * Returns true if f is cancelled, now or before: its task never ran and never will. NULL: false. Of a
 * periodic task it ends the runs: timer.h. */
FILCH_API bool filch_future_cancel(filch_future *f);

/* Called once f is over, with nothing locked. It may call anything; f is good while it runs. */
typedef void filch_callback_fn(filch_future *f, void *user);

/* Has fn(f, user) called when f is over: in the thread that completes or cancels it, in the order
 * added; in this thread and before this returns if f is over already.
 * Returns 0, or FILCH_ENOMEM with fn neither called nor kept.
 * Owns     user is the caller's; filch only passes it on. */
FILCH_API FILCH_CHECK int filch_future_add_done_callback(filch_future *f, filch_callback_fn *fn,
                                                         void *user);

/* The same, but fn(f, user) runs as a task of ex: it is queued there when f is over, or before this
 * returns if f is over already. ex NULL is filch_future_add_done_callback. Should ex refuse it then,
 * being shut down, or drop it, by a shutdown that cancels or because it broke, it is called all the same:
 * in the thread that finds that out, which is the one that completes f, shuts ex down, or calls this. A
 * completion queue (cq.h) is a third place: whatever thread asks it.
 * Returns 0, or with fn neither called nor kept FILCH_ENOMEM, or FILCH_ENOTSUP for a rival's executor.
 * Owns     user is the caller's. ex is not destroyed before fn has been called: that f is over may be
 *          seen before whoever completes it has queued the call, unless that is a worker of ex. */
FILCH_API FILCH_CHECK int filch_future_add_done_callback_on(filch_future *f, filch_executor *ex,
                                                            filch_callback_fn *fn, void *user);

/* Makes a future that no task completes, PENDING. Release it like any other.
 * Returns 0 or FILCH_ENOMEM. */
FILCH_API FILCH_CHECK int filch_promise_create(filch_future **out);

/* Set size to sizeof and the rest to zero: every zero is a default. */
typedef struct filch_promise_options {
    size_t size;
    void (*value_dtor)(void *value, void *dtor_arg); /* the promise owns its result */
    void *dtor_arg;
    const char *name; /* for on_unobserved; not copied */
    void (*on_unobserved)(const filch_unobserved *info, void *arg);
    void *unobserved_arg;
} filch_promise_options;

/* filch_promise_create with options, which may be NULL.
 * Returns 0, FILCH_ENOMEM, and FILCH_E2BIG or FILCH_EINVAL for options as filch_executor_create does.
 * Owns     with value_dtor, a result is the promise's once filch_promise_set_result was called with it,
 *          whatever that returns: value_dtor is called once for a result that is not NULL and is not
 *          taken (filch_future_take), in the call itself if another outcome came first, otherwise when
 *          the last reference goes. */
FILCH_API FILCH_CHECK int filch_promise_create_with(filch_future **out,
                                                    const filch_promise_options *options);

/* PENDING -> RUNNING: from now on it can't be cancelled. Needed only where that matters.
 * Returns 1 go on, 0 it was cancelled, FILCH_ESTATE started before, or not a promise. */
FILCH_API FILCH_CHECK int filch_promise_start(filch_future *f);

/* Completes a promise, from PENDING or RUNNING; waiters wake and callbacks run in this thread.
 * Returns 0, or FILCH_ESTATE if it is over already (the first outcome stands) or is a task's.
 * Owns     result is passed on; of a promise with a value_dtor it is the promise's, even if this returns
 *          FILCH_ESTATE: then it is gone on return. */
FILCH_API int filch_promise_set_result(filch_future *f, void *result);

/* Fails a promise with a code other than 0. message may be NULL and is copied; should there be no
 * memory for the copy, the code stands without it.
 * Returns 0, FILCH_EINVAL for code 0, or FILCH_ESTATE as above. */
FILCH_API int filch_promise_set_error(filch_future *f, int code, const char *message);

/* ... with a detail, which belongs to the promise from now on, whatever this returns: detail_dtor, if it
 * is not NULL, is called once for a detail that is not NULL: when the last reference goes, or in this
 * call, if there is no memory to keep it or the promise does not fail by it.
 * Returns as filch_promise_set_error. */
FILCH_API int filch_promise_set_error_with(filch_future *f, int code, const char *message,
                                           void *detail, void (*detail_dtor)(void *detail));

#ifdef __cplusplus
}
#endif

#endif /* FILCH_FUTURE_H */
