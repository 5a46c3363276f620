/* SPDX-License-Identifier: MIT
 *
 * pool.h: what a load knows of a pool: the same few calls for filch, its rivals and the pools that
 * people use. One adapter a pool, C or C++, each as that pool's own documentation would have it.
 *
 * A job is one task with its future. What a pool keeps of it stands in two words of the caller's; if it
 * needs more, it allocates, as a user of that pool would have to. */
#ifndef FL_BENCH_POOLS_POOL_H
#define FL_BENCH_POOLS_POOL_H

#include <filch/submit.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct job {
    void *word[2];
};

/* One piece of divided work: n says how large, result what came of it. */
struct piece {
    size_t n;
    uint64_t result;
    int *data; /* to be sorted or filled; n of them */
    int *room; /* as many again, for a sort that needs them */
};

typedef void piece_fn(void *pool, struct piece *piece);

/* Fork and join, by the means of the pool: join.h. */
struct join_kernels {
    piece_fn *fib, *queens, *skynet, *tree, *mergesort, *quicksort;
};

/* Loops, by the means of the pool: loop.h. */
struct loop_kernels {
    piece_fn *cheap, *uneven, *sum;
};

struct process_ops;

struct pool {
    const char *name;
    const char *about; /* what it is, its version and its settings */

    /* Returns NULL: this build or this machine has no such pool. Itself NULL: it has no threads. */
    void *(*create)(unsigned workers);
    void (*destroy)(void *pool);

    void (*submit)(void *pool, filch_task_fn *fn, void *arg, struct job *job);
    /* Several at once; NULL: it has no such call, and they are submitted one by one. */
    void (*submit_n)(void *pool, filch_task_fn *fn, void *const args[], size_t n,
                     struct job jobs[]);
    void *(*wait)(struct job *job); /* until it is over; its result */
    void (*release)(struct job *job);

    /* Runs fn(arg, i) on n threads that may submit, which begin together, and returns the time until the
     * last has ended, in ns. NULL: any thread may. */
    int64_t (*producers)(void *pool, unsigned n, void (*fn)(void *arg, unsigned i), void *arg);

    filch_executor *(*executor)(void *pool); /* NULL: it does not stand behind filch's API */

    bool caller_runs; /* who submits is one of the workers: a task need not go to another thread */

    const struct process_ops *processes; /* NULL: it has none */

    const struct join_kernels *join;  /* NULL: no_join says why not */
    const struct loop_kernels *loops; /* NULL: pieces that are submitted by hand */
    const char *no_join;
    const char *no_life;    /* why creating and destroying one says nothing; NULL: it does */
    const char *no_pending; /* why tasks cannot pile up behind one that holds the worker */
    size_t most_pending;    /* tasks; 0: as many as there is memory for */
    size_t most_tasks;      /* of a slice, because each takes so long; 0: as many as there are */
};

/* What a loadable adapter exports: its pool of that name, or NULL. */
typedef const struct pool *bench_pool_fn(const char *name);

/* Ends the program: the figures would be wrong. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/* status is 0, or the program ends. */
void bench_must(int status, const char *what);

/* Monotonic, in ns. */
int64_t bench_now(void);

#ifdef __cplusplus
}
#endif

#endif /* FL_BENCH_POOLS_POOL_H */
