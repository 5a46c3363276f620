/* SPDX-License-Identifier: MIT
 *
 * sim_scope.c: scopes and tokens: joined, cancelled, cut off by a shutdown, opened inside of a task. */
#include "base/atomic.h"
#include "sim/sim.h"

#include <filch/filch.h>

static filch_executor *ex;
static fl_atomic(int) ran;
static int data[2]; /* plain: what a task wrote is known to whoever has joined */

static void executor(void)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    fl_init(&ran, 0);
    data[0] = data[1] = 0;
    sim_check(filch_executor_create(&ex, &o) == 0);
}

static int work(void *arg, void **result)
{
    (void)result;
    fl_add(&ran, 1, relaxed);
    *(int *)arg = 1;
    return 0;
}

static int fail(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_add(&ran, 1, relaxed);
    return 9;
}

static filch_scope *scope_with(enum filch_scope_policy policy)
{
    filch_scope_options o = {.size = sizeof o, .policy = policy};
    filch_scope *s = NULL;

    sim_check(filch_scope_open(&s, ex, &o) == 0);
    return s;
}

SCENARIO(whoever_has_joined_a_scope_knows_what_its_tasks_did, .spurious = 1)
{
    filch_scope *s;

    executor();
    s = scope_with(FILCH_SCOPE_ALL);
    sim_check(filch_scope_spawn(s, work, &data[0]) == 0);
    sim_check(filch_scope_spawn(s, work, &data[1]) == 0);
    sim_check(filch_scope_join(s) == 0);
    sim_check(data[0] == 1 && data[1] == 1);
    filch_executor_destroy(ex);
}

SCENARIO(an_empty_scope_is_over)
{
    executor();
    sim_check(filch_scope_join(scope_with(FILCH_SCOPE_FIRST_SUCCESS)) == 0);
    filch_executor_destroy(ex);
}

SCENARIO(the_first_error_keeps_what_has_not_started_from_it)
{
    filch_scope *s;

    executor();
    s = scope_with(FILCH_SCOPE_FIRST_ERROR);
    sim_check(filch_scope_spawn(s, fail, NULL) == 0);
    int status = filch_scope_spawn(s, work, &data[0]);
    sim_check(status == 0 || status == FILCH_ECANCELED);
    sim_check(filch_scope_join(s) == 9);
    sim_check(fl_load(&ran, relaxed) == 1); /* one worker, in the order spawned */
    filch_executor_destroy(ex);
}

static void cancel(void *scope)
{
    filch_scope_cancel(scope);
}

SCENARIO(a_scope_that_is_cancelled_waits_for_what_runs)
{
    filch_scope *s;
    int status;

    executor();
    s = scope_with(FILCH_SCOPE_ALL);
    sim_check(filch_scope_spawn(s, work, &data[0]) == 0);
    sim_check(filch_scope_spawn(s, work, &data[1]) == 0);
    sim_join(sim_spawn(cancel, s));
    status = filch_scope_join(s);
    sim_check(status == (fl_load(&ran, relaxed) == 2 ? 0 : FILCH_ECANCELED));
    filch_executor_destroy(ex);
}

static void shut_down(void *arg)
{
    (void)arg;
    filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW);
}

SCENARIO(a_scope_whose_executor_ends_is_over)
{
    filch_scope *s;
    int status;
    int spawned;

    executor();
    s = scope_with(FILCH_SCOPE_ALL);
    sim_spawn(shut_down, NULL);
    spawned = filch_scope_spawn(s, work, &data[0]);
    sim_check(spawned == 0 || spawned == FILCH_ESHUTDOWN);
    status = filch_scope_join(s);
    sim_check(status == (spawned != 0 || fl_load(&ran, relaxed) == 1 ? 0 : FILCH_ECANCELED));
    sim_join_all();
    filch_executor_destroy(ex);
}

static int open_inside(void *arg, void **result)
{
    filch_scope *s = scope_with(FILCH_SCOPE_ALL);

    (void)arg, (void)result;
    sim_check(filch_scope_spawn(s, work, &data[0]) == 0);
    sim_check(filch_scope_spawn(s, work, &data[1]) == 0);
    sim_check(filch_scope_join(s) == 0);
    sim_check(data[0] == 1 && data[1] == 1);
    return 0;
}

