/* SPDX-License-Identifier: MIT
 *
 * stress_wait.c: many threads wait for the same future and for many futures, leave early, come
 * back, and time out, while the futures come to their end. */
#include "sched/work.h"

#include <pthread.h>

/* ---- Many threads on one future ---- */

enum {
    CROWD = 64
};

struct crowd {
    pthread_barrier_t turn;
    filch_executor *ex;
    filch_future *f;
    struct gate gate;
    size_t rounds;
};

static filch_deadline short_while(uint64_t choice)
{
    return filch_in_us((int64_t)(choice % 200));
}

/* Waits in one of the ways until f is over. */
static void wait_somehow(filch_future *f, uint64_t choice)
{
    filch_future *array[2] = {f, f};
    filch_error error;
    int status;

    switch (choice % 5) {
    case 0:
        test_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
        break;
    case 1:
        while ((status = filch_future_result(f, short_while(choice >> 8), NULL)) != 0)
            test_check(status == FILCH_ETIMEDOUT);
        break;
    case 2:
        test_check(filch_wait(array, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
        break;
    case 3:
        while (filch_wait(array, 2, FILCH_FIRST_COMPLETED, short_while(choice >> 8)) == 0)
            continue;
        break;
    default:
        test_check(filch_future_error(f, FILCH_FOREVER, &error) == 0);
        test_check(error.code == 0);
        break;
    }
    test_check(filch_future_done(f));
}

static void be_in_crowd(unsigned i, void *arg)
{
    struct crowd *c = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < c->rounds; round++) {
        if (i == 0) {
            c->gate = (struct gate){0};
            c->f = round % 2 == 0 ? promise() : submit(c->ex, task_gate, &c->gate);
            for (int n = 1; n < CROWD; n++)
                filch_future_retain(c->f);
        }
        pthread_barrier_wait(&c->turn);
        filch_future *f = c->f;
        if (i != 0)
            wait_somehow(f, random_next(&x) >> 16);
        else if (round % 2 == 0)
            test_check(filch_promise_set_result(f, NULL) == 0);
        else
            gate_open(&c->gate);
        filch_future_release(f);
        pthread_barrier_wait(&c->turn);
        if (i == 0)
            test_check(filch_executor_wait_idle(c->ex, FILCH_FOREVER) == 0);
    }
}

TEST(sixty_four_threads_wait_for_one_future_and_all_are_told)
{
    struct crowd c = {.ex = pool_of(2), .rounds = test_scaled(400)};

    pthread_barrier_init(&c.turn, NULL, CROWD);
    test_threads(CROWD, be_in_crowd, &c);
    pthread_barrier_destroy(&c.turn);
    filch_executor_destroy(c.ex);
}

/* ---- Waits for the first of many, again and again ---- */

enum {
    WINDOW = 16,
    LOOPERS = 3
};

struct loops {
    filch_executor *ex;
    filch_future *never; /* in everybody's array: told at the very end */
    size_t turns;
    counter ran;
};

static size_t take_done(filch_future **f, size_t n, size_t over)
{
    for (size_t i = 0; i < over; i++)
        test_check(finish(f[i]) == 0);
    memmove(f, f + over, (n - over) * sizeof f[0]);
    return n - over;
}

/* A window of futures that is refilled as they end; half of the waits give up early. */
static void loop(struct loops *l, uint64_t x)
{
    filch_future *f[WINDOW + 1];
    size_t n = 0;
    size_t submitted = 0;

    f[n++] = filch_future_retain(l->never);
    while (submitted < l->turns) {
        for (; n < WINDOW && submitted < l->turns; submitted++)
            f[n++] = submit(l->ex, task_count, &l->ran);
        uint64_t choice = random_next(&x) >> 16;
        ptrdiff_t over = filch_wait(f, n, FILCH_FIRST_COMPLETED,
                                    choice % 2 == 0 ? FILCH_FOREVER : short_while(choice >> 8));
        test_check(over >= (choice % 2 == 0 ? 1 : 0));
        n = take_done(f, n, (size_t)over);
    }
    while (n > 1) {
        ptrdiff_t over = filch_wait(f, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER);
        test_check(over >= 1);
        n = take_done(f, n, (size_t)over);
    }
    test_check(f[0] == l->never);
    filch_future_release(f[0]);
}

static void loop_outside(unsigned i, void *arg)
{
    loop(arg, random_from(test_seed(), i));
}

TEST(a_wait_that_ends_early_leaves_no_claim_on_the_others)
{
    struct loops l = {.ex = pool_of(2), .never = promise(), .turns = test_scaled(20000)};

    test_threads(LOOPERS, loop_outside, &l);
    assert_int_equal(count_of(&l.ran), LOOPERS * l.turns);
    assert_int_equal(filch_promise_set_result(l.never, NULL), 0);
    filch_future_release(l.never);
    filch_executor_destroy(l.ex);
}

static int task_loop(void *arg, void **result)
{
    loop(arg, random_from(test_seed(), 77));
    *result = NULL;
    return 0;
}

TEST(tasks_may_wait_for_the_first_of_many_too)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct loops l = {.ex = pool_of(workers), .never = promise(), .turns = test_scaled(3000)};
        filch_future *f[3];

        for (int i = 0; i < 3; i++)
            f[i] = submit(l.ex, task_loop, &l);
        for (int i = 0; i < 3; i++)
            assert_int_equal(finish(f[i]), 0);
        assert_int_equal(count_of(&l.ran), 3 * l.turns);
        filch_future_release(l.never); /* never told: its nodes go with it */
        filch_executor_destroy(l.ex);
    }
}

