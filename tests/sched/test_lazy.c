/* SPDX-License-Identifier: MIT
 *
 * test_lazy.c: threads start when there is work for them, an idle one is used before another starts, and
 * those that have been idle for long end; R3, E4. */
#include "sched/work.h"

enum {
    SHORT_NS = 1000000 /* an idle_timeout_ns that a test can wait for */
};

static uint64_t threads_of(filch_executor *ex)
{
    return stats_of(ex).workers;
}

static void await_threads_of(filch_executor *ex, uint64_t n)
{
    while (threads_of(ex) != n)
        sched_yield();
}

/* Until all that it has are asleep. */
static void await_sleep(filch_executor *ex)
{
    filch_executor_stats s;

    do {
        sched_yield();
        s = stats_of(ex);
    } while (s.parks - s.wakes != s.workers);
}

/* n tasks that all run at the same time. */
static void run_at_once(filch_executor *ex, uint32_t n)
{
    struct gate gate = {0};
    filch_future *f[16];

    for (uint32_t i = 0; i < n; i++)
        f[i] = submit(ex, task_gate, &gate);
    gate_await(&gate, n);
    gate_open(&gate);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(finish(f[i]), 0);
}

TEST(an_executor_starts_the_least_of_its_workers_and_no_more)
{
    filch_executor *ex = pool_with((filch_options){.workers = 8, .min_workers = 2});

    assert_int_equal(threads_of(ex), 2);
    assert_int_equal(filch_executor_workers(ex), 8);
    filch_executor_destroy(ex);
}

TEST(r3_a_submit_that_finds_nobody_idle_starts_a_thread_up_to_the_most)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .min_workers = 1});
    struct gate gate = {0};
    filch_future *f[6];

    await_sleep(ex);
    for (uint32_t i = 0; i < 4; i++) {
        f[i] = submit(ex, task_gate, &gate);
        gate_await(&gate, i + 1);
        assert_int_equal(threads_of(ex), i + 1);
    }
    f[4] = submit(ex, task_echo, NULL);
    f[5] = submit(ex, task_echo, NULL);
    assert_int_equal(threads_of(ex), 4);
    assert_false(filch_future_done(f[4]));
    gate_open(&gate);
    for (int i = 0; i < 6; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

TEST(r3_a_submit_that_finds_somebody_asleep_starts_no_thread)
{
    filch_executor *ex = pool_with((filch_options){.workers = 8, .min_workers = 1});

    for (int i = 0; i < 200; i++) {
        await_sleep(ex);
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    }
    assert_int_equal(threads_of(ex), 1);
    filch_executor_destroy(ex);
}

/* The worker has told the result and is on its way to look for work. That it gets there before a thread
 * would have started is the system's to give, and mostly does. */
TEST(e4_a_submit_after_a_result_waits_for_the_worker_that_is_about_to_be_idle)
{
    filch_executor *ex = pool_with((filch_options){.workers = 64, .min_workers = 1});

    for (int i = 0; i < 2000; i++)
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_in_range(threads_of(ex), 1, 32);
    filch_executor_destroy(ex);
}

static int task_with_child(void *arg, void **result)
{
    filch_executor *ex = ((void **)arg)[0];
    struct gate *gate = ((void **)arg)[1];
    filch_future *child = submit(ex, task_gate, gate);

    (void)result;
    gate_await(gate, 1);
    test_check(threads_of(ex) == 2);
    gate_open(gate);
    return finish(child);
}

TEST(a_submit_from_a_task_starts_a_thread)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .min_workers = 1});
    struct gate gate = {0};
    void *arg[2] = {ex, &gate};

    await_sleep(ex);
    assert_int_equal(finish(submit(ex, task_with_child, arg)), 0);
    filch_executor_destroy(ex);
}

