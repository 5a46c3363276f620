/* SPDX-License-Identifier: MIT
 *
 * test_token.c: tokens that cancel, and start_by: what they keep from starting, what a running task is
 * told, and who does not hear of it. */
#include "sched/work.h"

#include <signal.h>

static filch_token *token_under(filch_token *parent, filch_deadline deadline)
{
    filch_token *t = NULL;

    test_check(filch_token_create(&t, parent, deadline) == 0);
    test_check(t != NULL);
    return t;
}

static filch_token *token(void)
{
    return token_under(NULL, FILCH_FOREVER);
}

static filch_future *submit_with(filch_executor *ex, filch_task_options o, filch_task_fn *fn,
                                 void *arg)
{
    filch_future *f = NULL;

    o.size = sizeof o;
    test_check(filch_submit_with(ex, &o, fn, arg, &f) == 0);
    test_check(f != NULL);
    return f;
}

static int task_is_asked(void *arg, void **result)
{
    (void)arg;
    *result = number(filch_cancel_requested());
    return 0;
}

static bool is_asked(filch_future *f)
{
    void *result = number(2);

    test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0);
    filch_future_release(f);
    return result != NULL;
}

/* ---- The token ---- */

TEST(a_token_is_cancelled_once_and_for_ever)
{
    filch_token *t = token();

    assert_false(filch_token_is_cancelled(t));
    for (int i = 0; i < 3; i++) {
        filch_token_cancel(t);
        assert_true(filch_token_is_cancelled(t));
    }
    filch_token_release(t);
}

TEST(no_token_is_never_cancelled)
{
    assert_null(filch_token_retain(NULL));
    filch_token_cancel(NULL);
    assert_false(filch_token_is_cancelled(NULL));
    filch_token_release(NULL);
    assert_int_equal(filch_token_create(NULL, NULL, FILCH_FOREVER), FILCH_EINVAL);
    assert_false(filch_cancel_requested());
}

TEST(cancelling_a_token_cancels_those_made_under_it_and_no_other)
{
    filch_token *top = token();
    filch_token *left = token_under(top, FILCH_FOREVER);
    filch_token *right = token_under(top, FILCH_FOREVER);
    filch_token *leaf = token_under(left, FILCH_FOREVER);

    filch_token_cancel(left);
    assert_true(filch_token_is_cancelled(left));
    assert_true(filch_token_is_cancelled(leaf));
    assert_false(filch_token_is_cancelled(right));
    assert_false(filch_token_is_cancelled(top));
    filch_token_cancel(top);
    assert_true(filch_token_is_cancelled(right));
    filch_token *late = token_under(leaf, FILCH_FOREVER);
    assert_true(filch_token_is_cancelled(late));
    filch_token_release(top);
    filch_token_release(left);
    filch_token_release(right);
    filch_token_release(leaf);
    filch_token_release(late);
}

TEST(a_token_lives_as_long_as_one_under_it)
{
    filch_token *top = token();
    filch_token *leaf = token_under(top, FILCH_FOREVER);
    filch_token *again = filch_token_retain(top);

    assert_ptr_equal(again, top);
    filch_token_release(top);
    filch_token_cancel(again);
    filch_token_release(again);
    assert_true(filch_token_is_cancelled(leaf));
    filch_token_release(leaf);
}

TEST(a_hundred_thousand_tokens_under_each_other_go_without_a_deep_stack)
{
    filch_token *t = token();
    filch_token *top = filch_token_retain(t);

    for (int i = 0; i < 100000; i++) {
        filch_token *under = token_under(t, FILCH_FOREVER);

        filch_token_release(t);
        t = under;
    }
    assert_false(filch_token_is_cancelled(t));
    filch_token_cancel(top);
    assert_true(filch_token_is_cancelled(t));
    filch_token_release(top);
    filch_token_release(t);
}

