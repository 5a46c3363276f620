/* SPDX-License-Identifier: MIT
 *
 * test_rules.c: the rules of Python's concurrent.futures that filch keeps, by number, and the cases
 * where Python or another pool fails (E1 and on). */
#include "sched/work.h"

#include <errno.h>
#include <pthread.h>

/* ---- R1 to R9: submit and workers ---- */

TEST(r1_submit_hands_out_a_pending_future)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    hold_worker(&hold, ex);

    filch_future *f = submit(ex, task_echo, &hold);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);

    let_go(&hold);
    void *result = NULL;
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &hold);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(r1_submit_after_shutdown_is_refused)
{
    filch_executor *ex = pool_of(2);
    filch_future *f = NULL;
    void *args[2] = {NULL, NULL};
    filch_future *futures[2] = {NULL, NULL};

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit(ex, task_echo, NULL, &f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_copy(ex, task_echo, "x", 1, &f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_batch(ex, task_echo, args, 2, futures), FILCH_ESHUTDOWN);
    assert_int_equal(filch_submit_with(ex, NULL, task_echo, NULL, &f), FILCH_ESHUTDOWN);
    assert_int_equal(filch_map_array(ex, task_echo, args, NULL, 2), FILCH_ESHUTDOWN);
    assert_null(f);
    assert_null(futures[0]);
    filch_executor_destroy(ex);
}

TEST(r2_by_default_there_are_as_many_workers_as_cpus_to_use)
{
    filch_executor *ex = NULL;

    assert_int_equal(filch_executor_create(&ex, NULL), 0);
    unsigned budget = filch_cpu_budget();
    assert_int_equal(filch_executor_workers(ex),
                     budget < FILCH_MAX_WORKERS ? budget : FILCH_MAX_WORKERS);
    filch_executor_destroy(ex);
}

static int task_thread_name(void *arg, void **result)
{
    char *name = arg;

    *result = name;
    return pthread_getname_np(pthread_self(), name, 16);
}

static void check_name(const char *option, const char *expected)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .name = option});
    char name[16] = "";

    assert_int_equal(finish(submit(ex, task_thread_name, name)), 0);
    assert_string_equal(name, expected);
    filch_executor_destroy(ex);
}

TEST(r5_workers_are_named_after_their_executor)
{
    check_name(NULL, "filch-w0");
    check_name("io", "io-w0");
    check_name("", "-w0");
    check_name("exactly8", "exactly8-w0");
    check_name("much-longer-than-eight", "much-lon-w0");
}

struct hooks {
    struct gate gate;
    counter started;
    counter stopped;
    unsigned fail_from; /* the hook fails on this worker and later ones */
};

static int hook_start(void *arg)
{
    struct hooks *h = arg;
    uint64_t i = fl_add(&h->started, 1, relaxed); /* count */

    gate_pass(&h->gate);
    return i >= h->fail_from ? 1 : 0;
}

static void hook_stop(void *arg)
{
    struct hooks *h = arg;

    count_one(&h->stopped);
}

static filch_executor *hooked_pool(struct hooks *h, unsigned workers)
{
    return pool_with((filch_options){.workers = workers,
                                     .on_thread_start = hook_start,
                                     .on_thread_stop = hook_stop,
                                     .hook_arg = h});
}

TEST(r6_a_failing_start_hook_breaks_the_executor_and_what_is_queued)
{
    struct hooks h = {.fail_from = 0};
    filch_executor *ex = hooked_pool(&h, 1);
    filch_future *f[3];
    filch_future *refused = NULL;
    filch_error error;
    char far[100] = "an argument that does not fit beside the task";
    counter ran = 0;

    gate_await(&h.gate, 1);
    assert_null(filch_executor_broken(ex));
    f[0] = submit(ex, task_count, &ran);
    f[1] = submit(ex, task_count, &ran);
    assert_int_equal(filch_submit_copy(ex, task_count, far, sizeof far, &f[2]), 0);
    assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
    assert_int_equal(filch_submit_copy(ex, task_count, far, sizeof far, NULL), 0);

    gate_open(&h.gate);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outcome(f[i]), FILCH_EBROKEN);
        assert_int_equal(filch_future_state(f[i]), FILCH_FAILED);
        assert_int_equal(filch_future_error(f[i], FILCH_NOW, &error), 0);
        assert_int_equal(error.code, FILCH_EBROKEN);
        assert_string_equal(error.domain, "filch");
        assert_string_equal(error.message, filch_strerror(FILCH_EBROKEN));
        filch_future_release(f[i]);
    }
    assert_non_null(filch_executor_broken(ex));
    assert_int_equal(filch_submit(ex, task_count, &ran, &refused), FILCH_EBROKEN);
    assert_int_equal(filch_submit(ex, task_count, &ran, NULL), FILCH_EBROKEN);
    assert_null(refused);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
    assert_int_equal(count_of(&h.started), 1);
    assert_int_equal(count_of(&h.stopped), 0);
}

