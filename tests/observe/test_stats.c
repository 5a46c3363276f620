/* SPDX-License-Identifier: MIT
 *
 * test_stats.c: what an executor says of itself adds up, at rest and at work. */
#include "sched/work.h"

/* ---- At rest ---- */

static void check_at_rest(const filch_executor_stats *s)
{
    assert_int_equal(s->ended, s->submitted);
    assert_int_equal(s->running, 0);
    assert_int_equal(s->pending, 0);
    assert_in_range(s->executed, 0, s->submitted);
    assert_in_range(s->stolen, 0, s->submitted);
}

TEST(a_new_executor_has_done_nothing)
{
    filch_executor *ex = pool_of(3);
    filch_executor_stats s = stats_of(ex);

    check_at_rest(&s);
    assert_int_equal(s.submitted, 0);
    assert_int_equal(s.executed, 0);
    assert_int_equal(s.stolen, 0);
    assert_int_equal(s.helped, 0);
    assert_int_equal(s.workers, 3);
    assert_int_equal(s.spares, 0);
    assert_int_equal(s.trace_dropped, 0);
    assert_true(s.memory_bytes > 0);
    filch_executor_destroy(ex);
}

struct branch {
    filch_executor *ex;
    unsigned height;
};

/* Two below it, one of which nobody waits for. */
static int task_branch(void *arg, void **result)
{
    struct branch b = *(struct branch *)arg;
    filch_future *f = NULL;

    *result = NULL;
    if (b.height-- == 0)
        return 0;
    test_check(filch_submit_copy(b.ex, task_branch, &b, sizeof b, NULL) == 0);
    test_check(filch_submit_copy(b.ex, task_branch, &b, sizeof b, &f) == 0);
    return finish(f);
}

TEST(after_all_kinds_of_work_the_counters_add_up)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool_of(workers);
        struct branch b = {ex, 9};
        filch_future *batch[100];
        uint64_t submitted = 0;
        uint64_t cancelled = 0;

        for (int turn = 0; turn < 5; turn++) {
            assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
            assert_int_equal(finish(submit(ex, task_fail, number(1))), 1);
            assert_int_equal(finish(submit(ex, task_branch, &b)), 0);
            assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 100, batch), 0);
            assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 100, NULL), 0);
            for (int i = 0; i < 100; i++) {
                cancelled += filch_future_cancel(batch[i]);
                filch_future_release(batch[i]);
            }
            submitted += 2 + 1023 + 200;
            assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);

            filch_executor_stats s = stats_of(ex);
            check_at_rest(&s);
            assert_int_equal(s.submitted, submitted);
            assert_int_equal(s.executed, submitted - cancelled);
        }
        filch_executor_destroy(ex);
    }
}

TEST(after_a_shutdown_that_cancels_the_counters_still_add_up)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f[50];

    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 50, f), 0);
    assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 50, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(finish(f[i]), FILCH_ECANCELED);

    filch_executor_stats s = stats_of(ex);
    check_at_rest(&s);
    assert_int_equal(s.submitted, 101);
    assert_int_equal(s.executed, 1);
    assert_int_equal(s.workers, 0);
    filch_executor_destroy(ex);
}

/* ---- At work ---- */

TEST(what_runs_and_what_waits_its_turn_is_told_while_it_does)
{
    filch_executor *ex = pool_of(2);
    struct gate gate = {0};

    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_submit(ex, task_gate, &gate, NULL), 0);
    gate_await(&gate, 2);
    for (int i = 0; i < 7; i++)
        assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);

    filch_executor_stats s = stats_of(ex);
    assert_int_equal(s.submitted, 9);
    assert_int_equal(s.running, 2);
    assert_int_equal(s.pending, 7);
    assert_int_equal(s.ended, 0);
    assert_int_equal(s.executed, 0);
    assert_int_equal(s.workers, 2);

    gate_open(&gate);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    s = stats_of(ex);
    check_at_rest(&s);
    assert_int_equal(s.executed, 9);
    filch_executor_destroy(ex);
}

struct load {
    filch_executor *ex;
    counter at_work;
};

static void work_or_read(unsigned i, void *arg)
{
    struct load *l = arg;
    filch_executor_stats before = {0};

    if (i > 0) {
        for (size_t n = test_scaled(20000); n > 0; n--)
            test_check(filch_submit(l->ex, task_echo, NULL, NULL) == 0);
        fl_sub(&l->at_work, 1, release); /* -> work_or_read */
        return;
    }
    while (fl_load(&l->at_work, acquire) != 0) { /* <- work_or_read */
        filch_executor_stats s = stats_of(l->ex);

        test_check(s.submitted >= before.submitted && s.ended >= before.ended);
        test_check(s.executed >= before.executed && s.parks >= before.parks);
        test_check(s.pending + s.running == s.submitted - s.ended);
        test_check(s.pending <= s.submitted && s.running <= s.submitted);
        before = s;
    }
}

TEST(a_reader_beside_the_work_never_sees_less_than_nothing)
{
    struct load l = {.ex = pool_of(2), .at_work = 2};

    test_threads(3, work_or_read, &l);
    assert_int_equal(filch_executor_wait_idle(l.ex, FILCH_FOREVER), 0);
    filch_executor_stats s = stats_of(l.ex);
    check_at_rest(&s);
    filch_executor_destroy(l.ex);
}