SCENARIO(a_task_joins_a_scope_of_its_own_on_one_worker)
{
    filch_future *f;

    executor();
    sim_check(filch_submit(ex, open_inside, NULL, &f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int holder; /* the thread that joins with something in its hands; -1: none */

static int stranger(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(sim_self() != holder);
    fl_add(&ran, 1, relaxed);
    return 0;
}

static int join_beside_a_stranger(void *arg, void **result)
{
    filch_scope *s = scope_with(FILCH_SCOPE_ALL);

    (void)arg, (void)result;
    sim_check(filch_scope_spawn(s, work, &data[0]) == 0);
    sim_check(filch_submit(ex, stranger, NULL, NULL) == 0);
    holder = sim_self();
    sim_check(filch_scope_join(s) == 0);
    sim_check(data[0] == 1);
    holder = -1;
    return 0;
}

SCENARIO(a_worker_that_joins_runs_no_stranger_and_loses_none, .thread_faults = 1)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    fl_init(&ran, 0);
    data[0] = data[1] = 0;
    holder = -1;
    sim_solo_begin();
    int status = filch_executor_create(&ex, &o);
    sim_solo_end();
    if (status != 0)
        return;
    sim_check(filch_submit(ex, join_beside_a_stranger, NULL, NULL) == 0);
    sim_check(filch_executor_wait_idle(ex, FILCH_FOREVER) ==
              0); /* a shutdown would refuse its tasks */
    filch_executor_destroy(ex);
    sim_check(fl_load(&ran, relaxed) == 2);
}

SCENARIO(without_memory_or_threads_a_scope_still_ends, .alloc_faults = 1, .thread_faults = 1)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};
    filch_scope *s;
    int spawned;

    fl_init(&ran, 0);
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
    if (filch_scope_open(&s, ex, NULL) == 0) {
        spawned = filch_scope_spawn(s, work, &data[0]);
        sim_check(filch_scope_join(s) == 0);
        sim_check(fl_load(&ran, relaxed) == (spawned == 0));
    }
    filch_executor_destroy(ex);
}

/* ---- tokens ---- */

static filch_token *token;

static int ask(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_add(&ran, 1, relaxed);
    return filch_cancel_requested() ? 3 : 0;
}

static void cancel_token(void *t)
{
    filch_token_cancel(t);
    filch_token_release(t);
}

SCENARIO(a_task_with_a_cancelled_token_does_not_start_or_is_told)
{
    filch_task_options o = {.size = sizeof o};
    filch_future *f;
    filch_token *child;
    int status;

    executor();
    sim_check(filch_token_create(&token, NULL, FILCH_FOREVER) == 0);
    sim_check(filch_token_create(&child, token, FILCH_FOREVER) == 0);
    o.token = child;
    sim_check(filch_submit_with(ex, &o, ask, NULL, &f) == 0);
    filch_token_release(child);
    sim_spawn(cancel_token, token);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0 || status == 3 || status == FILCH_ECANCELED);
    sim_check(fl_load(&ran, relaxed) == (status != FILCH_ECANCELED));
    filch_future_release(f);
    sim_join_all();
    filch_executor_destroy(ex);
}

SCENARIO(a_task_that_was_not_started_in_time_fails_without_running)
{
    filch_task_options o = {.size = sizeof o};
    filch_future *f;
    int status;

    executor();
    o.start_by = sim_clock() + 1000000;
    sim_check(filch_submit_with(ex, &o, ask, NULL, &f) == 0);
    sim_clock_advance(2000000);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0 || status == FILCH_EEXPIRED);
    sim_check(fl_load(&ran, relaxed) == (status == 0));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

SCENARIO(a_copied_argument_beside_a_token_goes_with_its_task)
{
    filch_task_options o = {.size = sizeof o, .copy_bytes = sizeof data[0]};
    filch_future *f;

    executor();
    sim_check(filch_token_create(&o.token, NULL, FILCH_FOREVER) == 0);
    sim_check(filch_submit_with(ex, &o, work, &data[0], &f) == 0);
    sim_check(filch_submit_with(ex, &o, work, &data[0], NULL) == 0);
    sim_spawn(cancel_token, o.token);
    filch_future_cancel(f);
    filch_future_release(f);
    sim_join_all();
    filch_executor_destroy(ex);
}
