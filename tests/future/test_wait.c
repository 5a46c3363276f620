/* SPDX-License-Identifier: MIT
 *
 * test_wait.c: one wait for many futures: any number of them, from outside and from inside a task,
 * with every condition. */
/* link: -Wl,--wrap=fl_malloc */
#include "sched/work.h"

#include "base/clock.h"

/* ---- Blocks that waits take ---- */

static counter blocks;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);

void *__wrap_fl_malloc(size_t size)
{
    count_one(&blocks);
    return __real_fl_malloc(size);
}

/* ---- Any number ---- */

enum {
    MANY = 10000
};

static filch_future *all[MANY];

static void release_all(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

static void check_partition(size_t n, unsigned every, enum filch_return_when when)
{
    filch_future *open[100];
    filch_future *over[100];
    filch_future *f[100];
    size_t n_open = 0;
    size_t n_over = 0;

    for (size_t i = 0; i < n; i++) {
        f[i] = promise();
        if (i % every == every - 1) {
            assert_int_equal(filch_promise_set_result(f[i], NULL), 0);
            over[n_over++] = f[i];
        } else {
            open[n_open++] = f[i];
        }
    }
    assert_int_equal(filch_wait(f, n, when, FILCH_NOW), n_over);
    assert_memory_equal(f, over, n_over * sizeof f[0]);
    assert_memory_equal(f + n_over, open, n_open * sizeof f[0]);
    assert_int_equal(filch_wait(f, n, when, filch_in_us(1)), n_over);
    assert_memory_equal(f, over, n_over * sizeof f[0]);
    assert_memory_equal(f + n_over, open, n_open * sizeof f[0]);
    release_all(f, n);
}

TEST(both_parts_stay_in_the_order_given_for_any_number)
{
    static const size_t numbers[] = {1, 2, 3, 31, 32, 33, 34, 63, 64, 65, 100};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (unsigned every = 1; every <= 4; every++) {
            for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++)
                check_partition(numbers[i], every, (enum filch_return_when)when);
        }
    }
}

TEST(ten_thousand_tasks_are_one_wait)
{
    filch_executor *ex = pool_of(2);

    for (size_t i = 0; i < MANY; i++)
        all[i] = submit(ex, task_echo, number((intptr_t)i));
    assert_int_equal(filch_wait(all, MANY, FILCH_ALL_COMPLETED, FILCH_FOREVER), MANY);
    for (size_t i = 0; i < MANY; i++) {
        void *result = NULL;

        assert_int_equal(filch_future_result(all[i], FILCH_NOW, &result), 0);
        assert_int_equal((intptr_t)result, i);
    }
    release_all(all, MANY);
    filch_executor_destroy(ex);
}

TEST(the_last_of_ten_thousand_may_be_the_first_that_is_over)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *last = submit(ex, task_echo, NULL);
    for (size_t i = 0; i < MANY - 1; i++)
        all[i] = promise();
    all[MANY - 1] = last;
    assert_int_equal(filch_wait(all, MANY, FILCH_FIRST_COMPLETED, filch_in_ms(1)), 0);
    gate_open(&hold.gate);
    assert_int_equal(filch_wait(all, MANY, FILCH_FIRST_COMPLETED, FILCH_FOREVER), 1);
    assert_ptr_equal(all[0], last);
    let_go(&hold);
    release_all(all, MANY);
    filch_executor_destroy(ex);
}

/* ---- Immediate hits ---- */

static filch_future *over(int status)
{
    filch_future *f = promise();

    if (status == 0)
        test_check(filch_promise_set_result(f, NULL) == 0);
    else if (status == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, status, NULL) == 0);
    return f;
}