TEST(a_deadline_that_has_passed_counts_as_cancelled_here_and_below)
{
    static const filch_deadline past[] = {INT64_MIN, -1, FILCH_NOW, 1};

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        filch_token *t = token_under(NULL, past[i]);
        filch_token *under = token_under(t, FILCH_FOREVER);

        assert_true(filch_token_is_cancelled(t));
        assert_true(filch_token_is_cancelled(under));
        filch_token_release(t);
        filch_token_release(under);
    }
}

TEST(a_deadline_counts_when_it_comes_and_not_before)
{
    filch_deadline soon = filch_in_ms(3);
    filch_token *t = token_under(NULL, soon);
    filch_token *never = token_under(NULL, filch_in_s(1000000));
    filch_future *p = promise();

    while (!filch_token_is_cancelled(t))
        assert_int_equal(filch_future_result(p, filch_in_us(100), NULL), FILCH_ETIMEDOUT);
    assert_true(filch_in_ns(0) >= soon);
    assert_false(filch_token_is_cancelled(never));
    filch_future_release(p);
    filch_token_release(t);
    filch_token_release(never);
}

static filch_token *of_the_handler;

static void cancel_it(int signal)
{
    (void)signal;
    filch_token_cancel(of_the_handler);
}

TEST(a_token_may_be_cancelled_in_a_signal_handler)
{
    struct sigaction act = {.sa_handler = cancel_it};
    struct sigaction before;

    of_the_handler = token();
    assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_true(filch_token_is_cancelled(of_the_handler));
    filch_token_release(of_the_handler);
}

/* ---- What does not start ---- */

static void told(filch_future *f, void *user)
{
    test_check(filch_future_cancelled(f));
    count_one(user);
}

TEST(a_task_whose_token_is_cancelled_does_not_start_and_is_over_when_its_turn_comes)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    struct hold hold = {0};
    counter ran = 0;
    counter calls = 0;

    hold_worker(&hold, ex);
    filch_future *f = submit_with(ex, (filch_task_options){.token = t}, task_count, &ran);
    filch_future *other = submit(ex, task_count, &ran);
    assert_int_equal(filch_future_add_done_callback(f, told, &calls), 0);
    filch_token_cancel(t);
    filch_token_release(t);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(count_of(&calls), 0);
    let_go(&hold);
    assert_int_equal(finish(other), 0);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    assert_int_equal(count_of(&calls), 1);
    assert_int_equal(count_of(&ran), 1);
    filch_executor_destroy(ex);
}

TEST(a_task_may_be_submitted_with_a_token_that_is_cancelled_already)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    counter ran = 0;
    filch_task_options o = {.size = sizeof o, .token = t};

    filch_token_cancel(t);
    assert_int_equal(finish(submit_with(ex, o, task_count, &ran)), FILCH_ECANCELED);
    assert_int_equal(filch_submit_with(ex, &o, task_count, &ran, NULL), 0); /* nobody asks */
    filch_token_release(t);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(copies_go_with_what_does_not_start)
{
    static const size_t sizes[] = {1, 64, 65, 4096};
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    char bytes[4096] = {1};

    filch_token_cancel(t);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        filch_task_options o = {.size = sizeof o, .copy_bytes = sizes[i], .token = t};
        filch_task_options late = {.size = sizeof late, .copy_bytes = sizes[i], .start_by = 1};

        assert_int_equal(finish(submit_with(ex, o, task_fail, bytes)), FILCH_ECANCELED);
        assert_int_equal(finish(submit_with(ex, late, task_fail, bytes)), FILCH_EEXPIRED);
        assert_int_equal(filch_submit_with(ex, &o, task_fail, bytes, NULL), 0);
        assert_int_equal(filch_submit_with(ex, &late, task_fail, bytes, NULL), 0);
    }
    filch_token_release(t);
    filch_executor_destroy(ex); /* what was not given back, the sanitizer shows */
}

static int task_first_byte(void *arg, void **result)
{
    *result = number(*(const char *)arg);
    return 0;
}

