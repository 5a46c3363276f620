/* SPDX-License-Identifier: MIT
 *
 * many.c: does waiting for many futures cost as much for each of a million as for each of a hundred?
 *
 * A family of loads is one question for 10^2 to 10^6 futures, and its target is that the cost of each
 * stays flat: in no round may a larger number cost more than twice what a smaller one cost (targets.c).
 *
 *   wait/all, wait/first, as_completed   .../promises: a second thread completes them, all or for
 *       wait/first the last of them, as soon as the wait has registered with the last, so that each is
 *       registered with, told or left. .../tasks: one worker, held until the wait begins, runs them
 *       meanwhile, so that a task is paid for with each future. Making and releasing the futures is not
 *       measured.
 *   then/inline, then/executor   a chain of continuations: each is made, the first future is completed,
 *       the last is waited for and has to hold the number of links; all are released. On the executor
 *       each link is a task.
 *
 * The machine's side is what the memory alone takes: to look at each of as many blocks of 64 bytes and
 * put a new one of 88, as is asked for a waiter's node, beside it; then to find all of them once more and
 * free the new ones. Beyond the caches that costs more for each, whoever does it.
 *
 * The first turn of a slice is not measured: it brings in the memory, which a few futures share among
 * thousands of turns and a million have for themselves. */
#include "driver/bench.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "base/thread.h"
#include "future/future.h"

enum {
    FUTURE_BYTES = 64,
    NODE_BYTES = 88
};

/* How often a slice does it for n futures. */
static size_t turns_of(const struct load *load)
{
    size_t turns = plan.many / load->many;

    return turns > 0 ? turns : 1;
}

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

/* ---- the wait, for any futures */

static void all_of(filch_future **f, size_t n)
{
    if (filch_wait(f, n, FILCH_ALL_COMPLETED, FILCH_FOREVER) != (ptrdiff_t)n)
        bench_die("a wait for all of %zu came back too early", n);
}

static void first_of(filch_future **f, size_t n)
{
    if (filch_wait(f, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER) < 1 || !filch_future_done(f[0]))
        bench_die("a wait for the first of %zu came back too early", n);
}

static void each_of(filch_future **f, size_t n)
{
    filch_completion *it;
    filch_future *next;
    size_t came = 0;

    bench_must(filch_as_completed(&it, f, n, FILCH_FOREVER), "as_completed");
    while (filch_completion_next(it, &next) == 0) {
        if (!filch_future_done(next))
            bench_die("a future came out that is not over");
        came++;
    }
    filch_completion_close(it);
    if (came != n)
        bench_die("%zu futures came out of %zu", came, n);
}

/* ---- promises, completed by a second thread */

/* Words   turn      the turn whose wait is about to begin; what it waits for is written before it
 *         settled   the turn whose futures are over; release, for the futures are the waiter's then */
struct promises {
    void (*wait)(filch_future **f, size_t n);
    filch_future **futures; /* the waiter's, who puts them in another order */
    filch_future **given;   /* the settler's */
    size_t n;
    size_t first; /* the settler begins here */
    size_t turns;
    int64_t waited_ns;
    fl_atomic(size_t) turn;
    fl_atomic(size_t) settled;
};

static void await_turn(fl_atomic(size_t) * word, size_t turn)
{
    while (fl_load(word, acquire) < turn)
        fl_thread_yield();
}

/* A hint is enough: what is settled before anybody waits for it is over all the same. */
static void await_registered(filch_future *f)
{
    while (fl_load(&f->waiters, relaxed) == NULL)
        fl_thread_yield();
}

static void settle_turns(struct promises *p)
{
    for (size_t turn = 1; turn <= p->turns; turn++) {
        await_turn(&p->turn, turn);
        await_registered(p->given[p->n - 1]);
        for (size_t i = p->first; i < p->n; i++)
            bench_must(filch_promise_set_result(p->given[i], NULL), "set_result");
        fl_store(&p->settled, turn, release);
    }
}

