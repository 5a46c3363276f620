/* SPDX-License-Identifier: MIT
 *
 * test_loop.c: loops give each index once, wherever they are called and whoever helps; what stops them, and
 * what they return then. */
#include "parallel/loops.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int loop(filch_executor *ex, struct indices *x, size_t grain)
{
    return filch_parallel_for(ex, x->begin, x->begin + x->n, grain, count_each, x);
}

static int loop_with(filch_executor *ex, size_t n, filch_loop_options o, filch_range_fn *fn,
                     void *arg)
{
    o.size = sizeof o;
    return filch_parallel_for_with(ex, 0, n, &o, fn, arg);
}

/* ---- Each index once ---- */

static const size_t sizes[] = {0, 1, 2, 3, 7, 63, 64, 65, 1000, 4097, 30000};
static const size_t grains[] = {0, 1, 2, 7, 64, 1000, SIZE_MAX};

static int run_all_sizes(void *ex, void **result)
{
    (void)result;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
            struct indices x = indices_new(3 * s, sizes[s]);

            x.grain = grains[g];
            test_check(loop(ex, &x, grains[g]) == 0);
            indices_check(&x, 1);
        }
    }
    return 0;
}

TEST(each_index_is_given_once_in_ranges_of_the_grain)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_all_sizes);
        filch_executor_destroy(ex);
    }
}

TEST(a_range_may_end_where_numbers_do)
{
    filch_executor *ex = pool_of(2);

    for (size_t n = 1; n <= 100000; n *= 10) {
        for (size_t grain = 0; grain <= 3; grain++) {
            struct indices x = indices_new(SIZE_MAX - n, n);

            assert_int_equal(loop(ex, &x, grain), 0);
            indices_check(&x, 1);
        }
    }
    filch_executor_destroy(ex);
}

struct whole {
    size_t grain;
    counter calls;
    counter indices;
};

static int count_and_stop(size_t begin, size_t end, void *arg)
{
    struct whole *x = arg;

    test_check(begin < end);
    if (end != SIZE_MAX)
        test_check((end - begin) % (x->grain != 0 ? x->grain : 1) == 0);
    count_one(&x->calls);
    return count_of(&x->calls) < 1000 ? 0 : 5;
}

TEST(a_loop_over_all_numbers_begins)
{
    filch_executor *ex = pool_of(2);

    for (size_t grain = 1; grain <= 3; grain++) {
        struct whole x = {.grain = grain};

        assert_int_equal(filch_parallel_for(ex, 0, SIZE_MAX, grain, count_and_stop, &x), 5);
        assert_in_range(count_of(&x.calls), 1000, 1100);
    }
    filch_executor_destroy(ex);
}

static int count_long_ranges(size_t begin, size_t end, void *arg)
{
    struct whole *x = arg;

    count_one(&x->calls);
    fl_add(&x->indices, end - begin, relaxed); /* count */
    return 0;
}

TEST(a_loop_over_all_numbers_ends_if_its_ranges_are_long)
{
    filch_executor *ex = pool_of(2);
    struct whole x = {.grain = SIZE_MAX / 1000};
    struct whole any = {0};

    assert_int_equal(filch_parallel_for(ex, 0, SIZE_MAX, 0, count_long_ranges, &any), 0);
    assert_true(count_of(&any.indices) == SIZE_MAX);
    assert_int_equal(filch_parallel_for(ex, 0, SIZE_MAX, x.grain, count_long_ranges, &x), 0);
    assert_true(count_of(&x.indices) == SIZE_MAX);
    assert_in_range(count_of(&x.calls), 1000, 1001);
    filch_executor_destroy(ex);
}

