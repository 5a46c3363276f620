/* SPDX-License-Identifier: MIT
 *
 * stress_completion.c: many iterators over the same futures while these end: each gets each once, in
 * time or late; and iterators that are closed early leave nothing behind. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <pthread.h>

enum {
    SET = 64
};

static filch_completion *as_completed(filch_future *const *f, size_t n, filch_deadline deadline)
{
    filch_completion *it = NULL;

    test_check(filch_as_completed(&it, f, n, deadline) == 0);
    return it;
}

static void end(filch_future *f, uint64_t how)
{
    if (how % 4 == 0)
        test_check(filch_future_cancel(f));
    else if (how % 4 == 1)
        test_check(filch_promise_set_error(f, 5, NULL) == 0);
    else
        test_check(filch_promise_set_result(f, NULL) == 0);
}

/* ---- Many iterators over one set ---- */

enum {
    ITERATORS = 3,
    ENDERS = 2
};

struct crowd {
    pthread_barrier_t turn;
    filch_future *f[2 * SET]; /* each twice */
    size_t rounds;
    counter come, closed_early;
};

static void see(const struct crowd *c, filch_future *f, bool *seen)
{
    size_t k = 0;

    while (c->f[k] != f)
        k++;
    test_check(k < SET && !seen[k] && filch_future_done(f));
    seen[k] = true;
}

/* To the end, or to somewhere before it; out of time, it goes on asking. */
static void iterate(struct crowd *c, uint64_t choice)
{
    size_t until = choice % 4 == 0 ? (choice >> 8) % SET : SET;
    filch_deadline deadline =
        choice % 4 == 1 ? filch_in_us((int64_t)(choice >> 8) % 100) : FILCH_FOREVER;
    filch_completion *it = as_completed(c->f, SET + (choice >> 16) % SET, deadline);
    bool seen[SET] = {false};
    filch_future *f = NULL;

    for (size_t n = 0; n < until;) {
        int status = filch_completion_next(it, &f);

        if (status == FILCH_ETIMEDOUT) {
            test_check(deadline != FILCH_FOREVER);
            sched_yield();
            continue;
        }
        test_check(status == 0);
        see(c, f, seen);
        n++;
        count_one(&c->come);
    }
    if (until == SET)
        test_check(filch_completion_next(it, &f) == FILCH_EEND);
    else
        count_one(&c->closed_early);
    filch_completion_close(it);
}

static void make_set(struct crowd *c, uint64_t *x)
{
    for (int k = 0; k < SET; k++) {
        c->f[k] = c->f[SET + k] = promise();
        if (random_next(x) >> 60 == 0)
            end(c->f[k], (uint64_t)k);
    }
}

/* Each ender takes every other one, from a place of its own. */
static void end_half(const struct crowd *c, unsigned half, uint64_t choice)
{
    for (unsigned k = 0; k < SET / ENDERS; k++) {
        unsigned at = (k * 7 + (unsigned)(choice % SET)) % (SET / ENDERS) * ENDERS + half;

        if (!filch_future_done(c->f[at]))
            end(c->f[at], choice + k);
    }
}

static void be_in_crowd(unsigned i, void *arg)
{
    struct crowd *c = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < c->rounds; round++) {
        if (i == 0)
            make_set(c, &x);
        pthread_barrier_wait(&c->turn);
        if (i < ENDERS)
            end_half(c, i, random_next(&x) >> 16);
        else
            iterate(c, random_next(&x) >> 16);
        pthread_barrier_wait(&c->turn);
        for (int k = 0; i == 0 && k < SET; k++)
            filch_future_release(c->f[k]);
    }
}