TEST(a_batch_starts_as_many_threads_as_it_needs)
{
    filch_executor *ex = pool_with((filch_options){.workers = 6, .min_workers = 1});
    struct gate gate = {0};
    void *args[6];
    filch_future *f[6];

    for (int i = 0; i < 6; i++)
        args[i] = &gate;
    assert_int_equal(filch_submit_batch(ex, task_gate, args, 6, f), 0);
    gate_await(&gate, 6);
    assert_int_equal(threads_of(ex), 6);
    gate_open(&gate);
    for (int i = 0; i < 6; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

TEST(a_scope_starts_the_threads_that_its_tasks_need)
{
    filch_executor *ex = pool_with((filch_options){.workers = 3, .min_workers = 1});
    struct gate gate = {0};
    filch_scope *scope = NULL;

    assert_int_equal(filch_scope_open(&scope, ex, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(filch_scope_spawn(scope, task_gate, &gate), 0);
    gate_await(&gate, 3);
    assert_int_equal(threads_of(ex), 3);
    gate_open(&gate);
    assert_int_equal(filch_scope_join(scope), 0);
    filch_executor_destroy(ex);
}

TEST(threads_that_are_idle_for_long_end_down_to_the_least)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 4, .min_workers = 1, .idle_timeout_ns = SHORT_NS});

    run_at_once(ex, 4);
    await_threads_of(ex, 1);
    run_at_once(ex, 4);
    await_threads_of(ex, 1);
    filch_executor_destroy(ex);
}

TEST(without_a_timeout_no_thread_ends)
{
    filch_executor *ex = pool_with((filch_options){.workers = 3, .min_workers = 1});

    run_at_once(ex, 3);
    await_sleep(ex);
    assert_int_equal(threads_of(ex), 3);
    filch_executor_destroy(ex);
}

TEST(counters_go_on_with_the_next_thread_of_a_slot)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 3, .min_workers = 1, .idle_timeout_ns = SHORT_NS});
    uint64_t parks = 0;

    for (uint64_t round = 1; round <= 5; round++) {
        filch_executor_stats s;

        run_at_once(ex, 3);
        await_threads_of(ex, 1);
        s = stats_of(ex);
        assert_int_equal(s.submitted, 3 * round);
        assert_int_equal(s.executed, 3 * round);
        assert_true(s.parks > parks);
        parks = s.parks;
    }
    filch_executor_destroy(ex);
}

struct hooks {
    counter started, stopped;
};

static int on_start(void *arg)
{
    count_one(&((struct hooks *)arg)->started);
    return 0;
}

static void on_stop(void *arg)
{
    count_one(&((struct hooks *)arg)->stopped);
}

TEST(l10_hooks_run_once_on_each_thread_that_comes_and_goes)
{
    struct hooks hooks = {0, 0};
    filch_executor *ex = pool_with((filch_options){.workers = 3,
                                                   .min_workers = 1,
                                                   .idle_timeout_ns = SHORT_NS,
                                                   .on_thread_start = on_start,
                                                   .on_thread_stop = on_stop,
                                                   .hook_arg = &hooks});

    run_at_once(ex, 3);
    await_threads_of(ex, 1);
    assert_int_equal(count_of(&hooks.stopped), count_of(&hooks.started) - 1);
    run_at_once(ex, 3);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&hooks.stopped), count_of(&hooks.started));
    assert_in_range(count_of(&hooks.started), 5, 64);
}

/* On one worker each of the waits gets a stand-in. */
static int task_that_waits(void *arg, void **result)
{
    (void)result;
    filch_nohelp_begin();
    int status = outcome(arg);
    filch_nohelp_end();
    return status;
}

TEST(spares_that_are_dormant_for_long_end)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .idle_timeout_ns = SHORT_NS, .max_spares = 8});

    for (int round = 0; round < 3; round++) {
        filch_future *go = promise();
        filch_future *f[4];

        for (int i = 0; i < 4; i++)
            f[i] = submit(ex, task_that_waits, go);
        await_threads_of(ex, 5);
        assert_int_equal(filch_promise_set_result(go, NULL), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(finish(f[i]), 0);
        filch_future_release(go);
        /* a spare learns that it is one too many when it has run a task or slept for long */
        await_threads_of(ex, 1);
    }
    filch_executor_destroy(ex);
}

