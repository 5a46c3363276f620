/* SPDX-License-Identifier: MIT
 *
 * test_timed.c: a task with a time is a task: it has a context and says why it fails, it may end its
 * thread, and what is done to all of an executor is done to it. A timeout passes on what it is told. */
#include "sched/work.h"

#include <pthread.h>

enum {
    MS = 1000000,
    CODE = 7
};

static filch_future *submit_at(filch_executor *ex, filch_deadline when, filch_task_fn *fn,
                               void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit_at(ex, when, fn, arg, &f) == 0);
    return f;
}

static filch_future *submit_every(filch_executor *ex, filch_deadline first, filch_task_fn *fn,
                                  void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit_every(ex, first, MS, fn, arg, &f) == 0);
    return f;
}

static filch_future *in_time(filch_executor *ex, filch_future *f, filch_deadline deadline)
{
    filch_future *out = NULL;

    test_check(filch_timeout(f, ex, deadline, 0, &out) == 0);
    return out;
}

static void await_count(counter *c, uint64_t n)
{
    while (count_of(c) < n)
        sched_yield();
}

/* ---- Contexts ---- */

/* Words   retained, released   counts */
struct mine {
    filch_context base;
    counter retained;
    counter released;
    uint64_t submitters; /* tasks that have had it themselves, and are over */
};

static void retain_mine(filch_context *context)
{
    count_one(&((struct mine *)context)->retained);
}

static void release_mine(filch_context *context)
{
    count_one(&((struct mine *)context)->released);
}

#define MINE                                                                                       \
    {                                                                                              \
        .base = { retain_mine, release_mine }                                                      \
    }

/* By what was submitted, besides those that have submitted it. */
static void check_held(struct mine *m, uint64_t times, uint64_t gone)
{
    assert_int_equal(count_of(&m->retained), times + m->submitters);
    assert_int_equal(count_of(&m->released), gone + m->submitters);
}

struct submission {
    filch_executor *ex;
    filch_task_fn *fn;
    void *arg;
    filch_deadline when;
    bool is_periodic;
    filch_future *f;
};

static int task_submits(void *arg, void **result)
{
    struct submission *s = arg;

    (void)result;
    return s->is_periodic ? filch_submit_every(s->ex, s->when, MS, s->fn, s->arg, &s->f)
                          : filch_submit_at(s->ex, s->when, s->fn, s->arg, &s->f);
}

/* What a task with context m submits. */
static filch_future *submit_in(struct mine *m, struct submission s)
{
    filch_task_options o = {.size = sizeof o, .context = &m->base};
    filch_future *f = NULL;

    test_check(filch_submit_with(s.ex, &o, task_submits, &s, &f) == 0);
    test_check(finish(f) == 0);
    m->submitters++;
    return s.f;
}

static int task_current(void *arg, void **result)
{
    (void)arg;
    *result = filch_context_current();
    return 0;
}

static int task_checks_context_thrice(void *arg, void **result)
{
    struct mine *m = arg;
    static counter runs;

    (void)result;
    test_check(filch_context_current() == &m->base);
    test_check(count_of(&m->released) <= 1); /* the submitter's */
    count_one(&runs);
    return count_of(&runs) % 3 == 0 ? CODE : 0;
}

TEST(a_task_with_a_time_has_its_submitter_s_context)
{
    filch_executor *ex = pool_of(2);
    struct mine m = MINE;
    filch_future *f =
        submit_in(&m, (struct submission){ex, task_current, NULL, filch_in_ms(3), false, NULL});
    void *result = NULL;

    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &m);
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), FILCH_ESTATE);
    check_held(&m, 1, 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_held(&m, 1, 1);
}

