/* SPDX-License-Identifier: MIT
 *
 * bench.h: what a load is, and what it says about one slice of its work.
 *
 * A load is one question with one address. Each side answers it in short slices, one side after the
 * other, round after round, so that whatever the machine does meanwhile happens to all of them. A
 * load checks what its tasks return before it reports a time. */
#ifndef FL_BENCH_DRIVER_BENCH_H
#define FL_BENCH_DRIVER_BENCH_H

#include <filch/filch.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/hist.h"

enum side {
    SIDE_FILCH,
    SIDE_NAIVE,
    SIDE_CK,
    SIDE_MACHINE, /* the least that the machine allows for */
    SIDES
};

/* How much of everything. */
struct plan {
    int64_t hot_ns;  /* length of a hot slice */
    unsigned parked; /* samples of a parked slice */
    size_t tasks;    /* of a throughput slice */
    unsigned fib;    /* of a fork slice */
    unsigned depth;  /* of a tree slice */
    size_t pending;  /* tasks of a memory slice */
    size_t many;     /* futures of a slice of many, in turns of as many as the load says */
    int64_t idle_ns; /* length of an idle slice */
    unsigned rounds;
    unsigned memory_rounds;
    double micro_seconds;
    int micro_repetitions;
};

/* What a slice found: either samples in hist, or a figure. */
struct slice {
    struct hist *hist;
    double figure;
};

struct load {
    const char *address;       /* "submit/hot/workers:1" */
    const char *unit;          /* "ns" */
    const char *limit;         /* what the machine's side measures; NULL: nothing */
    const char *not_by_rivals; /* why only filch can do it; NULL: all can */
    double at_most;            /* target: of the naive pool's figure (0: none) */
    double at_most_units;      /* target: units (0: none) */
    bool is_latency;           /* samples, not a figure */
    bool fresh_process;        /* one slice a process */
    unsigned workers;
    unsigned producers;
    unsigned call_ns; /* how long a call of a map works; 0: it is empty */
    size_t many; /* futures waited for, links of a chain: one of a family "name/of:N" of loads */
    /* ex has that many workers; the machine's side has none. Seconds that a slice takes. */
    void (*run)(const struct load *load, filch_executor *ex, struct slice *slice);
    void (*run_rival)(const struct load *load, filch_executor *ex,
                      struct slice *slice); /* NULL: the same */
    void (*run_machine)(const struct load *load, struct slice *slice);
    double (*seconds)(const struct load *load, enum side side);
};

struct load_list {
    const struct load *load;
    size_t n;
};

/* bench/work: each file one list. */
extern const struct load_list submit_loads, throughput_loads, fork_loads, join_loads, many_loads,
    map_loads, loop_loads, memory_loads, idle_loads;

extern struct plan plan;

/* Ends the program: the figures would be wrong. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/* status is 0, or the program ends. */
void bench_must(int status, const char *what);

/* NULL: out of memory ends the program. */
void *bench_alloc(size_t n, size_t size);

int64_t bench_now(void);
void bench_sleep(int64_t ns);

/* Keeps the calling thread on the i-th CPU it may use. False: there are not that many. */
bool bench_pin(unsigned i);
void bench_unpin(void);

/* Runs fn(arg, i) on n threads, which begin together. Returns the time from the beginning until the
 * last has ended, in ns. */
int64_t bench_together(unsigned n, void (*fn)(void *arg, unsigned i), void *arg);

#endif /* FL_BENCH_DRIVER_BENCH_H */
