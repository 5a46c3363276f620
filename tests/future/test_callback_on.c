/* SPDX-License-Identifier: MIT
 *
 * test_callback_on.c: done callbacks that run on an executor of one's choice, and what becomes of them
 * when that executor does not take them. */
#include "sched/work.h"

#include <pthread.h>

static struct {
    counter calls;
    pthread_t thread; /* of the last one */
    filch_future *f;
} told;

static void note(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    test_check(user == &told);
    told.thread = pthread_self();
    told.f = f;
    fl_add(&told.calls, 1, release); /* -> await_calls */
}

static void forget(void)
{
    fl_store(&told.calls, 0, relaxed); /* own word: nobody else is there */
    told.f = NULL;
}

static void await_calls(uint64_t n)
{
    while (fl_load(&told.calls, acquire) < n) /* <- note */
        sched_yield();
}

static void add_on(filch_future *f, filch_executor *ex)
{
    test_check(filch_future_add_done_callback_on(f, ex, note, &told) == 0);
}

static bool was_here(void)
{
    return pthread_equal(told.thread, pthread_self()) != 0;
}

TEST(it_runs_on_the_executor_and_not_where_its_future_is_completed)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    forget();
    add_on(f, ex);
    assert_int_equal(count_of(&told.calls), 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    await_calls(1);
    assert_false(was_here());
    assert_ptr_equal(told.f, f);

    add_on(f, ex); /* it is over */
    await_calls(2);
    assert_false(was_here());
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&told.calls), 2);
}

TEST(a_task_of_one_executor_is_told_of_on_another)
{
    filch_executor *ex = pool_of(1);
    filch_executor *other = pool_of(1);
    struct gate gate = {0};
    filch_future *f[3] = {submit(ex, task_gate, &gate), submit(ex, task_fail, number(3)),
                          submit(ex, task_echo, NULL)};

    forget();
    assert_true(filch_future_cancel(f[2]));
    for (int i = 0; i < 3; i++) {
        add_on(f[i], other);
        filch_future_release(f[i]); /* the callback's own reference keeps it */
    }
    gate_open(&gate);
    await_calls(3);
    assert_int_equal(filch_executor_wait_idle(other, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    filch_executor_destroy(other);
    assert_int_equal(count_of(&told.calls), 3);
}

TEST(without_an_executor_it_is_called_where_its_future_is_completed)
{
    filch_future *f = promise();

    forget();
    add_on(f, NULL);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(count_of(&told.calls), 1);
    assert_true(was_here());
    filch_future_release(f);
}

TEST(an_executor_that_is_shut_down_leaves_it_to_whoever_completes)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    forget();
    add_on(f, ex);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_promise_set_error(f, 4, NULL), 0);
    assert_int_equal(count_of(&told.calls), 1);
    assert_true(was_here());
    add_on(f, ex);
    assert_int_equal(count_of(&told.calls), 2);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(a_shutdown_that_cancels_calls_what_it_finds_queued)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    struct hold hold = {0};

    forget();
    hold_worker(&hold, ex);
    for (int i = 0; i < 5; i++)
        add_on(f, ex);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&told.calls), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    assert_int_equal(count_of(&told.calls), 5);
    assert_true(was_here());
    let_go(&hold);
    filch_executor_destroy(ex);
}

TEST(one_whose_future_is_never_over_is_never_called)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    forget();
    add_on(f, ex);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&told.calls), 0);
}

TEST(arguments_that_make_no_sense_are_refused_and_a_rival_takes_none)
{
    const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                         FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    forget();
    assert_int_equal(filch_future_add_done_callback_on(NULL, ex, note, &told), FILCH_EINVAL);
    assert_int_equal(filch_future_add_done_callback_on(f, ex, NULL, &told), FILCH_EINVAL);
    for (int i = 0; i < 2; i++) {
        filch_executor *rival = NULL;
        filch_options o = {.size = sizeof o, .workers = 1, .backend = rivals[i]};

        if (filch_executor_create(&rival, &o) != 0)
            continue; /* a build without it */
        assert_int_equal(filch_future_add_done_callback_on(f, rival, note, &told), FILCH_ENOTSUP);
        filch_executor_destroy(rival);
    }
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&told.calls), 0);
}

/* ---- What is the waiting task's stays that ---- */

struct waiting {
    filch_future *end; /* the callback completes it */
    filch_token *token;
};

static void looks_around(filch_future *f, void *user)
{
    struct waiting *at = user;

    (void)f;
    test_check(filch_fail(9, "the callback's", NULL, NULL) == 9);
    test_check(filch_context_current() == NULL);
    test_check(!filch_cancel_requested());
    test_check(filch_promise_set_result(at->end, NULL) == 0);
}

static int task_waits_and_fails(void *arg, void **result)
{
    struct waiting *at = arg;

    (void)result;
    filch_token_cancel(at->token);
    test_check(outcome(at->end) == 0);
    test_check(filch_cancel_requested() && filch_context_current() != NULL);
    return 9;
}

/* On the only worker the callback runs on top of the task, which waits. */
static void check_callback_on_top(bool is_on_executor)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .help = FILCH_HELP_ANY});
    struct waiting at = {promise(), NULL};
    struct hold hold = {0};
    filch_context context = {NULL, NULL};
    filch_task_options o = {.size = sizeof o, .context = &context};
    filch_future *f;
    filch_future *queued;
    filch_error error;

    assert_int_equal(filch_token_create(&at.token, NULL, FILCH_FOREVER), 0);
    o.token = at.token;
    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_with(ex, &o, task_waits_and_fails, &at, &f), 0);
    queued = is_on_executor ? promise() : submit(ex, task_echo, NULL);
    assert_int_equal(
        filch_future_add_done_callback_on(queued, is_on_executor ? ex : NULL, looks_around, &at),
        0);
    if (is_on_executor)
        assert_int_equal(filch_promise_set_result(queued, NULL), 0);
    let_go(&hold);
    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 9);
    assert_string_not_equal(error.message, "the callback's");
    filch_future_release(f);
    filch_future_release(queued);
    filch_future_release(at.end);
    filch_token_release(at.token);
    filch_executor_destroy(ex);
}

TEST(a_callback_that_a_waiting_worker_runs_has_nothing_of_the_waiting_task_s)
{
    check_callback_on_top(true);
}

TEST(a_callback_of_what_a_waiting_worker_runs_has_nothing_of_the_waiting_task_s)
{
    check_callback_on_top(false);
}
