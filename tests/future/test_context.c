/* SPDX-License-Identifier: MIT
 *
 * test_context.c: what goes with a task to the tasks that it submits, in whatever way, and is let go of
 * when each of them is over. */
#include "sched/work.h"

/* ---- A context that counts ---- */

/* Words   retained, released   counts */
struct mine {
    filch_context base;
    counter retained;
    counter released;
};

static void retain_mine(filch_context *context)
{
    count_one(&((struct mine *)context)->retained);
}

static void release_mine(filch_context *context)
{
    count_one(&((struct mine *)context)->released);
}

#define MINE                                                                                       \
    {                                                                                              \
        .base = { retain_mine, release_mine }                                                      \
    }

static void check_let_go(struct mine *m, uint64_t times)
{
    assert_int_equal(count_of(&m->retained), times);
    assert_int_equal(count_of(&m->released), times);
}

/* Its context is its result. */
static int task_current(void *arg, void **result)
{
    (void)arg;
    *result = filch_context_current();
    return 0;
}

static void *result_of(filch_future *f)
{
    void *result = NULL;

    test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0);
    filch_future_release(f);
    return result;
}

static filch_future *submit_in(filch_executor *ex, struct mine *m, filch_task_fn *fn, void *arg)
{
    filch_task_options o = {.size = sizeof o, .context = &m->base};
    filch_future *f = NULL;

    test_check(filch_submit_with(ex, &o, fn, arg, &f) == 0);
    return f;
}

TEST(a_task_has_the_context_that_it_was_given_and_no_other_has_it)
{
    struct mine m = MINE;
    filch_executor *ex = pool_of(1);

    assert_null(filch_context_current());
    assert_ptr_equal(result_of(submit_in(ex, &m, task_current, NULL)), &m);
    assert_null(result_of(submit(ex, task_current, NULL)));
    assert_null(filch_context_current());
    filch_executor_destroy(ex);
    check_let_go(&m, 1);
}

/* ---- Each way in ---- */

/* What one task submits, in one way, has to have its context; it tells how often. */
typedef unsigned way(filch_executor *ex);

static unsigned by_submit(filch_executor *ex)
{
    test_check(result_of(submit(ex, task_current, NULL)) == filch_context_current());
    return 1;
}

static int task_copy(void *arg, void **result)
{
    test_check(memcmp(arg, "copied", 7) == 0);
    return task_current(arg, result);
}

static unsigned by_copy(filch_executor *ex)
{
    const char text[200] = "copied";
    const size_t lengths[] = {7, 64, 65, 200};

    for (int i = 0; i < 4; i++) {
        filch_future *f = NULL;

        test_check(filch_submit_copy(ex, task_copy, text, lengths[i], &f) == 0);
        test_check(result_of(f) == filch_context_current());
    }

    filch_future *f = NULL;
    test_check(filch_submit_copy(ex, task_current, NULL, 0, &f) == 0);
    test_check(result_of(f) == filch_context_current());
    return 5;
}

static unsigned by_batch(filch_executor *ex)
{
    filch_future *f[100];

    test_check(filch_submit_batch(ex, task_current, NULL, 100, f) == 0);
    for (int i = 0; i < 100; i++)
        test_check(result_of(f[i]) == filch_context_current());
    return 100;
}

static unsigned by_options(filch_executor *ex)
{
    filch_task_options o = {.size = sizeof o, .name = "child"};
    filch_future *f = NULL;

    test_check(filch_submit_with(ex, &o, task_current, NULL, &f) == 0);
    test_check(result_of(f) == filch_context_current());
    return 1;
}

static int current_then(filch_future *before, void *arg, void **result)
{
    (void)before, (void)arg;
    *result = filch_context_current();
    return 0;
}

static unsigned by_then(filch_executor *ex)
{
    filch_future *f = promise();
    filch_future *out[2];

    test_check(filch_then(f, ex, 0, current_then, NULL, &out[0]) == 0);
    test_check(filch_then(f, NULL, 0, current_then, NULL, &out[1]) == 0);
    test_check(filch_promise_set_result(f, NULL) == 0);
    test_check(result_of(out[0]) == filch_context_current());
    test_check(result_of(out[1]) == filch_context_current());
    filch_future_release(f);
    return 2;
}

static bool next_of_three(void *source, void **arg)
{
    *arg = NULL;
    return ++*(int *)source <= 3;
}

static unsigned by_map(filch_executor *ex)
{
    filch_map_iter *it;
    void *result;
    int n = 0;

    test_check(filch_map(ex, task_current, next_of_three, &n, NULL, &it) == 0);
    while (filch_map_next(it, &result) == 0)
        test_check(result == filch_context_current());
    filch_map_close(it);
    return 3;
}

static int check_current(void *arg, void **result)
{
    (void)result;
    test_check(filch_context_current() == arg);
    return 0;
}

static unsigned by_scope(filch_executor *ex)
{
    filch_scope *s;

    test_check(filch_scope_open(&s, ex, NULL) == 0);
    test_check(filch_scope_spawn(s, check_current, filch_context_current()) == 0);
    test_check(filch_scope_spawn(s, check_current, filch_context_current()) == 0);
    test_check(filch_scope_join(s) == 0);
    return 2;
}

static unsigned by_none(filch_executor *ex)
{
    test_check(filch_submit(ex, check_current, filch_context_current(), NULL) == 0);
    return 1;
}

