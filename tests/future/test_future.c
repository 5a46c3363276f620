/* SPDX-License-Identifier: MIT
 *
 * test_future.c: one future from its submit to its last release: what it says of itself, when a
 * wait for it ends, and who may wait for it. */
#include "sched/work.h"

#include "base/clock.h"
#include "future/future.h"

/* ---- Handles ---- */

TEST(a_null_handle_is_pending_and_nothing_else)
{
    assert_int_equal(filch_future_state(NULL), FILCH_PENDING);
    assert_false(filch_future_done(NULL));
    assert_false(filch_future_running(NULL));
    assert_false(filch_future_cancelled(NULL));
    assert_false(filch_future_cancel(NULL));
}

TEST(a_null_handle_is_retained_and_released_as_nothing)
{
    assert_null(filch_future_retain(NULL));
    filch_future_release(NULL);
}

TEST(every_reference_keeps_the_future)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = submit(ex, task_echo, ex);

    for (int i = 0; i < 1000; i++)
        assert_ptr_equal(filch_future_retain(f), f);
    for (int i = 0; i < 1000; i++)
        filch_future_release(f);
    filch_executor_destroy(ex);

    void *result = NULL;
    assert_int_equal(filch_future_result(f, FILCH_NOW, &result), 0);
    assert_int_equal(finish(f), 0);
}

TEST(a_task_whose_future_is_released_still_runs)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    for (int i = 0; i < 100; i++)
        filch_future_release(submit(ex, task_count, &ran));
    assert_int_equal(count_of(&ran), 0);
    let_go(&hold);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 100);
    filch_executor_destroy(ex);
}

static void count_call(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    count_one(user);
}

TEST(futures_outlive_their_executor_and_answer_as_before)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_error error;
    counter calls = 0;
    void *result = NULL;

    hold_worker(&hold, ex);
    filch_future *f[3] = {submit(ex, task_echo, &calls), submit(ex, task_fail, number(4)),
                          submit(ex, task_echo, NULL)};
    filch_future *array[3];
    assert_true(filch_future_cancel(f[2]));
    let_go(&hold);
    filch_executor_destroy(ex);

    assert_int_equal(filch_future_state(f[0]), FILCH_FINISHED);
    assert_int_equal(filch_future_state(f[1]), FILCH_FAILED);
    assert_int_equal(filch_future_state(f[2]), FILCH_CANCELLED);
    assert_int_equal(filch_future_result(f[0], FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &calls);
    assert_int_equal(filch_future_error(f[1], FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 4);
    assert_int_equal(outcome(f[2]), FILCH_ECANCELED);
    memcpy(array, f, sizeof f);
    assert_int_equal(filch_wait(array, 3, FILCH_ALL_COMPLETED, FILCH_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(filch_future_cancel(f[i]), i == 2);
        assert_int_equal(filch_future_add_done_callback(f[i], count_call, &calls), 0);
        filch_future_release(f[i]);
    }
    assert_int_equal(count_of(&calls), 3);
}

/* ---- What went wrong ---- */

static void check_error(filch_future *f, int code, const char *domain, const char *message)
{
    filch_error error = {0};

    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, code);
    assert_string_equal(error.domain, domain);
    assert_non_null(error.message);
    if (message != NULL)
        assert_string_equal(error.message, message);
    assert_null(error.detail);
    assert_int_equal(finish(f), code);
}

TEST(an_error_tells_whose_it_is)
{
    filch_executor *ex = pool_of(1);
    filch_future *by_hand = promise();

    assert_int_equal(filch_promise_set_error(by_hand, 8, "by hand"), 0);
    check_error(submit(ex, task_fail, number(1)), 1, "task", NULL);
    check_error(submit(ex, task_fail, number(INT_MAX)), INT_MAX, "task", NULL);
    check_error(submit(ex, task_fail, number(FILCH_ENOMEM)), FILCH_ENOMEM, "filch",
                filch_strerror(FILCH_ENOMEM));
    check_error(submit(ex, task_fail, number(FILCH_ESHUTDOWN)), FILCH_ESHUTDOWN, "filch",
                filch_strerror(FILCH_ESHUTDOWN));
    check_error(submit(ex, task_fail, number(-5000)), -5000, "filch", filch_strerror(-5000));
    check_error(by_hand, 8, "promise", "by hand");
    filch_executor_destroy(ex);
}

TEST(to_ask_for_an_error_takes_a_place_to_put_it)
{
    filch_future *f = promise();

    assert_int_equal(filch_promise_set_error(f, 3, NULL), 0);
    assert_int_equal(filch_future_error(f, FILCH_NOW, NULL), FILCH_EINVAL);
    assert_int_equal(finish(f), 3);
}

TEST(a_cancelled_future_has_no_error_to_tell)
{
    filch_future *f = promise();
    filch_error error;

    assert_true(filch_future_cancel(f));
    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), FILCH_ECANCELED);
    assert_int_equal(finish(f), FILCH_ECANCELED);
}