TEST(a_condition_that_holds_already_takes_no_block_and_no_time)
{
    filch_future *open = promise();
    filch_future *f[4] = {open, over(FILCH_ECANCELED), over(3), over(0)};
    filch_future *array[4];

    for (int when = FILCH_FIRST_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++) {
        uint64_t before = count_of(&blocks);

        memcpy(array, f, sizeof f);
        assert_int_equal(filch_wait(array, 4, (enum filch_return_when)when, FILCH_FOREVER), 3);
        assert_memory_equal(array, f + 1, 3 * sizeof f[0]);
        assert_ptr_equal(array[3], open);
        assert_int_equal(count_of(&blocks), before);
    }
    memcpy(array, f, sizeof f);
    assert_int_equal(filch_wait(array + 1, 3, FILCH_ALL_COMPLETED, FILCH_FOREVER), 3);
    assert_int_equal(filch_wait(array, 2, FILCH_FIRST_EXCEPTION, FILCH_NOW), 1);
    memcpy(array, f, sizeof f);
    assert_int_equal(filch_wait(array, 3, FILCH_FIRST_SUCCESS, FILCH_NOW), 2);
    release_all(f, 4);
}

/* Each wait has a block of its own; the nodes of both futures serve the next one again. */
TEST(waits_that_end_early_take_the_same_room_again)
{
    enum {
        WAITS = 1000
    };
    filch_future *f[2] = {promise(), promise()};
    uint64_t before = count_of(&blocks);

    for (int i = 0; i < WAITS; i++)
        assert_int_equal(filch_wait(f, 2, FILCH_FIRST_COMPLETED, filch_in_ns(1)), 0);
    assert_in_range(count_of(&blocks) - before, 1, WAITS + 2);
    release_all(f, 2);
}

/* ---- From outside, asleep ---- */

struct sleeper {
    filch_future **f;
    size_t n;
    enum filch_return_when when;
    ptrdiff_t expected;
    int first; /* which is completed first, and with what code */
    int first_code;
    int second; /* < 0: no other one */
    int second_code;
};

static void complete(filch_future *f, int code)
{
    test_check(
        (code == 0 ? filch_promise_set_result(f, f) : filch_promise_set_error(f, code, NULL)) == 0);
}

static void wait_or_complete(unsigned i, void *arg)
{
    const struct sleeper *s = arg;
    filch_future *f[40];

    memcpy(f, s->f, s->n * sizeof f[0]);
    if (i == 0) {
        test_check(filch_wait(f, s->n, s->when, FILCH_FOREVER) == s->expected);
        return;
    }
    complete(f[s->first], s->first_code);
    if (s->second >= 0)
        complete(f[s->second], s->second_code);
}

static void check_sleeper(struct sleeper s)
{
    filch_future *f[40];

    s.f = f;
    for (size_t turn = test_scaled(50); turn > 0; turn--) {
        for (size_t i = 0; i < s.n; i++)
            f[i] = promise();
        test_threads(2, wait_or_complete, &s);
        release_all(f, s.n);
    }
}

TEST(promises_wake_the_one_who_waits_for_them)
{
    check_sleeper((struct sleeper){
        .n = 40, .when = FILCH_FIRST_COMPLETED, .expected = 1, .first = 39, .second = -1});
    check_sleeper((struct sleeper){.n = 40,
                                   .when = FILCH_FIRST_EXCEPTION,
                                   .expected = 2,
                                   .first = 20,
                                   .second = 3,
                                   .second_code = 8});
    check_sleeper((struct sleeper){.n = 40,
                                   .when = FILCH_FIRST_SUCCESS,
                                   .expected = 2,
                                   .first = 20,
                                   .first_code = 8,
                                   .second = 3});
    check_sleeper((struct sleeper){.n = 2,
                                   .when = FILCH_ALL_COMPLETED,
                                   .expected = 2,
                                   .first = 1,
                                   .first_code = 1,
                                   .second = 0});
    check_sleeper((struct sleeper){.n = 2,
                                   .when = FILCH_FIRST_SUCCESS,
                                   .expected = 2,
                                   .first = 1,
                                   .first_code = 1,
                                   .second = 0,
                                   .second_code = 2});
}