TEST(what_is_no_loop_is_refused)
{
    filch_executor *ex = pool_of(1);
    filch_loop_options o = {.size = sizeof o};
    struct {
        filch_loop_options known;
        uint64_t unknown;
    } newer = {{.size = sizeof newer}, 1};
    struct indices x = indices_new(0, 1);

    assert_int_equal(filch_parallel_for(NULL, 0, 1, 0, count_each, &x), FILCH_EINVAL);
    assert_int_equal(filch_parallel_for(ex, 0, 1, 0, NULL, &x), FILCH_EINVAL);
    assert_int_equal(filch_parallel_for(ex, 1, 0, 0, count_each, &x), FILCH_EINVAL);
    assert_int_equal(filch_parallel_for(ex, 7, 7, 0, count_each, &x), 0);
    o.size = 0;
    assert_int_equal(filch_parallel_for_with(ex, 0, 1, &o, count_each, &x), FILCH_EINVAL);
    assert_int_equal(filch_parallel_for_with(ex, 0, 1, &newer.known, count_each, &x), FILCH_E2BIG);
    indices_check(&x, 0);
    x = indices_new(0, 1);
    assert_int_equal(filch_parallel_for_with(ex, 0, 1, NULL, count_each, &x), 0);
    indices_check(&x, 1);
    filch_executor_destroy(ex);
}

/* ---- Who takes part ---- */

struct meeting {
    fl_atomic(uint32_t) here;
    counter calls;
};

/* Returns when two threads are in it, or have been. */
static int meet(size_t begin, size_t end, void *arg)
{
    struct meeting *m = arg;

    (void)begin, (void)end;
    count_one(&m->calls);
    fl_add(&m->here, 1, relaxed); /* count */
    fl_futex_wake(&m->here, INT_MAX);
    while (fl_load(&m->here, relaxed) < 2) /* count */
        fl_futex_wait(&m->here, 1, INT64_MAX);
    return 0;
}

struct meet_in {
    filch_executor *ex;
    size_t grain;
};

static int meet_in_a_loop(void *arg, void **result)
{
    const struct meet_in *in = arg;
    struct meeting m = {0};

    (void)result;
    test_check(filch_parallel_for(in->ex, 0, 2, in->grain, meet, &m) == 0);
    test_check(count_of(&m.calls) == 2);
    return 0;
}

/* An executor for each loop: a worker that has helped is not without work again at once. */
TEST(a_worker_that_has_nothing_to_do_helps)
{
    for (size_t grain = 0; grain <= 1; grain++) {
        struct meet_in in = {pool_of(1), grain};
        void *none;

        await_asleep(in.ex, 1);
        assert_int_equal(meet_in_a_loop(&in, &none), 0);
        filch_executor_destroy(in.ex);
        in.ex = pool_of(2);
        await_asleep(in.ex, 2);
        assert_int_equal(finish(submit(in.ex, meet_in_a_loop, &in)), 0);
        filch_executor_destroy(in.ex);
    }
}

TEST(a_worker_that_has_no_thread_yet_helps)
{
    for (size_t grain = 0; grain <= 1; grain++) {
        struct meet_in in = {pool_with((filch_options){.workers = 2, .min_workers = 1}), grain};

        await_asleep(in.ex, 1);
        assert_int_equal(finish(submit(in.ex, meet_in_a_loop, &in)), 0);
        filch_executor_destroy(in.ex);
    }
}

static int run_alone(void *ex, void **result)
{
    uint64_t before = stats_of(ex).submitted;

    test_check(run_all_sizes(ex, result) == 0);
    test_check(stats_of(ex).submitted == before);
    return 0;
}

TEST(a_loop_in_a_busy_executor_submits_nothing)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, run_alone, ex)), 0);
    filch_executor_destroy(ex);
}

static int loop_outside_and_inside(void *ex, void **result)
{
    (void)result;
    for (size_t grain = 0; grain <= 1; grain++) {
        struct indices x = indices_new(0, 5000);

        test_check(loop(ex, &x, grain) == 0);
        indices_check(&x, 1);
    }
    return 0;
}

TEST(a_paused_executor_leaves_the_loop_to_its_caller)
{
    filch_executor *ex = pool_of(2);
    void *none;

    await_asleep(ex, 2);
    assert_int_equal(filch_executor_pause(ex), 0);
    uint64_t before = stats_of(ex).submitted;
    assert_int_equal(loop_outside_and_inside(ex, &none), 0);
    assert_int_equal(stats_of(ex).submitted, before);
    assert_int_equal(filch_executor_resume(ex), 0);
    filch_executor_destroy(ex);
}

struct drained {
    filch_executor *ex;
    struct gate gate;
};

