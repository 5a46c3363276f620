/* SPDX-License-Identifier: MIT
 *
 * sim_pause.c: a pool that is paused, against pushes, quiet and the end: nothing begins in a pause, nothing
 * is lost by one, and a pool that is to end is not paused. */
#include "sim/pools.h"

static fl_atomic(uint32_t) may_run;

static void run_if_it_may(void)
{
    sim_check(fl_load(&may_run, acquire) == 1);
}

static fl_atomic(uint32_t) arrived;

static void meet(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
}

static void reset(void (*then)(void))
{
    fl_init(&may_run, 0);
    fl_init(&arrived, 0);
    for (int i = 0; i < ITEMS; i++)
        items[i].then = then;
}

static void pause_now(void)
{
    int status;

    sim_solo_begin();
    status = fl_pool_pause(pool);
    sim_solo_end();
    sim_check(status == 0);
}

static void resume(void *arg)
{
    int status;

    (void)arg;
    fl_store(&may_run, 1, release);
    status = fl_pool_resume(pool);
    sim_check(status == 0);
}

static void pause_and_resume(void *arg)
{
    int status = fl_pool_pause(pool);

    sim_check(status == 0);
    resume(arg);
}

static void pause_or_be_late(void *arg)
{
    int status = fl_pool_pause(pool);

    (void)arg;
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
}

static void pusher(void *item)
{
    push_item((int)((struct item *)item - items));
}

static void end_of_all(int n)
{
    sim_join_all();
    end_pool();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
}

SCENARIO(what_is_pushed_in_a_pause_runs_after_it, .ghost = watch_pool, .spurious = 1)
{
    START(.workers = 1);
    reset(run_if_it_may);
    pause_now();
    push_item(0);
    resume(NULL);
    end_of_all(1);
}

/* The two run only at the same time. */
SCENARIO(pushes_that_meet_the_end_of_a_pause_wake_as_many_as_they_need, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    pause_now();
    sim_spawn(resume, NULL);
    push_item(0);
    push_item(1);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    end_of_all(2);
}

SCENARIO(pushes_that_meet_a_pause_are_not_lost, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    sim_spawn(pause_and_resume, NULL);
    push_item(0);
    push_item(1);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    end_of_all(2);
}

SCENARIO(two_pushers_meet_a_pause, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    sim_spawn(pusher, &items[0]);
    sim_spawn(pusher, &items[1]);
    pause_and_resume(NULL);
    end_of_all(2);
}

SCENARIO(a_pool_that_closes_is_not_paused, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    push_item(0);
    sim_spawn(pause_or_be_late, NULL);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    end_of_all(1);
}

SCENARIO(a_paused_pool_drains_when_it_is_closed, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(NULL);
    pause_now();
    push_item(0);
    end_of_all(1);
}

SCENARIO(a_paused_pool_that_breaks_drops_what_is_queued, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    pause_now();
    push_item(0);
    fl_pool_break(pool);
    end_pool();
    sim_check(items[0].runs == 0 && items[0].drops == 1);
}

/* On the deque of the worker that runs it, where no other worker need be to look. */
static void push_next(void)
{
    push_item(1);
}

static void pause_and_push_next(void)
{
    int status = fl_pool_pause(pool);

    sim_check(status == 0);
    push_item(1);
    fl_add(&arrived, 1, release);
}

SCENARIO(what_a_worker_has_of_its_own_in_a_pause_runs_after_it, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    items[0].then = pause_and_push_next;
    push_item(0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    resume(NULL);
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_of_all(2);
}

SCENARIO(what_a_worker_has_of_its_own_meets_a_pause, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    items[0].then = push_next;
    sim_spawn(pause_and_resume, NULL);
    push_item(0);
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_of_all(2);
}

SCENARIO(a_pool_that_is_closed_in_a_pause_ends_what_a_worker_has_of_its_own, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    items[0].then = pause_and_push_next;
    push_item(0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    end_of_all(2);
}

/* Its own thread may have gone meanwhile, and another takes the slot. */
SCENARIO(what_is_left_on_a_deque_in_a_pause_runs_whoever_has_the_slot_then, .ghost = watch_pool,
         .timeouts = 1)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    reset(NULL);
    items[0].then = pause_and_push_next;
    push_item(0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    resume(NULL);
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_of_all(2);
}

SCENARIO(the_end_of_a_pause_starts_the_threads_that_were_lacking, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    pause_now();
    push_item(0);
    push_item(1);
    resume(NULL);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    end_of_all(2);
}

SCENARIO(a_paused_pool_is_quiet_when_nothing_is_queued, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    push_item(0);
    SIM_AWAIT(fl_count_read(&fl_worker_at(pool, 0)->count.begun) == 1);
    sim_check(fl_pool_pause(pool) == 0);
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_of_all(1);
}

SCENARIO(a_paused_pool_is_not_quiet_while_something_is_queued, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(run_if_it_may);
    pause_now();
    push_item(0);
    sim_check(fl_pool_wait_idle(pool, sim_clock() + 1000) == FILCH_ETIMEDOUT);
    resume(NULL);
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_of_all(1);
}

/* What a worker had taken when the pause began is held by it, in no queue: it is found all the same. */
SCENARIO(what_is_held_in_a_pause_is_cancelled_with_the_rest, .ghost = watch_pool)
{
    START(.workers = 1);
    reset(NULL);
    push_item(0);
    pause_now();
    SIM_AWAIT((fl_pool_cancel_all(pool), fl_is_quiet(pool)));
    sim_check(fl_pool_resume(pool) == 0);
    end_pool();
    sim_check(items[0].runs + items[0].drops == 1);
}
