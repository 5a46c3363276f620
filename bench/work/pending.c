/* SPDX-License-Identifier: MIT
 *
 * pending.c: what does a task cost, in time and in memory, when 10^3 to 10^7 are pending?
 *
 * The one worker is held inside a task while the others are queued behind it. What the resident set has
 * grown by meanwhile, divided by their number, is the memory of each with its future; the array that
 * holds the jobs has been touched before. Then the worker goes on, and each result is looked at and
 * released. The time is from the first submit to the last release, without the holding.
 *
 * The first turn of a slice, and none but this one, tells of the memory, because it is the one that brings
 * it in; the time is that of the turns after it. The machine's side is as many blocks of 64 bytes from
 * malloc, and their free. */
#include "driver/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/futex.h"

enum {
    BLOCK_BYTES = 64,
    TASKS = 100000 /* of a slice at least, in as many turns as it takes */
};

/* Words   held   0 on the way, 1 the worker is inside, 2 it may go */
static fl_atomic(uint32_t) held;

static int hold(void *arg, void **result)
{
    (void)arg;
    *result = NULL;
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

struct pile {
    const struct bench_pool *p;
    struct job *jobs;
    size_t n;
    unsigned turns;
    double bytes; /* of the first turn */
    int64_t ns;   /* of the others */
};

static int64_t pile_up(struct pile *pile)
{
    const struct pool *ops = pile->p->ops;
    struct job holder;

    fl_store(&held, 0, relaxed); /* own word: nobody is held */
    ops->submit(pile->p->pool, hold, NULL, &holder);
    while (fl_load(&held, acquire) != 1)
        fl_futex_wait(&held, 0, INT64_MAX);

    double before = resident_bytes();
    int64_t began = bench_now();
    for (size_t i = 0; i < pile->n; i++)
        ops->submit(pile->p->pool, add_one, (void *)i, &pile->jobs[i]);
    int64_t submitted = bench_now();
    double after = resident_bytes();
    if (pile->bytes < 0)
        pile->bytes = after - before;

    int64_t resumed = bench_now();
    fl_store(&held, 2, release);
    fl_futex_wake(&held, 1);
    for (size_t i = 0; i < pile->n; i++) {
        if ((uintptr_t)ops->wait(&pile->jobs[i]) != i + 1)
            bench_die("task %zu returned something else than its argument plus one", i);
        ops->release(&pile->jobs[i]);
    }
    int64_t ended = bench_now();
    ops->wait(&holder);
    ops->release(&holder);
    return submitted - began + ended - resumed;
}

static void produce(void *arg, unsigned producer)
{
    struct pile *pile = arg;

    (void)producer;
    pile_up(pile);
    for (unsigned i = 0; i < pile->turns; i++)
        pile->ns += pile_up(pile);
}

static unsigned turns_of(size_t n)
{
    return n < TASKS ? (unsigned)(TASKS / n) : 1;
}

static void pending(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct pile pile = {.p = p, .n = load->many, .turns = turns_of(load->many), .bytes = -1};

    pile.jobs = bench_alloc(pile.n, sizeof *pile.jobs);
    for (size_t i = 0; i < pile.n; i++)
        pile.jobs[i].word[0] = pile.jobs; /* touched */
    bench_producers(p, 1, produce, &pile);
    slice->figure = (double)pile.ns / (double)pile.turns / (double)pile.n;
    slice->more[0] = pile.bytes / (double)pile.n;
    free(pile.jobs);
}

static int64_t turn_of_blocks(void **blocks, size_t n)
{
    int64_t began = bench_now();

    for (size_t i = 0; i < n; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (blocks[i] == NULL)
            bench_die("out of memory");
        *(size_t *)blocks[i] = i;
    }
    for (size_t i = 0; i < n; i++)
        free(blocks[i]);
    return bench_now() - began;
}

static void bare_blocks(const struct load *load, struct slice *slice)
{
    size_t n = load->many;
    unsigned turns = turns_of(n);
    void **blocks = bench_alloc(n, sizeof *blocks);
    int64_t ns = 0;

    for (size_t i = 0; i < n; i++)
        blocks[i] = blocks; /* touched */
    double before = resident_bytes();
    turn_of_blocks(blocks, n);
    slice->more[0] = (resident_bytes() - before) / (double)n;
    for (unsigned i = 0; i < turns; i++)
        ns += turn_of_blocks(blocks, n);
    slice->figure = (double)ns / (double)turns / (double)n;
    free(blocks);
}

static const char *why_not(const struct load *load, const struct pool *pool)
{
    (void)load;
    return pool->no_pending;
}

static const struct metric metrics[] = {{"", "ns/task", 0}, {"memory", "B/task", 0}};

#define PENDING(count)                                                                             \
    .address = "pending/of:" #count, .unit = "ns/task", .limit = "a block of 64 B from malloc",    \
    .metrics = metrics, .n_metrics = 2, .few_rounds = true, .workers = 1, .producers = 1,          \
    .many = (count), .run = pending, .run_machine = bare_blocks, .why_not = why_not

static const struct load loads[] = {
    {PENDING(1000), .seconds = 0.1},
    {PENDING(10000), .seconds = 0.1},
    {PENDING(100000), .seconds = 0.1},
    {PENDING(1000000), .seconds = 0.6},
    {PENDING(10000000), .seconds = 6, .at_length = true},
};

const struct load_list pending_loads = {loads, sizeof loads / sizeof loads[0]};