TEST(a_periodic_task_has_it_until_it_is_over)
{
    filch_executor *ex = pool_of(2);
    struct mine m = MINE;
    filch_future *f = submit_in(
        &m, (struct submission){ex, task_checks_context_thrice, &m, filch_in_ms(1), true, NULL});

    assert_int_equal(outcome(f), CODE);
    check_held(&m, 1, 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_held(&m, 1, 1);
}

TEST(what_never_runs_lets_go_of_it_at_once)
{
    filch_executor *ex = pool_of(1);
    struct mine m = MINE;
    filch_future *f[2];

    for (int i = 0; i < 2; i++) {
        f[i] = submit_in(
            &m, (struct submission){ex, task_current, NULL, filch_in_s(100), i == 1, NULL});
        check_held(&m, (uint64_t)i + 1, (uint64_t)i);
        assert_true(filch_future_cancel(f[i]));
        check_held(&m, (uint64_t)i + 1, (uint64_t)i + 1);
        filch_future_release(f[i]);
    }
    for (int i = 0; i < 2; i++)
        f[i] = submit_in(
            &m, (struct submission){ex, task_current, NULL, filch_in_s(100), i == 1, NULL});
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER), 0);
    check_held(&m, 4, 4);
    for (int i = 0; i < 2; i++)
        filch_future_release(f[i]);
    filch_executor_destroy(ex);
    check_held(&m, 4, 4);
}

struct stop {
    struct gate gate;
    filch_future *f;
};

static int task_stops_itself(void *arg, void **result)
{
    struct stop *stop = arg;

    (void)result;
    gate_pass(&stop->gate);
    test_check(filch_future_cancel(stop->f));
    return 0;
}

TEST(a_periodic_task_that_is_stopped_in_a_run_lets_go_of_it_after_that)
{
    filch_executor *ex = pool_of(1);
    struct mine m = MINE;
    struct stop stop = {0};

    stop.f = submit_in(
        &m, (struct submission){ex, task_stops_itself, &stop, filch_in_ms(1), true, NULL});
    gate_await(&stop.gate, 1);
    check_held(&m, 1, 0);
    gate_open(&stop.gate);
    assert_int_equal(finish(stop.f), FILCH_ECANCELED);
    check_held(&m, 1, 1);
    filch_executor_destroy(ex);
}

/* ---- Failures ---- */

static int task_says_why(void *arg, void **result)
{
    (void)result;
    return filch_fail(CODE, "the sky is down", arg, NULL);
}

TEST(the_future_of_a_task_with_a_time_says_why_it_failed)
{
    filch_executor *ex = pool_of(2);
    int detail;
    filch_future *f[2] = {submit_at(ex, filch_in_ms(1), task_says_why, &detail),
                          submit_every(ex, filch_in_ms(1), task_says_why, &detail)};

    for (int i = 0; i < 2; i++) {
        filch_error error;

        assert_int_equal(filch_future_error(f[i], FILCH_FOREVER, &error), 0);
        assert_int_equal(error.code, CODE);
        assert_string_equal(error.domain, "task");
        assert_string_equal(error.message, "the sky is down");
        assert_ptr_equal(error.detail, &detail);
        filch_future_release(f[i]);
    }
    filch_executor_destroy(ex);
}

/* Words   told   how often */
struct watch {
    counter told;
    counter of_this_function;
};

static void note(const filch_unobserved *info, void *arg)
{
    struct watch *w = arg;

    test_check(info->error.code == CODE);
    test_check(strcmp(info->error.message, "the sky is down") == 0);
    if (info->fn == task_says_why)
        count_one(&w->of_this_function);
    count_one(&w->told);
}

TEST(e8_a_failure_of_a_task_with_a_time_that_nobody_reads_is_told_once)
{
    struct watch w = {0};
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_unobserved = note, .hook_arg = &w});
    filch_future *f;

    assert_int_equal(filch_submit_at(ex, filch_in_ms(1), task_says_why, NULL, NULL), 0);
    await_count(&w.told, 1);
    assert_int_equal(filch_submit_every(ex, filch_in_ms(1), MS, task_says_why, NULL, NULL), 0);
    await_count(&w.told, 2);
    filch_future_release(submit_at(ex, filch_in_ms(1), task_says_why, NULL));
    await_count(&w.told, 3);
    filch_future_release(submit_every(ex, filch_in_ms(1), task_says_why, NULL));
    await_count(&w.told, 4);
    assert_int_equal(finish(submit_at(ex, filch_in_ms(1), task_says_why, NULL)), CODE);
    f = submit_every(ex, filch_in_s(100), task_says_why, NULL);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&w.told), 4);
    assert_int_equal(count_of(&w.of_this_function), 4);
}

