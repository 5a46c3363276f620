/* SPDX-License-Identifier: MIT
 *
 * test_timer.c: tasks that run at a time, and again and again: when, how often, and what becomes of
 * them when they are cancelled, when they fail, and when the executor ends. */
#include "sched/work.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "future/timed.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MS = 1000000
};

static filch_future *submit_at(filch_executor *ex, filch_deadline when, filch_task_fn *fn,
                               void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit_at(ex, when, fn, arg, &f) == 0);
    test_check(f != NULL);
    return f;
}

static filch_future *submit_every(filch_executor *ex, filch_deadline first, int64_t period_ns,
                                  filch_task_fn *fn, void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit_every(ex, first, period_ns, fn, arg, &f) == 0);
    test_check(f != NULL);
    return f;
}

/* ---- Once ---- */

static int task_when(void *arg, void **result)
{
    *(int64_t *)arg = fl_now();
    *result = arg;
    return 0;
}

TEST(t9_a_task_runs_once_its_time_has_come_and_not_before)
{
    filch_executor *ex = pool_of(2);
    filch_deadline when[20];
    int64_t ran[20];
    filch_future *f[20];

    for (int i = 0; i < 20; i++) {
        when[i] = filch_in_us(20000 - 997 * i);
        f[i] = submit_at(ex, when[i], task_when, &ran[i]);
    }
    for (int i = 0; i < 20; i++) {
        void *result;

        assert_int_equal(filch_future_result(f[i], FILCH_FOREVER, &result), 0);
        assert_ptr_equal(result, &ran[i]);
        assert_true(ran[i] >= when[i]);
        filch_future_release(f[i]);
    }
    filch_executor_destroy(ex);
}

TEST(t9_what_has_come_is_queued_at_once_and_needs_no_clock)
{
    size_t threads;
    filch_executor *ex = pool_of(1);
    struct hold h = {0};

    hold_worker(&h, ex); /* it has started */
    threads = threads_now();
    let_go(&h);
    assert_int_equal(finish(submit_at(ex, FILCH_NOW, task_echo, NULL)), 0);
    assert_int_equal(finish(submit_at(ex, -5, task_echo, NULL)), 0);
    assert_int_equal(finish(submit_at(ex, fl_now(), task_echo, NULL)), 0);
    assert_int_equal(threads_now(), threads);
    filch_executor_destroy(ex);
}

TEST(t9_the_failure_of_a_task_is_its_own)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_at(ex, filch_in_ms(1), task_fail, number(7));
    filch_error error;

    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 7);
    assert_string_equal(error.domain, "task");
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(t9_without_a_future_it_runs_all_the_same)
{
    filch_executor *ex = pool_of(1);
    counter ran = 0;

    assert_int_equal(filch_submit_at(ex, filch_in_ms(2), task_count, &ran, NULL), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 1);
}

TEST(t9_a_cancelled_task_never_runs_and_is_over_at_once)
{
    filch_executor *ex = pool_of(1);
    counter ran = 0;
    filch_future *f = submit_at(ex, filch_in_s(3600), task_count, &ran);

    assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    assert_true(filch_future_cancel(f));
    assert_true(filch_future_cancel(f));
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex); /* does not wait for an hour */
    assert_int_equal(count_of(&ran), 0);
}

/* What is cancelled gives its memory back: a hundred thousand take no more than one. */
TEST(t9_a_cancelled_task_leaves_nothing_behind)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);
    uint64_t bytes;

    filch_future_cancel(f);
    filch_future_release(f);
    bytes = stats_of(ex).memory_bytes;
    for (int i = 0; i < 100000; i++) {
        f = submit_at(ex, filch_in_s(3600 + i), task_echo, NULL);
        assert_true(filch_future_cancel(f));
        filch_future_release(f);
    }
    assert_true(stats_of(ex).memory_bytes == bytes);
    filch_executor_destroy(ex);
}

static int task_submits_later(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f = submit_at(ex, filch_in_ms(2), task_echo, number(3));
    int status = filch_future_result(f, FILCH_FOREVER, result);

    filch_future_release(f);
    return status;
}

TEST(t9_a_task_may_wait_for_one_that_runs_later_on_one_worker)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_submits_later, ex);
    void *result;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, number(3));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int task_helps(void *arg, void **result)
{
    filch_future *f = submit_at(arg, filch_in_s(3600), task_when, result);

    /* Whoever waits may run what has not started, but not before its time. */
    test_check(filch_future_result(f, filch_in_ms(1), NULL) == FILCH_ETIMEDOUT);
    test_check(filch_future_state(f) == FILCH_PENDING);
    test_check(filch_future_cancel(f));
    filch_future_release(f);
    return 0;
}

