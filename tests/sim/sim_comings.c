/* SPDX-License-Identifier: MIT
 *
 * sim_comings.c: whatever changes a pool's threads, all at once: threads that come when there is work and go
 * when there is none, a number of active workers that falls and rises, pauses, calls that look for somebody,
 * and the end. What was pushed runs once, and no thread comes to a pool that has ended. */
#include "sim/pools.h"

static fl_atomic(uint32_t) items_run;

static void seen(void)
{
    fl_add(&items_run, 1, release);
}

static void reset(void)
{
    fl_init(&items_run, 0);
    for (int i = 0; i < ITEMS; i++)
        items[i].then = seen;
}

static void close_pool(void *arg)
{
    int status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

static void wait_until_quiet(void *arg)
{
    int status = fl_pool_wait_idle(pool, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

static void lower_and_raise(void *arg)
{
    (void)arg;
    sim_check(fl_pool_set_active(pool, 1) == 0);
    sim_check(fl_pool_set_active(pool, 2) == 0);
}

static void pause_and_resume(void *arg)
{
    (void)arg;
    sim_check(fl_pool_pause(pool) == 0);
    sim_check(fl_pool_resume(pool) == 0);
}

static void await_all(int n)
{
    sim_join_all();
    SIM_AWAIT(fl_load(&items_run, acquire) == (uint32_t)n);
    end_pool();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
}

SCENARIO(a_wait_for_quiet_starts_no_thread_of_a_pool_that_has_ended, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset();
    close_pool(NULL);
    wait_until_quiet(NULL);
    end_pool();
}

SCENARIO(a_wait_for_quiet_meets_the_end_of_a_pool, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset();
    push_item(0);
    sim_spawn(wait_until_quiet, NULL);
    close_pool(NULL);
    await_all(1);
}

SCENARIO(pushes_meet_threads_that_go_and_a_number_that_changes, .ghost = watch_pool, .timeouts = 2)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    reset();
    sim_spawn(lower_and_raise, NULL);
    push_item(0);
    push_item(1);
    await_all(2);
}

SCENARIO(pushes_meet_threads_that_go_and_a_pause, .ghost = watch_pool, .timeouts = 2)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    reset();
    sim_spawn(pause_and_resume, NULL);
    push_item(0);
    push_item(1);
    await_all(2);
}

SCENARIO(pushes_meet_a_pause_and_a_number_that_changes, .ghost = watch_pool, .timeouts = 1)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    reset();
    sim_spawn(pause_and_resume, NULL);
    sim_spawn(lower_and_raise, NULL);
    push_item(0);
    push_item(1);
    await_all(2);
}
