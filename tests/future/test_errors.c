/* SPDX-License-Identifier: MIT
 *
 * test_errors.c: failures that say why: message and detail, whose they are, and where they go. */
#include "sched/work.h"

/* ---- What a task says ---- */

struct detail {
    counter destroyed;
};

static void destroy_detail(void *detail)
{
    struct detail *d = detail;

    count_one(&d->destroyed);
}

enum {
    CODE = 7,
    OTHER = 8
};

/* What the task that is given it does. */
struct failing {
    struct detail detail;
    struct detail first; /* given by an earlier call */
    int returns;
    bool twice;
    filch_executor *ex; /* a child fails in between */
};

static int fail_inside(void *arg, void **result)
{
    (void)result;
    return filch_fail(CODE, "inside", arg, destroy_detail);
}

static int fail_with(void *arg, void **result)
{
    struct failing *x = arg;

    (void)result;
    if (x->twice)
        test_check(filch_fail(CODE, "first", &x->first, destroy_detail) == CODE);
    test_check(filch_fail(CODE, "no such file", &x->detail, destroy_detail) == CODE);
    if (x->ex != NULL) {
        filch_future *child = submit(x->ex, fail_inside, &x->first);
        filch_error error;

        test_check(filch_future_error(child, FILCH_FOREVER, &error) == 0);
        test_check(strcmp(error.message, "inside") == 0 && error.detail == &x->first);
        filch_future_release(child);
    }
    return x->returns;
}

static filch_error error_of(filch_future *f)
{
    filch_error error;

    test_check(filch_future_error(f, FILCH_FOREVER, &error) == 0);
    return error;
}

TEST(a_task_s_message_and_detail_are_its_future_s)
{
    struct failing x = {.returns = CODE};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, fail_with, &x);
    filch_error error = error_of(f);
    filch_snapshot s;

    assert_int_equal(error.code, CODE);
    assert_string_equal(error.domain, "task");
    assert_string_equal(error.message, "no such file");
    assert_ptr_equal(error.detail, &x.detail);
    assert_int_equal(filch_future_snapshot(f, &s), 0);
    assert_int_equal(s.error.code, CODE);
    assert_ptr_equal(s.error.message, error.message);
    assert_ptr_equal(s.error.detail, error.detail);
    assert_int_equal(outcome(f), CODE);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&x.detail.destroyed), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&x.detail.destroyed), 1);
}

TEST(a_task_that_returns_another_status_has_said_nothing)
{
    struct failing x[2] = {{.returns = OTHER}, {.returns = 0}};
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 2; i++) {
        filch_future *f = submit(ex, fail_with, &x[i]);
        filch_error error = error_of(f);

        assert_int_equal(error.code, x[i].returns);
        assert_null(error.detail);
        assert_string_equal(error.message, i == 0 ? "the task returned its own error" : "");
        assert_int_equal(count_of(&x[i].detail.destroyed), 1);
        filch_future_release(f);
        assert_int_equal(count_of(&x[i].detail.destroyed), 1);
    }
    filch_executor_destroy(ex);
}

TEST(what_a_task_says_last_counts)
{
    struct failing x = {.returns = CODE, .twice = true};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, fail_with, &x);

    assert_string_equal(error_of(f).message, "no such file");
    assert_int_equal(count_of(&x.first.destroyed), 1);
    assert_int_equal(count_of(&x.detail.destroyed), 0);
    filch_executor_destroy(ex); /* the worker has a reference, too, until a moment after the end */
    filch_future_release(f);
    assert_int_equal(count_of(&x.detail.destroyed), 1);
}

TEST(a_task_that_runs_on_top_of_another_speaks_for_itself)
{
    filch_executor *ex = pool_of(1);
    struct failing x = {.returns = CODE, .ex = ex};
    filch_future *f = submit(ex, fail_with, &x);

    assert_string_equal(error_of(f).message, "no such file");
    assert_ptr_equal(error_of(f).detail, &x.detail);
    assert_int_equal(count_of(&x.first.destroyed), 1);
    assert_true(stats_of(ex).helped >= 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&x.detail.destroyed), 1);
}

TEST(a_task_without_a_future_leaves_no_detail)
{
    struct failing x = {.returns = CODE};
    filch_executor *ex = pool_of(1);

    assert_int_equal(filch_submit(ex, fail_with, &x, NULL), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&x.detail.destroyed), 1);
}

static int fail_shortly(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_fail(CODE, NULL, NULL, NULL);
}

static int fail_with_a_status(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_fail(FILCH_ENOMEM, "no room", NULL, NULL);
}

TEST(a_failure_without_a_message_has_that_of_its_code)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, fail_shortly, NULL);

    assert_string_equal(error_of(f).message, "the task returned its own error");
    filch_future_release(f);
    f = submit(ex, fail_with_a_status, NULL);
    assert_string_equal(error_of(f).domain, "filch");
    assert_string_equal(error_of(f).message, "no room");
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(outside_of_a_task_there_is_nobody_to_speak_for)
{
    struct detail d = {0};

    assert_int_equal(filch_fail(CODE, "nobody", &d, destroy_detail), CODE);
    assert_int_equal(count_of(&d.destroyed), 1);
    assert_int_equal(filch_fail(0, "nothing", &d, destroy_detail), FILCH_EINVAL);
    assert_int_equal(count_of(&d.destroyed), 2);
    assert_int_equal(filch_fail(CODE, NULL, &d, NULL), CODE);
}