TEST(e8_a_failure_that_a_timeout_passes_on_is_read_or_told_there)
{
    struct watch w = {0};
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_unobserved = note, .hook_arg = &w});
    filch_future *f = submit_at(ex, filch_in_ms(1), task_says_why, NULL);
    filch_future *out = in_time(ex, f, filch_in_s(100));
    filch_error error;

    filch_future_release(f);
    assert_int_equal(filch_future_error(out, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, CODE);
    assert_string_equal(error.domain, "task");
    assert_string_equal(error.message, "the sky is down");
    filch_future_release(out);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&w.told), 0);

    f = submit_at(ex, filch_in_ms(1), task_says_why, NULL);
    filch_future_release(in_time(ex, f, filch_in_s(100)));
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&w.told), 1);
    assert_int_equal(count_of(&w.of_this_function), 1);
}

TEST(c3_that_the_time_is_up_is_said_by_filch)
{
    filch_executor *ex = pool_of(1);
    filch_future *never = promise();

    for (int64_t ms = 0; ms < 3; ms++) {
        filch_future *out = in_time(ex, never, ms == 0 ? FILCH_NOW : filch_in_ms(ms));
        filch_error error;

        assert_int_equal(filch_future_error(out, FILCH_FOREVER, &error), 0);
        assert_int_equal(error.code, FILCH_ETIMEDOUT);
        assert_string_equal(error.domain, "filch");
        assert_string_equal(error.message, filch_strerror(FILCH_ETIMEDOUT));
        filch_future_release(out);
    }
    filch_future_release(never);
    filch_executor_destroy(ex);
}

/* ---- Values ---- */

static void count_value(void *value, void *arg)
{
    (void)arg;
    count_one(value);
}

TEST(a_result_that_a_timeout_passes_on_is_kept_and_goes_once)
{
    filch_executor *ex = pool_of(1);
    counter gone = 0;
    filch_task_options o = {.size = sizeof o, .value_dtor = count_value};
    filch_future *f = NULL;
    filch_future *out;
    void *result;

    for (int take = 0; take < 2; take++) {
        assert_int_equal(filch_submit_with(ex, &o, task_echo, &gone, &f), 0);
        out = in_time(ex, f, filch_in_s(100));
        filch_future_release(f);
        assert_int_equal(filch_future_result(out, FILCH_FOREVER, &result), 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_ptr_equal(result, &gone);
        assert_int_equal(count_of(&gone), 0);
        if (take == 0)
            assert_int_equal(filch_future_take(out, FILCH_FOREVER, &result), 0);
        filch_future_release(out);
        assert_int_equal(count_of(&gone), take);
    }
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&gone), 1);
}

/* ---- Threads that end ---- */

static int task_exits(void *arg, void **result)
{
    if (arg != NULL)
        count_one(arg);
    *result = NULL;
    pthread_exit(NULL);
}

TEST(a_task_with_a_time_that_ends_its_thread_is_abandoned)
{
    filch_executor *ex = pool_of(2);
    struct mine m = MINE;
    counter runs = 0;

    for (int i = 0; i < 10; i++)
        assert_int_equal(finish(submit_at(ex, filch_in_us(200), task_exits, NULL)),
                         FILCH_EABANDONED);
    assert_int_equal(finish(submit_every(ex, filch_in_ms(1), task_exits, &runs)), FILCH_EABANDONED);
    assert_int_equal(finish(submit_in(&m, (struct submission){ex, task_exits, &runs, filch_in_ms(1),
                                                              true, NULL})),
                     FILCH_EABANDONED);
    check_held(&m, 1, 1);
    assert_int_equal(filch_submit_every(ex, filch_in_ms(1), MS, task_exits, &runs, NULL), 0);
    assert_int_equal(finish(submit_at(ex, filch_in_ms(5), task_echo, NULL)), 0);
    filch_executor_destroy(ex);
    assert_true(count_of(&runs) >= 2 && count_of(&runs) <= 3);
}

struct calls {
    pthread_t adder;
    counter exits;
    counter all;
};

/* In the thread that adds it, if it comes too late. */
static void call_exits(filch_future *f, void *arg)
{
    struct calls *calls = arg;
    bool is_late = pthread_equal(pthread_self(), calls->adder) != 0;

    (void)f;
    if (!is_late)
        count_one(&calls->exits); /* first: who counts all has to know */
    count_one(&calls->all);
    if (!is_late)
        pthread_exit(NULL);
}

static void call_count(filch_future *f, void *arg)
{
    (void)f;
    count_one(&((struct calls *)arg)->all);
}

/* All in one batch of the clock's thread. */
static void let_20_be_late(filch_executor *ex, filch_future *never, filch_deadline when,
                           struct calls *calls)
{
    uint64_t before = count_of(&calls->all);