/* ---- Each condition against the one who completes ---- */

enum {
    SET = 40
};

struct mixed {
    pthread_barrier_t turn;
    filch_future *f[SET];
    int end[SET]; /* 0, a code, or FILCH_ECANCELED */
    size_t rounds;
};

static void complete(filch_future *f, int end)
{
    if (end == 0)
        test_check(filch_promise_set_result(f, NULL) == 0);
    else if (end == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, end, NULL) == 0);
}

static void set_mixed(struct mixed *m, uint64_t *x)
{
    static const int ends[] = {0, 0, FILCH_ECANCELED, 5};
    uint64_t kinds = random_next(x) % 4 + 1;

    for (int i = 0; i < SET; i++) {
        m->f[i] = promise();
        m->end[i] = ends[random_next(x) % kinds];
    }
}

static bool holds(filch_future *const *f, size_t over, enum filch_return_when when)
{
    if (over == SET || (when == FILCH_FIRST_COMPLETED && over > 0))
        return true;
    for (size_t i = 0; i < over; i++) {
        enum filch_state state = filch_future_state(f[i]);

        if ((when == FILCH_FIRST_EXCEPTION && state == FILCH_FAILED) ||
            (when == FILCH_FIRST_SUCCESS && state == FILCH_FINISHED))
            return true;
    }
    return false;
}

static void play_mixed(unsigned i, void *arg)
{
    struct mixed *m = arg;
    uint64_t x = random_from(test_seed(), 100 + i);

    for (size_t round = 0; round < m->rounds; round++) {
        if (i == 0)
            set_mixed(m, &x);
        pthread_barrier_wait(&m->turn);
        if (i == 0) {
            for (int k = 0; k < SET; k++)
                complete(m->f[k], m->end[k]);
        } else {
            filch_future *f[SET];
            enum filch_return_when when = (enum filch_return_when)(random_next(&x) % 4);

            memcpy(f, m->f, sizeof f);
            ptrdiff_t over = filch_wait(f, SET, when, FILCH_FOREVER);
            test_check(over > 0 && holds(f, (size_t)over, when));
        }
        pthread_barrier_wait(&m->turn);
        for (int k = 0; i == 0 && k < SET; k++)
            filch_future_release(m->f[k]);
    }
}

TEST(whatever_the_condition_a_wait_ends_when_it_holds)
{
    struct mixed m = {.rounds = test_scaled(6000)};

    pthread_barrier_init(&m.turn, NULL, 4);
    test_threads(4, play_mixed, &m);
    pthread_barrier_destroy(&m.turn);
}
