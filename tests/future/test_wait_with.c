/* SPDX-License-Identifier: MIT
 *
 * test_wait_with.c: filch_wait with options: so many of them, marks in place of an order, how long to
 * watch, and options that make no sense. */
#include "sched/work.h"

enum {
    N = 5
};

static void make(filch_future *f[N])
{
    for (int i = 0; i < N; i++)
        f[i] = promise();
}

static void complete(filch_future *f)
{
    test_check(filch_promise_set_result(f, f) == 0);
}

static void drop(filch_future *f[N])
{
    for (int i = 0; i < N; i++)
        filch_future_release(f[i]);
}

static filch_wait_options at_least(size_t k)
{
    return (filch_wait_options){
        .size = sizeof(filch_wait_options), .when = FILCH_AT_LEAST, .at_least = k};
}

TEST(without_options_all_have_to_be_over)
{
    filch_future *f[N];
    filch_wait_options o = {.size = sizeof o};

    make(f);
    for (int i = 0; i < N; i++)
        complete(f[i]);
    assert_int_equal(filch_wait_with(f, N, NULL), N);
    assert_int_equal(filch_wait_with(f, N, &o), N);
    assert_int_equal(filch_wait_with(NULL, 0, NULL), 0);
    drop(f);
}

TEST(a_deadline_of_0_is_forever_and_a_poll_only_looks)
{
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);
    filch_wait_options o = {.size = sizeof o, .deadline = FILCH_WAIT_POLL};

    assert_int_equal(filch_wait_with(&f, 1, &o), 0);
    o.deadline = filch_in_ns(1);
    assert_int_equal(filch_wait_with(&f, 1, &o), 0);
    gate_await(&gate, 1);
    gate_open(&gate);
    o.deadline = 0;
    assert_int_equal(filch_wait_with(&f, 1, &o), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(at_least_k_holds_at_once_when_k_are_over)
{
    for (size_t k = 0; k <= N; k++) {
        filch_future *f[N];
        filch_wait_options o = at_least(k);

        make(f);
        for (size_t i = 0; i < k; i++)
            complete(f[N - 1 - i]);
        assert_int_equal(filch_wait_with(f, N, &o), k);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(filch_future_done(f[i]), i < k);
        drop(f);
    }
}

TEST(at_least_k_waits_for_no_more_than_k)
{
    for (size_t k = 1; k < N; k++) {
        filch_future *f[N];
        filch_wait_options o = at_least(k + 1);

        make(f);
        for (size_t i = 0; i < k; i++)
            complete(f[i]);
        o.deadline = filch_in_us(10);
        assert_int_equal(filch_wait_with(f, N, &o), k);
        o.at_least = k;
        o.deadline = 0;
        assert_int_equal(filch_wait_with(f, N, &o), k);
        drop(f);
    }
}

TEST(a_future_that_stands_twice_counts_twice)
{
    filch_future *one = promise();
    filch_future *other = promise();
    filch_future *f[3] = {one, other, one};
    filch_wait_options o = at_least(2);

    o.deadline = FILCH_WAIT_POLL;
    assert_int_equal(filch_wait_with(f, 3, &o), 0);
    complete(one);
    o.deadline = 0;
    assert_int_equal(filch_wait_with(f, 3, &o), 2);
    assert_ptr_equal(f[0], one);
    assert_ptr_equal(f[1], one);
    assert_ptr_equal(f[2], other);
    filch_future_release(one);
    filch_future_release(other);
}

TEST(marks_leave_the_array_as_it_is)
{
    filch_future *f[N];
    filch_future *same[N];
    bool done[N] = {true, true, true, true, true};
    filch_wait_options o = at_least(2);

    make(f);
    memcpy(same, f, sizeof f);
    complete(f[1]);
    complete(f[4]);
    o.done = done;
    assert_int_equal(filch_wait_with(f, N, &o), 2);
    assert_memory_equal(f, same, sizeof f);
    for (int i = 0; i < N; i++)
        assert_int_equal(done[i], i == 1 || i == 4);
    o.at_least = N;
    o.deadline = filch_in_ns(1);
    memset(done, 0, sizeof done);
    assert_int_equal(filch_wait_with(f, N, &o), 2);
    assert_true(done[1] && done[4] && !done[0] && !done[2] && !done[3]);
    drop(f);
}

struct sleeper {
    filch_future *f[N];
    filch_wait_options o;
    ptrdiff_t at_most;
};

static void wait_or_complete(unsigned i, void *arg)
{
    struct sleeper *s = arg;
    bool done[N];
    ptrdiff_t over;

    if (i > 0) {
        complete(s->f[i]);
        return;
    }
    s->o.done = done;
    over = filch_wait_with(s->f, N, &s->o);
    test_check(over >= (ptrdiff_t)s->o.at_least && over <= s->at_most);
}

TEST(whoever_sleeps_for_k_is_woken_by_the_kth_whatever_it_watches_before)
{
    const int64_t spins[] = {0, -1, 20000, INT64_MAX};

    for (size_t turn = test_scaled(50); turn > 0; turn--) {
        for (size_t i = 0; i < sizeof spins / sizeof spins[0]; i++) {
            struct sleeper s = {.o = at_least(3), .at_most = 3};

            s.o.spin_ns = spins[i];
            make(s.f);
            test_threads(4, wait_or_complete, &s);
            drop(s.f);
        }
    }
}

static int wait_inside(void *arg, void **result)
{
    filch_executor *ex = arg;
    filch_future *f[N];
    filch_wait_options o = at_least(N - 1);
    counter count = 0;

    (void)result;
    for (int i = 0; i < N - 1; i++)
        f[i] = submit(ex, task_count, &count);
    f[N - 1] = promise();
    test_check(filch_wait_with(f, N, &o) == N - 1);
    test_check(count_of(&count) == N - 1);
    drop(f);
    return 0;
}

TEST(a_task_waits_for_k_of_its_children_on_one_worker)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, wait_inside, ex)), 0);
    filch_executor_destroy(ex);
}

