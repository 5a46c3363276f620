/* SPDX-License-Identifier: MIT
 *
 * stress_then.c: continuations and combinations are made, cancelled and given up by some threads while
 * others end what they are made of: each ends once and as it should, and nothing is left. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <pthread.h>

enum {
    SET = 32
};

static filch_future *then(filch_future *f, filch_executor *ex, unsigned flags, filch_then_fn *fn,
                          void *arg)
{
    filch_future *out = NULL;

    test_check(filch_then(f, ex, flags, fn, arg, &out) == 0);
    return out;
}

/* 0 cancelled, 1 failed, 2 and 3 finished, 4 given up. */
static void end(filch_future *f, uint64_t how)
{
    if (how == 0)
        test_check(filch_future_cancel(f));
    else if (how == 1)
        test_check(filch_promise_set_error(f, 5, "why it failed") == 0);
    else if (how < 4)
        test_check(filch_promise_set_result(f, number(1)) == 0);
    filch_future_release(f);
}

static int expected_of(uint64_t how)
{
    static const int status[] = {FILCH_ECANCELED, 5, 0, 0, FILCH_EABANDONED};

    return status[how];
}

/* ---- Continuations, while their futures end and while they are cancelled themselves ---- */

struct follow {
    pthread_barrier_t turn;
    filch_executor *ex;
    filch_future *f[SET];
    unsigned how[SET];
    filch_future *out[SET][3];
    size_t rounds;
    counter called;          /* continuations */
    uint64_t finished, made; /* of those that have a function */
};

static int count_call(filch_future *before, void *arg, void **result)
{
    struct follow *w = arg;

    count_one(&w->called);
    test_check(filch_future_done(before));
    *result = number(2);
    return 0;
}

/* Each future has an inline continuation, one on the executor, and one without a function. */
static void follow_set(struct follow *w)
{
    for (int k = 0; k < SET; k++) {
        unsigned flags = k % 2 == 0 ? FILCH_THEN_ALWAYS : 0;

        w->out[k][0] = then(w->f[k], NULL, flags, count_call, w);
        w->out[k][1] = then(w->f[k], w->ex, flags, count_call, w);
        w->out[k][2] = then(w->f[k], NULL, 0, NULL, NULL);
        filch_future_release(w->f[k]);
    }
}

static void check_followers(struct follow *w)
{
    for (int k = 0; k < SET; k++) {
        int status = expected_of(w->how[k]);

        for (int i = 0; i < 3; i++) {
            int got = finish(w->out[k][i]);
            bool calls = i < 2 && (status == 0 || (k % 2 == 0 && status != FILCH_EABANDONED));

            if (k % 8 == 7 && got == FILCH_ECANCELED)
                continue; /* those were cancelled, or not, while all this went on */
            test_check(got == (calls ? 0 : status));
            w->finished += got == 0 && i < 2;
        }
    }
}

static void cancel_some(struct follow *w)
{
    pthread_barrier_wait(&w->turn); /* they have been made */
    for (int k = 7; k < SET; k += 8) {
        for (int i = 0; i < 3; i++)
            filch_future_cancel(w->out[k][i]);
    }
}

static void play_follow(unsigned i, void *arg)
{
    struct follow *w = arg;
    uint64_t x = random_from(test_seed(), 5);

    for (size_t round = 0; round < w->rounds; round++) {
        for (int k = 0; i == 0 && k < SET; k++) {
            w->f[k] = filch_future_retain(promise());
            w->how[k] = (unsigned)((random_next(&x) >> 16) % 5);
        }
        pthread_barrier_wait(&w->turn);
        if (i == 0)
            follow_set(w);
        for (int k = 0; i == 1 && k < SET / 2; k++)
            end(w->f[k], w->how[k]);
        if (i == 2)
            cancel_some(w);
        else
            pthread_barrier_wait(&w->turn);
        for (int k = SET / 2; i == 1 && k < SET; k++)
            end(w->f[k], w->how[k]);
        pthread_barrier_wait(&w->turn);
        if (i == 0)
            check_followers(w);
    }
}

