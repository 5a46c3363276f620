/* SPDX-License-Identifier: MIT
 *
 * stress_submit.c: many producers, every way of submitting, tasks that submit tasks: what was
 * accepted has run once, when wait_idle or shutdown returns. */
#include "sched/work.h"

enum {
    PRODUCERS = 6,
    BATCH = 40
};

struct yard {
    filch_executor *ex;
    size_t turns;
    counter accepted;
    counter ran;
};

struct parcel {
    struct yard *yard;
    unsigned depth; /* how many generations it has yet to bring forth */
    char filling[70];
};

static int task_parcel(void *arg, void **result)
{
    struct parcel p;

    memcpy(&p, arg, sizeof p);
    for (size_t i = 0; i < sizeof p.filling; i++)
        test_check(p.filling[i] == (char)i);
    count_one(&p.yard->ran);
    if (p.depth > 0) {
        p.depth--;
        for (int i = 0; i < 2; i++) {
            test_check(filch_submit_copy(p.yard->ex, task_parcel, &p, sizeof p, NULL) == 0);
            count_one(&p.yard->accepted);
        }
    }
    *result = NULL;
    return 0;
}

static void send_parcel(struct yard *y, unsigned depth)
{
    struct parcel p = {y, depth, {0}};

    for (size_t i = 0; i < sizeof p.filling; i++)
        p.filling[i] = (char)i;
    test_check(filch_submit_copy(y->ex, task_parcel, &p, sizeof p, NULL) == 0);
    count_one(&y->accepted);
}

static int task_near(void *arg, void **result)
{
    struct yard *y;

    memcpy(&y, arg, sizeof y);
    return task_count(&y->ran, result);
}

static void send_batch(struct yard *y, size_t n, bool wanted)
{
    filch_future *f[BATCH];
    void *args[BATCH];

    for (size_t i = 0; i < n; i++)
        args[i] = &y->ran;
    test_check(filch_submit_batch(y->ex, task_count, args, n, wanted ? f : NULL) == 0);
    fl_add(&y->accepted, n, relaxed); /* count */
    for (size_t i = 0; wanted && i < n; i++) {
        if (i % 2 == 0)
            test_check(outcome(f[i]) == 0);
        filch_future_release(f[i]);
    }
}

static void produce(unsigned i, void *arg)
{
    struct yard *y = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < y->turns; turn++) {
        uint64_t choice = random_next(&x) >> 16;

        switch (choice % 7) {
        case 0:
            test_check(filch_submit(y->ex, task_count, &y->ran, NULL) == 0);
            count_one(&y->accepted);
            break;
        case 1:
            count_one(&y->accepted);
            test_check(finish(submit(y->ex, task_count, &y->ran)) == 0);
            break;
        case 2:
            count_one(&y->accepted);
            filch_future_release(submit(y->ex, task_count, &y->ran));
            break;
        case 3:
            test_check(filch_submit_copy(y->ex, task_near, &y, sizeof y, NULL) == 0);
            count_one(&y->accepted);
            break;
        case 4:
            send_parcel(y, (unsigned)(choice >> 8) % 5);
            break;
        case 5:
            send_batch(y, (size_t)(choice >> 8) % BATCH, (choice >> 32) % 2 == 0);
            break;
        default:
            if (choice % 64 == 63)
                test_check(filch_executor_wait_idle(y->ex, filch_in_us(300)) <= 0);
            break;
        }
    }
}

static void run_yard(unsigned workers, int64_t spin_ns)
{
    struct yard y = {.turns = test_scaled(15000)};
    filch_executor_stats s;

    y.ex = pool_with((filch_options){.workers = workers, .spin_ns = spin_ns});
    test_threads(PRODUCERS, produce, &y);
    assert_int_equal(filch_executor_wait_idle(y.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&y.ran), count_of(&y.accepted));
    s = stats_of(y.ex);
    assert_int_equal(s.submitted, count_of(&y.accepted));
    assert_int_equal(s.ended, s.submitted);
    assert_int_equal(s.executed, s.submitted);
    assert_int_equal(s.pending, 0);
    assert_int_equal(s.running, 0);
    filch_executor_destroy(y.ex);
}

TEST(what_was_accepted_has_run_when_the_executor_is_idle)
{
    run_yard(1, 0);
    run_yard(2, 0);
    run_yard(4, 0);
}

TEST(without_spinning_nothing_is_lost_either)
{
    run_yard(2, -1);
    run_yard(8, -1);
}

/* ---- wait_idle after each burst: quiet is seen as soon as it is there ---- */

static void burst_and_wait(unsigned i, void *arg)
{
    struct yard *y = arg;

    (void)i;
    for (size_t turn = 0; turn < y->turns; turn++) {
        counter mine = 0;

        for (int k = 0; k < 5; k++)
            test_check(filch_submit(y->ex, task_count, &mine, NULL) == 0);
        test_check(filch_executor_wait_idle(y->ex, FILCH_FOREVER) == 0);
        test_check(count_of(&mine) == 5);
    }
}

TEST(who_waits_for_idle_finds_all_he_submitted_before_done)
{
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct yard y = {.ex = pool_of(2), .turns = test_scaled(5000)};
        test_threads(threads, burst_and_wait, &y);
        filch_executor_destroy(y.ex);
    }
}
