/* SPDX-License-Identifier: MIT
 *
 * filch_join.c: fork and join by filch's means: records on the stack of whoever forks (filch/fork.h). */
#include "pools/filch.h"

#include <filch/filch.h>

#define JOIN_FN(name, type, body)                                                                  \
    static int name(void *arg, void **result)                                                      \
    {                                                                                              \
        *result = NULL;                                                                            \
        body((type *)arg);                                                                         \
        return 0;                                                                                  \
    }

struct join_scope {
    char nothing;
};

struct join_task {
    filch_task task;
};

static inline void join_fork(struct join_scope *scope, struct join_task *task, filch_task_fn *fn,
                             void *arg)
{
    (void)scope;
    filch_fork(&task->task, fn, arg);
}

static inline void join_one(struct join_scope *scope, struct join_task *task)
{
    (void)scope;
    bench_must(filch_join(&task->task, NULL), "join");
}

static inline void join_all(struct join_scope *scope)
{
    (void)scope;
}

static void join_root(void *pool, filch_task_fn *fn, void *arg)
{
    filch_future *f;

    bench_must(filch_submit(pool, fn, arg, &f), "submit");
    bench_must(filch_future_result(f, FILCH_FOREVER, NULL), "result");
    filch_future_release(f);
}

#include "work/join.h"

const struct join_kernels filch_join_kernels = {join_kernel_fib,       join_kernel_queens,
                                                join_kernel_skynet,    join_kernel_tree,
                                                join_kernel_mergesort, join_kernel_quicksort};
