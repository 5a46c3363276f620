/* SPDX-License-Identifier: MIT
 *
 * sched/work.h: what the tests of executor and futures are made of: gates, small tasks, counts of
 * what the process has.
 *
 * A gate stops tasks where a test wants them, and tells the test that they have got there; nothing
 * here sleeps to make something likely. */
#ifndef FL_TESTS_SCHED_WORK_H
#define FL_TESTS_SCHED_WORK_H

#include "harness/test.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <filch/filch.h>

#include "base/atomic.h"
#include "base/futex.h"

/* ---- Gates ---- */

/* Words   arrived   how many have come to it: a futex
 *         open      0, then 1: a futex
 * Orders  pass acquires what was written before open; await acquires what was written before pass */
struct gate {
    fl_atomic(uint32_t) arrived;
    fl_atomic(uint32_t) open;
};

static inline void gate_pass(struct gate *g)
{
    fl_add(&g->arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&g->arrived, INT_MAX);
    while (fl_load(&g->open, acquire) == 0) /* <- gate_open */
        fl_futex_wait(&g->open, 0, INT64_MAX);
}

/* Blocks until n have come to the gate. */
static inline void gate_await(struct gate *g, uint32_t n)
{
    uint32_t seen;

    while ((seen = fl_load(&g->arrived, acquire)) < n) /* <- gate_pass */
        fl_futex_wait(&g->arrived, seen, INT64_MAX);
}

static inline void gate_open(struct gate *g)
{
    fl_store(&g->open, 1, release); /* -> gate_pass */
    fl_futex_wake(&g->open, INT_MAX);
}

/* ---- Counters ---- */

typedef fl_atomic(uint64_t) counter;

static inline void count_one(counter *c)
{
    fl_add(c, 1, relaxed); /* count */
}

static inline uint64_t count_of(counter *c)
{
    return fl_load(c, relaxed); /* count */
}

/* ---- Tasks ---- */

static inline int task_echo(void *arg, void **result)
{
    *result = arg;
    return 0;
}

/* Fails with the code that arg is. */
static inline int task_fail(void *arg, void **result)
{
    (void)result;
    return (int)(intptr_t)arg;
}

static inline int task_count(void *arg, void **result)
{
    counter *c = arg;

    count_one(c);
    *result = arg;
    return 0;
}

static inline int task_gate(void *arg, void **result)
{
    gate_pass(arg);
    *result = arg;
    return 0;
}

static inline void *number(intptr_t n)
{
    return (void *)n;
}

/* ---- Executors ---- */

static inline filch_executor *pool_with(filch_options options)
{
    filch_executor *ex = NULL;

    options.size = sizeof options;
    test_check(filch_executor_create(&ex, &options) == 0);
    test_check(ex != NULL);
    return ex;
}

static inline filch_executor *pool_of(unsigned workers)
{
    return pool_with((filch_options){.workers = workers});
}

static inline filch_future *submit(filch_executor *ex, filch_task_fn *fn, void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit(ex, fn, arg, &f) == 0);
    test_check(f != NULL);
    return f;
}

static inline filch_future *promise(void)
{
    filch_future *f = NULL;

    test_check(filch_promise_create(&f) == 0);
    return f;
}

static inline int outcome(filch_future *f)
{
    return filch_future_result(f, FILCH_FOREVER, NULL);
}

/* Waits for f, gives it back, and tells how it ended. */
static inline int finish(filch_future *f)
{
    int status = outcome(f);

    filch_future_release(f);
    return status;
}

static inline filch_executor_stats stats_of(filch_executor *ex)
{
    filch_executor_stats s = {.size = sizeof s};

    test_check(filch_executor_stats_read(ex, &s) == 0);
    return s;
}

/* Blocks until so many workers have lain down, and look for nothing any more. */
static inline void await_parked(filch_executor *ex, uint64_t n)
{
    filch_executor_stats s;

    do {
        sched_yield();
        s = stats_of(ex);
    } while (s.parks - s.wakes != n);
}

/* A worker that holds still: the pool's only one can't begin anything else until open_pool. */
struct hold {
    struct gate gate;
    filch_future *f;
};

