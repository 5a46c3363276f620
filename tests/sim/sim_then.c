/* SPDX-License-Identifier: MIT
 *
 * sim_then.c: continuations and futures for many, against those who complete, cancel and release. */
#include "base/atomic.h"
#include "sim/sim.h"

#include <filch/filch.h>

static filch_future *f[2];
static filch_executor *ex;
static fl_atomic(int) called;

static void promises(int n)
{
    sim_solo_begin();
    fl_init(&called, 0);
    for (int i = 0; i < n; i++)
        sim_check(filch_promise_create(&f[i]) == 0);
    sim_solo_end();
}

static void set(void *future)
{
    filch_promise_set_result(future, (void *)7);
}

static void set_and_release(void *future)
{
    set(future);
    filch_future_release(future);
}

static void fail(void *future)
{
    filch_promise_set_error(future, 5, "five");
}

static void cancel(void *future)
{
    filch_future_cancel(future);
}

static void release(void *future)
{
    filch_future_release(future);
}

static int add_one(filch_future *before, void *arg, void **result)
{
    void *value = NULL;

    (void)arg;
    fl_add(&called, 1, relaxed);
    sim_check(filch_future_done(before));
    if (filch_future_result(before, FILCH_NOW, &value) == 0)
        *result = (void *)((intptr_t)value + 1);
    return 0;
}

static int status_of(filch_future *future, intptr_t *value)
{
    void *result = NULL;
    int status = filch_future_result(future, FILCH_FOREVER, &result);

    *value = (intptr_t)result;
    return status;
}

SCENARIO(a_continuation_runs_once_when_its_future_is_over)
{
    filch_future *out;
    intptr_t value;

    promises(1);
    sim_spawn(set, f[0]);
    sim_check(filch_then(f[0], NULL, 0, add_one, NULL, &out) == 0);
    sim_check(status_of(out, &value) == 0 && value == 8);
    sim_check(fl_load(&called, relaxed) == 1);
    filch_future_release(out);
    sim_join_all();
    filch_future_release(f[0]);
}

SCENARIO(a_cancelled_continuation_is_not_called_or_is_over)
{
    filch_future *out;
    bool was_cancelled;

    promises(1);
    sim_check(filch_then(f[0], NULL, 0, add_one, NULL, &out) == 0);
    sim_spawn(set_and_release, f[0]);
    was_cancelled = filch_future_cancel(out);
    sim_join_all();
    sim_check(fl_load(&called, relaxed) == !was_cancelled);
    sim_check(filch_future_done(out));
    filch_future_release(out);
}

SCENARIO(a_future_that_is_released_undecided_fails_its_continuation)
{
    filch_future *out;
    intptr_t value;

    promises(1);
    sim_check(filch_then(f[0], NULL, 0, add_one, NULL, &out) == 0);
    sim_spawn(release, f[0]);
    sim_check(status_of(out, &value) == FILCH_EABANDONED);
    sim_join_all();
    filch_future_release(out);
}

SCENARIO(a_continuation_may_be_released_before_it_runs)
{
    filch_future *out;

    promises(1);
    sim_check(filch_then(f[0], NULL, 0, add_one, NULL, &out) == 0);
    sim_spawn(set_and_release, f[0]);
    filch_future_release(out);
    sim_join_all();
    sim_check(fl_load(&called, relaxed) == 1);
}

enum {
    LINKS = 20
};

SCENARIO(a_long_chain_is_told_to_its_end)
{
    filch_future *last;
    intptr_t value;

    promises(1);
    last = filch_future_retain(f[0]);
    sim_solo_begin();
    for (int i = 0; i < LINKS; i++) {
        filch_future *out;

        sim_check(filch_then(last, NULL, 0, add_one, NULL, &out) == 0);
        filch_future_release(last);
        last = out;
    }
    sim_solo_end();
    sim_spawn(set_and_release, f[0]);
    sim_check(status_of(last, &value) == 0 && value == 7 + LINKS);
    filch_future_release(last);
    sim_join_all();
}

static int inner(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = filch_future_retain(arg);
    return 0;
}

SCENARIO(a_future_that_a_continuation_returns_decides)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_check(filch_then(f[0], NULL, FILCH_THEN_FLATTEN, inner, f[1], &out) == 0);
    sim_spawn(set_and_release, f[0]);
    sim_spawn(set, f[1]);
    sim_check(status_of(out, &value) == 0 && value == 7);
    sim_join_all();
    filch_future_release(out);
    filch_future_release(f[1]);
}

