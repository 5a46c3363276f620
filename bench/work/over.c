/* SPDX-License-Identifier: MIT
 *
 * over.c: what becomes of it when there are more workers than CPUs, and somebody else wants one of them?
 *
 * Four or sixteen workers, while another process does nothing but use up a CPU. over/hot is submit/hot
 * under these circumstances, and over/1us is throughput with one producer and tasks that work for about a
 * microsecond. The machine's side of over/1us is that work alone, in one thread beside the other process. */
#include "driver/bench.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORK_NS = 1000
};

static pid_t burn(void)
{
    pid_t burner = fork();

    if (burner < 0)
        bench_die("there is no process that could use up a CPU");
    if (burner == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned long turns = 0;; turns++)
            continue;
    }
    return burner;
}

static void put_out(pid_t burner)
{
    int status;

    kill(burner, SIGKILL);
    waitpid(burner, &status, 0);
}

static int work_1us(void *arg, void **result)
{
    uintptr_t x = bench_work((uintptr_t)arg, WORK_NS);

    *result = (void *)((uintptr_t)arg + 1 + (x == 0));
    return 0;
}

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

struct run {
    const struct bench_pool *p;
    struct hist *hist;
    struct job *jobs;
    size_t n;
};

static void take(const struct run *run, struct job *job, uintptr_t expected)
{
    if ((uintptr_t)run->p->ops->wait(job) != expected)
        bench_die("a task returned something else than its argument plus one");
}

static void exchange(void *arg, unsigned producer)
{
    struct run *run = arg;
    int64_t end = bench_now() + plan.hot_ns;

    (void)producer;
    for (uintptr_t value = 0; bench_now() < end; value++) {
        struct job job;
        int64_t began = bench_now();

        run->p->ops->submit(run->p->pool, add_one, (void *)value, &job);
        take(run, &job, value + 1);
        hist_add(run->hist, bench_now() - began);
        run->p->ops->release(&job);
    }
}

static void produce(void *arg, unsigned producer)
{
    struct run *run = arg;

    (void)producer;
    for (size_t i = 0; i < run->n; i++)
        run->p->ops->submit(run->p->pool, work_1us, (void *)i, &run->jobs[i]);
    for (size_t i = 0; i < run->n; i++) {
        take(run, &run->jobs[i], i + 1);
        run->p->ops->release(&run->jobs[i]);
    }
}

static void hot(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct run run = {.p = p, .hist = slice->hist};
    pid_t burner = burn();

    (void)load;
    bench_producers(p, 1, exchange, &run);
    put_out(burner);
}

static size_t tasks_of(const struct pool *pool)
{
    size_t n = plan.tasks / 5;

    return pool != NULL && pool->most_tasks != 0 && n > pool->most_tasks ? pool->most_tasks : n;
}

static void working(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct run run = {.p = p, .n = tasks_of(p->ops)};

    (void)load;
    bench_calibrate();
    run.jobs = bench_alloc(run.n, sizeof *run.jobs);
    pid_t burner = burn();
    slice->figure = (double)bench_producers(p, 1, produce, &run) / (double)run.n;
    put_out(burner);
    free(run.jobs);
}

static void bare_work(const struct load *load, struct slice *slice)
{
    size_t n = tasks_of(NULL);
    void *result;

    (void)load;
    bench_calibrate();
    pid_t burner = burn();
    int64_t began = bench_now();
    for (size_t i = 0; i < n; i++)
        work_1us((void *)i, &result);
    slice->figure = (double)(bench_now() - began) / (double)n;
    put_out(burner);
}

#define HOT .unit = "ns", LATENCY, .run = hot, .seconds = 0.14
#define WORKING                                                                                    \
    .unit = "ns/task", .limit = "the work alone, in one thread", .run = working,                   \
    .run_machine = bare_work, .seconds = 0.1, .warms_up = true

static const struct load loads[] = {
    {.address = "over/hot/workers:4", .workers = 4, HOT},
    {.address = "over/hot/workers:16", .workers = 16, .at_length = true, HOT},
    {.address = "over/1us/workers:4", .workers = 4, WORKING},
    {.address = "over/1us/workers:16", .workers = 16, .at_length = true, WORKING},
};

const struct load_list over_loads = {loads, sizeof loads / sizeof loads[0]};
