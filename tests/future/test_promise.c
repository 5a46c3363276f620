/* SPDX-License-Identifier: MIT
 *
 * test_promise.c: futures completed by hand: every order of calls, the message, the last
 * release. */
#include "sched/work.h"

/* ---- Every order of calls ---- */

enum op {
    OP_START,
    OP_RESULT,
    OP_ERROR,
    OP_NO_ERROR, /* set_error with code 0 */
    OP_CANCEL,
    OPS
};

static int play(filch_future *f, enum op op)
{
    switch (op) {
    case OP_START:
        return filch_promise_start(f);
    case OP_RESULT:
        return filch_promise_set_result(f, f);
    case OP_ERROR:
        return filch_promise_set_error(f, 9, "nine");
    case OP_NO_ERROR:
        return filch_promise_set_error(f, 0, "none");
    case OP_CANCEL:
        return filch_future_cancel(f);
    case OPS:
        break;
    }
    return 0;
}

/* What the call has to return, by the header; moves *state on. */
static int foretell(enum filch_state *state, enum op op)
{
    const bool is_open = *state == FILCH_PENDING || *state == FILCH_RUNNING;

    switch (op) {
    case OP_START:
        if (*state == FILCH_CANCELLED)
            return 0;
        if (*state != FILCH_PENDING)
            return FILCH_ESTATE;
        *state = FILCH_RUNNING;
        return 1;
    case OP_RESULT:
    case OP_ERROR:
        if (!is_open)
            return FILCH_ESTATE;
        *state = op == OP_RESULT ? FILCH_FINISHED : FILCH_FAILED;
        return 0;
    case OP_NO_ERROR:
        return FILCH_EINVAL;
    case OP_CANCEL:
        if (*state == FILCH_PENDING)
            *state = FILCH_CANCELLED;
        return *state == FILCH_CANCELLED;
    case OPS:
        break;
    }
    return 0;
}

static void check_outcome(filch_future *f, enum filch_state state)
{
    filch_error error;
    void *result = NULL;
    const int expected = state == FILCH_FINISHED    ? 0
                         : state == FILCH_FAILED    ? 9
                         : state == FILCH_CANCELLED ? FILCH_ECANCELED
                                                    : FILCH_ETIMEDOUT;

    assert_int_equal(filch_future_state(f), state);
    assert_int_equal(filch_future_result(f, FILCH_NOW, &result), expected);
    assert_ptr_equal(result, state == FILCH_FINISHED ? f : NULL);
    if (state == FILCH_FAILED) {
        assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
        assert_int_equal(error.code, 9);
        assert_string_equal(error.message, "nine");
        assert_string_equal(error.domain, "promise");
    }
}

static void count_call(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    count_one(user);
}

TEST(every_order_of_four_calls_returns_what_the_state_allows)
{
    const unsigned orders = OPS * OPS * OPS * OPS;

    for (unsigned order = 0; order < orders; order++) {
        filch_future *f = promise();
        enum filch_state now = FILCH_PENDING;
        counter calls = 0;
        unsigned rest = order;

        assert_int_equal(filch_future_add_done_callback(f, count_call, &calls), 0);
        for (int i = 0; i < 4; i++, rest /= OPS) {
            enum op op = (enum op)(rest % OPS);
            int expected = foretell(&now, op);

            assert_int_equal(play(f, op), expected);
            check_outcome(f, now);
            assert_int_equal(count_of(&calls), now >= FILCH_FINISHED);
        }
        filch_future_release(f);
    }
}

static void complete_again(filch_future *f, void *user)
{
    test_check(filch_promise_set_result(f, NULL) == FILCH_ESTATE);
    test_check(filch_promise_set_error(f, 1, "again") == FILCH_ESTATE);
    test_check(!filch_future_cancel(f));
    count_one(user);
}

TEST(a_callback_finds_the_promise_completed)
{
    filch_future *f = promise();
    counter calls = 0;

    assert_int_equal(filch_future_add_done_callback(f, complete_again, &calls), 0);
    assert_int_equal(filch_promise_start(f), 1);
    assert_int_equal(filch_promise_set_result(f, f), 0);
    assert_int_equal(count_of(&calls), 1);
    check_outcome(f, FILCH_FINISHED);
    filch_future_release(f);
}

/* ---- The message ---- */

TEST(the_message_is_copied)
{
    filch_future *f = promise();
    filch_error error;
    char message[] = "a message of the caller's";

    assert_int_equal(filch_promise_set_error(f, 5, message), 0);
    memset(message, 'x', sizeof message - 1);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_ptr_not_equal(error.message, message);
    assert_string_equal(error.message, "a message of the caller's");
    filch_future_release(f);
}

TEST(a_message_of_any_length_comes_back_whole)
{
    static char message[100001];
    static const size_t lengths[] = {0, 1, 63, 64, 4096, 100000};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        filch_future *f = promise();
        filch_error error;

        memset(message, 'm', lengths[i]);
        message[lengths[i]] = '\0';
        assert_int_equal(filch_promise_set_error(f, 1, message), 0);
        assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
        assert_string_equal(error.message, message);
        filch_future_release(f);
    }
}

