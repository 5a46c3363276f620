/* SPDX-License-Identifier: MIT
 *
 * test_futures.c: the rules of Python's concurrent.futures about as_completed and map, by number, and
 * the cases of E1, E2, E3 and E7 there; docs/futures.md is the table of them all. */
#include "sched/work.h"

/* ---- R3 ---- */

TEST(r3_every_worker_is_there_when_the_executor_is)
{
    filch_executor *ex = pool_of(3);

    assert_int_equal(stats_of(ex).workers, 3);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(stats_of(ex).workers, 3);
    filch_executor_destroy(ex);
}

/* ---- R25 to R27: as_completed ---- */

static filch_completion *completion_of(filch_future *const *f, size_t n, filch_deadline deadline)
{
    filch_completion *it = NULL;

    assert_int_equal(filch_as_completed(&it, f, n, deadline), 0);
    assert_non_null(it);
    return it;
}

static void assert_next(filch_completion *it, const filch_future *f)
{
    filch_future *next = NULL;

    assert_int_equal(filch_completion_next(it, &next), 0);
    assert_ptr_equal(next, f);
}

static void assert_no_next(filch_completion *it, int status)
{
    filch_future *next;

    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_completion_next(it, &next), status);
}

static void release_all(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

TEST(r25_each_comes_once_those_that_are_over_first_then_as_they_end)
{
    filch_future *p[4] = {promise(), promise(), promise(), promise()};
    filch_future *given[7] = {p[0], p[1], p[0], p[3], p[2], p[1], p[2]};

    assert_int_equal(filch_promise_set_result(p[3], NULL), 0);
    assert_int_equal(filch_promise_set_error(p[1], 1, NULL), 0);
    filch_completion *it = completion_of(given, 7, FILCH_FOREVER);
    assert_int_equal(filch_promise_set_result(p[2], NULL), 0);
    assert_next(it, p[1]);
    assert_next(it, p[3]);
    assert_next(it, p[2]);
    assert_int_equal(filch_promise_set_result(p[0], NULL), 0);
    assert_next(it, p[0]);
    assert_no_next(it, FILCH_EEND);
    filch_completion_close(it);
    release_all(p, 4);

    it = completion_of(NULL, 0, FILCH_FOREVER);
    assert_no_next(it, FILCH_EEND);
    filch_completion_close(it);
}

TEST(r26_after_the_deadline_comes_what_is_over_and_then_a_timeout)
{
    static const filch_deadline past[] = {INT64_MIN, -1, FILCH_NOW, 1};

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        filch_future *p[3] = {promise(), promise(), promise()};

        assert_int_equal(filch_promise_set_result(p[1], NULL), 0);
        filch_completion *it = completion_of(p, 3, past[i]);
        assert_next(it, p[1]);
        assert_no_next(it, FILCH_ETIMEDOUT);
        assert_true(filch_future_cancel(p[2]));
        assert_next(it, p[2]);
        assert_no_next(it, FILCH_ETIMEDOUT);
        filch_completion_close(it);
        assert_int_equal(filch_future_state(p[0]), FILCH_PENDING);
        release_all(p, 3);
    }
}

TEST(e7_the_deadline_of_as_completed_is_one_for_all_and_passes_before_the_first_next_too)
{
    filch_future *p[2] = {promise(), promise()};
    filch_deadline deadline = filch_in_ms(3);
    filch_completion *it = completion_of(p, 2, deadline);

    assert_int_equal(filch_future_result(p[0], deadline, NULL), FILCH_ETIMEDOUT);
    assert_no_next(it, FILCH_ETIMEDOUT);
    assert_int_equal(filch_promise_set_result(p[1], NULL), 0);
    assert_next(it, p[1]);
    assert_no_next(it, FILCH_ETIMEDOUT);
    filch_completion_close(it);
    release_all(p, 2);
}

/* A future that fails when f goes undecided: only then does nobody keep f any more. */
static filch_future *watch(filch_future *f)
{
    filch_future *watcher = NULL;

    assert_int_equal(filch_then(f, NULL, 0, NULL, NULL, &watcher), 0);
    return watcher;
}

TEST(r27_a_closed_iterator_keeps_nothing_of_what_has_not_come_out)
{
    filch_future *p[3] = {promise(), promise(), promise()};
    filch_future *watchers[2] = {watch(p[0]), watch(p[2])};
    filch_completion *it = completion_of(p, 3, FILCH_FOREVER);

    assert_int_equal(filch_promise_set_result(p[1], NULL), 0);
    assert_next(it, p[1]);
    filch_future_release(p[1]); /* the iterator has let go of it: this is the last one */
    filch_completion_close(it);
    filch_future_release(p[0]);
    filch_future_release(p[2]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(filch_future_result(watchers[i], FILCH_NOW, NULL), FILCH_EABANDONED);
        filch_future_release(watchers[i]);
    }
}