TEST(whoever_iterates_gets_each_future_once_while_they_end)
{
    struct crowd c = {.rounds = test_scaled(6000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&c.turn, NULL, ENDERS + ITERATORS);
    test_threads(ENDERS + ITERATORS, be_in_crowd, &c);
    pthread_barrier_destroy(&c.turn);
    assert_true(count_of(&c.come) + count_of(&c.closed_early) * SET >= ITERATORS * c.rounds * SET);
    assert_int_equal(blocks_now(), before);
}

/* ---- One after the other, with one future that is in all of them ---- */

enum {
    LOOPERS = 3,
    WINDOW = 15
};

struct loops {
    filch_executor *ex;
    filch_future *never; /* in everybody's array: told at the very end */
    size_t turns;
    counter ran, come;
};

/* Not all come out, but all are waited for. */
static void loop(struct loops *l, uint64_t x)
{
    for (size_t turn = 0; turn < l->turns; turn++) {
        filch_future *f[WINDOW + 1];
        uint64_t choice = random_next(&x) >> 16;
        size_t until = 1 + (choice >> 8) % WINDOW;
        filch_future *done = NULL;

        f[choice % (WINDOW + 1)] = l->never;
        for (size_t k = 0; k <= WINDOW; k++) {
            if (k != choice % (WINDOW + 1))
                f[k] = submit(l->ex, task_count, &l->ran);
        }
        filch_completion *it = as_completed(f, WINDOW + 1, FILCH_FOREVER);
        for (size_t k = 0; k < until; k++) {
            test_check(filch_completion_next(it, &done) == 0);
            test_check(done != l->never && outcome(done) == 0);
            count_one(&l->come);
        }
        filch_completion_close(it);
        for (size_t k = 0; k <= WINDOW; k++) {
            if (f[k] != l->never)
                filch_future_release(f[k]);
        }
    }
}

static void loop_outside(unsigned i, void *arg)
{
    loop(arg, random_from(test_seed(), 10 + i));
}

TEST(an_iterator_that_is_closed_early_leaves_nothing_in_a_long_lived_future)
{
    struct loops l = {.ex = pool_of(2), .never = promise(), .turns = test_scaled(30000)};

    int64_t before = blocks_now();
    test_threads(LOOPERS, loop_outside, &l);
    assert_int_equal(filch_executor_wait_idle(l.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&l.ran), LOOPERS * l.turns * WINDOW);
    assert_in_range(blocks_now() - before, 0, 2 * LOOPERS); /* the nodes of never */
    filch_future_release(l.never);
    filch_executor_destroy(l.ex);
}

static int task_loop(void *arg, void **result)
{
    loop(arg, random_from(test_seed(), 77));
    *result = NULL;
    return 0;
}

TEST(tasks_may_iterate_over_their_own_tasks)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct loops l = {.ex = pool_of(workers), .never = promise(), .turns = test_scaled(3000)};
        filch_future *f[4];

        for (int i = 0; i < 4; i++)
            f[i] = submit(l.ex, task_loop, &l);
        for (int i = 0; i < 4; i++)
            assert_int_equal(finish(f[i]), 0);
        assert_int_equal(filch_executor_wait_idle(l.ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&l.ran), 4 * l.turns * WINDOW);
        filch_future_release(l.never);
        filch_executor_destroy(l.ex);
    }
}

/* ---- As many at once as a server has, over before one another in no order ---- */

enum {
    AT_ONCE = 50
};

static void keep_many(unsigned i, void *arg)
{
    struct loops *l = arg;
    filch_completion *it[AT_ONCE] = {NULL};
    uint64_t x = random_from(test_seed(), 20 + i);

    for (size_t turn = 0; turn < l->turns; turn++) {
        size_t at = i == 0 ? turn % AT_ONCE : random_next(&x) % AT_ONCE; /* FIFO, and by chance */

        filch_completion_close(it[at]);
        it[at] = as_completed(&l->never, 1, FILCH_FOREVER);
    }
    for (int k = 0; k < AT_ONCE; k++)
        filch_completion_close(it[k]);
}

TEST(a_long_lived_future_keeps_no_more_nodes_than_it_had_iterators_at_once)
{
    struct loops l = {.never = promise(), .turns = test_scaled(200000)};
    int64_t before = blocks_now();

    test_threads(LOOPERS, keep_many, &l);
    /* Twice as many as there were: a vacant node is found by chance while others look, too. */
    assert_in_range(blocks_now() - before, 0, 2 * AT_ONCE * LOOPERS);
    assert_int_equal(filch_promise_set_result(l.never, NULL), 0);
    filch_future_release(l.never);
}

/* ---- Closed while they end ---- */

struct closing {
    pthread_barrier_t turn;
    filch_future *f[SET];
    filch_completion *it;
    size_t rounds;
};

static void close_or_end(unsigned i, void *arg)
{
    struct closing *c = arg;

    for (size_t round = 0; round < c->rounds; round++) {
        if (i == 0) {
            for (int k = 0; k < SET; k++)
                c->f[k] = promise();
            c->it = as_completed(c->f, SET, FILCH_FOREVER);
        }
        pthread_barrier_wait(&c->turn);
        if (i == 0)
            filch_completion_close(c->it);
        for (int k = (int)i - 1; i != 0 && k < SET; k += 2) {
            if (k % 3 != 0)
                end(c->f[k], (uint64_t)k);
        }
        pthread_barrier_wait(&c->turn);
        for (int k = 0; i == 0 && k < SET; k++)
            filch_future_release(c->f[k]);
    }
}

TEST(an_iterator_may_be_closed_while_its_futures_end)
{
    struct closing c = {.rounds = test_scaled(8000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&c.turn, NULL, 3);
    test_threads(3, close_or_end, &c);
    pthread_barrier_destroy(&c.turn);
    assert_int_equal(blocks_now(), before);
}
