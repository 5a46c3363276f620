/* SPDX-License-Identifier: MIT
 *
 * test_lifecycle.c: executors are made, shut down in every way, and destroyed; bad options, bad
 * handles and odd deadlines get their status, and nothing is left behind. */
#include "sched/work.h"

#include <ctype.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* ---- Create ---- */

static int create_status(filch_options options)
{
    filch_executor *ex = NULL;
    int status;

    options.size = sizeof options;
    status = filch_executor_create(&ex, &options);
    if (status == 0)
        filch_executor_destroy(ex);
    else
        assert_null(ex);
    return status;
}

TEST(an_option_out_of_range_is_invalid)
{
    assert_int_equal(create_status((filch_options){.workers = FILCH_MAX_WORKERS + 1}),
                     FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = UINT_MAX}), FILCH_EINVAL);
    assert_int_equal(
        create_status((filch_options){.workers = 1, .max_spares = FILCH_MAX_SPARES + 1}),
        FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .max_spares = UINT_MAX}),
                     FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .flags = 8}), FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .flags = UINT_MAX}), FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .help = (enum filch_help)3}),
                     FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .help = (enum filch_help) - 1}),
                     FILCH_EINVAL);
    assert_int_equal(
        create_status((filch_options){.workers = 1, .backend = (enum filch_backend)99}),
        FILCH_EINVAL);
    assert_int_equal(
        create_status((filch_options){.workers = 1, .backend = (enum filch_backend) - 1}),
        FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .stack_size = SIZE_MAX}),
                     FILCH_EINVAL);
    assert_int_equal(create_status((filch_options){.workers = 1, .trace_events = SIZE_MAX}),
                     FILCH_EINVAL);
    assert_int_equal(
        create_status((filch_options){.workers = 1, .allocator = &(filch_allocator){0}}),
        FILCH_EINVAL);
}

TEST(options_at_the_edge_of_their_range_are_fine)
{
    assert_int_equal(create_status((filch_options){.workers = 1, .max_spares = FILCH_MAX_SPARES}),
                     0);
    assert_int_equal(create_status((filch_options){.workers = 1, .stack_size = 1}), 0);
    assert_int_equal(create_status((filch_options){.workers = 2, .max_searchers = UINT_MAX}), 0);
    assert_int_equal(create_status((filch_options){.workers = 2, .spin_ns = INT64_MIN}), 0);
    assert_int_equal(create_status((filch_options){.workers = 1, .spin_ns = 1000000}), 0);
    assert_int_equal(create_status((filch_options){.workers = 1, .name = ""}), 0);
    assert_int_equal(create_status((filch_options){.workers = 64}), 0);
}

TEST(a_stack_that_no_machine_has_is_refused_and_leaves_no_thread)
{
    size_t threads = threads_now();
    int status =
        create_status((filch_options){.workers = 2, .stack_size = (size_t)PTRDIFF_MAX / 2});

    assert_true(status == FILCH_EAGAIN || status == FILCH_ENOMEM);
    await_threads_at_most(threads);
}

/* Options as a later version would have them. */
struct later_options {
    filch_options now;
    unsigned char tail[64];
};

TEST(the_size_of_the_options_tells_what_they_hold)
{
    filch_executor *ex = NULL;
    struct later_options later = {.now = {.size = sizeof later, .workers = 1}};
    filch_options none = {.size = 0, .workers = 1};

    assert_int_equal(filch_executor_create(&ex, &none), FILCH_EINVAL);
    none.size = sizeof(size_t) - 1;
    assert_int_equal(filch_executor_create(&ex, &none), FILCH_EINVAL);
    assert_null(ex);

    assert_int_equal(filch_executor_create(&ex, &later.now), 0);
    assert_int_equal(filch_executor_workers(ex), 1);
    filch_executor_destroy(ex);
    ex = NULL;
    later.tail[63] = 1;
    assert_int_equal(filch_executor_create(&ex, &later.now), FILCH_E2BIG);
    later.tail[63] = 0;
    later.tail[0] = 1;
    assert_int_equal(filch_executor_create(&ex, &later.now), FILCH_E2BIG);
    assert_null(ex);

    /* What an earlier version knew: size and workers. What follows isn't looked at. */
    filch_options earlier = {
        .size = offsetof(filch_options, flags), .workers = 3, .flags = UINT_MAX};
    assert_int_equal(filch_executor_create(&ex, &earlier), 0);
    assert_int_equal(filch_executor_workers(ex), 3);
    filch_executor_destroy(ex);
}

