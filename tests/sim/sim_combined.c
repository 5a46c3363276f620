/* SPDX-License-Identifier: MIT
 *
 * sim_combined.c: two features at once, of which each is all right by itself: the end of a pool and threads that it
 * lacks, silent pushes and a pool that closes or breaks, waits that run anything and a pause, hooks that submit. */
#include "sim/pools.h"

static fl_atomic(uint32_t) arrived;
static fl_atomic(uint32_t) may_run;

static void meet(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) >= 2);
}

static void reset(void (*then)(void))
{
    fl_init(&arrived, 0);
    fl_init(&may_run, 0);
    for (int i = 0; i < ITEMS; i++)
        items[i].then = then;
}

static void end_of_all(int n)
{
    sim_join_all();
    end_pool();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
}

static void push_nowake(int i)
{
    struct fl_push at;
    struct fl_task *task = &items[i].task;

    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_push_end_nowake(&at, &task, 1);
}

static void begin_one(void)
{
    push_item(0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
}

/* ---- the end of a pool, and threads that it lacks ---- */

SCENARIO(a_pool_that_is_closed_in_a_pause_starts_the_threads_that_were_lacking, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    begin_one();
    sim_check(fl_pool_pause(pool) == 0);
    push_item(1);
    end_of_all(2);
}

static void resume_it(void *arg)
{
    (void)arg;
    sim_check(fl_pool_resume(pool) == 0);
}

SCENARIO(a_resume_beside_a_close_starts_the_threads_that_were_lacking, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    begin_one();
    sim_check(fl_pool_pause(pool) == 0);
    push_item(1);
    sim_spawn(resume_it, NULL);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    end_of_all(2);
}

SCENARIO(a_pool_that_is_closed_starts_threads_for_what_was_queued_silently, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    begin_one();
    push_nowake(1);
    end_of_all(2);
}

SCENARIO(a_number_that_is_raised_in_a_closed_pool_counts, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    sim_check(fl_pool_set_active(pool, 1) == 0);
    begin_one();
    push_item(1);
    sim_check(fl_pool_shutdown(pool, FILCH_NO_WAIT, FILCH_NOW) == 0);
    sim_check(fl_pool_set_active(pool, 2) == 0);
    end_of_all(2);
}

SCENARIO(a_number_that_is_raised_in_a_closed_pool_with_all_threads_counts, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    sim_check(fl_pool_set_active(pool, 1) == 0);
    begin_one();
    push_item(1);
    sim_check(fl_pool_shutdown(pool, FILCH_NO_WAIT, FILCH_NOW) == 0);
    sim_check(fl_pool_set_active(pool, 2) == 0);
    end_of_all(2);
}

static void close_no_wait(void *arg)
{
    (void)arg;
    sim_check(fl_pool_shutdown(pool, FILCH_NO_WAIT, FILCH_NOW) == 0);
}

/* ---- silent pushes ---- */

/* It begins before the close, and ends after it. */
SCENARIO(a_kick_beside_a_close_finds_what_was_queued_silently, .ghost = watch_pool)
{
    struct fl_push at;
    struct fl_task *task = &items[1].task;

    START(.workers = 2);
    reset(meet);
    begin_one();
    sim_spawn(close_no_wait, NULL);
    if (fl_push_begin(&at, pool, 1) == 0) {
        fl_push_end_nowake(&at, &task, 1);
        fl_look_after_queue(pool);
        SIM_AWAIT(fl_load(&arrived, acquire) == 2);
        end_of_all(2);
    } else {
        fl_add(&arrived, 1, release);
        end_of_all(1);
    }
}

static void break_it(void *arg)
{
    (void)arg;
    fl_pool_break(pool);
}

SCENARIO(a_wait_for_quiet_finds_what_was_queued_silently_as_the_pool_broke, .ghost = watch_pool)
{
    struct fl_push at;
    struct fl_task *task = &items[0].task;
    int n = 0;

    START(.workers = 1);
    reset(NULL);
    sim_spawn(break_it, NULL);
    if (fl_push_begin(&at, pool, 1) == 0) {
        fl_push_end_nowake(&at, &task, 1);
        n = 1;
    }
    sim_join_all();
    sim_check(fl_pool_wait_idle(pool, FILCH_FOREVER) == 0);
    end_pool();
    sim_check(items[0].runs + items[0].drops == n);
}

static int nothing(void *arg, void **result)
{
    (void)arg, (void)result;
    return 0;
}

SCENARIO(whoever_waits_for_what_was_queued_silently_as_the_pool_broke_is_told, .ghost = watch_pool)
{
    filch_task_options o = {.size = sizeof o, .flags = FILCH_NOWAKE};
    filch_future *f;
    int status;

    START(.workers = 1);
    sim_spawn(break_it, NULL);
    status = fl_pool_submit_with(pool, &o, nothing, NULL, &f);
    if (status == 0) {
        status = filch_future_result(f, FILCH_FOREVER, NULL);
        sim_check(status == 0 || status == FILCH_EBROKEN);
        filch_future_release(f);
    }
    sim_join_all();
    end_pool();
}

static void run_until_the_end(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task;

    (void)arg;
    while ((task = fl_idle(w)) != NULL)
        fl_worker_run(w, task);
    act_as_nobody();
}

static void go_dormant(void *arg)
{
    (void)arg;
    fl_spare_retire(act_as_worker(1));
    act_as_nobody();
}

static void run(void)
{
    fl_add(&arrived, 1, release);
}

/* The other worker sleeps: as it looked, not all was over. */
SCENARIO(a_worker_that_goes_dormant_as_a_pool_closes_finds_what_is_queued_silently,
         .ghost = watch_pool)
{
    struct fl_push at;
    struct fl_task *task = &items[0].task;

    make_pool_by_hand(2, 0);
    reset(run);
    fl_init(&pool->active, 1);
    fl_init(&pool->threads, 2);
    sim_spawn(run_until_the_end, NULL);
    SIM_AWAIT(fl_load(&pool->idle, acquire) == 1 << 10);
    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_pool_set_mode(pool, FL_CLOSING);
    sim_spawn(go_dormant, NULL);
    SIM_AWAIT((fl_load(&at.lane->held, acquire) & FL_LANE_NOTED) != 0);
    fl_push_end_nowake(&at, &task, 1);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    fl_stop_workers(pool);
    sim_join_all();
    sim_check(items[0].runs == 1);
    free_pool_by_hand();
}

/* ---- waits that run anything ---- */

static filch_future *promise;

static int wait_for_promise(void *arg, void **result)
{
    (void)arg;
    fl_add(&arrived, 1, release);
    return filch_future_result(promise, FILCH_FOREVER, result);
}

static void run_if_it_may(void)
{
    sim_check(fl_load(&may_run, acquire) == 1);
}

SCENARIO(a_wait_that_may_run_anything_begins_nothing_that_was_pushed_in_a_pause,
         .ghost = watch_pool)
{
    filch_future *f;

    START(.workers = 1, .help = FILCH_HELP_ANY);
    reset(run_if_it_may);
    sim_solo_begin();
    sim_check(filch_promise_create(&promise) == 0);
    sim_solo_end();
    sim_check(fl_pool_submit(pool, wait_for_promise, NULL, &f) == 0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    sim_check(fl_pool_pause(pool) == 0);
    push_item(0);
    fl_store(&may_run, 1, release);
    sim_check(fl_pool_resume(pool) == 0);
    sim_check(filch_promise_set_result(promise, NULL) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    end_of_all(1);
    filch_future_release(f);
    filch_future_release(promise);
}

static int keep_promise(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_promise_set_result(promise, NULL);
}

static void submit_keeper(void *arg)
{
    (void)arg;
    SIM_AWAIT(fl_load(&arrived, acquire) == 1);
    sim_check(fl_pool_submit(pool, keep_promise, NULL, NULL) == 0);
}

SCENARIO(a_wait_that_may_run_anything_runs_what_comes_later_if_nobody_else_can, .ghost = watch_pool,
         .max_steps = 5000)
{
    make_pool_by_hand(1, 0);
    reset(NULL);
    pool->help = FILCH_HELP_ANY;
    fl_init(&pool->threads, 1);
    sim_solo_begin();
    sim_check(filch_promise_create(&promise) == 0);
    sim_solo_end();
    sim_spawn(submit_keeper, NULL);
    act_as_worker(0);
    fl_add(&arrived, 1, release);
    sim_check(filch_future_result(promise, FILCH_FOREVER, NULL) == 0);
    act_as_nobody();
    sim_join_all();
    filch_future_release(promise);
    free_pool_by_hand();
}

/* ---- hooks, which nobody counts as tasks ---- */

static fl_atomic(uint32_t) in_hook;

/* Once, and not before the pool has ended, or whoever ends it waits for this. */
static void submit_in_hook(void *arg)
{
    struct fl_push at;
    struct fl_task *task = &items[2].task;

    (void)arg;
    if (fl_load(&may_run, acquire) == 0 || fl_swap(&may_run, 0, acq_rel) == 0)
        return;
    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_store(&in_hook, 1, release);
    SIM_AWAIT((fl_load(&pool->mode, acquire) & FL_EXIT) != 0 ||
              (at.lane != NULL && (fl_load(&at.lane->held, acquire) & FL_LANE_NOTED) != 0));
    fl_push_end(&at, &task, 1);
}

/* One thread ends, or has ended before that was to be seen. */
SCENARIO(what_a_stop_hook_has_submitted_as_the_pool_ends_runs, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000,
          .on_thread_stop = submit_in_hook);
    fl_init(&in_hook, 0);
    reset(NULL);
    items[0].then = items[1].then = meet;
    push_item(0);
    push_item(1);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    fl_store(&may_run, 1, release);
    SIM_AWAIT(fl_load(&in_hook, acquire) == 1 || fl_load(&pool->vacant, relaxed) == 1);
    if (fl_load(&in_hook, acquire) == 0)
        fl_store(&may_run, 0, release);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    end_of_all(fl_load(&in_hook, acquire) == 1 ? 3 : 2);
}
