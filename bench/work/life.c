/* SPDX-License-Identifier: MIT
 *
 * life.c: what does it cost to create an executor with its workers, have it run one task, and destroy it?
 *
 * The first one of a slice is not measured. The machine's side is as many threads that are started,
 * set a word and are joined. */
#include "driver/bench.h"

#include "base/thread.h"

static int nothing(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static void live(const struct load *load, const struct pool *ops)
{
    struct job job;
    void *pool = ops->create(load->workers);

    if (pool == NULL)
        bench_die("this machine has no %s", ops->name);
    ops->submit(pool, nothing, &job, &job);
    if (ops->wait(&job) != &job)
        bench_die("a task returned something else than its argument");
    ops->release(&job);
    ops->destroy(pool);
}

static void lives(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    live(load, p->ops);
    int64_t began = bench_now();
    for (unsigned i = 0; i < plan.lives; i++)
        live(load, p->ops);
    slice->figure = (double)(bench_now() - began) / plan.lives;
}

static void *thread_main(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static void bare_threads(const struct load *load, struct slice *slice)
{
    enum {
        WORKERS = 2
    };
    struct fl_thread threads[WORKERS];
    struct fl_thread_options options = {.keep_signals = true};
    int ran[WORKERS];

    (void)load;
    int64_t began = bench_now();
    for (unsigned i = 0; i < plan.lives; i++) {
        for (int k = 0; k < WORKERS; k++)
            bench_must(fl_thread_start(&threads[k], thread_main, &ran[k], &options), "a thread");
        for (int k = 0; k < WORKERS; k++)
            fl_thread_join(&threads[k]);
    }
    slice->figure = (double)(bench_now() - began) / plan.lives;
}

static const char *why_not(const struct load *load, const struct pool *pool)
{
    (void)load;
    return pool->no_life;
}

static const struct load loads[] = {
    {.address = "life/workers:2",
     .unit = "ns",
     .limit = "two threads, started and joined",
     .no_executor = true,
     .workers = 2,
     .run = lives,
     .run_machine = bare_threads,
     .why_not = why_not,
     .seconds = 0.02},
};

const struct load_list life_loads = {loads, sizeof loads / sizeof loads[0]};
