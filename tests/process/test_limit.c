/* SPDX-License-Identifier: MIT
 *
 * test_limit.c: when the time of a job begins. */
#include "process/limit.h"

TEST(the_time_of_a_job_does_not_begin_with_one_before_it_that_is_cancelled)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = HOUR_NS});
    int pid = stop_worker(ex);
    filch_future *first = submit(ex, "echo", "x", 1);
    filch_future *second = submit(ex, "echo", "x", 1);
    int64_t both_given = fl_now();

    assert_true(filch_future_cancel(first));
    filch_future_release(first);
    assert_true(since_when(ex, worker_of(ex, second)) >= both_given);
    kill(pid, SIGCONT);
    assert_int_equal(status_of(second), 0);
    filch_executor_destroy(ex);
}

TEST(the_time_of_a_job_does_not_begin_with_a_cancelled_one_that_its_worker_has_passed_over)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = HOUR_NS});
    struct gate g = gate_make();
    int pid = stop_worker(ex);
    filch_future *f = submit(ex, "echo", "x", 1);
    int64_t is_over;

    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    kill(pid, SIGCONT);
    is_over = fl_now();
    f = submit(ex, "gate", g.names, g.len);
    gate_await(&g);
    assert_true(since_when(ex, worker_of(ex, f)) >= is_over);
    gate_open(&g);
    assert_int_equal(status_of(f), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}
