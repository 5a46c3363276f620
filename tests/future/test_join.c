/* SPDX-License-Identifier: MIT
 *
 * test_join.c: fork and join: where a fork runs, what its join returns, what it inherits, and what becomes
 * of it when its executor ends, breaks off or is left behind. */
/* link: -Wl,--wrap=fl_malloc */
#include "sched/work.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static counter blocks;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);

void *__wrap_fl_malloc(size_t size)
{
    count_one(&blocks);
    return __real_fl_malloc(size);
}

/* Runs fn(arg) as a task of ex, and has its status. */
static int run_in(filch_executor *ex, filch_task_fn *fn, void *arg)
{
    return finish(submit(ex, fn, arg));
}

/* Forks and joins until a fork that was made before has been taken and has come to its gate. */
static void fork_until(struct gate *g, uint32_t n)
{
    while (fl_load(&g->arrived, acquire) < n) { /* <- gate_pass */
        filch_task t;
        void *echo = NULL;

        filch_fork(&t, task_echo, &t);
        sched_yield();
        test_check(filch_join(&t, &echo) == 0 && echo == &t);
    }
}

/* A wait shows what was forked before; its time is over, so that it does not lie down, and nobody comes in its place. */
static void show_forks(void)
{
    filch_future *f = promise();

    test_check(filch_future_result(f, FILCH_NOW + 1, NULL) == FILCH_ETIMEDOUT);
    filch_future_release(f);
}

/* ---- Fibonacci, both ways ---- */

static int fib_by_pointer(void *arg, void **result)
{
    uintptr_t n = (uintptr_t)arg;
    filch_task left;
    void *a = NULL;
    void *b = NULL;

    if (n < 2) {
        *result = arg;
        return 0;
    }
    filch_fork(&left, fib_by_pointer, (void *)(n - 1));
    test_check(fib_by_pointer((void *)(n - 2), &b) == 0);
    test_check(filch_join(&left, &a) == 0);
    *result = (void *)((uintptr_t)a + (uintptr_t)b);
    return 0;
}

FILCH_FORKABLE_1(uint64_t, fib, unsigned, n)
{
    fib_task left;
    uint64_t right;

    if (n < 2)
        return n;
    fib_fork(&left, n - 1);
    right = fib(n - 2);
    return right + fib_join(&left);
}

static int fib_root(void *arg, void **result)
{
    *result = (void *)(uintptr_t)fib((unsigned)(uintptr_t)arg);
    return 0;
}

TEST(whoever_forks_has_the_results_on_any_number_of_workers)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool_of(workers);

        for (int i = 0; i < 10; i++) {
            filch_future *f = submit(ex, fib_by_pointer, number(18));
            filch_future *g = submit(ex, fib_root, number(18));
            void *result = NULL;

            assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
            assert_ptr_equal(result, number(2584));
            assert_int_equal(filch_future_result(g, FILCH_FOREVER, &result), 0);
            assert_ptr_equal(result, number(2584));
            filch_future_release(f);
            filch_future_release(g);
        }
        filch_executor_destroy(ex);
    }
}

TEST(outside_of_all_executors_it_runs_at_the_join)
{
    void *result = NULL;

    assert_int_equal(fib_by_pointer(number(15), &result), 0);
    assert_ptr_equal(result, number(610));
    assert_int_equal(fib(15), 610);
}

static int fork_and_join(void *arg, void **result)
{
    filch_task t;
    void *echo = NULL;

    (void)result;
    filch_fork(&t, task_echo, arg);
    test_check(filch_join(&t, &echo) == 0 && echo == arg);
    return 0;
}

TEST(rivals_workers_run_it_at_the_join)
{
    const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK};

    for (int i = 0; i < 2; i++) {
        filch_executor *ex = NULL;
        filch_options o = {.size = sizeof o, .workers = 1, .backend = rivals[i]};

        if (filch_executor_create(&ex, &o) != 0)
            continue; /* a build without it */
        assert_int_equal(run_in(ex, fork_and_join, &o), 0);
        filch_executor_destroy(ex);
    }
}

TEST(it_takes_no_memory_of_anybody)
{
    filch_executor *ex = pool_of(2);
    uint64_t taken;

    assert_int_equal(run_in(ex, fib_root, number(18)), 0);
    taken = count_of(&blocks);
    assert_int_equal(run_in(ex, fib_root, number(20)), 0);
    assert_int_equal(count_of(&blocks), taken);
    filch_executor_destroy(ex);
}