TEST(t9_whoever_waits_for_a_task_does_not_run_it_early)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .help = FILCH_HELP_ANY});

    assert_int_equal(finish(submit(ex, task_helps, ex)), 0);
    filch_executor_destroy(ex);
}

TEST(t9_wait_idle_does_not_wait_for_what_is_not_queued)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);

    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_false(filch_future_done(f));
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- The thread ---- */

static bool is_named(const char *name)
{
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    bool found = false;

    test_check(d != NULL);
    while ((e = readdir(d)) != NULL) {
        char path[300];
        char line[32] = "";
        FILE *f;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (f == NULL)
            continue;
        if (fgets(line, sizeof line, f) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            found = found || strcmp(line, name) == 0;
        }
        fclose(f);
    }
    closedir(d);
    return found;
}

TEST(t9_the_clock_s_thread_comes_with_the_first_time_and_goes_with_the_executor)
{
    size_t before = threads_now();
    filch_executor *ex = pool_with((filch_options){.workers = 1, .name = "clock"});
    size_t threads;
    filch_future *f;

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    threads = threads_now();
    assert_false(is_named("clock-timer"));
    f = submit_at(ex, filch_in_s(3600), task_echo, NULL);
    assert_int_equal(threads_now(), threads + 1);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    while (!is_named("clock-timer")) /* it names itself */
        sched_yield();
    assert_int_equal(stats_of(ex).workers, 1); /* it is none */
    assert_int_equal(finish(submit_at(ex, filch_in_ms(1), task_echo, NULL)), 0);
    assert_int_equal(threads_now(), threads + 1);
    filch_executor_destroy(ex);
    await_threads_at_most(before);
}

/* ---- Again and again ---- */

struct beats {
    counter n;
    fl_atomic(int) inside;
    int64_t last;
    filch_deadline first;
    int64_t period_ns;
    uint64_t stop_at;
    int64_t slow_ns;
};

static int beat(void *arg, void **result)
{
    struct beats *b = arg;
    int64_t now = fl_now();
    uint64_t n;

    *result = b; /* ignored */
    test_check(fl_add(&b->inside, 1, relaxed) == 0);
    test_check(now >= b->first + (int64_t)count_of(&b->n) * b->period_ns);
    /* Two runs never belong to the same time. */
    test_check(b->last == 0 ||
               (now - b->first) / b->period_ns > (b->last - b->first) / b->period_ns);
    b->last = now;
    while (b->slow_ns != 0 && fl_now() < now + b->slow_ns)
        sched_yield();
    fl_sub(&b->inside, 1, relaxed);
    count_one(&b->n);
    n = count_of(&b->n);
    return b->stop_at != 0 && n == b->stop_at ? 42 : 0;
}

TEST(t9_a_periodic_task_runs_at_each_time_until_it_fails)
{
    filch_executor *ex = pool_of(2);
    struct beats b = {.first = filch_in_ms(2), .period_ns = MS, .stop_at = 10};
    filch_future *f = submit_every(ex, b.first, b.period_ns, beat, &b);
    filch_error error;

    assert_int_equal(finish(filch_future_retain(f)), 42);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_string_equal(error.domain, "task");
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&b.n), 10);
}

TEST(t9_times_that_pass_in_a_run_are_skipped)
{
    filch_executor *ex = pool_of(2);
    struct beats b = {
        .first = filch_in_ms(1), .period_ns = 2 * MS, .stop_at = 5, .slow_ns = 5 * MS};
    int64_t before = fl_now();
    filch_future *f = submit_every(ex, b.first, b.period_ns, beat, &b);

    assert_int_equal(finish(f), 42);
    assert_true(fl_now() - before >= 5 * b.slow_ns); /* none was made up for at once */
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&b.n), 5);
}

static void await_beats(struct beats *b, uint64_t n)
{
    while (count_of(&b->n) < n)
        sched_yield();
}

TEST(t9_a_first_time_in_the_past_runs_at_once)
{
    filch_executor *ex = pool_of(1);
    counter n = 0;
    filch_future *f = submit_every(ex, FILCH_NOW, INT64_C(3600000000000), task_count, &n);

    while (count_of(&n) == 0)
        sched_yield();
    assert_true(filch_future_cancel(f));
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&n), 1);
}

TEST(t9_a_periodic_task_is_cancelled_between_runs)
{
    filch_executor *ex = pool_of(1);
    struct beats b = {.first = filch_in_ms(1), .period_ns = INT64_C(3600000000000)};
    filch_future *f = submit_every(ex, b.first, b.period_ns, beat, &b);

    await_beats(&b, 1);
    while (filch_future_running(f))
        sched_yield();
    assert_true(filch_future_cancel(f));
    assert_int_equal(outcome(f), FILCH_ECANCELED);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&b.n), 1);
}

