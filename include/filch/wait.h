/* SPDX-License-Identifier: MIT
 *
 * filch/wait.h: waiting for many futures at once.
 *
 * Futures of different executors and promises mix. One wait is one sleep, however many futures it
 * waits for, and a wait that ends early leaves no claim on the others.
 *
 *     ptrdiff_t done = filch_wait(futures, n, FILCH_FIRST_COMPLETED, filch_in_s(1));
 *     for (ptrdiff_t i = 0; i < done; i++)
 *         use(futures[i]); */
#ifndef FILCH_WAIT_H
#define FILCH_WAIT_H

#include <filch/future.h>

#ifdef __cplusplus
extern "C" {
#endif

enum filch_return_when {
    FILCH_ALL_COMPLETED = 0,
    FILCH_FIRST_COMPLETED, /* at least one is over */
    FILCH_FIRST_EXCEPTION, /* one has failed, or all are over; cancelled is not failed */
    FILCH_FIRST_SUCCESS    /* one has finished well, or all are over */
};

/* Waits until the condition holds or the deadline passes; then sorts the array in place, those that
 * are over first, both parts in the order given. A future may stand in it more than once.
 * Returns how many are over (0 to n; a deadline that passes is no error), or with the array as it was
 *     FILCH_EINVAL    a NULL future, or an unknown condition
 *     FILCH_ENOMEM    no memory for the wait (one block of 16 + 8 n bytes and a node a future)
 *     FILCH_EDEADLK   one is the calling task, or one that this thread runs further down
 *     FILCH_EFORKED   one that is not over has its executor in the parent process
 * Blocks   up to the deadline; on a worker it helps as filch_future_result does.
 * Owns     the references in the array stay the caller's. */
FILCH_API ptrdiff_t filch_wait(filch_future **futures, size_t n, enum filch_return_when when,
                               filch_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_WAIT_H */