static inline void hold_worker(struct hold *h, filch_executor *ex)
{
    h->f = submit(ex, task_gate, &h->gate);
    gate_await(&h->gate, 1);
}

static inline void let_go(struct hold *h)
{
    gate_open(&h->gate);
    test_check(finish(h->f) == 0);
}

/* ---- The process ---- */

static inline size_t entries_of(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    test_check(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* One that has ended is in /proc for a moment more, though it has been joined. */
static inline bool is_ending(const char *thread)
{
    enum {
        PF_EXITING = 4
    };
    char name[64];
    char text[512] = "";
    unsigned flags = PF_EXITING;
    const char *end;
    FILE *f;

    snprintf(name, sizeof name, "/proc/self/task/%.20s/stat", thread);
    f = fopen(name, "r");
    if (f == NULL)
        return true;
    end = fgets(text, sizeof text, f) != NULL ? strrchr(text, ')') : NULL;
    fclose(f);
    if (end != NULL)
        test_check(sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1);
    return (flags & PF_EXITING) != 0;
}

/* With "." and "..". */
static inline size_t threads_now(void)
{
    DIR *d = opendir("/proc/self/task");
    const struct dirent *entry;
    size_t n = 0;

    test_check(d != NULL);
    while ((entry = readdir(d)) != NULL)
        n += entry->d_name[0] == '.' || !is_ending(entry->d_name);
    closedir(d);
    return n;
}

static inline size_t files_now(void)
{
    return entries_of("/proc/self/fd");
}

/* Of threads that nobody has joined. */
static inline void await_threads_at_most(size_t n)
{
    while (threads_now() > n)
        sched_yield();
}

struct sleepers {
    unsigned n;
    unsigned long long turns; /* how often they have fallen asleep up to now */
};

/* As opposed to one that is about to sleep, and has lost its processor before it could. */
static inline bool is_off(const char *thread)
{
    char name[64];
    int first;
    FILE *f;

    snprintf(name, sizeof name, "/proc/self/task/%.20s/syscall", thread);
    f = fopen(name, "r");
    if (f == NULL)
        return true; /* such a kernel does not tell */
    first = fgetc(f);
    fclose(f);
    return first >= '0' && first <= '9'; /* "running" */
}

/* The threads that sleep, of those whose names begin so. */
static inline struct sleepers sleepers_of(const char *prefix)
{
    struct sleepers all = {0, 0};
    DIR *d = opendir("/proc/self/task");
    const struct dirent *entry;

    test_check(d != NULL);
    while ((entry = readdir(d)) != NULL) {
        char line[128];
        char name[64] = "";
        char state = '\0';
        unsigned long long turns = 0;
        FILE *f;

        snprintf(line, sizeof line, "/proc/self/task/%.20s/status", entry->d_name);
        f = entry->d_name[0] != '.' ? fopen(line, "r") : NULL;
        if (f == NULL)
            continue;
        while (fgets(line, sizeof line, f) != NULL) {
            (void)sscanf(line, "Name: %63s", name);
            (void)sscanf(line, "State: %c", &state);
            (void)sscanf(line, "voluntary_ctxt_switches: %llu", &turns);
        }
        fclose(f);
        if (strncmp(name, prefix, strlen(prefix)) == 0 && state == 'S' && is_off(entry->d_name)) {
            all.n++;
            all.turns += turns;
        }
    }
    closedir(d);
    return all;
}

/* Blocks until n threads whose names begin so sleep all at once, and so until somebody else wakes them. */
static inline void await_sleepers(const char *prefix, unsigned n)
{
    struct sleepers first, then;

    do {
        sched_yield();
        first = sleepers_of(prefix);
        then = sleepers_of(prefix); /* if none has run meanwhile, they slept together */
    } while (first.n != n || then.n != n || first.turns != then.turns);
}

/* ---- Chance ---- */

static inline uint64_t random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Never 0, and another for each i. */
static inline uint64_t random_from(uint64_t seed, uint64_t i)
{
    uint64_t x = (seed + i * 0x9e3779b97f4a7c15U) | 1;

    random_next(&x);
    return x;
}

#endif /* FL_TESTS_SCHED_WORK_H */
