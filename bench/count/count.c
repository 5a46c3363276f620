/* SPDX-License-Identifier: MIT
 *
 * count.c: filch-count: the steps of a task's life, to be counted instead of timed: instructions by
 * callgrind, system calls by strace (scripts/count), allocations by itself.
 *
 *     filch-count [--rounds N] [--rival mutex | ck | global] [--about]
 *
 * One worker, and nobody spins where it is counted: while a step of the submitter's is counted, the worker
 * is held inside a task; while one of the worker's is, the submitter sleeps on a word. Each step is done for
 * TASKS tasks, one after the other, a first time uncounted, so that the slabs are warm. A counted stretch
 * begins and ends in the thread that does the step. */
#include <filch/filch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/futex.h"

#if __has_include(<valgrind/callgrind.h>)
#    include <valgrind/callgrind.h>
#else
#    define CALLGRIND_TOGGLE_COLLECT
#    define CALLGRIND_DUMP_STATS_AT(name) (void)(name)
#    define NO_CALLGRIND_HEADER           1
#endif

enum {
    TASKS = 10000,
    BATCH = 1000
};

/* ---- every allocation of the process is one of these */

/* Words   allocations   how many there have been: a count */
static fl_atomic(uint64_t) allocations;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

void *malloc(size_t size)
{
    fl_add(&allocations, 1, relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    fl_add(&allocations, 1, relaxed);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    fl_add(&allocations, 1, relaxed);
    return __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    fl_add(&allocations, 1, relaxed);
    return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    fl_add(&allocations, 1, relaxed);
    *out = __libc_memalign(align, size);
    return *out != NULL ? 0 : 12; /* ENOMEM */
}

/* ---- one run */

static struct {
    filch_executor *ex;
    filch_future *futures[TASKS];
    void *args[TASKS];
    bool counts;
    bool is_rival; /* it has one queue, and its workers none of their own */
} run;

static void die(const char *what)
{
    fprintf(stderr, "filch-count: %s\n", what);
    exit(1);
}

static void must(int status, const char *what)
{
    if (status != 0)
        die(what);
}

/* In the thread whose steps are counted. */
static void toggle(void)
{
    if (run.counts) {
        CALLGRIND_TOGGLE_COLLECT;
    }
}

/* What was counted since the last time belongs to that step. */
static void finish(const char *step)
{
    if (run.counts) {
        CALLGRIND_DUMP_STATS_AT(step);
    }
}

/* ---- words to sleep on
 * Words   gate   0, 1 the worker is inside, 2 it may go
 *         done   0, then 1 when the last task has run */
static fl_atomic(uint32_t) gate;
static fl_atomic(uint32_t) done;

static void set(fl_atomic(uint32_t) * word, uint32_t value)
{
    fl_store(word, value, release);
    fl_futex_wake(word, 1);
}

static void await(fl_atomic(uint32_t) * word, uint32_t value)
{
    uint32_t seen;

    while ((seen = fl_load(word, acquire)) != value)
        fl_futex_wait(word, seen, INT64_MAX);
}

static int hold(void *arg, void **result)
{
    *result = arg;
    set(&gate, 1);
    await(&gate, 2);
    return 0;
}

static void hold_worker(void)
{
    fl_store(&gate, 0, relaxed); /* own word: the worker is not inside */
    fl_store(&done, 0, relaxed); /* own word: as above */
    must(filch_submit(run.ex, hold, NULL, NULL), "submit");
    await(&gate, 1);
}

/* Runs all that is queued, and sleeps meanwhile. */
static void let_worker_go(void)
{
    set(&gate, 2);
    await(&done, 1);
    must(filch_executor_wait_idle(run.ex, FILCH_FOREVER), "wait_idle");
}

/* ---- tasks: the first one of a stretch begins to count, the last one ends it, the others are empty */

static int empty(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static int begin_counting(void *arg, void **result)
{
    *result = arg;
    toggle();
    return 0;
}

static int end_counting(void *arg, void **result)
{
    *result = arg;
    toggle();
    set(&done, 1);
    return 0;
}

static int say_done(void *arg, void **result)
{
    *result = arg;
    set(&done, 1);
    return 0;
}

static void take(size_t i)
{
    void *result;

    must(filch_future_result(run.futures[i], FILCH_FOREVER, &result), "result");
    if (result != run.args[i])
        die("a task returned something else than its argument");
    filch_future_release(run.futures[i]);
}

static void take_all(void)
{
    for (size_t i = 0; i < TASKS; i++)
        take(i);
}

/* ---- the steps */

static void from_outside(void)
{
    hold_worker();
    toggle();
    for (size_t i = 0; i < TASKS; i++)
        must(filch_submit(run.ex, empty, run.args[i], &run.futures[i]), "submit");
    toggle();
    finish("submit/outside");
    must(filch_submit(run.ex, say_done, NULL, NULL), "submit");
    let_worker_go();
    toggle();
    take_all();
    toggle();
    finish("take/release");
}

static void in_batches(void)
{
    hold_worker();
    toggle();
    for (size_t i = 0; i < TASKS; i += BATCH)
        must(filch_submit_batch(run.ex, empty, &run.args[i], BATCH, &run.futures[i]), "batch");
    toggle();
    finish("submit/batch");
    must(filch_submit(run.ex, say_done, NULL, NULL), "submit");
    let_worker_go();
    take_all();
}

/* From a lane the oldest comes first. */
static void run_from_lane(void)
{
    hold_worker();
    must(filch_submit(run.ex, begin_counting, NULL, NULL), "submit");
    for (size_t i = 0; i < TASKS; i++)
        must(filch_submit(run.ex, empty, run.args[i], &run.futures[i]), "submit");
    must(filch_submit(run.ex, end_counting, NULL, NULL), "submit");
    let_worker_go();
    finish("run/lane");
    take_all();
}

/* From the worker's own deque the youngest comes first. */
static int submit_inside(void *arg, void **result)
{
    *result = arg;
    must(filch_submit(run.ex, end_counting, NULL, NULL), "submit");
    toggle();
    for (size_t i = 0; i < TASKS; i++)
        must(filch_submit(run.ex, empty, run.args[i], &run.futures[i]), "submit");
    toggle();
    finish("submit/inside");
    must(filch_submit(run.ex, begin_counting, NULL, NULL), "submit");
    return 0;
}

static void from_a_task(void)
{
    fl_store(&done, 0, relaxed); /* own word: nothing is queued */
    must(filch_submit(run.ex, submit_inside, NULL, NULL), "submit");
    await(&done, 1);
    must(filch_executor_wait_idle(run.ex, FILCH_FOREVER), "wait_idle");
    finish("run/own");
    take_all();
}

/* Forked and joined one by one, in a task, where nobody has asked for work. */
FILCH_FORKABLE_1(void *, same, void *, x)
{
    return x;
}

static int fork_inside(void *arg, void **result)
{
    filch_task task;
    same_task named;

    *result = arg;
    filch_fork(&task, empty, arg); /* whoever asked before is answered */
    must(filch_join(&task, NULL), "join");
    toggle();
    for (size_t i = 0; i < TASKS; i++) {
        filch_fork(&task, empty, run.args[i]);
        must(filch_join(&task, &run.args[i]), "join");
    }
    toggle();
    finish("fork/pointer");
    toggle();
    for (size_t i = 0; i < TASKS; i++) {
        same_fork(&named, run.args[i]);
        run.args[i] = same_join(&named);
    }
    toggle();
    finish("fork/name");
    set(&done, 1);
    return 0;
}

static void fork_and_join(void)
{
    fl_store(&done, 0, relaxed); /* own word: nothing is queued */
    must(filch_submit(run.ex, fork_inside, NULL, NULL), "submit");
    await(&done, 1);
    must(filch_executor_wait_idle(run.ex, FILCH_FOREVER), "wait_idle");
    for (size_t i = 0; i < TASKS; i++) {
        if (run.args[i] != &run.args[i])
            die("a fork returned something else than its argument");
    }
}

static void all_steps(void)
{
    from_outside();
    in_batches();
    run_from_lane();
    if (!run.is_rival) {
        from_a_task();
        fork_and_join();
    }
}

static int about(void)
{
#if defined(__clang__)
    printf("clang %d ", __clang_major__);
#else
    printf("gcc %d ", __GNUC__);
#endif
#if defined(__x86_64__)
    printf("x86-64");
#else
    printf("other");
#endif
#ifdef NO_CALLGRIND_HEADER
    printf(" without valgrind/callgrind.h");
#endif
    printf("\n");
    return 0;
}

static enum filch_backend rival_called(const char *name)
{
    if (strcmp(name, "mutex") == 0)
        return FILCH_BACKEND_MUTEX;
    if (strcmp(name, "ck") == 0)
        return FILCH_BACKEND_CK;
    if (strcmp(name, "global") == 0)
        return FILCH_BACKEND_GLOBAL;
    die("no such rival");
    return FILCH_BACKEND_STEAL;
}

static void measure(unsigned long rounds)
{
    all_steps();
    all_steps();
    uint64_t before = fl_load(&allocations, relaxed); /* count: the worker is idle */
    for (unsigned long i = 0; i < rounds; i++) {
        run.counts = i == 0;
        all_steps();
    }
    printf("allocations %llu tasks %llu\n",
           (unsigned long long)(fl_load(&allocations, relaxed) - before), /* count: as above */
           (run.is_rival ? 3ULL : 4ULL) * TASKS * rounds);
}

int main(int argc, char **argv)
{
    filch_options options = {.size = sizeof options, .workers = 1};
    unsigned long rounds = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--about") == 0)
            return about();
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rival") == 0 && i + 1 < argc)
            options.backend = rival_called(argv[++i]);
        else
            die("usage: filch-count [--rounds N] [--rival NAME] [--about]");
    }
    run.is_rival = options.backend != FILCH_BACKEND_STEAL;
    for (size_t i = 0; i < TASKS; i++)
        run.args[i] = &run.args[i];
    must(filch_executor_create(&run.ex, &options), "an executor");
    measure(rounds);
    filch_executor_destroy(run.ex);
    return 0;
}
