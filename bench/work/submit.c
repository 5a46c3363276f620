/* SPDX-License-Identifier: MIT
 *
 * submit.c: how long does it take from submitting a task to holding its result?
 *
 * One task in flight, from one thread that is no worker. Hot: the next is submitted as soon as the
 * last is done, so that nobody need fall asleep. Parked: a pause of a millisecond between, so that
 * every worker sleeps. Each sample is one submit and one wait; releasing the future is outside.
 *
 * The machine's side is the same exchange with nothing around it. Hot: a word that two threads on
 * two CPUs spin on, there and back. Parked: one thread sleeps on a futex on the other CPU, is woken,
 * and answers in a word that the first one spins on. */
#include "driver/bench.h"

#include "base/atomic.h"
#include "base/futex.h"

enum {
    WARM_UP = 64,
    PAUSE_NS = 1000000,
    TURNS = 4000, /* of the line, a slice */
    TURNS_AT_ONCE = 20
};

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static int64_t exchange(const struct bench_pool *p, uintptr_t value)
{
    struct job job;

    int64_t began = bench_now();
    p->ops->submit(p->pool, add_one, (void *)value, &job);
    void *result = p->ops->wait(&job);
    int64_t ended = bench_now();
    if ((uintptr_t)result != value + 1)
        bench_die("a task returned something else than its argument plus one");
    p->ops->release(&job);
    return ended - began;
}

/* The producer's part, on a thread that may submit. */
struct exchanges {
    const struct bench_pool *p;
    struct hist *hist;
};

static void exchange_hot(void *arg, unsigned producer)
{
    const struct exchanges *e = arg;
    uintptr_t value = 0;

    (void)producer;
    for (; value < WARM_UP; value++)
        exchange(e->p, value);
    int64_t end = bench_now() + plan.hot_ns;
    while (bench_now() < end)
        hist_add(e->hist, exchange(e->p, value++));
}

static void exchange_parked(void *arg, unsigned producer)
{
    const struct exchanges *e = arg;

    (void)producer;
    for (uintptr_t i = 0; i < plan.parked; i++) {
        bench_sleep(PAUSE_NS);
        hist_add(e->hist, exchange(e->p, i));
    }
}

static void hot(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct exchanges e = {.p = p, .hist = slice->hist};

    (void)load;
    bench_producers(p, 1, exchange_hot, &e);
}

static void parked(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    struct exchanges e = {.p = p, .hist = slice->hist};

    (void)load;
    bench_producers(p, 1, exchange_parked, &e);
}

/* Words   there   the number of the turn that was asked for
 *         back    the number of the turn that was answered */
struct line {
    _Alignas(FL_LINE_PAIR) fl_atomic(uint32_t) there;
    _Alignas(FL_LINE_PAIR) fl_atomic(uint32_t) back;
    struct hist *hist;
    bool sleeps;
};

static void answer(struct line *line, uint32_t turns)
{
    for (uint32_t turn = 1; turn <= turns; turn++) {
        uint32_t seen;

        while ((seen = fl_load(&line->there, acquire)) != turn) {
            if (line->sleeps)
                fl_futex_wait(&line->there, seen, INT64_MAX);
            else
                fl_relax();
        }
        fl_store(&line->back, turn, release);
    }
}

static void ask(struct line *line, uint32_t turn)
{
    fl_store(&line->there, turn, release);
    if (line->sleeps)
        fl_futex_wake(&line->there, 1);
    while (fl_load(&line->back, acquire) != turn)
        fl_relax();
}

/* A turn of the line is about as long as reading the clock, so a sample is the mean of a few. */
static void ask_hot(struct line *line)
{
    for (uint32_t turn = 0; turn < TURNS;) {
        int64_t began = bench_now();

        for (int i = 0; i < TURNS_AT_ONCE; i++)
            ask(line, ++turn);
        hist_add(line->hist, (bench_now() - began) / TURNS_AT_ONCE);
    }
}

static void ask_parked(struct line *line)
{
    for (uint32_t turn = 1; turn <= plan.parked; turn++) {
        bench_sleep(PAUSE_NS);
        int64_t began = bench_now();
        ask(line, turn);
        hist_add(line->hist, bench_now() - began);
    }
}

/* The hot line needs its two CPUs; waking is measured as the system places the threads, because the
 * pools are, too. */
static void line_side(void *arg, unsigned i)
{
    struct line *line = arg;

    if (!line->sleeps && !bench_pin(i))
        bench_die("the machine's side of submit/hot needs two CPUs");
    if (i == 0 && line->sleeps)
        ask_parked(line);
    else if (i == 0)
        ask_hot(line);
    else
        answer(line, line->sleeps ? plan.parked : TURNS);
}

static void bare_line(const struct load *load, struct slice *slice)
{
    struct line line = {.hist = slice->hist};

    (void)load;
    if (filch_cpu_budget() >= 2)
        bench_together(2, line_side, &line);
}

static void bare_wake(const struct load *load, struct slice *slice)
{
    struct line line = {.hist = slice->hist, .sleeps = true};

    (void)load;
    bench_together(2, line_side, &line);
}

#define HOT                                                                                        \
    .unit = "ns", .limit = "a cache line there and back", LATENCY, .run = hot,                     \
    .run_machine = bare_line, .seconds = 0.12
#define PARKED                                                                                     \
    .unit = "ns", .limit = "a futex wake, seen", LATENCY, .run = parked, .run_machine = bare_wake, \
    .seconds = 0.25

static const struct load loads[] = {
    {.address = "submit/hot/workers:1", .workers = 1, HOT},
    {.address = "submit/hot/workers:2", .workers = 2, HOT},
    {.address = "submit/parked/workers:1", .workers = 1, PARKED},
    {.address = "submit/parked/workers:2", .workers = 2, PARKED},
};

const struct load_list submit_loads = {loads, sizeof loads / sizeof loads[0]};