static int fail_with_0(void *arg, void **result)
{
    (void)result;
    return filch_fail(0, "nothing", arg, destroy_detail);
}

TEST(a_failure_with_0_is_invalid)
{
    struct detail d = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, fail_with_0, &d);

    assert_int_equal(finish(f), FILCH_EINVAL);
    assert_int_equal(count_of(&d.destroyed), 1);
    filch_executor_destroy(ex);
}

/* ---- Where it goes ---- */

static int pass(filch_future *before, void *arg, void **result)
{
    (void)before, (void)arg, (void)result;
    return 0;
}

TEST(a_failure_that_is_passed_on_keeps_code_domain_and_message)
{
    struct failing x = {.returns = CODE};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, fail_with, &x);
    filch_future *then;
    filch_future *all;

    assert_int_equal(filch_then(f, ex, 0, pass, NULL, &then), 0);
    assert_int_equal(filch_all(&then, 1, &all), 0);
    assert_int_equal(error_of(all).code, CODE);
    assert_string_equal(error_of(all).domain, "task");
    assert_string_equal(error_of(all).message, "no such file");
    assert_null(error_of(all).detail);
    assert_null(error_of(then).detail);
    assert_ptr_equal(error_of(f).detail, &x.detail);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&x.detail.destroyed), 0);
    assert_string_equal(error_of(all).message, "no such file");
    filch_future_release(then);
    filch_future_release(all);
    assert_int_equal(count_of(&x.detail.destroyed), 1);
}

static int fail_after(filch_future *before, void *arg, void **result)
{
    (void)before, (void)result;
    return filch_fail(OTHER, "then", arg, destroy_detail);
}

TEST(a_continuation_says_why_it_fails_too)
{
    struct detail d = {0};
    filch_future *f = promise();
    filch_future *out;

    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(filch_then(f, NULL, 0, fail_after, &d, &out), 0);
    assert_int_equal(error_of(out).code, OTHER);
    assert_string_equal(error_of(out).message, "then");
    assert_ptr_equal(error_of(out).detail, &d);
    filch_future_release(f);
    filch_future_release(out);
    assert_int_equal(count_of(&d.destroyed), 1);
}

TEST(of_a_scope_s_task_and_a_map_s_call_the_code_is_kept)
{
    struct failing x[2] = {{.returns = CODE}, {.returns = CODE}};
    void *args[] = {&x[0]};
    filch_executor *ex = pool_of(1);
    filch_scope *s;

    assert_int_equal(filch_map_array(ex, fail_with, args, NULL, 1), CODE);
    assert_int_equal(filch_scope_open(&s, ex, NULL), 0);
    assert_int_equal(filch_scope_spawn(s, fail_with, &x[1]), 0);
    assert_int_equal(filch_scope_join(s), CODE);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&x[0].detail.destroyed), 1);
    assert_int_equal(count_of(&x[1].detail.destroyed), 1);
}

TEST(a_rival_s_tasks_say_why_they_fail)
{
    const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                         FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};

    for (size_t i = 0; i < sizeof rivals / sizeof rivals[0]; i++) {
        struct failing x = {.returns = CODE};
        filch_executor *ex = pool_with((filch_options){.workers = 1, .backend = rivals[i]});
        filch_future *f = submit(ex, fail_with, &x);

        assert_string_equal(error_of(f).message, "no such file");
        filch_future_release(f);
        filch_executor_destroy(ex);
        assert_int_equal(count_of(&x.detail.destroyed), 1);
    }
}

/* ---- Promises ---- */

TEST(a_promise_fails_with_a_detail)
{
    struct detail d[2] = {0};
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error_with(f, CODE, "why", &d[0], destroy_detail), 0);
    assert_int_equal(error_of(f).code, CODE);
    assert_string_equal(error_of(f).domain, "promise");
    assert_string_equal(error_of(f).message, "why");
    assert_ptr_equal(error_of(f).detail, &d[0]);
    assert_int_equal(filch_promise_set_error_with(f, CODE, "late", &d[1], destroy_detail),
                     FILCH_ESTATE);
    assert_int_equal(count_of(&d[1].destroyed), 1);
    assert_int_equal(count_of(&d[0].destroyed), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&d[0].destroyed), 1);
}

TEST(a_promise_takes_a_detail_over_even_if_it_can_not_fail)
{
    struct detail d = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error_with(f, 0, "none", &d, destroy_detail), FILCH_EINVAL);
    assert_int_equal(count_of(&d.destroyed), 1);
    assert_int_equal(filch_promise_set_error_with(NULL, CODE, "none", &d, destroy_detail),
                     FILCH_EINVAL);
    assert_int_equal(count_of(&d.destroyed), 2);
    filch_future_release(f);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_promise_set_error_with(f, CODE, "a task's", &d, destroy_detail),
                     FILCH_ESTATE);
    assert_int_equal(count_of(&d.destroyed), 3);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
}

/* ---- R14 ---- */

TEST(r14_an_error_is_told_by_its_state_and_never_by_what_it_says)
{
    filch_future *f = promise();
    filch_snapshot s;

    assert_int_equal(filch_promise_set_error_with(f, -1, "", NULL, NULL), 0);
    assert_int_equal(filch_future_snapshot(f, &s), 0);
    assert_int_equal(s.state, FILCH_FAILED);
    assert_int_equal(s.error.code, -1);
    assert_string_equal(s.error.message, "");
    assert_int_equal(finish(f), -1);
}
