/* SPDX-License-Identifier: MIT
 *
 * test_lives.c: when a worker is ended or replaced, and when it is not. The executor's thread is shown what would
 * else take hours. */
#include <sys/prctl.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/limit.h"

#include "base/atomic.h"

/* Does not die with the process that has forked it. */
static int job_unleashed(const void *in, size_t len, filch_buffer *out)
{
    prctl(PR_SET_PDEATHSIG, 0);
    return job_gate(in, len, out);
}

static void more_jobs(void)
{
    if (filch_job_register("unleashed", job_unleashed) != 0)
        abort();
}

/* That the executor's thread has looked at what was changed, and sleeps. */
static void let_look(filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);
    bool has_looked = false;

    fl_lock_enter(&p->lock);
    p->has_duty = true;
    fl_lock_leave(&p->lock);
    fl_manager_call(p);
    while (!has_looked) {
        fl_lock_enter(&p->lock);
        has_looked = p->is_armed && !p->has_duty;
        fl_lock_leave(&p->lock);
        usleep(100);
    }
}

static void make_retire(filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);

    fl_lock_enter(&p->lock);
    p->post[0].retires = true;
    fl_lock_leave(&p->lock);
}

TEST(no_worker_outlives_the_process_that_has_forked_it)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    int pid = filch_process_pid(ex, 0);
    filch_future *f = submit(ex, "unleashed", g.names, g.len);

    gate_await(&g);
    assert_int_equal(kill(parent_of(pid), SIGKILL), 0);
    await_death(pid);
    gate_open(&g);
    assert_int_equal(status_of(f), FILCH_ECRASHED);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_worker_that_has_no_job_is_not_killed_for_taking_too_long)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = HOUR_NS});
    struct fl_processes *p = fl_processes_behind(ex);
    int pid = filch_process_pid(ex, 0);

    fl_lock_enter(&p->lock);
    p->post[0].since -= 2 * HOUR_NS;
    fl_lock_leave(&p->lock);
    let_look(ex);
    assert_int_equal(filch_process_pid(ex, 0), pid);
    assert_int_equal(pid_in(submit(ex, "pid", NULL, 0)), pid);
    filch_executor_destroy(ex);
}

TEST(a_time_that_has_passed_wakes_the_manager_once)
{
    filch_executor *ex = processes(1);
    struct fl_processes *p = fl_processes_behind(ex);
    int64_t due, wakes_at;

    fl_lock_enter(&p->lock);
    p->due = 1; /* of a job that has ended since */
    fl_lock_leave(&p->lock);
    let_look(ex);
    let_look(ex);
    fl_lock_enter(&p->lock);
    due = p->due;
    wakes_at = p->wakes_at;
    fl_lock_leave(&p->lock);
    assert_int_equal(due, INT64_MAX);
    assert_true(wakes_at > 1);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_retires_does_the_jobs_that_are_its_share)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_jobs = 100});
    int pid = filch_process_pid(ex, 0);
    struct gate g = gate_make();
    filch_future *f[2];

    f[0] = submit(ex, "gate", g.names, g.len);
    gate_await(&g);
    f[1] = submit(ex, "pid", NULL, 0);
    make_retire(ex);
    let_look(ex);
    gate_open(&g);
    assert_int_equal(status_of(f[0]), 0);
    assert_int_equal(pid_in(f[1]), pid);
    while (filch_process_pid(ex, 0) == pid)
        usleep(200);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_worker_that_retires_is_replaced_though_all_its_jobs_are_cancelled)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_jobs = 100});
    int pid = stop_worker(ex);
    filch_future *f = submit(ex, "echo", "x", 1);

    make_retire(ex);
    let_look(ex);
    assert_int_equal(filch_process_pid(ex, 0), pid);
    assert_int_equal(filch_executor_cancel_all(ex), 1);
    kill(pid, SIGCONT);
    while (filch_process_pid(ex, 0) == pid)
        usleep(200);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(nobody_is_started_in_place_of_one_that_was_told_to_end)
{
    filch_executor *ex = processes(2);
    struct fl_processes *p = fl_processes_behind(ex);
    int pid = stop_worker(ex);
    filch_future *f = submit(ex, "echo", "x", 1);
    unsigned worker;

    fl_lock_enter(&p->lock);
    worker = fl_item_of(f)->worker;
    fl_lock_leave(&p->lock);
    assert_int_equal(worker, 0); /* of two that are idle */
    assert_int_equal(filch_process_terminate(ex, HOUR_NS), 0);
    while (filch_process_pid(ex, 1) != 0)
        usleep(200);
    let_look(ex);
    assert_int_equal(stats_of(ex).started, 2);
    assert_int_equal(kill(pid, SIGCONT), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(a_job_that_was_taken_back_is_not_counted_as_running)
{
    filch_executor *ex = processes(1);
    filch_executor_stats stats = {.size = sizeof stats};
    struct gate g = gate_make();
    filch_future *f[2];

    f[0] = submit(ex, "gate", g.names, g.len);
    gate_await(&g);
    f[1] = submit(ex, "echo", "x", 1);
    assert_true(filch_future_cancel(f[1]));
    assert_int_equal(filch_executor_stats_read(ex, &stats), 0);
    assert_int_equal(stats.running, 1);
    assert_int_equal(stats.pending, 0);
    gate_open(&g);
    assert_int_equal(status_of(f[0]), 0);
    filch_future_release(f[1]);
    filch_executor_destroy(ex);
    gate_remove(&g);
}