static int loop_when_closed(void *arg, void **result)
{
    struct drained *d = arg;

    gate_pass(&d->gate);
    return loop_outside_and_inside(d->ex, result);
}

TEST(a_closed_executor_leaves_the_loop_to_its_caller)
{
    struct drained d = {.ex = pool_of(2)};
    filch_future *f = submit(d.ex, loop_when_closed, &d);
    void *none;

    gate_await(&d.gate, 1);
    assert_int_equal(filch_executor_shutdown(d.ex, FILCH_DRAIN | FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(loop_outside_and_inside(d.ex, &none), 0);
    gate_open(&d.gate);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(d.ex);
}

TEST(a_rivals_executor_leaves_the_loop_to_its_caller)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .backend = FILCH_BACKEND_MUTEX});

    from_both(ex, run_all_sizes);
    filch_executor_destroy(ex);
}

struct place {
    filch_executor *ex;
    filch_executor *of_loop;
};

static int loop_elsewhere(void *arg, void **result)
{
    const struct place *place = arg;

    return loop_outside_and_inside(place->of_loop, result);
}

TEST(a_task_of_one_executor_has_a_loop_on_another)
{
    struct place place = {pool_of(1), pool_of(2)};

    assert_int_equal(finish(submit(place.ex, loop_elsewhere, &place)), 0);
    filch_executor_destroy(place.ex);
    filch_executor_destroy(place.of_loop);
}

static void loop_in_callback(filch_future *f, void *arg)
{
    void *none;

    (void)f;
    test_check(loop_outside_and_inside(arg, &none) == 0);
}

TEST(a_callback_has_a_loop)
{
    filch_executor *ex = pool_of(2);
    filch_future *p = promise();
    filch_future *f;

    assert_int_equal(filch_future_add_done_callback(p, loop_in_callback, ex), 0);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, loop_in_callback, ex), 0);
    assert_int_equal(filch_promise_set_result(p, NULL), 0);
    assert_int_equal(finish(f), 0);
    filch_future_release(p);
    filch_executor_destroy(ex);
}

static int loop_without_help(void *ex, void **result)
{
    filch_nohelp_begin();
    test_check(loop_outside_and_inside(ex, result) == 0);
    filch_nohelp_end();
    return 0;
}

TEST(a_loop_whose_caller_may_not_help_ends)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .help = FILCH_HELP_NONE});

    from_both(ex, loop_without_help);
    filch_executor_destroy(ex);
}

/* ---- Loops in loops ---- */

struct nest {
    filch_executor *ex;
    unsigned depth;
    size_t grain;
    counter *leaves;
};

static int go_deeper(size_t begin, size_t end, void *arg)
{
    struct nest inner = *(const struct nest *)arg;

    if (inner.depth-- == 0) {
        fl_add(inner.leaves, end - begin, relaxed); /* count */
        return 0;
    }
    for (size_t i = begin; i < end; i++)
        test_check(filch_parallel_for(inner.ex, 0, 17, inner.grain, go_deeper, &inner) == 0);
    return 0;
}

static int run_nested(void *ex, void **result)
{
    (void)result;
    for (size_t grain = 0; grain <= 2; grain++) {
        counter leaves = 0;
        struct nest nest = {ex, 3, grain, &leaves};

        test_check(filch_parallel_for(ex, 0, 17, grain, go_deeper, &nest) == 0);
        test_check(count_of(&leaves) == 17 * 17 * 17 * 17);
    }
    return 0;
}

TEST(loops_in_loops_in_loops_give_each_index_once)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_nested);
        filch_executor_destroy(ex);
    }
}

/* ---- What stops a loop ---- */

struct stopper {
    size_t at;
    int status;
    counter calls;
    filch_token *token;
};

static int fail_at(size_t begin, size_t end, void *arg)
{
    struct stopper *s = arg;

    count_one(&s->calls);
    return begin <= s->at && s->at < end ? s->status : 0;
}

static int run_failing(void *ex, void **result)
{
    static const int statuses[] = {1, INT_MAX, FILCH_ETIMEDOUT, -1};

    (void)result;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        for (size_t grain = 0; grain <= 2; grain++) {
            struct stopper s = {.at = i * 33, .status = statuses[i]};

            test_check(filch_parallel_for(ex, 0, 100, grain, fail_at, &s) == statuses[i]);
            test_check(count_of(&s.calls) >= 1 && count_of(&s.calls) <= 100);
        }
    }
    return 0;
}

