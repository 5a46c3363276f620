/* SPDX-License-Identifier: MIT
 *
 * test_then.c: what comes after a future ends as it should, whatever the future ended as; chains of any
 * length take no stack; and what is combined from many leaves nothing behind in them. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <errno.h>
#include <pthread.h>

static void end(filch_future *f, int status)
{
    if (status == 0)
        test_check(filch_promise_set_result(f, f) == 0);
    else if (status == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, status, "why it failed") == 0);
}

static filch_future *then(filch_future *f, filch_executor *ex, unsigned flags, filch_then_fn *fn,
                          void *arg)
{
    filch_future *out = NULL;

    test_check(filch_then(f, ex, flags, fn, arg, &out) == 0);
    test_check(out != NULL);
    return out;
}

static void check_result(filch_future *f, void *expected)
{
    void *result = &result;

    assert_int_equal(filch_future_state(f), FILCH_FINISHED);
    assert_int_equal(filch_future_result(f, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, expected);
}

static void check_failed(filch_future *f, int code, const char *message)
{
    filch_error error;

    assert_int_equal(filch_future_state(f), FILCH_FAILED);
    assert_int_equal(outcome(f), code);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, code);
    assert_string_equal(error.message, message);
}

static void promises(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f[i] = promise();
}

static void release_all(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

/* ---- Continuations ---- */

/* What a continuation was called with, and what it is to return. */
struct call {
    counter calls;
    filch_future *before;
    int status;
    void *result;
    bool sets;
};

static int note_call(filch_future *before, void *arg, void **result)
{
    struct call *c = arg;

    count_one(&c->calls);
    test_check(filch_future_done(before));
    test_check(*result == NULL);
    c->before = before;
    if (c->sets)
        *result = c->result;
    return c->status;
}

static int add_one(filch_future *before, void *arg, void **result)
{
    (void)arg;
    test_check(filch_future_result(before, FILCH_NOW, result) == 0);
    *result = number((intptr_t)*result + 1);
    return 0;
}

/* In the order in which a future may end, and both before and after the call. */
enum {
    OVER_BEFORE = 1,
    OVER_AFTER = 0
};

TEST(a_continuation_runs_once_with_the_future_that_is_over)
{
    for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
        struct call c = {.sets = true, .result = &c};
        filch_future *f = promise();

        if (when == OVER_BEFORE)
            end(f, 0);
        filch_future *out = then(f, NULL, 0, note_call, &c);
        assert_int_equal(count_of(&c.calls), when == OVER_BEFORE);
        if (when == OVER_AFTER) {
            assert_int_equal(filch_future_state(out), FILCH_PENDING);
            end(f, 0);
        }
        assert_int_equal(count_of(&c.calls), 1);
        assert_ptr_equal(c.before, f);
        check_result(out, &c);
        check_result(f, f);
        filch_future_release(out);
        filch_future_release(f);
    }
}

TEST(a_continuation_that_sets_nothing_gives_null)
{
    struct call c = {.status = 0};
    filch_future *f = promise();
    filch_future *out = then(f, NULL, 0, note_call, &c);

    end(f, 0);
    check_result(out, NULL);
    filch_future_release(out);
    filch_future_release(f);
}

TEST(what_a_continuation_returns_is_how_it_ends)
{
    static const int returned[] = {1, INT_MAX, FILCH_ENOMEM, FILCH_ECANCELED, INT_MIN};

    for (size_t i = 0; i < sizeof returned / sizeof returned[0]; i++) {
        struct call c = {.status = returned[i], .sets = true, .result = &c};
        filch_future *f = promise();
        filch_future *out = then(f, NULL, FILCH_THEN_FLATTEN, note_call, &c);

        end(f, 0);
        assert_int_equal(count_of(&c.calls), 1);
        assert_int_equal(outcome(out), returned[i]);
        assert_false(filch_future_state(out) == FILCH_FINISHED);
        filch_future_release(out);
        filch_future_release(f);
    }
}

TEST(a_failure_goes_on_with_code_and_message_and_calls_nothing)
{
    static const int codes[] = {1, -1, FILCH_ENOMEM, FILCH_ETIMEDOUT, FILCH_ECANCELED, INT_MAX};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            struct call c = {.status = 0};
            filch_future *f = promise();

            if (when == OVER_BEFORE)
                test_check(filch_promise_set_error(f, codes[i], "why it failed") == 0);
            filch_future *out = then(f, NULL, 0, note_call, &c);
            filch_future *further = then(out, NULL, FILCH_THEN_FLATTEN, note_call, &c);
            filch_future *last = then(further, NULL, 0, NULL, NULL);
            if (when == OVER_AFTER)
                test_check(filch_promise_set_error(f, codes[i], "why it failed") == 0);
            filch_future_release(f);
            check_failed(out, codes[i], "why it failed");
            check_failed(further, codes[i], "why it failed");
            check_failed(last, codes[i], "why it failed");
            assert_int_equal(count_of(&c.calls), 0);
            filch_future_release(out);
            filch_future_release(further);
            filch_future_release(last);
        }
    }
}

TEST(a_tasks_own_failure_goes_on_as_what_it_is)
{
    filch_executor *ex = pool_of(1);
    static const int codes[] = {42, FILCH_ENOMEM};

    for (int i = 0; i < 2; i++) {
        filch_future *f = submit(ex, task_fail, number(codes[i]));
        filch_future *out = then(f, ex, 0, add_one, NULL);
        filch_future *further = then(out, NULL, 0, add_one, NULL);
        filch_error first;
        filch_error last;

        assert_int_equal(filch_future_error(f, FILCH_FOREVER, &first), 0);
        assert_int_equal(filch_future_error(further, FILCH_FOREVER, &last), 0);
        assert_int_equal(last.code, codes[i]);
        assert_string_equal(last.domain, first.domain);
        assert_string_equal(last.message, first.message);
        assert_int_equal(outcome(out), codes[i]);
        filch_future_release(further);
        filch_future_release(out);
        filch_future_release(f);
    }
    filch_executor_destroy(ex);
}

