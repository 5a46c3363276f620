/* SPDX-License-Identifier: MIT
 *
 * test_nowake.c: tasks that are queued without waking anybody, and everything that brings them on. */
#include "sched/work.h"

static const filch_task_options nowake = {.size = sizeof(filch_task_options),
                                          .flags = FILCH_NOWAKE};

static filch_future *submit_nowake(filch_executor *ex, filch_task_fn *fn, void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit_with(ex, &nowake, fn, arg, &f) == 0);
    return f;
}

/* Until all of its workers sleep: parks and wakes then differ by them. */
static void await_sleep(filch_executor *ex)
{
    filch_executor_stats s;

    do {
        sched_yield();
        s = stats_of(ex);
    } while (s.parks - s.wakes != filch_executor_workers(ex));
}

/* Workers that sleep in their pool have nothing to do with what they do not know of: a worker that was
 * asleep before the submit is still asleep when it returns, and parks no more often. */
TEST(a_sleeping_executor_leaves_it_until_a_kick)
{
    filch_executor *ex = pool_of(2);

    for (int i = 0; i < 20; i++) {
        await_sleep(ex);
        uint64_t parks = stats_of(ex).parks;
        uint64_t wakes = stats_of(ex).wakes;
        filch_future *f = submit_nowake(ex, task_echo, NULL);

        assert_int_equal(stats_of(ex).parks, parks);
        assert_int_equal(stats_of(ex).wakes, wakes);
        assert_int_equal(stats_of(ex).pending, 1);
        assert_false(filch_future_done(f));
        assert_int_equal(filch_executor_kick(ex), 0);
        while (!filch_future_done(f))
            sched_yield();
        filch_future_release(f);
    }
    filch_executor_destroy(ex);
}

TEST(many_and_one_kick_all_run)
{
    enum {
        MANY = 1000
    };
    filch_executor *ex = pool_of(3);
    counter n = 0;

    await_sleep(ex);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(filch_submit_with(ex, &nowake, task_count, &n, NULL), 0);
    assert_int_equal(filch_executor_kick(ex), 0);
    while (count_of(&n) != MANY)
        sched_yield();
    filch_executor_destroy(ex);
}

TEST(every_wait_that_names_it_brings_it_on)
{
    filch_executor *ex = pool_of(2);
    filch_future *f[2];
    filch_completion *it;
    filch_future *out;

    await_sleep(ex);
    f[0] = submit_nowake(ex, task_echo, NULL);
    assert_int_equal(finish(f[0]), 0);

    await_sleep(ex);
    f[0] = submit_nowake(ex, task_echo, NULL);
    while (filch_future_result(f[0], FILCH_NOW, NULL) == FILCH_ETIMEDOUT)
        sched_yield();
    filch_future_release(f[0]);

    await_sleep(ex);
    f[0] = promise();
    f[1] = submit_nowake(ex, task_echo, NULL);
    assert_int_equal(filch_wait(f, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER), 1);
    filch_future_release(f[0]);
    filch_future_release(f[1]);

    await_sleep(ex);
    f[0] = submit_nowake(ex, task_echo, NULL);
    f[1] = submit_nowake(ex, task_echo, NULL);
    assert_int_equal(filch_as_completed(&it, f, 2, FILCH_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_completion_next(it, &out), 0);
    filch_completion_close(it);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    filch_executor_destroy(ex);
}

TEST(the_next_submit_a_wait_for_idle_and_the_end_bring_it_on)
{
    filch_executor *ex = pool_of(1);
    counter n = 0;

    await_sleep(ex);
    assert_int_equal(filch_submit_with(ex, &nowake, task_count, &n, NULL), 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&n), 1);

    await_sleep(ex);
    assert_int_equal(filch_submit_with(ex, &nowake, task_count, &n, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&n), 2);

    await_sleep(ex);
    assert_int_equal(filch_submit_with(ex, &nowake, task_count, &n, NULL), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&n), 3);
}

TEST(a_shutdown_cancels_it)
{
    filch_executor *ex = pool_of(1);
    filch_future *f;

    await_sleep(ex);
    f = submit_nowake(ex, task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER), 0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(it_goes_with_a_token_a_time_and_a_copied_argument)
{
    filch_executor *ex = pool_of(1);
    filch_task_options o = nowake;
    filch_future *f = NULL;
    char bytes[100] = {0};

    assert_int_equal(filch_token_create(&o.token, NULL, FILCH_FOREVER), 0);
    o.copy_bytes = sizeof bytes;
    o.start_by = filch_in_s(1000);
    assert_int_equal(filch_submit_with(ex, &o, task_echo, bytes, &f), 0);
    assert_int_equal(finish(f), 0);
    filch_token_cancel(o.token);
    assert_int_equal(filch_submit_with(ex, &o, task_echo, bytes, &f), 0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_token_release(o.token);
    filch_executor_destroy(ex);
}

TEST(an_unknown_flag_is_invalid)
{
    filch_executor *ex = pool_of(1);
    filch_task_options o = {.size = sizeof o, .flags = 1U << 31};
    filch_future *f = NULL;

    assert_int_equal(filch_submit_with(ex, &o, task_echo, NULL, &f), FILCH_EINVAL);
    assert_null(f);
    assert_int_equal(filch_executor_kick(NULL), FILCH_EINVAL);
    filch_executor_destroy(ex);
}

TEST(a_rival_wakes_as_it_always_does)
{
    const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                         FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};

    for (int i = 0; i < 2; i++) {
        filch_executor *ex = NULL;
        filch_options o = {.size = sizeof o, .workers = 1, .backend = rivals[i]};
        filch_future *f;

        if (filch_executor_create(&ex, &o) != 0)
            continue; /* a build without it */
        f = submit_nowake(ex, task_echo, NULL);
        while (!filch_future_done(f))
            sched_yield();
        filch_future_release(f);
        assert_int_equal(filch_executor_kick(ex), 0);
        filch_executor_destroy(ex);
    }
}