/* ---- What a join returns ---- */

static int set_and_fail(void *arg, void **result)
{
    *result = &blocks;
    return (int)(intptr_t)arg;
}

struct far {
    struct gate gate;
    pthread_t thread;
    int status;
};

/* Fails, on the thread that took it, when it is let go. */
static int far_away(void *arg, void **result)
{
    struct far *far = arg;

    far->thread = pthread_self();
    gate_pass(&far->gate);
    *result = far->status == 0 ? (void *)far : (void *)&blocks;
    return far->status;
}

static int join_here_and_far(void *arg, void **result)
{
    struct far far = {.status = (int)(intptr_t)arg};
    filch_task t;
    void *value = &t;

    (void)result;
    filch_fork(&t, set_and_fail, arg);
    test_check(filch_join(&t, &value) == far.status);
    test_check(value == (far.status == 0 ? (void *)&blocks : (void *)&t));
    filch_fork(&t, set_and_fail, arg);
    test_check(filch_join(&t, NULL) == far.status);

    value = &t;
    filch_fork(&t, far_away, &far);
    fork_until(&far.gate, 1);
    gate_open(&far.gate);
    test_check(filch_join(&t, &value) == far.status);
    test_check(value == (far.status == 0 ? (void *)&far : (void *)&t));
    test_check(!pthread_equal(far.thread, pthread_self()));
    return 0;
}

TEST(a_join_returns_what_the_function_did_here_and_far)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(run_in(ex, join_here_and_far, number(0)), 0);
    assert_int_equal(run_in(ex, join_here_and_far, number(7)), 0);
    assert_int_equal(run_in(ex, join_here_and_far, number(FILCH_ECANCELED)), 0);
    filch_executor_destroy(ex);
}

TEST(what_was_never_forked_is_refused)
{
    filch_task t = {{0}};

    assert_int_equal(filch_join(NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_join(&t, NULL), FILCH_EINVAL);
}

enum {
    MANY = 40
};

/* Forks many, and joins them in the order that arg says; shown before, or not. */
static int join_in_order(void *arg, void **result)
{
    unsigned how = (unsigned)(uintptr_t)arg;
    filch_task t[MANY];

    (void)result;
    for (int i = 0; i < MANY; i++)
        filch_fork(&t[i], task_echo, &t[i]);
    if ((how & 1) != 0)
        show_forks();
    for (int i = 0; i < MANY; i++) {
        int k = (how & 2) != 0 ? i : (i * 7 + 3) % MANY;
        void *echo = NULL;

        test_check(filch_join(&t[k], &echo) == 0 && echo == &t[k]);
        memset(&t[k], 0xA5, sizeof t[k]);
    }
    return 0;
}

TEST(forks_may_be_joined_in_any_order)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        for (intptr_t how = 0; how < 4; how++)
            assert_int_equal(run_in(ex, join_in_order, number(how)), 0);
        filch_executor_destroy(ex);
    }
    assert_int_equal(join_in_order(number(0), NULL), 0);
    assert_int_equal(join_in_order(number(2), NULL), 0);
}

struct below {
    filch_executor *ex;
    int submits;
};

/* What was submitted after a fork was shown lies on top of it. */
static int join_below(void *arg, void **result)
{
    struct below *b = arg;
    filch_future *f[MANY];
    filch_task t;
    void *echo = NULL;

    (void)result;
    filch_fork(&t, task_echo, &t);
    show_forks();
    for (int i = 0; i < b->submits; i++)
        f[i] = submit(b->ex, task_echo, NULL);
    test_check(filch_join(&t, &echo) == 0 && echo == &t);
    for (int i = 0; i < b->submits; i++)
        test_check(finish(f[i]) == 0);
    return 0;
}

TEST(a_fork_is_taken_back_from_below_what_was_submitted)
{
    filch_executor *ex = pool_of(1);

    for (int submits = 0; submits <= MANY; submits += 5) {
        struct below b = {ex, submits};

        assert_int_equal(run_in(ex, join_below, &b), 0);
    }
    filch_executor_destroy(ex);
}

/* ---- Who gets some ---- */

