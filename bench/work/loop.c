/* SPDX-License-Identifier: MIT
 *
 * loop.c: what does an element of a loop cost, and how much faster is a loop with help?
 *
 * filch's side is filch_parallel_for and filch_parallel_reduce, of which the caller runs its share: with one
 * worker two threads take part. loop/cheap adds to numbers in memory, loop/uneven works the longer the higher
 * the index, loop/sum and loop/sum_fixed add up; the grain is automatic. The rivals' side is what one writes by hand: a task
 * for each worker, over as many elements each. loop/nested is the other end: loops of 64 elements, one after
 * the other, in a task whose pool has nobody idle; its figure is a loop and not an element. The machine's
 * side is the plain loop. */
#include "driver/bench.h"

#include <stdlib.h>

enum {
    NESTED = 64,
    MOST_TASKS = 16,
    PER_TASK = 20 /* elements to one of plan.tasks */
};

static uint64_t *numbers;

static size_t elements_of(const struct load *load)
{
    return load->call_ns != 0 ? plan.tasks / PER_TASK : plan.tasks * PER_TASK;
}

static uint64_t *prepare(size_t n)
{
    static size_t size;

    if (n > size) {
        free(numbers);
        numbers = bench_alloc(n, sizeof numbers[0]);
        size = n;
        for (size_t i = 0; i < n; i++)
            numbers[i] = i;
    }
    return numbers;
}

static int add_one(size_t begin, size_t end, void *arg)
{
    uint64_t *x = arg;

    for (size_t i = begin; i < end; i++)
        x[i]++;
    return 0;
}

static int work_unevenly(size_t begin, size_t end, void *arg)
{
    uint64_t *x = arg;

    for (size_t i = begin; i < end; i++) {
        for (size_t turns = i / 8; turns > 0; turns--) {
            x[i] = x[i] * 6364136223846793005U + 1442695040888963407U;
            __asm__ volatile("" : "+m"(x[i])); /* each turn is done */
        }
    }
    return 0;
}

static int add_up(size_t begin, size_t end, void *accumulator, void *arg)
{
    const uint64_t *x = arg;
    uint64_t sum = 0;

    for (size_t i = begin; i < end; i++)
        sum += x[i];
    *(uint64_t *)accumulator += sum;
    return 0;
}

static void combine(void *left, void *right, void *arg)
{
    (void)arg;
    *(uint64_t *)left += *(uint64_t *)right;
}

static filch_range_fn *body_of(const struct load *load)
{
    return load->call_ns != 0 ? work_unevenly : add_one;
}

static void finish(struct slice *slice, int64_t began, size_t n)
{
    slice->figure = (double)(bench_now() - began) / (double)n;
}

/* ---- filch */

static void looped(const struct load *load, filch_executor *ex, struct slice *slice)
{
    size_t n = elements_of(load);
    uint64_t *x = prepare(n);
    uint64_t before = x[n - 1];

    int64_t began = bench_now();
    bench_must(filch_parallel_for(ex, 0, n, 0, body_of(load), x), "loop");
    finish(slice, began, n);
    if (x[n - 1] == before)
        bench_die("the loop left out its last element");
}

static void reduced(filch_executor *ex, size_t n, unsigned flags, struct slice *slice)
{
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(uint64_t),
                           .fold = add_up,
                           .combine = combine,
                           .flags = flags};
    uint64_t *x = prepare(n);
    uint64_t expected = 0;
    uint64_t sum;

    (void)add_up(0, n, &expected, x);
    int64_t began = bench_now();
    bench_must(filch_parallel_reduce(ex, 0, n, &how, &sum, x), "reduce");
    finish(slice, began, n);
    if (sum != expected)
        bench_die("a sum is wrong");
}

static void summed(const struct load *load, filch_executor *ex, struct slice *slice)
{
    reduced(ex, elements_of(load), 0, slice);
}

static void summed_fixed(const struct load *load, filch_executor *ex, struct slice *slice)
{
    reduced(ex, elements_of(load), FILCH_REDUCE_FIXED, slice);
}

struct nested {
    filch_executor *ex;
    size_t loops;
    uint64_t *x;
};

static int loop_inside(void *arg, void **result)
{
    const struct nested *nested = arg;
    int status = 0;

    (void)result;
    for (size_t i = 0; i < nested->loops && status == 0; i++)
        status = filch_parallel_for(nested->ex, 0, NESTED, 0, add_one, nested->x);
    return status;
}