static way *const ways[] = {by_submit, by_copy, by_batch, by_options,
                            by_then,   by_map,  by_scope, by_none};

struct submitter {
    filch_executor *ex;
    way *way;
    unsigned times;
};

static int task_submits(void *arg, void **result)
{
    struct submitter *x = arg;

    *result = filch_context_current();
    x->times = x->way(x->ex);
    test_check(filch_context_current() == *result);
    return 0;
}

TEST(what_a_task_submits_inherits_its_context_in_whatever_way)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            struct mine m = MINE;
            filch_executor *ex = pool_of(workers);
            struct submitter x = {ex, ways[i], 0};

            assert_ptr_equal(result_of(submit_in(ex, &m, task_submits, &x)), &m);
            filch_executor_destroy(ex);
            check_let_go(&m, 1 + x.times);
        }
    }
}

TEST(what_a_task_without_one_submits_has_none)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        filch_executor *ex = pool_of(1);
        struct submitter x = {ex, ways[i], 0};

        assert_null(result_of(submit(ex, task_submits, &x)));
        filch_executor_destroy(ex);
    }
}

static int task_submits_in(void *arg, void **result)
{
    struct submitter *x = arg;
    struct mine own = MINE;

    *result = filch_context_current();
    test_check(result_of(submit_in(x->ex, &own, task_current, NULL)) == &own);
    test_check(count_of(&own.retained) == 1 && count_of(&own.released) == 1);
    test_check(filch_context_current() == *result);
    return 0;
}

TEST(a_context_of_its_own_goes_before_the_submitter_s)
{
    struct mine m = MINE;
    filch_executor *ex = pool_of(1);
    struct submitter x = {ex, NULL, 0};

    assert_ptr_equal(result_of(submit_in(ex, &m, task_submits_in, &x)), &m);
    filch_executor_destroy(ex);
    check_let_go(&m, 1);
}

static int task_waits(void *arg, void **result)
{
    filch_future *other = arg;

    test_check(filch_future_result(other, FILCH_FOREVER, result) == 0);
    test_check(filch_context_current() != NULL);
    return 0;
}

/* The only worker runs the second task on top of the first, which waits for it. */
TEST(a_task_that_runs_on_top_of_another_does_not_have_its_context)
{
    struct mine m = MINE;
    struct hold h = {0};
    filch_executor *ex = pool_with((filch_options){.workers = 1, .help = FILCH_HELP_ANY});
    filch_future *other;
    filch_future *f;

    hold_worker(&h, ex);
    other = submit(ex, task_current, NULL);
    f = submit_in(ex, &m, task_waits, other);
    let_go(&h);
    assert_null(result_of(f));
    filch_future_release(other);
    filch_executor_destroy(ex);
    check_let_go(&m, 1);
}

/* ---- What does not run ---- */

TEST(a_context_of_what_is_cancelled_goes_in_the_canceller)
{
    struct mine m = MINE;
    struct hold h = {0};
    filch_executor *ex = pool_of(1);
    filch_future *f;

    hold_worker(&h, ex);
    f = submit_in(ex, &m, task_current, NULL);
    assert_int_equal(count_of(&m.released), 0);
    assert_true(filch_future_cancel(f));
    check_let_go(&m, 1);
    let_go(&h);
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_let_go(&m, 1);
}

static int task_submits_to_closed(void *arg, void **result)
{
    filch_executor *closed = arg;
    const char text[100] = "copied";
    filch_future *f[3];
    filch_scope *s;

    (void)result;
    test_check(filch_submit(closed, task_current, NULL, NULL) == FILCH_ESHUTDOWN);
    test_check(filch_submit_copy(closed, task_copy, text, 7, NULL) == FILCH_ESHUTDOWN);
    test_check(filch_submit_copy(closed, task_copy, text, 100, NULL) == FILCH_ESHUTDOWN);
    test_check(filch_submit_batch(closed, task_current, NULL, 3, f) == FILCH_ESHUTDOWN);
    test_check(filch_scope_open(&s, closed, NULL) == 0);
    test_check(filch_scope_spawn(s, task_current, NULL) == FILCH_ESHUTDOWN);
    test_check(filch_scope_join(s) == 0);
    return 0;
}

TEST(a_submit_that_fails_keeps_no_context)
{
    struct mine m = MINE;
    filch_executor *ex = pool_of(1);
    filch_executor *closed = pool_of(1);

    assert_int_equal(filch_executor_shutdown(closed, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(finish(submit_in(ex, &m, task_submits_to_closed, closed)), 0);
    filch_executor_destroy(ex);
    filch_executor_destroy(closed);
    assert_int_equal(count_of(&m.retained), count_of(&m.released));
}

TEST(a_context_may_have_neither_hook)
{
    struct mine m = {0};
    filch_executor *ex = pool_of(1);
    struct submitter x = {ex, by_submit, 0};

    assert_ptr_equal(result_of(submit_in(ex, &m, task_submits, &x)), &m);
    filch_executor_destroy(ex);
}

TEST(a_rival_refuses_a_context_and_inherits_none)
{
    struct mine m = MINE;
    filch_executor *rival =
        pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
    filch_task_options o = {.size = sizeof o, .context = &m.base};
    filch_future *f;

    assert_int_equal(filch_submit_with(rival, &o, task_current, NULL, &f), FILCH_ENOTSUP);
    assert_null(result_of(submit(rival, task_current, NULL)));
    filch_executor_destroy(rival);
    check_let_go(&m, 0);
}
