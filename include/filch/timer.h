/* SPDX-License-Identifier: MIT
 *
 * filch/timer.h: what is to happen at a time: tasks that run later, or again and again, and futures
 * that end by a deadline.
 *
 * Times are deadlines, as everywhere: filch_in_ms(20), or a time plus so many nanoseconds. Nothing is
 * early, however short the time; how late it is, is up to the system, and for a task to what runs
 * before it. A thread of the executor's, "name-timer", is started with the first time that lies
 * ahead, and ends with the executor.
 *
 *     int status = filch_submit_at(ex, filch_in_ms(20), retry, request, &future);
 *     int status = filch_submit_every(ex, filch_in_s(1), 1000000000, beat, NULL, &beats);
 *     int status = filch_timeout(answer, ex, filch_in_ms(250), FILCH_TIMEOUT_CANCEL, &in_time);
 *
 * What becomes of it at the end: filch_executor_shutdown and filch_executor_destroy wait for what
 * filch_submit_at has accepted until it has run, unless its time is FILCH_FOREVER; that, and what is
 * periodic, is cancelled. A filch_timeout goes on as long as the shutdown has something to wait for,
 * and then fails with FILCH_ESHUTDOWN. FILCH_CANCEL_PENDING cancels all of it, but for what the clock's
 * thread has just taken. An executor that breaks ends all of it with FILCH_EBROKEN.
 * filch_executor_wait_idle waits for none: what waits for its time is not queued yet.
 *
 * filch_executor_cancel_all cancels what waits for its time as it does what is queued, and a periodic task
 * that runs is over after that run; a filch_timeout is no task, and holds. In a pause what is due is
 * queued, and of a periodic task one run at most; a filch_timeout holds.
 *
 * In all else it is a task like any other: it has its submitter's context, a periodic one in each run; if
 * its function ends its thread it fails with FILCH_EABANDONED, and there is no further run; what
 * filch_fail has said goes to its future, and a failure that nobody reads to on_unobserved. */
#ifndef FILCH_TIMER_H
#define FILCH_TIMER_H

#include <filch/executor.h>
#include <filch/future.h>
#include <filch/submit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Queues fn(arg) once when has come, or at once if it has. Until then the future is PENDING and may be
 * cancelled, and then nothing is kept of it. future may be NULL. Of two with one time either may be
 * first.
 * Returns as filch_submit, or with nothing queued
 *     FILCH_EAGAIN    the system gave no thread to watch the clock
 *     FILCH_ENOTSUP   for a rival's executor
 * Owns     *future, one reference, is the caller's to release. arg is only passed on. */
FILCH_API FILCH_CHECK int filch_submit_at(filch_executor *ex, filch_deadline when,
                                          filch_task_fn *fn, void *arg, filch_future **future);

/* Queues fn(arg) at first, and at first + n * period_ns for every n, never two runs at once: a time
 * that passes while a run is queued or under way is skipped, and the next run is at the first that does
 * not. What fn sets as a result is ignored.
 * The future is RUNNING in a run and PENDING before the first and between two. It is over
 *     failed      with what fn has returned, if that is not 0; there is no further run
 *     cancelled   by filch_future_cancel, which always returns true until it is over: at once, or if a
 *                 run is under way when that has ended, so that whoever sees the future over knows
 *                 that arg is not used any more
 * and never finished. future may be NULL: then it ends with the executor, or when fn returns not 0.
 * Returns as filch_submit_at, or FILCH_EINVAL if period_ns is not positive.
 * Owns     *future, one reference, is the caller's to release: that alone stops nothing. */
FILCH_API FILCH_CHECK int filch_submit_every(filch_executor *ex, filch_deadline first,
                                             int64_t period_ns, filch_task_fn *fn, void *arg,
                                             filch_future **future);

enum filch_timeout_flags {
    FILCH_TIMEOUT_CANCEL = 1 /* when the time is up, f is cancelled, if it has not started */
};

/* Makes *out: what f is, if that comes before the deadline; otherwise it fails with FILCH_ETIMEDOUT
 * then. f may be any future, a promise or another executor's: ex is for the clock alone. Whichever
 * comes first leaves no trace of the other; cancelling *out leaves f alone. A value in place of a
 * failure is a continuation's to give: filch_then(*out, NULL, FILCH_THEN_ALWAYS, value_or, ...).
 * Callbacks of *out are called by whoever completes f, or when the time is up by the thread that
 * watches the clock for all the executor's times: as long as one runs there, none of the others comes. So
 * they are to be short, and must not wait; filch_future_add_done_callback_on (future.h) or filch_then with
 * an executor takes what is long to a worker. A failure that *out passes on counts as read in f, and is
 * told to on_unobserved if nobody reads *out either; that a time was up, which nobody reads, is not.
 * Returns 0, FILCH_EINVAL, FILCH_ENOMEM, FILCH_EAGAIN as filch_submit_at, FILCH_ESHUTDOWN,
 * FILCH_EBROKEN, FILCH_EFORKED, or FILCH_ENOTSUP for a rival's executor.
 * Owns     *out, one reference, is the caller's; f's stays the caller's and may go at once. */
FILCH_API FILCH_CHECK int filch_timeout(filch_future *f, filch_executor *ex,
                                        filch_deadline deadline, unsigned flags,
                                        filch_future **out);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_TIMER_H */
