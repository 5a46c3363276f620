/* SPDX-License-Identifier: MIT
 *
 * filch/map.h: one function over many arguments.
 *
 * Over an array, the calls are submitted together and the results come back together. Over a source
 * that gives one argument after the other, as many as it likes, a map is an iterator: it keeps a
 * window of calls under way and gives their results one by one, in the arguments' order. Whoever asks
 * for a result waits; on a worker it runs calls itself meanwhile.
 *
 *     filch_map_iter *it;
 *     void *result;
 *     int status = filch_map(ex, work, next_line, file, NULL, &it);
 *     while (status == 0 && (status = filch_map_next(it, &result)) != FILCH_EEND)
 *         use(status, result);
 *     filch_map_close(it); */
#ifndef FILCH_MAP_H
#define FILCH_MAP_H

#include <filch/submit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs fn(args[i]) for each i below n and waits for all. results may be NULL; results[i] is what
 * call i set, NULL if it failed. args may be NULL (then each arg is).
 * Returns 0, or the first status that is not 0 in the order of args: every call is over by then, so
 * that nothing of args is in use any more; or as filch_submit, with no call made.
 * Blocks   until every call is over; on a worker it helps as filch_future_result does. It is not told
 *          of a circle (FILCH_EDEADLK), for its calls go on: a call that waits for the task that has called
 *          this, or for one that waits for that, is told instead if it waits by filch_future_result. */
FILCH_API FILCH_CHECK int filch_map_array(filch_executor *ex, filch_task_fn *fn, void *const args[],
                                          void *results[], size_t n);

/* Gives the next argument: true with *arg set, or false: there are no more. Called by filch_map and
 * filch_map_next alone, in their thread, and not again after false. */
typedef bool filch_next_fn(void *source, void **arg);

enum filch_map_flags {
    FILCH_MAP_UNORDERED = 1,  /* results as they come, not in the arguments' order */
    FILCH_MAP_CLOSE_WAITS = 2 /* filch_map_close waits for the calls that are running */
};

#define FILCH_MAP_ALL SIZE_MAX /* a window without an end: every argument at once */

/* Set size to sizeof and the rest to zero: every zero is a default. */
typedef struct filch_map_options {
    size_t size;
    size_t window;  /* arguments taken from the source whose results have not come; 0: 4 chunks
                      for each worker */
    size_t chunk;   /* calls to a task, one after the other; 0: 1; a window is at least as large */
    unsigned flags; /* enum filch_map_flags */
    filch_deadline deadline;               /* for all of it; 0: FILCH_FOREVER */
    void (*drop)(void *source, void *arg); /* for each argument that no call was made with */
} filch_map_options;

typedef struct filch_map_iter filch_map_iter;

/* Makes the iterator and starts the first calls. options may be NULL.
 * Returns 0, FILCH_EINVAL, FILCH_E2BIG, FILCH_ENOMEM; what keeps the calls from being submitted is told
 *     by filch_map_next.
 * Owns     source is used until the iterator is closed or its last argument was given. */
FILCH_API FILCH_CHECK int filch_map(filch_executor *ex, filch_task_fn *fn, filch_next_fn *next,
                                    void *source, const filch_map_options *options,
                                    filch_map_iter **out);

/* The next result. Before this returns, another argument (or another chunk of them, once there is room)
 * is taken from the source, so that the window stays full. After a call that failed it goes on with the
 * next. One thread at a time. A function that returns FILCH_EEND itself is not told from the end.
 * Returns 0 with *result set (result may be NULL), the call's own status, or
 *     FILCH_EEND        no more
 *     FILCH_ETIMEDOUT   the deadline: what has not started is cancelled, and the next is FILCH_EEND
 *     FILCH_ECANCELED   this call was cancelled with the executor's queue, FILCH_EBROKEN likewise
 *     FILCH_ESHUTDOWN, FILCH_ENOMEM   once, after the calls under way: no more could be submitted
 *     FILCH_EDEADLK, FILCH_EFORKED    as filch_future_result
 * Blocks   up to the deadline; on a worker it helps as filch_future_result does. */
FILCH_API FILCH_CHECK int filch_map_next(filch_map_iter *it, void **result);

/* Cancels what has not started and frees the iterator. Calls that are running go on by themselves,
 * unless FILCH_MAP_CLOSE_WAITS, and so do the others of their chunks. NULL is a no-op. */
FILCH_API void filch_map_close(filch_map_iter *it);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_MAP_H */
