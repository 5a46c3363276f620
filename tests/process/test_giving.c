/* SPDX-License-Identifier: MIT
 *
 * test_giving.c: what happens while a long payload is being copied. */
/* link: -Wl,--wrap=fl_link_begin -Wl,--wrap=fl_lock_leave -Wl,--wrap=fl_buffer_create */
#include <pthread.h>

#include "process/meanwhile.h"
#include "process/two_words.h"

/* ---- what happens */

static void replace_worker(void)
{
    int before = kill_worker(ex, 0);
    int now;

    while ((now = filch_process_pid(ex, 0)) == 0 || now == before)
        usleep(200);
}

static void cancel_all(void)
{
    test_check(filch_executor_cancel_all(ex) >= 0);
}

static void terminate(void)
{
    test_check(filch_process_terminate(ex, INT64_C(3600000000000)) == 0);
}

static void break_it(void)
{
    struct fl_processes *p = fl_processes_behind(ex);

    fl_lock_enter(&p->lock);
    fl_processes_break(p, "it was told to");
    fl_lock_leave(&p->lock);
}

static void retire(void)
{
    struct fl_processes *p = fl_processes_behind(ex);

    fl_lock_enter(&p->lock);
    p->post[0].retires = true; /* as whoever hears that it has too much memory says */
    p->has_duty = true;
    fl_lock_leave(&p->lock);
}

/* ---- as it is submitted */

TEST(a_long_payload_whose_worker_is_replaced_meanwhile_is_for_the_next)
{
    begin((filch_process_options){.workers = 1}, replace_worker, NULL);
    expect_echo(ex, bytes, LONG);
    end();
}

TEST(a_long_payload_whose_worker_is_to_get_no_more_meanwhile_is_for_the_next)
{
    int before;

    begin((filch_process_options){.workers = 1}, retire, NULL);
    before = filch_process_pid(ex, 0);
    assert_int_not_equal(pid_in(submit(ex, "pid", bytes, LONG)), before);
    assert_int_equal(stats_of(ex).returned, 0); /* that one has not even had it */
    end();
}

/* Its worker can't answer, nor die of what it is told. */
static void refused(step *meanwhile, int status)
{
    filch_future *f;

    begin((filch_process_options){.workers = 1}, meanwhile, NULL);
    stop_worker(ex);
    assert_int_equal(filch_submit_job(ex, "echo", bytes, LONG, &f), status);
    assert_null(f);
}

static void end_of_refused(void)
{
    assert_int_equal(filch_process_kill(ex), 0);
    end();
}

TEST(a_long_payload_is_not_taken_if_there_is_an_end_to_taking_meanwhile)
{
    refused(terminate, FILCH_ESHUTDOWN);
    end_of_refused();
    refused(break_it, FILCH_EBROKEN);
    end_of_refused();
}

static pthread_t idler;

static void *await_idle(void *arg)
{
    (void)arg;
    test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    return NULL;
}

static void await_idle_and_terminate(void)
{
    test_check(pthread_create(&idler, NULL, await_idle, NULL) == 0);
    usleep(20000); /* he sleeps by now: if not, this shows nothing */
    terminate();
}

TEST(nobody_waits_for_a_job_that_was_not_taken_in_the_end)
{
    refused(await_idle_and_terminate, FILCH_ESHUTDOWN);
    pthread_join(idler, NULL);
    end_of_refused();
}

/* ---- from the queue */

/* How a job ends that stood in the queue. */
static int given_later(step *meanwhile)
{
    filch_future *f[3];
    int status;
    int pid;

    begin((filch_process_options){.workers = 1}, NULL, NULL);
    pid = stop_worker(ex);
    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, "echo", bytes, i < 2 ? 1 : LONG);
    assert_int_equal(place_of(f[2]), FL_QUEUED);
    fl_store(&on_give, meanwhile, release);
    kill(pid, SIGCONT);
    status = filch_future_result(f[2], FILCH_FOREVER, NULL);
    assert_int_equal(filch_future_cancelled(f[2]), status == FILCH_ECANCELED);
    filch_future_release(f[2]);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    end();
    return status;
}