static int spread(void *arg, void **result)
{
    enum {
        FORKS = 3
    };
    struct gate gate = {0};
    filch_task t[FORKS];

    (void)arg, (void)result;
    for (int i = 0; i < FORKS; i++)
        filch_fork(&t[i], task_gate, &gate);
    fork_until(&gate, FORKS);
    gate_open(&gate);
    for (int i = FORKS; i-- > 0;)
        test_check(filch_join(&t[i], NULL) == 0);
    return 0;
}

TEST(every_worker_without_work_gets_some)
{
    filch_executor *ex = pool_of(4);

    for (int i = 0; i < 20; i++)
        assert_int_equal(run_in(ex, spread, NULL), 0);
    filch_executor_destroy(ex);
}

TEST(workers_that_sleep_get_some)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .spin_ns = -1});

    for (int i = 0; i < 20; i++)
        assert_int_equal(run_in(ex, spread, NULL), 0);
    filch_executor_destroy(ex);
}

TEST(threads_are_started_for_forks_where_they_lack)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .min_workers = 1});

    assert_int_equal(run_in(ex, spread, NULL), 0);
    filch_executor_destroy(ex);
}

/* ---- Waits between fork and join ---- */

static int complete(void *arg, void **result)
{
    (void)result;
    return filch_promise_set_result(arg, NULL);
}

static int wait_for_a_fork(void *arg, void **result)
{
    filch_future *f = promise();
    filch_task t;

    (void)arg, (void)result;
    filch_fork(&t, complete, f);
    test_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    return filch_join(&t, NULL);
}

TEST(a_task_may_wait_for_what_its_fork_does)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        assert_int_equal(run_in(ex, wait_for_a_fork, NULL), 0);
        filch_executor_destroy(ex);
    }
}

static int fork_in_callback(filch_future *f, void *arg, void **result)
{
    filch_task t;

    (void)f, (void)result;
    filch_fork(&t, task_count, arg);
    return filch_join(&t, NULL);
}

static int complete_between(void *arg, void **result)
{
    filch_future *f = promise();
    filch_future *then = NULL;
    counter n = 0;
    filch_task t;

    (void)arg, (void)result;
    test_check(filch_then(f, NULL, 0, fork_in_callback, &n, &then) == 0);
    filch_fork(&t, task_count, &n);
    test_check(filch_promise_set_result(f, NULL) == 0);
    test_check(filch_future_result(then, FILCH_FOREVER, NULL) == 0);
    test_check(filch_join(&t, NULL) == 0);
    test_check(count_of(&n) == 2);
    filch_future_release(f);
    filch_future_release(then);
    return 0;
}

TEST(a_continuation_that_is_told_between_fork_and_join_may_fork_too)
{
    filch_executor *ex = pool_of(2);

    for (int i = 0; i < 100; i++)
        assert_int_equal(run_in(ex, complete_between, NULL), 0);
    filch_executor_destroy(ex);
}

/* ---- What a fork inherits ---- */

struct heir {
    struct gate gate;
    filch_context *context;
    bool has_context;
    bool was_asked_before, is_asked;
};

static int look_around(void *arg, void **result)
{
    struct heir *heir = arg;

    (void)result;
    heir->has_context = filch_context_current() == heir->context;
    heir->was_asked_before = filch_cancel_requested();
    gate_pass(&heir->gate);
    heir->is_asked = filch_cancel_requested();
    return filch_fail(9, "from afar", NULL, NULL);
}

struct will {
    filch_token *token;
    filch_executor *ex; /* to cancel all of, instead */
    filch_context context;
};

static int bequeath(void *arg, void **result)
{
    struct will *will = arg;
    struct heir heir = {.context = filch_context_current()};
    filch_task t;
    int status;

    (void)result;
    filch_fork(&t, look_around, &heir);
    fork_until(&heir.gate, 1);
    if (will->token != NULL)
        filch_token_cancel(will->token);
    else
        test_check(filch_executor_cancel_all(will->ex) == 0);
    gate_open(&heir.gate);
    status = filch_join(&t, NULL);
    test_check(heir.has_context && !heir.was_asked_before && heir.is_asked);
    return status;
}

