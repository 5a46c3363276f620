/* SPDX-License-Identifier: MIT
 *
 * filch/map.h: one function over many arguments.
 *
 * The calls are submitted together and the results come back in the arguments' order. The calling
 * thread waits; on a worker it runs calls itself meanwhile.
 *
 *     void *results[N];
 *     int status = filch_map_array(ex, work, args, results, N); */
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
 * Blocks   until every call is over. */
FILCH_API FILCH_CHECK int filch_map_array(filch_executor *ex, filch_task_fn *fn, void *const args[],
                                          void *results[], size_t n);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_MAP_H */
