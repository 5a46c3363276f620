/* SPDX-License-Identifier: MIT
 *
 * test_blame.c: which job a dead worker is laid to, where seldom anybody asks. */
#include "process/jobs.h"

#include "base/atomic.h"
#include "process/pool.h"

TEST(who_has_lied_is_not_believed_that_it_had_not_begun)
{
    filch_executor *ex = processes(1);
    struct fl_processes *p = fl_processes_behind(ex);
    int pid = stop_worker(ex);
    filch_future *f = submit(ex, "echo", "x", 1);

    fl_lock_enter(&p->lock);
    p->post[0].link->has_lied = true;
    fl_lock_leave(&p->lock);
    kill(pid, SIGKILL);
    assert_int_equal(status_of(f), FILCH_ECRASHED);
    filch_executor_destroy(ex);
}

TEST(a_job_that_has_come_back_a_hundred_times_fails)
{
    filch_executor *ex = processes(1);
    struct fl_processes *p = fl_processes_behind(ex);
    int pid = stop_worker(ex);
    filch_future *f[2] = {submit(ex, "echo", "x", 1), submit(ex, "echo", "x", 1)};

    fl_lock_enter(&p->lock);
    fl_item_of(f[0])->returns = 99;
    fl_item_of(f[1])->returns = 100;
    fl_lock_leave(&p->lock);
    kill(pid, SIGKILL);
    assert_int_equal(status_of(f[0]), 0);
    assert_int_equal(status_of(f[1]), FILCH_ECRASHED);
    filch_executor_destroy(ex);
}

TEST(the_signal_of_a_limit_that_there_is_not_is_a_signal_like_any_other)
{
    filch_executor *ex = processes(1);
    unsigned char number = SIGXCPU;
    filch_future *f = submit(ex, "raise", &number, 1);
    filch_crash crash = crash_of(f, FILCH_ECRASHED);

    assert_int_equal(crash.how, FILCH_DEATH_SIGNAL);
    assert_int_equal(crash.signal, SIGXCPU);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(a_job_whose_worker_ends_as_it_was_told_to_was_killed)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);

    gate_await(&g);
    assert_int_equal(filch_process_terminate(ex, INT64_C(3600000000000)), 0);
    assert_int_equal(crash_of(f, FILCH_EKILLED).how, FILCH_DEATH_ASKED);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
    gate_remove(&g);
}