TEST(r6_one_failing_worker_breaks_the_executor_for_all)
{
    struct hooks h = {.fail_from = 2};
    filch_executor *ex = hooked_pool(&h, 3);
    counter ran = 0;

    gate_await(&h.gate, 3);
    filch_future *f = submit(ex, task_echo, NULL);
    gate_open(&h.gate);
    int status = outcome(f); /* a worker that is well may have been faster */
    assert_true(status == 0 || status == FILCH_EBROKEN);
    filch_future_release(f);

    while (filch_executor_broken(ex) == NULL)
        sched_yield();
    assert_int_equal(filch_submit(ex, task_count, &ran, NULL), FILCH_EBROKEN);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&h.started), 3);
    assert_int_equal(count_of(&h.stopped), 2);
    assert_int_equal(count_of(&ran), 0);
}

/* ---- R10 to R14: states, cancel, result ---- */

struct noted {
    pthread_t thread;
    filch_future *f;
    enum filch_state state;
    unsigned calls;
};

static void note(filch_future *f, void *user)
{
    struct noted *n = user;

    n->thread = pthread_self();
    n->f = f;
    n->state = filch_future_state(f);
    n->calls++;
}

TEST(r10_cancel_of_pending_runs_the_callbacks_here_and_the_task_never)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    struct noted noted = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_count, &ran);
    assert_int_equal(filch_future_add_done_callback(f, note, &noted), 0);
    assert_true(filch_future_cancel(f));
    assert_int_equal(noted.calls, 1);
    assert_ptr_equal(noted.f, f);
    assert_int_equal(noted.state, FILCH_CANCELLED);
    assert_true(pthread_equal(noted.thread, pthread_self()));
    assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), FILCH_ECANCELED);

    assert_true(filch_future_cancel(f));
    assert_int_equal(noted.calls, 1);
    let_go(&hold);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
}

TEST(r10_cancel_of_running_returns_false_and_changes_nothing)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);

    gate_await(&gate, 1);
    assert_false(filch_future_cancel(f));
    assert_int_equal(filch_future_state(f), FILCH_RUNNING);
    gate_open(&gate);
    assert_int_equal(outcome(f), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(r10_cancel_of_finished_or_failed_returns_false)
{
    filch_executor *ex = pool_of(1);
    filch_future *finished = submit(ex, task_echo, ex);
    filch_future *failed = submit(ex, task_fail, number(7));
    void *result = NULL;

    assert_int_equal(outcome(finished), 0);
    assert_int_equal(outcome(failed), 7);
    assert_false(filch_future_cancel(finished));
    assert_false(filch_future_cancel(failed));
    assert_int_equal(filch_future_result(finished, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, ex);
    assert_int_equal(filch_future_result(failed, FILCH_NOW, NULL), 7);
    filch_future_release(finished);
    filch_future_release(failed);
    filch_executor_destroy(ex);
}

static void check_state(const filch_future *f, enum filch_state state, bool done, bool running,
                        bool cancelled)
{
    assert_int_equal(filch_future_state(f), state);
    assert_int_equal(filch_future_done(f), done);
    assert_int_equal(filch_future_running(f), running);
    assert_int_equal(filch_future_cancelled(f), cancelled);
}

TEST(r11_done_running_and_cancelled_follow_the_state)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);
    filch_future *failing = submit(ex, task_fail, number(1));
    filch_future *cancelled = submit(ex, task_echo, NULL);

    gate_await(&gate, 1);
    check_state(f, FILCH_RUNNING, false, true, false);
    check_state(failing, FILCH_PENDING, false, false, false);
    filch_future_cancel(cancelled);
    check_state(cancelled, FILCH_CANCELLED, true, false, true);
    gate_open(&gate);
    outcome(f);
    outcome(failing);
    check_state(f, FILCH_FINISHED, true, false, false);
    check_state(failing, FILCH_FAILED, true, false, false);
    filch_future_release(f);
    filch_future_release(failing);
    filch_future_release(cancelled);
    filch_executor_destroy(ex);
}

/* A thread that waits for a future, in each of the ways. */
struct watcher {
    pthread_t thread;
    filch_future *f;
    int way; /* -1: result, -2: error, otherwise enum filch_return_when */
    ptrdiff_t answer;
};

static void *watch(void *arg)
{
    struct watcher *w = arg;
    filch_future *array[1] = {w->f};
    filch_error error;

    if (w->way == -1)
        w->answer = filch_future_result(w->f, FILCH_FOREVER, NULL);
    else if (w->way == -2)
        w->answer = filch_future_error(w->f, FILCH_FOREVER, &error);
    else
        w->answer = filch_wait(array, 1, (enum filch_return_when)w->way, FILCH_FOREVER);
    return NULL;
}

