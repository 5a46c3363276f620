/* SPDX-License-Identifier: MIT
 *
 * process.c: what does a job in another process cost, from submitting it to holding its result?
 *
 * process/hot, /parked: one job in flight, of 8 bytes that come back as the next number; at once one after the other,
 * or with a pause of a millisecond before each, so that everybody sleeps. Each sample is one submit and one wait.
 *
 * process/jobs: the same job as often as the plan says, submitted as fast as possible with a window of a thousand
 * in flight, the results taken in the order in which they were submitted, looked at and released; two windows before,
 * which bring in the memory, do not count. process/bytes: so many bytes there and the same back. Each job's differ in
 * their first word, its number, and what comes back has to add up to what went: that sum is in everybody's time
 * (Python compares the bytes instead).
 *
 * The machine's side (machine.c): a word that two processes exchange; a ring of words that one fills and the other
 * answers; two copies, there and back. */
#include "driver/bench.h"

#include <stdlib.h>

enum {
    WARM_UP = 64,
    PAUSE_NS = 1000000
};

/* ---- one in flight */

struct pool_of {
    const struct process_ops *ops;
    void *pool;
};

static int64_t exchange(const struct pool_of *p, uint64_t number)
{
    struct job job;
    size_t n;

    int64_t began = bench_now();
    p->ops->submit(p->pool, JOB_ADD_ONE, &number, sizeof number, &job);
    const uint64_t *result = p->ops->wait(&job, &n);
    int64_t ended = bench_now();
    if (n != sizeof number || *result != number + 1)
        bench_die("a job returned something else than its number plus one");
    p->ops->release(&job);
    return ended - began;
}

static void hot(const struct pool_of *p, struct hist *hist)
{
    uint64_t number = 0;

    for (; number < WARM_UP; number++)
        exchange(p, number);
    int64_t end = bench_now() + plan.hot_ns;
    while (bench_now() < end)
        hist_add(hist, exchange(p, number++));
}

static void parked(const struct pool_of *p, struct hist *hist)
{
    exchange(p, 0);
    for (uint64_t i = 1; i <= plan.parked; i++) {
        bench_sleep(PAUSE_NS);
        hist_add(hist, exchange(p, i));
    }
}

static void run_latency(const struct load *load, const struct process_ops *ops, void *pool,
                        struct slice *slice)
{
    struct pool_of p = {ops, pool};

    if (load->kernel == PROCESS_HOT)
        hot(&p, slice->hist);
    else
        parked(&p, slice->hist);
}

/* ---- many in flight */

struct stream {
    const struct process_ops *ops;
    void *pool;
    enum process_job what;
    uint64_t *words; /* the first is the job's number */
    size_t n_words;
    uint64_t sum; /* of the others */
    struct job *jobs;
    size_t window;
};

static void put(struct stream *s, uint64_t i)
{
    s->words[0] = i;
    s->ops->submit(s->pool, s->what, s->words, s->n_words * sizeof *s->words,
                   &s->jobs[i % s->window]);
}

static void take(struct stream *s, uint64_t i)
{
    uint64_t number = s->what == JOB_ADD_ONE ? i + 1 : i;
    struct job *job = &s->jobs[i % s->window];
    size_t n;

    const uint64_t *result = s->ops->wait(job, &n);
    if (n != s->n_words * sizeof *result || result[0] != number ||
        process_sum(result, s->n_words) != s->sum + number)
        bench_die("job %llu returned something else than it should", (unsigned long long)i);
    s->ops->release(job);
}

static void turn(struct stream *s, size_t n)
{
    for (size_t i = 0; i < n + s->window; i++) {
        if (i >= s->window)
            take(s, i - s->window);
        if (i < n)
            put(s, i);
    }
}

static void run_stream(const struct load *load, const struct process_ops *ops, void *pool,
                       struct slice *slice)
{
    size_t n = process_jobs_of(load, ops);
    struct stream s = {.ops = ops,
                       .pool = pool,
                       .what = load->bytes == sizeof(uint64_t) ? JOB_ADD_ONE : JOB_ECHO,
                       .n_words = load->bytes / sizeof(uint64_t),
                       .window = load->window};

    s.words = bench_alloc(s.n_words, sizeof *s.words);
    s.jobs = bench_alloc(s.window, sizeof *s.jobs);
    for (size_t i = 1; i < s.n_words; i++)
        s.words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    s.sum = process_sum(s.words, s.n_words);
    turn(&s, n / 10 < 2 * s.window ? n / 10 : 2 * s.window);
    int64_t began = bench_now();
    turn(&s, n);
    slice->figure = (double)(bench_now() - began) / (double)n;
    free(s.jobs);
    free(s.words);
}

#define LATENCY_OF                                                                                 \
    .unit = "ns", LATENCY, .workers = 1, .window = 1, .bytes = 8, .run_jobs = run_latency,         \
    .run_machine = process_machine_line
#define JOBS                                                                                       \
    .unit = "ns/job", .limit = "8 bytes through a ring in shared memory, there and back",          \
    .kernel = PROCESS_STREAM, .window = 1000, .bytes = 8, .run_jobs = run_stream,                  \
    .run_machine = process_machine_ring, .seconds = 0.5
#define BYTES                                                                                      \
    .unit = "ns/job", .limit = "two copies, and the sum", .kernel = PROCESS_STREAM,                \
    .run_jobs = run_stream, .run_machine = process_machine_copies, .seconds = 0.5

static const struct load loads[] = {
    {.address = "process/hot",
     .limit = "a cache line to another process and back",
     .kernel = PROCESS_HOT,
     .seconds = 0.15,
     LATENCY_OF},
    {.address = "process/parked",
     .limit = "a futex wake of another process, seen",
     .kernel = PROCESS_PARKED,
     .seconds = 0.3,
     LATENCY_OF},
    {.address = "process/jobs/workers:1", .workers = 1, JOBS},
    {.address = "process/jobs/workers:2", .workers = 2, JOBS},
    {.address = "process/bytes/64/workers:1", .workers = 1, .bytes = 64, .window = 1000, BYTES},
    {.address = "process/bytes/64/workers:2", .workers = 2, .bytes = 64, .window = 1000, BYTES},
    {.address = "process/bytes/4096/workers:1", .workers = 1, .bytes = 4096, .window = 250, BYTES},
    {.address = "process/bytes/4096/workers:2", .workers = 2, .bytes = 4096, .window = 250, BYTES},
    {.address = "process/bytes/1048576/workers:1",
     .workers = 1,
     .bytes = 1 << 20,
     .window = 8,
     BYTES},
    {.address = "process/bytes/1048576/workers:2",
     .workers = 2,
     .bytes = 1 << 20,
     .window = 8,
     BYTES},
};

const struct load_list process_loads = {loads, sizeof loads / sizeof loads[0]};