TEST(a_cancellation_goes_on_as_a_cancellation)
{
    for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
        struct call c = {.status = 0};
        filch_future *f = promise();

        if (when == OVER_BEFORE)
            end(f, FILCH_ECANCELED);
        filch_future *out = then(f, NULL, 0, note_call, &c);
        filch_future *further = then(out, NULL, FILCH_THEN_FLATTEN, NULL, NULL);
        if (when == OVER_AFTER)
            end(f, FILCH_ECANCELED);
        assert_true(filch_future_cancelled(out));
        assert_true(filch_future_cancelled(further));
        assert_int_equal(count_of(&c.calls), 0);
        filch_future_release(out);
        filch_future_release(further);
        filch_future_release(f);
    }
}

TEST(with_always_a_failure_and_a_cancellation_are_the_continuations_to_handle)
{
    static const int ends[] = {0, 7, FILCH_ECANCELED, FILCH_ENOMEM};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            struct call c = {.sets = true, .result = &c};
            filch_future *f = promise();

            if (when == OVER_BEFORE)
                end(f, ends[i]);
            filch_future *out = then(f, NULL, FILCH_THEN_ALWAYS, note_call, &c);
            if (when == OVER_AFTER)
                end(f, ends[i]);
            assert_int_equal(count_of(&c.calls), 1);
            assert_ptr_equal(c.before, f);
            check_result(out, &c);
            filch_future_release(out);
            filch_future_release(f);
        }
    }
}

TEST(without_a_function_the_new_future_is_what_the_old_one_is)
{
    static const unsigned flags[] = {0, FILCH_THEN_ALWAYS};

    for (size_t i = 0; i < 2; i++) {
        filch_future *f[3];
        filch_future *out[3];

        promises(f, 3);
        for (int k = 0; k < 3; k++)
            out[k] = then(f[k], NULL, flags[i], NULL, NULL);
        end(f[0], 0);
        end(f[1], 9);
        end(f[2], FILCH_ECANCELED);
        check_result(out[0], f[0]);
        check_failed(out[1], 9, "why it failed");
        assert_true(filch_future_cancelled(out[2]));
        release_all(out, 3);
        release_all(f, 3);
    }
}

TEST(a_cancelled_continuation_is_not_called_and_leaves_the_old_future_alone)
{
    for (int always = 0; always < 2; always++) {
        struct call c = {.status = 0};
        filch_future *f = promise();
        filch_future *out = then(f, NULL, always ? FILCH_THEN_ALWAYS : 0, note_call, &c);
        filch_future *further = then(out, NULL, 0, note_call, &c);

        assert_true(filch_future_cancel(out));
        assert_true(filch_future_cancelled(further));
        assert_int_equal(filch_future_state(f), FILCH_PENDING);
        end(f, 0);
        check_result(f, f);
        assert_int_equal(count_of(&c.calls), 0);
        assert_true(filch_future_cancelled(out));
        filch_future_release(further);
        filch_future_release(out);
        filch_future_release(f);
    }
}

static int try_to_cancel(filch_future *before, void *arg, void **result)
{
    filch_future **out = arg;

    (void)before;
    test_check(filch_future_state(*out) == FILCH_RUNNING);
    test_check(!filch_future_cancel(*out));
    *result = number(1);
    return 0;
}

TEST(a_cancelled_continuation_needs_its_executor_no_more)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    filch_future *out = then(f, ex, 0, add_one, NULL);

    assert_true(filch_future_cancel(out));
    filch_executor_destroy(ex);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(finish(out), FILCH_ECANCELED);
    filch_future_release(f);
    assert_int_equal(blocks_now(), before);
}

TEST(a_continuation_that_runs_can_not_be_cancelled)
{
    filch_future *f = promise();
    filch_future *out = NULL;

    assert_int_equal(filch_then(f, NULL, 0, try_to_cancel, &out, &out), 0);
    end(f, 0);
    check_result(out, number(1));
    filch_future_release(out);
    filch_future_release(f);
}

TEST(continuations_and_callbacks_of_one_future_run_in_the_order_made)
{
    filch_future *f = promise();
    filch_future *out[3];
    struct call c[3] = {{.sets = true}, {.sets = true}, {.sets = true}};

    for (int i = 0; i < 3; i++) {
        c[i].result = number(i);
        out[i] = then(f, NULL, 0, note_call, &c[i]);
    }
    end(f, 0);
    for (int i = 0; i < 3; i++)
        check_result(out[i], number(i));
    release_all(out, 3);
    filch_future_release(f);
}

/* ---- References ---- */

static filch_future *seen_before;

static int see_result(filch_future *before, void *arg, void **result)
{
    seen_before = before;
    test_check(filch_future_result(before, FILCH_NOW, result) == 0);
    (void)arg;
    return 0;
}

TEST(the_old_futures_reference_may_go_at_once)
{
    int64_t at_first = blocks_now();
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_echo, number(5));
    filch_future *out = then(f, ex, 0, see_result, NULL);

    filch_future_release(f);
    assert_int_equal(outcome(out), 0);
    check_result(out, number(5));
    filch_future_release(out);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), at_first);
}

TEST(a_continuation_whose_future_nobody_keeps_runs_all_the_same)
{
    int64_t before = blocks_now();
    struct call c = {.status = 0};
    filch_future *f = promise();

    filch_future_release(then(f, NULL, 0, note_call, &c));
    end(f, 0);
    assert_int_equal(count_of(&c.calls), 1);
    filch_future_release(f);
    assert_int_equal(blocks_now(), before);
}

