/* SPDX-License-Identifier: MIT
 *
 * stress_nested.c: tasks that wait for tasks, and for promises that other tasks keep, on fewer
 * workers than there are waits. */
#include "sched/work.h"

struct sum {
    filch_executor *ex;
    unsigned n;
    uint64_t value;
};

/* Fibonacci by fork and join. */
static int task_fib(void *arg, void **result)
{
    struct sum *s = arg;

    *result = s;
    if (s->n < 2) {
        s->value = s->n;
        return 0;
    }
    struct sum left = {s->ex, s->n - 1, 0};
    struct sum right = {s->ex, s->n - 2, 0};
    filch_future *f[2] = {submit(s->ex, task_fib, &left), submit(s->ex, task_fib, &right)};

    if (s->n % 3 == 0)
        test_check(filch_wait(f, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    test_check(finish(f[0]) == 0);
    test_check(finish(f[1]) == 0);
    s->value = left.value + right.value;
    return 0;
}

static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void check_fib(filch_options options, unsigned n)
{
    struct sum s = {pool_with(options), n, 0};

    assert_int_equal(finish(submit(s.ex, task_fib, &s)), 0);
    assert_int_equal(s.value, fib(n));
    filch_executor_destroy(s.ex);
}

TEST(fork_and_join_ends_on_any_number_of_workers)
{
    unsigned n = test_scale() >= 1 ? 20 : 13;

    for (unsigned workers = 1; workers <= 4; workers++) {
        for (int turn = 0; turn < 10; turn++) {
            check_fib((filch_options){.workers = workers}, n);
            check_fib((filch_options){.workers = workers, .help = FILCH_HELP_ANY}, n);
        }
    }
}

TEST(fork_and_join_ends_when_waiting_workers_run_nothing)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (int turn = 0; turn < 10; turn++)
            check_fib((filch_options){.workers = workers, .help = FILCH_HELP_NONE}, 8);
    }
}

/* ---- Tasks that wait for promises that later tasks keep ---- */

enum {
    PAIRS = 24
};

struct pair {
    filch_executor *ex;
    filch_future *promise;
};

static int task_keep(void *arg, void **result)
{
    struct pair *p = arg;

    test_check(filch_promise_set_result(p->promise, p) == 0);
    *result = p;
    return 0;
}

static int task_rely(void *arg, void **result)
{
    struct pair *p = arg;
    filch_future *child = submit(p->ex, task_echo, p);
    int status = filch_future_result(p->promise, FILCH_FOREVER, result);

    test_check(finish(child) == 0);
    return status;
}

static int task_mix(void *arg, void **result)
{
    filch_executor *ex = arg;
    struct pair pairs[PAIRS];
    filch_future *rely[PAIRS];
    filch_future *keep[PAIRS];

    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){ex, promise()};
        rely[i] = submit(ex, task_rely, &pairs[i]);
    }
    for (int i = 0; i < PAIRS; i++)
        keep[i] = submit(ex, task_keep, &pairs[i]);
    for (int i = 0; i < PAIRS; i++) {
        void *kept = NULL;

        test_check(filch_future_result(rely[i], FILCH_FOREVER, &kept) == 0);
        test_check(kept == &pairs[i]);
        filch_future_release(rely[i]);
        test_check(finish(keep[i]) == 0);
        filch_future_release(pairs[i].promise);
    }
    *result = NULL;
    return 0;
}

static void mix(unsigned i, void *arg)
{
    (void)i;
    for (size_t turn = test_scaled(60); turn > 0; turn--) {
        test_check(task_mix(arg, &(void *){NULL}) == 0);
        test_check(finish(submit(arg, task_mix, arg)) == 0);
    }
}

TEST(tasks_that_block_on_promises_leave_room_for_those_who_keep_them)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help += 2) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            filch_executor *ex =
                pool_with((filch_options){.workers = workers, .help = (enum filch_help)help});
            test_threads(2, mix, ex);
            assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
            assert_in_range(stats_of(ex).workers, workers, workers + 256);
            filch_executor_destroy(ex);
        }
    }
}
