/* SPDX-License-Identifier: MIT
 *
 * named.c: what does it cost to fork and join by name, so that the compiler sees which function it is?
 *
 * join/named/fib: Fibonacci's numbers with every call forked (FILCH_FORKABLE_1). The machine's side is the
 * same recursion without forks, in as many threads at once as there are workers (join.c). No rival has anything like it: for one that has, see PERF.md. */
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
    int64_t spent = 0;
    unsigned turns = 0;

    (void)load;
    do {
        filch_future *future;
        void *result;
        int64_t began = bench_now();

        bench_must(filch_submit(ex, root, (void *)(uintptr_t)plan.join, &future), "submit");
        bench_must(filch_future_result(future, FILCH_FOREVER, &result), "result");
        spent += bench_now() - began;
        turns++;
        filch_future_release(future);
        if ((uintptr_t)result != expected)
            bench_die("fib(%u) came out wrong", plan.join);
    } while (spent < plan.join_ns);
    slice->figure = (double)spent / turns / forks_of(plan.join);
}

static void calls(const struct load *load, struct slice *slice)
{
    double forks = forks_of(plan.join);
    int64_t spent = 0;
    unsigned turns = 0;

    (void)load;
    do {
        int64_t began = bench_now();
        uint64_t result = fib(plan.join);

        spent += bench_now() - began;
        turns++;
        if (result == 0)
            bench_die("fib(%u) came out wrong", plan.join);
    } while (spent < plan.join_ns);
    slice->figure = (double)spent / turns / forks;
}

static void bare(const struct load *load, struct slice *slice)
{
    bench_at_once(load, slice, calls);
}

static const char alone[] = "forks by name are a macro of filch's";

#define FIB                                                                                        \
    .unit = "ns/fork", .limit = "calls, in so many threads at once", .not_by_rivals = alone,       \
    .seconds = 0.05, .warms_up = true, .run_api = run, .run_machine = bare

static const struct load loads[] = {
    {.address = "join/named/fib/workers:1", .workers = 1, FIB},
    {.address = "join/named/fib/workers:2", .workers = 2, FIB},
};

const struct load_list named_loads = {loads, sizeof loads / sizeof loads[0]};
