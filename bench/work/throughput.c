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
    BATCHES_OF = 1, /* a load's kernel */
    BLOCK_BYTES = 64
};

struct run {
    const struct bench_pool *p;
    filch_task_fn *fn;
    struct job *jobs;
    void **args;
    size_t each; /* tasks of one producer */
    bool in_batches;
};

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static int work_1us(void *arg, void **result)
{
    uintptr_t x = bench_work((uintptr_t)arg, 1000);

    *result = (void *)((uintptr_t)arg + 1 + (x == 0));
    return 0;
}

static void submit_each(const struct run *run, size_t from, size_t to)
{
    const struct pool *ops = run->p->ops;

    for (size_t i = from; i < to; i++)
        ops->submit(run->p->pool, run->fn, (void *)i, &run->jobs[i]);
}

static void submit_batches(const struct run *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i += BATCH) {
        size_t n = to - i < BATCH ? to - i : BATCH;

        bench_submit_n(run->p, run->fn, &run->args[i], n, &run->jobs[i]);
    }
}

static void produce(void *arg, unsigned producer)
{
    struct run *run = arg;
    const struct pool *ops = run->p->ops;
    size_t from = producer * run->each;
    size_t to = from + run->each;

    if (run->in_batches)
        submit_batches(run, from, to);
    else
        submit_each(run, from, to);
    for (size_t i = from; i < to; i++) {
        void *result = ops->wait(&run->jobs[i]);

        if ((uintptr_t)result != i + 1)
            bench_die("task %zu returned something else than its argument plus one", i);
        ops->release(&run->jobs[i]);
    }
}

static size_t tasks_of(const struct load *load, const struct pool *ops)
{
    size_t n = load->call_ns != 0 ? plan.tasks / 5 : plan.tasks;

    return ops->most_tasks != 0 && n > ops->most_tasks ? ops->most_tasks : n;
}

static void measure(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    size_t n = tasks_of(load, p->ops);
    struct run run = {.p = p,
                      .fn = load->call_ns != 0 ? work_1us : add_one,
                      .each = n / load->producers,
                      .in_batches = load->kernel == BATCHES_OF};

    bench_calibrate();
    n = run.each * load->producers;
    run.jobs = bench_alloc(n, sizeof *run.jobs);
    run.args = bench_alloc(n, sizeof *run.args);
    for (size_t i = 0; i < n; i++) {
        run.args[i] = (void *)i;
        run.jobs[i].word[0] = run.args; /* touched: no page fault while measured */
    }
    slice->figure = (double)bench_producers(p, load->producers, produce, &run) / (double)n;
    free(run.args);
    free(run.jobs);
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

#define EACH                                                                                       \
    .unit = "ns/task", .limit = "malloc and free of 64 B", .run = measure,                         \
    .run_machine = bare_blocks, .seconds = 0.1, .warms_up = true
#define WORKING                                                                                    \
    .unit = "ns/task", .call_ns = 1000, .run = measure, .seconds = 0.1, .warms_up = true,          \
    .at_length = true

static const struct load loads[] = {
    {.address = "throughput/producers:1/workers:1", .producers = 1, .workers = 1, EACH},
    {.address = "throughput/producers:1/workers:2", .producers = 1, .workers = 2, EACH},
    {.address = "throughput/producers:2/workers:1", .producers = 2, .workers = 1, EACH},
    {.address = "throughput/producers:2/workers:2", .producers = 2, .workers = 2, EACH},
    {.address = "throughput/producers:4/workers:2",
     .producers = 4,
     .workers = 2,
     .at_length = true,
     EACH},
    {.address = "throughput/1us/producers:1/workers:1", .producers = 1, .workers = 1, WORKING},
    {.address = "throughput/1us/producers:1/workers:2", .producers = 1, .workers = 2, WORKING},
    {.address = "throughput/1us/producers:2/workers:2", .producers = 2, .workers = 2, WORKING},
    {.address = "throughput/1us/producers:4/workers:2", .producers = 4, .workers = 2, WORKING},
    {.address = "batch/of:1000/workers:1",
     .producers = 1,
     .workers = 1,
     .kernel = BATCHES_OF,
     EACH},
    {.address = "batch/of:1000/workers:2",
     .producers = 1,
     .workers = 2,
     .kernel = BATCHES_OF,
     EACH},
};

const struct load_list throughput_loads = {loads, sizeof loads / sizeof loads[0]};
