/* SPDX-License-Identifier: MIT
 *
 * test_values.c: who owns a result and an argument: taken once, destroyed once, by whom and when; and
 * what one look tells. */
#include "sched/work.h"

/* ---- What is destroyed ---- */

/* Words   destroyed   of a thing: how often, and by a thread that has told the test by other means */
struct thing {
    counter destroyed;
    counter arg_destroyed;
    int status; /* of the task whose argument and result it is */
};

static int dtor_arg;

static void destroy_value(void *value, void *arg)
{
    struct thing *t = value;

    test_check(arg == &dtor_arg);
    count_one(&t->destroyed);
}

static void destroy_arg(void *value, void *arg)
{
    struct thing *t = value;

    test_check(arg == &dtor_arg);
    count_one(&t->arg_destroyed);
}

/* Sets what it was given, and returns its status; its argument is still there. */
static int task_thing(void *arg, void **result)
{
    struct thing *t = arg;

    test_check(count_of(&t->arg_destroyed) == 0);
    *result = t;
    return t->status;
}

static const filch_task_options owning = {
    .size = sizeof owning,
    .name = "thing",
    .value_dtor = destroy_value,
    .arg_dtor = destroy_arg,
    .dtor_arg = &dtor_arg,
};

static filch_future *submit_thing(filch_executor *ex, struct thing *t)
{
    filch_future *f = NULL;

    test_check(filch_submit_with(ex, &owning, task_thing, t, &f) == 0);
    return f;
}

/* ---- Values ---- */

TEST(a_value_that_nobody_takes_goes_with_the_last_reference)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);
    void *result;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &t);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.destroyed), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&t.destroyed), 1);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
}

TEST(a_value_is_taken_once_and_is_the_taker_s)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);
    void *result = NULL;
    void *again = NULL;

    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &t);
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &again), FILCH_ESTATE);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &again), FILCH_ESTATE);
    assert_null(again);
    assert_int_equal(filch_future_state(f), FILCH_FINISHED);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.destroyed), 0);
}

TEST(a_value_without_a_dtor_is_taken_once_too)
{
    filch_future *f = promise();
    void *result = NULL;

    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), FILCH_ETIMEDOUT);
    assert_int_equal(filch_promise_set_result(f, &dtor_arg), 0);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, &dtor_arg);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), FILCH_ESTATE);
    filch_future_release(f);
}

TEST(what_has_failed_or_was_cancelled_says_so_to_a_taker)
{
    filch_future *f = promise();
    void *result = &dtor_arg;

    assert_int_equal(filch_promise_set_error(f, 9, NULL), 0);
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), 9);
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), 9);
    filch_future_release(f);
    f = promise();
    assert_true(filch_future_cancel(f));
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), FILCH_ECANCELED);
    filch_future_release(f);
    assert_ptr_equal(result, &dtor_arg);
}

TEST(a_take_without_a_future_or_a_place_for_the_result_is_invalid)
{
    filch_future *f = promise();
    void *result;

    assert_int_equal(filch_promise_set_result(f, &dtor_arg), 0);
    assert_int_equal(filch_future_take(NULL, FILCH_NOW, &result), FILCH_EINVAL);
    assert_int_equal(filch_future_take(f, FILCH_NOW, NULL), FILCH_EINVAL);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), 0);
    filch_future_release(f);
}

TEST(a_value_that_a_task_set_and_then_failed_is_destroyed)
{
    struct thing t = {.status = 5};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);

    assert_int_equal(outcome(f), 5);
    assert_int_equal(count_of(&t.destroyed), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.destroyed), 1);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
}

TEST(a_value_of_a_task_without_a_future_is_destroyed)
{
    struct thing t[2] = {{.status = 0}, {.status = 5}};
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_submit_with(ex, &owning, task_thing, &t[i], NULL), 0);
    filch_executor_destroy(ex);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(count_of(&t[i].destroyed), 1);
        assert_int_equal(count_of(&t[i].arg_destroyed), 1);
    }
}

static int task_nothing(void *arg, void **result)
{
    (void)arg, (void)result;
    return 0;
}

TEST(no_value_is_no_value_to_destroy)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;

    assert_int_equal(filch_submit_with(ex, &owning, task_nothing, &t, &f), 0);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.destroyed), 0);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
}

/* ---- Values that go on ---- */

static filch_future *then(filch_future *f, unsigned flags)
{
    filch_future *out = NULL;

    test_check(filch_then(f, NULL, flags, NULL, NULL, &out) == 0);
    return out;
}