TEST(what_follows_a_future_that_everybody_gives_up_is_abandoned)
{
    int64_t before = blocks_now();

    for (unsigned flags = 0; flags <= (FILCH_THEN_ALWAYS | FILCH_THEN_FLATTEN); flags++) {
        struct call c = {.status = 0};
        filch_future *f = promise();
        filch_future *out = then(f, NULL, flags, note_call, &c);
        filch_future *bare = then(f, NULL, flags, NULL, NULL);
        filch_future *further = then(out, NULL, 0, note_call, &c);

        filch_future_release(f);
        assert_int_equal(outcome(out), FILCH_EABANDONED);
        assert_int_equal(outcome(bare), FILCH_EABANDONED);
        assert_int_equal(outcome(further), FILCH_EABANDONED);
        assert_int_equal(count_of(&c.calls), 0);
        filch_future_release(out);
        filch_future_release(bare);
        filch_future_release(further);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(one_that_was_cancelled_before_it_could_be_abandoned_stays_cancelled)
{
    int64_t before = blocks_now();
    filch_future *f = promise();
    filch_future *out = then(f, NULL, 0, add_one, NULL);

    assert_true(filch_future_cancel(out));
    filch_future_release(f);
    assert_true(filch_future_cancelled(out));
    filch_future_release(out);
    assert_int_equal(blocks_now(), before);
}

/* ---- Chains ---- */

/* As little stack as there is: what a sanitizer needs of it for itself grows with what it checks. */
enum {
    SMALL_STACK = (FL_ASAN || FL_TSAN ? 256 : 64) << 10
};

static void on_a_small_stack(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    test_check(pthread_attr_init(&attr) == 0);
    test_check(pthread_attr_setstacksize(&attr, SMALL_STACK) == 0);
    test_check(pthread_create(&thread, &attr, run, arg) == 0);
    test_check(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attr);
}

struct chain {
    filch_future *first;
    filch_future *last;
    size_t n;
    int end; /* -1: given up */
};

static void make_chain(struct chain *c, size_t n, unsigned flags)
{
    c->n = n;
    c->first = promise();
    c->last = filch_future_retain(c->first);
    for (size_t i = 0; i < n; i++) {
        filch_future *out = then(c->last, NULL, flags, add_one, NULL);

        filch_future_release(c->last);
        c->last = out;
    }
}

static void *end_chain(void *chain)
{
    const struct chain *c = chain;

    if (c->end == 0)
        test_check(filch_promise_set_result(c->first, NULL) == 0);
    else if (c->end != -1)
        end(c->first, c->end);
    filch_future_release(c->first);
    return NULL;
}

TEST(a_chain_of_a_million_continuations_takes_no_stack)
{
    int64_t before = blocks_now();
    struct chain c = {.end = 0};

    make_chain(&c, test_scaled(1000000), 0);
    on_a_small_stack(end_chain, &c);
    check_result(c.last, number((intptr_t)c.n));
    filch_future_release(c.last);
    assert_int_equal(blocks_now(), before);
}

TEST(a_failure_a_cancellation_and_an_end_that_never_comes_run_down_a_chain_without_stack)
{
    static const int ends[] = {5, FILCH_ECANCELED, -1};
    int64_t before = blocks_now();

    for (int i = 0; i < 3; i++) {
        struct chain c = {.end = ends[i]};

        make_chain(&c, test_scaled(200000), 0);
        on_a_small_stack(end_chain, &c);
        assert_int_equal(outcome(c.last), ends[i] == -1 ? FILCH_EABANDONED : ends[i]);
        filch_future_release(c.last);
        assert_int_equal(blocks_now(), before);
    }
}

/* Each link has a leaf beside it, made after it: what a link has put off is there when the leaf is told. */
TEST(a_chain_with_a_leaf_at_each_link_fails_without_stack)
{
    int64_t before = blocks_now();
    size_t n = test_scaled(200000);
    filch_future **leaf = malloc(n * sizeof(filch_future *));
    struct chain c = {.end = 5, .first = promise()};

    c.last = filch_future_retain(c.first);
    for (size_t i = 0; i < n; i++) {
        filch_future *out = then(c.last, NULL, 0, add_one, NULL);

        leaf[i] = then(c.last, NULL, 0, add_one, NULL);
        filch_future_release(c.last);
        c.last = out;
    }
    on_a_small_stack(end_chain, &c);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(finish(leaf[i]), 5);
    assert_int_equal(finish(c.last), 5);
    free(leaf);
    assert_int_equal(blocks_now(), before);
}

/* Nobody keeps the last one either: all of it goes, link by link. */
static void *give_up_chain(void *chain)
{
    const struct chain *c = chain;

    filch_future_release(c->last);
    filch_future_release(c->first);
    return NULL;
}

TEST(a_chain_that_nobody_keeps_goes_without_stack)
{
    int64_t before = blocks_now();
    struct chain c;

    make_chain(&c, test_scaled(200000), 0);
    on_a_small_stack(give_up_chain, &c);
    assert_int_equal(blocks_now(), before);
}

/* Each future is all of the one before it. */
TEST(a_tower_of_combinations_takes_no_stack)
{
    int (*const kinds[])(filch_future *const *, size_t,
                         filch_future **) = {filch_all, filch_any, filch_any_success, filch_race};
    int64_t before = blocks_now();

    for (int kind = 0; kind < 4; kind++) {
        for (int ending = 0; ending < 3; ending++) {
            static const int ends[] = {0, 6, FILCH_ECANCELED};
            struct chain c = {.end = ends[ending], .first = promise()};

            c.last = filch_future_retain(c.first);
            for (size_t i = test_scaled(20000); i > 0; i--) {
                filch_future *out = NULL;

                assert_int_equal(kinds[kind](&c.last, 1, &out), 0);
                filch_future_release(c.last);
                c.last = out;
            }
            on_a_small_stack(end_chain, &c);
            assert_true(filch_future_done(c.last));
            filch_future_release(c.last);
            assert_int_equal(blocks_now(), before);
        }
    }
}

TEST(a_chain_on_an_executor_runs_there_and_in_order)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);
        size_t n = test_scaled(50000);
        filch_future *first = promise();
        filch_future *last = filch_future_retain(first);
        void *result = NULL;

        for (size_t i = 0; i < n; i++) {
            filch_future *out = then(last, i % 3 == 2 ? NULL : ex, 0, add_one, NULL);

            filch_future_release(last);
            last = out;
        }
        assert_int_equal(filch_promise_set_result(first, NULL), 0);
        filch_future_release(first);
        assert_int_equal(filch_future_result(last, FILCH_FOREVER, &result), 0);
        assert_int_equal((intptr_t)result, n);
        filch_future_release(last);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(stats_of(ex).submitted, n - n / 3);
        filch_executor_destroy(ex);
    }
}