TEST(a_loop_returns_the_failure_of_a_range)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_failing);
        filch_executor_destroy(ex);
    }
}

static int fail_alone(void *ex, void **result)
{
    struct stopper s = {.at = 4, .status = 9};

    (void)result;
    test_check(filch_parallel_for(ex, 0, 100, 1, fail_at, &s) == 9);
    test_check(count_of(&s.calls) == 5);
    return 0;
}

TEST(after_a_failure_no_range_begins)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, fail_alone, ex)), 0);
    filch_executor_destroy(ex);
}

/* The caller's range and the helper's: one of them fails when both have begun. */
static int meet_and_fail(size_t begin, size_t end, void *arg)
{
    return meet(begin, end, arg) != 0 || begin == 1 ? 3 : 0;
}

TEST(a_loop_returns_the_failure_of_a_helper)
{
    filch_executor *ex = pool_of(1);
    struct meeting m = {0};

    await_asleep(ex, 1);
    assert_int_equal(filch_parallel_for(ex, 0, 2, 1, meet_and_fail, &m), 3);
    assert_int_equal(count_of(&m.calls), 2);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).unobserved, 0);
    filch_executor_destroy(ex);
}

static int fail_with_words(size_t begin, size_t end, void *arg)
{
    (void)begin, (void)end, (void)arg;
    return filch_fail(7, "no such index", NULL, NULL);
}

static int task_fails_by_loop(void *ex, void **result)
{
    (void)result;
    return filch_parallel_for(ex, 0, 10, 1, fail_with_words, NULL);
}

