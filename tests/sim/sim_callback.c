/* SPDX-License-Identifier: MIT
 *
 * sim_callback.c: done callbacks that run on an executor, against those who complete, cancel and
 * release, and against a shutdown: each is called once, or never if its future is never over. */
#include "sim/pools.h"

static filch_future *f;
static filch_executor *ex;
static fl_atomic(int) called;
static fl_atomic(int) on_worker;
static int value; /* plain: what was written before the outcome is known to the callback */

enum {
    VALUE = 7
};

static void begin_with(int (*on_thread_start)(void *))
{
    filch_options o = complete((filch_options){.workers = 1, .on_thread_start = on_thread_start});

    watch(NULL);
    value = 0;
    fl_init(&called, 0);
    fl_init(&on_worker, 0);
    sim_solo_begin();
    sim_check(filch_promise_create(&f) == 0);
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
}

static void begin(void)
{
    begin_with(NULL);
}

static void note(filch_future *future, void *user)
{
    sim_check(user == &value && future == f);
    sim_check(filch_future_done(future));
    sim_check(filch_future_cancelled(future) || value == VALUE);
    fl_add(&called, 1, relaxed);
    if (fl_worker_self() != NULL)
        fl_add(&on_worker, 1, relaxed);
}

static void settle(void *arg)
{
    (void)arg;
    value = VALUE;
    filch_promise_set_result(f, NULL);
    filch_future_release(f);
}

static void cancel(void *arg)
{
    (void)arg;
    filch_future_cancel(f);
    filch_future_release(f);
}

static int add(void)
{
    return filch_future_add_done_callback_on(f, ex, note, &value);
}

static void end(int times)
{
    sim_join_all();
    filch_executor_destroy(ex);
    sim_check(fl_load(&called, relaxed) == times);
}

SCENARIO(it_is_called_once_on_a_worker_when_its_future_is_over)
{
    begin();
    sim_check(add() == 0);
    sim_spawn(settle, NULL);
    end(1);
    sim_check(fl_load(&on_worker, relaxed) == 1);
}

SCENARIO(one_that_is_added_while_its_future_ends_is_called_once)
{
    begin();
    filch_future_retain(f);
    sim_spawn(settle, NULL);
    sim_check(add() == 0);
    filch_future_release(f);
    end(1);
    sim_check(fl_load(&on_worker, relaxed) == 1);
}

SCENARIO(one_whose_future_is_cancelled_is_called_once)
{
    begin();
    sim_check(add() == 0);
    sim_spawn(cancel, NULL);
    end(1);
}

static void shut_down(void *flags)
{
    filch_executor_shutdown(ex, (unsigned)(uintptr_t)flags | FILCH_NO_WAIT, FILCH_NOW);
}

SCENARIO(one_that_meets_a_shutdown_that_drains_is_called_once_somewhere)
{
    begin();
    sim_check(add() == 0);
    sim_spawn(shut_down, (void *)FILCH_DRAIN);
    sim_spawn(settle, NULL);
    end(1);
}

SCENARIO(one_that_meets_a_shutdown_that_cancels_is_called_once_somewhere)
{
    begin();
    sim_check(add() == 0);
    sim_spawn(shut_down, (void *)FILCH_CANCEL_PENDING);
    sim_spawn(settle, NULL);
    end(1);
}

static int fail_to_start(void *arg)
{
    (void)arg;
    return 1;
}

SCENARIO(one_that_meets_an_executor_that_breaks_is_called_once_somewhere)
{
    begin_with(fail_to_start);
    sim_check(add() == 0);
    sim_spawn(settle, NULL);
    end(1);
}

SCENARIO(one_whose_future_is_never_over_is_never_called_and_goes_with_it)
{
    begin();
    sim_check(add() == 0);
    filch_future_release(f);
    end(0);
}

SCENARIO(without_memory_it_is_neither_called_nor_kept, .alloc_faults = 1)
{
    int status;

    begin();
    status = add();
    sim_check(status == 0 || status == FILCH_ENOMEM);
    sim_spawn(settle, NULL);
    end(status == 0);
}
