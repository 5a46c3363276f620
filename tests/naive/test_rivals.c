/* SPDX-License-Identifier: MIT
 *
 * test_rivals.c: the rivals keep the rules that a comparison rests on: every task runs once, every
 * waiter is woken, nothing is lost when the pool ends. Each test is run by each rival; the inline
 * functions take the backend, the tests at the end name it. */
#include "harness/test.h"

#include <filch/filch.h>

#include "base/atomic.h"
#include "base/futex.h"

enum {
    N = 2000
};

static filch_executor *pool(enum filch_backend backend, unsigned workers)
{
    filch_options o = {.size = sizeof o, .workers = workers, .backend = backend};
    filch_executor *ex;
    int status = filch_executor_create(&ex, &o);

    if (status == FILCH_ENOTSUP)
        test_skip("this build has no such rival");
    assert_int_equal(status, 0);
    return ex;
}

static int add_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static int fail_with(void *arg, void **result)
{
    (void)result;
    return (int)(intptr_t)arg;
}

static int sum_bytes(void *arg, void **result)
{
    const unsigned char *bytes = arg;
    uintptr_t sum = 0;

    for (int i = 0; i < 100; i++)
        sum += bytes[i];
    *result = (void *)sum;
    return 0;
}

static void results_come_back(enum filch_backend backend)
{
    static filch_future *futures[N];
    filch_executor *ex = pool(backend, 2);
    void *result;

    for (size_t i = 0; i < N; i++)
        assert_int_equal(filch_submit(ex, add_one, (void *)i, &futures[i]), 0);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(filch_future_result(futures[i], FILCH_FOREVER, &result), 0);
        assert_int_equal((uintptr_t)result, i + 1);
        filch_future_release(futures[i]);
    }
    filch_executor_destroy(ex);
}