TEST(of_a_failure_of_a_range_the_code_alone_is_kept)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_fails_by_loop, ex);
    filch_error error;

    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 7);
    assert_true(error.message == NULL || strcmp(error.message, "no such index") != 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int cancel_at(size_t begin, size_t end, void *arg)
{
    struct stopper *s = arg;

    if (begin <= s->at && s->at < end) {
        filch_token_cancel(s->token);
        test_check(filch_cancel_requested());
    }
    return fail_at(begin, end, arg);
}

static int run_cancelled(void *ex, void **result)
{
    (void)result;
    for (size_t at = 0; at < 100; at += 33) {
        struct stopper s = {.at = at};
        int status;

        test_check(filch_token_create(&s.token, NULL, FILCH_FOREVER) == 0);
        status =
            loop_with(ex, 100, (filch_loop_options){.grain = 1, .token = s.token}, cancel_at, &s);
        test_check(status == 0 ? count_of(&s.calls) == 100 : status == FILCH_ECANCELED);
        filch_token_release(s.token);
    }
    return 0;
}

TEST(a_token_stops_a_loop)
{
    filch_executor *ex = pool_of(2);

    from_both(ex, run_cancelled);
    filch_executor_destroy(ex);
}

TEST(a_loop_whose_token_is_cancelled_does_not_begin)
{
    filch_executor *ex = pool_of(1);
    struct stopper s = {.at = SIZE_MAX};

    assert_int_equal(filch_token_create(&s.token, NULL, FILCH_NOW),
                     0); /* its deadline has passed */
    assert_int_equal(loop_with(ex, 9, (filch_loop_options){.token = s.token}, fail_at, &s),
                     FILCH_ECANCELED);
    assert_int_equal(count_of(&s.calls), 0);
    assert_int_equal(loop_with(ex, 0, (filch_loop_options){.token = s.token}, fail_at, &s), 0);
    filch_token_release(s.token);
    filch_executor_destroy(ex);
}

struct own_token {
    filch_executor *ex;
    struct stopper stopper;
};

static int loop_under_a_token(void *arg, void **result)
{
    struct own_token *o = arg;

    (void)result;
    return filch_parallel_for(o->ex, 0, 100, 1, cancel_at, &o->stopper);
}

TEST(the_token_of_the_task_stops_its_loop)
{
    struct own_token o = {.ex = pool_of(1), .stopper = {.at = 9}};
    filch_task_options options = {.size = sizeof options};
    filch_future *f = NULL;

    assert_int_equal(filch_token_create(&o.stopper.token, NULL, FILCH_FOREVER), 0);
    options.token = o.stopper.token;
    assert_int_equal(filch_submit_with(o.ex, &options, loop_under_a_token, &o, &f), 0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    assert_int_equal(count_of(&o.stopper.calls), 10);
    filch_token_release(o.stopper.token);
    filch_executor_destroy(o.ex);
}

static int cancel_everything_at(size_t begin, size_t end, void *arg)
{
    struct own_token *o = arg;

    if (begin == o->stopper.at)
        test_check(filch_executor_cancel_all(o->ex) == 0);
    return fail_at(begin, end, &o->stopper);
}

static int loop_that_cancels_all(void *arg, void **result)
{
    struct own_token *o = arg;

    (void)result;
    return filch_parallel_for(o->ex, 0, 100, 1, cancel_everything_at, o);
}

TEST(cancelling_all_stops_the_loop_of_a_task)
{
    struct own_token o = {.ex = pool_of(1), .stopper = {.at = 9}};

    assert_int_equal(finish(submit(o.ex, loop_that_cancels_all, &o)), FILCH_ECANCELED);
    assert_int_equal(count_of(&o.stopper.calls), 10);
    filch_executor_destroy(o.ex);
}

struct all_cancelled {
    filch_executor *ex;
    struct meeting m;
    struct gate gate; /* of the helper's first range */
    counter calls;
    uint64_t executed;      /* plain, by the first range */
    bool was_asked_to_stop; /* plain, by the helper's first range */
};

/* The caller's range cancels everything while the helper is in one, and ends when the helper has. */
static int cancel_all_beside_a_helper(size_t begin, size_t end, void *arg)
{
    struct all_cancelled *x = arg;

    (void)end;
    count_one(&x->calls);
    if (begin == 0) {
        meet(0, 1, &x->m);
        test_check(filch_executor_cancel_all(x->ex) == 0);
        gate_open(&x->gate);
        while (stats_of(x->ex).executed == x->executed)
            sched_yield();
    } else if (begin == 50) {
        meet(0, 1, &x->m);
        gate_pass(&x->gate);
        x->was_asked_to_stop = filch_cancel_requested();
    }
    return 0;
}

static int loop_beside_cancel_all(void *arg, void **result)
{
    struct all_cancelled *x = arg;

    (void)result;
    x->executed = stats_of(x->ex).executed;
    return filch_parallel_for(x->ex, 0, 100, 1, cancel_all_beside_a_helper, x);
}

TEST(cancelling_all_stops_the_helpers_of_a_task)
{
    struct all_cancelled x = {.ex = pool_of(2)};

    await_asleep(x.ex, 2);
    assert_int_equal(finish(submit(x.ex, loop_beside_cancel_all, &x)), FILCH_ECANCELED);
    assert_true(x.was_asked_to_stop);
    assert_int_equal(count_of(&x.calls), 2);
    filch_executor_destroy(x.ex);
}

TEST(cancelling_all_does_not_concern_a_loop_from_outside)
{
    struct all_cancelled x = {.ex = pool_of(1)};
    void *none;

    await_asleep(x.ex, 1);
    assert_int_equal(loop_beside_cancel_all(&x, &none), 0);
    assert_false(x.was_asked_to_stop);
    assert_int_equal(count_of(&x.calls), 100);
    filch_executor_destroy(x.ex);
}

/* ---- What ranges find ---- */

struct span {
    filch_context context;
    fl_atomic(int64_t) kept;
    struct meeting meeting;
};

static void keep(filch_context *c)
{
    fl_add(&((struct span *)c)->kept, 1, relaxed); /* count */
}

static void let_go_of(filch_context *c)
{
    fl_sub(&((struct span *)c)->kept, 1, relaxed); /* count */
}

static int check_context(size_t begin, size_t end, void *arg)
{
    struct span *span = arg;

    test_check(filch_context_current() == &span->context);
    return meet(begin, end, &span->meeting);
}

struct with_context {
    filch_executor *ex;
    struct span span;
};

static int loop_with_context(void *arg, void **result)
{
    struct with_context *x = arg;

    (void)result;
    test_check(filch_parallel_for(x->ex, 0, 2, 1, check_context, &x->span) == 0);
    test_check(filch_context_current() == &x->span.context);
    return 0;
}

TEST(a_range_has_the_context_of_the_loops_caller_whoever_runs_it)
{
    struct with_context x = {.ex = pool_of(2),
                             .span = {.context = {.retain = keep, .release = let_go_of}}};
    filch_task_options options = {.size = sizeof options, .context = &x.span.context};
    filch_future *f = NULL;

    await_asleep(x.ex, 2);
    assert_int_equal(filch_submit_with(x.ex, &options, loop_with_context, &x, &f), 0);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(x.ex);
    assert_int_equal(fl_load(&x.span.kept, relaxed), 0); /* count */
}

/* ---- Forks of the caller's ---- */

static int set_true(void *arg, void **result)
{
    (void)result;
    *(bool *)arg = true;
    return 0;
}

static int fork_around_a_loop(void *ex, void **result)
{
    for (size_t grain = 0; grain <= 1; grain++) {
        struct indices x = indices_new(0, 100);
        bool has_run = false;
        filch_task t = {0};

        (void)result;
        filch_fork(&t, set_true, &has_run);
        test_check(loop(ex, &x, grain) == 0);
        test_check(filch_join(&t, NULL) == 0);
        test_check(has_run);
        indices_check(&x, 1);
    }
    return 0;
}

TEST(what_is_forked_before_a_loop_is_joined_after_it)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, fork_around_a_loop);
        filch_executor_destroy(ex);
    }
}

