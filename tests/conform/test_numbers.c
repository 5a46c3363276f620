/* SPDX-License-Identifier: MIT
 *
 * test_numbers.c: rules of concurrent.futures, cases E and deliberate differences D that had no test of
 * their own number: the order of tasks, what a worker drops, what ends with a shutdown, waits inside of
 * a pool, deadlines, exit and fork. docs/futures.md is the table. */
#include "sched/work.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- R4: one queue without a bound, first come, first served for who submits from outside ---- */

struct line {
    size_t next; /* the only worker's */
    bool in_order;
};

static struct line line;

static int task_in_line(void *arg, void **result)
{
    (void)result;
    line.in_order = line.in_order && (size_t)(uintptr_t)arg == line.next;
    line.next++;
    return 0;
}

TEST(r4_a_hundred_thousand_tasks_are_taken_in_and_run_in_the_order_submitted)
{
    filch_executor *ex = pool_of(1);
    size_t n = test_scaled(100000);
    struct hold hold = {0};

    line = (struct line){0, true};
    hold_worker(&hold, ex); /* nothing is taken out while they come in: there is no bound */
    for (size_t i = 0; i < n; i++)
        assert_int_equal(filch_submit(ex, task_in_line, (void *)i, NULL), 0);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(line.next, n);
    assert_true(line.in_order);
    filch_executor_destroy(ex);
}

/* ---- R7: a cancelled task is passed over; whatever a task does, the worker goes on ---- */

TEST(r7_a_worker_passes_over_what_is_cancelled_and_goes_on_behind_a_failure)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter ran = 0;
    filch_future *f[4];

    hold_worker(&hold, ex);
    f[0] = submit(ex, task_count, &ran);
    f[1] = submit(ex, task_fail, number(INT_MAX));
    f[2] = submit(ex, task_fail, number(INT_MIN));
    f[3] = submit(ex, task_count, &ran);
    assert_true(filch_future_cancel(f[0]));
    let_go(&hold);
    assert_int_equal(finish(f[3]), 0);
    assert_int_equal(finish(f[0]), FILCH_ECANCELED);
    assert_int_equal(finish(f[1]), INT_MAX);
    assert_int_equal(finish(f[2]), INT_MIN);
    assert_int_equal(count_of(&ran), 1);
    filch_executor_destroy(ex);
}

/* ---- R8: workers end after the queue, all of them ---- */

TEST(r8_all_workers_end_once_everything_queued_before_the_shutdown_has_run)
{
    size_t threads = threads_now();
    filch_executor *ex = pool_of(3);
    counter ran = 0;

    for (int i = 0; i < 1000; i++)
        assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(filch_submit(ex, task_count, &ran, NULL), FILCH_ESHUTDOWN);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 1000);
    await_threads_at_most(threads); /* before the handle goes */
    filch_executor_destroy(ex);
}

/* ---- R9 and D2: the documentation's deadlock of one worker ---- */

static int task_wait_on_future(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f = submit(ex, task_echo, number(25));
    int status = filch_future_result(f, FILCH_FOREVER, result);

    filch_future_release(f);
    return status;
}

TEST(r9_and_d2_a_task_that_waits_for_a_task_on_one_worker_gets_its_result)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_wait_on_future, ex);
    void *result = NULL;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, number(25));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- D1: one state for what is cancelled, and everybody knows of it at once ---- */

TEST(d1_what_is_cancelled_is_over_for_everybody_before_any_worker_has_seen_it)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *first = NULL;
    filch_completion *it = NULL;
    filch_future *next = NULL;

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_as_completed(&it, &f, 1, FILCH_FOREVER), 0);
    assert_int_equal(filch_any(&f, 1, &first), 0);
    assert_true(filch_future_cancel(f));
    assert_int_equal(filch_future_state(f), FILCH_CANCELLED);
    assert_int_equal(filch_wait(&f, 1, FILCH_ALL_COMPLETED, FILCH_NOW), 1);
    assert_int_equal(filch_completion_next(it, &next), 0);
    assert_ptr_equal(next, f);
    assert_int_equal(finish(first), 0);
    assert_true(filch_future_cancel(f));
    filch_completion_close(it);
    let_go(&hold);
    filch_executor_destroy(ex); /* the worker has come by it now */
    assert_int_equal(filch_future_state(f), FILCH_CANCELLED);
    filch_future_release(f);
}

