/* SPDX-License-Identifier: MIT
 *
 * idle.c: what does an executor do while there is nothing to do?
 *
 * After a hundred tasks, and with no parallel region open, it is left alone until its workers sleep; then, for as long as the plan says (ten
 * seconds at length), the time that they spend on a CPU is taken, and how often they are switched to and
 * from, both per second: those of the process less those of the thread that sleeps through it here. */
#include "driver/bench.h"

enum {
    SETTLE_NS = 50000000,
    TASKS = 100
};

static int nothing(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static struct usage workers_usage(void)
{
    struct usage mine = bench_own_usage();
    struct usage all = bench_usage();

    return (struct usage){.cpu_ns = all.cpu_ns - mine.cpu_ns,
                          .switches = all.switches - mine.switches};
}

static void use(void *arg, unsigned producer)
{
    const struct bench_pool *p = arg;
    struct job job;

    (void)producer;
    for (int i = 0; i < TASKS; i++) {
        p->ops->submit(p->pool, nothing, &job, &job);
        if (p->ops->wait(&job) != &job)
            bench_die("a task returned something else than its argument");
        p->ops->release(&job);
    }
}

static void idle(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct bench_pool used = *p;

    (void)load;
    bench_producers(p, 1, use, &used);
    bench_sleep(SETTLE_NS);
    struct usage before = workers_usage();
    bench_sleep(plan.idle_ns);
    struct usage after = workers_usage();
    double seconds = (double)plan.idle_ns / 1e9;
    double spent = after.cpu_ns - before.cpu_ns;
    /* The two are read one after the other: below a few microseconds there is nothing to tell. */
    slice->figure = spent > 5000 ? spent / 1e3 / seconds : 0;
    slice->more[0] = (after.switches - before.switches) / seconds;
}

static const struct metric metrics[] = {{"CPU", "us/s", 0}, {"switches", "times/s", 0}};

static const struct load loads[] = {
    {.address = "idle/workers:2",
     .unit = "us/s",
     .metrics = metrics,
     .n_metrics = 2,
     .few_rounds = true,
     .workers = 2,
     .run = idle,
     .seconds = 1.1},
};

const struct load_list idle_loads = {loads, sizeof loads / sizeof loads[0]};
