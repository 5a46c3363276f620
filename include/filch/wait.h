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
    FILCH_FIRST_SUCCESS,   /* one has finished well, or all are over */
    FILCH_AT_LEAST         /* as many are over as at_least says: filch_wait_with alone */
};

/* Waits until the condition holds or the deadline passes; then sorts the array in place, those that
 * are over first, both parts in the order given. A future may stand in it more than once.
 * Returns how many are over (0 to n; a deadline that passes is no error), or with the array as it was
 *     FILCH_EINVAL    a NULL future, or an unknown condition
 *     FILCH_ENOMEM    no memory for the wait (one block of 16 + 8 n bytes and a node a future)
 *     FILCH_EDEADLK   one is the calling task, or one that this thread runs further down, or would have
 *                     to tell (process.h); for n == 1 as filch_future_result. A circle through a wait for several is not seen
 *     FILCH_EFORKED   one that is not over has its executor in the parent process
 * Blocks   up to the deadline; on a worker it helps as filch_future_result does.
 * Owns     the references in the array stay the caller's. */
FILCH_API ptrdiff_t filch_wait(filch_future **futures, size_t n, enum filch_return_when when,
                               filch_deadline deadline);

/* A deadline for options in which 0 is the default and forever: it has passed, and the wait only looks. */
#define FILCH_WAIT_POLL ((filch_deadline)1)

/* Set size to sizeof and the rest to zero: then all have to be over, however long that takes. */
typedef struct filch_wait_options {
    size_t size;
    enum filch_return_when when;
    filch_deadline deadline; /* 0 (so FILCH_NOW too): FILCH_FOREVER; FILCH_WAIT_POLL only looks */
    size_t at_least;         /* FILCH_AT_LEAST: how many places have to be over; 0 holds at once */
    int64_t spin_ns; /* watch that long before sleeping; 0: as the executor does; < 0: not at all */
    bool *done; /* not NULL: gets for each place whether it is over; the array stays as it is */
} filch_wait_options;

/* filch_wait with options; NULL options are all defaults.
 * Returns as filch_wait, FILCH_E2BIG or FILCH_EINVAL for options as filch_executor_create does, and
 *     FILCH_EINVAL    at_least above n, or not 0 where when is not FILCH_AT_LEAST
 * and with an error done is left as it was, too. */
FILCH_API ptrdiff_t filch_wait_with(filch_future **futures, size_t n,
                                    const filch_wait_options *options);

/* An iterator over futures in the order in which they are over: first those that are already, as
 * given, then each when it comes. A future that is given twice comes once.
 *
 *     filch_completion *it;
 *     filch_future *f;
 *     int status = filch_as_completed(&it, futures, n, filch_in_s(10));
 *     while (status == 0 && filch_completion_next(it, &f) == 0)
 *         use(f);
 *     filch_completion_close(it); */
typedef struct filch_completion filch_completion;

/* Makes one. The deadline is for all of it, and begins to count now. The array is not needed any more;
 * the caller's references are, until each future has come out or the iterator is closed.
 * Returns 0, FILCH_EINVAL for a NULL future, FILCH_ENOMEM, FILCH_EDEADLK, FILCH_EFORKED as filch_wait. */
FILCH_API FILCH_CHECK int filch_as_completed(filch_completion **out, filch_future *const *futures,
                                             size_t n, filch_deadline deadline);

/* The next future that is over. One thread at a time. What is over comes after the deadline too.
 * Returns 0 with *out set, or
 *     FILCH_EEND        all have come
 *     FILCH_ETIMEDOUT   the deadline has passed, and no more are over now
 *     FILCH_EDEADLK     one that has not come is a job that this thread would have to tell (process.h)
 *     FILCH_EFORKED     in a forked child
 * Blocks   up to the deadline; on a worker it helps as filch_wait does.
 * Owns     *out is one of those given, by the caller's reference; the iterator has let go of it. */
FILCH_API FILCH_CHECK int filch_completion_next(filch_completion *it, filch_future **out);

/* Frees the iterator: no future that has not come out keeps any trace of it. NULL is a no-op. */
FILCH_API void filch_completion_close(filch_completion *it);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_WAIT_H */