TEST(a_fork_has_its_task_s_token_and_its_message_is_that_one_s)
{
    filch_executor *ex = pool_of(2);
    struct will will = {0};
    filch_task_options o = {.size = sizeof o};
    filch_future *f = NULL;
    filch_error error;

    assert_int_equal(filch_token_create(&will.token, NULL, FILCH_FOREVER), 0);
    o.token = will.token;
    assert_int_equal(filch_submit_with(ex, &o, bequeath, &will, &f), 0);
    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "from afar");
    filch_future_release(f);
    filch_token_release(will.token);
    filch_executor_destroy(ex);
}

TEST(a_fork_of_a_task_that_is_asked_to_stop_is_asked_too)
{
    filch_executor *ex = pool_of(2);
    struct will will = {.ex = ex};

    assert_int_equal(run_in(ex, bequeath, &will), 9);
    filch_executor_destroy(ex);
}

FILCH_FORKABLE_1(int, fail_by_name, struct gate *, gate)
{
    gate_pass(gate);
    return filch_fail(9, "by name", NULL, NULL);
}

static int join_failed_by_name(void *arg, void **result)
{
    struct gate gate = {0};
    fail_by_name_task t;

    (void)arg, (void)result;
    fail_by_name_fork(&t, &gate);
    fork_until(&gate, 1);
    gate_open(&gate);
    return fail_by_name_join(&t);
}

TEST(what_is_forked_by_name_says_of_a_failure_what_its_task_says)
{
    filch_executor *ex = pool_of(2);
    filch_future *f = submit(ex, join_failed_by_name, NULL);
    filch_error error;

    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "by name");
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- Threads that end ---- */

static int end_thread(void *arg, void **result)
{
    (void)result;
    if (arg != NULL)
        gate_pass(arg);
    pthread_exit(NULL);
}

static int join_the_abandoned(void *arg, void **result)
{
    struct gate gate = {0};
    filch_task t;

    (void)arg, (void)result;
    filch_fork(&t, end_thread, &gate);
    fork_until(&gate, 1);
    gate_open(&gate);
    return filch_join(&t, NULL);
}

TEST(a_fork_that_ends_the_thread_that_took_it_is_abandoned)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(run_in(ex, join_the_abandoned, NULL), FILCH_EABANDONED);
    assert_int_equal(run_in(ex, fib_root, number(15)), 0);
    filch_executor_destroy(ex);
}

static int end_in_join(void *arg, void **result)
{
    filch_task t;
    filch_task never;

    (void)arg, (void)result;
    filch_fork(&never, task_fail, number(1));
    filch_fork(&t, end_thread, NULL);
    return filch_join(&t, NULL);
}

/* Nobody else is there to whom it could be shown: what is on the stack goes with it. */
TEST(a_fork_that_ends_the_thread_in_its_join_ends_its_task_too)
{
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 5; i++)
        assert_int_equal(run_in(ex, end_in_join, NULL), FILCH_EABANDONED);
    assert_int_equal(run_in(ex, fib_root, number(15)), 0);
    filch_executor_destroy(ex);
}

/* ---- Executors that end, break off and pause ---- */

struct shown {
    struct gate gate;
    counter ran;
};

static int join_what_was_shown(void *arg, void **result)
{
    struct shown *s = arg;
    filch_task t[3];

    (void)result;
    for (int i = 0; i < 3; i++)
        filch_fork(&t[i], task_count, &s->ran);
    show_forks();
    gate_pass(&s->gate);
    for (int i = 3; i-- > 0;)
        test_check(filch_join(&t[i], NULL) == 0);
    return 0;
}

/* Both workers are held: nobody takes the forks. */
static void hold_shown(filch_executor *ex, struct shown *s, filch_future **f, struct hold *hold)
{
    hold_worker(hold, ex);
    *f = submit(ex, join_what_was_shown, s);
    gate_await(&s->gate, 1);
}

TEST(what_is_cancelled_with_all_the_rest_runs_at_its_join)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .max_spares = 0});
    struct shown s = {0};
    struct hold hold = {0};
    filch_future *f;

    hold_shown(ex, &s, &f, &hold);
    assert_int_equal(filch_executor_cancel_all(ex), 0);
    gate_open(&s.gate);
    assert_int_equal(finish(f), 0);
    assert_int_equal(count_of(&s.ran), 3);
    let_go(&hold);
    filch_executor_destroy(ex);
}