/* ---- Deadlines ---- */

TEST(what_is_over_is_told_whatever_the_deadline)
{
    static const filch_deadline deadlines[] = {INT64_MIN, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    filch_future *good = promise();
    filch_future *bad = promise();

    assert_int_equal(filch_promise_set_result(good, &good), 0);
    assert_int_equal(filch_promise_set_error(bad, 2, NULL), 0);
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        filch_error error;
        void *result = NULL;

        assert_int_equal(filch_future_result(good, deadlines[i], &result), 0);
        assert_ptr_equal(result, &good);
        assert_int_equal(filch_future_result(bad, deadlines[i], NULL), 2);
        assert_int_equal(filch_future_error(bad, deadlines[i], &error), 0);
        assert_int_equal(error.code, 2);
    }
    filch_future_release(good);
    filch_future_release(bad);
}

/* One thread waits, the other lets the task go on once the first one sleeps. */
struct late {
    filch_future *f;
    filch_deadline deadline;
    struct gate gate;
    int status;
};

static void sleep_or_open(unsigned i, void *arg)
{
    struct late *l = arg;

    if (i == 0) {
        l->status = filch_future_result(l->f, l->deadline, NULL);
        return;
    }
    while ((fl_load(&l->f->state, relaxed) & FL_WAITED) == 0) /* hint: only when to go on */
        sched_yield();
    gate_open(&l->gate);
}

TEST(a_deadline_far_away_is_waited_for_and_never_overflows)
{
    const filch_deadline far_away[] = {INT64_MAX,
                                       INT64_MAX - 1,
                                       INT64_MAX / 2,
                                       filch_in_s(INT64_MAX),
                                       filch_in_s(INT64_MAX / 2),
                                       filch_in_ms(INT64_MAX),
                                       filch_in_us(INT64_MAX),
                                       filch_in_ns(INT64_MAX),
                                       filch_in_s(INT64_C(1) << 33)};
    filch_executor *ex = pool_of(1);

    for (size_t i = 0; i < sizeof far_away / sizeof far_away[0]; i++) {
        struct late l = {.deadline = far_away[i], .status = -1};

        l.f = submit(ex, task_gate, &l.gate);
        test_threads(2, sleep_or_open, &l);
        assert_int_equal(l.status, 0);
        assert_int_equal(finish(l.f), 0);
    }
    filch_executor_destroy(ex);
}

TEST(a_wait_does_not_time_out_before_its_deadline)
{
    filch_future *f = promise();
    filch_error error;

    for (int ms = 0; ms < 4; ms++) {
        filch_deadline deadline = filch_in_ms(ms);
        assert_int_equal(filch_future_result(f, deadline, NULL), FILCH_ETIMEDOUT);
        assert_true(fl_now() >= deadline);
        deadline = filch_in_us(30);
        assert_int_equal(filch_future_error(f, deadline, &error), FILCH_ETIMEDOUT);
        assert_true(fl_now() >= deadline);
    }
    filch_future_release(f);
}