struct forked_before {
    filch_executor *ex;
    filch_token *token; /* the loop's */
    struct gate gate;   /* of the other worker, who asks for work once it is open */
    counter begun;
    bool is_cancelled; /* plain, as the fork finds it */
};

static int find_whether_cancelled(void *arg, void **result)
{
    struct forked_before *x = arg;

    (void)result;
    x->is_cancelled = filch_cancel_requested();
    count_one(&x->begun);
    return 0;
}

/* Ends when another worker runs what was forked before the loop. */
static int cancel_and_fork(size_t begin, size_t end, void *arg)
{
    struct forked_before *x = arg;

    (void)begin, (void)end;
    filch_token_cancel(x->token);
    gate_open(&x->gate);
    while (count_of(&x->begun) == 0) {
        filch_task t;
        bool has_run;

        filch_fork(&t, set_true, &has_run);
        test_check(filch_join(&t, NULL) == 0);
        sched_yield();
    }
    return 0;
}

static int fork_before_a_loop_that_is_cancelled(void *arg, void **result)
{
    struct forked_before *x = arg;
    filch_task t = {0};

    (void)result;
    gate_await(&x->gate, 1);
    filch_fork(&t, find_whether_cancelled, x);
    test_check(loop_with(x->ex, 1, (filch_loop_options){.token = x->token}, cancel_and_fork, x) ==
               0);
    test_check(filch_join(&t, NULL) == 0);
    test_check(!x->is_cancelled);
    return 0;
}

TEST(what_is_forked_before_a_loop_is_no_part_of_it)
{
    struct forked_before x = {.ex = pool_of(2)};
    filch_future *other = submit(x.ex, task_gate, &x.gate);

    assert_int_equal(filch_token_create(&x.token, NULL, FILCH_FOREVER), 0);
    assert_int_equal(finish(submit(x.ex, fork_before_a_loop_that_is_cancelled, &x)), 0);
    assert_int_equal(finish(other), 0);
    filch_token_release(x.token);
    filch_executor_destroy(x.ex);
}

/* A thread that forks, and joins as its stack is unwound. */
struct forker {
    filch_task task;
    bool has_run;
    bool is_joined;
    filch_executor *ex;
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

static int exit_thread(size_t begin, size_t end, void *arg)
{
    (void)begin, (void)end, (void)arg;
    pthread_exit(NULL);
}

static void *fork_and_loop(void *arg)
{
    struct forker *x = arg;

    filch_fork(&x->task, say_that_it_ran, x);
    pthread_cleanup_push(join_it, x);
    (void)!filch_parallel_for(x->ex, 0, 1, 1, exit_thread, x);
    pthread_cleanup_pop(1);
    test_check(false);
    return NULL;
}

TEST(what_was_forked_before_a_loop_is_there_though_a_range_ends_the_thread)
{
    struct forker x = {.ex = pool_of(1)};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fork_and_loop, &x), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(x.is_joined);
    assert_true(x.has_run);
    filch_executor_destroy(x.ex);
}