TEST(r12_and_e1_cancel_tells_every_kind_of_waiter_at_once)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    struct watcher w[12];

    hold_worker(&hold, ex); /* nobody will ever take the cancelled task out of its queue */
    filch_future *f = submit(ex, task_echo, NULL);
    for (int i = 0; i < 12; i++) {
        w[i] = (struct watcher){.f = f, .way = i % 6 - 2};
        assert_int_equal(pthread_create(&w[i].thread, NULL, watch, &w[i]), 0);
    }
    assert_true(filch_future_cancel(f));
    for (int i = 0; i < 12; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].answer, w[i].way < 0 ? FILCH_ECANCELED : 1);
    }
    let_go(&hold);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(e1_a_wait_for_a_future_cancelled_before_returns)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, NULL);
    assert_true(filch_future_cancel(f));
    for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++)
        assert_int_equal(filch_wait(&f, 1, (enum filch_return_when)when, FILCH_FOREVER), 1);
    let_go(&hold);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(e1_a_wait_for_futures_that_shutdown_cancels_returns)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    struct watcher w[6];

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, NULL);
    for (int i = 0; i < 6; i++) {
        w[i] = (struct watcher){.f = f, .way = i - 2};
        assert_int_equal(pthread_create(&w[i].thread, NULL, watch, &w[i]), 0);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    assert_true(filch_future_cancelled(f));
    for (int i = 0; i < 6; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].answer, w[i].way < 0 ? FILCH_ECANCELED : 1);
    }
    let_go(&hold);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(r13_a_result_may_be_read_again_and_again)
{
    filch_executor *ex = pool_of(1);
    filch_future *good = submit(ex, task_echo, ex);
    filch_future *bad = submit(ex, task_fail, number(3));

    for (int i = 0; i < 3; i++) {
        void *result = NULL;
        assert_int_equal(filch_future_result(good, FILCH_FOREVER, &result), 0);
        assert_ptr_equal(result, ex);
        assert_int_equal(filch_future_result(good, FILCH_NOW, NULL), 0);
        assert_int_equal(filch_future_result(bad, FILCH_FOREVER, &result), 3);
        assert_ptr_equal(result, ex);
    }
    filch_future_release(good);
    filch_future_release(bad);
    filch_executor_destroy(ex);
}