TEST(a_long_payload_that_is_cancelled_as_it_leaves_the_queue_is_cancelled)
{
    assert_int_equal(given_later(cancel_all), FILCH_ECANCELED);
}

TEST(a_long_payload_that_leaves_the_queue_as_all_is_ended_is_told_so)
{
    assert_int_equal(given_later(terminate), FILCH_EKILLED);
    assert_int_equal(given_later(break_it), FILCH_EBROKEN);
}

TEST(a_long_payload_that_leaves_the_queue_for_one_who_gets_no_more_is_for_the_next)
{
    assert_int_equal(given_later(retire), 0);
}

/* ---- cancelled there */

static fl_atomic(uint32_t) is_held, goes_on;

static void hold(filch_future *f, void *user)
{
    (void)f;
    (void)user;
    fl_store(&is_held, 1, release);
    while (fl_load(&goes_on, acquire) == 0)
        usleep(100);
}

/* The executor's thread is held up, so that the one who waits gives, and nobody tells what is cancelled. */
TEST(a_job_that_will_be_told_as_cancelled_is_not_seen_to_run)
{
    filch_future *held, *f[3];
    struct gate g;
    int pid;

    need_two_words();
    g = gate_make();
    begin((filch_process_options){.workers = 1}, NULL, NULL);
    held = submit(ex, "gate", g.names, g.len);
    assert_int_equal(filch_future_add_done_callback(held, hold, NULL), 0);
    gate_await(&g);
    usleep(1000); /* it is long, so that a worker has two jobs on its way */
    gate_open(&g);
    while (fl_load(&is_held, acquire) == 0)
        usleep(100);
    pid = stop_worker(ex);
    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, "echo", bytes, i < 2 ? 1 : LONG);
    assert_int_equal(place_of(f[2]), FL_QUEUED);
    fl_store(&on_give, cancel_all, release);
    kill(pid, SIGCONT);
    assert_int_equal(status_of(f[0]), 0);
    assert_int_equal(place_of(f[2]), FL_ENDED);
    assert_false(filch_future_running(f[2]));
    fl_store(&goes_on, 1, release);
    assert_int_equal(status_of(f[2]), FILCH_ECANCELED);
    filch_future_release(f[1]);
    filch_future_release(held);
    end();
    gate_remove(&g);
}

static filch_future *given;
static pthread_t canceller;
static bool was_cancelled;
static int stopped;

static void *cancel_given(void *arg)
{
    (void)arg;
    was_cancelled = filch_future_cancel(given);
    return NULL;
}

static void stop_and_cancel(void)
{
    stopped = stop_worker(ex);
    test_check(pthread_create(&canceller, NULL, cancel_given, NULL) == 0);
    usleep(20000); /* he waits by now: if not, this shows nothing */
}

TEST(a_cancel_waits_while_a_payload_is_copied_and_takes_the_job_back)
{
    filch_future *f[2];
    int pid;

    begin((filch_process_options){.workers = 1}, NULL, NULL);
    pid = stop_worker(ex);
    for (int i = 0; i < 2; i++)
        f[i] = submit(ex, "echo", bytes, 1);
    given = submit(ex, "echo", bytes, LONG);
    assert_int_equal(place_of(given), FL_QUEUED);
    fl_store(&on_give, stop_and_cancel, release);
    kill(pid, SIGCONT);
    assert_int_equal(status_of(f[0]), 0);
    while (fl_load(&n_steps, acquire) == 0)
        usleep(200);
    pthread_join(canceller, NULL);
    assert_true(was_cancelled);
    kill(stopped, SIGCONT);
    assert_int_equal(status_of(given), FILCH_ECANCELED);
    assert_int_equal(status_of(f[1]), 0);
    end();
}
