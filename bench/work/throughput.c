/* SPDX-License-Identifier: MIT
 *
 * throughput.c: what does a task cost, submitted, run, its future waited for and released?
 *
 * Producers submit all their tasks, one by one or in batches, then take each result in turn, look at
 * it and release the future. The time is from the first submit to the last release, of all producers
 * together. With one producer and two workers three threads share the machine; that is no mistake.
 *
 * The machine's side is one block of 64 bytes from malloc for each task and its free, in the same
 * order: what a pool pays that does nothing but allocate. */
#include "driver/bench.h"

#include <stdlib.h>

enum {
    BATCH = 1000,
    BLOCK_BYTES = 64
};

struct run {
    filch_executor *ex;
    filch_future **futures;
    void **args;
    size_t each; /* tasks of one producer */
    bool in_batches;
};

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static void submit_each(const struct run *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        bench_must(filch_submit(run->ex, add_one, (void *)i, &run->futures[i]), "submit");
}

static void submit_batches(const struct run *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i += BATCH) {
        size_t n = to - i < BATCH ? to - i : BATCH;

        bench_must(filch_submit_batch(run->ex, add_one, &run->args[i], n, &run->futures[i]),
                   "submit_batch");
    }
}

static void produce(void *arg, unsigned producer)
{
    struct run *run = arg;
    size_t from = producer * run->each;
    size_t to = from + run->each;

    if (run->in_batches)
        submit_batches(run, from, to);
    else
        submit_each(run, from, to);
    for (size_t i = from; i < to; i++) {
        void *result;

        bench_must(filch_future_result(run->futures[i], FILCH_FOREVER, &result), "result");
        if ((uintptr_t)result != i + 1)
            bench_die("task %zu returned something else than its argument plus one", i);
        filch_future_release(run->futures[i]);
    }
}

static void measure(const struct load *load, filch_executor *ex, struct slice *slice,
                    bool in_batches)
{
    size_t n = plan.tasks;
    struct run run = {.ex = ex, .each = n / load->producers, .in_batches = in_batches};

    n = run.each * load->producers;
    run.futures = bench_alloc(n, sizeof *run.futures);
    run.args = bench_alloc(n, sizeof *run.args);
    for (size_t i = 0; i < n; i++) {
        run.args[i] = (void *)i;
        run.futures[i] = (filch_future *)run.args; /* touched: no page fault while measured */
    }
    slice->figure = (double)bench_together(load->producers, produce, &run) / (double)n;
    free(run.args);
    free(run.futures);
}

static void one_by_one(const struct load *load, filch_executor *ex, struct slice *slice)
{
    measure(load, ex, slice, false);
}

static void batches(const struct load *load, filch_executor *ex, struct slice *slice)
{
    measure(load, ex, slice, true);
}

static void bare_blocks(const struct load *load, struct slice *slice)
{
    size_t n = plan.tasks;
    void **blocks = bench_alloc(n, sizeof *blocks);

    (void)load;
    int64_t began = bench_now();
    for (size_t i = 0; i < n; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (blocks[i] == NULL)
            bench_die("out of memory");
        *(size_t *)blocks[i] = i;
    }
    for (size_t i = 0; i < n; i++)
        free(blocks[i]);
    slice->figure = (double)(bench_now() - began) / (double)n;
    free(blocks);
}

static double seconds(const struct load *load, enum side side)
{
    static const double ns[SIDES] = {150, 400, 450, 25};

    (void)load;
    return (double)plan.tasks * ns[side] / 1e9;
}

#define EACH                                                                                       \
    .unit = "ns/task", .limit = "malloc and free of 64 B", .at_most = 0.5, .run = one_by_one,      \
    .run_machine = bare_blocks, .seconds = seconds
#define BATCHES                                                                                    \
    .unit = "ns/task", .limit = "malloc and free of 64 B", .run = batches,                         \
    .run_machine = bare_blocks, .seconds = seconds

static const struct load loads[] = {
    {.address = "throughput/producers:1/workers:1", .producers = 1, .workers = 1, EACH},
    {.address = "throughput/producers:1/workers:2", .producers = 1, .workers = 2, EACH},
    {.address = "throughput/producers:2/workers:1", .producers = 2, .workers = 1, EACH},
    {.address = "throughput/producers:2/workers:2", .producers = 2, .workers = 2, EACH},
    {.address = "batch/of:1000/workers:1", .producers = 1, .workers = 1, BATCHES},
    {.address = "batch/of:1000/workers:2", .producers = 1, .workers = 2, BATCHES},
};

const struct load_list throughput_loads = {loads, sizeof loads / sizeof loads[0]};