SCENARIO(without_memory_there_is_no_continuation_and_no_trace, .alloc_faults = 1)
{
    filch_future *out = NULL;
    intptr_t value;
    int status;

    promises(1);
    sim_spawn(set, f[0]);
    status = filch_then(f[0], NULL, 0, add_one, NULL, &out);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        sim_check(status_of(out, &value) == 0 && value == 8);
    filch_future_release(out);
    sim_join_all();
    filch_future_release(f[0]);
}

/* ---- on an executor ---- */

static void executor(void)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    sim_check(filch_executor_create(&ex, &o) == 0);
}

SCENARIO(a_continuation_on_an_executor_runs_there)
{
    filch_future *out;
    intptr_t value;

    promises(1);
    executor();
    sim_check(filch_then(f[0], ex, 0, add_one, NULL, &out) == 0);
    sim_spawn(set_and_release, f[0]);
    sim_check(status_of(out, &value) == 0 && value == 8);
    filch_future_release(out);
    sim_join_all();
    filch_executor_destroy(ex);
}

static void shut_down(void *arg)
{
    (void)arg;
    filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW);
}

SCENARIO(a_continuation_whose_executor_ends_runs_or_is_told_so)
{
    filch_future *out;
    intptr_t value;
    int status;

    promises(1);
    executor();
    sim_check(filch_then(f[0], ex, 0, add_one, NULL, &out) == 0);
    sim_spawn(shut_down, NULL);
    set_and_release(f[0]);
    status = status_of(out, &value);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN || status == FILCH_ECANCELED);
    sim_check(fl_load(&called, relaxed) == (status == 0));
    filch_future_release(out);
    sim_join_all();
    filch_executor_destroy(ex);
}

/* ---- many ---- */

static void release_both(void)
{
    filch_future_release(f[0]);
    filch_future_release(f[1]);
}

SCENARIO(all_is_over_when_the_last_is)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    sim_check(filch_all(f, 2, &out) == 0);
    sim_check(status_of(out, &value) == 0);
    sim_check(filch_future_done(f[0]) && filch_future_done(f[1]));
    filch_future_release(out);
    sim_join_all();
    release_both();
}

SCENARIO(all_fails_with_the_first_that_fails)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_check(filch_all(f, 2, &out) == 0);
    sim_spawn(set, f[0]);
    sim_spawn(fail, f[1]);
    sim_check(status_of(out, &value) == 5);
    filch_future_release(out);
    sim_join_all();
    release_both();
}

SCENARIO(any_is_the_first_that_is_over)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_check(filch_any(f, 2, &out) == 0);
    sim_spawn(set, f[0]);
    sim_spawn(cancel, f[1]);
    sim_check(status_of(out, &value) == 0);
    sim_check(value == (intptr_t)f[0] || value == (intptr_t)f[1]);
    sim_check(filch_future_done((filch_future *)value));
    filch_future_release(out);
    sim_join_all();
    release_both();
}

SCENARIO(any_success_passes_over_what_fails)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_spawn(fail, f[0]);
    sim_spawn(set, f[1]);
    sim_check(filch_any_success(f, 2, &out) == 0);
    sim_check(status_of(out, &value) == 0 && value == (intptr_t)f[1]);
    filch_future_release(out);
    sim_join_all();
    release_both();
}

SCENARIO(any_success_fails_when_none_is_left)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_spawn(fail, f[0]);
    sim_spawn(fail, f[1]);
    sim_check(filch_any_success(f, 2, &out) == 0);
    sim_check(status_of(out, &value) == 5);
    filch_future_release(out);
    sim_join_all();
    release_both();
}

SCENARIO(a_race_cancels_whoever_loses)
{
    filch_future *out;
    intptr_t value;

    promises(2);
    sim_check(filch_race(f, 2, &out) == 0);
    sim_spawn(set, f[0]);
    sim_check(status_of(out, &value) == 0 && value == (intptr_t)f[0]);
    sim_join_all();
    sim_check(filch_future_cancelled(f[1]));
    filch_future_release(out);
    release_both();
}

SCENARIO(a_combination_that_is_cancelled_leaves_its_inputs)
{
    filch_future *out;

    promises(2);
    sim_check(filch_all(f, 2, &out) == 0);
    sim_spawn(set, f[0]);
    filch_future_cancel(out);
    filch_future_release(out);
    sim_join_all();
    sim_check(!filch_future_done(f[1]));
    release_both();
}

SCENARIO(without_memory_nothing_is_combined_and_nothing_cancelled, .alloc_faults = 1)
{
    filch_future *out = NULL;
    int status;

    promises(2);
    sim_spawn(set, f[0]);
    status = filch_race(f, 2, &out);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    sim_join_all();
    sim_check(filch_future_cancelled(f[1]) == (status == 0));
    filch_future_release(out);
    release_both();
}