static void a_failure_keeps_its_code(enum filch_backend backend)
{
    filch_executor *ex = pool(backend, 1);
    filch_future *f;

    assert_int_equal(filch_submit(ex, fail_with, (void *)(intptr_t)42, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 42);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static void a_copy_is_the_tasks_own(enum filch_backend backend)
{
    filch_executor *ex = pool(backend, 1);
    filch_future *f;
    void *sum;
    unsigned char bytes[100];

    for (int i = 0; i < 100; i++)
        bytes[i] = 2;
    assert_int_equal(filch_submit_copy(ex, sum_bytes, bytes, sizeof bytes, &f), 0);
    for (int i = 0; i < 100; i++)
        bytes[i] = 0;
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &sum), 0);
    assert_int_equal((uintptr_t)sum, 200);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static void a_batch_comes_back_in_order(enum filch_backend backend)
{
    static filch_future *futures[N];
    static void *args[N];
    filch_executor *ex = pool(backend, 2);
    void *result;

    for (size_t i = 0; i < N; i++)
        args[i] = (void *)i;
    assert_int_equal(filch_submit_batch(ex, add_one, args, N, futures), 0);
    assert_int_equal(filch_submit_batch(ex, add_one, args, 0, NULL), 0);
    assert_int_equal(filch_wait(futures, N, FILCH_ALL_COMPLETED, FILCH_FOREVER), N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(filch_future_result(futures[i], FILCH_NOW, &result), 0);
        assert_int_equal((uintptr_t)result, i + 1);
        filch_future_release(futures[i]);
    }
    filch_executor_destroy(ex);
}

/* A worker held inside a task until it is let go.
 * Words   at   0, 1 the worker is inside, 2 it may go */
struct gate {
    fl_atomic(uint32_t) at;
};

static int stand(void *arg, void **result)
{
    struct gate *gate = arg;

    (void)result;
    fl_store(&gate->at, 1, release);
    fl_futex_wake(&gate->at, 1);
    while (fl_load(&gate->at, acquire) != 2)
        fl_futex_wait(&gate->at, 1, INT64_MAX);
    return 0;
}

static filch_future *hold(filch_executor *ex, struct gate *gate)
{
    filch_future *f;

    fl_init(&gate->at, 0);
    assert_int_equal(filch_submit(ex, stand, gate, &f), 0);
    while (fl_load(&gate->at, acquire) != 1)
        fl_futex_wait(&gate->at, 0, INT64_MAX);
    return f;
}

static void let_go(struct gate *gate, filch_future *holder)
{
    fl_store(&gate->at, 2, release);
    fl_futex_wake(&gate->at, 1);
    assert_int_equal(filch_future_result(holder, FILCH_FOREVER, NULL), 0);
    filch_future_release(holder);
}

static void a_wait_ends_at_its_deadline(enum filch_backend backend)
{
    filch_executor *ex = pool(backend, 1);
    struct gate gate;
    filch_future *holder = hold(ex, &gate);
    filch_future *f;

    assert_int_equal(filch_submit(ex, add_one, NULL, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(f, filch_in_ms(2), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_wait_idle(ex, filch_in_ms(2)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(2)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_submit(ex, add_one, NULL, NULL), FILCH_ESHUTDOWN);
    let_go(&gate, holder);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_future_state(f), FILCH_FINISHED);
    filch_executor_destroy(ex);
    filch_future_release(f);
}

static void what_is_queued_can_be_cancelled(enum filch_backend backend)
{
    enum {
        QUEUED = 100
    };
    filch_executor *ex = pool(backend, 1);
    struct gate gate;
    filch_future *holder = hold(ex, &gate);
    filch_future *futures[QUEUED];

    for (int i = 0; i < QUEUED; i++)
        assert_int_equal(filch_submit(ex, add_one, NULL, &futures[i]), 0);
    assert_true(filch_future_cancel(futures[3]));
    assert_int_equal(filch_future_result(futures[3], FILCH_FOREVER, NULL), FILCH_ECANCELED);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (int i = 0; i < QUEUED; i++) {
        assert_true(filch_future_cancelled(futures[i]));
        filch_future_release(futures[i]);
    }
    assert_false(filch_future_cancelled(holder));
    let_go(&gate, holder);
    filch_executor_destroy(ex);
}

struct tree {
    filch_executor *ex;
    unsigned depth;
    fl_atomic(unsigned) * leaves;
};

static int branch(void *arg, void **result)
{
    struct tree t = *(struct tree *)arg;

    (void)result;
    if (t.depth == 0) {
        fl_add(t.leaves, 1, relaxed);
        return 0;
    }
    t.depth--;
    test_check(filch_submit_copy(t.ex, branch, &t, sizeof t, NULL) == 0);
    test_check(filch_submit_copy(t.ex, branch, &t, sizeof t, NULL) == 0);
    return 0;
}

static void wait_idle_waits_for_what_tasks_submit(enum filch_backend backend)
{
    filch_executor *ex = pool(backend, 2);
    fl_atomic(unsigned) leaves = 0;
    struct tree t = {ex, 9, &leaves};

    assert_int_equal(filch_submit_copy(ex, branch, &t, sizeof t, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(fl_load(&leaves, relaxed), 512);
    filch_executor_destroy(ex);
}

static int wait_for_itself(void *arg, void **result)
{
    filch_executor *ex = arg;

    test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == FILCH_EDEADLK);
    test_check(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == FILCH_EDEADLK);
    *result = ex;
    return 0;
}

static void a_task_cannot_wait_for_its_own_pool(enum filch_backend backend)
{
    filch_executor *ex = pool(backend, 2);
    filch_future *f;

    assert_int_equal(filch_submit(ex, wait_for_itself, ex, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int destroy_own(void *arg, void **result)
{
    (void)result;
    filch_executor_destroy(arg);
    return 0;
}

static void freed(void *ctx)
{
    fl_atomic(uint32_t) *gone = ctx;

    fl_store(gone, 1, release);
    fl_futex_wake(gone, 1);
}

/* The allocator's destroy comes last of all. */
static void a_task_may_destroy_its_pool(enum filch_backend backend)
{
    static fl_atomic(uint32_t) gone;
    filch_allocator a;
    filch_options o = {.size = sizeof o, .workers = 2, .backend = backend, .allocator = &a};
    filch_executor *ex;
    filch_future *f;

    fl_store(&gone, 0, release);
    assert_int_equal(filch_allocator_system(&a), 0);
    a.ctx = &gone;
    a.destroy = freed;
    int status = filch_executor_create(&ex, &o);
    if (status == FILCH_ENOTSUP)
        test_skip("this build has no such rival");
    assert_int_equal(status, 0);
    assert_int_equal(filch_submit(ex, destroy_own, ex, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    assert_int_equal(fl_load(&gone, acquire), 0);
    filch_future_release(f);
    while (fl_load(&gone, acquire) == 0)
        fl_futex_wait(&gone, 0, INT64_MAX);
}

static int refuse(void *hook_arg)
{
    (void)hook_arg;
    return 1;
}

static void a_failed_start_hook_breaks_the_pool(enum filch_backend backend)
{
    filch_options o = {
        .size = sizeof o, .workers = 2, .backend = backend, .on_thread_start = refuse};
    filch_executor *ex;
    filch_future *f = NULL;
    int status = filch_executor_create(&ex, &o);

    if (status == FILCH_ENOTSUP)
        test_skip("this build has no such rival");
    assert_int_equal(status, 0);
    while ((status = filch_submit(ex, add_one, NULL, &f)) == 0) { /* until the hook has run */
        assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), FILCH_EBROKEN);
        filch_future_release(f);
    }
    assert_int_equal(status, FILCH_EBROKEN);
    assert_non_null(filch_executor_broken(ex));
    filch_executor_destroy(ex);
}

struct producers {
    filch_executor *ex;
    size_t n;
};

static void produce(unsigned i, void *arg)
{
    struct producers *all = arg;
    void *result;

    for (size_t k = 0; k < all->n; k++) {
        filch_future *f;
        uintptr_t value = i * all->n + k;

        test_check(filch_submit(all->ex, add_one, (void *)value, &f) == 0);
        test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0);
        test_check((uintptr_t)result == value + 1);
        filch_future_release(f);
    }
}

static void threads_submit_and_wait_at_once(enum filch_backend backend)
{
    struct producers all = {pool(backend, 2), test_scaled(5000)};

    test_threads(3, produce, &all);
    filch_executor_destroy(all.ex);
}

#define BY(rival, name)                                                                            \
    TEST(rival##_##name)                                                                           \
    {                                                                                              \
        name(BACKEND_##rival);                                                                     \
    }
#define BACKEND_mutex  FILCH_BACKEND_MUTEX
#define BACKEND_ck     FILCH_BACKEND_CK
#define BACKEND_global FILCH_BACKEND_GLOBAL
#define BACKEND_spawn  FILCH_BACKEND_SPAWN
#define POOLS(name)    BY(mutex, name) BY(ck, name) BY(global, name)
#define ALL(name)      POOLS(name) BY(spawn, name)

ALL(results_come_back)
ALL(a_failure_keeps_its_code)
ALL(a_copy_is_the_tasks_own)
ALL(a_batch_comes_back_in_order)
POOLS(a_wait_ends_at_its_deadline)
POOLS(what_is_queued_can_be_cancelled)
ALL(wait_idle_waits_for_what_tasks_submit)
ALL(a_task_cannot_wait_for_its_own_pool)
ALL(a_task_may_destroy_its_pool)
POOLS(a_failed_start_hook_breaks_the_pool)
POOLS(threads_submit_and_wait_at_once)

/* Nothing is queued there, so what is said of a queue is said of what runs. */
TEST(spawn_a_wait_ends_at_its_deadline)
{
    filch_executor *ex = pool(FILCH_BACKEND_SPAWN, 1);
    struct gate gate;
    filch_future *holder = hold(ex, &gate);

    assert_int_equal(filch_future_result(holder, FILCH_NOW, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_result(holder, filch_in_ms(2), NULL), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_wait_idle(ex, filch_in_ms(2)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(2)), FILCH_ETIMEDOUT);
    assert_int_equal(filch_submit(ex, add_one, NULL, NULL), FILCH_ESHUTDOWN);
    let_go(&gate, holder);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

TEST(spawn_a_failed_start_hook_breaks_the_pool)
{
    filch_options o = {
        .size = sizeof o, .workers = 2, .backend = FILCH_BACKEND_SPAWN, .on_thread_start = refuse};
    filch_executor *ex;
    filch_future *f;

    assert_int_equal(filch_executor_create(&ex, &o), 0);
    assert_int_equal(filch_submit(ex, add_one, NULL, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), FILCH_EBROKEN);
    filch_future_release(f);
    assert_int_equal(filch_submit(ex, add_one, NULL, &f), FILCH_EBROKEN);
    assert_non_null(filch_executor_broken(ex));
    filch_executor_destroy(ex);
}

static int wait_deeper(void *arg, void **result)
{
    struct tree *t = arg;
    struct tree next = {t->ex, t->depth - 1, t->leaves};
    filch_future *f;

    *result = NULL;
    if (t->depth == 0)
        return 0;
    test_check(filch_submit_copy(t->ex, wait_deeper, &next, sizeof next, &f) == 0);
    test_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    return 0;
}

TEST(spawn_nested_waits_end_though_one_worker_was_asked_for)
{
    filch_executor *ex = pool(FILCH_BACKEND_SPAWN, 1);
    struct tree t = {ex, 20, NULL};
    filch_future *f;

    assert_int_equal(filch_submit_copy(ex, wait_deeper, &t, sizeof t, &f), 0);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(spawn_a_task_for_which_there_is_no_thread_is_run_by_its_submitter)
{
    filch_options o = {.size = sizeof o,
                       .stack_size = (size_t)1 << 46, /* no system has room for that */
                       .backend = FILCH_BACKEND_SPAWN};
    filch_executor *ex;
    filch_future *futures[2];
    void *args[2] = {(void *)1, (void *)2};
    void *result;

    assert_int_equal(filch_executor_create(&ex, &o), 0);
    assert_int_equal(filch_submit_batch(ex, add_one, args, 2, futures), 0);
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(filch_future_result(futures[i], FILCH_NOW, &result), 0);
        assert_int_equal((uintptr_t)result, i + 2);
        filch_future_release(futures[i]);
    }
    filch_executor_destroy(ex);
}

TEST(spawn_threads_submit_and_wait_at_once)
{
    struct producers all = {pool(FILCH_BACKEND_SPAWN, 2), test_scaled(500)};

    test_threads(3, produce, &all);
    filch_executor_destroy(all.ex);
}