static void assert_taken(filch_cq *cq, const filch_future *f)
{
    filch_future *done = NULL;

    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    assert_ptr_equal(done, f);
    filch_future_release(done);
}

TEST(e1_what_is_cancelled_comes_out_of_iterator_and_queue_at_once)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_cq *cq = NULL;

    hold_worker(&hold, ex); /* nobody will ever take the cancelled tasks out of its queue */
    filch_future *f[2] = {submit(ex, task_echo, NULL), submit(ex, task_echo, NULL)};
    filch_completion *it = completion_of(f, 2, FILCH_FOREVER);
    assert_int_equal(filch_cq_create(&cq), 0);
    assert_int_equal(filch_cq_add(cq, f[0]), 0);
    assert_int_equal(filch_cq_add(cq, f[1]), 0);

    assert_true(filch_future_cancel(f[0]));
    assert_next(it, f[0]);
    assert_taken(cq, f[0]);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    assert_next(it, f[1]);
    assert_taken(cq, f[1]);
    assert_no_next(it, FILCH_EEND);

    filch_completion_close(it);
    it = completion_of(f, 2, FILCH_FOREVER); /* cancelled before */
    assert_next(it, f[0]);
    assert_next(it, f[1]);
    filch_completion_close(it);
    filch_cq_destroy(cq);
    let_go(&hold);
    release_all(f, 2);
    filch_executor_destroy(ex);
}

/* ---- R28 to R33: map ---- */

#define ENDLESS SIZE_MAX

/* The arguments are args[i], or where there are none, i. */
struct source {
    void **args;
    size_t n;
    size_t given;
    size_t dropped;
};

static bool next_arg(void *source, void **arg)
{
    struct source *s = source;

    if (s->given == s->n)
        return false;
    *arg = s->args != NULL ? s->args[s->given] : number((intptr_t)s->given);
    s->given++;
    return true;
}

static void drop_arg(void *source, void *arg)
{
    struct source *s = source;

    (void)arg;
    s->dropped++;
}

static filch_map_iter *map(filch_executor *ex, filch_task_fn *fn, struct source *s,
                           filch_map_options options)
{
    filch_map_iter *it = NULL;

    options.size = sizeof options;
    options.drop = drop_arg;
    assert_int_equal(filch_map(ex, fn, next_arg, s, &options, &it), 0);
    assert_non_null(it);
    return it;
}

static void assert_result(filch_map_iter *it, const void *expected)
{
    void *result = NULL;

    assert_int_equal(filch_map_next(it, &result), 0);
    assert_ptr_equal(result, expected);
}

static void assert_status(filch_map_iter *it, int status)
{
    assert_int_equal(filch_map_next(it, NULL), status);
}

static void assert_end(filch_map_iter *it)
{
    for (int i = 0; i < 2; i++)
        assert_status(it, FILCH_EEND);
}

static int task_await(void *f, void **result)
{
    return filch_future_result(f, FILCH_FOREVER, result);
}

TEST(r28_with_a_window_without_end_all_are_submitted_at_once_and_come_in_order)
{
    enum {
        N = 8
    };
    filch_executor *ex = pool_of(2);
    filch_future *p[N];
    struct source s = {.args = (void **)p, .n = N};

    for (int i = 0; i < N; i++)
        p[i] = promise();
    filch_map_iter *it = map(ex, task_await, &s, (filch_map_options){.window = FILCH_MAP_ALL});
    assert_int_equal(s.given, N);
    for (int i = N; i-- > 0;)
        assert_int_equal(filch_promise_set_result(p[i], p[i]), 0);
    for (int i = 0; i < N; i++)
        assert_result(it, p[i]);
    assert_end(it);
    filch_map_close(it);
    release_all(p, N);
    filch_executor_destroy(ex);
    assert_int_equal(s.dropped, 0);
}

/* Calls of which one stops at a gate. */
struct jobs {
    struct gate gate;
    intptr_t gated;
    counter ran;
};

static struct jobs jobs;

static int task_job(void *arg, void **result)
{
    if ((intptr_t)arg == jobs.gated)
        gate_pass(&jobs.gate);
    count_one(&jobs.ran);
    *result = arg;
    return 0;
}