/* ---- On an executor ---- */

static _Thread_local bool is_worker;

static int mark_worker(void *arg)
{
    (void)arg;
    is_worker = true;
    return 0;
}

static int check_worker(filch_future *before, void *arg, void **result)
{
    (void)before;
    test_check(is_worker == (arg != NULL));
    *result = arg;
    return 0;
}

TEST(a_continuation_runs_on_its_executor_and_without_one_where_the_future_ends)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .on_thread_start = mark_worker});
    filch_future *f = promise();
    filch_future *there = then(f, ex, 0, check_worker, number(1));
    filch_future *here = then(f, NULL, 0, check_worker, NULL);

    end(f, 0);
    check_result(here, NULL);
    assert_int_equal(outcome(there), 0);
    check_result(there, number(1));
    filch_future_release(there);
    there = then(f, ex, 0, check_worker, number(1)); /* over already: not here either */
    assert_int_equal(finish(there), 0);
    filch_future_release(here);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(what_needs_no_function_takes_no_task)
{
    filch_executor *ex = pool_of(1);
    struct call c = {.status = 0};
    filch_future *f = promise();
    filch_future *failed = promise();
    filch_future *out[2] = {then(f, ex, 0, NULL, NULL), then(failed, ex, 0, note_call, &c)};

    end(f, 0);
    end(failed, 5);
    check_result(out[0], f);
    check_failed(out[1], 5, "why it failed");
    assert_int_equal(count_of(&c.calls), 0);
    assert_int_equal(stats_of(ex).submitted, 0);
    release_all(out, 2);
    filch_future_release(failed);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(a_continuation_that_is_queued_can_be_cancelled_alone_and_with_its_executor)
{
    int64_t before = blocks_now();

    for (int how = 0; how < 3; how++) {
        filch_executor *ex = pool_of(1);
        struct hold hold = {0};
        struct call c = {.status = 0};
        filch_future *f = promise();

        hold_worker(&hold, ex);
        filch_future *out = then(f, ex, FILCH_THEN_ALWAYS, note_call, &c);
        end(f, how == 2 ? 4 : 0);
        filch_future_release(f);
        assert_int_equal(filch_future_state(out), FILCH_PENDING);
        if (how == 0)
            assert_true(filch_future_cancel(out));
        else
            assert_int_equal(
                filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER),
                0);
        assert_true(filch_future_cancelled(out));
        let_go(&hold);
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&c.calls), 0);
        filch_future_release(out);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

static int start_badly(void *arg)
{
    (void)arg;
    return 1;
}

TEST(an_executor_that_can_not_take_it_is_how_the_continuation_ends)
{
    filch_executor *shut = pool_of(1);
    filch_executor *broken =
        pool_with((filch_options){.workers = 1, .on_thread_start = start_badly});
    struct call c = {.status = 0};
    filch_future *f = promise();

    assert_int_equal(filch_executor_shutdown(shut, FILCH_DRAIN, FILCH_FOREVER), 0);
    while (filch_executor_broken(broken) == NULL)
        sched_yield();
    filch_future *out[2] = {then(f, shut, 0, note_call, &c), then(f, broken, 0, note_call, &c)};
    end(f, 0);
    assert_int_equal(outcome(out[0]), FILCH_ESHUTDOWN);
    assert_int_equal(outcome(out[1]), FILCH_EBROKEN);
    assert_int_equal(count_of(&c.calls), 0);
    release_all(out, 2);
    filch_future_release(f);
    filch_executor_destroy(shut);
    filch_executor_destroy(broken);
}

TEST(an_executor_that_is_a_rivals_is_refused)
{
    for (int backend = FILCH_BACKEND_MUTEX; backend <= FILCH_BACKEND_SPAWN; backend++) {
        filch_options o = {.size = sizeof o, .workers = 1, .backend = (enum filch_backend)backend};
        filch_executor *ex = NULL;
        filch_future *out = NULL;
        void *result = NULL;

        int status = filch_executor_create(&ex, &o);
        if (status == FILCH_ENOTSUP)
            continue;
        assert_int_equal(status, 0);
        filch_future *f = submit(ex, task_echo, number(3));
        assert_int_equal(filch_then(f, ex, 0, add_one, NULL, &out), FILCH_ENOTSUP);
        assert_null(out);
        out = then(f, NULL, 0, add_one, NULL); /* where it ends, its futures do as any */
        assert_int_equal(filch_future_result(out, FILCH_FOREVER, &result), 0);
        assert_int_equal((intptr_t)result, 4);
        filch_future_release(out);
        filch_future_release(f);
        filch_executor_destroy(ex);
    }
}

struct inside {
    filch_executor *ex;
    bool on_executor;
};

static int task_wait_for_continuation(void *arg, void **result)
{
    const struct inside *in = arg;
    filch_future *child = submit(in->ex, task_echo, number(1));
    filch_future *out = then(child, in->on_executor ? in->ex : NULL, 0, add_one, NULL);
    int status = filch_future_result(out, FILCH_FOREVER, result);

    filch_future_release(child);
    filch_future_release(out);
    return status;
}

TEST(e6_a_task_may_wait_for_the_continuation_of_its_child_on_one_worker)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (int on = 0; on < 2; on++) {
            struct inside in = {
                pool_with((filch_options){.workers = 1, .help = (enum filch_help)help}), on != 0};
            filch_future *f = submit(in.ex, task_wait_for_continuation, &in);

            assert_int_equal(outcome(f), 0);
            check_result(f, number(2));
            filch_future_release(f);
            filch_executor_destroy(in.ex);
        }
    }
}

/* ---- Flattening ---- */

static int give_retained(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = filch_future_retain(arg);
    return 0;
}

