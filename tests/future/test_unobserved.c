/* SPDX-License-Identifier: MIT
 *
 * test_unobserved.c: a failure that nobody reads is told to a hook and counted, once; one that somebody
 * reads, in whatever way, is not. */
#include "sched/work.h"

#include <pthread.h>

/* ---- A hook ---- */

enum {
    CODE = 7
};

/* What it was told last; plain: a test reads it when the executor has gone, or from the same thread. */
static struct told {
    counter times;
    const char *name;
    filch_task_fn *fn;
    int code;
    char domain[16];
    char message[64];
    void *detail;
} told;

static void note(const filch_unobserved *info, void *arg)
{
    test_check(arg == &told);
    count_one(&told.times);
    told.name = info->name;
    told.fn = info->fn;
    told.code = info->error.code;
    told.detail = info->error.detail;
    snprintf(told.domain, sizeof told.domain, "%s", info->error.domain);
    snprintf(told.message, sizeof told.message, "%s", info->error.message);
}

static filch_executor *watched(void)
{
    memset(&told, 0, sizeof told);
    return pool_with((filch_options){.workers = 1, .on_unobserved = note, .hook_arg = &told});
}

static void check_told(uint64_t times)
{
    assert_int_equal(count_of(&told.times), times);
}

/* Waits until f is over, without reading it, and the worker has let go of it. */
static void await(filch_executor *ex, filch_future *f)
{
    int status;

    test_check(filch_wait(&f, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    test_check(status == 0);
}

static filch_future *failed(filch_executor *ex)
{
    filch_future *f = submit(ex, task_fail, number(CODE));

    await(ex, f);
    return f;
}

/* ---- What is told ---- */

TEST(r19_and_e8_a_failure_that_nobody_reads_is_told_once)
{
    filch_executor *ex = watched();
    filch_future *f = failed(ex);

    filch_future_retain(f);
    filch_future_release(f);
    check_told(0);
    filch_future_release(f);
    check_told(1);
    assert_int_equal(stats_of(ex).unobserved, 1);
    filch_executor_destroy(ex);
    check_told(1);
    assert_null(told.name);
    assert_true(told.fn == task_fail);
    assert_int_equal(told.code, CODE);
    assert_string_equal(told.domain, "task");
    assert_string_equal(told.message, "the task returned its own error");
}

static int task_says(void *arg, void **result)
{
    (void)result;
    return filch_fail(CODE, "seven", arg, NULL);
}

TEST(a_failure_is_told_with_its_name_message_and_detail)
{
    filch_executor *ex = watched();
    filch_task_options o = {.size = sizeof o, .name = "speaker"};
    filch_future *f;

    assert_int_equal(filch_submit_with(ex, &o, task_says, &o, &f), 0);
    await(ex, f);
    filch_future_release(f);
    check_told(1);
    assert_string_equal(told.name, "speaker");
    assert_string_equal(told.message, "seven");
    assert_ptr_equal(told.detail, &o);
    assert_int_equal(filch_submit_with(ex, &o, task_says, &o, NULL), 0);
    filch_executor_destroy(ex);
    check_told(2);
    assert_string_equal(told.name, "speaker");
    assert_string_equal(told.message, "seven");
    assert_ptr_equal(told.detail, &o);
}

TEST(a_failure_is_told_though_its_executor_has_gone)
{
    filch_executor *ex = watched();
    filch_future *f = failed(ex);

    filch_executor_destroy(ex);
    check_told(0);
    filch_future_release(f);
    check_told(1);
}

TEST(a_failure_whose_handle_went_before_is_told_by_its_worker)
{
    struct hold h = {0};
    filch_executor *ex = watched();
    filch_future *f;

    hold_worker(&h, ex);
    f = submit(ex, task_fail, number(CODE));
    filch_future_release(f);
    let_go(&h);
    filch_executor_destroy(ex);
    check_told(1);
}

TEST(a_task_without_a_future_that_fails_is_told_at_once)
{
    filch_executor *ex = watched();

    assert_int_equal(filch_submit(ex, task_fail, number(CODE), NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).unobserved, 1);
    filch_executor_destroy(ex);
    check_told(1);
    assert_true(told.fn == task_fail);
}

TEST(what_expires_or_breaks_is_told)
{
    filch_executor *ex = watched();
    filch_task_options o = {.size = sizeof o, .start_by = 1};
    filch_future *f;

    assert_int_equal(filch_submit_with(ex, &o, task_echo, NULL, &f), 0);
    await(ex, f);
    filch_future_release(f);
    check_told(1);
    assert_int_equal(told.code, FILCH_EEXPIRED);
    assert_int_equal(filch_submit_with(ex, &o, task_echo, NULL, NULL), 0);
    filch_executor_destroy(ex);
    check_told(2);
    assert_string_equal(told.domain, "filch");
}

static struct gate broken_gate;

static int fail_start(void *arg)
{
    (void)arg;
    gate_pass(&broken_gate);
    return 1;
}

TEST(what_a_broken_executor_drops_is_told)
{
    filch_executor *ex;
    filch_future *f;

    memset(&told, 0, sizeof told);
    ex = pool_with((filch_options){
        .workers = 1, .on_thread_start = fail_start, .on_unobserved = note, .hook_arg = &told});
    gate_await(&broken_gate, 1);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    filch_future_release(f); /* so that the worker alone tells, and tells in turn */
    gate_open(&broken_gate);
    filch_executor_destroy(ex);
    check_told(2);
    assert_int_equal(told.code, FILCH_EBROKEN);
}

TEST(without_a_hook_it_is_counted)
{
    filch_executor *ex = pool_of(1);

    filch_future_release(failed(ex));
    assert_int_equal(stats_of(ex).unobserved, 1);
    filch_executor_destroy(ex);
}

/* ---- What is not ---- */

static int task_stops(void *arg, void **result)
{
    (void)arg, (void)result;
    return FILCH_ECANCELED;
}

TEST(what_is_cancelled_or_finished_is_no_failure)
{
    struct hold h = {0};
    filch_executor *ex = watched();
    filch_future *f;

    hold_worker(&h, ex);
    f = submit(ex, task_fail, number(CODE));
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    let_go(&h);
    f = submit(ex, task_echo, NULL);
    await(ex, f);
    filch_future_release(f);
    f = submit(ex, task_stops, NULL);
    await(ex, f);
    filch_future_release(f);
    assert_int_equal(filch_submit(ex, task_stops, NULL, NULL), 0);
    assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    filch_executor_destroy(ex);
    check_told(0);
}

static void by_result(filch_future *f)
{
    assert_int_equal(outcome(f), CODE);
}

static void by_error(filch_future *f)
{
    filch_error error;

    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
}

static void by_take(filch_future *f)
{
    void *result;

    assert_int_equal(filch_future_take(f, FILCH_NOW, &result), CODE);
}

static void by_snapshot(filch_future *f)
{
    filch_snapshot s;

    assert_int_equal(filch_future_snapshot(f, &s), 0);
}

TEST(a_failure_that_is_read_is_not_told)
{
    void (*const ways[])(filch_future * f) = {by_result, by_error, by_take, by_snapshot};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        filch_executor *ex = watched();
        filch_future *f = failed(ex);

        ways[i](f);
        filch_future_release(f);
        filch_executor_destroy(ex);
        check_told(0);
    }
}

TEST(a_look_at_the_state_or_a_wait_reads_nothing)
{
    filch_executor *ex = watched();
    filch_future *f = failed(ex);

    assert_int_equal(filch_future_state(f), FILCH_FAILED);
    assert_true(filch_future_done(f));
    assert_false(filch_future_cancel(f));
    filch_future_release(f);
    check_told(1);
    filch_executor_destroy(ex);
}

static bool next_of_three(void *source, void **arg)
{
    *arg = number(CODE);
    return ++*(int *)source <= 3;
}

TEST(what_a_map_gives_is_read)
{
    filch_executor *ex = watched();
    void *args[] = {number(CODE), number(CODE)};
    filch_map_iter *it;
    int n = 0;

    assert_int_equal(filch_map(ex, task_fail, next_of_three, &n, NULL, &it), 0);
    while (filch_map_next(it, NULL) != FILCH_EEND)
        continue;
    filch_map_close(it);
    assert_int_equal(filch_map_array(ex, task_fail, args, NULL, 2), CODE);
    filch_executor_destroy(ex);
    check_told(0);
}

/* ---- What is passed on ---- */

static int pass(filch_future *before, void *arg, void **result)
{
    (void)before, (void)arg, (void)result;
    return 0;
}

TEST(of_what_is_passed_on_the_last_has_to_be_read)
{
    for (int reads = 0; reads < 2; reads++) {
        filch_executor *ex = watched();
        filch_future *f = failed(ex);
        filch_future *then;
        filch_future *all;

        assert_int_equal(filch_then(f, NULL, 0, pass, NULL, &then), 0);
        assert_int_equal(filch_all(&then, 1, &all), 0);
        filch_future_release(f);
        filch_future_release(then);
        check_told(0);
        if (reads)
            assert_int_equal(outcome(all), CODE);
        filch_executor_destroy(ex);
        filch_future_release(all);
        check_told(reads ? 0 : 1);
        assert_int_equal(told.code, reads ? 0 : CODE);
        assert_true(told.fn == (reads ? NULL : task_fail));
    }
}

static int fail_then(filch_future *before, void *arg, void **result)
{
    (void)before, (void)arg, (void)result;
    return filch_fail(CODE, "then", NULL, NULL);
}

TEST(a_continuation_that_fails_unread_is_told_where_it_all_began)
{
    filch_executor *ex = watched();
    filch_future *f = submit(ex, task_echo, NULL);
    filch_future *out;

    assert_int_equal(filch_then(f, ex, 0, fail_then, NULL, &out), 0);
    filch_future_release(f);
    await(ex, out);
    filch_future_release(out);
    filch_executor_destroy(ex);
    check_told(1);
    assert_null(told.fn);
    assert_string_equal(told.message, "then");
}

TEST(what_any_or_race_has_for_a_result_was_passed_on)
{
    filch_executor *ex = watched();
    filch_future *f = failed(ex);
    filch_future *out[3];

    assert_int_equal(filch_any(&f, 1, &out[0]), 0);
    assert_int_equal(filch_race(&f, 1, &out[1]), 0);
    assert_int_equal(filch_any_success(&f, 1, &out[2]), 0);
    filch_future_release(out[0]);
    filch_future_release(out[1]);
    assert_int_equal(finish(out[2]), CODE);
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_told(0);
}

/* ---- Promises ---- */

TEST(a_promise_has_a_hook_of_its_own)
{
    filch_promise_options o = {
        .size = sizeof o, .name = "promise", .on_unobserved = note, .unobserved_arg = &told};
    filch_future *f;

    memset(&told, 0, sizeof told);
    assert_int_equal(filch_promise_create_with(&f, &o), 0);
    assert_int_equal(filch_promise_set_error(f, CODE, "seven"), 0);
    check_told(0);
    filch_future_release(f);
    check_told(1);
    assert_string_equal(told.name, "promise");
    assert_null(told.fn);
    assert_string_equal(told.domain, "promise");
    assert_string_equal(told.message, "seven");
    assert_int_equal(filch_promise_create_with(&f, &o), 0);
    assert_int_equal(filch_promise_set_error(f, CODE, "seven"), 0);
    assert_int_equal(finish(f), CODE);
    assert_int_equal(filch_promise_create_with(&f, &o), 0);
    filch_future_release(f);
    check_told(1);
}

TEST(a_promise_without_a_hook_tells_nobody)
{
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error(f, CODE, "seven"), 0);
    filch_future_release(f);
}

