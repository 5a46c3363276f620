/* SPDX-License-Identifier: MIT
 *
 * stress_timer.c: a million times at once, each of which comes once; threads that submit and cancel
 * against the clock; periodic tasks that are cancelled in the middle; and executors that end with all
 * of that under way. The sums are exact. */
#include "sched/work.h"

#include "base/clock.h"

/* ---- Very many ---- */

struct load {
    filch_deadline when;
    counter *ran;
    fl_atomic(uint32_t) runs;
};

static int carry(void *arg, void **result)
{
    struct load *load = arg;

    (void)result;
    test_check(fl_now() >= load->when);
    test_check(fl_add(&load->runs, 1, relaxed) == 0);
    count_one(load->ran);
    return 0;
}

TEST(a_million_times_come_once_each_and_none_is_early)
{
    size_t n = test_scaled(1000000);
    struct load *loads = calloc(n, sizeof *loads);
    filch_executor *ex = pool_of(2);
    uint64_t seed = test_seed();
    filch_deadline base = filch_in_ms(20);
    counter ran = 0;

    assert_non_null(loads);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = random_from(seed, i);

        loads[i].when = base + (int64_t)(x % 1000000000);
        loads[i].ran = &ran;
        assert_int_equal(filch_submit_at(ex, loads[i].when, carry, &loads[i], NULL), 0);
    }
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fl_load(&loads[i].runs, relaxed), 1); /* settled by destroy */
    free(loads);
}

TEST(a_million_that_are_cancelled_are_gone_and_the_others_run)
{
    size_t n = test_scaled(1000000);
    filch_future **f = calloc(n, sizeof(filch_future *));
    filch_executor *ex = pool_of(2);
    filch_deadline when = filch_in_s(3600);
    counter ran = 0;

    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(filch_submit_at(ex, i % 1000 == 0 ? filch_in_ms(5) : when + (int64_t)i,
                                         task_count, &ran, &f[i]),
                         0);
    for (size_t i = 0; i < n; i++) {
        if (i % 1000 != 0)
            assert_true(filch_future_cancel(f[i]));
    }
    filch_executor_destroy(ex); /* nothing is left to wait for but those that come soon */
    assert_true(fl_now() < when);
    assert_int_equal(count_of(&ran), (n + 999) / 1000);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(filch_future_cancelled(f[i]), i % 1000 != 0);
        filch_future_release(f[i]);
    }
    free(f);
}

/* ---- Many threads ---- */

struct race {
    filch_executor *ex;
    uint64_t seed;
    size_t turns;
    counter accepted;
    counter refused;
    counter cancelled;
    counter ran;
};

static void submit_and_cancel(unsigned i, void *arg)
{
    enum {
        AT_ONCE = 64
    };
    struct race *r = arg;
    uint64_t x = random_from(r->seed, i);

    for (size_t turn = 0; turn < r->turns; turn++) {
        filch_future *f[AT_ONCE];
        size_t n = 0;

        for (; n < AT_ONCE; n++) {
            filch_deadline when = filch_in_ns((int64_t)(random_next(&x) % 200000));
            int status = filch_submit_at(r->ex, when, task_count, &r->ran, &f[n]);

            if (status != 0) {
                test_check(status == FILCH_ESHUTDOWN);
                count_one(&r->refused);
                break;
            }
            count_one(&r->accepted);
        }
        while (n-- > 0) {
            if (random_next(&x) % 2 == 0)
                filch_future_cancel(f[n]);
            if (finish(f[n]) != 0)
                count_one(&r->cancelled);
        }
    }
}

TEST(what_is_submitted_and_cancelled_by_many_runs_or_is_cancelled)
{
    struct race r = {.ex = pool_of(2), .seed = test_seed(), .turns = test_scaled(300)};

    test_threads(4, submit_and_cancel, &r);
    filch_executor_destroy(r.ex);
    assert_int_equal(count_of(&r.refused), 0);
    assert_int_equal(count_of(&r.accepted), 4 * r.turns * 64);
    assert_int_equal(count_of(&r.ran) + count_of(&r.cancelled), count_of(&r.accepted));
}

struct end {
    struct race race;
    unsigned flags;
};

