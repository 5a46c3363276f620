/* SPDX-License-Identifier: MIT
 *
 * test_timeout.c: a future that is what another one is, if that comes in time. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include "base/clock.h"

static filch_future *timeout(filch_future *f, filch_executor *ex, filch_deadline deadline,
                             unsigned flags)
{
    filch_future *out = NULL;

    test_check(filch_timeout(f, ex, deadline, flags, &out) == 0);
    test_check(out != NULL);
    return out;
}

static filch_deadline hour(void)
{
    return filch_in_s(3600);
}

TEST(c3_what_comes_in_time_is_what_it_is)
{
    filch_executor *ex = pool_of(1);
    filch_future *f[3] = {promise(), promise(), promise()};
    filch_future *out[3];
    filch_error error;
    void *result;

    for (int i = 0; i < 3; i++)
        out[i] = timeout(f[i], ex, hour(), 0);
    assert_int_equal(filch_promise_set_result(f[0], number(5)), 0);
    assert_int_equal(filch_promise_set_error(f[1], 9, "nine"), 0);
    assert_true(filch_future_cancel(f[2]));
    assert_int_equal(filch_future_result(out[0], FILCH_NOW, &result), 0);
    assert_ptr_equal(result, number(5));
    assert_int_equal(filch_future_error(out[1], FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "nine");
    assert_true(filch_future_cancelled(out[2]));
    for (int i = 0; i < 3; i++) {
        filch_future_release(f[i]);
        filch_future_release(out[i]);
    }
    filch_executor_destroy(ex);
}

TEST(c3_what_does_not_come_in_time_has_timed_out_and_is_left_alone)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_deadline deadline = filch_in_ms(3);
    filch_future *out = timeout(f, ex, deadline, 0);
    void *result;

    assert_int_equal(outcome(out), FILCH_ETIMEDOUT);
    assert_true(fl_now() >= deadline);
    assert_int_equal(filch_future_state(out), FILCH_FAILED);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(filch_promise_set_result(f, number(1)), 0);
    assert_int_equal(filch_future_result(f, FILCH_NOW, &result), 0);
    assert_int_equal(finish(out), FILCH_ETIMEDOUT);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(c3_with_the_flag_what_has_not_started_is_cancelled_when_the_time_is_up)
{
    filch_executor *ex = pool_of(1);
    filch_executor *other = pool_of(1);
    struct hold h = {0};
    counter ran = 0;
    filch_future *queued, *running, *out[2];

    hold_worker(&h, other);
    queued = submit(other, task_count, &ran);
    running = h.f;
    out[0] = timeout(queued, ex, filch_in_ms(2), FILCH_TIMEOUT_CANCEL);
    out[1] = timeout(running, ex, filch_in_ms(2), FILCH_TIMEOUT_CANCEL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(finish(out[i]), FILCH_ETIMEDOUT);
    assert_int_equal(finish(queued), FILCH_ECANCELED);
    assert_true(filch_future_running(running));
    let_go(&h);
    filch_executor_destroy(other);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(c3_the_flag_cancels_nothing_but_when_the_time_is_up)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out = timeout(f, ex, hour(), FILCH_TIMEOUT_CANCEL);

    assert_true(filch_future_cancel(out));
    filch_future_release(out);
    out = timeout(f, ex, hour(), FILCH_TIMEOUT_CANCEL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER), 0);
    assert_int_equal(finish(out), FILCH_ECANCELED);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(c3_what_is_over_is_it_whatever_the_time)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error(f, 4, NULL), 0);
    assert_int_equal(finish(timeout(f, ex, FILCH_NOW, 0)), 4);
    assert_int_equal(finish(timeout(f, ex, hour(), 0)), 4);
    assert_int_equal(finish(timeout(f, ex, FILCH_FOREVER, FILCH_TIMEOUT_CANCEL)), 4);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(c3_a_deadline_in_the_past_is_up_and_one_that_never_comes_is_none)
{
    size_t threads;
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out;

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    threads = threads_now();
    assert_int_equal(finish(timeout(f, ex, FILCH_NOW, 0)), FILCH_ETIMEDOUT);
    out = timeout(f, ex, FILCH_FOREVER, 0);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(threads_now(), threads); /* neither needs a clock */
    assert_int_equal(finish(timeout(f, ex, -1, FILCH_TIMEOUT_CANCEL)), FILCH_ETIMEDOUT);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    assert_int_equal(finish(out), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(c3_cancelling_the_new_future_leaves_the_old_one_alone)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out = timeout(f, ex, hour(), 0);

    assert_true(filch_future_cancel(out));
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(finish(out), FILCH_ECANCELED);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
}

/* A hundred thousand deadlines on one future, one after the other: what is over has left it, and the
 * clock. */
TEST(c3_whichever_comes_first_leaves_no_trace_of_the_other)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    int64_t blocks;
    uint64_t bytes;

    filch_future *out = timeout(f, ex, hour(), 0);
    assert_true(filch_future_cancel(out));
    filch_future_release(out);
    blocks = blocks_now();
    bytes = stats_of(ex).memory_bytes;
    for (size_t i = 0; i < test_scaled(100000); i++) {
        out = timeout(f, ex, hour(), 0);
        assert_true(filch_future_cancel(out));
        filch_future_release(out);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(timeout(f, ex, filch_in_us(100), 0)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    filch_future_release(f);
    for (size_t i = 0; i < test_scaled(100000); i++) {
        f = promise();
        out = timeout(f, ex, hour(), 0);
        filch_promise_set_result(f, NULL);
        filch_future_release(f);
        assert_int_equal(finish(out), 0);
    }
    assert_int_equal(stats_of(ex).memory_bytes, bytes);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), blocks - 2); /* f, and the node it had */
}

