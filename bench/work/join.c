/* SPDX-License-Identifier: MIT
 *
 * join.c: what does it cost to fork and join on the caller's stack?
 *
 * join/fib: Fibonacci's numbers with every call forked, by a pointer to the function or by its name. The
 * machine's side is the same recursion without forks. No rival has anything like it. */
#include "driver/bench.h"

enum {
    DEEPER = 6 /* than fork/fib: about as much time */
};

__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int fib_by_pointer(void *arg, void **result)
{
    uintptr_t n = (uintptr_t)arg;
    void *left = NULL;
    void *right = NULL;
    filch_task task;

    if (n < 2) {
        *result = arg;
        return 0;
    }
    filch_fork(&task, fib_by_pointer, (void *)(n - 1));
    int status = fib_by_pointer((void *)(n - 2), &right);
    status |= filch_join(&task, &left);
    *result = (void *)((uintptr_t)left + (uintptr_t)right);
    return status;
}

FILCH_FORKABLE_1(uint64_t, fib_by_name, uint64_t, n)
{
    fib_by_name_task left;

    if (n < 2)
        return n;
    fib_by_name_fork(&left, n - 1);
    uint64_t right = fib_by_name(n - 2);
    return right + fib_by_name_join(&left);
}

static int root_by_name(void *arg, void **result)
{
    *result = (void *)(uintptr_t)fib_by_name((uintptr_t)arg);
    return 0;
}

/* A fork for each n >= 2. */
static double forks_of(unsigned n)
{
    return (double)(fib(n + 1) - 1);
}

static void run(filch_task_fn *root, filch_executor *ex, struct slice *slice)
{
    unsigned n = plan.fib + DEEPER;
    uint64_t expected = fib(n);
    double forks = forks_of(n);
    filch_future *future;
    void *result;

    int64_t began = bench_now();
    bench_must(filch_submit(ex, root, (void *)(uintptr_t)n, &future), "submit");
    bench_must(filch_future_result(future, FILCH_FOREVER, &result), "result");
    slice->figure = (double)(bench_now() - began) / forks;
    filch_future_release(future);
    if ((uintptr_t)result != expected)
        bench_die("fib(%u) came out wrong", n);
}

static void run_by_pointer(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)load;
    run(fib_by_pointer, ex, slice);
}

static void run_by_name(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)load;
    run(root_by_name, ex, slice);
}

static void bare(const struct load *load, struct slice *slice)
{
    unsigned n = plan.fib + DEEPER;
    double forks = forks_of(n);

    (void)load;
    int64_t began = bench_now();
    uint64_t result = fib(n);
    slice->figure = (double)(bench_now() - began) / forks;
    if (result == 0)
        bench_die("fib(%u) came out wrong", n);
}

static double seconds(const struct load *load, enum side side)
{
    (void)load;
    return forks_of(plan.fib + DEEPER) * (side == SIDE_MACHINE ? 4 : 8) / 1e9;
}

static const char alone[] = "it forks on the stack of its tasks, which no plain pool can do";

#define FIB                                                                                        \
    .unit = "ns/fork", .limit = "a call and a return", .not_by_rivals = alone,                     \
    .run_machine = bare, .seconds = seconds
#define BY_POINTER FIB, .at_most_units = 6.5, .run = run_by_pointer
#define BY_NAME    FIB, .at_most_units = 3.12, .run = run_by_name /* 1.2 times Lace's 2.6 */

static const struct load loads[] = {
    {.address = "join/fib/pointer/workers:1", .workers = 1, BY_POINTER},
    {.address = "join/fib/pointer/workers:2", .workers = 2, BY_POINTER},
    {.address = "join/fib/name/workers:1", .workers = 1, BY_NAME},
    {.address = "join/fib/name/workers:2", .workers = 2, BY_NAME},
};

const struct load_list join_loads = {loads, sizeof loads / sizeof loads[0]};
