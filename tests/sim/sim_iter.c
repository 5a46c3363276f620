/* SPDX-License-Identifier: MIT
 *
 * sim_iter.c: the map over a source: results by a window of calls, closed early, out of time, out of
 * memory, cut off by a shutdown. */
#include "base/atomic.h"
#include "sim/sim.h"

#include <filch/filch.h>

static filch_executor *ex;
static int given, dropped;
static fl_atomic(int) ran;

enum {
    ITEMS = 3
};

static bool next_item(void *source, void **arg)
{
    (void)source;
    if (given == ITEMS)
        return false;
    *arg = (void *)(intptr_t)++given;
    return true;
}

static void drop_item(void *source, void *arg)
{
    (void)source, (void)arg;
    dropped++;
}

static int work(void *arg, void **result)
{
    fl_add(&ran, 1, relaxed);
    if ((intptr_t)arg == 2)
        return 22;
    *result = (void *)((intptr_t)arg * 10);
    return 0;
}

static filch_map_iter *map_with(size_t window, size_t chunk, unsigned flags,
                                filch_deadline deadline)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};
    filch_map_options m = {.size = sizeof m,
                           .window = window,
                           .chunk = chunk,
                           .flags = flags,
                           .deadline = deadline,
                           .drop = drop_item};
    filch_map_iter *it = NULL;

    given = dropped = 0;
    fl_init(&ran, 0);
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_check(filch_map(ex, work, next_item, NULL, &m, &it) == 0);
    return it;
}

static void end_with(filch_map_iter *it)
{
    filch_map_close(it);
    filch_executor_destroy(ex);
    sim_check(fl_load(&ran, relaxed) + dropped == given);
}

/* The result of the next call, in order: the i-th, from 1. */
static void expect(filch_map_iter *it, int i)
{
    void *result = NULL;
    int status = filch_map_next(it, &result);

    sim_check(i == 2 ? status == 22 : status == 0 && result == (void *)((intptr_t)i * 10));
}

SCENARIO(results_come_in_the_arguments_order_and_the_window_holds)
{
    filch_map_iter *it = map_with(1, 1, 0, 0);

    for (int i = 1; i <= ITEMS; i++) {
        sim_check(given == i);
        expect(it, i);
    }
    sim_check(filch_map_next(it, NULL) == FILCH_EEND);
    end_with(it);
}

SCENARIO(chunks_give_the_same_results)
{
    filch_map_iter *it = map_with(2, 2, 0, 0);

    for (int i = 1; i <= ITEMS; i++)
        expect(it, i);
    sim_check(filch_map_next(it, NULL) == FILCH_EEND);
    end_with(it);
}

SCENARIO(results_without_an_order_come_once_each)
{
    filch_map_iter *it = map_with(2, 1, FILCH_MAP_UNORDERED, 0);
    int sum = 0;
    int status;
    void *result;

    while ((status = filch_map_next(it, &result)) != FILCH_EEND)
        sum += status == 22 ? 20 : (int)(intptr_t)result;
    sim_check(sum == 60);
    end_with(it);
}

SCENARIO(an_iterator_that_is_closed_early_runs_or_drops_each_argument_once)
{
    filch_map_iter *it = map_with(2, 1, 0, 0);

    expect(it, 1);
    end_with(it);
}

SCENARIO(an_unordered_iterator_that_is_closed_at_once_leaves_nothing)
{
    end_with(map_with(2, 1, FILCH_MAP_UNORDERED, 0));
}

SCENARIO(a_close_that_waits_finds_every_call_over)
{
    filch_map_iter *it = map_with(2, 1, FILCH_MAP_CLOSE_WAITS, 0);

    filch_map_close(it);
    sim_check(fl_load(&ran, relaxed) + dropped == given);
    filch_executor_destroy(ex);
}

SCENARIO(a_deadline_ends_the_iteration, .timeouts = 1)
{
    filch_map_iter *it = map_with(2, 1, 0, sim_clock() + 1000);
    int status = 0;

    for (int i = 0; i <= ITEMS && status != FILCH_EEND && status != FILCH_ETIMEDOUT; i++)
        status = filch_map_next(it, NULL);
    sim_check(filch_map_next(it, NULL) == FILCH_EEND);
    end_with(it);
}

SCENARIO(after_a_shutdown_come_the_calls_under_way_and_then_its_status)
{
    filch_map_iter *it = map_with(1, 1, 0, 0);

    sim_check(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
    expect(it, 1);
    sim_check(filch_map_next(it, NULL) == FILCH_ESHUTDOWN);
    sim_check(filch_map_next(it, NULL) == FILCH_EEND);
    end_with(it);
}

static void cancel_queued(void *arg)
{
    (void)arg;
    filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW);
}

SCENARIO(a_cancelling_shutdown_amid_the_iteration_loses_no_argument)
{
    filch_map_iter *it = map_with(2, 1, 0, 0);

    sim_spawn(cancel_queued, NULL);
    while (filch_map_next(it, NULL) != FILCH_EEND)
        continue;
    sim_join_all();
    end_with(it);
}

static void iterate_without_memory(unsigned flags)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};
    filch_map_options m = {
        .size = sizeof m, .window = 2, .chunk = 1, .flags = flags, .drop = drop_item};
    filch_map_iter *it = NULL;
    int status;

    given = dropped = 0;
    fl_init(&ran, 0);
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
    status = filch_map(ex, work, next_item, NULL, &m, &it);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    while (status == 0 && filch_map_next(it, NULL) != FILCH_EEND)
        continue;
    end_with(it);
}

SCENARIO(without_memory_the_iteration_ends_and_loses_no_argument, .alloc_faults = 1)
{
    iterate_without_memory(0);
}

SCENARIO(without_memory_an_unordered_iteration_loses_no_argument, .alloc_faults = 1)
{
    iterate_without_memory(FILCH_MAP_UNORDERED);
}