TEST(what_a_shutdown_cancels_runs_at_its_join)
{
    filch_executor *ex = pool_of(2);
    struct shown s = {0};
    struct hold hold = {0};
    filch_future *f;

    hold_shown(ex, &s, &f, &hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    gate_open(&s.gate);
    assert_int_equal(finish(f), 0);
    assert_int_equal(count_of(&s.ran), 3);
    let_go(&hold);
    filch_executor_destroy(ex);
}

TEST(in_a_pause_a_task_goes_on_with_its_forks)
{
    filch_executor *ex = pool_of(2);
    struct shown s = {0};
    struct hold hold = {0};
    filch_future *f;

    hold_shown(ex, &s, &f, &hold);
    assert_int_equal(filch_executor_pause(ex), 0);
    gate_open(&s.gate);
    assert_int_equal(finish(f), 0);
    assert_int_equal(count_of(&s.ran), 3);
    assert_int_equal(filch_executor_resume(ex), 0);
    let_go(&hold);
    filch_executor_destroy(ex);
}

static int fork_in_hook(void *arg)
{
    counter *n = arg;
    filch_task t;

    filch_fork(&t, task_count, n);
    return filch_join(&t, NULL);
}

static void fork_in_last_hook(void *arg)
{
    fork_in_hook(arg);
}

TEST(hooks_may_fork)
{
    counter n = 0;
    filch_executor *ex = pool_with((filch_options){.workers = 2,
                                                   .on_thread_start = fork_in_hook,
                                                   .on_thread_stop = fork_in_last_hook,
                                                   .hook_arg = &n});

    assert_int_equal(run_in(ex, fib_root, number(10)), 0);
    filch_executor_destroy(ex);
    assert_true(count_of(&n) >= 4);
}

/* ---- Joins in another order, and forks below much else ---- */

enum {
    LOTS = 40
};

static int tell_thread(void *arg, void **result)
{
    *(pthread_t *)arg = pthread_self();
    *result = arg;
    return 0;
}

static int join_oldest_first(void *arg, void **result)
{
    filch_task t[LOTS];
    pthread_t ran_by[LOTS];

    (void)arg, (void)result;
    for (int i = 0; i < LOTS; i++)
        filch_fork(&t[i], tell_thread, &ran_by[i]);
    show_forks();
    for (int i = 0; i < LOTS; i++) {
        void *value = NULL;

        test_check(filch_join(&t[i], &value) == 0 && value == &ran_by[i]);
        test_check(pthread_equal(ran_by[i], pthread_self()));
    }
    return 0;
}

static int join_below_many(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f[LOTS];
    filch_task t;
    pthread_t ran_by;

    (void)result;
    filch_fork(&t, tell_thread, &ran_by);
    show_forks();
    for (int i = 0; i < LOTS; i++)
        f[i] = submit(ex, task_echo, NULL);
    test_check(filch_join(&t, NULL) == 0);
    test_check(pthread_equal(ran_by, pthread_self()));
    for (int i = 0; i < LOTS; i++)
        test_check(finish(f[i]) == 0);
    return 0;
}

/* No thread is brought in for it, and none need be had. */
TEST(a_join_takes_back_what_nobody_has_taken_wherever_it_lies)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(run_in(ex, join_oldest_first, NULL), 0);
    assert_int_equal(run_in(ex, join_below_many, ex), 0);
    filch_executor_destroy(ex);
}

/* ---- Executors within executors ---- */

struct nested {
    filch_executor *outer, *inner;
    struct hold hold; /* of the outer one's other worker */
    filch_future *f;
    int (*wait)(filch_executor *inner);
};

static int await_promise(void *arg, void **result)
{
    (void)result;
    return filch_future_result(arg, FILCH_FOREVER, NULL);
}

/* Nobody is without work when it forks, so nobody asks until it waits. */
static int wait_for_all_of_another(void *arg, void **result)
{
    struct nested *n = arg;
    filch_future *f = submit(n->inner, await_promise, n->f);
    filch_task t;
    filch_task u;

    (void)result;
    filch_fork(&u, task_echo, NULL);
    test_check(filch_join(&u, NULL) == 0); /* whoever has asked before is answered */
    filch_fork(&t, complete, n->f);
    gate_open(&n->hold.gate);
    test_check(n->wait(n->inner) == 0);
    test_check(filch_join(&t, NULL) == 0);
    return finish(f);
}

