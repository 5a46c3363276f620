/* SPDX-License-Identifier: MIT
 *
 * test_limit.c: when the time of a job begins. */
#include "process/jobs.h"

TEST(the_time_of_a_job_does_not_begin_with_one_before_it_that_is_cancelled)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = 6000000000});
    filch_future *first, *second;
    int pid;

    expect_echo(ex, "x", 1);
    pid = stop_worker(ex);
    first = submit(ex, "echo", "x", 1);
    second = submit_ns(ex, "sleep", 3300000000);
    usleep(3300000); /* neither takes too long by itself */
    assert_true(filch_future_cancel(first));
    filch_future_release(first);
    kill(pid, SIGCONT);
    assert_int_equal(status_of(second), 0);
    filch_executor_destroy(ex);
}