static void wait_turns(struct promises *p)
{
    for (size_t turn = 1; turn <= p->turns; turn++) {
        for (size_t i = 0; i < p->n; i++) {
            bench_must(filch_promise_create(&p->given[i]), "a promise");
            p->futures[i] = p->given[i];
        }
        int64_t began = bench_now();
        fl_store(&p->turn, turn, release);
        p->wait(p->futures, p->n);
        p->waited_ns += turn > 1 ? bench_now() - began : 0;
        await_turn(&p->settled, turn);
        for (size_t i = 0; i < p->n; i++)
            filch_future_release(p->given[i]);
    }
}

static void wait_or_settle(void *arg, unsigned i)
{
    if (i == 0)
        wait_turns(arg);
    else
        settle_turns(arg);
}

static void measure_promises(const struct load *load, struct slice *slice,
                             void (*wait)(filch_future **f, size_t n), size_t first)
{
    struct promises p = {
        .wait = wait, .n = load->many, .first = first, .turns = 1 + turns_of(load)};

    p.futures = bench_alloc(p.n, sizeof *p.futures);
    p.given = bench_alloc(p.n, sizeof *p.given);
    bench_together(2, wait_or_settle, &p);
    slice->figure = (double)p.waited_ns / (double)((p.turns - 1) * p.n);
    free(p.given);
    free(p.futures);
}

static void all_promises(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)ex;
    measure_promises(load, slice, all_of, 0);
}

static void first_promise(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)ex;
    measure_promises(load, slice, first_of, load->many - 1);
}

static void each_promise(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)ex;
    measure_promises(load, slice, each_of, 0);
}

/* ---- tasks, run by a worker that is held until the wait begins */

/* Words   held, go   flags; the tasks behind them are in the queue */
struct held {
    fl_atomic(bool) held;
    fl_atomic(bool) go;
};

static int hold(void *arg, void **result)
{
    struct held *h = arg;

    (void)result;
    fl_store(&h->held, true, release);
    while (!fl_load(&h->go, acquire))
        fl_thread_yield();
    return 0;
}

static int64_t wait_for_tasks(filch_executor *ex, filch_future **futures, size_t n,
                              void (*wait)(filch_future **f, size_t n))
{
    struct held h = {.held = false, .go = false};
    filch_future *holder;
    int64_t took;

    bench_must(filch_submit(ex, hold, &h, &holder), "submit");
    while (!fl_load(&h.held, acquire))
        fl_thread_yield();
    bench_must(filch_submit_batch(ex, add_one, NULL, n, futures), "submit_batch");
    int64_t began = bench_now();
    fl_store(&h.go, true, release);
    wait(futures, n);
    took = bench_now() - began;
    for (size_t i = 0; i < n; i++) {
        void *result;

        bench_must(filch_future_result(futures[i], FILCH_FOREVER, &result), "result");
        if ((uintptr_t)result != 1)
            bench_die("task %zu returned something else than its argument plus one", i);
        filch_future_release(futures[i]);
    }
    bench_must(filch_future_result(holder, FILCH_FOREVER, NULL), "result");
    filch_future_release(holder);
    return took;
}

static void measure_tasks(const struct load *load, filch_executor *ex, struct slice *slice,
                          void (*wait)(filch_future **f, size_t n))
{
    filch_future **futures = bench_alloc(load->many, sizeof *futures);
    size_t turns = turns_of(load);
    int64_t waited = 0;

    wait_for_tasks(ex, futures, load->many, wait);
    for (size_t turn = 0; turn < turns; turn++)
        waited += wait_for_tasks(ex, futures, load->many, wait);
    slice->figure = (double)waited / (double)(turns * load->many);
    free(futures);
}

static void all_tasks(const struct load *load, filch_executor *ex, struct slice *slice)
{
    measure_tasks(load, ex, slice, all_of);
}

static void first_task(const struct load *load, filch_executor *ex, struct slice *slice)
{
    measure_tasks(load, ex, slice, first_of);
}

static void each_task(const struct load *load, filch_executor *ex, struct slice *slice)
{
    measure_tasks(load, ex, slice, each_of);
}

/* ---- chains */