TEST(a_flattened_continuation_ends_as_the_future_it_gives)
{
    static const int ends[] = {0, 11, FILCH_ECANCELED, FILCH_ENOMEM};
    int64_t before = blocks_now();

    for (int i = 0; i < 4; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            filch_future *inner = promise();
            filch_future *f = promise();
            filch_future *out = then(f, NULL, FILCH_THEN_FLATTEN, give_retained, inner);

            if (when == OVER_BEFORE)
                end(inner, ends[i]);
            end(f, 0);
            if (when == OVER_AFTER) {
                assert_false(filch_future_done(out));
                end(inner, ends[i]);
            }
            assert_int_equal(outcome(out), ends[i]);
            if (ends[i] == 0)
                check_result(out, inner);
            else if (ends[i] != FILCH_ECANCELED)
                check_failed(out, ends[i], "why it failed");
            filch_future_release(out);
            filch_future_release(f);
            filch_future_release(inner);
            assert_int_equal(blocks_now(), before);
        }
    }
}

TEST(what_gives_a_cancelled_future_is_cancelled)
{
    for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
        filch_future *inner = promise();
        filch_future *f = promise();
        filch_future *out = then(f, NULL, FILCH_THEN_FLATTEN, give_retained, inner);

        if (when == OVER_BEFORE)
            end(inner, FILCH_ECANCELED);
        end(f, 0);
        if (when == OVER_AFTER)
            end(inner, FILCH_ECANCELED);
        enum filch_state seen = filch_future_state(out);
        filch_future_release(out);
        filch_future_release(f);
        filch_future_release(inner);
        assert_int_equal(seen, FILCH_CANCELLED);
    }
}

TEST(null_is_a_result_like_any_other)
{
    struct call c = {.status = 0};
    filch_future *f = promise();
    filch_future *none = promise();
    filch_future *out[2] = {then(f, NULL, FILCH_THEN_FLATTEN, note_call, &c),
                            then(none, NULL, FILCH_THEN_FLATTEN, NULL, NULL)};

    end(f, 0);
    assert_int_equal(filch_promise_set_result(none, NULL), 0);
    check_result(out[0], NULL);
    check_result(out[1], NULL);
    release_all(out, 2);
    filch_future_release(none);
    filch_future_release(f);
}

TEST(without_a_function_a_future_that_has_a_future_is_what_that_one_is)
{
    static const int ends[] = {0, 11, FILCH_ECANCELED};
    int64_t before = blocks_now();

    for (unsigned flags = FILCH_THEN_FLATTEN; flags <= (FILCH_THEN_FLATTEN | FILCH_THEN_ALWAYS);
         flags++) {
        for (int i = 0; i < 3; i++) {
            filch_future *inner = promise();
            filch_future *f = promise();
            filch_future *out = then(f, NULL, flags, NULL, NULL);

            assert_int_equal(filch_promise_set_result(f, inner), 0);
            assert_false(filch_future_done(out));
            filch_future_release(f);
            end(inner, ends[i]); /* its reference is still there */
            assert_int_equal(outcome(out), ends[i]);
            assert_true(ends[i] != FILCH_ECANCELED || filch_future_cancelled(out));
            filch_future_release(out);
            filch_future_release(inner);
            assert_int_equal(blocks_now(), before);
        }
    }
}

static int give_self(filch_future *before, void *arg, void **result)
{
    filch_future **out = arg;

    (void)before;
    *result = filch_future_retain(*out);
    return 0;
}

TEST(a_future_that_would_end_as_itself_is_told_so)
{
    int64_t before = blocks_now();
    filch_future *f = promise();
    filch_future *out = NULL;

    assert_int_equal(filch_then(f, NULL, FILCH_THEN_FLATTEN, give_self, &out, &out), 0);
    end(f, 0);
    assert_int_equal(outcome(out), FILCH_EDEADLK);
    filch_future_release(f);
    filch_future_release(out);

    f = promise(); /* the same without a function */
    out = then(f, NULL, FILCH_THEN_FLATTEN, NULL, NULL);
    assert_int_equal(filch_promise_set_result(f, out), 0);
    assert_int_equal(outcome(out), FILCH_EDEADLK);
    filch_future_release(f);
    filch_future_release(out);
    assert_int_equal(blocks_now(), before);
}

TEST(a_future_that_is_given_away_undecided_and_alone_is_abandoned)
{
    int64_t before = blocks_now();
    filch_future *f = promise();
    filch_future *inner = promise();
    filch_future *out = then(f, NULL, FILCH_THEN_FLATTEN, give_retained, inner);

    end(f, 0);
    filch_future_release(inner);
    assert_int_equal(outcome(out), FILCH_EABANDONED);
    filch_future_release(out);
    filch_future_release(f);
    assert_int_equal(blocks_now(), before);
}

/* Each step gives the future of the rest, as a loop over asynchronous calls would. */
struct steps {
    filch_executor *ex;
    size_t left;
    filch_future *gate;
};

static int step(filch_future *before, void *arg, void **result)
{
    struct steps *s = arg;
    filch_future *next = NULL;

    (void)before;
    if (s->left == 0)
        return 0;
    s->left--;
    int status = filch_then(s->gate, s->ex, FILCH_THEN_FLATTEN, step, s, &next);
    *result = next;
    return status;
}

TEST(a_loop_of_flattened_steps_on_an_executor_ends)
{
    int64_t before = blocks_now();
    struct steps s = {pool_of(1), test_scaled(20000), promise()};

    end(s.gate, 0);
    filch_future *out = then(s.gate, s.ex, FILCH_THEN_FLATTEN, step, &s);
    assert_int_equal(finish(out), 0);
    assert_int_equal(s.left, 0);
    filch_executor_destroy(s.ex);
    filch_future_release(s.gate);
    assert_int_equal(blocks_now(), before);
}

static int give_task(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = submit(arg, task_echo, number(8));
    return 0;
}