/* ---- Threads that end ---- */

static int meet_and_exit(size_t begin, size_t end, void *arg)
{
    meet(begin, end, arg);
    if (begin == 1)
        pthread_exit(NULL);
    return 0;
}

TEST(a_range_that_ends_a_helpers_thread_ends_the_loop_as_abandoned)
{
    filch_executor *ex = pool_of(1);
    struct meeting m = {0};

    await_asleep(ex, 1);
    assert_int_equal(filch_parallel_for(ex, 0, 2, 1, meet_and_exit, &m), FILCH_EABANDONED);
    assert_int_equal(count_of(&m.calls), 2);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(stats_of(ex).unobserved, 0);
    filch_executor_destroy(ex);
}

struct exiting {
    filch_executor *ex;
    struct meeting m;
    struct gate gate;
    bool helper_is_over; /* plain */
};

/* The caller ends its thread while a helper is in the middle of its range. */
static int exit_as_caller(size_t begin, size_t end, void *arg)
{
    struct exiting *x = arg;

    meet(begin, end, &x->m);
    if (begin == 0)
        pthread_exit(NULL);
    gate_pass(&x->gate);
    x->helper_is_over = true;
    return 0;
}

static int loop_that_exits(void *arg, void **result)
{
    struct exiting *x = arg;

    (void)result;
    (void)!filch_parallel_for(x->ex, 0, 2, 1, exit_as_caller, x);
    test_check(false);
    return 0;
}

TEST(a_range_that_ends_the_callers_thread_waits_for_the_helpers)
{
    struct exiting x = {.ex = pool_of(2)};
    filch_future *f;

    await_asleep(x.ex, 2);
    f = submit(x.ex, loop_that_exits, &x);
    gate_await(&x.gate, 1);
    assert_false(filch_future_done(f));
    gate_open(&x.gate);
    assert_int_equal(finish(f), FILCH_EABANDONED);
    assert_true(x.helper_is_over);
    assert_int_equal(finish(submit(x.ex, task_echo, NULL)), 0);
    filch_executor_destroy(x.ex);
}

/* ---- Forks ---- */

static int ending_of(pid_t child)
{
    int status = 0;

    test_check(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(a_forked_child_has_no_loops_on_the_parents_executor)
{
    filch_executor *ex = pool_of(1);
    struct indices x = indices_new(0, 10);
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(30);
        _exit(loop(ex, &x, 1) == FILCH_EFORKED ? 0 : 1);
    }
    assert_int_equal(ending_of(child), 0);
    indices_check(&x, 0);
    filch_executor_destroy(ex);
}

struct forking {
    struct meeting m;
    pid_t child;
    pid_t parent;
    counter late;
};

static int meet_and_fork(size_t begin, size_t end, void *arg)
{
    struct forking *x = arg;

    if (begin == 0) {
        meet(begin, end, &x->m);
        x->child = fork();
        if (x->child == 0)
            alarm(30);
    } else if (begin == 50) {
        meet(begin, end, &x->m);
    } else if (getpid() != x->parent) {
        count_one(&x->late);
    }
    return 0;
}

TEST(a_range_that_forks_ends_the_loop_in_the_child)
{
    filch_executor *ex = pool_of(1);
    struct forking x = {.parent = getpid()};
    int status;

    await_asleep(ex, 1);
    fflush(NULL);
    status = filch_parallel_for(ex, 0, 100, 1, meet_and_fork, &x);
    if (getpid() != x.parent)
        _exit(status == FILCH_EFORKED && count_of(&x.late) == 0 ? 0 : 1);
    assert_int_equal(status, 0);
    assert_int_equal(ending_of(x.child), 0);
    filch_executor_destroy(ex);
}