TEST(r13_a_timeout_leaves_the_future_as_it_was_and_the_task_goes_on)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_future *running = submit(ex, task_gate, &gate);
    filch_future *pending = submit(ex, task_echo, NULL);
    static const filch_deadline past[] = {INT64_MIN, -1, FILCH_NOW, 1};
    filch_error error;

    gate_await(&gate, 1);
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        void *result = ex;
        assert_int_equal(filch_future_result(running, past[i], &result), FILCH_ETIMEDOUT);
        assert_ptr_equal(result, ex);
        assert_int_equal(filch_future_error(pending, past[i], &error), FILCH_ETIMEDOUT);
    }
    assert_int_equal(filch_future_result(running, filch_in_ms(5), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(pending, filch_in_us(50), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_state(running), FILCH_RUNNING);
    assert_int_equal(filch_future_state(pending), FILCH_PENDING);
    gate_open(&gate);
    assert_int_equal(finish(running), 0);
    assert_int_equal(finish(pending), 0);
    filch_executor_destroy(ex);
}

static int task_fail_with_result(void *arg, void **result)
{
    *result = arg;
    return 5;
}

static int task_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

TEST(r14_success_and_failure_are_told_by_the_status_and_never_by_the_value)
{
    filch_executor *ex = pool_of(1);
    filch_future *null = submit(ex, task_echo, NULL);
    filch_future *unset = submit(ex, task_nothing, ex);
    filch_future *failed = submit(ex, task_fail_with_result, ex);
    filch_error error;
    void *result = ex;

    assert_int_equal(filch_future_result(null, FILCH_FOREVER, &result), 0);
    assert_null(result);
    result = ex;
    assert_int_equal(filch_future_result(unset, FILCH_FOREVER, &result), 0);
    assert_null(result);

    result = &error;
    assert_int_equal(filch_future_result(failed, FILCH_FOREVER, &result), 5);
    assert_ptr_equal(result, &error);
    assert_int_equal(filch_future_state(failed), FILCH_FAILED);
    assert_int_equal(filch_future_error(failed, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 5);
    assert_string_equal(error.domain, "task");
    assert_non_null(error.message);

    assert_int_equal(filch_future_error(null, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 0);
    assert_null(error.domain);
    assert_string_equal(error.message, "");
    assert_null(error.detail);
    filch_future_release(null);
    filch_future_release(unset);
    filch_future_release(failed);
    filch_executor_destroy(ex);
}

TEST(r14_a_status_that_a_task_hands_on_fails_its_future)
{
    static const int handed[] = {FILCH_ENOMEM, FILCH_ECANCELED, FILCH_ETIMEDOUT, FILCH_EBROKEN,
                                 INT32_MIN};
    filch_executor *ex = pool_of(1);

    for (size_t i = 0; i < sizeof handed / sizeof handed[0]; i++) {
        filch_future *f = submit(ex, task_fail, number(handed[i]));
        filch_error error;

        assert_int_equal(outcome(f), handed[i]);
        assert_int_equal(filch_future_state(f), FILCH_FAILED);
        assert_false(filch_future_cancelled(f));
        assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
        assert_int_equal(error.code, handed[i]);
        filch_future_release(f);
    }
    filch_executor_destroy(ex);
}

/* ---- R15: callbacks ---- */

struct order {
    int next;
    int seen[4];
};

struct placed {
    struct order *order;
    int place;
};

static void note_place(filch_future *f, void *user)
{
    struct placed *p = user;

    (void)f;
    p->order->seen[p->order->next++] = p->place;
}

TEST(r15_callbacks_run_in_the_order_they_were_added)
{
    filch_future *f = promise();
    struct order order = {0};
    struct placed placed[4];

    for (int i = 0; i < 4; i++) {
        placed[i] = (struct placed){&order, i};
        assert_int_equal(filch_future_add_done_callback(f, note_place, &placed[i]), 0);
    }
    assert_int_equal(order.next, 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(order.next, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(order.seen[i], i);
    filch_future_release(f);
}

static int task_own_thread(void *arg, void **result)
{
    pthread_t *self = arg;

    *self = pthread_self();
    *result = arg;
    return 0;
}

struct step {
    struct gate gate;
    pthread_t thread;
};

static int task_gated_thread(void *arg, void **result)
{
    struct step *s = arg;

    gate_pass(&s->gate);
    return task_own_thread(&s->thread, result);
}

TEST(r15_a_callback_runs_in_the_worker_that_ran_the_task)
{
    filch_executor *ex = pool_of(2);
    struct step step = {0};
    struct noted noted = {0};
    filch_future *f = submit(ex, task_gated_thread, &step);

    gate_await(&step.gate, 1);
    assert_int_equal(filch_future_add_done_callback(f, note, &noted), 0);
    gate_open(&step.gate);
    filch_executor_destroy(ex); /* the callback has returned when the worker has ended */
    assert_int_equal(noted.calls, 1);
    assert_int_equal(noted.state, FILCH_FINISHED);
    assert_true(pthread_equal(noted.thread, step.thread));
    filch_future_release(f);
}

TEST(r15_a_callback_added_late_runs_at_once_in_the_adding_thread)
{
    filch_executor *ex = pool_of(1);
    filch_future *f[3] = {submit(ex, task_echo, NULL), submit(ex, task_fail, number(2)), promise()};

    filch_executor_destroy(ex);
    assert_true(filch_future_cancel(f[2]));
    for (int i = 0; i < 3; i++) {
        struct noted noted = {0};
        assert_int_equal(filch_future_add_done_callback(f[i], note, &noted), 0);
        assert_int_equal(noted.calls, 1);
        assert_ptr_equal(noted.f, f[i]);
        assert_true(pthread_equal(noted.thread, pthread_self()));
        filch_future_release(f[i]);
    }
}

TEST(r15_a_callback_may_be_added_twice_and_runs_twice)
{
    filch_future *f = promise();
    struct noted noted = {0};

    assert_int_equal(filch_future_add_done_callback(f, note, &noted), 0);
    assert_int_equal(filch_future_add_done_callback(f, note, &noted), 0);
    assert_int_equal(filch_promise_set_error(f, 4, NULL), 0);
    assert_int_equal(noted.calls, 2);
    assert_int_equal(noted.state, FILCH_FAILED);
    filch_future_release(f);
}

static void add_another(filch_future *f, void *user)
{
    assert_int_equal(filch_future_add_done_callback(f, note, user), 0);
    assert_int_equal(((struct noted *)user)->calls, 1); /* f is over: called at once */
}

TEST(r15_a_callback_may_add_callbacks)
{
    filch_future *f = promise();
    struct noted inner = {0};
    struct noted after = {0};

    assert_int_equal(filch_future_add_done_callback(f, add_another, &inner), 0);
    assert_int_equal(filch_future_add_done_callback(f, note, &after), 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(inner.calls, 1);
    assert_int_equal(after.calls, 1);
    filch_future_release(f);
}

static void cancel_other(filch_future *f, void *user)
{
    filch_future *other = user;

    assert_false(filch_future_cancel(f));
    assert_true(filch_future_cancel(other));
}

TEST(r15_a_callback_may_cancel_other_futures)
{
    filch_future *f = promise();
    filch_future *other = promise();
    struct noted noted = {0};

    assert_int_equal(filch_future_add_done_callback(other, note, &noted), 0);
    assert_int_equal(filch_future_add_done_callback(f, cancel_other, other), 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_true(filch_future_cancelled(other));
    assert_int_equal(noted.calls, 1);
    filch_future_release(other);
    filch_future_release(f);
}

struct chain {
    filch_executor *ex;
    filch_future *second;
    struct gate told;
};

static void submit_second(filch_future *f, void *user)
{
    struct chain *c = user;

    (void)f;
    c->second = submit(c->ex, task_echo, c);
    fl_add(&c->told.arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&c->told.arrived, INT_MAX);
}

TEST(r15_a_callback_may_submit)
{
    struct chain c = {.ex = pool_of(1)};
    struct hold hold = {0};

    hold_worker(&hold, c.ex);
    filch_future *f = submit(c.ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, submit_second, &c), 0);
    let_go(&hold);
    gate_await(&c.told, 1);
    assert_int_equal(finish(c.second), 0);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(c.ex);
}

static void release_it(filch_future *f, void *user)
{
    count_one(user);
    filch_future_release(f);
}

static void read_it(filch_future *f, void *user)
{
    assert_true(filch_future_done(f));
    count_one(user);
}

TEST(r15_a_callback_may_release_the_last_reference)
{
    filch_executor *ex = pool_of(1);
    counter calls = 0;

    /* Completed by hand, cancelled, cancelled while queued, run. */
    filch_future *f = promise();
    assert_int_equal(filch_future_add_done_callback(f, release_it, &calls), 0);
    assert_int_equal(filch_future_add_done_callback(f, read_it, &calls), 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);

    f = promise();
    assert_int_equal(filch_future_add_done_callback(f, release_it, &calls), 0);
    assert_int_equal(filch_future_add_done_callback(f, read_it, &calls), 0);
    assert_true(filch_future_cancel(f));

    struct hold hold = {0};
    hold_worker(&hold, ex);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, release_it, &calls), 0);
    assert_int_equal(filch_future_add_done_callback(f, read_it, &calls), 0);
    assert_true(filch_future_cancel(f));
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, release_it, &calls), 0);
    assert_int_equal(filch_future_add_done_callback(f, read_it, &calls), 0);
    let_go(&hold);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&calls), 8);

    f = promise();
    assert_true(filch_future_cancel(f));
    assert_int_equal(filch_future_add_done_callback(f, release_it, &calls), 0);
    assert_int_equal(count_of(&calls), 9);
}