    for (int i = 0; i < 20; i++) {
        filch_future *out = in_time(ex, never, when);

        assert_int_equal(
            filch_future_add_done_callback(out, i == 3 ? call_exits : call_count, calls), 0);
        filch_future_release(out);
    }
    await_count(&calls->all, before + 20);
}

TEST(a_callback_that_ends_the_clock_s_thread_does_not_stop_the_clock)
{
    size_t before = threads_now();
    filch_executor *ex = pool_of(1);
    filch_future *never = promise();
    struct calls calls = {.adder = pthread_self()};

    for (int64_t ms = 2; count_of(&calls.exits) == 0; ms *= 2)
        let_20_be_late(ex, never, filch_in_ms(ms), &calls);
    assert_int_equal(count_of(&calls.exits), 1);
    assert_int_equal(finish(in_time(ex, never, filch_in_ms(1))), FILCH_ETIMEDOUT);
    assert_int_equal(finish(submit_at(ex, filch_in_ms(1), task_echo, NULL)), 0);
    filch_executor_destroy(ex);
    filch_future_release(never);
    await_threads_at_most(before);
}

/* ---- What is done to all of an executor ---- */

TEST(x3_what_waits_for_its_time_is_cancelled_with_all_the_rest)
{
    filch_executor *ex = pool_of(1);
    filch_future *never = promise();
    filch_future *out = in_time(ex, never, filch_in_ms(30));
    counter runs = 0;
    struct hold hold = {0};
    filch_future *f[3];

    hold_worker(&hold, ex);
    f[0] = submit_at(ex, filch_in_s(100), task_count, &runs);
    f[1] = submit_every(ex, filch_in_s(100), task_count, &runs);
    f[2] = submit(ex, task_count, &runs);
    assert_int_equal(filch_submit_at(ex, filch_in_s(100), task_count, &runs, NULL), 0);
    assert_int_equal(filch_executor_cancel_all(ex), 4);
    for (int i = 0; i < 3; i++) {
        assert_true(filch_future_cancelled(f[i]));
        filch_future_release(f[i]);
    }
    assert_int_equal(filch_executor_cancel_all(ex), 0);
    f[0] = submit_at(ex, filch_in_ms(1), task_count, &runs);
    f[1] = submit_every(ex, filch_in_ms(1), task_count, &runs);
    let_go(&hold);
    assert_int_equal(finish(f[0]), 0);
    await_count(&runs, 3);
    assert_true(filch_future_cancel(f[1]));
    assert_int_equal(finish(f[1]), FILCH_ECANCELED);
    assert_int_equal(finish(out), FILCH_ETIMEDOUT); /* a timeout is no task */
    filch_future_release(never);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).tombstones, 0);
    filch_executor_destroy(ex);
}

static int task_passes_and_is_asked(void *arg, void **result)
{
    gate_pass(arg);
    *result = NULL;
    test_check(filch_cancel_requested());
    return 0;
}

TEST(x3_a_periodic_task_that_runs_is_asked_to_stop_and_over_after_the_run)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_future *f = submit_every(ex, filch_in_ms(1), task_passes_and_is_asked, &gate);

    gate_await(&gate, 1);
    assert_int_equal(filch_executor_cancel_all(ex), 0);
    assert_int_equal(filch_future_state(f), FILCH_RUNNING);
    gate_open(&gate);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    assert_int_equal(fl_load(&gate.arrived, relaxed), 1); /* settled by the future's end */
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(ex).tombstones, 0);
    filch_executor_destroy(ex);
}