static void looped_inside(const struct load *load, filch_executor *ex, struct slice *slice)
{
    struct nested nested = {ex, plan.tasks, prepare(NESTED)};
    filch_future *future;

    (void)load;
    int64_t began = bench_now();
    bench_must(filch_submit(ex, loop_inside, &nested, &future), "submit");
    bench_must(filch_future_result(future, FILCH_FOREVER, NULL), "a loop");
    finish(slice, began, nested.loops);
    filch_future_release(future);
}

/* ---- by hand */

struct share {
    filch_range_fn *body;
    size_t begin, end;
    uint64_t *x;
};

static int run_share(void *arg, void **result)
{
    const struct share *share = arg;

    (void)result;
    return share->body(share->begin, share->end, share->x);
}

static void by_hand(const struct load *load, filch_executor *ex, struct slice *slice)
{
    size_t n = elements_of(load);
    size_t tasks = load->workers < MOST_TASKS ? load->workers : MOST_TASKS;
    struct share shares[MOST_TASKS];
    filch_future *futures[MOST_TASKS];
    uint64_t *x = prepare(n);

    int64_t began = bench_now();
    for (size_t i = 0; i < tasks; i++) {
        shares[i] = (struct share){body_of(load), n * i / tasks, n * (i + 1) / tasks, x};
        bench_must(filch_submit(ex, run_share, &shares[i], &futures[i]), "submit");
    }
    for (size_t i = 0; i < tasks; i++) {
        bench_must(filch_future_result(futures[i], FILCH_FOREVER, NULL), "a share");
        filch_future_release(futures[i]);
    }
    finish(slice, began, n);
}

/* ---- the plain loop */

static void bare_loop(const struct load *load, struct slice *slice)
{
    filch_range_fn *volatile body = body_of(load);
    size_t n = elements_of(load);
    uint64_t *x = prepare(n);

    int64_t began = bench_now();
    bench_must(body(0, n, x), "the loop");
    finish(slice, began, n);
}

static void bare_sum(const struct load *load, struct slice *slice)
{
    int (*volatile fold)(size_t, size_t, void *, void *) = add_up;
    size_t n = elements_of(load);
    uint64_t *x = prepare(n);
    uint64_t sum = 0;

    int64_t began = bench_now();
    bench_must(fold(0, n, &sum, x), "the sum");
    finish(slice, began, n);
}

static void bare_nested(const struct load *load, struct slice *slice)
{
    filch_range_fn *volatile body = add_one;
    uint64_t *x = prepare(NESTED);

    (void)load;
    int64_t began = bench_now();
    for (size_t i = 0; i < plan.tasks; i++)
        bench_must(body(0, NESTED, x), "the loop");
    finish(slice, began, plan.tasks);
}

static double seconds(const struct load *load, enum side side)
{
    (void)side;
    return (double)elements_of(load) * (load->call_ns != 0 ? 1000 : 1) / 1e9;
}

static double nested_seconds(const struct load *load, enum side side)
{
    (void)load, (void)side;
    return (double)plan.tasks * 150 / 1e9;
}

#define PLAIN .limit = "the plain loop, on one thread"

static const struct load loads[] = {
    {.address = "loop/cheap/workers:1",
     .unit = "ns/element",
     .workers = 1,
     .run = looped,
     .run_rival = by_hand,
     .run_machine = bare_loop,
     .seconds = seconds,
     PLAIN},
    {.address = "loop/uneven/workers:1",
     .unit = "ns/element",
     .workers = 1,
     .call_ns = 1,
     .run = looped,
     .run_rival = by_hand,
     .run_machine = bare_loop,
     .seconds = seconds,
     PLAIN},
    {.address = "loop/sum/workers:1",
     .unit = "ns/element",
     .not_by_rivals = "filch_parallel_reduce is filch's own",
     .workers = 1,
     .run = summed,
     .run_machine = bare_sum,
     .seconds = seconds,
     PLAIN},
    {.address = "loop/sum_fixed/workers:1",
     .unit = "ns/element",
     .not_by_rivals = "filch_parallel_reduce is filch's own",
     .workers = 1,
     .run = summed_fixed,
     .run_machine = bare_sum,
     .seconds = seconds,
     PLAIN},
    {.address = "loop/nested/of:64",
     .unit = "ns/loop",
     .not_by_rivals = "filch_parallel_for is filch's own",
     .workers = 1,
     .run = looped_inside,
     .run_machine = bare_nested,
     .seconds = nested_seconds,
     PLAIN},
};

const struct load_list loop_loads = {loads, sizeof loads / sizeof loads[0]};