static int one_more(filch_future *before, void *arg, void **result)
{
    void *n;

    (void)arg;
    bench_must(filch_future_result(before, FILCH_NOW, &n), "the future before");
    *result = (void *)((uintptr_t)n + 1);
    return 0;
}

static int64_t time_chain(filch_executor *ex, size_t links)
{
    filch_future *first;
    filch_future *last;
    void *n;

    int64_t began = bench_now();
    bench_must(filch_promise_create(&first), "a promise");
    last = filch_future_retain(first);
    for (size_t i = 0; i < links; i++) {
        filch_future *next;

        bench_must(filch_then(last, ex, 0, one_more, NULL, &next), "then");
        filch_future_release(last);
        last = next;
    }
    bench_must(filch_promise_set_result(first, NULL), "set_result");
    bench_must(filch_future_result(last, FILCH_FOREVER, &n), "result");
    filch_future_release(last);
    filch_future_release(first);
    int64_t took = bench_now() - began;
    if ((uintptr_t)n != links)
        bench_die("a chain of %zu came to %zu", links, (size_t)(uintptr_t)n);
    return took;
}

static void measure_chain(const struct load *load, filch_executor *ex, struct slice *slice)
{
    size_t turns = turns_of(load);
    int64_t took = 0;

    time_chain(ex, load->many);
    for (size_t turn = 0; turn < turns; turn++)
        took += time_chain(ex, load->many);
    slice->figure = (double)took / (double)(turns * load->many);
}

static void inline_chain(const struct load *load, filch_executor *ex, struct slice *slice)
{
    (void)ex;
    measure_chain(load, NULL, slice);
}

/* ---- what the memory takes */

static void touch(void *block, size_t i)
{
    *(volatile size_t *)block = i;
}

static void bare_memory(const struct load *load, struct slice *slice)
{
    size_t n = load->many;
    void **futures = bench_alloc(n, sizeof *futures);
    void **nodes = bench_alloc(n, sizeof *nodes);
    size_t turns = turns_of(load);
    int64_t took = 0;

    for (size_t turn = 0; turn <= turns; turn++) {
        for (size_t i = 0; i < n; i++) {
            futures[i] = malloc(FUTURE_BYTES);
            if (futures[i] == NULL)
                bench_die("out of memory");
            touch(futures[i], i);
            nodes[i] = NULL;
        }
        int64_t began = bench_now();
        for (size_t i = 0; i < n; i++) {
            nodes[i] = malloc(NODE_BYTES);
            if (nodes[i] == NULL)
                bench_die("out of memory");
            touch(nodes[i], i);
            touch(futures[i], i);
        }
        for (size_t i = 0; i < n; i++) {
            touch(futures[i], i);
            free(nodes[i]);
        }
        took += turn > 0 ? bench_now() - began : 0;
        for (size_t i = 0; i < n; i++)
            free(futures[i]);
    }
    slice->figure = (double)took / (double)(turns * n);
    free(nodes);
    free(futures);
}

static const char no_rival[] = "it is filch's own, and no work of a pool's";

#define OF(name, count)                                                                            \
    .address = name "/of:" #count, .many = (count), .unit = "ns/future", .workers = 1,             \
    .limit = "the memory of as many futures and nodes", .not_by_rivals = no_rival,                 \
    .run_machine = bare_memory, .seconds = 0.08
#define FAMILY(name, measure)                                                                      \
    {OF(name, 100), .run_api = (measure)}, {OF(name, 1000), .run_api = (measure)},                 \
        {OF(name, 10000), .run_api = (measure)}, {OF(name, 100000), .run_api = (measure)},         \
    {                                                                                              \
        OF(name, 1000000), .run_api = (measure)                                                    \
    }

static const struct load loads[] = {
    FAMILY("wait/all/promises", all_promises),     FAMILY("wait/all/tasks", all_tasks),
    FAMILY("wait/first/promises", first_promise),  FAMILY("wait/first/tasks", first_task),
    FAMILY("as_completed/promises", each_promise), FAMILY("as_completed/tasks", each_task),
    FAMILY("then/inline", inline_chain),           FAMILY("then/executor", measure_chain),
};

const struct load_list many_loads = {loads, sizeof loads / sizeof loads[0]};
