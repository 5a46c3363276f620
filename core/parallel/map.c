/* SPDX-License-Identifier: MIT
 *
 * map.c: one function over an array: a batch of futures, waited for in the order of the arguments. */
#include <filch/map.h>

#include "base/alloc.h"
#include "future/future.h"

static int collect(filch_future *futures[], void *results[], size_t n)
{
    int first = 0;

    for (size_t i = 0; i < n; i++) {
        void *result = NULL;
        int status = fl_future_await_end(futures[i]); /* its argument is in use */

        if (status == 0)
            status = filch_future_result(futures[i], FILCH_NOW, &result);

        if (results != NULL)
            results[i] = status == 0 ? result : NULL;
        if (first == 0)
            first = status;
        filch_future_release(futures[i]);
    }
    return first;
}

int filch_map_array(filch_executor *ex, filch_task_fn *fn, void *const args[], void *results[],
                    size_t n)
{
    enum {
        FEW = 32
    };
    filch_future *few[FEW];
    filch_future **futures = few;
    int status;

    if (ex == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (n > PTRDIFF_MAX / sizeof futures[0])
        return FILCH_ENOMEM;
    if (n > FEW) {
        futures = fl_malloc(n * sizeof futures[0]);
        if (futures == NULL)
            return FILCH_ENOMEM;
    }
    status = filch_submit_batch(ex, fn, args, n, futures);
    if (status == 0)
        status = collect(futures, results, n);
    if (futures != few)
        fl_free(futures);
    return status;
}
