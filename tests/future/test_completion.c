/* SPDX-License-Identifier: MIT
 *
 * test_completion.c: filch_as_completed: each future once, those that are over first, then as they end;
 * one deadline for all, from the call; and nothing is left behind. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static filch_completion *as_completed(filch_future *const *f, size_t n, filch_deadline deadline)
{
    filch_completion *it = NULL;

    test_check(filch_as_completed(&it, f, n, deadline) == 0);
    test_check(it != NULL);
    return it;
}

static void end(filch_future *f, int status)
{
    if (status == 0)
        test_check(filch_promise_set_result(f, f) == 0);
    else if (status == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, status, NULL) == 0);
}

/* The next one, which is there by now. */
static filch_future *next_now(filch_completion *it)
{
    filch_future *f = NULL;

    test_check(filch_completion_next(it, &f) == 0);
    test_check(filch_future_done(f));
    return f;
}

static void check_end(filch_completion *it)
{
    filch_future *f = NULL;

    for (int i = 0; i < 3; i++)
        test_check(filch_completion_next(it, &f) == FILCH_EEND);
}

static void promises(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f[i] = promise();
}

static void release_all(filch_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

/* ---- Order, and how often ---- */

TEST(r25_futures_come_in_the_order_in_which_they_end_however_they_end)
{
    static const int order[] = {3, 0, 5, 1, 4, 2};
    static const int ends[] = {0, 7, FILCH_ECANCELED, 0, FILCH_ENOMEM, FILCH_ECANCELED};
    filch_future *f[6];

    promises(f, 6);
    for (int batch = 1; batch <= 3; batch++) { /* so many end before they are asked for */
        filch_completion *it = as_completed(f, 6, FILCH_FOREVER);

        for (int i = 0; i < 6; i += batch) {
            for (int k = i; k < i + batch; k++)
                end(f[order[k]], ends[order[k]]);
            for (int k = i; k < i + batch; k++)
                assert_ptr_equal(next_now(it), f[order[k]]);
        }
        check_end(it);
        filch_completion_close(it);
        for (int i = 0; i < 6; i++)
            assert_int_equal(finish(f[i]), ends[i]);
        promises(f, 6);
    }
    release_all(f, 6);
}

TEST(r25_those_that_are_over_come_first_in_the_order_given)
{
    filch_future *f[8];

    promises(f, 8);
    end(f[6], 0);
    end(f[1], FILCH_ECANCELED);
    end(f[4], 5);
    filch_completion *it = as_completed(f, 8, FILCH_FOREVER);
    end(f[7], 0);
    end(f[0], 0);
    assert_ptr_equal(next_now(it), f[1]);
    assert_ptr_equal(next_now(it), f[4]);
    end(f[5], 0);
    assert_ptr_equal(next_now(it), f[6]);
    assert_ptr_equal(next_now(it), f[7]);
    assert_ptr_equal(next_now(it), f[0]);
    assert_ptr_equal(next_now(it), f[5]);
    end(f[3], 0);
    end(f[2], 0);
    assert_ptr_equal(next_now(it), f[3]);
    assert_ptr_equal(next_now(it), f[2]);
    check_end(it);
    filch_completion_close(it);
    release_all(f, 8);
}

TEST(r25_duplicates_come_once)
{
    filch_future *a = promise();
    filch_future *b = promise();
    filch_future *c = promise();
    filch_future *f[] = {a, b, a, a, c, b, c, a};

    end(c, 0);
    filch_completion *it = as_completed(f, 8, FILCH_FOREVER);
    end(b, 0);
    end(a, 0);
    assert_ptr_equal(next_now(it), c);
    assert_ptr_equal(next_now(it), b);
    assert_ptr_equal(next_now(it), a);
    check_end(it);
    filch_completion_close(it);
    filch_future_release(a);
    filch_future_release(b);
    filch_future_release(c);
}

TEST(of_none_at_all_the_end_comes_at_once)
{
    filch_completion *it = as_completed(NULL, 0, FILCH_FOREVER);

    check_end(it);
    filch_completion_close(it);
    filch_completion_close(NULL);
}

enum {
    MANY = 10000
};

static filch_future *many[MANY + MANY];

/* Places in an order that jumps about: 7919 and MANY have no divisor in common. */
static size_t jump(size_t i)
{
    return (i * 7919) % MANY;
}

TEST(ten_thousand_futures_come_in_order_each_once)
{
    promises(many, MANY);
    for (size_t i = 0; i < MANY; i++)
        many[MANY + i] = many[jump(i)]; /* and all of them again */
    for (size_t i = 0; i < MANY; i += 10)
        end(many[i], 0);
    filch_completion *it = as_completed(many, 2 * (size_t)MANY, FILCH_FOREVER);
    for (size_t i = 0; i < MANY; i += 10)
        assert_ptr_equal(next_now(it), many[i]);
    for (size_t i = 0; i < MANY; i++) {
        if (jump(i) % 10 != 0)
            end(many[jump(i)], 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (jump(i) % 10 != 0)
            assert_ptr_equal(next_now(it), many[jump(i)]);
    }
    check_end(it);
    filch_completion_close(it);
    release_all(many, MANY);
}

/* ---- References ---- */

TEST(r27_a_future_that_has_come_out_is_not_kept_any_more)
{
    int64_t before = blocks_now();
    filch_future *f[4];

    promises(f, 4);
    end(f[0], 0);
    filch_completion *it = as_completed(f, 4, FILCH_FOREVER);
    end(f[2], 0);
    for (int i = 0; i < 2; i++)
        filch_future_release(next_now(it)); /* the only reference, and with it the future, goes */
    f[0] = f[3];
    f[2] = promise(); /* in the place of a freed one, as like as not */
    end(f[1], 0);
    assert_ptr_equal(next_now(it), f[1]);
    filch_future_release(f[1]);
    end(f[0], 0);
    assert_ptr_equal(next_now(it), f[0]);
    filch_future_release(f[0]);
    check_end(it);
    filch_future_release(f[2]);
    filch_completion_close(it);
    assert_int_equal(blocks_now(), before);
}

TEST(the_array_is_not_needed_any_more)
{
    filch_future *f[3];
    filch_future *copy[3];

    promises(f, 3);
    memcpy(copy, f, sizeof f);
    filch_completion *it = as_completed(copy, 3, FILCH_FOREVER);
    memset(copy, 0, sizeof copy);
    for (int i = 3; i-- > 0;) {
        end(f[i], 0);
        assert_ptr_equal(next_now(it), f[i]);
    }
    filch_completion_close(it);
    release_all(f, 3);
}

TEST(r27_a_closed_iterator_leaves_no_trace)
{
    int64_t before = blocks_now();

    for (int come = 0; come <= 2; come++) {
        filch_future *f[4];

        promises(f, 4);
        end(f[3], 0);
        filch_completion *it = as_completed(f, 4, FILCH_FOREVER);
        end(f[1], 0);
        for (int i = 0; i < come; i++)
            next_now(it);
        filch_completion_close(it);
        end(f[0], 0); /* tells nobody */
        assert_true(filch_future_cancel(f[2]));
        release_all(f, 4);
        assert_int_equal(blocks_now(), before);
    }
}

/* A node stays with its future, for the next one who waits. */
TEST(r27_iterators_that_are_closed_early_take_the_same_room_again)
{
    filch_future *f[3];

    promises(f, 3);
    filch_completion_close(as_completed(f, 3, FILCH_FOREVER));
    int64_t before = blocks_now();
    for (int i = 0; i < 1000; i++) {
        filch_completion *it = as_completed(f, 3, FILCH_NOW);
        filch_future *none;

        assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
        filch_completion_close(it);
        assert_int_equal(blocks_now(), before);
    }
    release_all(f, 3);
}

/* As many requests as a server has under way, each over before those that came after it. */
TEST(r27_a_long_lived_future_has_no_more_nodes_than_it_had_iterators_at_once)
{
    enum {
        AT_ONCE = 100
    };
    filch_future *f = promise();
    filch_completion *it[AT_ONCE];
    int64_t before;

    for (int i = 0; i < AT_ONCE; i++)
        it[i] = as_completed(&f, 1, FILCH_FOREVER);
    before = blocks_now();
    for (int i = 0; i < 10000; i++) {
        filch_completion_close(it[i % AT_ONCE]);
        it[i % AT_ONCE] = as_completed(&f, 1, FILCH_FOREVER);
    }
    assert_in_range(blocks_now() - before, 0, AT_ONCE);
    for (int i = 0; i < AT_ONCE; i++)
        filch_completion_close(it[i]);
    filch_future_release(f);
}

TEST(two_iterators_and_a_wait_share_their_futures)
{
    filch_future *f[5];
    filch_future *waited[5];

    promises(f, 5);
    memcpy(waited, f, sizeof f);
    filch_completion *one = as_completed(f, 5, FILCH_FOREVER);
    filch_completion *two = as_completed(f + 1, 4, FILCH_FOREVER);
    for (int i = 5; i-- > 0;) {
        assert_int_equal(filch_wait(waited, 5, FILCH_ALL_COMPLETED, FILCH_NOW), 4 - i);
        end(f[i], 0);
        assert_ptr_equal(next_now(one), f[i]);
        if (i > 0)
            assert_ptr_equal(next_now(two), f[i]);
    }
    check_end(one);
    check_end(two);
    filch_completion_close(one);
    filch_completion_close(two);
    release_all(f, 5);
}

/* ---- Time ---- */

TEST(r26_what_is_over_comes_after_the_deadline_too)
{
    static const filch_deadline past[] = {FILCH_NOW, -1, INT64_MIN, 1};

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        filch_future *f[5];
        filch_future *none;

        promises(f, 5);
        end(f[2], 0);
        filch_completion *it = as_completed(f, 5, past[i]);
        assert_ptr_equal(next_now(it), f[2]);
        assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
        end(f[4], 0);
        end(f[1], 0);
        assert_ptr_equal(next_now(it), f[4]);
        assert_ptr_equal(next_now(it), f[1]);
        for (int again = 0; again < 3; again++)
            assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
        end(f[0], 0);
        end(f[3], 0);
        assert_ptr_equal(next_now(it), f[0]);
        assert_ptr_equal(next_now(it), f[3]);
        check_end(it);
        filch_completion_close(it);
        release_all(f, 5);
    }
}

/* Whatever passes before the first next is of the iterator's time. */
TEST(e7_the_deadline_counts_from_the_call)
{
    filch_future *f = promise();
    filch_future *none;
    filch_deadline deadline = filch_in_ms(20);
    filch_completion *it = as_completed(&f, 1, deadline);

    while (fl_now() < deadline)
        sched_yield();
    int64_t asked = fl_now();
    assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
    assert_true(fl_now() - asked <
                INT64_C(10000000000)); /* did not wait for ever: no more is said */
    filch_completion_close(it);
    filch_future_release(f);
}

TEST(r26_one_deadline_is_for_all_and_does_not_pass_early)
{
    filch_future *f[3];
    filch_future *none;

    for (int ms = 0; ms < 4; ms++) {
        promises(f, 3);
        filch_deadline deadline = filch_in_ms(ms);
        filch_completion *it = as_completed(f, 3, deadline);

        end(f[1], 0);
        assert_ptr_equal(next_now(it), f[1]);
        assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
        assert_true(fl_now() >= deadline);
        end(f[0], 0);
        assert_ptr_equal(next_now(it), f[0]);
        assert_int_equal(filch_completion_next(it, &none), FILCH_ETIMEDOUT);
        filch_completion_close(it);
        release_all(f, 3);
    }
}

struct race {
    filch_future **f;
    size_t n;
};

static void iterate_or_end(unsigned i, void *arg)
{
    const struct race *r = arg;

    if (i == 0) {
        filch_completion *it = as_completed(r->f, r->n, FILCH_FOREVER);

        for (size_t k = 0; k < r->n; k++)
            next_now(it);
        check_end(it);
        filch_completion_close(it);
        return;
    }
    for (size_t k = 0; k < r->n; k++)
        end(r->f[k], k % 2 == 0 ? 0 : FILCH_ECANCELED);
}

TEST(whoever_sleeps_is_woken_by_each_that_ends)
{
    filch_future *f[5];

    for (size_t turn = test_scaled(200); turn > 0; turn--) {
        promises(f, 5);
        test_threads(2, iterate_or_end, &(struct race){f, 5});
        release_all(f, 5);
    }
}

/* ---- Cancelled ---- */

TEST(e1_a_cancelled_future_counts_as_over_before_and_after)
{
    filch_future *f[2];

    promises(f, 2);
    end(f[0], FILCH_ECANCELED);
    filch_completion *it = as_completed(f, 2, FILCH_FOREVER);
    end(f[1], FILCH_ECANCELED);
    for (int i = 0; i < 2; i++) {
        filch_future *done = next_now(it);

        assert_ptr_equal(done, f[i]);
        assert_true(filch_future_cancelled(done));
    }
    check_end(it);
    filch_completion_close(it);
    release_all(f, 2);
}

TEST(e1_what_a_shutdown_cancels_comes)
{
    enum {
        N = 20
    };
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f[N + 1];

    hold_worker(&hold, ex);
    for (int i = 0; i < N; i++)
        f[i] = submit(ex, task_echo, NULL);
    f[N] = hold.f;
    filch_completion *it = as_completed(f, N + 1, FILCH_FOREVER);
    assert_int_equal(
        filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER), 0);
    for (int i = 0; i < N; i++)
        assert_true(filch_future_cancelled(next_now(it)));
    gate_open(&hold.gate);
    assert_ptr_equal(next_now(it), hold.f);
    check_end(it);
    filch_completion_close(it);
    release_all(f, N + 1);
    filch_executor_destroy(ex);
}

