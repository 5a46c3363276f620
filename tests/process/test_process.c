/* SPDX-License-Identifier: MIT
 *
 * test_process.c: jobs in processes: results, errors, cancel, waits of all kinds, and the executor's end. */
#include "process/jobs.h"

TEST(bytes_go_in_and_come_out)
{
    filch_executor *ex = processes(1);
    unsigned char all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    expect_echo(ex, NULL, 0);
    expect_echo(ex, all, sizeof all);
    expect_echo(ex, "", 1);
    filch_executor_destroy(ex);
}

TEST(it_runs_in_another_process)
{
    filch_executor *ex = processes(1);
    filch_future *f = submit(ex, "pid", NULL, 0);
    void *result;
    int pid;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    memcpy(&pid, ((const filch_buffer *)result)->data, sizeof pid);
    assert_int_not_equal(pid, getpid());
    assert_int_equal(pid, filch_process_pid(ex, 0));
    assert_int_equal(filch_process_pid(ex, 1), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(its_own_error_comes_back_with_its_message)
{
    filch_executor *ex = processes(1);
    filch_future *f = submit(ex, "error", NULL, 0);
    filch_error error;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 42);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 42);
    assert_string_equal(error.message, "there is no such colour");
    assert_string_equal(error.domain, "task");
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(bad_input_is_refused_and_nothing_is_queued)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_payload = 1000});
    filch_executor_stats stats = {.size = sizeof stats};
    filch_future *f = NULL;
    char bytes[1001] = {0};

    assert_int_equal(filch_submit_job(NULL, "echo", NULL, 0, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, NULL, NULL, 0, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, "echo", NULL, 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, "nobody", NULL, 0, &f), FILCH_ENOENT);
    assert_int_equal(filch_submit_job(ex, "", NULL, 0, &f), FILCH_ENOENT);
    assert_int_equal(filch_submit_job(ex, "echo", bytes, sizeof bytes, &f), FILCH_EMSGSIZE);
    assert_null(f);
    assert_int_equal(filch_executor_stats_read(ex, &stats), 0);
    assert_int_equal(stats.submitted, 0);
    expect_echo(ex, bytes, 1000);
    filch_executor_destroy(ex);
}

TEST(a_result_longer_than_is_allowed_fails_and_nothing_else_does)
{
    filch_executor *ex = processes_with(
        (filch_process_options){.workers = 1, .ring_bytes = 4096, .max_payload = 100000});

    assert_int_equal(status_of(submit_ns(ex, "make", 100001)), FILCH_EMSGSIZE);
    assert_int_equal(status_of(submit_ns(ex, "make", 100000)), 0);
    filch_executor_destroy(ex);
}

static int a_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

