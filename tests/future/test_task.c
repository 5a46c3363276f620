/* SPDX-License-Identifier: MIT
 *
 * test_task.c: tasks in the caller's memory: what they end with, where they may lie, how they end when
 * they never run, and that they take no memory of filch's. */
/* link: -Wl,--wrap=fl_malloc */
#include "sched/work.h"

#include <sys/wait.h>
#include <unistd.h>

static counter blocks;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);

void *__wrap_fl_malloc(size_t size)
{
    count_one(&blocks);
    return __real_fl_malloc(size);
}

static void submit_own(filch_executor *ex, filch_task *t, filch_task_fn *fn, void *arg)
{
    test_check(filch_submit_task(ex, t, fn, arg) == 0);
}

TEST(a_task_ends_with_what_its_function_returned)
{
    filch_executor *ex = pool_of(2);
    filch_task t = {{0}};
    void *result = &t;

    assert_false(filch_task_done(&t));
    submit_own(ex, &t, task_echo, &ex);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &ex);
    assert_true(filch_task_done(&t));
    assert_int_equal(filch_task_result(&t, FILCH_NOW, NULL), 0);
    submit_own(ex, &t, task_fail, number(9));
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, &result), 9);
    submit_own(ex, &t, task_fail, number(FILCH_ESTATE));
    assert_int_equal(filch_task_result(&t, filch_in_s(100), NULL), FILCH_ESTATE);
    filch_executor_destroy(ex);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), FILCH_ESTATE);
}

TEST(it_takes_no_memory_of_anybody)
{
    filch_executor *ex = pool_of(1);
    filch_task t;
    uint64_t taken;
    uint64_t mapped;

    submit_own(ex, &t, task_echo, NULL);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), 0);
    taken = count_of(&blocks);
    mapped = stats_of(ex).memory_bytes;
    for (int i = 0; i < 1000; i++) {
        submit_own(ex, &t, task_echo, NULL);
        assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), 0);
    }
    assert_int_equal(count_of(&blocks), taken);
    assert_int_equal(stats_of(ex).memory_bytes, mapped);
    filch_executor_destroy(ex);
}

TEST(a_wait_that_times_out_leaves_it_running)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_task t;

    submit_own(ex, &t, task_gate, &gate);
    assert_int_equal(filch_task_result(&t, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_task_result(&t, filch_in_us(1), NULL), FILCH_ETIMEDOUT);
    assert_false(filch_task_done(&t));
    gate_open(&gate);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), 0);
    filch_executor_destroy(ex);
}

TEST(a_shutdown_that_cancels_ends_it)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_task t[3];

    hold_worker(&hold, ex);
    for (int i = 0; i < 3; i++)
        submit_own(ex, &t[i], task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (int i = 0; i < 3; i++) {
        assert_true(filch_task_done(&t[i]));
        assert_int_equal(filch_task_result(&t[i], FILCH_FOREVER, NULL), FILCH_ECANCELED);
    }
    assert_int_equal(filch_submit_task(ex, &t[0], task_echo, NULL), FILCH_ESHUTDOWN);
    assert_int_equal(filch_task_result(&t[0], FILCH_NOW, NULL), FILCH_ECANCELED);
    let_go(&hold);
    filch_executor_destroy(ex);
}

TEST(a_shutdown_that_drains_runs_it)
{
    filch_executor *ex = pool_of(1);
    counter n = 0;
    filch_task t[10];

    for (int i = 0; i < 10; i++)
        submit_own(ex, &t[i], task_count, &n);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&n), 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(filch_task_result(&t[i], FILCH_NOW, NULL), 0);
    filch_executor_destroy(ex);
}

static int refuse(void *arg)
{
    gate_pass(arg);
    return 1;
}

TEST(an_executor_that_breaks_fails_it)
{
    struct gate gate = {0};
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_thread_start = refuse, .hook_arg = &gate});
    filch_task t;

    submit_own(ex, &t, task_echo, NULL);
    gate_open(&gate);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), FILCH_EBROKEN);
    filch_executor_destroy(ex);
}

/* ---- On a worker ---- */

struct fib {
    filch_executor *ex;
    unsigned n;
    unsigned value;
};

