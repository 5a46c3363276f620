/* SPDX-License-Identifier: MIT
 *
 * test_map.c: one function over an array: results in order, failures, any number, from anywhere. */
#include "sched/work.h"

enum {
    MOST = 5000
};

static void *args[MOST];
static void *results[MOST];
static counter ran;

static int task_double(void *arg, void **result)
{
    count_one(&ran);
    *result = number(2 * (intptr_t)arg);
    return 0;
}

static void set_up(void)
{
    for (size_t i = 0; i < MOST; i++) {
        args[i] = number((intptr_t)i);
        results[i] = &ran;
    }
}

static void check_doubles(size_t n)
{
    for (size_t i = 0; i < n; i++)
        test_check((intptr_t)results[i] == 2 * (intptr_t)i);
    test_check(n == MOST || results[n] == &ran);
}

static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 64, 65, 1000, MOST};
enum {
    SIZES = sizeof sizes / sizeof sizes[0]
};

TEST(results_stand_in_the_order_of_the_arguments)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        for (size_t i = 0; i < SIZES; i++) {
            set_up();
            assert_int_equal(filch_map_array(ex, task_double, args, results, sizes[i]), 0);
            check_doubles(sizes[i]);
        }
        filch_executor_destroy(ex);
    }
}

TEST(a_map_of_nothing_calls_nothing)
{
    filch_executor *ex = pool_of(1);
    uint64_t before = count_of(&ran);

    assert_int_equal(filch_map_array(ex, task_double, NULL, NULL, 0), 0);
    assert_int_equal(filch_map_array(ex, task_double, args, results, 0), 0);
    assert_int_equal(count_of(&ran), before);
    assert_int_equal(stats_of(ex).submitted, 0);
    filch_executor_destroy(ex);
}

TEST(without_arguments_each_call_gets_null)
{
    filch_executor *ex = pool_of(2);

    set_up();
    assert_int_equal(filch_map_array(ex, task_echo, NULL, results, 40), 0);
    for (int i = 0; i < 40; i++)
        assert_null(results[i]);
    assert_ptr_equal(results[40], &ran);
    filch_executor_destroy(ex);
}

TEST(without_results_each_call_is_made_and_waited_for)
{
    filch_executor *ex = pool_of(2);

    for (size_t i = 0; i < SIZES; i++) {
        uint64_t before = count_of(&ran);

        set_up();
        assert_int_equal(filch_map_array(ex, task_double, args, NULL, sizes[i]), 0);
        assert_int_equal(count_of(&ran) - before, sizes[i]);
        assert_int_equal(filch_map_array(ex, task_double, NULL, NULL, sizes[i]), 0);
        assert_int_equal(count_of(&ran) - before, 2 * sizes[i]);
    }
    filch_executor_destroy(ex);
}

/* ---- Failures ---- */

static struct gate later; /* opened by the later one of those that fail */

/* Calls 3 and 7 fail, 7 first; 5 hands a status on. */
static int task_some_fail(void *arg, void **result)
{
    const intptr_t i = (intptr_t)arg;

    count_one(&ran);
    *result = number(100 + i);
    if (i == 3)
        gate_pass(&later);
    if (i == 7)
        gate_open(&later);
    return i == 3 ? 30 : i == 7 ? 70 : i == 5 ? FILCH_EFULL : 0;
}

TEST(the_first_failure_in_the_arguments_order_is_told_and_every_call_is_made)
{
    filch_executor *ex = pool_of(2);
    uint64_t before = count_of(&ran);

    set_up();
    assert_int_equal(filch_map_array(ex, task_some_fail, args, results, 50), 30);
    assert_int_equal(count_of(&ran) - before, 50);
    for (intptr_t i = 0; i < 50; i++) {
        bool fails = i == 3 || i == 5 || i == 7;
        assert_int_equal((intptr_t)results[i], fails ? 0 : 100 + i);
    }
    assert_ptr_equal(results[50], &ran);
    assert_int_equal(filch_map_array(ex, task_some_fail, args + 4, results, 20), FILCH_EFULL);
    assert_int_equal(filch_map_array(ex, task_some_fail, args + 6, NULL, 20), 70);
    assert_int_equal(filch_map_array(ex, task_some_fail, args + 8, NULL, 20), 0);
    filch_executor_destroy(ex);
}