TEST(r29_at_the_deadline_what_has_not_started_is_cancelled_and_the_map_is_over)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = ENDLESS};

    jobs = (struct jobs){.gated = 0};
    filch_map_iter *it =
        map(ex, task_job, &s, (filch_map_options){.window = 4, .deadline = filch_in_ms(3)});
    gate_await(&jobs.gate, 1);
    assert_status(it, FILCH_ETIMEDOUT);
    assert_int_equal(s.dropped, 3);
    assert_end(it);
    assert_int_equal(s.given, 4);
    filch_map_close(it);
    gate_open(&jobs.gate);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&jobs.ran), 1);
    assert_int_equal(s.dropped, 3);
}

TEST(r30_a_map_goes_on_behind_a_failure_and_a_timeout_of_the_function_is_one)
{
    static const int statuses[] = {0, 5, FILCH_ETIMEDOUT, 0, FILCH_EEND, FILCH_ECANCELED, 0};
    filch_executor *ex = pool_of(2);
    void *args[7];
    struct source s = {.args = args, .n = 7};

    for (int i = 0; i < 7; i++)
        args[i] = number(statuses[i]);
    filch_map_iter *it = map(ex, task_fail, &s, (filch_map_options){.window = 2});
    for (int i = 0; i < 7; i++)
        assert_status(it, statuses[i]);
    assert_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
}

TEST(r31_and_e3_closing_a_map_cancels_what_has_not_started_and_drops_its_arguments)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = ENDLESS};

    jobs = (struct jobs){.gated = 1};
    filch_map_iter *it = map(ex, task_job, &s, (filch_map_options){.window = 4});
    assert_result(it, number(0));
    assert_int_equal(s.given, 5);
    gate_await(&jobs.gate, 1);
    filch_map_close(it); /* one runs, three wait their turn */
    assert_int_equal(s.given, 5);
    assert_int_equal(s.dropped, 3);
    gate_open(&jobs.gate);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&jobs.ran), 2);
}

TEST(r32_one_argument_is_taken_for_each_result_and_never_more_than_the_window)
{
    filch_executor *ex = pool_of(2);

    for (size_t window = 1; window <= 5; window++) {
        struct source s = {.n = ENDLESS};
        filch_map_iter *it = map(ex, task_echo, &s, (filch_map_options){.window = window});

        assert_int_equal(s.given, window);
        for (size_t i = 0; i < 20; i++) {
            assert_result(it, number((intptr_t)i));
            assert_int_equal(s.given, window + i + 1);
        }
        filch_map_close(it);
    }
    filch_executor_destroy(ex);
}

TEST(r32_options_that_make_no_sense_are_refused)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = 1};
    filch_map_iter *it = NULL;
    filch_map_options no_size = {.window = 1};
    filch_map_options unknown = {.size = sizeof unknown, .flags = 1U << 31};

    assert_int_equal(filch_map(ex, task_echo, next_arg, &s, &no_size, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, task_echo, next_arg, &s, &unknown, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, NULL, next_arg, &s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, task_echo, NULL, &s, NULL, &it), FILCH_EINVAL);
    assert_null(it);
    assert_int_equal(s.given, 0);
    filch_executor_destroy(ex);
}

TEST(r33_each_call_of_a_chunk_has_a_status_of_its_own)
{
    filch_executor *ex = pool_of(2);
    void *args[11];
    struct source s = {.args = args, .n = 11};

    for (int i = 0; i < 11; i++)
        args[i] = number(i % 3);
    filch_map_iter *it = map(ex, task_fail, &s, (filch_map_options){.window = 8, .chunk = 4});
    for (int i = 0; i < 11; i++)
        assert_status(it, i % 3);
    assert_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
}

TEST(e2_after_a_shutdown_come_the_results_under_way_and_then_eshutdown)
{
    filch_executor *ex = pool_of(2);
    struct source s = {.n = ENDLESS};
    filch_map_iter *it = map(ex, task_echo, &s, (filch_map_options){.window = 4});

    assert_result(it, number(0));
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    for (intptr_t i = 1; i < 5; i++)
        assert_result(it, number(i));
    assert_status(it, FILCH_ESHUTDOWN);
    assert_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
    assert_int_equal(s.given - s.dropped, 5);
}

TEST(e2_what_a_shutdown_cancels_of_a_map_is_told_one_by_one)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = ENDLESS};
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_map_iter *it = map(ex, task_echo, &s, (filch_map_options){.window = 3});
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (int i = 0; i < 3; i++)
        assert_status(it, FILCH_ECANCELED);
    assert_status(it, FILCH_ESHUTDOWN);
    assert_end(it);
    filch_map_close(it);
    assert_int_equal(s.given, s.dropped);
    let_go(&hold);
    filch_executor_destroy(ex);
}