TEST(a_future_that_is_what_another_was_keeps_its_value)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);
    filch_future *first = then(f, 0);
    filch_future *second = then(first, 0);
    void *result = NULL;

    filch_future_release(f);
    assert_int_equal(outcome(second), 0);
    filch_executor_destroy(ex);
    filch_future_release(first);
    assert_int_equal(count_of(&t.destroyed), 0);
    assert_int_equal(filch_future_result(second, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, &t);
    filch_future_release(second);
    assert_int_equal(count_of(&t.destroyed), 1);
}

TEST(a_take_from_one_is_a_take_from_the_other)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);
    filch_future *out = then(f, FILCH_THEN_ALWAYS);
    void *result = NULL;

    assert_int_equal(filch_future_take(out, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &t);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), FILCH_ESTATE);
    assert_int_equal(outcome(out), FILCH_ESTATE);
    filch_future_release(f);
    filch_future_release(out);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.destroyed), 0);
}

TEST(what_is_taken_before_it_goes_on_goes_on_as_taken)
{
    filch_future *f = promise();
    filch_future *out;
    void *result;

    assert_int_equal(filch_promise_set_result(f, &dtor_arg), 0);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), 0);
    out = then(f, 0);
    assert_int_equal(finish(out), FILCH_ESTATE);
    filch_future_release(f);
}

static int submit_inner(filch_future *before, void *arg, void **result)
{
    void *t = NULL;

    test_check(filch_future_take(before, FILCH_NOW, &t) == 0);
    *result = submit_thing(arg, t);
    return 0;
}

TEST(a_flattened_future_keeps_the_value_of_the_inner_one)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_echo, &t);
    filch_future *out;
    void *result = NULL;

    assert_int_equal(filch_then(f, ex, FILCH_THEN_FLATTEN, submit_inner, ex, &out), 0);
    filch_future_release(f);
    assert_int_equal(filch_future_result(out, FILCH_FOREVER, &result), 0);
    filch_executor_destroy(ex);
    assert_ptr_equal(result, &t);
    assert_int_equal(count_of(&t.destroyed), 0);
    filch_future_release(out);
    assert_int_equal(count_of(&t.destroyed), 1);
}

/* ---- Arguments ---- */

TEST(an_argument_goes_before_the_outcome_is_told)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_thing(ex, &t);

    assert_int_equal(outcome(f), 0);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static void find_it_gone(filch_future *f, void *thing)
{
    struct thing *t = thing;

    (void)f;
    test_check(count_of(&t->arg_destroyed) == 1);
}

TEST(an_argument_of_what_is_cancelled_goes_in_the_canceller_and_leaves_a_tombstone)
{
    struct hold h = {0};
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f;

    hold_worker(&h, ex);
    f = submit_thing(ex, &t);
    assert_int_equal(filch_future_add_done_callback(f, find_it_gone, &t), 0);
    assert_int_equal(stats_of(ex).tombstones, 0);
    assert_true(filch_future_cancel(f));
    assert_int_equal(count_of(&t.arg_destroyed), 1);
    assert_int_equal(stats_of(ex).tombstones, 1);
    assert_true(filch_future_cancel(f));
    assert_int_equal(stats_of(ex).tombstones, 1);
    let_go(&h);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).tombstones, 0);
    filch_executor_destroy(ex);
    filch_future_release(f);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
    assert_int_equal(count_of(&t.destroyed), 0);
}

TEST(an_argument_of_what_a_shutdown_cancels_goes_once)
{
    struct hold h = {0};
    struct thing t[3] = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f[2];

    hold_worker(&h, ex);
    f[0] = submit_thing(ex, &t[0]);
    f[1] = submit_thing(ex, &t[1]);
    assert_int_equal(filch_submit_with(ex, &owning, task_thing, &t[2], NULL), 0);
    assert_true(filch_future_cancel(f[0]));
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_of(&t[i].arg_destroyed), 1);
    assert_int_equal(stats_of(ex).tombstones, 0);
    let_go(&h);
    assert_int_equal(finish(f[0]), FILCH_ECANCELED);
    assert_int_equal(finish(f[1]), FILCH_ECANCELED);
    filch_executor_destroy(ex);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_of(&t[i].arg_destroyed), 1);
        assert_int_equal(count_of(&t[i].destroyed), 0);
    }
}

