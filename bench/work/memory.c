/* SPDX-License-Identifier: MIT
 *
 * memory.c: how much memory does a pending task take, with its future?
 *
 * In a process of its own, the one worker is held inside a task while a million others are queued
 * behind it. What the resident set has grown by meanwhile, divided by their number, is the answer;
 * the array that holds the futures has been touched before. Then the worker goes on, and every
 * result is looked at. The machine's side is what malloc takes for that many blocks of 64 bytes. */
#include "driver/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/futex.h"

enum {
    BLOCK_BYTES = 64
};

/* Words   held   0 on the way, 1 the worker is inside, 2 it may go */
static fl_atomic(uint32_t) held;

static int hold(void *arg, void **result)
{
    (void)arg;
    (void)result;
    fl_store(&held, 1, release);
    fl_futex_wake(&held, 1);
    while (fl_load(&held, acquire) != 2)
        fl_futex_wait(&held, 1, INT64_MAX);
    return 0;
}

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static double resident_bytes(void)
{
    unsigned long all;
    unsigned long resident;
    FILE *statm = fopen("/proc/self/statm", "re");

    if (statm == NULL || fscanf(statm, "%lu %lu", &all, &resident) != 2)
        bench_die("/proc/self/statm does not say how much memory this process has");
    fclose(statm);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void pending(const struct load *load, filch_executor *ex, struct slice *slice)
{
    size_t n = plan.pending;
    filch_future **futures = bench_alloc(n, sizeof *futures);
    filch_future *holder;

    (void)load;
    for (size_t i = 0; i < n; i++)
        futures[i] = (filch_future *)futures; /* touched */
    bench_must(filch_submit(ex, hold, NULL, &holder), "submit");
    while (fl_load(&held, acquire) != 1)
        fl_futex_wait(&held, 0, INT64_MAX);

    double before = resident_bytes();
    for (size_t i = 0; i < n; i++)
        bench_must(filch_submit(ex, add_one, (void *)i, &futures[i]), "submit");
    slice->figure = (resident_bytes() - before) / (double)n;

    fl_store(&held, 2, release);
    fl_futex_wake(&held, 1);
    for (size_t i = 0; i < n; i++) {
        void *result;

        bench_must(filch_future_result(futures[i], FILCH_FOREVER, &result), "result");
        if ((uintptr_t)result != i + 1)
            bench_die("task %zu returned something else than its argument plus one", i);
        filch_future_release(futures[i]);
    }
    bench_must(filch_future_result(holder, FILCH_FOREVER, NULL), "result");
    filch_future_release(holder);
    free(futures);
}

static void bare_blocks(const struct load *load, struct slice *slice)
{
    size_t n = plan.pending;
    void **blocks = bench_alloc(n, sizeof *blocks);

    (void)load;
    for (size_t i = 0; i < n; i++)
        blocks[i] = blocks; /* touched */
    double before = resident_bytes();
    for (size_t i = 0; i < n; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (blocks[i] == NULL)
            bench_die("out of memory");
        *(size_t *)blocks[i] = i;
    }
    slice->figure = (resident_bytes() - before) / (double)n;
    for (size_t i = 0; i < n; i++)
        free(blocks[i]);
    free(blocks);
}

static double seconds(const struct load *load, enum side side)
{
    (void)load;
    return (double)plan.pending * (side == SIDE_NAIVE || side == SIDE_CK ? 500 : 200) / 1e9;
}

static const struct load loads[] = {
    {.address = "memory/pending:1000000",
     .unit = "B/task",
     .limit = "a block of 64 B from malloc",
     .at_most_units = 128,
     .fresh_process = true,
     .workers = 1,
     .producers = 1,
     .run = pending,
     .run_machine = bare_blocks,
     .seconds = seconds},
};

const struct load_list memory_loads = {loads, sizeof loads / sizeof loads[0]};