TEST(x3_what_a_closed_executor_waits_for_may_be_cancelled)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit_at(ex, filch_in_s(100), task_echo, NULL);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_FOREVER), 0);
    assert_int_equal(filch_executor_cancel_all(ex), 1);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    assert_int_equal(filch_executor_shutdown(ex, 0, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

TEST(l11_what_is_due_in_a_pause_is_queued_and_runs_after_it)
{
    filch_executor *ex = pool_of(2);
    filch_future *never = promise();
    counter runs = 0;
    counter beats = 0;
    filch_future *f, *g;

    assert_int_equal(filch_executor_pause(ex), 0);
    f = submit_at(ex, filch_in_ms(1), task_count, &runs);
    g = submit_every(ex, filch_in_ms(1), task_count, &beats);
    assert_int_equal(finish(in_time(ex, never, filch_in_ms(10))), FILCH_ETIMEDOUT);
    while (stats_of(ex).pending != 2) /* of the periodic one never more than one run */
        sched_yield();
    assert_int_equal(filch_future_result(f, filch_in_ms(5), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(count_of(&runs) + count_of(&beats), 0);
    assert_int_equal(filch_executor_resume(ex), 0);
    assert_int_equal(finish(f), 0);
    await_count(&beats, 2);
    filch_future_cancel(g);
    assert_int_equal(finish(g), FILCH_ECANCELED);

    assert_int_equal(filch_executor_pause(ex), 0);
    assert_int_equal(filch_submit_at(ex, filch_in_ms(1), task_count, &runs, NULL), 0);
    filch_executor_destroy(ex); /* ends the pause, and waits */
    assert_int_equal(count_of(&runs), 2);
    filch_future_release(never);
}

TEST(what_is_due_starts_the_threads_that_it_needs)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .min_workers = 1});
    struct gate gate = {0};
    filch_future *f[4];
    filch_deadline when = filch_in_ms(3);

    assert_int_equal(stats_of(ex).workers, 1);
    for (int i = 0; i < 4; i++)
        f[i] = submit_at(ex, when + i % 2 * MS, task_gate, &gate);
    gate_await(&gate, 4); /* each on a thread of its own */
    assert_int_equal(stats_of(ex).workers, 4);
    gate_open(&gate);
    for (int i = 0; i < 4; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

TEST(threads_that_have_ended_come_back_when_something_is_due)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 3, .min_workers = 1, .idle_timeout_ns = MS});
    struct gate gate = {0};

    for (int round = 0; round < 3; round++) {
        struct gate again = {0};
        filch_future *f[3];

        for (int i = 0; i < 3; i++)
            f[i] = submit_at(ex, filch_in_ms(1), task_gate, &again);
        gate_await(&again, 3);
        gate_open(&again);
        for (int i = 0; i < 3; i++)
            assert_int_equal(finish(f[i]), 0);
        while (stats_of(ex).workers != 1)
            sched_yield();
    }
    /* and while the executor is closed */
    for (int i = 0; i < 3; i++)
        assert_int_equal(filch_submit_at(ex, filch_in_ms(3), task_gate, &gate, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_FOREVER), 0);
    gate_await(&gate, 3);
    gate_open(&gate);
    filch_executor_destroy(ex);
}

TEST(what_is_due_runs_on_the_workers_that_may_work)
{
    filch_executor *ex = pool_of(4);
    counter runs = 0;

    assert_int_equal(filch_executor_set_active(ex, 1), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(filch_submit_at(ex, filch_in_us(100 * i), task_count, &runs, NULL), 0);
    await_count(&runs, 50);
    assert_int_equal(filch_executor_set_active(ex, 4), 0);
    assert_int_equal(finish(submit_at(ex, filch_in_ms(1), task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}

/* ---- Circles ---- */

struct circle {
    filch_future *periodic, *other;
    struct gate both;
    counter told;
};

static int wait_in_circle(struct circle *c, filch_future *const *f)
{
    int status;

    gate_pass(&c->both);
    status = outcome(*f);
    if (status == FILCH_EDEADLK)
        count_one(&c->told);
    return status;
}

static int task_waits_for_the_other(void *arg, void **result)
{
    struct circle *c = arg;

    (void)result;
    return wait_in_circle(c, &c->other);
}

static int task_waits_for_the_periodic(void *arg, void **result)
{
    struct circle *c = arg;

    (void)result;
    return wait_in_circle(c, &c->periodic);
}

TEST(a_circle_through_a_periodic_task_is_told)
{
    filch_executor *ex = pool_of(2);
    struct circle c = {0};

    c.other = submit(ex, task_waits_for_the_periodic, &c);
    c.periodic = submit_every(ex, filch_in_ms(1), task_waits_for_the_other, &c);
    gate_await(&c.both, 2);
    gate_open(&c.both);
    assert_int_not_equal(outcome(c.other), 0);
    assert_int_not_equal(outcome(c.periodic), 0);
    assert_in_range(count_of(&c.told), 1, 2);
    filch_executor_destroy(ex); /* nobody waits for them any more */
    filch_future_release(c.other);
    filch_future_release(c.periodic);
}
