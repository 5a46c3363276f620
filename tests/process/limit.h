/* SPDX-License-Identifier: MIT
 *
 * process/limit.h: the limit of a job's time without the time: it is an hour, and over when the test says so. So none
 * passes by itself, however long somebody is stopped. */
#ifndef FL_TESTS_PROCESS_LIMIT_H
#define FL_TESTS_PROCESS_LIMIT_H

#include "process/jobs.h"

#include "base/clock.h"
#include "process/pool.h"

#define HOUR_NS INT64_C(3600000000000)

/* Which worker has it. */
static unsigned worker_of(filch_executor *ex, filch_future *f)
{
    struct fl_processes *p = fl_processes_behind(ex);
    unsigned worker;

    fl_lock_enter(&p->lock);
    assert_int_equal(fl_item_of(f)->place, FL_SENT);
    worker = fl_item_of(f)->worker;
    fl_lock_leave(&p->lock);
    return worker;
}

/* When the time of that worker's oldest job has begun. */
__attribute__((unused)) static int64_t since_when(filch_executor *ex, unsigned worker)
{
    struct fl_processes *p = fl_processes_behind(ex);
    int64_t since;

    fl_lock_enter(&p->lock);
    since = p->post[worker].since;
    fl_lock_leave(&p->lock);
    return since;
}

/* The oldest job of its worker has so much time left. */
static void leave_time(filch_executor *ex, filch_future *f, int64_t ns)
{
    struct fl_processes *p = fl_processes_behind(ex);
    unsigned worker = worker_of(ex, f);

    fl_lock_enter(&p->lock);
    p->post[worker].since = fl_now() + ns - p->options.kill_after_ns;
    p->has_duty = true;
    fl_lock_leave(&p->lock);
    fl_manager_call(p);
}

__attribute__((unused)) static void end_time(filch_executor *ex, filch_future *f)
{
    leave_time(ex, f, 0);
}

__attribute__((unused)) static void await_begun(filch_future *f)
{
    while (!filch_future_running(f))
        usleep(200);
}

/* For the jobs that begin from now on. */
__attribute__((unused)) static void set_limit(filch_executor *ex, int64_t ns)
{
    struct fl_processes *p = fl_processes_behind(ex);

    fl_lock_enter(&p->lock);
    p->options.kill_after_ns = ns;
    fl_lock_leave(&p->lock);
}

#endif /* FL_TESTS_PROCESS_LIMIT_H */