TEST(an_argument_of_what_expires_goes_once)
{
    filch_task_options late = owning;
    struct thing t[2] = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f;

    late.start_by = 1;
    assert_int_equal(filch_submit_with(ex, &late, task_thing, &t[0], &f), 0);
    assert_int_equal(filch_submit_with(ex, &late, task_thing, &t[1], NULL), 0);
    assert_int_equal(outcome(f), FILCH_EEXPIRED);
    assert_int_equal(count_of(&t[0].arg_destroyed), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t[0].arg_destroyed), 1);
    assert_int_equal(count_of(&t[1].arg_destroyed), 1);
}

static int fail_start(void *arg)
{
    struct gate *g = arg;

    gate_pass(g);
    return 1;
}

TEST(an_argument_of_what_a_broken_executor_drops_goes_once)
{
    struct gate g = {0};
    struct thing t = {0};
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_thread_start = fail_start, .hook_arg = &g});
    filch_future *f;

    gate_await(&g, 1);
    f = submit_thing(ex, &t);
    gate_open(&g);
    assert_int_equal(outcome(f), FILCH_EBROKEN);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.arg_destroyed), 1);
}

TEST(a_submit_that_fails_leaves_the_argument_to_the_caller)
{
    struct thing t = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_with(ex, &owning, task_thing, &t, &f), FILCH_ESHUTDOWN);
    assert_null(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t.arg_destroyed), 0);
}

static void destroy_copy(void *copy, void *arg)
{
    struct thing **t = copy;

    destroy_arg(*t, arg);
}

static int task_copy(void *arg, void **result)
{
    *result = *(struct thing **)arg;
    return 0;
}

TEST(of_a_copied_argument_the_copy_is_given_to_its_dtor)
{
    filch_task_options o = owning;
    struct thing t[2] = {0};
    struct hold h = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f[2];

    o.arg_dtor = destroy_copy;
    o.copy_bytes = sizeof(struct thing *);
    hold_worker(&h, ex);
    for (int i = 0; i < 2; i++) {
        struct thing *one = &t[i];

        assert_int_equal(filch_submit_with(ex, &o, task_copy, &one, &f[i]), 0);
    }
    assert_true(filch_future_cancel(f[0]));
    let_go(&h);
    assert_int_equal(finish(f[0]), FILCH_ECANCELED);
    assert_int_equal(finish(f[1]), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&t[0].arg_destroyed), 1);
    assert_int_equal(count_of(&t[1].arg_destroyed), 1);
    assert_int_equal(count_of(&t[1].destroyed), 1);
}

TEST(a_rival_ignores_a_name_and_refuses_what_it_does_not_do)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
    filch_task_options o = {.size = sizeof o, .name = "thing"};
    filch_future *f;

    assert_int_equal(filch_submit_with(ex, &o, task_echo, &o, &f), 0);
    assert_int_equal(finish(f), 0);
    o.value_dtor = destroy_value;
    assert_int_equal(filch_submit_with(ex, &o, task_echo, &o, &f), FILCH_ENOTSUP);
    o.value_dtor = NULL;
    o.arg_dtor = destroy_arg;
    assert_int_equal(filch_submit_with(ex, &o, task_echo, &o, &f), FILCH_ENOTSUP);
    filch_executor_destroy(ex);
}

TEST(a_task_s_name_goes_before_its_function_s_in_the_trace)
{
    struct thing t[2] = {0};
    filch_executor *ex = pool_with((filch_options){.workers = 1, .trace_events = 64});
    filch_trace_event e;
    int named = 0;
    int other = 0;

    assert_int_equal(filch_executor_name_function(ex, task_thing, "function"), 0);
    assert_int_equal(finish(submit_thing(ex, &t[0])), 0);
    assert_int_equal(finish(submit(ex, task_thing, &t[1])), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    while (filch_executor_trace_next(ex, &e) == 0) {
        if (e.kind != FILCH_TRACE_START && e.kind != FILCH_TRACE_END)
            continue;
        named += strcmp(e.name, "thing") == 0;
        other += strcmp(e.name, "function") == 0;
    }
    filch_executor_destroy(ex);
    assert_int_equal(named, 2);
    assert_int_equal(other, 2);
}

/* ---- Promises ---- */

static filch_future *owning_promise(void)
{
    filch_promise_options o = {
        .size = sizeof o, .value_dtor = destroy_value, .dtor_arg = &dtor_arg};
    filch_future *f = NULL;

    test_check(filch_promise_create_with(&f, &o) == 0);
    return f;
}

TEST(a_promise_destroys_each_value_that_it_was_given_and_nobody_took)
{
    struct thing t[3] = {0};
    filch_future *f = owning_promise();

    assert_int_equal(filch_promise_set_result(f, &t[0]), 0);
    assert_int_equal(filch_promise_set_result(f, &t[1]), FILCH_ESTATE);
    assert_int_equal(count_of(&t[1].destroyed), 1);
    assert_int_equal(filch_promise_set_result(f, NULL), FILCH_ESTATE);
    assert_int_equal(count_of(&t[0].destroyed), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&t[0].destroyed), 1);
    f = owning_promise();
    assert_true(filch_future_cancel(f));
    assert_int_equal(filch_promise_set_result(f, &t[2]), FILCH_ESTATE);
    assert_int_equal(count_of(&t[2].destroyed), 1);
    filch_future_release(f);
    assert_int_equal(count_of(&t[2].destroyed), 1);
}

