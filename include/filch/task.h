/* SPDX-License-Identifier: MIT
 *
 * filch/task.h: tasks in the caller's own memory.
 *
 * A filch_task is a task and its outcome in 64 bytes that are yours: on a stack, inside a request, in
 * an array. Nothing is allocated for it and nothing has to be released. filch has it from the submit
 * until it is over, and touches it no more from that instant on: then it may be freed, or submitted
 * again.
 *
 *     filch_task task;
 *     int status = filch_submit_task(ex, &task, work, &request);
 *     if (status == 0)
 *         status = filch_task_result(&task, FILCH_FOREVER, NULL); */
#ifndef FILCH_TASK_H
#define FILCH_TASK_H

#include <filch/submit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero it if it may be looked at before it is submitted: then it is not over. */
typedef struct filch_task {
    uint64_t _[8];
} filch_task;

/* Queues fn(arg), with all that filch needs for it in *t: so there is no room for more than code and
 * result. It has no token, no context (not its submitter's either), no message (filch_fail) and no
 * callback, and that it failed is told to nobody but who asks.
 * Returns as filch_submit, and FILCH_ENOTSUP from a rival's executor; FILCH_ENOMEM only where a queue has
 *     become full and can not grow.
 * Owns     *t is filch's until it is over, unless this fails. */
FILCH_API FILCH_CHECK int filch_submit_task(filch_executor *ex, filch_task *t, filch_task_fn *fn,
                                            void *arg);

/* Whether t is over: one acquire load. From then on *t is the caller's again. */
FILCH_API bool filch_task_done(const filch_task *t);

/* Waits until t is over or the deadline passes, and tells how it ended. result may be NULL.
 * Returns 0 with *result set, the status that its function returned, or
 *     FILCH_ECANCELED   a shutdown or filch_executor_cancel_all cancelled it, and it never ran
 *     FILCH_EABANDONED  its function ended the thread
 *     FILCH_EBROKEN     the executor broke before it ran
 *     FILCH_ETIMEDOUT   not over yet; the task goes on
 *     FILCH_EDEADLK     as filch_future_result
 *     FILCH_EINVAL      all of it is zero: it was never submitted
 *     FILCH_EFORKED     its executor stayed behind in the parent process
 *   After FILCH_ETIMEDOUT and FILCH_EDEADLK *t is still filch's, after all others the caller's.
 * Blocks   up to the deadline. On a worker of its executor the wait runs t itself, if it has not started
 *          and is what this worker has submitted last, or what t has submitted. A loop around waits that
 *          are shorter than the executor's spin_ns may keep away the very thread that t needs.
 * Owns     *t: if several threads wait for it, it stays what it is until each has returned; and its
 *          executor may be shut down meanwhile, but not destroyed. */
FILCH_API int filch_task_result(filch_task *t, filch_deadline deadline, void **result);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_TASK_H */