TEST(a_continuation_that_is_made_or_cancelled_while_its_future_ends_ends_once)
{
    struct follow w = {.ex = pool_of(2), .rounds = test_scaled(6000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&w.turn, NULL, 3);
    test_threads(3, play_follow, &w);
    pthread_barrier_destroy(&w.turn);
    assert_int_equal(filch_executor_wait_idle(w.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&w.called), w.finished);
    assert_int_equal(blocks_now(), before);
    filch_executor_destroy(w.ex);
}

/* ---- Chains that many threads walk at once ---- */

enum {
    LINKS = 1000
};

struct chains {
    filch_executor *ex[2];
    size_t rounds;
    counter calls;
};

static int add_one(filch_future *before, void *arg, void **result)
{
    struct chains *c = arg;

    test_check(filch_future_result(before, FILCH_NOW, result) == 0);
    *result = number((intptr_t)*result + 1);
    count_one(&c->calls);
    return 0;
}

static int give_task(filch_future *before, void *arg, void **result)
{
    struct chains *c = arg;
    void *sum = NULL;

    test_check(filch_future_result(before, FILCH_NOW, &sum) == 0);
    *result = submit(c->ex[0], task_echo, number((intptr_t)sum + 1));
    count_one(&c->calls);
    return 0;
}

static void walk(unsigned i, void *arg)
{
    struct chains *c = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < c->rounds; round++) {
        filch_future *first = promise();
        filch_future *last = filch_future_retain(first);
        size_t starts_at = random_next(&x) % LINKS;
        void *sum = NULL;

        for (size_t k = 0; k < LINKS; k++) {
            uint64_t choice = random_next(&x) >> 16;
            filch_executor *ex = choice % 4 < 2 ? c->ex[choice % 2] : NULL;
            bool flat = choice >> 8 & 1U;
            filch_future *out =
                then(last, ex, flat ? FILCH_THEN_FLATTEN : 0, flat ? give_task : add_one, c);

            filch_future_release(last);
            last = out;
            if (k == starts_at)
                test_check(filch_promise_set_result(first, NULL) == 0);
        }
        filch_future_release(first);
        test_check(filch_future_result(last, FILCH_FOREVER, &sum) == 0);
        test_check((intptr_t)sum == LINKS);
        filch_future_release(last);
    }
}

TEST(a_chain_runs_link_by_link_across_threads_and_executors)
{
    struct chains c = {.ex = {pool_of(2), pool_of(1)}, .rounds = test_scaled(200)};
    int64_t before = blocks_now();

    test_threads(3, walk, &c);
    assert_int_equal(count_of(&c.calls), 3 * c.rounds * LINKS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_executor_wait_idle(c.ex[i], FILCH_FOREVER), 0);
    assert_int_equal(blocks_now(), before);
    for (int i = 0; i < 2; i++)
        filch_executor_destroy(c.ex[i]);
}

/* ---- Combinations, while what they are of ends ---- */

typedef int combine_fn(filch_future *const *futures, size_t n, filch_future **out);

static combine_fn *const kinds[] = {filch_all, filch_any, filch_any_success, filch_race};

enum {
    ALL,
    ANY,
    ANY_SUCCESS,
    RACE,
    KINDS
};

struct mixed {
    pthread_barrier_t turn;
    filch_future *f[SET];
    unsigned how[SET];
    filch_future *out[2];
    unsigned kind;
    bool cancels; /* the new ones, meanwhile */
    size_t rounds;
    counter decided[KINDS];
};

static void make_mixed(struct mixed *m, uint64_t *x)
{
    uint64_t kinds_of_end = 1 + (random_next(x) >> 16) % 4;

    m->kind = (unsigned)((random_next(x) >> 16) % KINDS);
    m->cancels = (random_next(x) >> 16) % 8 == 0;
    for (int k = 0; k < SET; k++) {
        m->f[k] = promise();
        m->how[k] = 3 - (unsigned)((random_next(x) >> 16) % kinds_of_end);
    }
}

static bool is_one_of(const struct mixed *m, const filch_future *f)
{
    int k = 0;

    while (k < SET && m->f[k] != f)
        k++;
    return k < SET;
}

static bool has_failed(const filch_future *f)
{
    return filch_future_state(f) != FILCH_FINISHED;
}

static bool any_has_failed(const struct mixed *m, bool all)
{
    size_t n = 0;

    for (int k = 0; k < SET; k++)
        n += has_failed(m->f[k]);
    return all ? n == SET : n > 0;
}

/* Everything that could end has. */
static void check_mixed(struct mixed *m, filch_future *out)
{
    void *result = NULL;
    int status = filch_future_result(out, FILCH_NOW, &result);

    if (status == FILCH_ECANCELED && filch_future_cancelled(out)) {
        test_check(m->cancels);
        return;
    }
    count_one(&m->decided[m->kind]);
    if (status == 0 && m->kind == ALL)
        test_check(result == NULL && !any_has_failed(m, false));
    else if (status == 0)
        test_check(is_one_of(m, result) && filch_future_done(result));
    else if (m->kind == ALL)
        test_check((status == 5 || status == FILCH_ECANCELED) && any_has_failed(m, false));
    else
        test_check(m->kind == ANY_SUCCESS && (status == 5 || status == FILCH_ECANCELED) &&
                   any_has_failed(m, true));
    if (status == 0 && m->kind == ANY_SUCCESS)
        test_check(!has_failed(result));
}