/* ---- Executors ---- */

TEST(r24_futures_of_two_executors_and_promises_mix)
{
    filch_executor *ex[2] = {pool_of(1), pool_of(2)};
    intptr_t sum = 0;

    for (size_t i = 0; i < MANY; i++) {
        many[i] = i % 3 == 2 ? promise() : submit(ex[i % 3], task_echo, number((intptr_t)i));
        if (i % 3 == 2 && i % 2 == 0)
            test_check(filch_promise_set_result(many[i], number((intptr_t)i)) == 0);
    }
    filch_completion *it = as_completed(many, MANY, FILCH_FOREVER);
    for (size_t i = 0; i < MANY; i++) {
        if (i % 3 == 2 && i % 2 == 1)
            test_check(filch_promise_set_result(many[i], number((intptr_t)i)) == 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        void *result = NULL;

        assert_int_equal(filch_future_result(next_now(it), FILCH_NOW, &result), 0);
        sum += (intptr_t)result;
    }
    assert_int_equal(sum, (intptr_t)MANY * (MANY - 1) / 2);
    check_end(it);
    filch_completion_close(it);
    release_all(many, MANY);
    filch_executor_destroy(ex[0]);
    filch_executor_destroy(ex[1]);
}

static _Thread_local unsigned waits; /* of this thread, one on top of the other */

static int task_on_top(void *arg, void **result)
{
    test_check(waits == 1);
    return task_echo(arg, result);
}

static int next_marked(filch_completion *it, filch_future **f)
{
    int status;

    waits++;
    status = filch_completion_next(it, f);
    waits--;
    return status;
}

enum {
    CHILDREN = 40
};

static int task_iterate(void *arg, void **result)
{
    filch_future *f[CHILDREN];
    filch_future *done = NULL;
    bool seen[CHILDREN] = {false};

    for (intptr_t i = 0; i < CHILDREN; i++)
        f[i] = submit(arg, task_on_top, number(i));
    filch_completion *it = as_completed(f, CHILDREN, FILCH_FOREVER);
    for (int i = 0; i < CHILDREN; i++) {
        void *which = NULL;

        test_check(next_marked(it, &done) == 0);
        test_check(filch_future_result(done, FILCH_NOW, &which) == 0);
        test_check(!seen[(intptr_t)which]);
        seen[(intptr_t)which] = true;
    }
    check_end(it);
    filch_completion_close(it);
    release_all(f, CHILDREN);
    *result = NULL;
    return 0;
}

TEST(e6_the_only_worker_runs_what_it_waits_for_itself)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_ANY; help++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 1, .help = (enum filch_help)help});

        assert_int_equal(finish(submit(ex, task_iterate, ex)), 0);
        assert_int_equal(stats_of(ex).spares, 0);
        assert_int_equal(stats_of(ex).helped, CHILDREN);
        filch_executor_destroy(ex);
    }
}

