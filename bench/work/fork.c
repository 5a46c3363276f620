/* SPDX-License-Identifier: MIT
 *
 * fork.c: what does it cost when tasks submit tasks?
 *
 * fork/fib: Fibonacci's numbers the wasteful way: a task submits one half, works out the other itself
 * and waits for the first, all the way down. A task that waits holds its worker in a plain pool, so
 * this load has no rivals: they would never end. The machine's side is the same recursion without
 * tasks. fork/tree: each task submits two others and waits for none, which every pool can do; the
 * leaves leave a mark each, and all marks are counted. */
#include "driver/bench.h"

#include <stdlib.h>
#include <string.h>

/* One slice at a time: what its tasks need beside their argument. */
static filch_executor *forking;
static unsigned char *marks;
static size_t leaves;

__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int fib_task(void *arg, void **result);

static uint64_t fib_forking(unsigned n)
{
    filch_future *future;
    void *other;

    if (n < 2)
        return n;
    bench_must(filch_submit(forking, fib_task, (void *)(uintptr_t)(n - 1), &future), "submit");
    uint64_t mine = fib_forking(n - 2);
    bench_must(filch_future_result(future, FILCH_FOREVER, &other), "result");
    filch_future_release(future);
    return mine + (uintptr_t)other;
}

static int fib_task(void *arg, void **result)
{
    *result = (void *)(uintptr_t)fib_forking((unsigned)(uintptr_t)arg);
    return 0;
}

static void run_fib(const struct load *load, filch_executor *ex, struct slice *slice)
{
    filch_future *future;
    void *result;
    double forks =
        (double)fib(plan.fib + 1); /* a fork each for n >= 2, and one for the first task */

    (void)load;
    forking = ex;
    int64_t began = bench_now();
    bench_must(filch_submit(ex, fib_task, (void *)(uintptr_t)plan.fib, &future), "submit");
    bench_must(filch_future_result(future, FILCH_FOREVER, &result), "result");
    slice->figure = (double)(bench_now() - began) / forks;
    filch_future_release(future);
    if ((uintptr_t)result != fib(plan.fib))
        bench_die("fib(%u) came out wrong", plan.fib);
}

static void bare_fib(const struct load *load, struct slice *slice)
{
    (void)load;
    int64_t began = bench_now();
    uint64_t result = fib(plan.fib);
    slice->figure = (double)(bench_now() - began) / (double)fib(plan.fib + 1);
    if (result != fib(plan.fib))
        bench_die("fib(%u) came out wrong", plan.fib);
}

/* A node is its number: the root is 1, the children of k are 2 k and 2 k + 1. */
static int tree_task(void *arg, void **result)
{
    uintptr_t node = (uintptr_t)arg;

    (void)result;
    if (node >= leaves) {
        marks[node - leaves] = 1;
        return 0;
    }
    bench_must(filch_submit(forking, tree_task, (void *)(2 * node), NULL), "submit");
    bench_must(filch_submit(forking, tree_task, (void *)(2 * node + 1), NULL), "submit");
    return 0;
}

static void run_tree(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)load;
    forking = ex;
    leaves = (size_t)1 << plan.depth;
    marks = bench_alloc(leaves, 1);
    memset(marks, 0, leaves);
    int64_t began = bench_now();
    bench_must(filch_submit(ex, tree_task, (void *)(uintptr_t)1, NULL), "submit");
    bench_must(filch_executor_wait_idle(ex, FILCH_FOREVER), "wait_idle");
    slice->figure = (double)(bench_now() - began) / (double)(2 * leaves - 1);
    if (memchr(marks, 0, leaves) != NULL)
        bench_die("a leaf of the tree was not visited");
    free(marks);
}

static const char deadlock[] =
    "its tasks wait for tasks, and each would hold a worker of a plain pool for ever";

#define FIB                                                                                        \
    .unit = "ns/fork", .limit = "a call and a return", .not_by_rivals = deadlock,                  \
    .run_api = run_fib, .run_machine = bare_fib, .seconds = 0.02, .warms_up = true
#define TREE .unit = "ns/task", .run_api = run_tree, .seconds = 0.02, .warms_up = true

static const struct load loads[] = {
    {.address = "fork/fib/workers:1", .workers = 1, FIB},
    {.address = "fork/fib/workers:2", .workers = 2, FIB},
    {.address = "fork/tree/workers:1", .workers = 1, TREE},
    {.address = "fork/tree/workers:2", .workers = 2, TREE},
};

const struct load_list fork_loads = {loads, sizeof loads / sizeof loads[0]};