TEST(the_deadlines_of_long_ago_are_past)
{
    filch_future *f = promise();

    assert_int_equal(filch_future_result(f, filch_in_s(INT64_MIN), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(f, filch_in_ms(-1), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(f, filch_in_us(INT64_MIN), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(f, filch_in_ns(INT64_MIN), NULL), FILCH_ETIMEDOUT);
    filch_future_release(f);
}

/* ---- Waits that can't end ---- */

/* A task that knows its own future, and what its waits said. */
struct self {
    filch_executor *ex;
    struct gate gate;
    filch_future *f;
    int said[8];
};

static int wait_for_it(filch_future *f, enum filch_return_when when)
{
    filch_future *array[2] = {f, f};
    ptrdiff_t said = filch_wait(array, 2, when, FILCH_FOREVER);

    test_check(array[0] == f && array[1] == f);
    return (int)said;
}

/* Waits for f in every way. */
static void wait_in_vain(struct self *s)
{
    filch_error error;

    s->said[0] = filch_future_result(s->f, FILCH_FOREVER, NULL);
    s->said[1] = filch_future_result(s->f, filch_in_s(100), NULL);
    s->said[2] = filch_future_error(s->f, FILCH_FOREVER, &error);
    for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++)
        s->said[3 + when] = wait_for_it(s->f, (enum filch_return_when)when);
    test_check(filch_future_state(s->f) == FILCH_RUNNING);
    test_check(!filch_future_cancel(s->f));
}

static void check_said(const struct self *s, int expected)
{
    for (int i = 0; i < 7; i++)
        assert_int_equal(s->said[i], expected);
}

static int task_wait_for_itself(void *arg, void **result)
{
    struct self *s = arg;

    gate_pass(&s->gate);
    wait_in_vain(s);
    *result = s;
    return 0;
}

TEST(a_task_that_waits_for_itself_is_told_so)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            struct self s = {.ex = pool_with((filch_options){.workers = workers,
                                                             .help = (enum filch_help)help})};

            s.f = submit(s.ex, task_wait_for_itself, &s);
            gate_open(&s.gate);
            assert_int_equal(finish(s.f), 0);
            check_said(&s, FILCH_EDEADLK);
            filch_executor_destroy(s.ex);
        }
    }
}

static int task_wait_for_ancestor(void *arg, void **result)
{
    wait_in_vain(arg);
    *result = arg;
    return 0;
}

static int task_between(void *arg, void **result)
{
    struct self *s = arg;

    *result = s;
    return finish(submit(s->ex, task_wait_for_ancestor, s));
}

static int task_ancestor(void *arg, void **result)
{
    struct self *s = arg;

    gate_pass(&s->gate);
    *result = s;
    return finish(submit(s->ex, task_between, s));
}

TEST(a_task_that_waits_for_one_further_down_on_its_own_stack_is_told_so)
{
    struct self s = {.ex = pool_of(1)};

    s.f = submit(s.ex, task_ancestor, &s);
    gate_open(&s.gate);
    assert_int_equal(finish(s.f), 0);
    check_said(&s, FILCH_EDEADLK);
    assert_int_equal(stats_of(s.ex).spares, 0);
    filch_executor_destroy(s.ex);
}

static void wait_in_callback(filch_future *f, void *user)
{
    struct self *s = user;

    test_check(f == s->f);
    test_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    test_check(wait_for_it(f, FILCH_ALL_COMPLETED) == 2);
    s->said[0] = 1;
}

TEST(a_callback_may_wait_for_its_own_future)
{
    struct self s = {.ex = pool_of(1)};
    struct hold hold = {0};

    hold_worker(&hold, s.ex);
    s.f = submit(s.ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(s.f, wait_in_callback, &s), 0);
    let_go(&hold);
    filch_executor_destroy(s.ex);
    assert_int_equal(s.said[0], 1);
    assert_int_equal(finish(s.f), 0);
}

/* ---- Waits inside tasks ---- */

static _Thread_local unsigned depth;

static int task_mark(void *arg, void **result)
{
    test_check(depth == 0);
    count_one(arg);
    *result = arg;
    return 0;
}

struct poll {
    filch_executor *ex;
    counter ran;
};

static int task_poll(void *arg, void **result)
{
    static const filch_deadline past[] = {INT64_MIN, -1, FILCH_NOW, 1};
    struct poll *p = arg;
    filch_future *f[2] = {submit(p->ex, task_mark, &p->ran), submit(p->ex, task_mark, &p->ran)};
    filch_error error;

    depth++;
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        test_check(filch_future_result(f[0], past[i], NULL) == FILCH_ETIMEDOUT);
        test_check(filch_future_error(f[1], past[i], &error) == FILCH_ETIMEDOUT);
        for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++)
            test_check(filch_wait(f, 2, (enum filch_return_when)when, past[i]) == 0);
    }
    depth--;
    test_check(count_of(&p->ran) == 0);
    test_check(filch_future_state(f[0]) == FILCH_PENDING);
    test_check(filch_future_state(f[1]) == FILCH_PENDING);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    *result = NULL;
    return 0;
}