static void end_mixed(struct mixed *m, unsigned half)
{
    for (unsigned k = half; k < SET; k += 2) {
        switch (m->how[k]) { /* in a race, or of two, another may have been first */
        case 0:
            filch_future_cancel(m->f[k]);
            break;
        case 1:
            filch_promise_set_error(m->f[k], 5, NULL);
            break;
        default:
            filch_promise_set_result(m->f[k], NULL);
            break;
        }
    }
}

static void play_mixed(unsigned i, void *arg)
{
    struct mixed *m = arg;
    uint64_t x = random_from(test_seed(), 30);

    for (size_t round = 0; round < m->rounds; round++) {
        if (i == 0)
            make_mixed(m, &x);
        pthread_barrier_wait(&m->turn);
        if (i < 2)
            end_mixed(m, i);
        else
            test_check(kinds[m->kind](m->f, SET, &m->out[i - 2]) == 0);
        if (i >= 2 && m->cancels)
            filch_future_cancel(m->out[i - 2]);
        pthread_barrier_wait(&m->turn);
        for (int k = 0; i == 0 && k < 2; k++) {
            check_mixed(m, m->out[k]);
            filch_future_release(m->out[k]);
        }
        for (int k = 0; i == 0 && k < SET; k++)
            filch_future_release(m->f[k]);
    }
}

