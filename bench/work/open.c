/* SPDX-License-Identifier: MIT
 *
 * open.c: how late is a task that comes at its own time, and what does it cost while there is little to do?
 *
 * One thread submits tasks at times that were drawn before, as in a Poisson process of 1,000, 10,000 or
 * 100,000 a second, whether the ones before are done or not; when it is late, it does not wait. Each task
 * notes when it runs. A sample is the time from the intended start until then, so that a pool that stops
 * the submitter, or lets tasks queue up, can't hide it. The times are the same ones for everybody. Of the
 * whole process are taken: the time on a CPU and the context switches, for each task.
 *
 * The machine's side is the submitting thread alone: how late it is itself. */
#include "driver/bench.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    SEED = 1,
    WARM_UP = 100,
    MOST = 1000000
};

/* A task: when it should start, from the beginning on, and when it did. */
struct arrival {
    int64_t due;
    int64_t at;
};

struct open {
    const struct bench_pool *p;
    struct arrival *arrivals;
    struct job *jobs;
    size_t n;
    struct usage before;
};

static int arrive(void *arg, void **result)
{
    struct arrival *a = arg;

    a->at = bench_now();
    *result = a;
    return 0;
}

static double uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return ((double)(*seed >> 11) + 0.5) / 9007199254740992.0;
}

/* n arrivals that many a second. */
static size_t draw(struct arrival *arrivals, size_t n, double rate)
{
    uint64_t seed = SEED;
    double at = 0;

    for (size_t i = 0; i < n; i++) {
        at -= log(uniform(&seed)) * 1e9 / rate;
        arrivals[i].due = (int64_t)at;
    }
    return n;
}

static void sleep_until(int64_t when)
{
    struct timespec at = {.tv_sec = (time_t)(when / 1000000000),
                          .tv_nsec = (long)(when % 1000000000)};

    while (bench_now() < when &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static void warm_up(struct open *open)
{
    const struct pool *ops = open->p->ops;
    struct arrival dummy;
    struct job job;

    for (int i = 0; i < WARM_UP; i++) {
        ops->submit(open->p->pool, arrive, &dummy, &job);
        ops->wait(&job);
        ops->release(&job);
    }
}

static void produce(void *arg, unsigned producer)
{
    struct open *open = arg;
    const struct pool *ops = open->p->ops;

    (void)producer;
    prctl(PR_SET_TIMERSLACK, 1UL);
    warm_up(open);
    open->before = bench_usage();
    int64_t began = bench_now();
    for (size_t i = 0; i < open->n; i++) {
        struct arrival *a = &open->arrivals[i];

        a->due += began;
        sleep_until(a->due);
        ops->submit(open->p->pool, arrive, a, &open->jobs[i]);
    }
    for (size_t i = 0; i < open->n; i++) {
        if (ops->wait(&open->jobs[i]) != &open->arrivals[i])
            bench_die("task %zu returned something else than its argument", i);
        ops->release(&open->jobs[i]);
    }
}

static void count(const struct open *open, struct slice *slice)
{
    struct usage after = bench_usage();

    for (size_t i = 0; i < open->n; i++)
        hist_add(slice->hist, open->arrivals[i].at - open->arrivals[i].due);
    slice->more[2] = (after.cpu_ns - open->before.cpu_ns) / 1e3 / (double)open->n;
    slice->more[3] = (after.switches - open->before.switches) / (double)open->n;
}

static size_t arrivals_of(const struct load *load)
{
    size_t n = (size_t)((double)plan.open_ns / 1e9 * (double)load->kernel);

    return n < MOST ? n : MOST;
}

static void run_open(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct open open = {.p = p, .n = arrivals_of(load)};

    open.arrivals = bench_alloc(open.n, sizeof *open.arrivals);
    open.jobs = bench_alloc(open.n, sizeof *open.jobs);
    draw(open.arrivals, open.n, (double)load->kernel);
    bench_producers(p, 1, produce, &open);
    count(&open, slice);
    free(open.jobs);
    free(open.arrivals);
}

static void bare_thread(const struct load *load, struct slice *slice)
{
    struct open open = {.n = arrivals_of(load)};
    void *result;

    open.arrivals = bench_alloc(open.n, sizeof *open.arrivals);
    draw(open.arrivals, open.n, (double)load->kernel);
    prctl(PR_SET_TIMERSLACK, 1UL);
    open.before = bench_usage();
    int64_t began = bench_now();
    for (size_t i = 0; i < open.n; i++) {
        open.arrivals[i].due += began;
        sleep_until(open.arrivals[i].due);
        arrive(&open.arrivals[i], &result);
    }
    count(&open, slice);
    free(open.arrivals);
}

static const struct metric metrics[] = {{"p50", "ns", 0.5},
                                        {"p99", "ns", 0.99},
                                        {"p99.9", "ns", 0.999},
                                        {"CPU", "us/task", 0},
                                        {"switches", "times/task", 0}};

#define OPEN                                                                                       \
    .unit = "ns", .limit = "the submitting thread alone", .metrics = metrics, .n_metrics = 5,      \
    .workers = 2, .producers = 1, .run = run_open, .run_machine = bare_thread, .seconds = 0.42

static const struct load loads[] = {
    {.address = "open/1000", .kernel = 1000, OPEN},
    {.address = "open/10000", .kernel = 10000, OPEN},
    {.address = "open/100000", .kernel = 100000, OPEN},
};

const struct load_list open_loads = {loads, sizeof loads / sizeof loads[0]};
