/* SPDX-License-Identifier: MIT
 *
 * filch/loop.h: loops whose parts run at the same time.
 *
 * The caller runs its loop itself. Only when a worker has nothing to do is a part of it given away, and
 * whoever has finished his part takes half of what another has left: so a loop inside of a busy executor
 * costs next to nothing, and uneven work balances itself. When the call returns everything is over, and
 * what the function has written, on whatever thread, the caller sees.
 *
 *     static int scale(size_t begin, size_t end, void *arg)
 *     {
 *         double *x = arg;
 *
 *         for (size_t i = begin; i < end; i++)
 *             x[i] *= 2;
 *         return 0;
 *     }
 *
 *     int status = filch_parallel_for(ex, 0, n, 0, scale, x); */
#ifndef FILCH_LOOP_H
#define FILCH_LOOP_H

#include <filch/executor.h>
#include <filch/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Does what the loop is for, for each i with begin <= i < end: 0, or its own positive error code. The range
 * is never empty. In it filch_cancel_requested, filch_fail and the context are as in the task that has
 * called the loop, but for the loop's own token; of a failure the code alone is kept. */
typedef int filch_range_fn(size_t begin, size_t end, void *arg);

/* Runs fn for ranges that together are begin to end, each index once, and waits until all are over. They run
 * in the calling thread and on ex's idle workers, in any order. grain: how many indices a call is given, but
 * for the last; of more than 2^32 such ranges a multiple of it. 0: as many as take a few microseconds,
 * found by looking at the clock, one at first; and nothing is given away of what would be over before
 * another thread had begun. An empty range is over at once.
 * Returns 0, or the first status that is not 0 to be seen: then, and in a thread that ends its
 *     thread (FILCH_EABANDONED, as with filch_task_fn), ranges that have not begun are left out; or
 *     FILCH_ECANCELED   the calling task was asked to stop before all was over; or the loop's own token,
 *                       which a loop that has one goes by instead
 *     FILCH_EINVAL      ex or fn is NULL, or begin is beyond end
 *     FILCH_EFORKED     in a forked child: nothing has run, or fn has forked and this is the child
 *   An executor that is closed, broken, paused, out of memory or a rival's gives no help: the caller runs all
 *   of it.
 * Blocks   until every range is over; on a worker it helps as filch_future_result does. It is not told
 *          of a circle (FILCH_EDEADLK): a range that waits for the task that has called this may wait for
 *          ever. */
FILCH_API FILCH_CHECK int filch_parallel_for(filch_executor *ex, size_t begin, size_t end,
                                             size_t grain, filch_range_fn *fn, void *arg);

/* Set size to sizeof and the rest to zero: every zero is a default. */
typedef struct filch_loop_options {
    size_t size;
    size_t grain;       /* as filch_parallel_for has it */
    filch_token *token; /* stops the loop; NULL: the calling task's own, if it has one */
} filch_loop_options;

/* The same with options, which may be NULL. A token with a deadline stops the loop at that time.
 * Returns as filch_parallel_for, and FILCH_EINVAL if size is not set, FILCH_E2BIG. */
FILCH_API FILCH_CHECK int filch_parallel_for_with(filch_executor *ex, size_t begin, size_t end,
                                                  const filch_loop_options *options,
                                                  filch_range_fn *fn, void *arg);

enum filch_reduce_flags {
    /* The same result at every number of workers and however they meet, bit by bit also with floating
     * point: what is folded into one accumulator depends on begin, end and grain alone, and the
     * accumulators are combined in the order of their ranges, as a balanced tree. */
    FILCH_REDUCE_FIXED = 1
};

/* What is to be made of a range. Set size to sizeof; a zero is a default, but for accumulator_bytes, fold
 * and combine. */
typedef struct filch_reduction {
    size_t size;
    size_t accumulator_bytes;
    /* Makes an accumulator of nothing, in memory aligned to 16 (the result's: as the caller has it); NULL:
     * all zero. */
    void (*init)(void *accumulator, void *arg);
    /* Adds what is in the range to it: 0, or as filch_range_fn. */
    int (*fold)(size_t begin, size_t end, void *accumulator, void *arg);
    /* Adds what is in right to left; right is not used again. Without FILCH_REDUCE_FIXED the order is any:
     * combine has to be associative and commutative. With it right is what comes behind left, and
     * associative is enough. */
    void (*combine)(void *left, void *right, void *arg);
    /* As filch_loop_options. FIXED: 0 is what makes 256 ranges at most; and of more than 1,024 ranges a
     * multiple of it is taken. */
    size_t grain;
    filch_token *token;
    unsigned flags; /* enum filch_reduce_flags */
} filch_reduction;

/* Folds what is from begin to end into *accumulator, which this initialises, by one accumulator for each
 * thread that takes part, and combines those in the calling thread.
 * Returns as filch_parallel_for_with; FILCH_EINVAL also if accumulator, fold or combine is NULL,
 *     accumulator_bytes is 0 or flags are unknown; and FILCH_ENOMEM with FILCH_REDUCE_FIXED, before anything
 *     has run. After a failure of fold, or FILCH_ECANCELED, *accumulator is what has been folded until then.
 * Blocks   as filch_parallel_for. */
FILCH_API FILCH_CHECK int filch_parallel_reduce(filch_executor *ex, size_t begin, size_t end,
                                                const filch_reduction *reduction, void *accumulator,
                                                void *arg);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_LOOP_H */