static int gated_beat(void *arg, void **result)
{
    (void)result;
    gate_pass(arg);
    return 0;
}

static int gated_failure(void *arg, void **result)
{
    (void)result;
    gate_pass(arg);
    return 13;
}

static void cancel_in_a_run(filch_task_fn *fn)
{
    filch_executor *ex = pool_of(1);
    struct gate g = {0};
    filch_future *f = submit_every(ex, filch_in_ms(1), MS, fn, &g);

    gate_await(&g, 1);
    assert_true(filch_future_running(f));
    assert_true(filch_future_cancel(f));
    assert_true(filch_future_cancel(f));
    assert_true(filch_future_running(f)); /* it still uses what it was given */
    assert_int_equal(filch_future_result(f, filch_in_ms(1), NULL), FILCH_ETIMEDOUT);
    gate_open(&g);
    assert_int_equal(outcome(f), FILCH_ECANCELED);
    assert_true(filch_future_cancelled(f));
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(fl_load(&g.arrived, relaxed), 1); /* settled by destroy */
}

TEST(t9_a_periodic_task_that_is_cancelled_in_a_run_is_over_after_it)
{
    cancel_in_a_run(gated_beat);
}

TEST(t9_a_run_that_was_cancelled_and_fails_was_cancelled)
{
    cancel_in_a_run(gated_failure);
}

struct selfish {
    filch_future *f;
    struct gate gate;
    int status;
};

static int waits_for_itself(void *arg, void **result)
{
    struct selfish *s = arg;

    gate_pass(&s->gate);
    s->status = filch_future_result(s->f, FILCH_FOREVER, result);
    return 5;
}

TEST(t9_a_task_that_waits_for_itself_is_told_so)
{
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 2; i++) {
        struct selfish s = {.status = 0};

        s.f = i == 0 ? submit_at(ex, filch_in_ms(1), waits_for_itself, &s)
                     : submit_every(ex, filch_in_ms(1), MS, waits_for_itself, &s);
        gate_open(&s.gate);
        assert_int_equal(outcome(s.f), 5);
        filch_future_release(s.f);
        assert_int_equal(s.status, FILCH_EDEADLK);
    }
    filch_executor_destroy(ex);
}

TEST(t9_the_next_time_is_the_first_that_has_not_passed)
{
    assert_true(fl_timed_next(100, 10, 50) == 110);
    assert_true(fl_timed_next(100, 10, 110) == 110);
    assert_true(fl_timed_next(100, 10, 111) == 120);
    assert_true(fl_timed_next(100, 10, 120) == 120);
    assert_true(fl_timed_next(100, 10, 100000009) == 100000010);
    assert_true(fl_timed_next(0, 7, 22) == 28);
    assert_true(fl_timed_next(INT64_MIN, INT64_MAX, INT64_C(1) << 61) == INT64_MAX - 1);
    assert_true(fl_timed_next(INT64_MAX - 5, 10, 1) == FILCH_FOREVER);
    assert_true(fl_timed_next(5, INT64_MAX, 6) == FILCH_FOREVER);
}

/* ---- Arguments ---- */