static int task_iterate_without_help(void *arg, void **result)
{
    filch_future *f[CHILDREN];

    for (int i = 0; i < CHILDREN; i++)
        f[i] = submit(arg, task_echo, NULL);
    filch_nohelp_begin();
    filch_completion *it = as_completed(f, CHILDREN, FILCH_FOREVER);
    for (int i = 0; i < CHILDREN; i++)
        next_now(it);
    filch_nohelp_end();
    filch_completion_close(it);
    release_all(f, CHILDREN);
    *result = NULL;
    return 0;
}

TEST(in_a_nohelp_region_others_run_what_a_worker_iterates_over)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 1, .help = (enum filch_help)help});

        assert_int_equal(finish(submit(ex, task_iterate_without_help, ex)), 0);
        filch_executor_destroy(ex);
    }
}

static int task_iterate_over_many(void *arg, void **result)
{
    for (size_t i = 0; i < MANY; i++)
        many[i] = submit(arg, task_echo, NULL);
    filch_completion *it = as_completed(many, MANY, FILCH_FOREVER);
    for (size_t i = 0; i < MANY; i++)
        next_now(it);
    check_end(it);
    filch_completion_close(it);
    release_all(many, MANY);
    *result = NULL;
    return 0;
}

TEST(a_task_may_iterate_over_ten_thousand_of_its_own)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        assert_int_equal(finish(submit(ex, task_iterate_over_many, ex)), 0);
        filch_executor_destroy(ex);
    }
}

