/* SPDX-License-Identifier: MIT
 *
 * stress_promise.c: two who set, one who starts, one who cancels, and some who wait: one outcome,
 * and everyone sees that one. */
#include "sched/work.h"

#include <pthread.h>

enum {
    THREADS = 6,
    BATCH = 16
};

struct round {
    filch_future *f;
    counter sets;    /* that returned 0 */
    counter cancels; /* that returned true */
    counter starts;  /* that returned 1 */
};

struct stage {
    pthread_barrier_t turn;
    struct round rounds[BATCH];
    size_t turns;
};

static void set_result(struct round *r)
{
    int status = filch_promise_set_result(r->f, r);

    test_check(status == 0 || status == FILCH_ESTATE);
    if (status == 0)
        count_one(&r->sets);
}

static void set_error(struct round *r)
{
    int status = filch_promise_set_error(r->f, 7, "seven");

    test_check(status == 0 || status == FILCH_ESTATE);
    if (status == 0)
        count_one(&r->sets);
}

static void start(struct round *r)
{
    int status = filch_promise_start(r->f);

    test_check(status == 0 || status == 1 || status == FILCH_ESTATE);
    if (status == 1)
        count_one(&r->starts);
}

static void watch(struct round *r, uint64_t choice)
{
    filch_future *f = r->f;
    filch_error error;
    void *result = NULL;
    int status;

    if (choice % 2 == 0) {
        test_check(filch_wait(&f, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
        test_check(filch_future_done(r->f));
    }
    status = filch_future_result(r->f, FILCH_FOREVER, &result);
    test_check(status == FILCH_ECANCELED || status == 7 || (status == 0 && result == r));
    test_check(filch_future_error(r->f, FILCH_NOW, &error) ==
               (status == FILCH_ECANCELED ? status : 0));
    if (status == 7)
        test_check(error.code == 7 && strcmp(error.message, "seven") == 0);
}

static void act(unsigned i, struct round *r, uint64_t choice)
{
    switch (i) {
    case 0:
        set_result(r);
        break;
    case 1:
        set_error(r);
        break;
    case 2:
        start(r);
        break;
    case 3:
        if (filch_future_cancel(r->f))
            count_one(&r->cancels);
        break;
    default:
        watch(r, choice);
        break;
    }
    filch_future_release(r->f);
}

static void begin(struct stage *s)
{
    for (int k = 0; k < BATCH; k++) {
        memset(&s->rounds[k], 0, sizeof s->rounds[k]);
        s->rounds[k].f = promise();
        for (int n = 1; n < THREADS; n++)
            filch_future_retain(s->rounds[k].f);
    }
}

static void check(struct stage *s)
{
    for (int k = 0; k < BATCH; k++) {
        struct round *r = &s->rounds[k];

        test_check(count_of(&r->sets) + count_of(&r->cancels) == 1);
        test_check(count_of(&r->starts) <= 1);
        test_check(count_of(&r->starts) == 0 || count_of(&r->cancels) == 0);
    }
}

static void play(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < s->turns; turn++) {
        if (i == 0)
            begin(s);
        pthread_barrier_wait(&s->turn);
        uint64_t first = random_next(&x);
        for (uint64_t k = 0; k < BATCH; k++)
            act((unsigned)((i + turn) % THREADS), &s->rounds[(first + k) % BATCH],
                random_next(&x) >> 20);
        pthread_barrier_wait(&s->turn);
        if (i == 0)
            check(s);
    }
}

TEST(a_promise_has_one_outcome_whoever_is_first)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->turns = test_scaled(6000);
    pthread_barrier_init(&s->turn, NULL, THREADS);
    test_threads(THREADS, play, s);
    pthread_barrier_destroy(&s->turn);
    free(s);
}