/* ---- One counter each ---- */

static int task_parent(void *arg, void **result)
{
    *result = NULL;
    return finish(submit(arg, task_echo, NULL));
}

TEST(a_child_that_a_waiting_worker_runs_is_help)
{
    filch_executor *ex = pool_of(1);

    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(finish(submit(ex, task_parent, ex)), 0);
        assert_int_equal(stats_of(ex).helped, i);
    }
    filch_executor_destroy(ex);
}

struct theft {
    filch_executor *ex;
    struct gate gate;
};

static int task_open(void *arg, void **result)
{
    gate_open(arg);
    *result = NULL;
    return 0;
}

static int task_be_robbed(void *arg, void **result)
{
    struct theft *t = arg;

    test_check(filch_submit(t->ex, task_open, &t->gate, NULL) == 0);
    gate_pass(&t->gate); /* until another worker has run what lies on this one's deque */
    *result = NULL;
    return 0;
}

TEST(what_another_worker_takes_is_counted_as_stolen)
{
    filch_executor *ex = pool_of(2);

    for (uint64_t i = 1; i <= 10; i++) {
        struct theft t = {.ex = ex};

        assert_int_equal(finish(submit(ex, task_be_robbed, &t)), 0);
        assert_int_equal(stats_of(ex).stolen, i);
    }
    filch_executor_destroy(ex);
}

TEST(sleeping_and_waking_are_counted_in_pairs)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .spin_ns = -1});
    filch_executor_stats s;

    for (uint64_t i = 1; i <= 20; i++) {
        do {
            sched_yield();
            s = stats_of(ex);
        } while (s.parks - s.wakes != 2);
        assert_true(s.wakes >= i - 1);
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    s = stats_of(ex);
    assert_int_equal(s.parks, s.wakes);
    filch_executor_destroy(ex);
}

TEST(memory_grows_with_what_is_queued_and_with_workers)
{
    filch_executor *small = pool_of(1);
    filch_executor *large = pool_of(8);
    struct hold hold = {0};
    uint64_t before = stats_of(small).memory_bytes;

    assert_in_range(stats_of(large).memory_bytes, before + 1, UINT64_MAX);
    hold_worker(&hold, small);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(filch_submit(small, task_echo, NULL, NULL), 0);
    assert_in_range(stats_of(small).memory_bytes, before + 10000 * 64, before + 10000 * 1000);
    let_go(&hold);
    filch_executor_destroy(small);
    filch_executor_destroy(large);
}

/* ---- Sizes ---- */

TEST(stats_without_a_size_are_invalid_and_stay_as_they_are)
{
    filch_executor *ex = pool_of(1);
    filch_executor_stats s;
    filch_executor_stats untouched;

    for (size_t size = 0; size < sizeof(size_t); size++) {
        memset(&s, 0x5A, sizeof s);
        s.size = size;
        untouched = s;
        assert_int_equal(filch_executor_stats_read(ex, &s), FILCH_EINVAL);
        assert_memory_equal(&s, &untouched, sizeof s);
    }
    assert_int_equal(filch_executor_stats_read(ex, NULL), FILCH_EINVAL);
    filch_executor_destroy(ex);
}

TEST(stats_fill_in_as_much_as_their_size_says)
{
    filch_executor *ex = pool_of(1);
    struct {
        filch_executor_stats now;
        unsigned char tail[40];
    } later;
    const unsigned char *bytes = (const unsigned char *)&later;

    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    for (size_t size = sizeof(size_t); size <= sizeof later; size++) {
        memset(&later, 0x5A, sizeof later);
        later.now.size = size;
        assert_int_equal(filch_executor_stats_read(ex, &later.now), 0);
        assert_int_equal(later.now.size, size);
        if (size >= offsetof(filch_executor_stats, ended))
            assert_int_equal(later.now.submitted, 3);
        if (size >= offsetof(filch_executor_stats, executed))
            assert_int_equal(later.now.ended, 3);
        for (size_t i = sizeof later.now; i < size; i++)
            assert_int_equal(bytes[i], 0);
        for (size_t i = size; i < sizeof later; i++)
            assert_int_equal(bytes[i], 0x5A);
    }
    filch_executor_destroy(ex);
}

/* ---- Rivals ---- */

TEST(a_rival_keeps_no_statistics_no_trace_and_no_names)
{
    static const enum filch_backend rivals[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                                FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};

    for (size_t i = 0; i < 2; i++) {
        filch_options o = {
            .size = sizeof o, .workers = 1, .backend = rivals[i], .trace_events = 100};
        filch_executor_stats s = {.size = sizeof s};
        filch_trace_event event;
        filch_executor *ex = NULL;
        int status = filch_executor_create(&ex, &o);

        if (status == FILCH_ENOTSUP && rivals[i] == FILCH_BACKEND_CK)
            continue; /* a build without it */
        assert_int_equal(status, 0);
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
        assert_int_equal(filch_executor_stats_read(ex, &s), FILCH_ENOTSUP);
        assert_int_equal(filch_executor_trace_next(ex, &event), FILCH_ENOTSUP);
        assert_int_equal(filch_executor_name_function(ex, task_echo, "echo"), FILCH_ENOTSUP);
        filch_executor_destroy(ex);
    }
}