TEST(a_wait_for_many_does_not_time_out_before_its_deadline)
{
    filch_future *f[40];

    for (int i = 0; i < 40; i++)
        f[i] = promise();
    for (int ms = 0; ms < 4; ms++) {
        filch_deadline deadline = filch_in_ms(ms);

        assert_int_equal(filch_wait(f, 40, FILCH_ALL_COMPLETED, deadline), 0);
        assert_true(fl_now() >= deadline);
    }
    release_all(f, 40);
}

/* ---- From inside a task ---- */

static _Thread_local unsigned waits; /* of this thread, one on top of the other */

static int task_on_top(void *arg, void **result)
{
    test_check(waits == 1);
    return task_echo(arg, result);
}

static int task_fail_on_top(void *arg, void **result)
{
    test_check(waits == 1);
    return task_fail(arg, result);
}

static int task_beside(void *arg, void **result)
{
    test_check(waits == 0);
    return task_echo(arg, result);
}

static ptrdiff_t wait_marked(filch_future **f, size_t n, enum filch_return_when when,
                             filch_deadline deadline)
{
    ptrdiff_t done;

    waits++;
    done = filch_wait(f, n, when, deadline);
    waits--;
    return done;
}

static size_t count_state(filch_future **f, size_t n, enum filch_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += filch_future_state(f[i]) == state;
    return count;
}

enum {
    CHILDREN = 40
};

/* The middle one fails, the others don't; or the other way round. */
static void submit_children(filch_executor *ex, filch_future **f, bool one_fails)
{
    for (int i = 0; i < CHILDREN; i++) {
        bool fails = (i == CHILDREN / 2) == one_fails;
        f[i] = submit(ex, fails ? task_fail_on_top : task_on_top, number(fails ? 7 : 0));
    }
}

static int task_wait_helping(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f[CHILDREN];
    ptrdiff_t done;

    submit_children(ex, f, true);
    test_check(wait_marked(f, CHILDREN, FILCH_FIRST_COMPLETED, FILCH_FOREVER) == 1);
    done = wait_marked(f, CHILDREN, FILCH_FIRST_EXCEPTION, FILCH_FOREVER);
    test_check(done >= 1 && done <= CHILDREN);
    test_check(count_state(f, (size_t)done, FILCH_FAILED) == 1);
    test_check(count_state(f + done, CHILDREN - (size_t)done, FILCH_PENDING) ==
               CHILDREN - (size_t)done);
    test_check(wait_marked(f, CHILDREN, FILCH_ALL_COMPLETED, FILCH_FOREVER) == CHILDREN);
    release_all(f, CHILDREN);

    submit_children(ex, f, false);
    done = wait_marked(f, CHILDREN, FILCH_FIRST_SUCCESS, FILCH_FOREVER);
    test_check(done >= 1 && done <= CHILDREN);
    test_check(count_state(f, (size_t)done, FILCH_FINISHED) == 1);
    test_check(count_state(f + done, CHILDREN - (size_t)done, FILCH_PENDING) ==
               CHILDREN - (size_t)done);
    test_check(wait_marked(f, CHILDREN, FILCH_ALL_COMPLETED, FILCH_FOREVER) == CHILDREN);
    release_all(f, CHILDREN);
    *result = NULL;
    return 0;
}

TEST(a_worker_that_waits_for_many_runs_them_itself_until_the_condition_holds)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_ANY; help++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 1, .help = (enum filch_help)help});

        assert_int_equal(finish(submit(ex, task_wait_helping, ex)), 0);
        assert_int_equal(stats_of(ex).spares, 0);
        filch_executor_destroy(ex);
    }
}

static int task_wait_without_help(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f[CHILDREN];

    for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++) {
        ptrdiff_t done;

        for (int i = 0; i < CHILDREN; i++)
            f[i] = submit(ex, task_beside, NULL);
        filch_nohelp_begin();
        done = wait_marked(f, CHILDREN, (enum filch_return_when)when, FILCH_FOREVER);
        test_check(done >= 1 && done <= CHILDREN);
        test_check(when != FILCH_ALL_COMPLETED || done == CHILDREN);
        test_check(wait_marked(f, CHILDREN, FILCH_ALL_COMPLETED, FILCH_FOREVER) == CHILDREN);
        filch_nohelp_end();
        release_all(f, CHILDREN);
    }
    *result = NULL;
    return 0;
}

