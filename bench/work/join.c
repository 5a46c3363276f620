/* SPDX-License-Identifier: MIT
 *
 * join.c: what does it cost to divide work, fork it and join it?
 *
 * Six ways of dividing (join.h): Fibonacci's numbers (per fork), queens on a board, skynet (10^6 leaves), an
 * unbalanced tree (per node), and two sorts of 10^7 numbers. The machine's side is the same code with a call
 * in place of each fork, in as many threads at once as there are workers, each of which does all of it: two CPUs
 * of a virtual machine may be one core, and no two workers gain more than two such threads do. Its results are
 * what the pools' are held against. */
#include "driver/bench.h"

#include <stdlib.h>

enum kernel {
    FIB,
    QUEENS,
    SKYNET,
    TREE,
    MERGESORT,
    QUICKSORT
};

/* ---- the same with calls */

#define JOIN_FN(name, type, body)                                                                  \
    static void name(void *arg)                                                                    \
    {                                                                                              \
        body((type *)arg);                                                                         \
    }

struct join_scope {
    char nothing;
};

struct join_task {
    char nothing;
};

static inline void join_fork(struct join_scope *scope, struct join_task *task, void (*fn)(void *),
                             void *arg)
{
    (void)scope;
    (void)task;
    fn(arg);
}

static inline void join_one(struct join_scope *scope, struct join_task *task)
{
    (void)scope;
    (void)task;
}

static inline void join_all(struct join_scope *scope)
{
    (void)scope;
}

static void join_root(void *pool, void (*fn)(void *), void *arg)
{
    (void)pool;
    fn(arg);
}

#include "work/join.h"

/* ---- the loads */

static piece_fn *kernel_of(const struct load *load, const struct join_kernels *kernels)
{
    switch ((enum kernel)load->kernel) {
    case FIB:
        return kernels->fib;
    case QUEENS:
        return kernels->queens;
    case SKYNET:
        return kernels->skynet;
    case TREE:
        return kernels->tree;
    case MERGESORT:
        return kernels->mergesort;
    case QUICKSORT:
        return kernels->quicksort;
    }
    bench_die("%s: no such kernel", load->address);
}

static size_t size_of(const struct load *load)
{
    switch ((enum kernel)load->kernel) {
    case FIB:
        return plan.join;
    case QUEENS:
        return plan.queens;
    case SKYNET:
        return plan.leaves;
    case TREE:
        return plan.leaves / 500;
    case MERGESORT:
    case QUICKSORT:
        return plan.sorted;
    }
    return 0;
}

static bool sorts(const struct load *load)
{
    return load->kernel == MERGESORT || load->kernel == QUICKSORT;
}

static void fill(struct piece *piece)
{
    uint64_t seed = 1;

    for (size_t i = 0; i < piece->n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        piece->data[i] = (int)(seed >> 33);
        piece->room[i] = 0;
    }
}

static void check_order(const struct piece *piece)
{
    struct piece again = *piece;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (size_t i = 0; i < piece->n; i++) {
        if (i > 0 && piece->data[i - 1] > piece->data[i])
            bench_die("the numbers are not sorted");
        sum += (uint64_t)piece->data[i];
    }
    fill(&again);
    for (size_t i = 0; i < piece->n; i++)
        expected += (uint64_t)again.data[i];
    if (sum != expected)
        bench_die("what was sorted are other numbers");
}

/* What its figure is divided by. */
static double parts_of(const struct load *load, const struct piece *piece)
{
    struct join_fib after = {.n = (unsigned)piece->n + 1};

    if (load->kernel == TREE)
        return (double)piece->result;
    if (load->kernel != FIB)
        return 1;
    join_do_fib(&after); /* a fork for each n >= 2, and one for the first task */
    return (double)after.value;
}

static void check_result(const struct load *load, const struct piece *piece)
{
    struct piece alone = {.n = piece->n};

    if (sorts(load)) {
        check_order(piece);
        return;
    }
    kernel_of(load, &join_kernels)(NULL, &alone);
    if (piece->result != alone.result)
        bench_die("%s came out wrong", load->address);
}

/* Again and again: a single turn is a millisecond or two, of which the waking of the second worker is a
 * part, and it would be measured with cold caches. The sorts take long enough. */
static void measure(const struct load *load, piece_fn *kernel, void *pool, struct slice *slice)
{
    struct piece piece = {.n = size_of(load)};
    int64_t spent = 0;
    unsigned turns = 0;

    if (sorts(load)) {
        piece.data = bench_alloc(piece.n, sizeof *piece.data);
        piece.room = bench_alloc(piece.n, sizeof *piece.room);
    }
    do {
        if (sorts(load))
            fill(&piece);
        int64_t began = bench_now();
        kernel(pool, &piece);
        spent += bench_now() - began;
        turns++;
        check_result(load, &piece);
    } while (spent < plan.join_ns);
    slice->figure = (double)spent / turns / parts_of(load, &piece);
    free(piece.room);
    free(piece.data);
}

static void run_join(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    measure(load, kernel_of(load, p->ops->join), p->pool, slice);
}

static void calls(const struct load *load, struct slice *slice)
{
    measure(load, kernel_of(load, &join_kernels), NULL, slice);
}

static void bare_calls(const struct load *load, struct slice *slice)
{
    bench_at_once(load, slice, calls);
}

static const char *why_not(const struct load *load, const struct pool *pool)
{
    (void)load;
    return pool->join == NULL ? pool->no_join : NULL;
}

#define JOIN(of)                                                                                   \
    .kernel = (of), .limit = "the same with calls, in so many threads at once", .run = run_join,   \
    .run_machine = bare_calls, .warms_up = (of) < MERGESORT, .why_not = why_not
#define BOTH(name, of, its_unit, its_seconds)                                                      \
    {.address = "join/" name "/workers:1",                                                         \
     .unit = its_unit,                                                                             \
     .seconds = its_seconds,                                                                       \
     .workers = 1,                                                                                 \
     .at_length = (of) != FIB,                                                                     \
     JOIN(of)},                                                                                    \
    {                                                                                              \
        .address = "join/" name "/workers:2", .unit = its_unit, .seconds = its_seconds,            \
        .workers = 2, JOIN(of)                                                                     \
    }

static const struct load loads[] = {
    BOTH("fib", FIB, "ns/fork", 0.05),       BOTH("queens", QUEENS, "ns", 0.02),
    BOTH("skynet", SKYNET, "ns", 0.2),       BOTH("tree", TREE, "ns/node", 0.05),
    BOTH("mergesort", MERGESORT, "ns", 1.2), BOTH("quicksort", QUICKSORT, "ns", 1.2),
};

const struct load_list join_loads = {loads, sizeof loads / sizeof loads[0]};