static int fib(void *arg, void **result)
{
    struct fib *f = arg;
    struct fib left = {f->ex, f->n - 1, 0};
    struct fib right = {f->ex, f->n - 2, 0};
    filch_task t;

    (void)result;
    if (f->n < 2) {
        f->value = f->n;
        return 0;
    }
    submit_own(f->ex, &t, fib, &left);
    test_check(fib(&right, NULL) == 0);
    test_check(filch_task_result(&t, FILCH_FOREVER, NULL) == 0);
    f->value = left.value + right.value;
    return 0;
}

TEST(tasks_on_the_stacks_of_tasks_end_before_these)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        filch_executor *ex = pool_of(workers);
        struct fib f = {ex, 16, 0};
        filch_task t;

        submit_own(ex, &t, fib, &f);
        assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), 0);
        assert_int_equal(f.value, 987);
        filch_executor_destroy(ex);
    }
}

static int wait_in_order(void *arg, void **result)
{
    enum {
        CHILDREN = 20
    };
    filch_executor *ex = arg;
    filch_task t[CHILDREN];

    (void)result;
    for (int i = 0; i < CHILDREN; i++)
        submit_own(ex, &t[i], task_echo, &t[i]);
    for (int i = 0; i < CHILDREN; i++) {
        void *echo = NULL;

        test_check(filch_task_result(&t[i], FILCH_FOREVER, &echo) == 0);
        test_check(echo == &t[i]);
        memset(&t[i], 0xA5, sizeof t[i]);
    }
    return 0;
}

TEST(one_that_lies_below_others_runs_though_its_only_worker_waits)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, wait_in_order, ex)), 0);
    filch_executor_destroy(ex);
}

static int wait_for_itself(void *arg, void **result)
{
    (void)result;
    return filch_task_result(arg, FILCH_FOREVER, NULL);
}

TEST(one_that_waits_for_itself_is_told_so)
{
    filch_executor *ex = pool_of(1);
    filch_task t;

    submit_own(ex, &t, wait_for_itself, &t);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), FILCH_EDEADLK);
    filch_executor_destroy(ex);
}

/* ---- What makes no sense ---- */

TEST(arguments_that_make_no_sense_are_refused)
{
    filch_executor *ex = pool_of(1);
    filch_task t = {{0}};

    assert_int_equal(filch_submit_task(NULL, &t, task_echo, NULL), FILCH_EINVAL);
    assert_int_equal(filch_submit_task(ex, NULL, task_echo, NULL), FILCH_EINVAL);
    assert_int_equal(filch_submit_task(ex, &t, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_task_result(NULL, FILCH_NOW, NULL), FILCH_EINVAL);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), FILCH_EINVAL);
    assert_false(filch_task_done(NULL));
    assert_false(filch_task_done(&t));
    filch_executor_destroy(ex);
}

TEST(a_rival_has_no_such_tasks)
{
    const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                         FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};

    for (int i = 0; i < 2; i++) {
        filch_executor *ex = NULL;
        filch_options o = {.size = sizeof o, .workers = 1, .backend = rivals[i]};
        filch_task t = {{0}};

        if (filch_executor_create(&ex, &o) != 0)
            continue; /* a build without it */
        assert_int_equal(filch_submit_task(ex, &t, task_echo, NULL), FILCH_ENOTSUP);
        assert_false(filch_task_done(&t));
        filch_executor_destroy(ex);
    }
}

TEST(in_a_child_one_that_was_not_over_says_so)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_task t;
    filch_task over;
    int status = 0;
    pid_t child;

    submit_own(ex, &over, task_fail, number(5));
    assert_int_equal(filch_task_result(&over, FILCH_FOREVER, NULL), 5);
    hold_worker(&hold, ex);
    submit_own(ex, &t, task_echo, NULL);
    child = fork();
    if (child == 0)
        _exit(filch_task_result(&t, FILCH_FOREVER, NULL) == FILCH_EFORKED &&
                      filch_task_result(&over, FILCH_FOREVER, NULL) == 5 &&
                      filch_submit_task(ex, &over, task_echo, NULL) == FILCH_EFORKED
                  ? 0
                  : 1);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    let_go(&hold);
    assert_int_equal(filch_task_result(&t, FILCH_FOREVER, NULL), 0);
    filch_executor_destroy(ex);
}