TEST(a_continuation_may_submit_and_give_the_tasks_future_away)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_echo, NULL);
    filch_future *out[2] = {then(f, ex, FILCH_THEN_FLATTEN, give_task, ex),
                            then(f, NULL, FILCH_THEN_FLATTEN, give_task, ex)};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcome(out[i]), 0);
        check_result(out[i], number(8));
    }
    release_all(out, 2);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- One for many ---- */

typedef int combine_fn(filch_future *const *futures, size_t n, filch_future **out);

static filch_future *combine(combine_fn *fn, filch_future *const *f, size_t n)
{
    filch_future *out = NULL;

    test_check(fn(f, n, &out) == 0);
    test_check(out != NULL);
    return out;
}

TEST(all_finishes_when_the_last_has_finished)
{
    for (int over = 0; over <= 3; over++) {
        filch_future *f[3];

        promises(f, 3);
        for (int i = 0; i < over; i++)
            end(f[i], 0);
        filch_future *out = combine(filch_all, f, 3);
        for (int i = over; i < 3; i++) {
            assert_int_equal(filch_future_state(out), FILCH_PENDING);
            end(f[i], 0);
        }
        check_result(out, NULL);
        filch_future_release(out);
        release_all(f, 3);
    }
}

TEST(all_fails_with_the_first_that_fails_or_is_cancelled_and_leaves_the_others_alone)
{
    static const int ends[] = {5, FILCH_ENOMEM, FILCH_ECANCELED};

    for (int i = 0; i < 3; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            filch_future *f[4];

            promises(f, 4);
            end(f[3], 0);
            if (when == OVER_BEFORE)
                end(f[1], ends[i]);
            filch_future *out = combine(filch_all, f, 4);
            if (when == OVER_AFTER)
                end(f[1], ends[i]);
            assert_int_equal(outcome(out), ends[i]);
            if (ends[i] != FILCH_ECANCELED)
                check_failed(out, ends[i], "why it failed");
            assert_int_equal(filch_future_state(f[0]), FILCH_PENDING);
            end(f[2], 6);
            end(f[0], 0);
            assert_int_equal(outcome(out), ends[i]);
            filch_future_release(out);
            release_all(f, 4);
        }
    }
}

TEST(any_is_the_first_that_is_over_however_it_ended)
{
    static const int ends[] = {0, 5, FILCH_ECANCELED};

    for (int i = 0; i < 3; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            filch_future *f[3];

            promises(f, 3);
            if (when == OVER_BEFORE)
                end(f[2], ends[i]);
            filch_future *out = combine(filch_any, f, 3);
            if (when == OVER_AFTER) {
                assert_int_equal(filch_future_state(out), FILCH_PENDING);
                end(f[2], ends[i]);
            }
            check_result(out, f[2]);
            assert_int_equal(filch_future_state(f[0]), FILCH_PENDING);
            end(f[0], 0);
            check_result(out, f[2]);
            filch_future_release(out);
            release_all(f, 3);
        }
    }
}

TEST(of_several_that_are_over_any_is_the_first_given)
{
    filch_future *f[3];

    promises(f, 3);
    end(f[2], 0);
    end(f[1], 8);
    filch_future *out = combine(filch_any, f, 3);
    check_result(out, f[1]);
    filch_future_release(out);
    out = combine(filch_any_success, f, 3);
    check_result(out, f[2]);
    filch_future_release(out);
    release_all(f, 3);
}

TEST(any_success_passes_over_those_that_fail)
{
    for (int over = 0; over <= 3; over++) {
        static const int ends[] = {4, FILCH_ECANCELED, 0, 0};
        filch_future *f[4];

        promises(f, 4);
        for (int i = 0; i < over; i++)
            end(f[i], ends[i]);
        filch_future *out = combine(filch_any_success, f, 4);
        for (int i = over; i < 3; i++) {
            assert_int_equal(filch_future_state(out), FILCH_PENDING);
            end(f[i], ends[i]);
        }
        check_result(out, f[2]);
        assert_int_equal(filch_future_state(f[3]), FILCH_PENDING);
        filch_future_release(out);
        release_all(f, 4);
    }
}

TEST(any_success_fails_like_the_last_one_if_none_has_succeeded)
{
    for (int over = 0; over <= 3; over++) {
        static const int ends[] = {4, FILCH_ECANCELED, 6};
        filch_future *f[3];

        promises(f, 3);
        for (int i = 0; i < over; i++)
            end(f[i], ends[i]);
        filch_future *out = combine(filch_any_success, f, 3);
        for (int i = over; i < 3; i++)
            end(f[i], ends[i]);
        check_failed(out, 6, "why it failed");
        filch_future_release(out);
        release_all(f, 3);
    }
}

TEST(race_is_the_first_that_is_over_and_cancels_the_others)
{
    static const int ends[] = {0, 5, FILCH_ECANCELED};

    for (int i = 0; i < 3; i++) {
        for (int when = OVER_AFTER; when <= OVER_BEFORE; when++) {
            filch_future *f[4];

            promises(f, 4);
            assert_int_equal(filch_promise_start(f[3]), 1); /* too late to be cancelled */
            if (when == OVER_BEFORE)
                end(f[1], ends[i]);
            filch_future *out = combine(filch_race, f, 4);
            if (when == OVER_AFTER)
                end(f[1], ends[i]);
            check_result(out, f[1]);
            assert_int_equal(outcome(f[1]), ends[i]);
            assert_true(filch_future_cancelled(f[0]));
            assert_true(filch_future_cancelled(f[2]));
            assert_int_equal(filch_future_state(f[3]), FILCH_RUNNING);
            end(f[3], 0);
            check_result(out, f[1]);
            filch_future_release(out);
            release_all(f, 4);
        }
    }
}

TEST(of_none_at_all_all_has_finished_and_the_others_fail)
{
    static combine_fn *const others[] = {filch_any, filch_any_success, filch_race};
    filch_future *out = combine(filch_all, NULL, 0);

    check_result(out, NULL);
    filch_future_release(out);
    for (int i = 0; i < 3; i++) {
        out = combine(others[i], NULL, 0);
        assert_int_equal(filch_future_state(out), FILCH_FAILED);
        assert_int_equal(finish(out), FILCH_EINVAL);
    }
}

