/* SPDX-License-Identifier: MIT
 *
 * sim_task.c: tasks in the caller's memory: whoever sees one over frees it, or submits it again, at
 * that instant; a shutdown drops it; workers wait for their own. */
#include "sim/pools.h"

enum {
    A_MOMENT = 1000000
};

static filch_executor *ex;
static int value; /* plain: whoever knows that a task is over knows what it did */

static void executor(void)
{
    filch_options o = {.size = sizeof o,
                       .workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    value = 0;
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
}

static filch_task *task_create(void)
{
    filch_task *t = sim_alloc(sizeof *t, 8);

    *t = (filch_task){{0}};
    return t;
}

static int work(void *arg, void **result)
{
    value++;
    *result = arg;
    return 0;
}

static void submit(filch_task *t)
{
    sim_check(filch_submit_task(ex, t, work, &value) == 0);
}

static void check_result(filch_task *t)
{
    void *result = NULL;

    sim_check(filch_task_result(t, FILCH_FOREVER, &result) == 0);
    sim_check(result == &value);
}

/* ---- the record alone: one that is queued, and a worker's part by hand ---- */

static filch_task *own;

static void waits(void *t)
{
    check_result(t != NULL ? t : own);
}

static void begin(void)
{
    value = 0;
    make_pool_by_hand(1, 0);
    sim_solo_begin();
    own = task_create();
    sim_check(fl_pool_submit_own(pool, (filch_future *)(void *)own, work, &value) == 0);
    sim_solo_end();
}

static void end(void)
{
    sim_free(own);
    sim_join_all();
    free_pool_by_hand();
}

static void takes_it(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_take_from_lanes(w);

    (void)arg;
    fl_worker_run(w, task);
    act_as_nobody();
}

static void drops_it(void *arg)
{
    struct fl_task *task = fl_take_any(pool);

    (void)arg;
    task->ops->drop(task, FILCH_ECANCELED);
}

SCENARIO(a_record_is_the_caller_s_when_its_result_is_there, .spurious = 1)
{
    begin();
    sim_spawn(takes_it, NULL);
    check_result(own);
    sim_check(value == 1);
    end();
}

/* What is waited for is the end alone: nothing is read of the outcome. */
SCENARIO(a_record_is_the_caller_s_when_its_end_was_awaited, .spurious = 1)
{
    begin();
    sim_spawn(takes_it, NULL);
    sim_check(fl_future_await_end((filch_future *)(void *)own) == 0);
    sim_check(value == 1);
    end();
}

SCENARIO(a_record_is_the_caller_s_when_it_is_done)
{
    begin();
    sim_spawn(takes_it, NULL);
    SIM_AWAIT(filch_task_done(own));
    sim_check(value == 1);
    end();
}

SCENARIO(a_record_that_is_dropped_is_the_caller_s, .spurious = 1)
{
    begin();
    sim_spawn(drops_it, NULL);
    sim_check(filch_task_result(own, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    end();
}

SCENARIO(a_record_whose_wait_timed_out_is_the_caller_s_when_the_next_ends, .timeouts = 1)
{
    int status;

    begin();
    sim_spawn(takes_it, NULL);
    status = filch_task_result(own, filch_in_ns(A_MOMENT), NULL);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    check_result(own);
    end();
}

SCENARIO(a_record_for_which_two_wait_is_the_caller_s_when_both_have_returned)
{
    int other;

    begin();
    sim_spawn(takes_it, NULL);
    other = sim_spawn(waits, NULL);
    check_result(own);
    sim_join(other);
    end();
}

/* ---- an executor with threads ---- */

SCENARIO(whoever_has_its_result_may_free_it, .spurious = 1)
{
    filch_task *t = task_create();

    executor();
    submit(t);
    check_result(t);
    sim_check(value == 1);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(whoever_sees_it_done_may_free_it)
{
    filch_task *t = task_create();

    executor();
    sim_check(!filch_task_done(t));
    submit(t);
    SIM_AWAIT(filch_task_done(t));
    sim_check(value == 1);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(whoever_sees_it_done_may_submit_it_again)
{
    filch_task *t = task_create();

    executor();
    submit(t);
    check_result(t);
    submit(t);
    check_result(t);
    sim_check(value == 2);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(a_wait_for_it_that_times_out_leaves_it_where_it_is, .timeouts = 1)
{
    filch_task *t = task_create();
    int status;

    executor();
    submit(t);
    status = filch_task_result(t, filch_in_ns(A_MOMENT), NULL);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    check_result(t);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(two_that_wait_for_it_both_have_its_result)
{
    filch_task *t = task_create();

    executor();
    submit(t);
    sim_spawn(waits, t);
    check_result(t);
    sim_join_all();
    sim_free(t);
    filch_executor_destroy(ex);
}

static void shut_down(void *arg)
{
    (void)arg;
    filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW);
}

SCENARIO(one_that_a_shutdown_drops_is_the_caller_s_again)
{
    filch_task *t = task_create();
    int status;

    executor();
    sim_spawn(shut_down, NULL);
    status = filch_submit_task(ex, t, work, &value);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    if (status == 0) {
        status = filch_task_result(t, FILCH_FOREVER, NULL);
        sim_check(status == (value == 1 ? 0 : FILCH_ECANCELED));
    }
    sim_free(t);
    sim_join_all();
    filch_executor_destroy(ex);
}

/* ---- on a worker ---- */

static int waits_for_its_own(void *arg, void **result)
{
    filch_task *t = task_create();

    (void)arg, (void)result;
    submit(t);
    check_result(t);
    sim_free(t);
    return 0;
}

static int waits_for_the_older(void *arg, void **result)
{
    filch_task *t[2] = {task_create(), task_create()};

    (void)arg, (void)result;
    submit(t[0]);
    submit(t[1]);
    check_result(t[0]);
    sim_free(t[0]);
    check_result(t[1]);
    sim_free(t[1]);
    return 0;
}

static int waits_for_itself(void *arg, void **result)
{
    (void)result;
    sim_check(filch_task_result(arg, FILCH_FOREVER, NULL) == FILCH_EDEADLK);
    return 3;
}

static void run(filch_task_fn *fn, int expected)
{
    filch_task *t = task_create();

    executor();
    sim_check(filch_submit_task(ex, t, fn, t) == 0);
    sim_check(filch_task_result(t, FILCH_FOREVER, NULL) == expected);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(a_task_waits_for_one_of_its_own_on_one_worker)
{
    run(waits_for_its_own, 0);
}

/* The one that it waits for is not the last that it has submitted: a spare takes it. */
SCENARIO(a_task_waits_for_one_that_lies_below_another)
{
    run(waits_for_the_older, 0);
    sim_check(value == 2);
}

SCENARIO(a_task_that_waits_for_itself_is_told_so)
{
    run(waits_for_itself, 3);
}

/* Only its queue can fail. */
SCENARIO(without_memory_it_is_refused_or_runs, .alloc_faults = 1)
{
    filch_task *t;
    int status;

    executor();
    sim_solo_begin();
    t = sim_alloc(sizeof *t, 8);
    sim_solo_end();
    if (t != NULL) {
        status = filch_submit_task(ex, t, work, &value);
        sim_check(status == 0 || status == FILCH_ENOMEM);
        if (status == 0)
            check_result(t);
        sim_free(t);
    }
    filch_executor_destroy(ex);
}
