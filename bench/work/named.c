/* SPDX-License-Identifier: MIT
 *
 * named.c: what does it cost to fork and join by name, so that the compiler sees which function it is?
 *
 * join/named/fib: Fibonacci's numbers with every call forked (FILCH_FORKABLE_1). The machine's side is the
 * same recursion without forks. No rival has anything like it: for one that has, see PERF.md. */
#include "driver/bench.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

FILCH_FORKABLE_1(uint64_t, forked_fib, uint64_t, n)
{
    forked_fib_task left;

    if (n < 2)
        return n;
    forked_fib_fork(&left, n - 1);
    uint64_t right = forked_fib(n - 2);
    return right + forked_fib_join(&left);
}

static int root(void *arg, void **result)
{
    *result = (void *)(uintptr_t)forked_fib((uintptr_t)arg);
    return 0;
}

/* A fork for each n >= 2. */
static double forks_of(unsigned n)
{
    return (double)(fib(n + 1) - 1);
}

static void run(const struct load *load, filch_executor *ex, struct slice *slice)
{
    uint64_t expected = fib(plan.join);
    filch_future *future;
    void *result;

    (void)load;
    int64_t began = bench_now();
    bench_must(filch_submit(ex, root, (void *)(uintptr_t)plan.join, &future), "submit");
    bench_must(filch_future_result(future, FILCH_FOREVER, &result), "result");
    slice->figure = (double)(bench_now() - began) / forks_of(plan.join);
    filch_future_release(future);
    if ((uintptr_t)result != expected)
        bench_die("fib(%u) came out wrong", plan.join);
}

static void bare(const struct load *load, struct slice *slice)
{
    double forks = forks_of(plan.join);

    (void)load;
    int64_t began = bench_now();
    uint64_t result = fib(plan.join);
    slice->figure = (double)(bench_now() - began) / forks;
    if (result == 0)
        bench_die("fib(%u) came out wrong", plan.join);
}

static const char alone[] = "forks by name are a macro of filch's";

#define FIB                                                                                        \
    .unit = "ns/fork", .limit = "a call and a return", .not_by_rivals = alone, .seconds = 0.05,    \
    .warms_up = true, .run_api = run, .run_machine = bare

static const struct load loads[] = {
    {.address = "join/named/fib/workers:1", .workers = 1, FIB},
    {.address = "join/named/fib/workers:2", .workers = 2, FIB},
};

const struct load_list named_loads = {loads, sizeof loads / sizeof loads[0]};
