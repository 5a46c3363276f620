/* SPDX-License-Identifier: MIT
 *
 * sim_map.c: one function over an array: a batch goes in, each call is over when map returns, the
 * results stand in the order of the arguments, and whoever maps inside a task runs calls itself. */
#include <filch/filch.h>

#include "base/atomic.h"
#include "sim/sim.h"

enum {
    CALLS = 2,
    CODE = 3
};

static filch_executor *ex;
static int calls[CALLS]; /* how often each was called, by nobody twice */
static void *args[CALLS] = {&calls[0], &calls[1]};

static void start(unsigned workers)
{
    filch_options options = {.size = sizeof options,
                             .workers = workers,
                             .max_spares = 1,
                             .spin_ns = -1,
                             .allocator = &sim_allocator};
    int status;

    calls[0] = calls[1] = 0;
    sim_solo_begin();
    status = filch_executor_create(&ex, &options);
    sim_solo_end();
    sim_check(status == 0);
}

static int call(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return 0;
}

/* Of the two the second succeeds. */
static int call_or_fail(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return arg == &calls[0] ? CODE : 0;
}

static void check_results(void *const *results)
{
    for (int i = 0; i < CALLS; i++)
        sim_check(calls[i] == 1 && results[i] == &calls[i]);
}

SCENARIO(results_stand_in_the_order_of_the_arguments)
{
    void *results[CALLS];
    int status;

    start(1);
    status = filch_map_array(ex, call, args, results, CALLS);
    sim_check(status == 0);
    check_results(results);
    filch_executor_destroy(ex);
}

SCENARIO(two_workers_map_together)
{
    void *results[CALLS];
    int status;

    start(2);
    status = filch_map_array(ex, call, args, results, CALLS);
    sim_check(status == 0);
    check_results(results);
    filch_executor_destroy(ex);
}

SCENARIO(a_call_that_fails_stops_no_other)
{
    void *results[CALLS];
    int status;

    start(1);
    status = filch_map_array(ex, call_or_fail, args, results, CALLS);
    sim_check(status == CODE);
    sim_check(calls[0] == 1 && results[0] == NULL);
    sim_check(calls[1] == 1 && results[1] == &calls[1]);
    filch_executor_destroy(ex);
}

static int write_to(void *arg, void **result)
{
    (void)result;
    *(int *)arg = 1;
    return 0;
}

SCENARIO(arguments_may_go_as_soon_as_map_returns)
{
    int *memory;
    void *own[CALLS];
    int status;

    start(2);
    sim_solo_begin();
    memory = sim_alloc(CALLS * sizeof *memory, sizeof(void *));
    sim_solo_end();
    for (int i = 0; i < CALLS; i++)
        own[i] = &memory[i];
    status = filch_map_array(ex, write_to, own, NULL, CALLS);
    sim_check(status == 0);
    sim_free(memory);
    filch_executor_destroy(ex);
}

static int map_inside(void *arg, void **result)
{
    void *results[CALLS];
    int status = filch_map_array(ex, call, args, results, CALLS);

    (void)arg, (void)result;
    sim_check(status == 0);
    check_results(results);
    return 0;
}

SCENARIO(a_map_on_the_only_worker_runs_its_calls)
{
    filch_future *f;
    int status;

    start(1);
    status = filch_submit(ex, map_inside, NULL, &f);
    sim_check(status == 0);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

SCENARIO(a_map_without_memory_makes_no_call, .alloc_faults = 1)
{
    void *results[CALLS];
    int status;

    start(1);
    status = filch_map_array(ex, call, args, results, CALLS);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        check_results(results);
    filch_executor_destroy(ex);
    sim_check(calls[0] == (status == 0) && calls[1] == (status == 0));
}

static void shuts_down(void *arg)
{
    int status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

SCENARIO(a_map_against_a_shutdown_makes_all_calls_or_none)
{
    void *results[CALLS];
    int status;

    start(1);
    sim_spawn(shuts_down, NULL);
    status = filch_map_array(ex, call, args, results, CALLS);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    if (status == 0)
        check_results(results);
    sim_join_all();
    filch_executor_destroy(ex);
    sim_check(calls[0] == (status == 0) && calls[1] == (status == 0));
}

static void cancels_what_is_queued(void *arg)
{
    int status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

SCENARIO(a_map_that_is_cancelled_says_so_and_each_call_is_over)
{
    void *results[CALLS];
    int status;

    start(1);
    sim_spawn(cancels_what_is_queued, NULL);
    status = filch_map_array(ex, call, args, results, CALLS);
    sim_check(status == 0 || status == FILCH_ECANCELED || status == FILCH_ESHUTDOWN);
    if (status == 0)
        check_results(results);
    for (int i = 0; i < CALLS && status == FILCH_ECANCELED; i++)
        sim_check(results[i] == (calls[i] == 1 ? &calls[i] : NULL));
    sim_join_all();
    filch_executor_destroy(ex);
}

SCENARIO(a_map_over_nothing_returns_at_once)
{
    int status;

    start(1);
    status = filch_map_array(ex, call, NULL, NULL, 0);
    sim_check(status == 0);
    filch_executor_destroy(ex);
}