static combine_fn *const kinds[] = {filch_all, filch_any, filch_any_success, filch_race};

TEST(one_that_is_given_more_than_once_does_no_harm)
{
    for (int kind = 0; kind < 4; kind++) {
        filch_future *f = promise();
        filch_future *thrice[] = {f, f, f};
        filch_future *out = combine(kinds[kind], thrice, 3);

        end(f, 0);
        check_result(out, kind == 0 ? NULL : f);
        filch_future_release(out);
        filch_future_release(f);
    }
}

TEST(cancelling_the_one_leaves_the_many_alone)
{
    int64_t before = blocks_now();

    for (int kind = 0; kind < 4; kind++) {
        filch_future *f[3];
        enum filch_state seen[2];

        promises(f, 3);
        filch_future *out = combine(kinds[kind], f, 3);
        assert_true(filch_future_cancel(out));
        for (int i = 0; i < 2; i++)
            seen[i] = filch_future_state(f[i]);
        filch_promise_set_result(f[1], NULL);
        assert_true(filch_future_cancelled(out));
        filch_future_release(out);
        release_all(f, 3);
        assert_int_equal(blocks_now(), before);
        assert_int_equal(seen[0], FILCH_PENDING);
        assert_int_equal(seen[1], FILCH_PENDING);
    }
}

