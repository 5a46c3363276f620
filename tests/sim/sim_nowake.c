/* SPDX-License-Identifier: MIT
 *
 * sim_nowake.c: tasks that are queued without waking anybody: whoever looks for them afterwards, by a
 * kick, a wait, another submit or a shutdown, leaves none behind. A worker that sleeps on is a deadlock
 * here. */
#include "sim/pools.h"

/* ---- by hand: a worker that goes to sleep, and somebody who pushes and kicks ---- */

static void worker_0(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_idle(w);

    (void)arg;
    sim_check(task != NULL);
    fl_worker_run(w, task);
    act_as_nobody();
}

static void push_nowake(int i)
{
    struct fl_push at;
    struct fl_task *task = &items[i].task;

    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_push_end_nowake(&at, &task, 1);
}

static void make_lane(void)
{
    struct fl_push at;

    sim_solo_begin();
    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_push_abort(&at);
    sim_solo_end();
}

SCENARIO(a_kick_after_the_push_wakes_whoever_went_to_sleep, .ghost = watch_pool, .spurious = 1)
{
    make_pool_by_hand(1, 0);
    fl_init(&pool->threads, 1); /* the worker's */
    make_lane();
    sim_spawn(worker_0, NULL);
    push_nowake(0);
    fl_look_after_queue(pool);
    sim_join_all();
    sim_check(items[0].runs == 1);
    free_pool_by_hand();
}

static fl_atomic(int) pushed;

static void kicker(void *arg)
{
    (void)arg;
    SIM_AWAIT(fl_load(&pushed, acquire) == 1);
    fl_look_after_queue(pool);
}

SCENARIO(a_kick_by_another_who_knows_of_the_push_wakes_whoever_went_to_sleep, .ghost = watch_pool)
{
    fl_init(&pushed, 0);
    make_pool_by_hand(1, 0);
    fl_init(&pool->threads, 1); /* the worker's */
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(kicker, NULL);
    push_nowake(0);
    fl_store(&pushed, 1, release);
    sim_join_all();
    sim_check(items[0].runs == 1);
    free_pool_by_hand();
}

/* ---- an executor ---- */

static filch_executor *ex;
static fl_atomic(int) ran;

static int work(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_add(&ran, 1, release);
    return 0;
}

static void executor(unsigned workers)
{
    filch_options o = complete((filch_options){.workers = workers});

    watch(NULL);
    fl_init(&ran, 0);
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
}

static int submit_nowake(filch_future **f)
{
    filch_task_options o = {.size = sizeof o, .flags = FILCH_NOWAKE};

    return filch_submit_with(ex, &o, work, NULL, f);
}

SCENARIO(two_without_a_wake_and_one_kick_both_run)
{
    executor(1);
    sim_check(submit_nowake(NULL) == 0);
    sim_check(submit_nowake(NULL) == 0);
    sim_check(filch_executor_kick(ex) == 0);
    SIM_AWAIT(fl_load(&ran, acquire) == 2);
    filch_executor_destroy(ex);
}

SCENARIO(the_next_submit_with_a_wake_brings_it_along)
{
    executor(1);
    sim_check(submit_nowake(NULL) == 0);
    sim_check(filch_submit(ex, work, NULL, NULL) == 0);
    SIM_AWAIT(fl_load(&ran, acquire) == 2);
    filch_executor_destroy(ex);
}

SCENARIO(whoever_waits_for_it_gets_it)
{
    filch_future *f;

    executor(1);
    sim_check(submit_nowake(&f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

SCENARIO(whoever_waits_for_several_gets_them)
{
    filch_future *f[2];

    executor(1);
    sim_check(submit_nowake(&f[0]) == 0);
    sim_check(submit_nowake(&f[1]) == 0);
    sim_check(filch_wait(f, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    filch_executor_destroy(ex);
}

static int waits_inside(void *arg, void **result)
{
    filch_future *f;

    (void)arg, (void)result;
    filch_nohelp_begin();
    sim_check(submit_nowake(&f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_nohelp_end();
    filch_future_release(f);
    return 0;
}

SCENARIO(a_task_that_waits_for_it_without_helping_gets_it)
{
    executor(1);
    sim_check(filch_submit(ex, waits_inside, NULL, NULL) == 0);
    sim_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    sim_check(fl_load(&ran, acquire) == 1);
    filch_executor_destroy(ex);
}

SCENARIO(whoever_waits_for_idle_sees_it_run)
{
    executor(1);
    sim_check(submit_nowake(NULL) == 0);
    sim_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    sim_check(fl_load(&ran, acquire) == 1);
    filch_executor_destroy(ex);
}

SCENARIO(an_executor_that_is_destroyed_runs_it_first)
{
    executor(1);
    sim_check(submit_nowake(NULL) == 0);
    filch_executor_destroy(ex);
    sim_check(fl_load(&ran, acquire) == 1);
}

static void shut_down(void *flags)
{
    filch_executor_shutdown(ex, (unsigned)(uintptr_t)flags | FILCH_NO_WAIT, FILCH_NOW);
}

static void beside(unsigned flags)
{
    filch_future *f;
    int status;

    executor(1);
    sim_spawn(shut_down, (void *)(uintptr_t)flags);
    status = submit_nowake(&f);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    sim_join_all();
    filch_executor_destroy(ex);
    sim_check(fl_load(&ran, acquire) <= (status == 0));
    if (status == 0) {
        status = filch_future_result(f, FILCH_NOW, NULL);
        sim_check(status == (fl_load(&ran, acquire) == 1 ? 0 : FILCH_ECANCELED));
        sim_check(status == 0 || flags != FILCH_DRAIN);
        filch_future_release(f);
    }
}

SCENARIO(beside_a_shutdown_that_drains_it_runs_or_is_refused)
{
    beside(FILCH_DRAIN);
}

SCENARIO(beside_a_shutdown_that_cancels_it_is_over_or_is_refused)
{
    beside(FILCH_CANCEL_PENDING);
}