/* ---- D3: deadlines count from the call ---- */

static bool next_null(void *source, void **arg)
{
    size_t *n = source;

    *arg = NULL;
    return (*n)++ < 3;
}

TEST(d3_the_deadline_of_a_map_counts_from_the_call_and_not_from_the_first_result)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    size_t given = 0;
    filch_deadline deadline = filch_in_ms(2);
    filch_map_options o = {.size = sizeof o, .deadline = deadline};
    filch_map_iter *it = NULL;
    filch_future *p = promise();

    hold_worker(&hold, ex);
    assert_int_equal(filch_map(ex, task_echo, next_null, &given, &o, &it), 0);
    assert_int_equal(filch_future_result(p, deadline, NULL), FILCH_ETIMEDOUT); /* it passes */
    assert_int_equal(filch_map_next(it, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_map_next(it, NULL), FILCH_EEND);
    filch_map_close(it);
    let_go(&hold);
    filch_future_release(p);
    filch_executor_destroy(ex);
}

/* ---- D4: a map goes on behind an error, and to close it cancels ---- */

TEST(d4_a_map_goes_on_behind_an_error_and_closing_it_half_way_is_its_end)
{
    filch_executor *ex = pool_of(2);
    size_t given = 0;
    filch_map_iter *it = NULL;

    assert_int_equal(filch_map(ex, task_fail, next_null, &given, NULL, &it), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(filch_map_next(it, NULL), 0);
    assert_int_equal(filch_map_next(it, NULL), FILCH_EEND);
    filch_map_close(it);
    given = 0;
    assert_int_equal(filch_map(ex, task_echo, next_null, &given, NULL, &it), 0);
    assert_int_equal(filch_map_next(it, NULL), 0);
    filch_map_close(it); /* with two results that nobody takes */
    assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    filch_executor_destroy(ex);
}

/* ---- D8: shutdown has a deadline ---- */

TEST(d8_a_shutdown_gives_up_waiting_at_its_deadline_and_goes_on_by_itself)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(1)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_NOW), FILCH_ETIMEDOUT);
    assert_int_equal(count_of(&ran), 0);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 1);
    filch_executor_destroy(ex);
}

/* ---- R36, E5 and D8: exit waits for nobody. R38: fork ---- */

/* Runs child in a process of its own, which it leaves by exit. Returns what waitpid says. */
static int status_of(void (*child)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();

    test_check(pid >= 0);
    if (pid == 0) {
        child(arg);
        exit(0);
    }
    test_check(waitpid(pid, &status, 0) == pid);
    return status;
}

/* What a sanitizer finds reachable when the process ends. */
static struct {
    struct gate gate;
    filch_executor *ex;
    filch_future *f[4];
} live;

static void exit_amid_tasks(void *arg)
{
    (void)arg;
    live.ex = pool_of(2);
    for (int i = 0; i < 4; i++)
        live.f[i] = submit(live.ex, task_gate, &live.gate);
    gate_await(&live.gate, 2);
    exit(3);
}

TEST(r36_and_e5_a_process_that_exits_with_a_live_executor_ends)
{
    int status = status_of(exit_amid_tasks, NULL);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static void use_parents(void *arg)
{
    filch_executor *ex = arg;
    filch_future *f = NULL;
    bool said = filch_submit(ex, task_echo, NULL, &f) == FILCH_EFORKED && f == NULL &&
                filch_executor_wait_idle(ex, FILCH_FOREVER) == FILCH_EFORKED &&
                filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == FILCH_EFORKED;

    _exit(said ? 5 : 1);
}

TEST(r38_in_a_child_the_parents_executor_says_so_and_the_parents_own_goes_on)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    int status = status_of(use_parents, ex);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}