TEST(the_size_of_task_options_tells_what_they_hold)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;
    struct {
        filch_task_options now;
        unsigned char tail[32];
    } later = {.now = {.size = sizeof later}};
    filch_task_options o = {.size = 0};

    assert_int_equal(filch_submit_with(ex, &o, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(ex, &later.now, task_echo, NULL, &f), 0);
    assert_int_equal(finish(f), 0);
    f = NULL;
    later.tail[31] = 1;
    assert_int_equal(filch_submit_with(ex, &later.now, task_echo, NULL, &f), FILCH_E2BIG);
    assert_null(f);
    filch_executor_destroy(ex);
}

TEST(a_missing_handle_gets_its_status)
{
    filch_executor *ex = NULL;
    filch_future *f = NULL;
    filch_executor_stats stats = {.size = sizeof stats};
    filch_trace_event event;
    filch_error error;
    void *arg = NULL;

    assert_int_equal(filch_executor_create(NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_submit(NULL, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_copy(NULL, task_echo, "x", 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_batch(NULL, task_echo, &arg, 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(NULL, NULL, task_echo, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_map_array(NULL, task_echo, &arg, NULL, 1), FILCH_EINVAL);
    assert_int_equal(filch_executor_shutdown(NULL, FILCH_DRAIN, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_executor_wait_idle(NULL, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_executor_workers(NULL), 0);
    assert_null(filch_executor_broken(NULL));
    assert_int_equal(filch_executor_stats_read(NULL, &stats), FILCH_EINVAL);
    assert_int_equal(filch_executor_trace_next(NULL, &event), FILCH_EINVAL);
    assert_int_equal(filch_executor_name_function(NULL, task_echo, "echo"), FILCH_EINVAL);
    assert_int_equal(filch_future_result(NULL, FILCH_NOW, NULL), FILCH_EINVAL);
    assert_int_equal(filch_future_error(NULL, FILCH_NOW, &error), FILCH_EINVAL);
    assert_int_equal(filch_future_add_done_callback(NULL, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_promise_create(NULL), FILCH_EINVAL);
    assert_int_equal(filch_promise_start(NULL), FILCH_EINVAL);
    assert_int_equal(filch_promise_set_result(NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_promise_set_error(NULL, 1, NULL), FILCH_EINVAL);
    assert_null(filch_future_retain(NULL));
    filch_future_release(NULL);
    filch_executor_destroy(NULL);

    assert_int_equal(filch_executor_create(&ex, NULL), 0);
    assert_int_equal(filch_submit(ex, NULL, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_copy(ex, NULL, "x", 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_copy(ex, task_echo, NULL, 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_batch(ex, NULL, &arg, 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(ex, NULL, NULL, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_map_array(ex, NULL, &arg, NULL, 1), FILCH_EINVAL);
    assert_int_equal(filch_executor_stats_read(ex, NULL), FILCH_EINVAL);
    assert_int_equal(filch_executor_trace_next(ex, NULL), FILCH_EINVAL);
    assert_int_equal(filch_executor_name_function(ex, NULL, "x"), FILCH_EINVAL);
    assert_int_equal(filch_executor_name_function(ex, task_echo, NULL), FILCH_EINVAL);
    assert_int_equal(filch_executor_shutdown(ex, 4, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_executor_shutdown(ex, UINT_MAX, FILCH_NOW), FILCH_EINVAL);
    assert_null(f);
    assert_int_equal(filch_submit(ex, task_echo, NULL, &f), 0); /* unknown flags closed nothing */
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
}

/* ---- L1: many executors ---- */

TEST(l1_executors_live_side_by_side)
{
    enum {
        N = 20
    };
    filch_executor *ex[N];
    counter ran[N] = {0};

    for (int i = 0; i < N; i++)
        ex[i] = pool_of(1 + (unsigned)i % 3);
    for (int k = 0; k < 50; k++) {
        for (int i = 0; i < N; i++)
            assert_int_equal(filch_submit(ex[i], task_count, &ran[i], NULL), 0);
    }
    for (int i = 0; i < N; i += 2)
        filch_executor_destroy(ex[i]);
    for (int i = 1; i < N; i += 2) {
        assert_int_equal(filch_submit(ex[i], task_count, &ran[i], NULL), 0);
        filch_executor_destroy(ex[i]);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(count_of(&ran[i]), 50 + i % 2);
}

struct two {
    filch_executor *a;
    filch_executor *b;
};

static int task_cross(void *arg, void **result)
{
    struct two *t = arg;
    filch_future *f = submit(t->b, task_echo, t);
    int status = filch_future_result(f, FILCH_FOREVER, result);

    filch_future_release(f);
    return status;
}

TEST(l1_a_task_of_one_executor_may_wait_for_one_of_another)
{
    struct two t = {pool_of(1), pool_of(1)};
    filch_future *f[20];

    for (int i = 0; i < 20; i++)
        f[i] = submit(t.a, task_cross, &t);
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(t.a);
    filch_executor_destroy(t.b);
}

TEST(l5_there_is_always_a_worker)
{
    filch_executor *ex = pool_of(0);

    assert_true(filch_executor_workers(ex) >= 1);
    filch_executor_destroy(ex);
}

/* ---- L6: drain ---- */

struct from_inside {
    filch_executor *ex;
    struct gate gate;
    int status;
    int second_status;
};

static int task_submit_late(void *arg, void **result)
{
    struct from_inside *t = arg;
    filch_future *f = NULL;

    gate_pass(&t->gate);
    t->status = filch_submit(t->ex, task_echo, NULL, &f);
    t->second_status = filch_submit(t->ex, task_echo, NULL, NULL);
    test_check(f == NULL);
    *result = NULL;
    return 0;
}

TEST(l6_a_task_can_not_submit_after_shutdown_either)
{
    struct from_inside t = {.ex = pool_of(1)};
    filch_future *f = submit(t.ex, task_submit_late, &t);

    gate_await(&t.gate, 1);
    assert_int_equal(filch_executor_shutdown(t.ex, FILCH_DRAIN, FILCH_NOW), FILCH_ETIMEDOUT);
    gate_open(&t.gate);
    assert_int_equal(finish(f), 0);
    assert_int_equal(t.status, FILCH_ESHUTDOWN);
    assert_int_equal(t.second_status, FILCH_ESHUTDOWN);
    filch_executor_destroy(t.ex);
}

struct drainers {
    filch_executor *ex;
    unsigned flags;
    counter done;
};

static void drain(unsigned i, void *arg)
{
    struct drainers *d = arg;

    (void)i;
    test_check(filch_executor_shutdown(d->ex, d->flags, FILCH_FOREVER) == 0);
    count_one(&d->done);
}

TEST(l6_four_threads_may_shut_down_at_once)
{
    for (size_t turn = test_scaled(200); turn > 0; turn--) {
        struct drainers d = {.ex = pool_of(2),
                             .flags = turn % 2 == 0 ? FILCH_DRAIN : FILCH_CANCEL_PENDING};
        counter ran = 0;

        for (int i = 0; i < 20; i++)
            assert_int_equal(filch_submit(d.ex, task_count, &ran, NULL), 0);
        test_threads(4, drain, &d);
        assert_int_equal(count_of(&d.done), 4);
        if (d.flags == FILCH_DRAIN)
            assert_int_equal(count_of(&ran), 20);
        filch_executor_destroy(d.ex);
    }
}

/* ---- L7: cancel what is queued ---- */

static void note_cancelled(filch_future *f, void *user)
{
    test_check(filch_future_cancelled(f));
    count_one(user);
}

TEST(l7_cancelled_futures_are_over_when_shutdown_returns)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f[100];
    char far[200] = {0};
    counter told = 0;
    counter ran = 0;

    hold_worker(&hold, ex);
    for (int i = 0; i < 100; i++) {
        if (i % 2 == 0)
            f[i] = submit(ex, task_count, &ran);
        else
            assert_int_equal(filch_submit_copy(ex, task_echo, far, (size_t)i * 2, &f[i]), 0);
        assert_int_equal(filch_future_add_done_callback(f[i], note_cancelled, &told), 0);
        assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
        assert_int_equal(filch_submit_copy(ex, task_echo, far, (size_t)i * 2, NULL), 0);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_NOW), FILCH_ETIMEDOUT);
    assert_int_equal(count_of(&told), 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(filch_future_state(f[i]), FILCH_CANCELLED);
        filch_future_release(f[i]);
    }
    assert_int_equal(stats_of(ex).pending, 0);
    assert_int_equal(stats_of(ex).running, 1);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 0);
}

TEST(l7_a_drain_may_turn_into_a_cancel)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_FOREVER), 0);
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, filch_in_ms(1)),
                     FILCH_ETIMEDOUT);
    assert_int_equal(filch_future_state(f), FILCH_CANCELLED);
    let_go(&hold);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* A running task's children are queued on its worker's own deque. */
struct parent {
    filch_executor *ex;
    struct gate gate;
    filch_future *child[10];
    counter ran;
};

static int task_parent(void *arg, void **result)
{
    struct parent *p = arg;

    for (int i = 0; i < 10; i++)
        p->child[i] = submit(p->ex, task_count, &p->ran);
    gate_pass(&p->gate);
    *result = NULL;
    return 0;
}

TEST(l7_the_queued_children_of_a_running_task_are_cancelled_too)
{
    struct parent p = {.ex = pool_of(1)};
    filch_future *f = submit(p.ex, task_parent, &p);

    gate_await(&p.gate, 1);
    assert_int_equal(filch_executor_shutdown(p.ex, FILCH_CANCEL_PENDING, FILCH_NOW),
                     FILCH_ETIMEDOUT);
    for (int i = 0; i < 10; i++) {
        assert_true(filch_future_cancelled(p.child[i]));
        filch_future_release(p.child[i]);
    }
    gate_open(&p.gate);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(p.ex);
    assert_int_equal(count_of(&p.ran), 0);
}

/* ---- L8: shutdown with a deadline ---- */

TEST(l8_shutdown_says_what_still_runs_and_may_be_waited_for_again)
{
    filch_executor *ex = pool_of(2);
    struct gate gate = {0};
    filch_future *f[2] = {submit(ex, task_gate, &gate), submit(ex, task_gate, &gate)};
    static const filch_deadline soon[] = {INT64_MIN, -1, 0, 1};

    gate_await(&gate, 2);
    for (size_t i = 0; i < sizeof soon / sizeof soon[0]; i++)
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, soon[i]), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ms(5)), FILCH_ETIMEDOUT);
    assert_int_equal(stats_of(ex).running, 2);
    assert_int_equal(stats_of(ex).workers, 2);
    gate_open(&gate);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, INT64_MAX), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, INT64_MIN), 0);
    assert_int_equal(stats_of(ex).running, 0);
    assert_int_equal(stats_of(ex).workers, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}

/* ---- L9: from a worker ---- */

static int task_shutdown(void *arg, void **result)
{
    struct from_inside *t = arg;

    t->status = filch_executor_shutdown(t->ex, FILCH_DRAIN, FILCH_FOREVER);
    t->second_status = filch_executor_shutdown(t->ex, FILCH_NO_WAIT, FILCH_NOW);
    gate_pass(&t->gate);
    *result = NULL;
    return 0;
}

TEST(l9_a_task_that_shuts_its_executor_down_gets_edeadlk_and_it_goes_on)
{
    struct from_inside t = {.ex = pool_of(1)};
    struct hold hold = {0};
    hold_worker(&hold, t.ex);
    filch_future *f = submit(t.ex, task_shutdown, &t);
    filch_future *queued = submit(t.ex, task_echo, NULL);

    let_go(&hold);
    gate_await(&t.gate, 1);
    assert_int_equal(t.status, FILCH_EDEADLK);
    assert_int_equal(t.second_status, 0);
    assert_int_equal(filch_submit(t.ex, task_echo, NULL, NULL), FILCH_ESHUTDOWN);
    gate_open(&t.gate);
    assert_int_equal(filch_executor_shutdown(t.ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(finish(f), 0);
    assert_int_equal(finish(queued), 0);
    filch_executor_destroy(t.ex);
}

static int task_destroy(void *arg, void **result)
{
    filch_executor_destroy(arg);
    *result = NULL;
    return 0;
}

TEST(l9_a_task_that_destroys_its_executor_lets_the_queue_run_and_leaves_no_thread)
{
    size_t threads = threads_now();

    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool_of(workers);
        filch_future *f[30];
        counter ran = 0;

        for (int i = 0; i < 29; i++)
            f[i] = submit(ex, task_count, &ran);
        f[29] = submit(ex, task_destroy, ex);
        for (int i = 0; i < 30; i++)
            assert_int_equal(finish(f[i]), 0);
        assert_int_equal(count_of(&ran), 29);
        await_threads_at_most(threads);
    }
}

static void destroy_it(filch_future *f, void *user)
{
    (void)f;
    filch_executor_destroy(user);
}

TEST(l9_a_callback_may_destroy_the_executor)
{
    size_t threads = threads_now();
    filch_executor *ex = pool_of(2);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);

    assert_int_equal(filch_future_add_done_callback(f, destroy_it, ex), 0);
    gate_open(&gate);
    assert_int_equal(finish(f), 0);
    await_threads_at_most(threads);
}

TEST(l9_a_task_of_one_executor_may_destroy_another)
{
    filch_executor *a = pool_of(1);
    filch_executor *b = pool_of(1);
    counter ran = 0;

    for (int i = 0; i < 50; i++)
        assert_int_equal(filch_submit(b, task_count, &ran, NULL), 0);
    assert_int_equal(finish(submit(a, task_destroy, b)), 0);
    assert_int_equal(count_of(&ran), 50);
    filch_executor_destroy(a);
}

/* ---- L10: hooks ---- */

struct hooked {
    counter started;
    counter stopped;
    filch_executor *ex;
};

static _Thread_local int own_hooks;

static int on_start(void *arg)
{
    struct hooked *h = arg;

    test_check(own_hooks++ == 0);
    count_one(&h->started);
    return 0;
}

static void on_stop(void *arg)
{
    struct hooked *h = arg;

    test_check(own_hooks++ == 1);
    count_one(&h->stopped);
}

static int task_in_hooked_thread(void *arg, void **result)
{
    test_check(own_hooks == 1);
    return task_echo(arg, result);
}

static int task_wait_in_hooked_thread(void *arg, void **result)
{
    struct hooked *h = arg;
    filch_future *f[4];

    test_check(own_hooks == 1);
    for (int i = 0; i < 4; i++)
        f[i] = submit(h->ex, task_in_hooked_thread, NULL);
    for (int i = 0; i < 4; i++)
        test_check(finish(f[i]) == 0);
    *result = NULL;
    return 0;
}

TEST(l10_hooks_run_once_on_each_thread_before_and_after_all_tasks)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help += 2) {
        struct hooked h = {0};
        filch_options o = {.workers = 3,
                           .help = (enum filch_help)help,
                           .on_thread_start = on_start,
                           .on_thread_stop = on_stop,
                           .hook_arg = &h};
        h.ex = pool_with(o);
        for (int i = 0; i < 20; i++)
            assert_int_equal(filch_submit(h.ex, task_wait_in_hooked_thread, &h, NULL), 0);
        assert_int_equal(filch_executor_wait_idle(h.ex, FILCH_FOREVER), 0);
        uint64_t spares = stats_of(h.ex).spares;
        filch_executor_destroy(h.ex);
        assert_int_equal(count_of(&h.started), 3 + spares);
        assert_int_equal(count_of(&h.stopped), 3 + spares);
    }
}

/* ---- L12: the scoped form ---- */

TEST(l12_a_scoped_pool_that_could_not_be_made_is_null_and_leaves_in_peace)
{
    filch_options bad = {.size = sizeof bad, .workers = UINT_MAX};

    {
        FILCH_SCOPED_POOL(ex, &bad);
        assert_null(ex);
    }
    {
        FILCH_SCOPED_POOL(ex, NULL);
        assert_non_null(ex);
    }
}

static int leave_early(size_t threads)
{
    filch_options o = {.size = sizeof o, .workers = 2};
    FILCH_SCOPED_POOL(ex, &o);

    if (ex != NULL)
        return 1; /* the pool goes all the same */
    await_threads_at_most(threads);
    return 0;
}

TEST(l12_a_scoped_pool_goes_whichever_way_the_block_is_left)
{
    size_t threads = threads_now();

    assert_int_equal(leave_early(threads), 1);
    await_threads_at_most(threads);
}

/* ---- L13: wait for idle ---- */

static int task_wait_idle(void *arg, void **result)
{
    struct from_inside *t = arg;

    t->status = filch_executor_wait_idle(t->ex, FILCH_FOREVER);
    *result = NULL;
    return 0;
}

TEST(l13_idle_means_that_nothing_is_queued_or_running)
{
    struct from_inside t = {.ex = pool_of(2)};
    struct gate gate = {0};
    static const filch_deadline soon[] = {INT64_MIN, -1, 0, 1};

    assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_NOW), 0);
    filch_future *f = submit(t.ex, task_gate, &gate);
    for (size_t i = 0; i < sizeof soon / sizeof soon[0]; i++)
        assert_int_equal(filch_executor_wait_idle(t.ex, soon[i]), FILCH_ETIMEDOUT);
    assert_int_equal(filch_executor_wait_idle(t.ex, filch_in_ms(3)), FILCH_ETIMEDOUT);
    gate_open(&gate);
    assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_FOREVER), 0);
    assert_true(filch_future_done(f));
    assert_int_equal(finish(f), 0);

    assert_int_equal(finish(submit(t.ex, task_wait_idle, &t)), 0);
    assert_int_equal(t.status, FILCH_EDEADLK);
    assert_int_equal(filch_executor_shutdown(t.ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_FOREVER), 0);
    filch_executor_destroy(t.ex);
}