struct family {
    filch_executor *ex;
    filch_future *parent;
    struct gate gate;
};

static int task_iterate_over_ancestors(void *arg, void **result)
{
    struct family *x = arg;
    filch_completion *it = NULL;
    filch_future *f[2] = {promise(), NULL};

    gate_pass(&x->gate);
    f[1] = x->parent;
    test_check(filch_as_completed(&it, f, 2, FILCH_NOW) == FILCH_EDEADLK);
    test_check(it == NULL);
    filch_future_release(f[0]);
    *result = NULL;
    return 0;
}

TEST(a_task_that_would_wait_for_itself_is_told_so)
{
    struct family x = {.ex = pool_of(1)};

    x.parent = submit(x.ex, task_iterate_over_ancestors, &x);
    gate_open(&x.gate);
    assert_int_equal(finish(x.parent), 0);
    filch_executor_destroy(x.ex);
}

/* ---- In a callback ---- */

struct deep {
    filch_executor *ex;
    filch_future *f[20];
    int length;
    int status;
};

static void iterate_here(filch_future *f, void *user)
{
    struct deep *d = user;
    filch_future *child = submit(d->ex, task_echo, NULL);
    filch_completion *it = as_completed(&child, 1, FILCH_FOREVER);
    filch_future *done = NULL;

    (void)f;
    d->status = filch_completion_next(it, &done);
    test_check(d->status != 0 || done == child);
    filch_completion_close(it);
    filch_future_release(child);
}

