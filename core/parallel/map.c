/* SPDX-License-Identifier: MIT
 *
 * map.c: one function over an array: a batch of futures, waited for in the order of the arguments. */
#include <filch/map.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/thread.h"
#include "future/future.h"

/* Calls whose futures have not been given back. */
struct calls {
    filch_future **futures;
    size_t n;
    size_t i; /* those before have */
};

/* A call that was run here has ended the thread: what the others were lent may be on this stack, so they
 * have to be over first. None of them runs here. */
static void end_calls(struct calls *calls)
{
    fl_self()->nohelp++;
    for (; calls->i < calls->n; calls->i++) {
        (void)fl_future_await_end(calls->futures[calls->i]);
        filch_future_release(calls->futures[calls->i]);
    }
    fl_self()->nohelp--;
}

static int collect(filch_future *futures[], void *results[], size_t n)
{
    struct calls calls fl_cleanup(end_calls) = {futures, n, 0};
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
        calls.i = i + 1;
        filch_future_release(futures[i]);
    }
    return first;
}

static void free_futures(filch_future ***futures)
{
    fl_free(*futures);
}

int filch_map_array(filch_executor *ex, filch_task_fn *fn, void *const args[], void *results[],
                    size_t n)
{
    enum {
        FEW = 32
    };
    filch_future *few[FEW];
    filch_future **many fl_cleanup(free_futures) = NULL;
    filch_future **futures = few;
    int status;

    if (ex == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (n > PTRDIFF_MAX / sizeof futures[0])
        return FILCH_ENOMEM;
    if (n > FEW) {
        futures = many = fl_malloc(n * sizeof futures[0]);
        if (futures == NULL)
            return FILCH_ENOMEM;
    }
    status = filch_submit_batch(ex, fn, args, n, futures);
    if (status == 0)
        status = collect(futures, results, n);
    return status;
}
