/* SPDX-License-Identifier: MIT
 *
 * test_pause.c: an executor that is paused takes nothing from its queue, and loses nothing; L11. */
#include "sched/work.h"

static filch_executor *paused(filch_options options)
{
    filch_executor *ex = pool_with(options);

    assert_int_equal(filch_executor_pause(ex), 0);
    return ex;
}

static filch_deadline soon(void)
{
    return filch_in_ms(20);
}

TEST(l11_nothing_begins_in_a_pause_and_everything_after_it)
{
    filch_executor *ex = paused((filch_options){.workers = 3});
    counter runs = 0;

    for (int i = 0; i < 1000; i++)
        assert_int_equal(filch_submit(ex, task_count, &runs, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, soon()), FILCH_ETIMEDOUT);
    assert_int_equal(count_of(&runs), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&runs), 1000);
    filch_executor_destroy(ex);
}

TEST(l11_what_runs_goes_on_to_its_end)
{
    filch_executor *ex = pool_of(2);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);

    gate_await(&gate, 1);
    assert_int_equal(filch_executor_pause(ex), 0);
    gate_open(&gate);
    assert_int_equal(finish(f), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

static int task_with_child(void *arg, void **result)
{
    filch_future *child;

    test_check(filch_executor_pause(arg) == 0);
    child = submit(arg, task_echo, NULL);
    (void)result;
    return finish(child);
}

TEST(l11_a_task_may_pause_and_still_gets_what_it_waits_for)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(finish(submit(ex, task_with_child, ex)), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    filch_executor_destroy(ex);
}

struct patient {
    filch_executor *ex;
    filch_future *never;
    counter runs;
};

/* Waits in a pause for what does not come, beside a task that it might run meanwhile. */
static int task_that_waits(void *arg, void **result)
{
    struct patient *patient = arg;
    int status;

    (void)result;
    test_check(filch_executor_pause(patient->ex) == 0);
    test_check(filch_submit(patient->ex, task_count, &patient->runs, NULL) == 0);
    status = filch_future_result(patient->never, soon(), NULL);
    test_check(count_of(&patient->runs) == 0);
    test_check(filch_executor_resume(patient->ex) == 0);
    return status;
}

TEST(l11_a_wait_that_may_run_anything_runs_nothing_else_in_a_pause)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .help = FILCH_HELP_ANY});
    struct patient patient = {ex, promise(), 0};

    assert_int_equal(finish(submit(ex, task_that_waits, &patient)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_promise_set_result(patient.never, NULL), 0);
    filch_future_release(patient.never);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&patient.runs), 1);
}

/* Submits a task, which stands on its worker's own deque then, and does not end before it may. */
struct parent {
    filch_executor *ex;
    struct gate gate;
    counter runs;
};

static int task_with_more(void *arg, void **result)
{
    struct parent *parent = arg;

    test_check(filch_submit(parent->ex, task_count, &parent->runs, NULL) == 0);
    return task_gate(&parent->gate, result);
}

static filch_executor *paused_with_more(struct parent *parent)
{
    filch_future *f;

    parent->ex = pool_of(1);
    f = submit(parent->ex, task_with_more, parent);
    gate_await(&parent->gate, 1);
    assert_int_equal(filch_executor_pause(parent->ex), 0);
    gate_open(&parent->gate);
    assert_int_equal(finish(f), 0);
    return parent->ex;
}

TEST(l11_what_a_worker_has_of_its_own_waits_for_the_end_of_a_pause)
{
    struct parent parent = {0};
    filch_executor *ex = paused_with_more(&parent);

    await_parked(ex, 1);
    assert_int_equal(count_of(&parent.runs), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&parent.runs), 1);
    filch_executor_destroy(ex);
}

TEST(l11_what_a_worker_has_of_its_own_runs_if_the_executor_is_destroyed_in_a_pause)
{
    struct parent parent = {0};

    filch_executor_destroy(paused_with_more(&parent));
    assert_int_equal(count_of(&parent.runs), 1);
}

TEST(l11_what_is_queued_in_a_pause_may_be_cancelled)
{
    filch_executor *ex = paused((filch_options){.workers = 1});
    filch_future *f = submit(ex, task_echo, NULL);

    assert_true(filch_future_cancel(f));
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(l11_shutdown_ends_a_pause)
{
    filch_executor *ex = paused((filch_options){.workers = 2});
    filch_future *f = submit(ex, task_echo, NULL);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(finish(f), 0);
    assert_int_equal(filch_executor_pause(ex), FILCH_ESHUTDOWN);
    assert_int_equal(filch_executor_resume(ex), 0);
    filch_executor_destroy(ex);

    /* The one worker is busy, or it might come before the cancel. */
    struct hold hold = {0};
    ex = pool_of(1);
    hold_worker(&hold, ex);
    assert_int_equal(filch_executor_pause(ex), 0);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    let_go(&hold);
    filch_executor_destroy(ex);

    ex = paused((filch_options){.workers = 2});
    f = submit(ex, task_echo, NULL);
    filch_executor_destroy(ex);
    assert_int_equal(finish(f), 0);
}

TEST(l11_one_resume_ends_several_pauses)
{
    filch_executor *ex = paused((filch_options){.workers = 2});

    assert_int_equal(filch_executor_pause(ex), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}

TEST(l11_a_pause_starts_no_thread_and_its_end_those_that_lack)
{
    filch_executor *ex = paused((filch_options){.workers = 4, .min_workers = 1});
    struct gate gate = {0};
    filch_future *f[4];

    for (int i = 0; i < 4; i++)
        f[i] = submit(ex, task_gate, &gate);
    assert_int_equal(stats_of(ex).workers, 1);
    assert_int_equal(filch_executor_resume(ex), 0);
    gate_await(&gate, 4);
    gate_open(&gate);
    for (int i = 0; i < 4; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

static int refuse_to_start(void *arg)
{
    (void)arg;
    return 1;
}

TEST(l11_a_broken_executor_is_not_paused)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_thread_start = refuse_to_start});

    while (filch_executor_broken(ex) == NULL)
        sched_yield();
    assert_int_equal(filch_executor_pause(ex), FILCH_EBROKEN);
    filch_executor_destroy(ex);
}

TEST(l11_a_missing_handle_and_a_rival_get_their_status)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});

    assert_int_equal(filch_executor_pause(ex), FILCH_ENOTSUP);
    assert_int_equal(filch_executor_resume(ex), FILCH_ENOTSUP);
    assert_int_equal(filch_executor_pause(NULL), FILCH_EINVAL);
    assert_int_equal(filch_executor_resume(NULL), FILCH_EINVAL);
    filch_executor_destroy(ex);
}

/* One of them may be in a worker's hands when the pause begins. */
TEST(l11_a_paused_executor_that_cancels_everything_is_quiet)
{
    filch_executor *ex = pool_of(2);
    counter runs = 0;

    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 3; j++)
            assert_int_equal(filch_submit(ex, task_count, &runs, NULL), 0);
        assert_int_equal(filch_executor_pause(ex), 0);
        while (filch_executor_cancel_all(ex) > 0 ||
               filch_executor_wait_idle(ex, filch_in_ms(1)) == FILCH_ETIMEDOUT)
            continue;
        assert_int_equal(filch_executor_resume(ex), 0);
    }
    filch_executor_destroy(ex);
}