static void submit_until_the_end(unsigned i, void *arg)
{
    struct end *end = arg;

    if (i == 0) {
        while (count_of(&end->race.accepted) < 200)
            sched_yield();
        test_check(filch_executor_shutdown(end->race.ex, end->flags, FILCH_FOREVER) == 0);
    } else {
        while (count_of(&end->race.refused) == 0) {
            struct race *r = &end->race;
            filch_future *f;
            int status =
                filch_submit_at(r->ex, filch_in_us((int64_t)i * 20), task_count, &r->ran, &f);

            if (status != 0) {
                test_check(status == FILCH_ESHUTDOWN);
                count_one(&r->refused);
                break;
            }
            count_one(&r->accepted);
            if (finish(f) != 0)
                count_one(&r->cancelled);
        }
    }
}

TEST(an_executor_that_ends_under_the_feet_of_many_loses_nothing)
{
    for (size_t i = 0; i < test_scaled(200); i++) {
        struct end end = {.race = {.ex = pool_of(2)},
                          .flags = i % 2 == 0 ? FILCH_DRAIN : FILCH_CANCEL_PENDING};

        test_threads(3, submit_until_the_end, &end);
        filch_executor_destroy(end.race.ex);
        assert_int_equal(count_of(&end.race.ran) + count_of(&end.race.cancelled),
                         count_of(&end.race.accepted));
        if (end.flags == FILCH_DRAIN)
            assert_int_equal(count_of(&end.race.cancelled), 0);
    }
}

/* ---- Again and again ---- */

struct clockwork {
    fl_atomic(uint32_t) inside;
    uint64_t runs; /* plain: one run at a time, and none once the future is over */
};

static int tick(void *arg, void **result)
{
    struct clockwork *c = arg;

    (void)result;
    test_check(fl_swap(&c->inside, 1, relaxed) == 0);
    c->runs++;
    fl_store(&c->inside, 0, relaxed);
    return 0;
}

static void cancel_clockwork(unsigned i, void *arg)
{
    (void)i;
    filch_future_cancel(arg);
}

TEST(periodic_tasks_never_run_twice_at_once_nor_after_they_are_over)
{
    filch_executor *ex = pool_of(3);

    for (size_t turn = 0; turn < test_scaled(300); turn++) {
        struct clockwork c = {0};
        filch_future *f;
        uint64_t runs;

        assert_int_equal(
            filch_submit_every(ex, FILCH_NOW, (int64_t)(turn % 50 + 1) * 1000, tick, &c, &f), 0);
        for (filch_deadline until = filch_in_us((int64_t)turn % 400); fl_now() < until;)
            sched_yield();
        test_threads(2, cancel_clockwork, f);
        assert_int_equal(finish(f), FILCH_ECANCELED);
        runs = c.runs;
        c = (struct clockwork){0, runs}; /* it is ours */
        assert_int_equal(c.runs, runs);
    }
    filch_executor_destroy(ex);
}

/* ---- Deadlines ---- */

static void complete_or_not(unsigned i, void *arg)
{
    struct race *r = arg;
    uint64_t x = random_from(r->seed, i);

    for (size_t turn = 0; turn < r->turns; turn++) {
        filch_future *f = promise();
        filch_future *out;
        int status;

        test_check(filch_timeout(f, r->ex, filch_in_ns((int64_t)(random_next(&x) % 30000)),
                                 turn % 2 == 0 ? FILCH_TIMEOUT_CANCEL : 0, &out) == 0);
        for (filch_deadline until = filch_in_ns((int64_t)(random_next(&x) % 30000));
             fl_now() < until;)
            sched_yield();
        if (random_next(&x) % 8 == 0)
            filch_future_cancel(out);
        filch_promise_set_result(f, NULL);
        filch_future_release(f);
        status = finish(out);
        test_check(status == 0 || status == FILCH_ETIMEDOUT || status == FILCH_ECANCELED);
        count_one(status == 0 ? &r->ran : status == FILCH_ETIMEDOUT ? &r->refused : &r->cancelled);
    }
}

TEST(each_future_with_a_deadline_ends_in_one_way)
{
    struct race r = {.ex = pool_of(1), .seed = test_seed(), .turns = test_scaled(20000)};

    test_threads(3, complete_or_not, &r);
    filch_executor_destroy(r.ex);
    assert_int_equal(count_of(&r.ran) + count_of(&r.refused) + count_of(&r.cancelled), 3 * r.turns);
}