TEST(options_that_make_no_sense_are_refused_and_nothing_is_touched)
{
    filch_future *f[N];
    filch_future *same[N];
    bool done[N] = {true, false, true, false, true};
    struct {
        filch_wait_options now;
        unsigned char tail[16];
    } later = {.now = {.size = sizeof later, .deadline = FILCH_WAIT_POLL}};
    filch_wait_options o = {.size = 0};

    make(f);
    complete(f[3]);
    memcpy(same, f, sizeof f);
    assert_int_equal(filch_wait_with(f, N, &o), FILCH_EINVAL);
    o.size = sizeof o;
    o.done = done;
    o.when = (enum filch_return_when)(FILCH_AT_LEAST + 1);
    assert_int_equal(filch_wait_with(f, N, &o), FILCH_EINVAL);
    o.when = FILCH_AT_LEAST;
    o.at_least = N + 1;
    assert_int_equal(filch_wait_with(f, N, &o), FILCH_EINVAL);
    o.when = FILCH_FIRST_COMPLETED;
    o.at_least = 1;
    assert_int_equal(filch_wait_with(f, N, &o), FILCH_EINVAL);
    o.at_least = 0;
    assert_int_equal(filch_wait_with(NULL, N, &o), FILCH_EINVAL);
    assert_int_equal(filch_wait(f, N, FILCH_AT_LEAST, FILCH_NOW), FILCH_EINVAL);
    later.tail[0] = 1;
    assert_int_equal(filch_wait_with(f, N, &later.now), FILCH_E2BIG);
    assert_memory_equal(f, same, sizeof f);
    assert_true(done[0] && !done[1] && done[2] && !done[3] && done[4]);
    later.tail[0] = 0;
    assert_int_equal(filch_wait_with(f, N, &later.now), 1);
    assert_ptr_equal(f[0], same[3]);
    f[1] = NULL;
    o = at_least(1);
    assert_int_equal(filch_wait_with(f, N, &o), FILCH_EINVAL);
    memcpy(f, same, sizeof f);
    drop(f);
}