TEST(what_is_combined_while_it_ends_ends_as_it_should)
{
    struct mixed m = {.rounds = test_scaled(20000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&m.turn, NULL, 4);
    test_threads(4, play_mixed, &m);
    pthread_barrier_destroy(&m.turn);
    for (int kind = 0; m.rounds > 100 && kind < KINDS; kind++)
        assert_true(count_of(&m.decided[kind]) > 0);
    assert_int_equal(blocks_now(), before);
}

/* ---- Races with one future that is in all of them ---- */

enum {
    RACERS = 3,
    AT_ONCE = 40
};

struct races {
    filch_executor *ex;
    filch_future *never; /* started, so that no race cancels it */
    size_t each;
    counter won, cancelled;
};

struct one_race {
    filch_future *request;
    filch_future *out;
};

static struct one_race begin_race(struct races *r, uint64_t choice)
{
    struct one_race one = {NULL, NULL};

    one.request = choice % 4 == 0 ? promise() : submit(r->ex, task_echo, NULL);
    filch_future *f[2] = {one.request, r->never};
    test_check(kinds[choice >> 8 & 1 ? RACE : ANY](f, 2, &one.out) == 0);
    if (choice % 4 == 0)
        test_check(filch_promise_set_result(one.request, NULL) == 0);
    return one;
}

static void end_race(struct races *r, struct one_race *one, bool cancels)
{
    void *first = NULL;

    if (cancels && filch_future_cancel(one->out)) {
        count_one(&r->cancelled);
    } else {
        test_check(filch_future_result(one->out, FILCH_FOREVER, &first) == 0);
        test_check(first == one->request);
        count_one(&r->won);
    }
    filch_future_release(one->out);
    filch_future_release(one->request);
}

/* In and out as they came, or by chance. */
static void run_races(unsigned i, void *arg)
{
    struct races *r = arg;
    struct one_race race[AT_ONCE] = {{NULL, NULL}};
    uint64_t x = random_from(test_seed(), i);

    for (size_t k = 0; k < r->each; k++) {
        uint64_t choice = random_next(&x) >> 16;
        size_t at = i == 0 ? k % AT_ONCE : (choice >> 16) % AT_ONCE;

        if (race[at].out != NULL)
            end_race(r, &race[at], choice % 3 == 0);
        race[at] = begin_race(r, choice);
    }
    for (int k = 0; k < AT_ONCE; k++) {
        if (race[k].out != NULL)
            end_race(r, &race[k], false);
    }
}

TEST(a_long_lived_future_that_many_threads_race_against_keeps_nothing_of_it)
{
    struct races r = {.ex = pool_of(2), .never = promise(), .each = test_scaled(150000)};
    int64_t before = blocks_now();

    assert_int_equal(filch_promise_start(r.never), 1);
    test_threads(RACERS, run_races, &r);
    assert_int_equal(filch_executor_wait_idle(r.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&r.won) + count_of(&r.cancelled), RACERS * r.each);
    /* Twice as many nodes as there were races at once: they are found by chance while others look. */
    assert_in_range(blocks_now() - before, 0, 2 * RACERS * AT_ONCE);
    assert_int_equal(filch_promise_set_result(r.never, NULL), 0);
    filch_future_release(r.never);
    filch_executor_destroy(r.ex);
    assert_int_equal(blocks_now(), before - 1);
}

/* ---- Flattened, while the inner one ends ---- */

struct flat {
    pthread_barrier_t turn;
    filch_future *f[SET], *inner[SET], *out[SET];
    unsigned how[SET];
    size_t rounds;
};

static int give(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = filch_future_retain(arg);
    return 0;
}

static void play_flat(unsigned i, void *arg)
{
    struct flat *w = arg;
    uint64_t x = random_from(test_seed(), 40);

    for (size_t round = 0; round < w->rounds; round++) {
        for (int k = 0; i == 0 && k < SET; k++) {
            w->f[k] = promise();
            w->inner[k] = promise();
            w->how[k] = (unsigned)((random_next(&x) >> 16) % 5);
            w->out[k] = then(w->f[k], NULL, FILCH_THEN_FLATTEN, give, w->inner[k]);
            filch_future_retain(w->inner[k]); /* until it has been given */
        }
        pthread_barrier_wait(&w->turn);
        for (int k = 0; k < SET; k++) {
            if (i == 0)
                end(w->f[k], 2);
            else if (i == 1)
                end(w->inner[k], w->how[k]);
            else
                filch_future_cancel(w->out[k]); /* it may be too late */
            if (i == 0)
                filch_future_release(w->inner[k]);
        }
        pthread_barrier_wait(&w->turn);
        for (int k = 0; i == 0 && k < SET; k++) {
            int status = finish(w->out[k]);

            test_check(status == expected_of(w->how[k]) || status == FILCH_ECANCELED);
        }
    }
}

TEST(what_is_flattened_ends_as_the_inner_one_that_ends_meanwhile)
{
    struct flat w = {.rounds = test_scaled(10000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&w.turn, NULL, 3);
    test_threads(3, play_flat, &w);
    pthread_barrier_destroy(&w.turn);
    assert_int_equal(blocks_now(), before);
}

/* ---- Executors that end in the middle ---- */

struct cut {
    pthread_barrier_t turn;
    filch_executor *ex;
    filch_future *f[SET], *out[SET];
    size_t rounds;
    counter calls;
};

static int count_call_of_cut(filch_future *before, void *arg, void **result)
{
    struct cut *c = arg;

    (void)before;
    *result = arg;
    count_one(&c->calls);
    return 0;
}

static size_t finish_cut(struct cut *c)
{
    size_t finished = 0;

    for (int k = 0; k < SET; k++) {
        int status = finish(c->out[k]);

        test_check(status == 0 || status == FILCH_ECANCELED || status == FILCH_ESHUTDOWN);
        finished += status == 0;
        filch_future_release(c->f[k]);
    }
    return finished;
}

static void play_cut(unsigned i, void *arg)
{
    struct cut *c = arg;
    uint64_t x = random_from(test_seed(), 60);

    for (size_t round = 0; round < c->rounds; round++) {
        uint64_t choice = random_next(&x) >> 16;

        if (i == 0) {
            c->ex = pool_of(1 + (unsigned)(choice % 2));
            fl_store(&c->calls, 0, relaxed); /* settled by the barrier */
            for (int k = 0; k < SET; k++) {
                c->f[k] = promise();
                c->out[k] = then(c->f[k], c->ex, 0, count_call_of_cut, c);
            }
        }
        pthread_barrier_wait(&c->turn);
        for (int k = 0; i == 1 && k < SET; k++)
            test_check(filch_promise_set_result(c->f[k], NULL) == 0);
        if (i == 0) {
            test_check(filch_executor_shutdown(c->ex,
                                               choice >> 8 & 1 ? FILCH_CANCEL_PENDING : FILCH_DRAIN,
                                               FILCH_FOREVER) == 0);
        }
        pthread_barrier_wait(&c->turn);
        if (i == 0) {
            test_check(finish_cut(c) == count_of(&c->calls));
            filch_executor_destroy(c->ex);
        }
    }
}

TEST(a_continuation_on_an_executor_that_shuts_down_runs_or_says_why_not)
{
    struct cut c = {.rounds = test_scaled(2000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&c.turn, NULL, 2);
    test_threads(2, play_cut, &c);
    pthread_barrier_destroy(&c.turn);
    assert_int_equal(blocks_now(), before);
}