/* ---- What a hook may do ---- */

static filch_executor *again;

/* Submits what fails, and what does not, and waits for it. */
static void submit_again(const filch_unobserved *info, void *arg)
{
    counter *times = arg;

    (void)info;
    count_one(times);
    if (count_of(times) < 5)
        filch_future_release(failed(again));
    test_check(finish(submit(again, task_echo, NULL)) == 0);
}

TEST(a_hook_may_call_anything)
{
    counter times = 0;

    again =
        pool_with((filch_options){.workers = 1, .on_unobserved = submit_again, .hook_arg = &times});
    filch_future_release(failed(again));
    assert_int_equal(count_of(&times), 5);
    assert_int_equal(filch_submit(again, task_fail, number(CODE), NULL), 0);
    assert_int_equal(filch_executor_wait_idle(again, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&times), 6);
    filch_executor_destroy(again);
}

TEST(a_rival_ignores_the_hook)
{
    filch_executor *ex;

    memset(&told, 0, sizeof told);
    ex = pool_with((filch_options){
        .workers = 1, .backend = FILCH_BACKEND_MUTEX, .on_unobserved = note, .hook_arg = &told});
    filch_future_release(failed(ex));
    filch_executor_destroy(ex);
    check_told(0);
}

/* ---- What does not go on ---- */