static void shut_down(filch_future *f, void *user)
{
    struct chain *c = user;

    (void)f;
    test_check(filch_executor_shutdown(c->ex, FILCH_DRAIN, FILCH_FOREVER) == FILCH_EDEADLK);
    fl_add(&c->told.arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&c->told.arrived, INT_MAX);
}

TEST(r15_a_callback_may_shut_its_executor_down)
{
    struct chain c = {.ex = pool_of(1)};
    struct hold hold = {0};

    hold_worker(&hold, c.ex);
    filch_future *f = submit(c.ex, task_echo, NULL);
    filch_future *queued = submit(c.ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, shut_down, &c), 0);
    let_go(&hold);
    gate_await(&c.told, 1);
    assert_int_equal(filch_submit(c.ex, task_echo, NULL, NULL), FILCH_ESHUTDOWN);
    assert_int_equal(finish(f), 0);
    assert_int_equal(finish(queued), 0);
    filch_executor_destroy(c.ex);
}

/* ---- R16 and R17: promises ---- */

TEST(r16_start_says_whether_to_go_on)
{
    filch_future *f = promise();
    filch_future *cancelled = promise();

    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(filch_promise_start(f), 1);
    assert_int_equal(filch_future_state(f), FILCH_RUNNING);
    assert_false(filch_future_cancel(f));
    assert_int_equal(filch_promise_start(f), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_result(f, f), 0);
    assert_int_equal(filch_promise_start(f), FILCH_ESTATE);

    assert_true(filch_future_cancel(cancelled));
    assert_int_equal(filch_promise_start(cancelled), 0);
    assert_int_equal(filch_promise_start(cancelled), 0);
    assert_true(filch_future_cancelled(cancelled));
    filch_future_release(f);
    filch_future_release(cancelled);
}

TEST(r17_the_first_outcome_of_a_promise_stands)
{
    filch_future *good = promise();
    filch_future *bad = promise();
    filch_future *cancelled = promise();
    filch_error error;
    void *result = NULL;

    assert_int_equal(filch_promise_set_result(good, good), 0);
    assert_int_equal(filch_promise_set_result(good, bad), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_error(good, 9, "late"), FILCH_ESTATE);
    assert_int_equal(filch_future_result(good, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, good);

    assert_int_equal(filch_promise_set_error(bad, 9, "first"), 0);
    assert_int_equal(filch_promise_set_error(bad, 8, "second"), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_result(bad, bad), FILCH_ESTATE);
    assert_int_equal(filch_future_error(bad, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "first");
    assert_string_equal(error.domain, "promise");

    assert_true(filch_future_cancel(cancelled));
    assert_int_equal(filch_promise_set_result(cancelled, good), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_error(cancelled, 9, "late"), FILCH_ESTATE);
    assert_int_equal(filch_future_result(cancelled, FILCH_NOW, NULL), FILCH_ECANCELED);
    filch_future_release(good);
    filch_future_release(bad);
    filch_future_release(cancelled);
}

TEST(r17_a_promise_needs_no_start)
{
    filch_future *f = promise();
    void *result = NULL;

    assert_int_equal(filch_promise_set_result(f, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_NOW, &result), 0);
    assert_ptr_equal(result, &f);
    filch_future_release(f);
}

TEST(r17_the_future_of_a_task_is_no_promise)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, ex);
    assert_int_equal(filch_promise_start(f), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_result(f, NULL), FILCH_ESTATE);
    assert_int_equal(filch_promise_set_error(f, 1, "no"), FILCH_ESTATE);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    let_go(&hold);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
}

/* ---- R20 to R24: wait ---- */

static filch_future *over(int status)
{
    filch_future *f = promise();

    if (status == 0)
        test_check(filch_promise_set_result(f, NULL) == 0);
    else if (status == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, status, NULL) == 0);
    return f;
}