struct cut {
    filch_executor *ex;
    struct gate gate;
    void *args[40];
    void *results[40];
};

static void map_or_cancel(unsigned i, void *arg)
{
    struct cut *c = arg;

    if (i == 0) {
        test_check(filch_map_array(c->ex, task_gate, c->args, c->results, 40) == FILCH_ECANCELED);
        return;
    }
    gate_await(&c->gate, 1);
    test_check(filch_executor_shutdown(c->ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW) ==
               0);
    gate_open(&c->gate);
}

TEST(a_shutdown_that_cancels_ends_a_map_with_what_ran)
{
    struct cut c = {.ex = pool_of(1)};

    for (int i = 0; i < 40; i++) {
        c.args[i] = &c.gate;
        c.results[i] = &c;
    }
    test_threads(2, map_or_cancel, &c);
    assert_ptr_equal(c.results[0], &c.gate);
    for (int i = 1; i < 40; i++)
        assert_null(c.results[i]);
    filch_executor_destroy(c.ex);
}

TEST(a_map_that_is_refused_makes_no_call)
{
    filch_executor *ex = pool_of(1);
    uint64_t before = count_of(&ran);
    volatile size_t beyond = SIZE_MAX; /* for the compiler to know nothing of */

    set_up();
    assert_int_equal(filch_map_array(ex, NULL, args, results, 40), FILCH_EINVAL);
    assert_int_equal(filch_map_array(ex, task_double, args, results, beyond), FILCH_ENOMEM);
    assert_int_equal(filch_map_array(ex, task_double, NULL, NULL, beyond / 8 + 1), FILCH_ENOMEM);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_map_array(ex, task_double, args, results, 1), FILCH_ESHUTDOWN);
    assert_int_equal(filch_map_array(ex, task_double, args, results, 1000), FILCH_ESHUTDOWN);
    for (size_t i = 0; i < MOST; i++)
        assert_ptr_equal(results[i], &ran);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), before);
}

/* ---- From inside a task ---- */

static int task_map(void *arg, void **result)
{
    for (size_t i = 0; i < SIZES; i++) {
        set_up();
        test_check(filch_map_array(arg, task_double, args, results, sizes[i]) == 0);
        check_doubles(sizes[i]);
    }
    *result = NULL;
    return 0;
}

TEST(a_task_may_map_on_its_own_executor)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            filch_executor *ex =
                pool_with((filch_options){.workers = workers, .help = (enum filch_help)help});

            assert_int_equal(finish(submit(ex, task_map, ex)), 0);
            filch_executor_destroy(ex);
        }
    }
}

struct plane {
    filch_executor *ex;
    unsigned height;
};

static int task_map_of_maps(void *arg, void **result)
{
    struct plane *p = arg;
    struct plane below = {p->ex, p->height - 1};
    void *all_below[4] = {&below, &below, &below, &below};
    void *sums[4];
    intptr_t sum = 0;
    int status;

    *result = number(1);
    if (p->height == 0)
        return 0;
    status = filch_map_array(p->ex, task_map_of_maps, all_below, sums, 4);
    for (int i = 0; i < 4; i++)
        sum += (intptr_t)sums[i];
    *result = number(sum);
    return status;
}

TEST(maps_of_maps_end_on_one_worker)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct plane p = {pool_of(workers), 5};
        void *top = &p;
        void *sum = NULL;

        assert_int_equal(filch_map_array(p.ex, task_map_of_maps, &top, &sum, 1), 0);
        assert_int_equal((intptr_t)sum, 1024);
        filch_executor_destroy(p.ex);
    }
}