TEST(a_poll_inside_a_worker_runs_nothing)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        struct poll p = {
            .ex = pool_with((filch_options){.workers = 1, .help = (enum filch_help)help})};

        assert_int_equal(finish(submit(p.ex, task_poll, &p)), 0);
        assert_int_equal(filch_executor_wait_idle(p.ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&p.ran), 2);
        assert_int_equal(stats_of(p.ex).spares, 0);
        filch_executor_destroy(p.ex);
    }
}

/* Each waits for one on the other executor, whose only worker waits in its turn. */
struct rally {
    filch_executor *side[2];
    unsigned left;
};

static int task_rally(void *arg, void **result)
{
    struct rally *r = arg;
    struct rally next = {{r->side[1], r->side[0]}, r->left - 1};
    int status = 0;

    if (r->left > 0)
        status = finish(submit(next.side[0], task_rally, &next));
    *result = r;
    return status;
}

TEST(tasks_of_two_executors_may_wait_for_each_other_in_turn)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        filch_options o = {.workers = 1, .help = (enum filch_help)help};
        struct rally r = {{pool_with(o), pool_with(o)}, 60};

        assert_int_equal(finish(submit(r.side[0], task_rally, &r)), 0);
        filch_executor_destroy(r.side[0]);
        filch_executor_destroy(r.side[1]);
    }
}

static int task_await_promise(void *arg, void **result)
{
    int status;

    depth++;
    status = filch_future_result(arg, FILCH_FOREVER, result);
    depth--;
    return status;
}

static int task_keep_promise(void *arg, void **result)
{
    test_check(depth == 0);
    *result = NULL;
    return filch_promise_set_result(arg, arg);
}

TEST(a_spare_runs_what_a_task_blocked_on_a_promise_waits_for)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help += 2) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 1, .help = (enum filch_help)help});
        struct hold hold = {0};
        filch_future *p = promise();
        void *result = NULL;

        hold_worker(&hold, ex);
        filch_future *waiting = submit(ex, task_await_promise, p);
        filch_future *keeping = submit(ex, task_keep_promise, p);
        let_go(&hold);
        assert_int_equal(filch_future_result(waiting, FILCH_FOREVER, &result), 0);
        assert_ptr_equal(result, p);
        assert_int_equal(finish(keeping), 0);
        assert_int_equal(stats_of(ex).spares, 1);
        filch_future_release(waiting);
        filch_future_release(p);
        filch_executor_destroy(ex);
    }
}

TEST(the_spare_of_one_blocked_task_serves_the_next_one_too)
{
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 100; i++) {
        struct hold hold = {0};
        filch_future *p = promise();

        hold_worker(&hold, ex);
        filch_future *waiting = submit(ex, task_await_promise, p);
        filch_future *keeping = submit(ex, task_keep_promise, p);
        let_go(&hold);
        assert_int_equal(finish(waiting), 0);
        assert_int_equal(finish(keeping), 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        filch_future_release(p);
    }
    /* One that is about to lie down serves nobody: for as long as all of them are, another is started. */
    assert_in_range(stats_of(ex).spares, 1, 50);
    filch_executor_destroy(ex);
}

static int task_time_out(void *arg, void **result)
{
    filch_deadline deadline = filch_in_ms(3);
    int status = filch_future_result(arg, deadline, result);

    test_check(fl_now() >= deadline);
    return status == FILCH_ETIMEDOUT ? 77 : status;
}

TEST(a_task_that_waits_in_vain_goes_on_at_its_deadline)
{
    filch_executor *ex = pool_of(1);
    filch_future *p = promise();

    assert_int_equal(finish(submit(ex, task_time_out, p)), 77);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_future_state(p), FILCH_PENDING);
    filch_future_release(p);
    filch_executor_destroy(ex);
}
