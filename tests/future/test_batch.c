/* SPDX-License-Identifier: MIT
 *
 * test_batch.c: many tasks in one submit: all of them, in order, or none. */
#include "sched/work.h"

enum {
    MOST = 100000
};

static const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, MOST};
enum {
    SIZES = sizeof sizes / sizeof sizes[0]
};

static filch_future *futures[MOST];
static void *args[MOST];
static counter ran;

static int task_tell(void *arg, void **result)
{
    count_one(&ran);
    *result = arg;
    return 0;
}

static void number_args(void)
{
    for (size_t i = 0; i < MOST; i++)
        args[i] = number((intptr_t)i + 1);
}

/* Everything is over: the results, in the order of the arguments. */
static void check_results(size_t n, bool with_args)
{
    for (size_t i = 0; i < n; i++) {
        void *result = &ran;

        test_check(filch_future_result(futures[i], FILCH_FOREVER, &result) == 0);
        test_check(result == (with_args ? number((intptr_t)i + 1) : NULL));
        filch_future_release(futures[i]);
        futures[i] = NULL;
    }
}

static void run_batch(filch_executor *ex, size_t n, bool with_args, bool with_futures)
{
    test_check(filch_submit_batch(ex, task_tell, with_args ? args : NULL, n,
                                  with_futures ? futures : NULL) == 0);
    if (with_futures)
        check_results(n, with_args);
}

static void check_batches(unsigned workers, bool with_args, bool with_futures)
{
    filch_executor *ex = pool_of(workers);

    number_args();
    for (size_t i = 0; i < SIZES; i++) {
        uint64_t before = count_of(&ran);

        run_batch(ex, sizes[i], with_args, with_futures);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran) - before, sizes[i]);
    }
    filch_executor_destroy(ex);
}

TEST(every_task_of_a_batch_runs_once_and_answers_in_its_place)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        check_batches(workers, true, true);
}

TEST(a_batch_without_arguments_gives_each_task_null)
{
    check_batches(2, false, true);
}

TEST(a_batch_without_futures_keeps_no_outcome)
{
    check_batches(2, true, false);
}

TEST(a_batch_without_either_still_runs)
{
    check_batches(2, false, false);
}

TEST(an_empty_batch_queues_nothing)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;

    assert_int_equal(filch_submit_batch(ex, task_tell, args, 0, &f), 0);
    assert_int_equal(filch_submit_batch(ex, task_tell, NULL, 0, NULL), 0);
    assert_null(f);
    assert_int_equal(stats_of(ex).submitted, 0);
    filch_executor_destroy(ex);
}

/* ---- From inside a task ---- */

struct inside {
    filch_executor *ex;
    bool with_args;
    bool with_futures;
};

static int task_batches(void *arg, void **result)
{
    struct inside *t = arg;

    for (size_t i = 0; i < SIZES; i++)
        run_batch(t->ex, sizes[i], t->with_args, t->with_futures);
    *result = NULL;
    return 0;
}

TEST(a_task_may_submit_batches)
{
    size_t total = 0;

    number_args();
    for (size_t i = 0; i < SIZES; i++)
        total += sizes[i];
    for (unsigned way = 0; way < 8; way++) {
        struct inside t = {pool_of(1 + way / 4), (way & 1) != 0, (way & 2) != 0};
        uint64_t before = count_of(&ran);

        assert_int_equal(finish(submit(t.ex, task_batches, &t)), 0);
        assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran) - before, total);
        filch_executor_destroy(t.ex);
    }
}

/* ---- Order ---- */

/* Words   next   where the next one notes itself: its order is the tasks' own */
static struct {
    fl_atomic(uint32_t) next;
    intptr_t seen[1000];
} sequence;

static int task_note(void *arg, void **result)
{
    uint32_t i = fl_add(&sequence.next, 1, relaxed); /* count */

    sequence.seen[i] = (intptr_t)arg;
    *result = NULL;
    return 0;
}

TEST(from_outside_one_worker_runs_a_batch_in_its_order)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    number_args();
    fl_store(&sequence.next, 0, relaxed); /* own word: nothing runs */
    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_batch(ex, task_note, args, 500, NULL), 0);
    assert_int_equal(filch_submit_batch(ex, task_note, args + 500, 500, NULL), 0);
    let_go(&hold);
    filch_executor_destroy(ex);
    for (intptr_t i = 0; i < 1000; i++)
        assert_int_equal(sequence.seen[i], i + 1);
}

static int task_submit_noted(void *arg, void **result)
{
    *result = NULL;
    return filch_submit_batch(arg, task_note, args, 1000, NULL);
}

TEST(from_inside_one_worker_takes_the_youngest_first)
{
    filch_executor *ex = pool_of(1);

    number_args();
    fl_store(&sequence.next, 0, relaxed); /* own word: nothing runs */
    assert_int_equal(finish(submit(ex, task_submit_noted, ex)), 0);
    filch_executor_destroy(ex);
    for (intptr_t i = 0; i < 1000; i++)
        assert_int_equal(sequence.seen[i], 1000 - i);
}

/* ---- One by one ---- */

TEST(each_future_of_a_batch_is_its_own)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    uint64_t before = count_of(&ran);

    number_args();
    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_batch(ex, task_tell, args, 200, futures), 0);
    for (int i = 0; i < 200; i += 2)
        assert_true(filch_future_cancel(futures[i]));
    for (int i = 0; i < 200; i += 4)
        filch_future_release(futures[i]);
    let_go(&hold);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran) - before, 100);
    for (int i = 0; i < 200; i++) {
        if (i % 4 != 0)
            assert_int_equal(finish(futures[i]), i % 2 == 0 ? FILCH_ECANCELED : 0);
    }
    filch_executor_destroy(ex);
}

/* ---- None at all ---- */

TEST(a_batch_that_is_refused_touches_nothing)
{
    filch_executor *ex = pool_of(1);
    uint64_t before = count_of(&ran);
    volatile size_t beyond = SIZE_MAX; /* for the compiler to know nothing of */
    filch_future *f[65] = {NULL};

    assert_int_equal(filch_submit_batch(ex, NULL, args, 65, f), FILCH_EINVAL);
    assert_int_equal(filch_submit_batch(ex, task_tell, args, beyond, f), FILCH_ENOMEM);
    assert_int_equal(filch_submit_batch(ex, task_tell, NULL, beyond, NULL), FILCH_ENOMEM);
    assert_int_equal(filch_submit_batch(ex, task_tell, NULL, beyond / 8 + 1, NULL), FILCH_ENOMEM);
    assert_int_equal(stats_of(ex).submitted, 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_batch(ex, task_tell, args, 1, f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_batch(ex, task_tell, args, 65, f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_batch(ex, task_tell, args, MOST, NULL), FILCH_ESHUTDOWN);
    for (int i = 0; i < 65; i++)
        assert_null(f[i]);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), before);
}
