/* SPDX-License-Identifier: MIT
 *
 * loop.c: what does a parallel loop cost? Over many cheap elements, 10^4 uneven ones, and one that sums.
 *
 * A pool that has loops of its own uses these; for any other the range is cut by hand into eight pieces for
 * each worker, which are submitted and waited for in turn. Every element is looked at afterwards. The
 * machine's side is the loop in one thread. The arrays were touched before. */
#include "work/loop.h"
#include "driver/bench.h"

#include <stdlib.h>

enum kernel {
    CHEAP,
    UNEVEN,
    SUM
};

enum {
    UNEVEN_ELEMENTS = 10000,
    CUTS = 8, /* for each worker */
    MOST_CUTS = 512
};

static void cheap(size_t begin, size_t end, int *out)
{
    for (size_t i = begin; i < end; i++)
        out[i] = loop_cheap_element(i);
}

static void uneven(size_t begin, size_t end, size_t n, int *out)
{
    for (size_t i = begin; i < end; i++)
        out[i] = loop_uneven_element(i, n);
}

static uint64_t sum(size_t begin, size_t end)
{
    uint64_t s = 0;

    for (size_t i = begin; i < end; i++)
        s += loop_term(i);
    return s;
}

/* ---- by hand */

struct cut {
    size_t kernel;
    size_t begin;
    size_t end;
    struct piece *of;
};

static int run_cut(void *arg, void **result)
{
    struct cut *c = arg;

    *result = NULL;
    if (c->kernel == CHEAP)
        cheap(c->begin, c->end, c->of->data);
    else if (c->kernel == UNEVEN)
        uneven(c->begin, c->end, c->of->n, c->of->data);
    else
        *result = (void *)(uintptr_t)sum(c->begin, c->end);
    return 0;
}

struct by_hand {
    const struct load *load;
    const struct bench_pool *p;
    struct piece *piece;
};

static void cut_and_wait(void *arg, unsigned producer)
{
    const struct by_hand *hand = arg;
    struct cut cuts[MOST_CUTS];
    struct job jobs[MOST_CUTS];
    void *args[MOST_CUTS] = {NULL};
    size_t n = (size_t)hand->load->workers * CUTS;

    (void)producer;
    for (size_t i = 0; i < n; i++) {
        cuts[i] = (struct cut){.kernel = hand->load->kernel,
                               .begin = hand->piece->n * i / n,
                               .end = hand->piece->n * (i + 1) / n,
                               .of = hand->piece};
        args[i] = &cuts[i];
    }
    bench_submit_n(hand->p, run_cut, args, n, jobs);
    for (size_t i = 0; i < n; i++) {
        hand->piece->result += (uintptr_t)hand->p->ops->wait(&jobs[i]);
        hand->p->ops->release(&jobs[i]);
    }
}

/* ---- the loads */

static size_t size_of(const struct load *load)
{
    return load->kernel == UNEVEN ? UNEVEN_ELEMENTS : plan.cheap;
}

static void check(const struct load *load, const struct piece *piece)
{
    if (load->kernel == SUM && piece->result != sum(0, piece->n))
        bench_die("%s came out wrong", load->address);
    for (size_t i = 0; i < piece->n && load->kernel != SUM; i++) {
        int expected =
            load->kernel == CHEAP ? loop_cheap_element(i) : loop_uneven_element(i, piece->n);

        if (piece->data[i] != expected)
            bench_die("%s: element %zu is wrong", load->address, i);
    }
}

static void do_loop(const struct load *load, const struct bench_pool *p, struct piece *piece)
{
    const struct loop_kernels *own = p->ops->loops;
    struct by_hand hand = {.load = load, .p = p, .piece = piece};

    if (own == NULL)
        bench_producers(p, 1, cut_and_wait, &hand);
    else if (load->kernel == CHEAP)
        own->cheap(p->pool, piece);
    else if (load->kernel == UNEVEN)
        own->uneven(p->pool, piece);
    else
        own->sum(p->pool, piece);
}

enum {
    TURNS = 3
};

/* The least of three: the first wakes the workers and the caches. */
static void measure(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct piece piece = {.n = size_of(load)};
    int64_t least = INT64_MAX;

    piece.data = bench_alloc(piece.n, sizeof *piece.data);
    for (size_t i = 0; i < piece.n; i++)
        piece.data[i] = -1;
    for (int turn = 0; turn < TURNS; turn++) {
        piece.result = 0;
        int64_t began = bench_now();
        do_loop(load, p, &piece);
        int64_t took = bench_now() - began;
        if (took < least)
            least = took;
    }
    check(load, &piece);
    free(piece.data);
    slice->figure = (double)least;
}

static void run_alone(void *pool, struct piece *piece)
{
    (void)pool;
    cheap(0, piece->n, piece->data);
}

static void run_uneven_alone(void *pool, struct piece *piece)
{
    (void)pool;
    uneven(0, piece->n, piece->n, piece->data);
}

static void run_sum_alone(void *pool, struct piece *piece)
{
    (void)pool;
    piece->result = sum(0, piece->n);
}

static void bare_loop(const struct load *load, struct slice *slice)
{
    static const struct loop_kernels kernels = {run_alone, run_uneven_alone, run_sum_alone};
    static const struct pool alone = {.name = "machine", .loops = &kernels};
    struct bench_pool p = {.ops = &alone};

    measure(load, &p, slice);
}

#define LOOP(of)                                                                                   \
    .kernel = (of), .unit = "ns", .limit = "the loop in one thread", .run = measure,               \
    .run_machine = bare_loop, .seconds = 0.1
#define BOTH(name, of)                                                                             \
    {.address = "loop/" name "/workers:1", .workers = 1, .at_length = true, LOOP(of)},             \
    {                                                                                              \
        .address = "loop/" name "/workers:2", .workers = 2, LOOP(of)                               \
    }

static const struct load loads[] = {
    BOTH("cheap", CHEAP),
    BOTH("uneven", UNEVEN),
    BOTH("sum", SUM),
};

const struct load_list loop_loads = {loads, sizeof loads / sizeof loads[0]};