TEST(a_copy_beside_a_token_and_a_start_by_arrives_whole)
{
    static const size_t sizes[] = {1, 64, 65, 4096};
    filch_executor *ex = pool_of(1);
    filch_token *t = token();

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char bytes[4096] = {(char)(i + 1)};
        filch_task_options o = {
            .copy_bytes = sizes[i], .token = t, .start_by = filch_in_s(1000000)};
        void *result = NULL;
        filch_future *f = submit_with(ex, o, task_first_byte, bytes);

        assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
        assert_ptr_equal(result, number((intptr_t)i + 1));
        filch_future_release(f);
    }
    filch_token_release(t);
    filch_executor_destroy(ex);
}

/* ---- start_by ---- */

TEST(a_task_that_is_not_started_in_time_fails_and_says_so)
{
    static const filch_deadline past[] = {INT64_MIN, -1, 1};
    filch_executor *ex = pool_of(1);
    counter ran = 0;

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        filch_future *f =
            submit_with(ex, (filch_task_options){.start_by = past[i]}, task_count, &ran);
        filch_error error = {0};

        assert_int_equal(outcome(f), FILCH_EEXPIRED);
        assert_int_equal(filch_future_state(f), FILCH_FAILED);
        assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
        assert_int_equal(error.code, FILCH_EEXPIRED);
        assert_string_equal(error.domain, "filch");
        filch_future_release(f);
    }
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(a_task_that_starts_in_time_runs_however_long_it_takes)
{
    filch_executor *ex = pool_of(1);
    filch_deadline soon = filch_in_ms(20);
    struct gate gate = {0};
    filch_future *f = submit_with(ex, (filch_task_options){.start_by = soon}, task_gate, &gate);
    filch_future *p = promise();

    /* A busy machine may come too late to it; then it says so, which is right as well. */
    if (filch_future_result(f, soon, NULL) == FILCH_ETIMEDOUT && filch_future_running(f)) {
        gate_await(&gate, 1);
        assert_int_equal(filch_future_result(p, filch_in_ms(1), NULL), FILCH_ETIMEDOUT);
        gate_open(&gate);
        assert_int_equal(outcome(f), 0);
    } else {
        gate_open(&gate);
        assert_true(outcome(f) == FILCH_EEXPIRED || outcome(f) == 0);
    }
    filch_future_release(f);
    filch_future_release(p);
    assert_int_equal(
        finish(submit_with(ex, (filch_task_options){.start_by = FILCH_FOREVER}, task_echo, NULL)),
        0);
    assert_int_equal(finish(submit_with(ex, (filch_task_options){0}, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}

TEST(start_by_passes_while_the_worker_is_held)
{
    filch_executor *ex = pool_of(1);
    filch_deadline soon = filch_in_ms(2);
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    filch_future *f = submit_with(ex, (filch_task_options){.start_by = soon}, task_count, &ran);
    assert_int_equal(filch_future_result(f, soon, NULL), FILCH_ETIMEDOUT); /* still queued */
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    let_go(&hold);
    assert_int_equal(finish(f), FILCH_EEXPIRED);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(what_is_cancelled_and_late_is_cancelled)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();

    filch_token_cancel(t);
    assert_int_equal(
        finish(submit_with(ex, (filch_task_options){.token = t, .start_by = 1}, task_echo, NULL)),
        FILCH_ECANCELED);
    filch_token_release(t);
    filch_executor_destroy(ex);
}

/* ---- What runs is asked ---- */

TEST(a_task_whose_token_is_not_cancelled_is_not_asked_and_neither_is_one_without)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();

    assert_false(is_asked(submit_with(ex, (filch_task_options){.token = t}, task_is_asked, NULL)));
    filch_token_cancel(t);
    assert_false(is_asked(submit(ex, task_is_asked, NULL)));
    assert_false(filch_cancel_requested());
    filch_token_release(t);
    filch_executor_destroy(ex);
}

struct watched {
    filch_token *t; /* cancelled by the test */
    struct gate gate;
    bool before, after;
};

static int task_watched(void *arg, void **result)
{
    struct watched *w = arg;

    (void)result;
    w->before = filch_cancel_requested();
    gate_pass(&w->gate);
    w->after = filch_cancel_requested();
    return 0;
}

TEST(a_running_task_is_told_when_its_token_is_cancelled)
{
    filch_executor *ex = pool_of(1);
    struct watched w = {.t = token()};
    filch_token *under = token_under(w.t, FILCH_FOREVER);
    filch_future *f = submit_with(ex, (filch_task_options){.token = under}, task_watched, &w);

    filch_token_release(under); /* the task has one */
    gate_await(&w.gate, 1);
    filch_token_cancel(w.t);
    assert_false(filch_cancel_requested()); /* this is no task */
    gate_open(&w.gate);
    assert_int_equal(finish(f), 0); /* nothing is interrupted */
    assert_false(w.before);
    assert_true(w.after);
    filch_token_release(w.t);
    filch_executor_destroy(ex);
}

static int task_runs_until_asked(void *arg, void **result)
{
    (void)arg;
    (void)result;
    while (!filch_cancel_requested())
        sched_yield();
    return 3;
}

TEST(a_running_task_is_told_when_its_tokens_deadline_passes)
{
    filch_executor *ex = pool_of(1);
    filch_deadline soon = filch_in_ms(3);
    filch_token *t = token_under(NULL, soon);
    int status =
        finish(submit_with(ex, (filch_task_options){.token = t}, task_runs_until_asked, NULL));

    assert_true(status == 3 || status == FILCH_ECANCELED); /* or it came too late to start */
    assert_true(filch_in_ns(0) >= soon);
    filch_token_release(t);
    filch_executor_destroy(ex);
}

/* A task with a token that is cancelled waits for one without: each is asked for itself. */
struct pair {
    filch_executor *ex;
    filch_token *t;
    bool inner, own_before, own_after;
};

static int task_of_pair(void *arg, void **result)
{
    struct pair *pair = arg;

    (void)result;
    filch_token_cancel(pair->t);
    pair->own_before = filch_cancel_requested();
    pair->inner = is_asked(submit(pair->ex, task_is_asked, NULL));
    pair->own_after = filch_cancel_requested();
    return 0;
}

TEST(what_a_waiting_worker_runs_has_its_own_token_or_none)
{
    struct pair pair = {.ex = pool_of(1), .t = token()};

    assert_int_equal(
        finish(submit_with(pair.ex, (filch_task_options){.token = pair.t}, task_of_pair, &pair)),
        0);
    assert_true(pair.own_before);
    assert_false(pair.inner);
    assert_true(pair.own_after);
    filch_token_release(pair.t);
    filch_executor_destroy(pair.ex);
}

static int then_is_asked(filch_future *before, void *arg, void **result)
{
    (void)before;
    return task_is_asked(arg, result);
}

static int task_with_continuation(void *arg, void **result)
{
    struct pair *pair = arg;
    filch_scope *scope;
    filch_future *p = promise();
    filch_future *after;

    (void)result;
    filch_token_cancel(pair->t);
    test_check(filch_then(p, pair->ex, 0, then_is_asked, NULL, &after) == 0);
    test_check(filch_promise_set_result(p, NULL) == 0); /* queued here */
    test_check(filch_scope_open(&scope, pair->ex, NULL) == 0);
    test_check(filch_scope_join(scope) == 0);
    pair->inner = is_asked(after);
    filch_future_release(p);
    return 0;
}

TEST(a_continuation_that_a_waiting_worker_runs_has_no_token)
{
    static const enum filch_help helps[] = {FILCH_HELP_DESCENDANTS, FILCH_HELP_ANY,
                                            FILCH_HELP_NONE};

    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        struct pair pair = {.ex = pool_with((filch_options){.workers = 1, .help = helps[i]}),
                            .t = token()};

        assert_int_equal(finish(submit_with(pair.ex, (filch_task_options){.token = pair.t},
                                            task_with_continuation, &pair)),
                         0);
        assert_false(pair.inner);
        filch_token_release(pair.t);
        filch_executor_destroy(pair.ex);
    }
}

/* ---- Waits on a worker ---- */

struct nested {
    filch_executor *ex;
    filch_task_options options;
    counter ran;
    int status;
};

static int task_waits_for_child(void *arg, void **result)
{
    struct nested *n = arg;

    (void)result;
    n->status = finish(submit_with(n->ex, n->options, task_count, &n->ran));
    return 0;
}

static int status_of_child(filch_task_options options, enum filch_help help)
{
    struct nested n = {.ex = pool_with((filch_options){.workers = 1, .help = help}),
                       .options = options};

    assert_int_equal(finish(submit(n.ex, task_waits_for_child, &n)), 0);
    filch_executor_destroy(n.ex);
    assert_int_equal(count_of(&n.ran), n.status == 0 ? 1 : 0);
    return n.status;
}

TEST(a_worker_that_waits_for_what_does_not_start_is_told_so)
{
    static const enum filch_help helps[] = {FILCH_HELP_DESCENDANTS, FILCH_HELP_ANY,
                                            FILCH_HELP_NONE};
    filch_token *t = token();

    filch_token_cancel(t);
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        assert_int_equal(status_of_child((filch_task_options){.token = t}, helps[i]),
                         FILCH_ECANCELED);
        assert_int_equal(status_of_child((filch_task_options){.start_by = 1}, helps[i]),
                         FILCH_EEXPIRED);
        assert_int_equal(status_of_child((filch_task_options){.start_by = FILCH_FOREVER}, helps[i]),
                         0);
    }
    filch_token_release(t);
}