static void end_next(filch_future *f, void *user)
{
    struct deep *d = user;

    for (int i = 0; i + 1 < d->length; i++) {
        if (d->f[i] == f) {
            end(d->f[i + 1], 0);
            return;
        }
    }
}

static int task_chain(void *arg, void **result)
{
    struct deep *d = arg;

    promises(d->f, (size_t)d->length);
    for (int i = 0; i + 1 < d->length; i++)
        test_check(filch_future_add_done_callback(d->f[i], end_next, d) == 0);
    test_check(filch_future_add_done_callback(d->f[d->length - 1], iterate_here, d) == 0);
    end(d->f[0], 0);
    release_all(d->f, (size_t)d->length);
    *result = NULL;
    return 0;
}

/* Tellings that are put off because they would nest too deep are told to whoever waits for them. */
TEST(a_callback_that_iterates_on_the_only_worker_is_told_however_deep_it_is)
{
    for (int length = 1; length <= 20; length++) {
        struct deep d = {.ex = pool_of(1), .length = length, .status = -1};

        assert_int_equal(finish(submit(d.ex, task_chain, &d)), 0);
        filch_executor_destroy(d.ex);
        assert_int_equal(d.status, 0);
    }
}

/* ---- Arguments ---- */

TEST(what_is_missing_is_refused_and_nothing_is_made)
{
    int64_t before = blocks_now();
    filch_future *f[3] = {promise(), NULL, promise()};
    filch_completion *it = NULL;
    filch_future *done = NULL;
    volatile size_t beyond = SIZE_MAX; /* for the compiler to know nothing of */

    assert_int_equal(filch_as_completed(NULL, f, 1, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_as_completed(&it, NULL, 1, FILCH_NOW), FILCH_EINVAL);
    assert_int_equal(filch_as_completed(&it, NULL, beyond, FILCH_NOW), FILCH_EINVAL);
    for (size_t n = 2; n <= 3; n++)
        assert_int_equal(filch_as_completed(&it, f, n, FILCH_FOREVER), FILCH_EINVAL);
    assert_null(it);
    assert_int_equal(filch_completion_next(NULL, &done), FILCH_EINVAL);
    it = as_completed(f, 1, FILCH_NOW);
    assert_int_equal(filch_completion_next(it, NULL), FILCH_EINVAL);
    end(f[0], 0);
    assert_int_equal(filch_completion_next(it, NULL), FILCH_EINVAL); /* and it is not lost */
    assert_ptr_equal(next_now(it), f[0]);
    filch_completion_close(it);
    release_all(f, 3);
    assert_int_equal(blocks_now(), before);
}

TEST(errno_is_left_alone)
{
    errno = 4711;
    filch_future *f = promise();
    filch_completion *it = as_completed(&f, 1, filch_in_us(100));
    filch_future *done;

    test_check(filch_completion_next(it, &done) == FILCH_ETIMEDOUT);
    end(f, 0);
    next_now(it);
    filch_completion_close(it);
    filch_future_release(f);
    assert_int_equal(errno, 4711);
}

/* ---- Fork ---- */

struct parents {
    filch_future *pending; /* a held executor's */
    filch_future *over;
    filch_completion *it;    /* over both */
    filch_completion *begun; /* over the pending one */
};

static void be_child(const struct parents *p)
{
    filch_future *f[2] = {p->pending, p->over};
    filch_completion *it = NULL;
    filch_future *done = NULL;

    test_check(filch_as_completed(&it, f, 2, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(it == NULL);
    it = as_completed(f + 1, 1, FILCH_FOREVER);
    test_check(next_now(it) == p->over);
    check_end(it);
    filch_completion_close(it);
    test_check(next_now(p->it) == p->over);
    test_check(filch_completion_next(p->begun, &done) == FILCH_EFORKED);
    test_check(filch_completion_next(p->it, &done) == FILCH_EFORKED);
    filch_completion_close(p->it);
    filch_completion_close(p->begun);
}

TEST(k1_in_a_forked_child_what_its_parent_began_says_so)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    struct parents p;
    int status = 0;

    hold_worker(&hold, ex);
    p.pending = submit(ex, task_echo, NULL);
    p.over = promise();
    end(p.over, 0);
    filch_future *f[2] = {p.pending, p.over};
    p.it = as_completed(f, 2, FILCH_FOREVER);
    p.begun = as_completed(f, 1, FILCH_FOREVER);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(10);
        be_child(&p);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    let_go(&hold);
    assert_ptr_equal(next_now(p.it), p.over);
    assert_ptr_equal(next_now(p.it), p.pending);
    assert_ptr_equal(next_now(p.begun), p.pending);
    filch_completion_close(p.it);
    filch_completion_close(p.begun);
    filch_future_release(p.pending);
    filch_future_release(p.over);
    filch_executor_destroy(ex);
    assert_int_equal(status, 0);
}