TEST(without_a_message_there_is_a_text_all_the_same)
{
    static const int codes[] = {1, INT_MAX, -1, INT_MIN, FILCH_EFULL};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        filch_future *f = promise();
        filch_error error;

        assert_int_equal(filch_promise_set_error(f, codes[i], NULL), 0);
        assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
        assert_int_equal(error.code, codes[i]);
        assert_string_equal(error.domain, "promise");
        assert_non_null(error.message);
        assert_int_not_equal(strlen(error.message), 0);
        assert_int_equal(finish(f), codes[i]);
    }
}

TEST(a_code_of_zero_leaves_the_promise_as_it_was)
{
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error(f, 0, NULL), FILCH_EINVAL);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(filch_promise_set_result(f, f), 0);
    assert_int_equal(filch_promise_set_error(f, 0, NULL), FILCH_EINVAL);
    check_outcome(f, FILCH_FINISHED);
    filch_future_release(f);
}

/* ---- Futures of tasks ---- */

static void check_no_promise(filch_future *f)
{
    enum filch_state before = filch_future_state(f);

    assert_int_equal(filch_promise_start(f), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_result(f, NULL), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_error(f, 1, "no"), FILCH_ESTATE);
    assert_int_equal(filch_future_state(f), before);
}

TEST(a_tasks_future_is_no_promise_in_any_state)
{
    static const enum filch_backend backends[] = {FILCH_BACKEND_STEAL, FILCH_BACKEND_MUTEX};

    for (size_t i = 0; i < 2; i++) {
        filch_executor *ex = pool_with((filch_options){.workers = 1, .backend = backends[i]});
        struct gate gate = {0};
        filch_future *running = submit(ex, task_gate, &gate);

        gate_await(&gate, 1);
        filch_future *failing = submit(ex, task_fail, number(2));
        filch_future *cancelled = submit(ex, task_echo, NULL);
        assert_true(filch_future_cancel(cancelled));
        check_no_promise(running);
        check_no_promise(failing);
        check_no_promise(cancelled);
        gate_open(&gate);
        assert_int_equal(outcome(running), 0);
        assert_int_equal(outcome(failing), 2);
        check_no_promise(running);
        check_no_promise(failing);
        filch_future_release(running);
        filch_future_release(failing);
        filch_future_release(cancelled);
        filch_executor_destroy(ex);
    }
}

/* ---- Waiters ---- */

static void watch_or_complete(unsigned i, void *arg)
{
    filch_future *f = arg;
    filch_future *array[2] = {f, f};
    filch_error error;

    switch (i) {
    case 0:
        test_check(filch_future_result(f, FILCH_FOREVER, NULL) == 6);
        return;
    case 1:
        test_check(filch_future_error(f, FILCH_FOREVER, &error) == 0);
        test_check(error.code == 6 && strcmp(error.message, "six") == 0);
        return;
    case 2:
        test_check(filch_wait(array, 2, FILCH_FIRST_EXCEPTION, FILCH_FOREVER) == 2);
        return;
    default:
        test_check(filch_promise_start(f) == 1);
        test_check(filch_promise_set_error(f, 6, "six") == 0);
        return;
    }
}

TEST(whoever_waits_for_a_promise_is_told_with_the_whole_error)
{
    for (size_t i = test_scaled(200); i > 0; i--) {
        filch_future *f = promise();

        test_threads(4, watch_or_complete, f);
        filch_future_release(f);
    }
}

/* ---- The last release ---- */

static void never(filch_future *f, void *user)
{
    (void)f;
    (void)user;
    test_check(false);
}

TEST(a_promise_released_uncompleted_calls_nobody_and_leaves_nothing)
{
    for (int started = 0; started < 2; started++) {
        filch_future *f = promise();

        for (int i = 0; i < 10; i++)
            assert_int_equal(filch_future_add_done_callback(f, never, f), 0);
        assert_int_equal(filch_wait(&f, 1, FILCH_ALL_COMPLETED, filch_in_us(10)), 0);
        if (started)
            assert_int_equal(filch_promise_start(f), 1);
        assert_ptr_equal(filch_future_retain(f), f);
        filch_future_release(f);
        assert_int_equal(filch_future_state(f), started ? FILCH_RUNNING : FILCH_PENDING);
        filch_future_release(f);
    }
}

static void complete_and_release(filch_future *f, void *user)
{
    filch_future *next = user;

    (void)f;
    test_check(filch_promise_set_error(next, 3, "passed on") == 0);
    filch_future_release(next);
}

TEST(a_chain_of_promises_completes_and_frees_itself)
{
    enum {
        LINKS = 1000
    };
    filch_future *first = promise();
    filch_future *f = first;
    counter calls = 0;

    for (int i = 0; i < LINKS; i++) {
        filch_future *next = promise();
        assert_int_equal(filch_future_add_done_callback(f, complete_and_release, next), 0);
        f = next;
    }
    assert_int_equal(filch_future_add_done_callback(f, count_call, &calls), 0);
    assert_int_equal(filch_promise_set_result(first, NULL), 0);
    assert_int_equal(count_of(&calls), 1);
    filch_future_release(first);
}