TEST(t9_what_makes_no_sense_is_refused)
{
    filch_executor *ex = pool_of(1);
    filch_executor *rival =
        pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
    filch_future *f;

    assert_int_equal(filch_submit_at(NULL, FILCH_NOW, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_at(ex, FILCH_NOW, NULL, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_at(rival, FILCH_NOW, task_echo, NULL, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_submit_every(NULL, FILCH_NOW, 1, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_every(ex, FILCH_NOW, 1, NULL, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_every(ex, FILCH_NOW, 0, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_every(ex, FILCH_NOW, -1, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_every(rival, FILCH_NOW, 1, task_echo, NULL, &f), FILCH_ENOTSUP);
    filch_executor_destroy(rival);
    filch_executor_destroy(ex);
}

/* ---- The end ---- */

TEST(t9_a_shutdown_waits_for_what_was_accepted)
{
    filch_executor *ex = pool_of(1);
    counter ran = 0;
    filch_future *f[3];

    for (int i = 0; i < 3; i++)
        f[i] = submit_at(ex, filch_in_ms(3 * i + 1), task_count, &ran);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(f[i]), 0);
    assert_int_equal(filch_submit_at(ex, filch_in_ms(1), task_count, &ran, f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_at(ex, FILCH_NOW, task_count, &ran, f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_every(ex, FILCH_NOW, 1, task_count, &ran, f), FILCH_ESHUTDOWN);
    filch_executor_destroy(ex);
}

TEST(t9_a_shutdown_whose_deadline_passes_may_cancel_what_is_left)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(5)), FILCH_ETIMEDOUT);
    assert_false(filch_future_done(f));
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER), 0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(t9_cancelling_the_last_one_lets_a_shutdown_end)
{
    filch_executor *ex = pool_of(2);
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_false(filch_future_done(f));
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

TEST(t9_what_never_comes_and_what_comes_again_is_cancelled_by_a_shutdown)
{
    filch_executor *ex = pool_of(1);
    counter ran = 0;
    filch_future *never = submit_at(ex, FILCH_FOREVER, task_count, &ran);
    filch_future *again = submit_every(ex, filch_in_s(3600), MS, task_count, &ran);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(finish(never), FILCH_ECANCELED);
    assert_int_equal(finish(again), FILCH_ECANCELED);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(t9_a_periodic_task_under_way_at_the_shutdown_is_over_after_its_run)
{
    filch_executor *ex = pool_of(1);
    struct gate g = {0};
    filch_future *f = submit_every(ex, filch_in_ms(1), MS, gated_beat, &g);

    gate_await(&g, 1);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_false(filch_future_done(f));
    gate_open(&g);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
    assert_int_equal(fl_load(&g.arrived, relaxed), 1); /* settled by destroy */
}

static int fail_behind_a_gate(void *gate)
{
    gate_pass(gate);
    return 1;
}

TEST(t9_what_waits_for_a_time_is_over_when_the_executor_breaks)
{
    struct gate g = {0};
    filch_executor *ex = pool_with(
        (filch_options){.workers = 1, .on_thread_start = fail_behind_a_gate, .hook_arg = &g});
    filch_future *p = promise();
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);
    filch_future *again = submit_every(ex, filch_in_s(3600), MS, task_echo, NULL);
    filch_future *out;

    assert_int_equal(filch_timeout(p, ex, filch_in_s(3600), 0, &out), 0);
    gate_open(&g);
    assert_int_equal(finish(f), FILCH_EBROKEN);
    assert_int_equal(finish(again), FILCH_EBROKEN);
    assert_int_equal(finish(out), FILCH_EBROKEN);
    assert_int_equal(filch_submit_at(ex, filch_in_s(1), task_echo, NULL, &f), FILCH_EBROKEN);
    assert_int_equal(filch_submit_every(ex, 0, MS, task_echo, NULL, &f), FILCH_EBROKEN);
    assert_int_equal(filch_timeout(p, ex, filch_in_s(1), 0, &out), FILCH_EBROKEN);
    filch_future_release(p);
    filch_executor_destroy(ex);
}

static int destroy_executor(void *arg, void **result)
{
    (void)result;
    filch_executor_destroy(arg);
    return 0;
}

TEST(t9_a_task_may_destroy_its_executor)
{
    size_t before = threads_now();

    for (int i = 0; i < 50; i++) {
        filch_executor *ex = pool_of(2);
        filch_future *f = submit_at(ex, filch_in_us(50), destroy_executor, ex);

        assert_int_equal(finish(f), 0);
    }
    await_threads_at_most(before);
}

/* ---- A forked child ---- */

static int child_says(filch_executor *ex, filch_future *f, bool restarts)
{
    filch_future *g = NULL;

    if (filch_future_result(f, FILCH_FOREVER, NULL) != FILCH_EFORKED)
        return 2;
    filch_future_cancel(f);
    filch_future_release(f);
    if (!restarts)
        return filch_submit_at(ex, filch_in_ms(1), task_echo, NULL, &g) == FILCH_EFORKED &&
                       filch_submit_every(ex, 0, 1, task_echo, NULL, &g) == FILCH_EFORKED
                   ? 0
                   : 3;
    if (filch_submit_at(ex, filch_in_ms(1), task_echo, NULL, &g) != 0)
        return 4;
    return finish(g);
}

static void fork_with(unsigned flags)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .flags = flags});
    filch_future *f = submit_at(ex, filch_in_s(3600), task_echo, NULL);
    struct hold h = {0};
    int status = 0;
    pid_t child;

    hold_worker(&h, ex); /* all threads have started */
    let_go(&h);
    assert_int_equal(finish(submit_at(ex, filch_in_ms(1), task_echo, NULL)), 0);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(30);
        _exit(child_says(ex, f, flags != 0));
    }
    while (waitpid(child, &status, 0) < 0)
        test_check(errno == EINTR);
    assert_int_equal(status, 0);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(t9_a_forked_child_finds_the_clock_dead)
{
    fork_with(0);
}

TEST(t9_a_forked_child_may_have_a_clock_of_its_own)
{
    if (FL_TSAN)
        test_skip("ThreadSanitizer starts no thread in a child of many threads");
    fork_with(FILCH_FORK_RESTART);
}