TEST(a_value_that_is_taken_from_a_promise_is_not_destroyed)
{
    struct thing t = {0};
    filch_future *f = owning_promise();
    void *result = NULL;

    assert_int_equal(filch_promise_set_result(f, &t), 0);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, &t);
    filch_future_release(f);
    assert_int_equal(count_of(&t.destroyed), 0);
}

TEST(a_promise_without_a_dtor_leaves_a_late_value_alone)
{
    struct thing t = {0};
    filch_promise_options o = {.size = sizeof o};
    filch_future *f;

    assert_int_equal(filch_promise_create_with(&f, &o), 0);
    assert_int_equal(filch_promise_set_error(f, 9, "nine"), 0);
    assert_int_equal(filch_promise_set_result(f, &t), FILCH_ESTATE);
    filch_future_release(f);
    assert_int_equal(filch_promise_create_with(&f, NULL), 0);
    filch_future_release(f);
    assert_int_equal(count_of(&t.destroyed), 0);
}

TEST(a_promise_with_options_that_make_no_sense_is_not_made)
{
    struct {
        filch_promise_options known;
        size_t unknown;
    } o = {.known.size = sizeof o, .unknown = 1};
    filch_promise_options small = {.size = 1};
    filch_future *f = NULL;

    assert_int_equal(filch_promise_create_with(&f, &o.known), FILCH_E2BIG);
    assert_int_equal(filch_promise_create_with(&f, &small), FILCH_EINVAL);
    assert_int_equal(filch_promise_create_with(NULL, NULL), FILCH_EINVAL);
    assert_null(f);
}

/* ---- Snapshots ---- */

static filch_snapshot look(filch_future *f)
{
    filch_snapshot s;

    memset(&s, 0xA5, sizeof s);
    test_check(filch_future_snapshot(f, &s) == 0);
    return s;
}

TEST(a_snapshot_tells_state_result_and_error_and_never_waits)
{
    filch_future *f = promise();
    filch_snapshot s = look(f);
    void *result;

    assert_int_equal(s.state, FILCH_PENDING);
    assert_null(s.result);
    assert_int_equal(s.error.code, 0);
    assert_string_equal(s.error.message, "");
    assert_int_equal(filch_promise_start(f), 1);
    assert_int_equal(look(f).state, FILCH_RUNNING);
    assert_int_equal(filch_promise_set_result(f, &dtor_arg), 0);
    s = look(f);
    assert_int_equal(s.state, FILCH_FINISHED);
    assert_ptr_equal(s.result, &dtor_arg);
    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), 0);
    s = look(f);
    assert_int_equal(s.state, FILCH_FINISHED);
    assert_null(s.result);
    filch_future_release(f);
}

TEST(a_snapshot_of_what_failed_has_all_of_its_error)
{
    filch_future *f = promise();
    filch_snapshot s;

    assert_int_equal(filch_promise_set_error(f, 9, "nine"), 0);
    s = look(f);
    assert_int_equal(s.state, FILCH_FAILED);
    assert_null(s.result);
    assert_int_equal(s.error.code, 9);
    assert_string_equal(s.error.domain, "promise");
    assert_string_equal(s.error.message, "nine");
    filch_future_release(f);
    f = promise();
    assert_true(filch_future_cancel(f));
    s = look(f);
    assert_int_equal(s.state, FILCH_CANCELLED);
    assert_null(s.result);
    assert_int_equal(s.error.code, 0);
    filch_future_release(f);
}

TEST(a_snapshot_of_nothing_or_to_nowhere_is_invalid)
{
    filch_future *f = promise();
    filch_snapshot s;

    assert_int_equal(filch_future_snapshot(NULL, &s), FILCH_EINVAL);
    assert_int_equal(filch_future_snapshot(f, NULL), FILCH_EINVAL);
    filch_future_release(f);
}