TEST(tasks_are_not_for_other_processes)
{
    filch_executor *ex = processes(1);
    filch_future *f;
    void *args[1] = {NULL};

    assert_int_equal(filch_submit(ex, a_task, NULL, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_submit_copy(ex, a_task, "x", 1, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_submit_batch(ex, a_task, args, 1, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_submit_at(ex, FILCH_NOW, a_task, NULL, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_executor_pause(ex), FILCH_ENOTSUP);
    filch_executor_destroy(ex);
}

TEST(options_out_of_range_are_refused)
{
    filch_process_options bad[] = {
        {.size = 0},
        {.size = sizeof bad[0], .workers = FILCH_MAX_WORKERS + 1},
        {.size = sizeof bad[0], .flags = 1U << 31},
        {.size = sizeof bad[0], .ring_bytes = SIZE_MAX},
        {.size = sizeof bad[0], .max_payload = SIZE_MAX},
        {.size = sizeof bad[0], .kill_after_ns = -1},
        {.size = sizeof bad[0], .child_setup_in = "x", .child_setup_len = 1},
    };
    filch_executor *ex;

    assert_int_equal(filch_process_executor_create(NULL, NULL), FILCH_EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(filch_process_executor_create(&ex, &bad[i]), FILCH_EINVAL);
}

TEST(nobody_has_to_want_the_result)
{
    filch_executor *ex = processes(2);

    for (int i = 0; i < 100; i++)
        assert_int_equal(filch_submit_job(ex, "echo", "x", 1, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_job(ex, "error", NULL, 0, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_stats stats = {.size = sizeof stats};
    assert_int_equal(filch_executor_stats_read(ex, &stats), 0);
    assert_int_equal(stats.unobserved, 1);
    assert_int_equal(stats.submitted, 101);
    assert_int_equal(stats.ended, 101);
    filch_executor_destroy(ex);
}

TEST(a_result_that_is_taken_outlives_its_future_and_the_executor)
{
    filch_executor *ex = processes(1);
    filch_future *near_one = submit(ex, "echo", "kept", 4);
    filch_future *far_one = submit_ns(ex, "make", 8 << 20);
    void *near_bytes, *far_bytes;

    assert_int_equal(filch_future_take(near_one, FILCH_FOREVER, &near_bytes), 0);
    assert_int_equal(filch_future_take(far_one, FILCH_FOREVER, &far_bytes), 0);
    filch_future_release(near_one);
    filch_future_release(far_one);
    filch_executor_destroy(ex);
    assert_memory_equal(((filch_buffer *)near_bytes)->data, "kept", 4);
    assert_int_equal(((filch_buffer *)far_bytes)->len, 8 << 20);
    assert_int_equal(filch_buffer_append(far_bytes, "more", 4), 0);
    assert_int_equal(filch_buffer_append(near_bytes, "more", 4), 0);
    assert_memory_equal(((filch_buffer *)near_bytes)->data, "keptmore", 8);
    filch_buffer_free(near_bytes);
    filch_buffer_free(far_bytes);
}

TEST(a_job_is_pending_until_its_worker_has_begun_it_and_running_from_then_on)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *second = submit(ex, "echo", "x", 1);

    gate_await(&g);
    assert_int_equal(filch_future_state(first), FILCH_RUNNING);
    assert_true(filch_future_running(first));
    assert_int_equal(filch_future_state(second), FILCH_PENDING);
    assert_false(filch_future_cancel(first));
    gate_open(&g);
    expect(first, g.names, g.len);
    expect(second, "x", 1);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(what_its_worker_has_not_begun_is_cancelled_and_never_runs)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *more[300];
    filch_future *last;

    gate_await(&g);
    for (int i = 0; i < 300; i++)
        more[i] = submit(ex, "exit", NULL, 0); /* would end the worker */
    last = submit(ex, "echo", "last", 4);
    for (int i = 0; i < 300; i++) {
        assert_true(filch_future_cancel(more[i]));
        assert_true(filch_future_cancel(more[i]));
        assert_true(filch_future_cancelled(more[i]));
        assert_int_equal(status_of(more[i]), FILCH_ECANCELED);
    }
    gate_open(&g);
    expect(first, g.names, g.len);
    expect(last, "last", 4);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(an_idle_worker_takes_what_waits_behind_a_long_job)
{
    filch_executor *ex = processes(2);
    struct gate g = gate_make();
    filch_future *quick[200];
    filch_future *first;

    for (int i = 0; i < 1000; i++)
        expect_echo(ex, "x", 1); /* it learns that jobs are short, and gives many at once */
    for (int i = 0; i < 100; i++)
        quick[i] = submit(ex, "echo", &i, sizeof i);
    first = submit(ex, "gate", g.names, g.len);
    for (int i = 100; i < 200; i++)
        quick[i] = submit(ex, "echo", &i, sizeof i);
    for (int i = 0; i < 200; i++)
        expect(quick[i], &i, sizeof i);
    gate_open(&g);
    expect(first, g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* Many behind a long one, when jobs were short; then few, when some were long: whoever hears that the other worker is
 * idle, as the manager is about to sleep, and whatever has been taken back. */
TEST(what_waits_behind_a_long_job_is_taken_each_time)
{
    filch_executor *ex = processes(2);

    for (size_t round = test_scaled(1000); round > 0; round--) {
        struct gate g = gate_make();
        filch_future *quick[64];
        int n = round % 2 == 0 ? 64 : 6;
        filch_future *first;

        for (int i = 0; i < n; i++)
            quick[i] = submit(ex, "echo", &i, sizeof i);
        for (int i = 0; i < n; i++)
            expect(quick[i], &i, sizeof i);
        first = submit(ex, "gate", g.names, g.len);
        for (int i = 0; i < n; i++)
            quick[i] = submit(ex, "echo", &i, sizeof i);
        for (int i = 0; i < n; i++)
            expect(quick[i], &i, sizeof i);
        gate_open(&g);
        expect(first, g.names, g.len);
        gate_remove(&g);
    }
    filch_executor_destroy(ex);
}

struct told {
    filch_executor *ex;
    int n;
    int status;
};

static void count_told(filch_future *f, void *user)
{
    struct told *told = user;

    told->status = filch_future_result(f, FILCH_NOW, NULL);
    __atomic_add_fetch(&told->n, 1, __ATOMIC_RELEASE);
}

TEST(callbacks_are_told_by_the_executor_whoever_waits)
{
    filch_executor *ex = processes(1);
    struct told told = {ex, 0, -1};
    filch_future *f = submit_ns(ex, "sleep", 1000000);

    assert_int_equal(filch_future_add_done_callback(f, count_told, &told), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    while (__atomic_load_n(&told.n, __ATOMIC_ACQUIRE) == 0)
        usleep(100);
    assert_int_equal(told.status, 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static void submit_again(filch_future *f, void *user)
{
    struct told *told = user;

    (void)f;
    if (__atomic_add_fetch(&told->n, 1, __ATOMIC_RELEASE) < 50) {
        filch_future *next;

        test_check(filch_submit_job(told->ex, "echo", "x", 1, &next) == 0);
        test_check(filch_future_add_done_callback(next, submit_again, told) == 0);
        filch_future_release(next);
    }
}

TEST(a_callback_may_submit)
{
    filch_executor *ex = processes(1);
    struct told told = {ex, 0, 0};
    filch_future *f = submit(ex, "echo", "x", 1);

    assert_int_equal(filch_future_add_done_callback(f, submit_again, &told), 0);
    filch_future_release(f);
    while (__atomic_load_n(&told.n, __ATOMIC_ACQUIRE) < 50)
        usleep(100);
    filch_executor_destroy(ex);
}

static void destroy_it(filch_future *f, void *user)
{
    struct told *told = user;

    (void)f;
    filch_executor_destroy(told->ex);
    __atomic_add_fetch(&told->n, 1, __ATOMIC_RELEASE);
}

TEST(a_callback_may_destroy_its_executor)
{
    filch_executor *ex = processes(1);
    struct told told = {ex, 0, 0};
    filch_future *f = submit_ns(ex, "sleep", 5000000);

    assert_int_equal(filch_future_add_done_callback(f, destroy_it, &told), 0);
    assert_int_equal(status_of(f), 0);
    while (__atomic_load_n(&told.n, __ATOMIC_ACQUIRE) == 0)
        usleep(100);
    usleep(100000); /* its threads end by themselves */
}

TEST(waits_for_many_take_jobs_and_tasks_together)
{
    filch_executor *ex = processes(2);
    filch_options options = {.size = sizeof options, .workers = 1};
    filch_executor *threads;
    filch_future *f[20];
    filch_completion *it;
    filch_future *done;
    int n = 0;

    assert_int_equal(filch_executor_create(&threads, &options), 0);
    for (int i = 0; i < 10; i++)
        f[i] = submit(ex, "echo", &i, sizeof i);
    for (int i = 10; i < 20; i++)
        assert_int_equal(filch_submit(threads, a_task, NULL, &f[i]), 0);
    assert_int_equal(filch_as_completed(&it, f, 20, FILCH_FOREVER), 0);
    while (filch_completion_next(it, &done) == 0)
        n++;
    assert_int_equal(n, 20);
    filch_completion_close(it);
    assert_int_equal(filch_wait(f, 20, FILCH_ALL_COMPLETED, FILCH_FOREVER), 20);
    for (int i = 0; i < 20; i++)
        filch_future_release(f[i]);
    filch_executor_destroy(threads);
    filch_executor_destroy(ex);
}

TEST(a_completion_queue_takes_jobs)
{
    filch_executor *ex = processes(2);
    filch_future *f[50];
    filch_future *done;
    filch_cq *cq;

    assert_int_equal(filch_cq_create(&cq), 0);
    for (int i = 0; i < 50; i++) {
        f[i] = submit(ex, "echo", &i, sizeof i);
        assert_int_equal(filch_cq_add(cq, f[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
        filch_future_release(done);
    }
    for (int i = 0; i < 50; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
    filch_executor_destroy(ex);
}

struct waiting {
    filch_future *f;
};

static void wait_for_it(unsigned i, void *arg)
{
    const struct waiting *w = arg;

    (void)i;
    test_check(filch_future_result(w->f, FILCH_FOREVER, NULL) == 0);
}

TEST(many_threads_wait_for_one_job)
{
    filch_executor *ex = processes(1);
    struct waiting w;

    for (int i = 0; i < 5; i++) {
        w.f = submit_ns(ex, "sleep", 3000000);
        test_threads(4, wait_for_it, &w);
        filch_future_release(w.f);
    }
    filch_executor_destroy(ex);
}

static int wait_on_a_worker(void *arg, void **result)
{
    *result = NULL;
    return filch_future_result(arg, FILCH_FOREVER, NULL);
}

TEST(a_task_may_wait_for_a_job)
{
    filch_executor *ex = processes(1);
    filch_options options = {.size = sizeof options, .workers = 1};
    filch_executor *threads;
    filch_future *job = submit_ns(ex, "sleep", 2000000);
    filch_future *f;

    assert_int_equal(filch_executor_create(&threads, &options), 0);
    assert_int_equal(filch_submit(threads, wait_on_a_worker, job, &f), 0);
    assert_int_equal(status_of(f), 0);
    filch_future_release(job);
    filch_executor_destroy(threads);
    filch_executor_destroy(ex);
}

TEST(a_wait_that_gives_up_leaves_the_job_as_it_is)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);

    assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(f, filch_in_ms(5), NULL), FILCH_ETIMEDOUT);
    gate_open(&g);
    expect(f, g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* ---- the end */

TEST(shutdown_refuses_and_waits_for_what_is_there)
{
    filch_executor *ex = processes(1);
    filch_future *f[10];

    for (int i = 0; i < 10; i++)
        f[i] = submit_ns(ex, "sleep", 1000000);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    for (int i = 0; i < 10; i++) {
        assert_true(filch_future_done(f[i]));
        assert_int_equal(status_of(f[i]), 0);
    }
    assert_int_equal(filch_submit_job(ex, "echo", NULL, 0, &f[0]), FILCH_ESHUTDOWN);
    filch_executor_destroy(ex);
}

TEST(shutdown_gives_up_at_its_deadline_and_can_be_asked_again)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(5)), FILCH_ETIMEDOUT);
    gate_open(&g);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    expect(f, g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(shutdown_that_cancels_leaves_what_runs)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *more[20];

    gate_await(&g);
    for (int i = 0; i < 20; i++)
        more[i] = submit(ex, "echo", "x", 1);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(status_of(more[i]), FILCH_ECANCELED);
    assert_int_equal(filch_future_result(first, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    gate_open(&g);
    expect(first, g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(cancel_all_leaves_the_executor_open)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *more[20];

    gate_await(&g);
    for (int i = 0; i < 20; i++)
        more[i] = submit(ex, "echo", "x", 1);
    assert_int_equal(filch_executor_cancel_all(ex), 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(status_of(more[i]), FILCH_ECANCELED);
    gate_open(&g);
    expect(first, g.names, g.len);
    expect_echo(ex, "y", 1);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(futures_outlive_the_executor)
{
    filch_executor *ex = processes(2);
    filch_future *f[50];

    for (int i = 0; i < 50; i++)
        f[i] = submit(ex, "echo", &i, sizeof i);
    filch_executor_destroy(ex);
    for (int i = 0; i < 50; i++)
        expect(f[i], &i, sizeof i);
}

TEST(two_executors_do_not_know_each_other)
{
    filch_executor *a = processes(1);
    filch_executor *b = processes(1);
    filch_future *f = submit(a, "segv", NULL, 0);

    expect_echo(b, "b", 1);
    assert_int_equal(status_of(f), FILCH_ECRASHED);
    assert_int_equal(stats_of(b).crashed, 0);
    filch_executor_destroy(a);
    expect_echo(b, "b", 1);
    filch_executor_destroy(b);
}

TEST(in_a_forked_child_the_executor_is_the_parents)
{
    filch_executor *ex = processes(1);
    filch_future *f = submit(ex, "echo", "x", 1);
    int status;
    pid_t child;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        filch_future *mine;
        bool right = filch_submit_job(ex, "echo", "x", 1, &mine) == FILCH_EFORKED &&
                     filch_executor_wait_idle(ex, FILCH_FOREVER) == FILCH_EFORKED &&
                     filch_process_kill(ex) == FILCH_EFORKED;

        filch_executor_destroy(ex);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_echo(ex, "y", 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
}
