/* SPDX-License-Identifier: MIT
 *
 * idle.c: what does an executor do while there is nothing to do?
 *
 * After one task it is left alone until its workers sleep; then the time is taken that they spend on
 * a CPU, per second: that of the process less that of the thread that sleeps through it here. */
#include "driver/bench.h"

#include <time.h>

enum {
    SETTLE_NS = 20000000
};

static int nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static double clock_ns(clockid_t clock)
{
    struct timespec used;

    if (clock_gettime(clock, &used) != 0)
        bench_die("the time spent on a CPU cannot be read");
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static double workers_ns(void)
{
    double mine = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - mine;
}

static void idle(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)load;
    bench_must(filch_submit(ex, nothing, NULL, NULL), "submit");
    bench_must(filch_executor_wait_idle(ex, FILCH_FOREVER), "wait_idle");
    bench_sleep(SETTLE_NS);
    double before = workers_ns();
    bench_sleep(plan.idle_ns);
    double spent = workers_ns() - before;
    /* The two clocks are read one after the other: below a microsecond there is nothing to tell. */
    slice->figure = spent > 1000 ? spent / 1e3 / ((double)plan.idle_ns / 1e9) : 0;
}

static double seconds(const struct load *load, enum side side)
{
    (void)load;
    (void)side;
    return (double)(plan.idle_ns + SETTLE_NS) / 1e9;
}

static const struct load loads[] = {
    {.address = "idle/workers:2",
     .unit = "us CPU/s",
     .workers = 2,
     .run = idle,
     .seconds = seconds},
};

const struct load_list idle_loads = {loads, sizeof loads / sizeof loads[0]};
