/* SPDX-License-Identifier: MIT
 *
 * bench.h: what a load is, and what it says about one slice of its work.
 *
 * A load is one question with one address. Each side answers it in short slices, one side after the
 * other, round after round, so that whatever the machine does meanwhile happens to all of them. A slice
 * has a process of its own, so that no runtime disturbs another. A load checks what its tasks return
 * before it reports a time. */
#ifndef FL_BENCH_DRIVER_BENCH_H
#define FL_BENCH_DRIVER_BENCH_H

#include <filch/filch.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/hist.h"
#include "pools/pool.h"
#include "process/process.h"

/* The sides: pools by their number (pools.c), and behind them the machine, the least that it allows
 * for. */
enum {
    SIDE_FILCH = 0,
    SIDE_MALLOC, /* filch without an allocator of its own */
    SIDE_NAIVE,
    SIDE_CK,
    SIDE_PIPES, /* the naive pool of processes */
    SIDES = 20,
    SIDE_MACHINE = SIDES - 1
};

enum {
    MAX_METRICS = 5
};

/* One of the figures that a load gives. */
struct metric {
    const char *name;
    const char *unit;
    double share; /* of the samples, that took no longer; 0: a figure, by its place in the slice */
};

/* How much of everything. */
struct plan {
    int64_t hot_ns;  /* length of a hot slice */
    int64_t open_ns; /* of a slice with tasks at their times */
    unsigned parked; /* samples of a parked slice */
    size_t tasks;    /* of a throughput slice */
    unsigned fib;    /* of a fork slice */
    unsigned join;   /* Fibonacci's number of fork and join */
    int64_t join_ns; /* work is divided again and again for so long */
    unsigned queens;
    size_t leaves;    /* of skynet */
    size_t sorted;    /* numbers */
    size_t cheap;     /* elements of a loop over cheap ones */
    unsigned depth;   /* of a tree slice */
    size_t pending;   /* tasks of a memory slice */
    size_t many;      /* futures of a slice of many, in turns of as many as the load says */
    size_t jobs;      /* of processes, in a slice */
    size_t job_bytes; /* ... but no more than so many bytes */
    int64_t idle_ns;  /* length of an idle slice */
    unsigned lives;   /* executors made in a slice */
    unsigned rounds;
    unsigned peer_rounds;   /* of the pools that are not filch's own */
    unsigned memory_rounds; /* of loads that say so: once is enough, or takes long */
    double micro_seconds;
    int micro_repetitions;
};

/* What a slice found: samples in hist, or figures, or both. */
struct slice {
    struct hist *hist;
    double figure; /* the first */
    double more[MAX_METRICS - 1];
};

struct bench_pool {
    const struct pool *ops;
    void *pool;
};

struct load {
    const char *address;          /* "submit/hot/workers:1" */
    const char *unit;             /* "ns" */
    const char *limit;            /* what the machine's side measures; NULL: nothing */
    const char *not_by_rivals;    /* why only filch can do it; NULL: all can */
    const struct metric *metrics; /* NULL: one figure in that unit */
    unsigned n_metrics;
    bool few_rounds;
    bool warms_up;  /* a first turn in the same process brings in the memory, and does not count */
    bool at_length; /* left out unless all loads are asked for */
    bool no_executor; /* it makes its own, or does without */
    unsigned workers;
    unsigned producers;
    unsigned call_ns; /* how long a call of a map works; 0: it is empty */
    size_t many;    /* futures waited for, links of a chain: one of a family "name/of:N" of loads */
    size_t kernel;  /* which of the divided works, as its file counts them */
    size_t bytes;   /* of a job of processes, there and back */
    size_t window;  /* ... and so many of them in flight */
    double seconds; /* that a slice takes at length, about */

    /* By any pool. */
    void (*run)(const struct load *load, const struct bench_pool *p, struct slice *slice);
    /* By those that stand behind filch's API: ex has that many workers. */
    void (*run_api)(const struct load *load, filch_executor *ex, struct slice *slice);
    void (*run_api_rival)(const struct load *load, filch_executor *ex,
                          struct slice *slice); /* NULL: the same */
    /* By those whose workers are processes; pool is theirs. */
    void (*run_jobs)(const struct load *load, const struct process_ops *ops, void *pool,
                     struct slice *slice);
    void (*run_machine)(const struct load *load, struct slice *slice);
    /* Why that pool can't; NULL: it can, and so can all if there is no such function. */
    const char *(*why_not)(const struct load *load, const struct pool *pool);
};

struct load_list {
    const struct load *load;
    size_t n;
};

/* bench/work: each file one list. */
extern const struct load_list submit_loads, open_loads, throughput_loads, fork_loads, join_loads,
    named_loads, loop_loads, many_loads, map_loads, pending_loads, over_loads, idle_loads,
    life_loads, process_loads;

/* p50, p99 and p99.9 of samples in ns: the metrics of a latency. */
#define LATENCY .metrics = latency_metrics, .n_metrics = 3
extern const struct metric latency_metrics[3];

extern struct plan plan;

/* NULL: out of memory ends the program. */
void *bench_alloc(size_t n, size_t size);

void bench_sleep(int64_t ns);

/* Keeps the calling thread on the i-th CPU it may use. False: there are not that many. */
bool bench_pin(unsigned i);
void bench_unpin(void);

/* Runs fn(arg, i) on n threads, which begin together. Returns the time from the beginning until the
 * last has ended, in ns. */
int64_t bench_together(unsigned n, void (*fn)(void *arg, unsigned i), void *arg);

/* The same on threads that may submit to p. */
int64_t bench_producers(const struct bench_pool *p, unsigned n, void (*fn)(void *arg, unsigned i),
                        void *arg);

/* Has as many threads as the load has workers answer it at once by one of them. The figure is of what they
 * do together: the least that so many workers could reach here, if the machine were all that limits them. */
void bench_at_once(const struct load *load, struct slice *slice,
                   void (*one)(const struct load *load, struct slice *slice));

/* n jobs by one call, if the pool has one. */
void bench_submit_n(const struct bench_pool *p, filch_task_fn *fn, void *const args[], size_t n,
                    struct job jobs[]);

/* Works for about so many ns, and gives back what came of it. */
uintptr_t bench_work(uintptr_t x, unsigned ns);

/* bench_work knows how fast it is: before the first use of a slice, outside what is measured. */
void bench_calibrate(void);

/* What the process, and of it the calling thread, has used up. */
struct usage {
    double cpu_ns;
    double switches; /* of the context, wanted and not */
};

struct usage bench_usage(void);
struct usage bench_own_usage(void);

#endif /* FL_BENCH_DRIVER_BENCH_H */