static void release_all(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

TEST(r20_a_future_may_stand_in_the_array_more_than_once)
{
    filch_future *pending = promise();
    filch_future *done = over(0);
    filch_future *f[5] = {pending, done, pending, done, pending};

    assert_int_equal(filch_wait(f, 5, FILCH_FIRST_COMPLETED, FILCH_FOREVER), 2);
    assert_ptr_equal(f[0], done);
    assert_ptr_equal(f[1], done);
    assert_ptr_equal(f[2], pending);
    assert_ptr_equal(f[4], pending);
    assert_int_equal(filch_wait(f, 5, FILCH_ALL_COMPLETED, filch_in_ms(1)), 2);
    assert_int_equal(filch_promise_set_result(pending, NULL), 0);
    assert_int_equal(filch_wait(f, 5, FILCH_ALL_COMPLETED, FILCH_FOREVER), 5);
    filch_future_release(pending);
    filch_future_release(done);
}

TEST(r20_duplicates_in_a_wait_that_sleeps_are_all_told)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    hold_worker(&hold, ex);
    filch_future *one = submit(ex, task_echo, NULL);
    filch_future *f[64];

    for (int i = 0; i < 64; i++)
        f[i] = one;
    gate_open(&hold.gate);
    assert_int_equal(filch_wait(f, 64, FILCH_ALL_COMPLETED, FILCH_FOREVER), 64);
    let_go(&hold);
    filch_future_release(one);
    filch_executor_destroy(ex);
}

TEST(r21_an_empty_wait_is_over_at_once)
{
    filch_future *none[1] = {NULL};

    for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++) {
        assert_int_equal(filch_wait(none, 0, (enum filch_return_when)when, FILCH_FOREVER), 0);
        assert_int_equal(filch_wait(NULL, 0, (enum filch_return_when)when, FILCH_FOREVER), 0);
    }
}

TEST(r21_an_unknown_condition_is_invalid_and_leaves_the_array_alone)
{
    filch_future *a = promise();
    filch_future *b = over(0);
    filch_future *f[2] = {a, b};

    assert_int_equal(filch_wait(f, 2, (enum filch_return_when)4, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_wait(f, 2, (enum filch_return_when) - 1, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_wait(f, 0, (enum filch_return_when)99, FILCH_NOW), FILCH_EINVAL);
    assert_ptr_equal(f[0], a);
    assert_ptr_equal(f[1], b);
    f[0] = NULL;
    assert_int_equal(filch_wait(f, 2, FILCH_FIRST_COMPLETED, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_wait(NULL, 2, FILCH_FIRST_COMPLETED, FILCH_NOW), FILCH_EINVAL);
    filch_future_release(a);
    filch_future_release(b);
}

TEST(r21_first_completed_returns_all_that_are_over)
{
    filch_future *f[4] = {promise(), over(FILCH_ECANCELED), over(3), over(0)};

    assert_int_equal(filch_wait(f, 4, FILCH_FIRST_COMPLETED, FILCH_FOREVER), 3);
    release_all(f, 4);
}

TEST(r22_a_cancelled_future_is_no_exception)
{
    filch_future *pending = promise();
    filch_future *f[3] = {over(FILCH_ECANCELED), pending, over(0)};

    assert_int_equal(filch_wait(f, 3, FILCH_FIRST_EXCEPTION, filch_in_ms(2)), 2);
    assert_int_equal(filch_promise_set_error(pending, 1, NULL), 0);
    assert_int_equal(filch_wait(f, 3, FILCH_FIRST_EXCEPTION, FILCH_FOREVER), 3);
    release_all(f, 3);
}

TEST(r22_without_an_exception_first_exception_waits_for_all)
{
    filch_executor *ex = pool_of(2);
    filch_future *f[8];

    for (int i = 0; i < 8; i++)
        f[i] = submit(ex, task_echo, NULL);
    assert_int_equal(filch_wait(f, 8, FILCH_FIRST_EXCEPTION, FILCH_FOREVER), 8);
    release_all(f, 8);
    filch_executor_destroy(ex);
}

TEST(r22_first_exception_returns_though_others_still_run)
{
    filch_executor *ex = pool_of(2);
    struct gate gate = {0};
    filch_future *f[2] = {submit(ex, task_gate, &gate), submit(ex, task_fail, number(6))};
    filch_future *failing = f[1];

    assert_int_equal(filch_wait(f, 2, FILCH_FIRST_EXCEPTION, FILCH_FOREVER), 1);
    assert_ptr_equal(f[0], failing);
    gate_open(&gate);
    release_all(f, 2);
    filch_executor_destroy(ex);
}

TEST(first_success_passes_over_failed_and_cancelled_ones)
{
    filch_future *last = promise();
    filch_future *f[3] = {over(2), over(FILCH_ECANCELED), last};

    assert_int_equal(filch_wait(f, 3, FILCH_FIRST_SUCCESS, filch_in_ms(2)), 2);
    assert_int_equal(filch_promise_set_result(last, NULL), 0);
    assert_int_equal(filch_wait(f, 3, FILCH_FIRST_SUCCESS, FILCH_FOREVER), 3);
    release_all(f, 3);

    filch_future *failures[2] = {over(2), over(FILCH_ECANCELED)};
    assert_int_equal(filch_wait(failures, 2, FILCH_FIRST_SUCCESS, FILCH_FOREVER), 2);
    release_all(failures, 2);
}

TEST(r23_a_timeout_is_no_error_and_partitions_in_order)
{
    filch_future *p[3] = {promise(), promise(), promise()};
    filch_future *d[3] = {over(0), over(1), over(FILCH_ECANCELED)};
    filch_future *f[6] = {p[0], d[0], p[1], d[1], d[2], p[2]};
    static const filch_deadline deadlines[] = {INT64_MIN, -1, FILCH_NOW, 1};

    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        filch_future *copy[6];
        memcpy(copy, f, sizeof f);
        assert_int_equal(filch_wait(copy, 6, FILCH_ALL_COMPLETED, deadlines[i]), 3);
        assert_memory_equal(copy, d, sizeof d);
        assert_memory_equal(copy + 3, p, sizeof p);
    }
    assert_int_equal(filch_wait(f, 6, FILCH_ALL_COMPLETED, filch_in_ms(3)), 3);
    assert_memory_equal(f, d, sizeof d);
    assert_memory_equal(f + 3, p, sizeof p);
    release_all(f, 6);
}

TEST(r24_futures_of_two_executors_and_promises_mix_in_one_wait)
{
    filch_executor *a = pool_of(1);
    filch_executor *b = pool_with((filch_options){.workers = 1, .name = "other"});
    filch_executor *naive =
        pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
    struct gate gate = {0};
    filch_future *by_hand = promise();
    filch_future *f[8] = {submit(a, task_gate, &gate),
                          submit(b, task_gate, &gate),
                          submit(a, task_echo, NULL),
                          submit(b, task_fail, number(1)),
                          submit(naive, task_echo, NULL),
                          by_hand,
                          over(0),
                          over(FILCH_ECANCELED)};

    ptrdiff_t n = filch_wait(f, 8, FILCH_FIRST_COMPLETED, FILCH_FOREVER);
    assert_in_range(n, 1, 3); /* the other five wait at the gate, behind it, or for us */
    gate_open(&gate);
    assert_int_equal(filch_promise_set_result(by_hand, NULL), 0);
    assert_int_equal(filch_wait(f, 8, FILCH_ALL_COMPLETED, FILCH_FOREVER), 8);
    release_all(f, 8);
    filch_executor_destroy(a);
    filch_executor_destroy(b);
    filch_executor_destroy(naive);
}

/* ---- R34 and R35: shutdown ---- */

TEST(r34_shutdown_runs_what_is_queued_and_may_be_repeated)
{
    filch_executor *ex = pool_of(2);
    counter ran = 0;

    for (int i = 0; i < 100; i++)
        assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 100);
    filch_executor_destroy(ex);
}

TEST(r34_shutdown_without_waiting_still_runs_what_is_queued)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_count, &ran);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN | FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    let_go(&hold);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 1);
}