TEST(l13_tasks_of_tasks_are_waited_for_too)
{
    struct parent p = {.ex = pool_of(1)};

    gate_open(&p.gate);
    assert_int_equal(filch_submit(p.ex, task_parent, &p, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(p.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&p.ran), 10);
    for (int i = 0; i < 10; i++)
        filch_future_release(p.child[i]);
    filch_executor_destroy(p.ex);
}

TEST(l13_a_cancelled_task_does_not_keep_the_executor_busy)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, NULL);
    assert_true(filch_future_cancel(f));
    let_go(&hold);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- No waiting ---- */

TEST(no_wait_returns_at_once_and_the_workers_end_by_themselves)
{
    filch_executor *ex = pool_of(3);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);

    gate_await(&gate, 1);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_FOREVER), 0);
    gate_open(&gate);
    assert_int_equal(finish(f), 0);
    while (stats_of(ex).workers != 0)
        sched_yield();
    filch_executor_destroy(ex);
}

/* ---- Nothing is left behind ---- */

TEST(made_and_destroyed_two_thousand_times_nothing_is_left)
{
    size_t threads = threads_now();
    size_t files = files_now();

    for (size_t i = test_scaled(2000); i > 0; i--) {
        filch_executor *ex = pool_of(1 + (unsigned)(i % 4));

        if (i % 3 == 0)
            assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
        if (i % 3 == 1)
            assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
        filch_executor_destroy(ex);
    }
    await_threads_at_most(threads);
    assert_int_equal(files_now(), files);
}

