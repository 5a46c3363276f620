/* SPDX-License-Identifier: MIT
 *
 * test_cancel_all.c: everything that is queued is cancelled at once, what runs is asked to stop, and the
 * executor goes on; X3. */
#include "sched/work.h"

TEST(x3_what_is_queued_is_over_on_return_and_what_comes_later_runs)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter runs = 0;
    filch_future *f[10];

    hold_worker(&hold, ex);
    for (int i = 0; i < 10; i++)
        f[i] = submit(ex, task_count, &runs);
    for (int i = 0; i < 5; i++)
        assert_int_equal(filch_submit(ex, task_count, &runs, NULL), 0);
    assert_int_equal(filch_executor_cancel_all(ex), 15);
    for (int i = 0; i < 10; i++) {
        assert_true(filch_future_cancelled(f[i]));
        filch_future_release(f[i]);
    }
    assert_int_equal(filch_executor_cancel_all(ex), 0);
    f[0] = submit(ex, task_count, &runs);
    let_go(&hold);
    assert_int_equal(finish(f[0]), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&runs), 1);
    filch_executor_destroy(ex);
}

struct asked {
    struct gate before;
    bool at_first, then;
};

static int task_is_asked(void *arg, void **result)
{
    struct asked *asked = arg;

    (void)result;
    asked->at_first = filch_cancel_requested();
    gate_pass(&asked->before);
    asked->then = filch_cancel_requested();
    return 0;
}

TEST(x3_what_runs_is_asked_to_stop_and_what_comes_later_is_not)
{
    filch_executor *ex = pool_of(2);

    for (int round = 0; round < 3; round++) {
        struct asked first = {0};
        struct asked second = {0};
        filch_future *f = submit(ex, task_is_asked, &first);
        filch_future *g;

        gate_await(&first.before, 1);
        assert_int_equal(filch_executor_cancel_all(ex), 0);
        g = submit(ex, task_is_asked, &second);
        gate_await(&second.before, 1);
        gate_open(&first.before);
        gate_open(&second.before);
        assert_int_equal(finish(f), 0);
        assert_int_equal(finish(g), 0);
        assert_false(first.at_first);
        assert_true(first.then);
        assert_false(second.at_first);
        assert_false(second.then);
    }
    filch_executor_destroy(ex);
}

static int task_looks(void *arg, void **result)
{
    (void)result;
    *(bool *)arg = filch_cancel_requested();
    return 0;
}

struct parent {
    filch_executor *ex;
    bool child, scoped, self_before, self_after;
};

static int task_cancels_all(void *arg, void **result)
{
    struct parent *parent = arg;
    filch_scope *scope = NULL;

    (void)result;
    test_check(filch_executor_cancel_all(parent->ex) == 0);
    parent->self_before = filch_cancel_requested();
    test_check(finish(submit(parent->ex, task_looks, &parent->child)) == 0);
    test_check(filch_scope_open(&scope, parent->ex, NULL) == 0);
    test_check(filch_scope_spawn(scope, task_looks, &parent->scoped) == 0);
    test_check(filch_scope_join(scope) == 0);
    parent->self_after = filch_cancel_requested();
    return 0;
}

TEST(x3_a_task_that_cancels_all_is_asked_itself_and_its_later_children_are_not)
{
    filch_executor *ex = pool_of(1);
    struct parent parent = {ex, true, true, false, false};

    assert_int_equal(finish(submit(ex, task_cancels_all, &parent)), 0);
    assert_true(parent.self_before && parent.self_after);
    assert_false(parent.child || parent.scoped);
    filch_executor_destroy(ex);
}

static int task_helps_itself_and_cancels(void *arg, void **result)
{
    filch_executor *ex = arg;

    (void)result;
    for (int i = 0; i < 3; i++) {
        filch_future *ran = submit(ex, task_echo, NULL);
        filch_future *cancelled = submit(ex, task_echo, NULL);
        filch_future *left = submit(ex, task_echo, NULL);

        test_check(finish(ran) == 0);
        test_check(filch_future_cancel(cancelled));
        filch_future_release(cancelled);
        test_check(filch_executor_cancel_all(ex) == 1);
        test_check(finish(left) == FILCH_ECANCELED);
    }
    return 0;
}

TEST(x3_what_has_run_or_was_cancelled_before_is_not_counted)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, task_helps_itself_and_cancels, ex)), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).tombstones, 0);
    filch_executor_destroy(ex);
}

TEST(x3_whoever_waits_for_quiet_is_told)
{
    filch_executor *ex = pool_of(2);

    await_parked(ex, 2); /* or one of them takes a task, and only then sees the pause */
    assert_int_equal(filch_executor_pause(ex), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_NOW), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_cancel_all(ex), 100);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

TEST(x3_a_draining_executor_ends_when_all_is_cancelled)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f;

    hold_worker(&hold, ex);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(filch_executor_cancel_all(ex), 1);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    let_go(&hold);
    filch_executor_destroy(ex);
}

TEST(x3_a_missing_handle_and_a_rival_get_their_status)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});

    assert_int_equal(filch_executor_cancel_all(NULL), FILCH_EINVAL);
    assert_int_equal(filch_executor_cancel_all(ex), FILCH_ENOTSUP);
    filch_executor_destroy(ex);
}
