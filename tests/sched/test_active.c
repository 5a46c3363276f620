/* SPDX-License-Identifier: MIT
 *
 * test_active.c: how many workers may work, changed while they do; L4. */
#include "sched/work.h"

#include <pthread.h>

/* A worker that has looked whether it is surplus, and not yet for work, would run a task all the same: whoever counts
 * what runs at once waits until all sleep, the surplus ones too. */
static filch_executor *idlers(unsigned n)
{
    return pool_with((filch_options){.workers = n, .name = "idler"});
}

static void await_sleep(filch_executor *ex)
{
    await_sleepers("idler-w", filch_executor_workers(ex));
}

/* How many of n tasks have begun when nothing moves any more, and all of them to their end. */
static uint32_t run_together(filch_executor *ex, uint32_t n, uint32_t expected)
{
    struct gate gate = {0};
    filch_future *f[8];
    uint32_t begun;

    for (uint32_t i = 0; i < n; i++)
        f[i] = submit(ex, task_gate, &gate);
    gate_await(&gate, expected);
    for (int i = 0; i < 100; i++)
        sched_yield();
    begun = fl_load(&gate.arrived, acquire);
    gate_open(&gate);
    for (uint32_t i = 0; i < n; i++)
        test_check(finish(f[i]) == 0);
    return begun;
}

TEST(l4_no_more_workers_work_than_may)
{
    filch_executor *ex = idlers(4);

    assert_int_equal(filch_executor_active(ex), 4);
    for (unsigned n = 4; n > 0; n--) {
        assert_int_equal(filch_executor_set_active(ex, n), 0);
        assert_int_equal(filch_executor_active(ex), n);
        assert_int_equal(filch_executor_workers(ex), 4);
        await_sleep(ex);
        assert_int_equal(run_together(ex, 6, n), n);
    }
    filch_executor_destroy(ex);
}

TEST(l4_a_raised_number_counts_at_once)
{
    filch_executor *ex = idlers(4);
    struct gate gate = {0};
    filch_future *f[4];

    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    await_sleep(ex);
    for (int i = 0; i < 4; i++)
        f[i] = submit(ex, task_gate, &gate);
    gate_await(&gate, 1);
    assert_int_equal(filch_executor_set_active(ex, 3), 0);
    gate_await(&gate, 3);
    assert_int_equal(filch_executor_set_active(ex, 4), 0);
    gate_await(&gate, 4);
    gate_open(&gate);
    for (int i = 0; i < 4; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

TEST(l4_a_surplus_worker_goes_on_with_its_task)
{
    filch_executor *ex = idlers(3);
    struct gate gate = {0};
    filch_future *f[3];

    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, task_gate, &gate);
    gate_await(&gate, 3);
    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    gate_open(&gate);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(f[i]), 0);
    await_sleep(ex);
    assert_int_equal(run_together(ex, 3, 1), 1);
    filch_executor_destroy(ex);
}

struct family {
    filch_executor *ex;
    counter children;
};

static int task_with_children(void *arg, void **result)
{
    struct family *family = arg;

    (void)result;
    for (int i = 0; i < 100; i++)
        test_check(filch_submit(family->ex, task_count, &family->children, NULL) == 0);
    test_check(filch_executor_set_active(family->ex, 1) == 0);
    return 0;
}

TEST(l4_what_a_surplus_worker_has_queued_is_run)
{
    for (int round = 0; round < 50; round++) {
        struct family family = {pool_of(2), 0};

        assert_int_equal(finish(submit(family.ex, task_with_children, &family)), 0);
        assert_int_equal(filch_executor_wait_idle(family.ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&family.children), 100);
        filch_executor_destroy(family.ex);
    }
}

static int task_sets(void *arg, void **result)
{
    (void)result;
    return filch_executor_set_active(arg, 1) == 0 && filch_executor_set_active(arg, 2) == 0 ? 0 : 1;
}

TEST(l4_a_task_may_set_the_number)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(finish(submit(ex, task_sets, ex)), 0);
    assert_int_equal(run_together(ex, 2, 2), 2);
    filch_executor_destroy(ex);
}

static int task_that_waits(void *arg, void **result)
{
    (void)result;
    return outcome(arg);
}

/* Every worker that may work waits, and the others are surplus: spares do it, and surplus workers where
 * there are not enough. */
TEST(l4_what_waiting_tasks_wait_for_runs_though_other_workers_are_surplus)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .max_spares = 1});
    filch_future *go = promise();
    filch_future *f[3];

    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, task_that_waits, go);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_promise_set_result(go, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_future_release(go);
    filch_executor_destroy(ex);
}

TEST(l4_with_threads_that_come_and_go)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 4, .min_workers = 1, .idle_timeout_ns = 100000});

    for (int round = 0; round < 20; round++) {
        assert_int_equal(filch_executor_set_active(ex, 1 + (unsigned)round % 4), 0);
        run_together(ex, 6, 1 + (uint32_t)round % 4);
    }
    filch_executor_destroy(ex);
}

TEST(l4_an_executor_ends_whose_workers_are_surplus)
{
    filch_executor *ex = pool_of(4);

    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_executor_set_active(ex, 2), 0);
    filch_executor_destroy(ex);
}

TEST(l4_a_number_out_of_range_is_invalid)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(filch_executor_set_active(ex, 0), FILCH_EINVAL);
    assert_int_equal(filch_executor_set_active(ex, 3), FILCH_EINVAL);
    assert_int_equal(filch_executor_set_active(NULL, 1), FILCH_EINVAL);
    assert_int_equal(filch_executor_active(ex), 2);
    assert_int_equal(filch_executor_active(NULL), 0);
    filch_executor_destroy(ex);
}

TEST(l4_a_rival_has_no_such_number)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .backend = FILCH_BACKEND_MUTEX});

    assert_int_equal(filch_executor_set_active(ex, 1), FILCH_ENOTSUP);
    assert_int_equal(filch_executor_active(ex), 2);
    filch_executor_destroy(ex);
}