TEST(c3_the_old_future_may_be_released_at_once)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out = timeout(f, ex, filch_in_ms(1), 0);

    filch_future_release(f); /* nobody will complete it */
    assert_int_equal(finish(out), FILCH_ETIMEDOUT);
    filch_executor_destroy(ex);
}

static int value_or(filch_future *before, void *arg, void **result)
{
    int status = filch_future_result(before, FILCH_NOW, result);

    if (status == FILCH_ETIMEDOUT) {
        *result = arg;
        status = 0;
    }
    return status;
}

TEST(c3_a_continuation_gives_a_value_in_place_of_a_timeout)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *in_time = timeout(f, ex, filch_in_ms(1), FILCH_TIMEOUT_CANCEL);
    filch_future *out;
    void *result;

    assert_int_equal(filch_then(in_time, NULL, FILCH_THEN_ALWAYS, value_or, number(77), &out), 0);
    filch_future_release(in_time);
    assert_int_equal(filch_future_result(out, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, number(77));
    filch_future_release(out);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- Tokens with a deadline ---- */

static int ask_until_told(void *arg, void **result)
{
    (void)result;
    count_one(arg);
    while (!filch_cancel_requested())
        sched_yield();
    return 3;
}

TEST(x4_a_token_s_deadline_keeps_a_task_from_starting_and_is_told_to_one_that_runs)
{
    filch_executor *ex = pool_of(1);
    filch_task_options o = {.size = sizeof o};
    counter ran = 0;
    filch_deadline deadline = filch_in_ms(5);
    filch_future *running, *queued;

    assert_int_equal(filch_token_create(&o.token, NULL, deadline), 0);
    assert_int_equal(filch_submit_with(ex, &o, ask_until_told, &ran, &running), 0);
    assert_int_equal(filch_submit_with(ex, &o, ask_until_told, &ran, &queued), 0);
    filch_token_release(o.token);
    while (count_of(&ran) == 0 && !filch_future_done(running))
        sched_yield();
    if (count_of(&ran) == 1) /* it was started in time */
        assert_int_equal(outcome(running), 3);
    assert_int_equal(finish(queued), FILCH_ECANCELED);
    assert_true(fl_now() >= deadline);
    filch_future_release(running);
    filch_executor_destroy(ex);
    assert_true(count_of(&ran) <= 1);
}

/* ---- The end ---- */

TEST(c3_a_deadline_holds_while_its_executor_is_drained)
{
    filch_executor *ex = pool_of(1);
    struct hold h = {0};
    filch_future *out, *late;

    hold_worker(&h, ex);
    out = timeout(h.f, ex, hour(), 0);
    late = timeout(h.f, ex, filch_in_ms(20), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(finish(late), FILCH_ETIMEDOUT);
    let_go(&h);
    filch_executor_destroy(ex);
    assert_int_equal(finish(out), 0);
}

TEST(c3_a_deadline_whose_executor_has_ended_says_so)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out = timeout(f, ex, hour(), FILCH_TIMEOUT_CANCEL);
    filch_future *forward = timeout(f, ex, FILCH_FOREVER, 0);

    filch_executor_destroy(ex); /* does not wait for an hour */
    assert_int_equal(finish(out), FILCH_ESHUTDOWN);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(finish(forward), 0);
    filch_future_release(f);
}

TEST(c3_after_a_shutdown_there_is_no_deadline_to_be_had)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out;

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_timeout(f, ex, hour(), 0, &out), FILCH_ESHUTDOWN);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static _Thread_local bool adds_the_callback;

static void destroy_executor(filch_future *f, void *ex)
{
    (void)f;
    filch_executor_destroy(ex);
}

static void shut_down(filch_future *f, void *ex)
{
    int status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);

    (void)f;
    test_check(status == (adds_the_callback ? 0 : FILCH_EDEADLK)); /* it was added late */
    filch_executor_destroy(ex);
}

TEST(c3_whoever_is_told_that_the_time_is_up_may_destroy_the_executor)
{
    size_t before = threads_now();

    adds_the_callback = true;
    for (int i = 0; i < 40; i++) {
        filch_executor *ex = pool_of(2);
        filch_future *f = promise();
        filch_future *out = timeout(f, ex, filch_in_us(200), FILCH_TIMEOUT_CANCEL);

        assert_int_equal(
            filch_future_add_done_callback(out, i % 2 == 0 ? destroy_executor : shut_down, ex), 0);
        assert_int_equal(finish(f), FILCH_ECANCELED);
        assert_int_equal(finish(out), FILCH_ETIMEDOUT);
    }
    await_threads_at_most(before);
}

TEST(c3_what_makes_no_sense_is_refused)
{
    filch_executor *ex = pool_of(1);
    filch_executor *rival =
        pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
    filch_future *f = promise();
    filch_future *out;

    assert_int_equal(filch_timeout(NULL, ex, hour(), 0, &out), FILCH_EINVAL);
    assert_int_equal(filch_timeout(f, NULL, hour(), 0, &out), FILCH_EINVAL);
    assert_int_equal(filch_timeout(f, ex, hour(), 0, NULL), FILCH_EINVAL);
    assert_int_equal(filch_timeout(f, ex, hour(), 2, &out), FILCH_EINVAL);
    assert_int_equal(filch_timeout(f, rival, hour(), 0, &out), FILCH_ENOTSUP);
    filch_future_release(f);
    filch_executor_destroy(rival);
    filch_executor_destroy(ex);
}