static int wait_until_idle(filch_executor *inner)
{
    return filch_executor_wait_idle(inner, FILCH_FOREVER);
}

static int wait_until_shut_down(filch_executor *inner)
{
    return filch_executor_shutdown(inner, 0, FILCH_FOREVER);
}

TEST(a_worker_that_waits_for_all_of_another_executor_shows_its_forks)
{
    int (*const waits[])(filch_executor * inner) = {wait_until_idle, wait_until_shut_down};

    for (int i = 0; i < 2; i++) {
        struct nested n = {.outer = pool_of(2), .inner = pool_of(1), .f = promise()};

        n.wait = waits[i];
        hold_worker(&n.hold, n.outer);
        assert_int_equal(run_in(n.outer, wait_for_all_of_another, &n), 0);
        let_go(&n.hold);
        filch_future_release(n.f);
        filch_executor_destroy(n.inner);
        filch_executor_destroy(n.outer);
    }
}

/* ---- Loops, continuations and whatever else runs on top of who has forked ---- */

static int count_range(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++)
        count_one(arg);
    return 0;
}

struct looper {
    filch_executor *ex;
    counter ran;
};

static int loop_between(void *arg, void **result)
{
    struct looper *l = arg;
    filch_task t[2];
    void *echo = NULL;

    (void)result;
    memset(t, 0, sizeof t);
    filch_fork(&t[0], task_echo, &t[0]);
    filch_fork(&t[1], task_echo, &t[1]);
    test_check(filch_parallel_for(l->ex, 0, 100, 1, count_range, &l->ran) == 0);
    for (int i = 2; i-- > 0;)
        test_check(filch_join(&t[i], &echo) == 0 && echo == &t[i]);
    return 0;
}

TEST(a_loop_leaves_its_caller_s_forks_alone)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct looper l = {.ex = pool_of(workers)};

        assert_int_equal(loop_between(&l, NULL), 0);
        assert_int_equal(run_in(l.ex, loop_between, &l), 0);
        assert_int_equal(count_of(&l.ran), 200);
        filch_executor_destroy(l.ex);
    }
}

static void join_unwound(void *t)
{
    void *echo = NULL;

    test_check(filch_join(t, &echo) == 0 && echo == t);
}

static int end_thread_then(filch_future *f, void *arg, void **result)
{
    (void)f, (void)arg, (void)result;
    pthread_exit(NULL);
}

static int end_thread_range(size_t begin, size_t end, void *arg)
{
    (void)begin, (void)end, (void)arg;
    pthread_exit(NULL);
}

struct unwound {
    filch_executor *ex; /* for a loop; or a continuation */
    filch_future *f, *then;
};

static void *fork_and_be_unwound(void *arg)
{
    struct unwound *u = arg;
    filch_task t;

    memset(&t, 0, sizeof t);
    filch_fork(&t, task_echo, &t);
    pthread_cleanup_push(join_unwound, &t);
    if (u->ex != NULL) {
        test_check(filch_parallel_for(u->ex, 0, 1, 1, end_thread_range, NULL) == 0);
    } else {
        test_check(filch_then(u->f, NULL, 0, end_thread_then, NULL, &u->then) == 0);
        (void)filch_promise_set_result(u->f, NULL);
    }
    test_check(false);
    pthread_cleanup_pop(1);
    return NULL;
}

TEST(who_is_unwound_from_above_joins_what_he_has_forked)
{
    struct unwound in_loop = {.ex = pool_of(1)};
    struct unwound in_continuation = {.f = promise()};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fork_and_be_unwound, &in_loop), 0);
    pthread_join(thread, NULL);
    filch_executor_destroy(in_loop.ex);
    assert_int_equal(pthread_create(&thread, NULL, fork_and_be_unwound, &in_continuation), 0);
    pthread_join(thread, NULL);
    assert_int_equal(finish(in_continuation.then), FILCH_EABANDONED);
    filch_future_release(in_continuation.f);
}

/* ---- A forked child ---- */

