/* SPDX-License-Identifier: MIT
 *
 * stress_shutdown.c: shutdown in each mode against submit, cancel and wait: every accepted task is
 * run once or cancelled, nothing is accepted afterwards, and all that wait are told. */
#include "sched/work.h"

#include <pthread.h>

enum {
    PRODUCERS = 3,
    CLOSERS = 2,
    THREADS = PRODUCERS + CLOSERS,
    EACH = 300
};

struct entry {
    filch_future *f; /* NULL: refused */
    counter ran;
    bool cancelled_by_us;
};

struct stage {
    pthread_barrier_t turn;
    filch_executor *ex;
    unsigned flags[CLOSERS];
    struct entry entries[PRODUCERS][EACH];
    counter plain_accepted;
    counter plain_ran;
    counter refused;
    size_t rounds;
};

static int task_entry(void *arg, void **result)
{
    struct entry *e = arg;

    count_one(&e->ran);
    *result = e;
    return 0;
}

/* A task that goes on submitting as the executor closes. */
static int task_offspring(void *arg, void **result)
{
    struct stage *s = arg;

    for (int i = 0; i < 3; i++) {
        int status = filch_submit(s->ex, task_count, &s->plain_ran, NULL);

        test_check(status == 0 || status == FILCH_ESHUTDOWN);
        if (status == 0)
            count_one(&s->plain_accepted);
    }
    return task_count(&s->plain_ran, result);
}

static void produce(struct stage *s, unsigned i, uint64_t x)
{
    bool refused = false;

    for (int k = 0; k < EACH; k++) {
        struct entry *e = &s->entries[i][k];
        uint64_t choice = random_next(&x) >> 20;
        int status = filch_submit(s->ex, task_entry, e, &e->f);

        test_check(status == 0 || status == FILCH_ESHUTDOWN);
        test_check(status != 0 || !refused); /* once refused, always refused */
        refused = status != 0;
        if (status == 0 && choice % 8 == 0)
            e->cancelled_by_us = filch_future_cancel(e->f);
        if (status == 0 && choice % 8 == 1) {
            status = outcome(e->f);
            test_check(status == 0 || status == FILCH_ECANCELED);
        }
        if (choice % 8 == 2) {
            status = filch_submit(s->ex, task_offspring, s, NULL);
            test_check(status == 0 || status == FILCH_ESHUTDOWN);
            if (status == 0)
                count_one(&s->plain_accepted);
        }
    }
    if (refused)
        count_one(&s->refused);
}

static void close_it(struct stage *s, unsigned i, uint64_t x)
{
    unsigned flags = s->flags[i];

    for (uint64_t spin = random_next(&x) >> 20 & 8191; spin > 0; spin--)
        fl_relax();
    if ((random_next(&x) >> 20) % 4 == 0)
        filch_executor_shutdown(s->ex, flags, FILCH_NOW);
    test_check(filch_executor_shutdown(s->ex, flags, FILCH_FOREVER) == 0);
}

static void begin(struct stage *s, uint64_t *x)
{
    static const unsigned modes[] = {FILCH_DRAIN, FILCH_CANCEL_PENDING, FILCH_DRAIN | FILCH_NO_WAIT,
                                     FILCH_CANCEL_PENDING | FILCH_NO_WAIT};

    s->ex = pool_of(1 + (unsigned)(random_next(x) >> 20) % 3);
    memset(s->entries, 0, sizeof s->entries);
    fl_init(&s->plain_accepted, 0);
    fl_init(&s->plain_ran, 0);
    for (int i = 0; i < CLOSERS; i++)
        s->flags[i] = modes[(random_next(x) >> 20) % 4];
}

static bool may_cancel(const struct stage *s)
{
    return ((s->flags[0] | s->flags[1]) & FILCH_CANCEL_PENDING) != 0;
}

static void check(struct stage *s)
{
    test_check(filch_submit(s->ex, task_entry, NULL, NULL) == FILCH_ESHUTDOWN);
    filch_executor_destroy(s->ex);
    for (int i = 0; i < PRODUCERS; i++) {
        for (int k = 0; k < EACH; k++) {
            struct entry *e = &s->entries[i][k];

            if (e->f == NULL) {
                test_check(count_of(&e->ran) == 0);
                continue;
            }
            int status = filch_future_result(e->f, FILCH_NOW, NULL);
            test_check(status == (count_of(&e->ran) == 1 ? 0 : FILCH_ECANCELED));
            test_check(!e->cancelled_by_us || status == FILCH_ECANCELED);
            test_check(status == 0 || e->cancelled_by_us || may_cancel(s));
            filch_future_release(e->f);
        }
    }
    test_check(count_of(&s->plain_ran) <= count_of(&s->plain_accepted));
    test_check(may_cancel(s) || count_of(&s->plain_ran) == count_of(&s->plain_accepted));
}

static void play(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < s->rounds; round++) {
        if (i == 0)
            begin(s, &x);
        pthread_barrier_wait(&s->turn);
        if (i < PRODUCERS)
            produce(s, i, random_next(&x) | 1);
        else
            close_it(s, i - PRODUCERS, random_next(&x) | 1);
        pthread_barrier_wait(&s->turn);
        if (i == 0)
            check(s);
    }
}

TEST(shutdown_races_with_submit_and_every_accepted_task_ends_once)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->rounds = test_scaled(1500);
    pthread_barrier_init(&s->turn, NULL, THREADS);
    test_threads(THREADS, play, s);
    pthread_barrier_destroy(&s->turn);
    print_message("producers that were refused: %llu\n", (unsigned long long)count_of(&s->refused));
    free(s);
}

/* ---- What shutdown has not cancelled when it returns, it does not cancel later ---- */

enum {
    QUEUED = 50
};

static int task_slow(void *arg, void **result)
{
    for (int i = 0; i < 200; i++)
        fl_relax();
    return task_echo(arg, result);
}

TEST(what_shutdown_cancels_is_over_when_it_returns)
{
    for (size_t round = test_scaled(3000); round > 0; round--) {
        filch_executor *ex = pool_of(2);
        filch_future *f[QUEUED];
        enum filch_state seen[QUEUED];

        for (int i = 0; i < QUEUED; i++)
            f[i] = submit(ex, task_slow, NULL);
        assert_int_equal(
            filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW), 0);
        for (int i = 0; i < QUEUED; i++)
            seen[i] = filch_future_state(f[i]);
        filch_executor_destroy(ex);
        for (int i = 0; i < QUEUED; i++) {
            if (seen[i] == FILCH_PENDING || seen[i] == FILCH_RUNNING)
                assert_int_equal(filch_future_state(f[i]), FILCH_FINISHED);
            filch_future_release(f[i]);
        }
    }
}

/* ---- A task that gives the executor up while others go on submitting ---- */

static int task_give_up(void *arg, void **result)
{
    filch_executor_destroy(arg);
    *result = NULL;
    return 0;
}

TEST(an_executor_that_a_task_gives_up_runs_what_is_queued_and_goes)
{
    for (size_t round = test_scaled(2000); round > 0; round--) {
        filch_executor *ex = pool_of(1 + (unsigned)(round % 3));
        filch_future *f[20];
        counter ran = 0;

        for (int i = 0; i < 19; i++)
            f[i] = submit(ex, task_count, &ran);
        f[19] = submit(ex, task_give_up, ex);
        for (int i = 0; i < 20; i++)
            assert_int_equal(finish(f[i]), 0);
        assert_int_equal(count_of(&ran), 19);
    }
}