TEST(the_many_may_be_given_up_by_the_caller_and_are_kept)
{
    int64_t before = blocks_now();

    for (int kind = 0; kind < 4; kind++) {
        filch_executor *ex = pool_of(1);
        struct hold hold = {0};
        filch_future *f[3];

        hold_worker(&hold, ex);
        for (int i = 0; i < 3; i++)
            f[i] = submit(ex, task_echo, NULL);
        filch_future *out = combine(kinds[kind], f, 3);
        release_all(f, 3);
        let_go(&hold);
        assert_int_equal(outcome(out), 0);
        filch_future_release(out);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(a_combination_that_nobody_keeps_leaves_nothing_behind)
{
    int64_t before = blocks_now();

    for (int kind = 0; kind < 4; kind++) {
        filch_future *f[2];

        promises(f, 2);
        filch_future_release(combine(kinds[kind], f, 2));
        end(f[1], 0);
        if (!filch_future_done(f[0]))
            end(f[0], 0);
        release_all(f, 2);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(ten_thousand_are_one)
{
    enum {
        N = 10000
    };
    static filch_future *f[N];
    int64_t before = blocks_now();

    for (int kind = 0; kind < 4; kind++) {
        promises(f, N);
        filch_future *out = combine(kinds[kind], f, N);
        for (size_t i = N; i-- > 0;) {
            if (!filch_future_done(f[i]))
                end(f[i], 0);
            assert_int_equal(filch_future_done(out), kind != 0 || i == 0);
        }
        check_result(out, kind == 0 ? NULL : f[N - 1]);
        filch_future_release(out);
        release_all(f, N);
        assert_int_equal(blocks_now(), before);
    }
}

/* ---- Long-lived inputs ---- */

TEST(a_long_lived_future_in_a_hundred_thousand_combinations_keeps_nothing_of_them)
{
    filch_future *long_lived = promise();

    for (int kind = 0; kind < 3; kind++) {
        static combine_fn *const first_of[] = {filch_any, filch_any_success, filch_race};
        int64_t before = 0;

        for (size_t i = test_scaled(100000); i > 0; i--) {
            /* It is never cancelled, for that would be the end of it. */
            filch_future *f[2] = {promise(), long_lived};
            filch_future *out = NULL;

            if (first_of[kind] == filch_race && !filch_future_running(long_lived))
                assert_int_equal(filch_promise_start(long_lived), 1);
            out = combine(first_of[kind], f, 2);
            end(f[0], 0);
            check_result(out, f[0]);
            filch_future_release(out);
            filch_future_release(f[0]);
            if (before == 0)
                before = blocks_now();
            assert_int_equal(blocks_now(), before);
        }
    }
    end(long_lived, 0);
    filch_future_release(long_lived);
}

/* A server's: so many requests race its shutdown at once, each over before those that came later. */
TEST(a_long_lived_future_has_no_more_nodes_than_it_had_races_at_once)
{
    enum {
        AT_ONCE = 100
    };
    filch_future *long_lived = promise();
    filch_future *request[AT_ONCE];
    filch_future *out[AT_ONCE];
    int64_t before = 0;

    for (size_t i = 0; i < 10000; i++) {
        size_t at = i % AT_ONCE;

        if (i == AT_ONCE)
            before = blocks_now();
        if (i >= AT_ONCE) {
            end(request[at], 0);
            check_result(out[at], request[at]);
            filch_future_release(request[at]);
            filch_future_release(out[at]);
        }
        request[at] = promise();
        filch_future *f[2] = {request[at], long_lived};
        out[at] = combine(filch_any, f, 2);
    }
    int64_t grown = blocks_now() - before;
    end(long_lived, 0);
    release_all(out, AT_ONCE);
    release_all(request, AT_ONCE);
    filch_future_release(long_lived);
    assert_in_range(grown, 0, AT_ONCE);
}

/* ---- In a callback ---- */

struct deep {
    filch_executor *ex;
    filch_future *f[20];
    int length;
    int waited;
    int followed;
};

static void wait_here(filch_future *f, void *user)
{
    struct deep *d = user;
    filch_future *child = submit(d->ex, task_echo, NULL);
    filch_future *out = then(child, NULL, 0, add_one, NULL);

    (void)f;
    d->waited = (int)filch_wait(&child, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    filch_future *both[2] = {child, out};
    d->followed = (int)filch_wait(both, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    filch_future_release(child);
    filch_future_release(out);
}

static void end_next(filch_future *f, void *user)
{
    struct deep *d = user;

    for (int i = 0; i + 1 < d->length; i++) {
        if (d->f[i] == f) {
            end(d->f[i + 1], 0);
            return;
        }
    }
}

static int task_chain(void *arg, void **result)
{
    struct deep *d = arg;

    promises(d->f, (size_t)d->length);
    for (int i = 0; i + 1 < d->length; i++)
        test_check(filch_future_add_done_callback(d->f[i], end_next, d) == 0);
    test_check(filch_future_add_done_callback(d->f[d->length - 1], wait_here, d) == 0);
    end(d->f[0], 0);
    release_all(d->f, (size_t)d->length);
    *result = NULL;
    return 0;
}

/* Tellings that are put off because they would nest too deep are told to whoever waits for them, who would wait for
 * ever otherwise. */
TEST(a_callback_may_wait_on_the_only_worker_however_deep_it_is)
{
    for (int length = 1; length <= 20; length++) {
        struct deep d = {.ex = pool_of(1), .length = length};

        assert_int_equal(finish(submit(d.ex, task_chain, &d)), 0);
        filch_executor_destroy(d.ex);
        assert_int_equal(d.waited, 1);
        assert_int_equal(d.followed, 2);
    }
}

/* ---- Executors that end in a callback ---- */

struct ending {
    filch_future *f[20];
    int length;
    unsigned how; /* it ends: destroyed, shut down, or waited for */
};

static void end_next_of(filch_future *f, void *user)
{
    const struct ending *e = user;
    int i = 0;

    while (e->f[i] != f)
        i++;
    end(e->f[i + 1], 0);
}

static void end_executor_here(filch_future *f, void *user)
{
    const struct ending *e = user;
    filch_executor *ex = pool_of(1);
    filch_future *p = promise();
    filch_future *out = then(p, ex, 0, see_result, NULL);

    (void)f;
    end(p, 0);
    if (e->how == 0)
        filch_executor_destroy(ex);
    else if (e->how == 1)
        test_check(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
    else
        test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    test_check(filch_future_state(out) == FILCH_FINISHED);
    if (e->how != 0)
        filch_executor_destroy(ex);
    filch_future_release(out);
    filch_future_release(p);
}

TEST(what_a_callback_completes_is_told_before_an_executor_ends_however_deep_it_is)
{
    for (int length = 1; length <= 20; length++) {
        for (unsigned how = 0; how < 3; how++) {
            struct ending e = {.length = length, .how = how};

            promises(e.f, (size_t)length);
            for (int i = 0; i + 1 < length; i++)
                assert_int_equal(filch_future_add_done_callback(e.f[i], end_next_of, &e), 0);
            assert_int_equal(filch_future_add_done_callback(e.f[length - 1], end_executor_here, &e),
                             0);
            end(e.f[0], 0);
            release_all(e.f, (size_t)length);
        }
    }
}

/* ---- Arguments ---- */

TEST(what_is_missing_is_refused_and_nothing_is_made)
{
    int64_t before = blocks_now();
    filch_future *f[3] = {promise(), NULL, promise()};
    filch_future *out = NULL;
    volatile size_t beyond = SIZE_MAX; /* for the compiler to know nothing of */

    assert_int_equal(filch_then(NULL, NULL, 0, add_one, NULL, &out), FILCH_EINVAL);
    assert_int_equal(filch_then(f[0], NULL, 0, add_one, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_then(f[0], NULL, 4, add_one, NULL, &out), FILCH_EINVAL);
    assert_int_equal(filch_then(f[0], NULL, UINT_MAX, add_one, NULL, &out), FILCH_EINVAL);
    for (int kind = 0; kind < 4; kind++) {
        assert_int_equal(kinds[kind](f, 1, NULL), FILCH_EINVAL);
        assert_int_equal(kinds[kind](NULL, 1, &out), FILCH_EINVAL);
        assert_int_equal(kinds[kind](NULL, beyond, &out), FILCH_EINVAL);
        assert_int_equal(kinds[kind](f, 2, &out), FILCH_EINVAL);
        assert_int_equal(kinds[kind](f, 3, &out), FILCH_EINVAL);
    }
    assert_null(out);
    assert_int_equal(filch_future_state(f[0]), FILCH_PENDING);
    release_all(f, 3);
    assert_int_equal(blocks_now(), before);
}

TEST(errno_is_left_alone)
{
    filch_executor *ex = pool_of(1);
    errno = 4711;
    filch_future *f[2] = {submit(ex, task_echo, NULL), promise()};
    filch_future *out[2] = {then(f[0], ex, 0, add_one, NULL), combine(filch_race, f, 2)};

    test_check(outcome(out[0]) == 0);
    test_check(outcome(out[1]) == 0);
    release_all(out, 2);
    release_all(f, 2);
    assert_int_equal(errno, 4711);
    filch_executor_destroy(ex);
}

/* ---- Forks of whoever tells ---- */

/* A thread that forks, and joins as its stack is unwound. */
struct forker {
    filch_task task;
    bool has_run;
    bool is_joined;
    filch_future *f;
};

static int say_that_it_ran(void *arg, void **result)
{
    struct forker *x = arg;

    (void)result;
    x->has_run = true;
    return 0;
}

static void join_it(void *arg)
{
    struct forker *x = arg;

    x->is_joined = filch_join(&x->task, NULL) == 0;
}

static int exit_thread(filch_future *f, void *arg, void **result)
{
    (void)f, (void)arg, (void)result;
    pthread_exit(NULL);
}

static void *fork_and_tell(void *arg)
{
    struct forker *x = arg;

    filch_fork(&x->task, say_that_it_ran, x);
    pthread_cleanup_push(join_it, x);
    end(x->f, 0);
    pthread_cleanup_pop(1);
    test_check(false);
    return NULL;
}

TEST(what_was_forked_before_a_continuation_is_there_though_that_ends_the_thread)
{
    struct forker x = {.f = promise()};
    filch_future *out = then(x.f, NULL, 0, exit_thread, NULL);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fork_and_tell, &x), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(x.is_joined);
    assert_true(x.has_run);
    assert_int_equal(finish(out), FILCH_EABANDONED);
    filch_future_release(x.f);
}