TEST(a_failure_that_a_cancelled_continuation_has_no_use_for_is_told)
{
    filch_executor *ex = watched();
    struct gate gate = {0};
    filch_future *busy = submit(ex, task_gate, &gate);
    filch_future *f;
    filch_future *out = NULL;

    gate_await(&gate, 1);
    f = submit(ex, task_fail, number(CODE));
    assert_int_equal(filch_then(f, NULL, 0, NULL, NULL, &out), 0);
    assert_true(filch_future_cancel(out));
    gate_open(&gate);
    await(ex, f);
    filch_future_release(f);
    check_told(1);
    assert_int_equal(told.code, CODE);
    filch_future_release(out);
    filch_future_release(busy);
    filch_executor_destroy(ex);
    check_told(1);
}

static int continuation_that_exits(filch_future *f, void *arg, void **result)
{
    (void)f, (void)arg, (void)result;
    pthread_exit(NULL);
}

TEST(a_continuation_that_ends_its_thread_is_told_to_the_executor_that_it_began_with)
{
    filch_executor *ex = watched();
    filch_future *f = submit(ex, task_echo, NULL);
    filch_future *out = NULL;

    await(ex, f);
    assert_int_equal(filch_then(f, ex, 0, continuation_that_exits, NULL, &out), 0);
    filch_future_release(f);
    await(ex, out);
    filch_future_release(out);
    filch_executor_destroy(ex);
    check_told(1);
    assert_int_equal(told.code, FILCH_EABANDONED);
}

/* What its function gives is the continuation itself. */
static int continuation_gives(filch_future *f, void *slot, void **result)
{
    (void)f;
    *result = filch_future_retain(*(filch_future **)slot);
    return 0;
}

TEST(a_continuation_that_would_end_as_itself_is_told)
{
    filch_executor *ex = watched();
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);
    filch_future *out = NULL;

    gate_await(&gate, 1);
    assert_int_equal(filch_then(f, NULL, FILCH_THEN_FLATTEN, continuation_gives, &out, &out), 0);
    gate_open(&gate);
    await(ex, out);
    filch_future_release(out);
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_told(1);
    assert_int_equal(told.code, FILCH_EDEADLK);
}