static int fork_the_process(void *arg, void **result)
{
    struct gate gate = {0};
    filch_task far;
    filch_task shown;
    filch_task t;
    int status = 0;
    pid_t child;

    (void)arg, (void)result;
    filch_fork(&far, task_gate, &gate);
    fork_until(&gate, 1);
    filch_fork(&shown, task_fail, number(5));
    show_forks();
    filch_fork(&t, task_fail, number(6));
    child = fork();
    if (child == 0) {
        int ends[3];

        ends[0] = filch_join(&t, NULL);
        ends[1] = filch_join(&shown, NULL);
        ends[2] = filch_join(&far, NULL);
        _exit(ends[0] == 6 && ends[1] == 5 && ends[2] == FILCH_EFORKED && fib(10) == 55 ? 0 : 1);
    }
    test_check(child > 0 && waitpid(child, &status, 0) == child);
    gate_open(&gate);
    test_check(filch_join(&t, NULL) == 6);
    test_check(filch_join(&shown, NULL) == 5);
    test_check(filch_join(&far, NULL) == 0);
    return status;
}

TEST(a_child_runs_what_had_not_begun_and_is_told_of_what_had)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .max_spares = 0});

    assert_int_equal(run_in(ex, fork_the_process, NULL), 0);
    filch_executor_destroy(ex);
}

/* ---- By name ---- */

struct sums {
    uint64_t n, sum;
};

FILCH_FORKABLE_2(struct sums, sum_of, const unsigned *, from, size_t, n)
{
    if (n <= 3) {
        struct sums s = {n, 0};

        for (size_t i = 0; i < n; i++)
            s.sum += from[i];
        return s;
    }
    sum_of_task left;
    sum_of_fork(&left, from, n / 2);
    struct sums b = sum_of(from + n / 2, n - n / 2);
    struct sums a = sum_of_join(&left);
    return (struct sums){a.n + b.n, a.sum + b.sum};
}

FILCH_FORKABLE_VOID_4(fill, unsigned *, to, size_t, n, unsigned, first, unsigned, step)
{
    if (n == 1) {
        *to = first;
    } else if (n > 1) {
        fill_task left;

        fill_fork(&left, to, n / 2, first, step);
        fill(to + n / 2, n - n / 2, first + (unsigned)(n / 2) * step, step);
        fill_join(&left);
    }
}

FILCH_FORKABLE_DECLARE_3(long, odd, unsigned, n, char, by, void *, gate)

FILCH_FORKABLE_3(long, even, unsigned, n, char, by, void *, gate)
{
    odd_task next;

    if (n == 0)
        return 1;
    odd_fork(&next, n - 1, by, gate);
    return odd_join(&next) + by;
}

static long odd(unsigned n, char by, void *gate)
{
    even_task next;

    if (n == 0)
        return 0;
    even_fork(&next, n - 1, by, gate);
    return even_join(&next) + by;
}

static int by_name(void *arg, void **result)
{
    enum {
        N = 1000
    };
    static unsigned numbers[N];
    struct sums s;

    (void)arg, (void)result;
    fill(numbers, N, 5, 2);
    s = sum_of(numbers, N);
    test_check(s.n == N && s.sum == N * 5 + (uint64_t)N * (N - 1));
    test_check(even(10, 2, NULL) == 21);
    return 0;
}

TEST(functions_are_forked_by_name_with_what_they_take_and_return)
{
    filch_executor *ex = pool_of(3);

    for (int i = 0; i < 50; i++)
        assert_int_equal(run_in(ex, by_name, NULL), 0);
    filch_executor_destroy(ex);
    assert_int_equal(by_name(NULL, NULL), 0);
}

static pthread_t main_thread;

FILCH_FORKABLE_2(int, stubborn, struct gate *, gate, int, value)
{
    if (!pthread_equal(pthread_self(), main_thread)) {
        gate_pass(gate);
        pthread_exit(NULL);
    }
    return value;
}

static int join_by_name_again(void *arg, void **result)
{
    struct gate gate = {0};
    stubborn_task t;

    (void)arg, (void)result;
    main_thread = pthread_self();
    stubborn_fork(&t, &gate, 8);
    fork_until(&gate, 1);
    gate_open(&gate);
    return stubborn_join(&t);
}

TEST(a_join_by_name_calls_again_what_has_ended_its_thread)
{
    filch_executor *ex = pool_of(2);

    assert_int_equal(run_in(ex, join_by_name_again, NULL), 8);
    filch_executor_destroy(ex);
}
