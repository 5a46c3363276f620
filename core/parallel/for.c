/* SPDX-License-Identifier: MIT
 *
 * for.c: the plain loop: a function over a range, and nothing in anybody's hands. loop.c tells how. */
#include "base/options.h"
#include "parallel/loop.h"

struct plain {
    struct fl_loop_body body;
    filch_range_fn *fn;
    void *arg;
};

static int plain_range(const struct fl_loop_body *body, size_t begin, size_t end, void *local)
{
    const struct plain *plain = (const struct plain *)body;

    (void)local;
    return plain->fn(begin, end, plain->arg);
}

static int parallel_for(filch_executor *ex, size_t begin, size_t end, size_t grain,
                        filch_token *token, filch_range_fn *fn, void *arg)
{
    struct plain plain = {{.range = plain_range}, fn, arg};

    if (ex == NULL || fn == NULL || begin > end)
        return FILCH_EINVAL;
    return fl_loop_run(ex, begin, end, grain, token, &plain.body);
}

int filch_parallel_for(filch_executor *ex, size_t begin, size_t end, size_t grain,
                       filch_range_fn *fn, void *arg)
{
    return parallel_for(ex, begin, end, grain, NULL, fn, arg);
}

int filch_parallel_for_with(filch_executor *ex, size_t begin, size_t end,
                            const filch_loop_options *options, filch_range_fn *fn, void *arg)
{
    filch_loop_options o = {.size = sizeof o};
    int status = 0;

    if (options != NULL)
        status = fl_options_complete(&o, sizeof o, options, options->size);
    return status != 0 ? status : parallel_for(ex, begin, end, o.grain, o.token, fn, arg);
}