TEST(r34_cancelling_shutdown_cancels_the_queued_and_never_the_running)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    filch_future *queued = submit(ex, task_count, &ran);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_NOW), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_state(hold.f), FILCH_RUNNING);
    assert_true(filch_future_cancelled(queued));
    let_go(&hold);
    filch_executor_destroy(ex);
    filch_future_release(queued);
    assert_int_equal(count_of(&ran), 0);
}

TEST(r35_the_end_of_the_scope_drains_and_cancels_nothing)
{
    counter ran = 0;
    filch_future *last = NULL;

    {
        filch_options o = {.size = sizeof o, .workers = 2};
        FILCH_SCOPED_POOL(ex, &o);
        assert_non_null(ex);
        for (int i = 0; i < 50; i++)
            assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
        last = submit(ex, task_count, &ran);
    }
    assert_int_equal(count_of(&ran), 51);
    assert_int_equal(finish(last), 0);
}

/* ---- E4 to E13: where others fail ---- */

TEST(e4_a_submit_after_a_result_uses_the_threads_that_are_there)
{
    filch_executor *ex = pool_of(1);
    size_t threads = threads_now();

    for (int i = 0; i < 200; i++)
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(threads_now(), threads);
    assert_int_equal(stats_of(ex).spares, 0);
    filch_executor_destroy(ex);
}

struct family {
    filch_executor *ex;
    filch_future *other;
};

static int task_wait_for_child(void *arg, void **result)
{
    struct family *m = arg;
    filch_future *child = submit(m->ex, task_echo, m);
    int status = filch_future_result(child, FILCH_FOREVER, result);

    filch_future_release(child);
    return status;
}

TEST(e6_a_task_may_wait_for_its_child_on_one_worker)
{
    struct family m = {.ex = pool_of(1)};
    filch_future *f = submit(m.ex, task_wait_for_child, &m);
    void *result = NULL;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &m);
    filch_future_release(f);
    filch_executor_destroy(m.ex);
}

static int task_wait_for_other(void *arg, void **result)
{
    struct family *m = arg;

    return filch_future_result(m->other, FILCH_FOREVER, result);
}

TEST(e6_a_task_may_wait_for_one_that_is_queued_behind_it_on_one_worker)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        struct family m = {
            .ex = pool_with((filch_options){.workers = 1, .help = (enum filch_help)help})};
        struct hold hold = {0};
        hold_worker(&hold, m.ex);
        filch_future *f = submit(m.ex, task_wait_for_other, &m);
        m.other = submit(m.ex, task_echo, &m);
        let_go(&hold);
        assert_int_equal(finish(f), 0);
        filch_future_release(m.other);
        filch_executor_destroy(m.ex);
    }
}

