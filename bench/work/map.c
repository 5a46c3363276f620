/* SPDX-License-Identifier: MIT
 *
 * map.c: what does a call cost, of a function over a source of arguments, with a window of calls under
 * way and the results in the arguments' order?
 *
 * filch's side is filch_map. The rivals' side is what one writes by hand for want of it: a ring of as
 * many futures as the window is wide; the oldest is waited for and released, and another call submitted
 * in its place. Each result is looked at. map/by_hand is that same loop with filch's executor too: what
 * the iterator itself costs or saves. An empty call returns its argument plus one; the other works for
 * about a microsecond before. The machine's side is the calls themselves, one after the other. */
#include "driver/bench.h"

#include <stdlib.h>

enum {
    WINDOW = 64,
    WORK_NS = 1000
};

static int empty_call(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static int work_call(void *arg, void **result)
{
    uintptr_t x = bench_work((uintptr_t)arg, WORK_NS);

    *result = (void *)((uintptr_t)arg + 1 + (x == 0));
    return 0;
}

static filch_task_fn *call_of(const struct load *load)
{
    bench_calibrate();
    return load->call_ns != 0 ? work_call : empty_call;
}

static size_t calls_of(const struct load *load)
{
    return load->call_ns != 0 ? plan.tasks / 10 : plan.tasks;
}

static void expect(size_t i, int status, const void *result)
{
    bench_must(status, "a call");
    if ((uintptr_t)result != i + 1)
        bench_die("call %zu returned something else than its argument plus one", i);
}

/* ---- filch_map */

struct source {
    size_t given;
    size_t n;
};

static bool next_arg(void *arg, void **out)
{
    struct source *s = arg;

    *out = (void *)s->given;
    return s->given < s->n && ++s->given > 0;
}

static void mapped(const struct load *load, filch_executor *ex, struct slice *slice)
{
    struct source source = {.n = calls_of(load)};
    filch_map_options options = {.size = sizeof options, .window = WINDOW};
    filch_task_fn *call = call_of(load);
    filch_map_iter *it;
    void *result;

    int64_t began = bench_now();
    bench_must(filch_map(ex, call, next_arg, &source, &options, &it), "map");
    for (size_t i = 0; i < source.n; i++) {
        int status = filch_map_next(it, &result);

        expect(i, status, result);
    }
    if (filch_map_next(it, &result) != FILCH_EEND)
        bench_die("a map gave more results than there were arguments");
    filch_map_close(it);
    slice->figure = (double)(bench_now() - began) / (double)source.n;
}

/* ---- by hand */

static void by_hand(const struct load *load, filch_executor *ex, struct slice *slice)
{
    filch_future *under_way[WINDOW];
    filch_task_fn *call = call_of(load);
    size_t n = calls_of(load);
    size_t given = 0;

    int64_t began = bench_now();
    for (size_t i = 0; i < n; i++) {
        void *result;

        while (given < n && given < i + WINDOW) {
            bench_must(filch_submit(ex, call, (void *)given, &under_way[given % WINDOW]), "submit");
            given++;
        }
        int status = filch_future_result(under_way[i % WINDOW], FILCH_FOREVER, &result);
        expect(i, status, result);
        filch_future_release(under_way[i % WINDOW]);
    }
    slice->figure = (double)(bench_now() - began) / (double)n;
}

static void bare_calls(const struct load *load, struct slice *slice)
{
    filch_task_fn *volatile call = call_of(load);
    size_t n = calls_of(load);
    void *result;

    int64_t began = bench_now();
    for (size_t i = 0; i < n; i++) {
        int status = call((void *)i, &result);

        expect(i, status, result);
    }
    slice->figure = (double)(bench_now() - began) / (double)n;
}

#define CALLS                                                                                      \
    .unit = "ns/call", .limit = "the calls, one after the other", .run_machine = bare_calls,       \
    .seconds = 0.07, .warms_up = true

static const struct load loads[] = {
    {.address = "map/empty/workers:1",
     .workers = 1,
     .run_api = mapped,
     .run_api_rival = by_hand,
     CALLS},
    {.address = "map/empty/workers:2",
     .workers = 2,
     .run_api = mapped,
     .run_api_rival = by_hand,
     CALLS},
    {.address = "map/1us/workers:1",
     .workers = 1,
     .call_ns = WORK_NS,
     .run_api = mapped,
     .run_api_rival = by_hand,
     CALLS},
    {.address = "map/1us/workers:2",
     .workers = 2,
     .call_ns = WORK_NS,
     .run_api = mapped,
     .run_api_rival = by_hand,
     CALLS},
    {.address = "map/by_hand/empty/workers:1", .workers = 1, .run_api = by_hand, CALLS},
    {.address = "map/by_hand/1us/workers:2",
     .workers = 2,
     .call_ns = WORK_NS,
     .run_api = by_hand,
     CALLS},
};

const struct load_list map_loads = {loads, sizeof loads / sizeof loads[0]};