/* ---- Shutdown ---- */

TEST(a_shutdown_gives_back_the_tokens_of_what_it_cancels)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    struct hold hold = {0};
    filch_future *f[3];

    hold_worker(&hold, ex);
    for (int i = 0; i < 3; i++)
        f[i] = submit_with(ex, (filch_task_options){.token = t}, task_echo, NULL);
    filch_token_release(t);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    let_go(&hold);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(f[i]), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(a_future_may_be_cancelled_by_hand_before_its_token_is)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *f =
        submit_with(ex, (filch_task_options){.token = t, .start_by = 1}, task_echo, NULL);
    assert_true(filch_future_cancel(f));
    filch_token_cancel(t);
    filch_token_release(t);
    let_go(&hold);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

/* ---- Bad input ---- */

TEST(a_rival_has_neither_tokens_nor_start_by)
{
    static const enum filch_backend backends[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                                  FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};
    filch_token *t = token();

    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        filch_options options = {.size = sizeof options, .workers = 1, .backend = backends[i]};
        filch_task_options with_token = {.size = sizeof with_token, .token = t};
        filch_task_options with_time = {.size = sizeof with_time, .start_by = FILCH_FOREVER - 1};
        filch_executor *ex = NULL;
        filch_future *f = NULL;
        int status = filch_executor_create(&ex, &options);

        if (status == FILCH_ENOTSUP)
            continue;
        assert_int_equal(status, 0);
        assert_int_equal(filch_submit_with(ex, &with_token, task_echo, NULL, &f), FILCH_ENOTSUP);
        assert_int_equal(filch_submit_with(ex, &with_time, task_echo, NULL, &f), FILCH_ENOTSUP);
        assert_null(f);
        filch_executor_destroy(ex);
    }
    filch_token_release(t);
}

TEST(task_options_that_make_no_sense_are_refused_and_take_no_token)
{
    filch_executor *ex = pool_of(1);
    filch_token *t = token();
    filch_future *f = NULL;
    filch_task_options no_size = {.token = t};
    filch_task_options o = {.size = sizeof o, .token = t};
    struct {
        filch_task_options options;
        uint64_t unknown;
    } later = {{.size = sizeof later, .token = t}, 1};

    assert_int_equal(filch_submit_with(ex, &no_size, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(ex, &later.options, task_echo, NULL, &f), FILCH_E2BIG);
    assert_int_equal(filch_submit_with(ex, &o, NULL, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(NULL, &o, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_with(ex, &o, task_echo, NULL, &f), FILCH_ESHUTDOWN);
    assert_null(f);
    filch_token_release(t); /* the last one: the sanitizer shows one that was taken */
    filch_executor_destroy(ex);
}