/* ---- Idle costs nothing ---- */

struct cost {
    uint64_t switches;
    uint64_t cpu_ns;
    unsigned threads;
};

static void add_switches(const char *path, struct cost *cost)
{
    char line[128];
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strstr(line, "ctxt_switches:");
        if (colon != NULL)
            cost->switches += strtoull(colon + strlen("ctxt_switches:"), NULL, 10);
    }
    fclose(f);
}

static void add_cpu(const char *path, struct cost *cost)
{
    unsigned long long ns = 0;
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return;
    if (fscanf(f, "%llu", &ns) == 1)
        cost->cpu_ns += ns;
    fclose(f);
}

static bool is_named(const char *path, const char *prefix)
{
    char name[32] = "";
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return false;
    bool read = fgets(name, sizeof name, f) != NULL;
    fclose(f);
    return read && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What the threads whose names begin so have cost up to now. */
static struct cost cost_of(const char *prefix)
{
    struct cost cost = {0};
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    char path[64];

    test_check(tasks != NULL);
    while ((entry = readdir(tasks)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", entry->d_name);
        if (!is_named(path, prefix))
            continue;
        cost.threads++;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/status", entry->d_name);
        add_switches(path, &cost);
        snprintf(path, sizeof path, "/proc/self/task/%.20s/schedstat", entry->d_name);
        add_cpu(path, &cost);
    }
    closedir(tasks);
    return cost;
}

TEST(an_idle_executor_makes_no_context_switch_and_uses_no_cpu)
{
    filch_executor *ex = pool_with((filch_options){.workers = 4, .name = "dozing"});
    const struct timespec while_idle = {2, 0};

    for (int i = 0; i < 100; i++)
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    await_parked(ex, 4);
    await_sleepers("dozing-w", 4); /* the last of them falls asleep */

    struct cost before = cost_of("dozing-w");
    nanosleep(&while_idle, NULL);
    struct cost after = cost_of("dozing-w");
    assert_int_equal(before.threads, 4);
    assert_int_equal(after.threads, 4);
    assert_int_equal(after.switches, before.switches);
    assert_in_range(after.cpu_ns - before.cpu_ns, 0, 1000000);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}