TEST(in_a_nohelp_region_others_run_what_a_worker_waits_for)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            filch_executor *ex =
                pool_with((filch_options){.workers = workers, .help = (enum filch_help)help});

            assert_int_equal(finish(submit(ex, task_wait_without_help, ex)), 0);
            filch_executor_destroy(ex);
        }
    }
}

static int task_wait_in_vain(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *never = promise();
    filch_future *f[3] = {submit(ex, task_on_top, NULL), never, submit(ex, task_on_top, NULL)};
    ptrdiff_t done = 0;

    /* How much it gets done by a deadline is the machine's affair, so the next one is later. */
    for (int64_t ms = 5; done < 2; ms *= 2) {
        filch_deadline deadline = filch_in_ms(ms);

        test_check(ms < 100000);
        done = wait_marked(f, 3, FILCH_ALL_COMPLETED, deadline);
        test_check(fl_now() >= deadline);
    }
    test_check(done == 2);
    test_check(f[2] == never);
    release_all(f, 3);
    *result = NULL;
    return 0;
}

TEST(a_worker_runs_what_it_can_and_gives_up_at_the_deadline)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, task_wait_in_vain, ex)), 0);
    filch_executor_destroy(ex);
}

static int task_hit(void *arg, void **result)
{
    filch_executor *ex = arg;

    for (int when = FILCH_FIRST_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++) {
        filch_future *child = submit(ex, task_beside, NULL);
        filch_future *f[3] = {child, over(2), over(0)};

        test_check(wait_marked(f, 3, (enum filch_return_when)when, FILCH_FOREVER) == 2);
        test_check(f[2] == child);
        test_check(filch_future_state(child) == FILCH_PENDING);
        release_all(f, 3);
    }
    *result = NULL;
    return 0;
}

TEST(a_worker_whose_condition_holds_already_runs_nothing)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, task_hit, ex)), 0);
    filch_executor_destroy(ex);
}

struct promised {
    filch_executor *ex;
    filch_future *f[CHILDREN];
};

static int task_keep_all(void *arg, void **result)
{
    struct promised *p = arg;

    test_check(waits == 0);
    for (int i = 0; i < CHILDREN; i++)
        complete(p->f[i], i);
    *result = NULL;
    return 0;
}

static int task_await_promises(void *arg, void **result)
{
    struct promised *p = arg;
    filch_future *f[CHILDREN];

    memcpy(f, p->f, sizeof f);
    test_check(filch_submit(p->ex, task_keep_all, p, NULL) == 0);
    test_check(wait_marked(f, CHILDREN, FILCH_ALL_COMPLETED, FILCH_FOREVER) == CHILDREN);
    *result = NULL;
    return 0;
}

TEST(a_worker_that_waits_for_promises_alone_leaves_its_place_to_a_spare)
{
    struct promised p = {.ex = pool_of(1)};

    for (int i = 0; i < CHILDREN; i++)
        p.f[i] = promise();
    assert_int_equal(finish(submit(p.ex, task_await_promises, &p)), 0);
    assert_int_equal(stats_of(p.ex).spares, 1);
    release_all(p.f, CHILDREN);
    filch_executor_destroy(p.ex);
}

static int task_wait_for_ten_thousand(void *arg, void **result)
{
    filch_executor *ex = arg;

    for (size_t i = 0; i < MANY; i++)
        all[i] = submit(ex, task_echo, NULL);
    test_check(filch_wait(all, MANY, FILCH_ALL_COMPLETED, FILCH_FOREVER) == MANY);
    release_all(all, MANY);
    *result = NULL;
    return 0;
}

TEST(a_task_may_wait_for_ten_thousand_of_its_own)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        assert_int_equal(finish(submit(ex, task_wait_for_ten_thousand, ex)), 0);
        filch_executor_destroy(ex);
    }
}