TEST(an_executor_ends_while_its_threads_are_ending)
{
    for (int round = 0; round < 50; round++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 4, .min_workers = 1, .idle_timeout_ns = 20000});

        run_at_once(ex, 4);
        filch_executor_destroy(ex);
    }
}

static int task_destroys(void *arg, void **result)
{
    (void)result;
    filch_executor_destroy(arg);
    return 0;
}

TEST(a_task_destroys_an_executor_whose_threads_are_ending)
{
    size_t threads = threads_now();

    for (int round = 0; round < 50; round++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 3, .min_workers = 1, .idle_timeout_ns = 20000});

        run_at_once(ex, 3);
        assert_int_equal(filch_submit(ex, task_destroys, ex, NULL), 0);
    }
    await_threads_at_most(threads);
}

TEST(more_at_once_than_there_are_at_most_is_invalid)
{
    filch_executor *ex = NULL;
    filch_options o = {.size = sizeof o, .workers = 2, .min_workers = 3};

    assert_int_equal(filch_executor_create(&ex, &o), FILCH_EINVAL);
    o = (filch_options){.size = sizeof o, .min_workers = FILCH_MAX_WORKERS};
    assert_int_equal(filch_executor_create(&ex, &o), FILCH_EINVAL);
    o = (filch_options){.size = sizeof o, .min_workers = FILCH_MAX_WORKERS + 1};
    assert_int_equal(filch_executor_create(&ex, &o), FILCH_EINVAL);
    o = (filch_options){.size = sizeof o, .workers = 1, .idle_timeout_ns = -1};
    assert_int_equal(filch_executor_create(&ex, &o), FILCH_EINVAL);
    assert_null(ex);
    o = (filch_options){.size = sizeof o, .workers = 2, .min_workers = 2};
    assert_int_equal(filch_executor_create(&ex, &o), 0);
    filch_executor_destroy(ex);
}

/* ---- The end ---- */

/* A task that holds the one worker there is until another has run. */
static filch_executor *busy_until(struct gate *other, filch_executor *ex)
{
    assert_int_equal(filch_submit(ex, task_gate, other, NULL), 0);
    gate_await(other, 1);
    return ex;
}

static int task_open(void *arg, void **result)
{
    (void)result;
    gate_open(arg);
    return 0;
}

TEST(a_paused_executor_that_is_destroyed_starts_the_threads_that_it_lacks)
{
    struct gate gate = {0};
    filch_executor *ex =
        busy_until(&gate, pool_with((filch_options){.workers = 2, .min_workers = 1}));

    assert_int_equal(filch_executor_pause(ex), 0);
    assert_int_equal(filch_submit(ex, task_open, &gate, NULL), 0);
    filch_executor_destroy(ex);
}

TEST(an_executor_that_is_destroyed_starts_threads_for_what_was_queued_without_a_wake)
{
    filch_task_options silently = {.size = sizeof silently, .flags = FILCH_NOWAKE};
    struct gate gate = {0};
    filch_executor *ex =
        busy_until(&gate, pool_with((filch_options){.workers = 2, .min_workers = 1}));

    assert_int_equal(filch_submit_with(ex, &silently, task_open, &gate, NULL), 0);
    filch_executor_destroy(ex);
}

TEST(more_may_work_for_an_executor_that_is_closed_as_for_any_other)
{
    struct gate gate = {0};
    filch_executor *ex = pool_with((filch_options){.workers = 2, .min_workers = 1});

    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    busy_until(&gate, ex);
    assert_int_equal(filch_submit(ex, task_open, &gate, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(filch_executor_set_active(ex, 2), 0);
    filch_executor_destroy(ex);
}