TEST(e9_on_one_cpu_everything_runs)
{
    cpu_set_t before;
    cpu_set_t one;
    counter ran = 0;

    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct family m = {0};
    assert_int_equal(filch_executor_create(&m.ex, NULL), 0);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(filch_executor_workers(m.ex), 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(filch_submit(m.ex, task_count, &ran, NULL), 0);
    assert_int_equal(finish(submit(m.ex, task_wait_for_child, &m)), 0);
    filch_executor_destroy(m.ex);
    assert_int_equal(count_of(&ran), 100);
}

TEST(e10_destroying_one_executor_leaves_another_at_work)
{
    filch_executor *a = pool_of(2);
    filch_executor *b = pool_of(2);
    struct gate gate = {0};
    filch_future *f = submit(b, task_gate, &gate);

    gate_await(&gate, 1);
    assert_int_equal(finish(submit(a, task_echo, NULL)), 0);
    filch_executor_destroy(a);
    assert_int_equal(filch_future_state(f), FILCH_RUNNING);
    assert_int_equal(finish(submit(b, task_echo, NULL)), 0);
    gate_open(&gate);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(b);
}

static int task_release(void *arg, void **result)
{
    filch_future **f = arg;

    filch_future_release(*f);
    *result = NULL;
    return 0;
}

struct self_release {
    struct gate gate;
    filch_future *f;
};

static int task_release_own(void *arg, void **result)
{
    struct self_release *s = arg;

    gate_pass(&s->gate);
    filch_future_release(s->f);
    *result = NULL;
    return 0;
}

TEST(e11_the_last_reference_may_go_inside_a_task)
{
    filch_executor *ex = pool_of(2);
    filch_future *finished = submit(ex, task_echo, NULL);

    assert_int_equal(outcome(finished), 0);
    assert_int_equal(finish(submit(ex, task_release, &finished)), 0);

    struct self_release s = {0}; /* a task that gives its own handle back */
    s.f = submit(ex, task_release_own, &s);
    gate_open(&s.gate);
    filch_executor_destroy(ex);
}

/* What it runs wants the lock that the waiting task holds. */
struct locked {
    filch_executor *ex;
    pthread_mutex_t lock;
    counter inside;
};

static int task_take_lock(void *arg, void **result)
{
    struct locked *l = arg;

    pthread_mutex_lock(&l->lock);
    count_one(&l->inside);
    pthread_mutex_unlock(&l->lock);
    *result = NULL;
    return 0;
}

static int task_wait_with_lock(void *arg, void **result)
{
    struct locked *l = arg;
    filch_future *wants[8];

    pthread_mutex_lock(&l->lock);
    filch_future *needed = submit(l->ex, task_echo, l);
    for (int i = 0; i < 8; i++)
        wants[i] = submit(l->ex, task_take_lock, l);
    filch_nohelp_begin();
    filch_nohelp_begin();
    filch_nohelp_end(); /* it nests: still no help */
    int status = filch_future_result(needed, FILCH_FOREVER, result);
    filch_nohelp_end();
    pthread_mutex_unlock(&l->lock);
    filch_future_release(needed);
    for (int i = 0; i < 8; i++)
        test_check(finish(wants[i]) == 0);
    return status;
}

TEST(e12_a_lock_may_be_held_across_a_wait_in_a_nohelp_region)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER};
        l.ex = pool_with((filch_options){.workers = 1, .help = (enum filch_help)help});
        assert_int_equal(finish(submit(l.ex, task_wait_with_lock, &l)), 0);
        assert_int_equal(count_of(&l.inside), 8);
        filch_executor_destroy(l.ex);
        pthread_mutex_destroy(&l.lock);
    }
}

static int task_wait_with_lock_by_default(void *arg, void **result)
{
    struct locked *l = arg;
    filch_future *wants[8];

    pthread_mutex_lock(&l->lock);
    filch_future *needed = submit(l->ex, task_echo, l);
    for (int i = 0; i < 8; i++)
        wants[i] = submit(l->ex, task_take_lock, l);
    int status = filch_future_result(needed, FILCH_FOREVER, result);
    pthread_mutex_unlock(&l->lock);
    filch_future_release(needed);
    for (int i = 0; i < 8; i++)
        test_check(finish(wants[i]) == 0);
    return status;
}

TEST(e12_by_default_a_wait_runs_nothing_that_the_awaited_task_does_not_need)
{
    struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER};

    l.ex = pool_of(1);
    assert_int_equal(finish(submit(l.ex, task_wait_with_lock_by_default, &l)), 0);
    assert_int_equal(count_of(&l.inside), 8);
    filch_executor_destroy(l.ex);
    pthread_mutex_destroy(&l.lock);
}

TEST(e12_outside_a_worker_nohelp_is_ignored)
{
    filch_executor *ex = pool_of(1);

    filch_nohelp_end(); /* unpaired: nothing */
    filch_nohelp_begin();
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_nohelp_end();
    filch_executor_destroy(ex);
}

static void await_all_parked(filch_executor *ex, unsigned workers)
{
    filch_executor_stats s;

    do {
        sched_yield();
        s = stats_of(ex);
    } while (s.parks - s.wakes != workers);
}

TEST(e13_a_task_published_to_sleeping_workers_runs)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .spin_ns = -1});

    for (size_t i = test_scaled(300); i > 0; i--) {
        await_all_parked(ex, 2);
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    }
    filch_executor_destroy(ex);
}
