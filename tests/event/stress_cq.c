/* SPDX-License-Identifier: MIT
 *
 * stress_cq.c: many threads add and complete, one takes: what went in comes out, each as often as it
 * was added, and no sleeper is forgotten; and queues are destroyed while futures of theirs end. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <poll.h>
#include <pthread.h>

static filch_cq *queue(void)
{
    filch_cq *cq = NULL;

    test_check(filch_cq_create(&cq) == 0);
    return cq;
}

static void add(filch_cq *cq, filch_future *f)
{
    test_check(filch_cq_add(cq, f) == 0);
}

/* ---- Many producers, one taker ---- */

enum {
    PRODUCERS = 3
};

/* A future carries a number, 1 to n of its producer, in its result or as its code; a cancelled one
 * carries none. */
struct traffic {
    filch_cq *cq;
    filch_executor *ex;
    size_t each; /* additions of one producer */
    counter added, added_cancelled, sum_added;
    uint64_t taken, taken_cancelled, sum_taken;
    unsigned way; /* of taking: 0 take and spin, 1 next, 2 the descriptor, 3 all of them */
};

static void count_sum(counter *sum, uint64_t n)
{
    fl_add(sum, n, relaxed); /* count */
}

/* One future, added once or twice, before or after it is over. Returns how often. */
static uint64_t produce(struct traffic *t, uint64_t choice, uint64_t tag)
{
    uint64_t times = 1 + (choice & 1U);
    bool early = (choice >> 1 & 1U) != 0;
    unsigned kind = (choice >> 2) % 4;
    filch_future *f = kind == 3 ? submit(t->ex, task_echo, number((intptr_t)tag)) : promise();

    for (uint64_t i = 0; early && i < times; i++)
        add(t->cq, f);
    if (kind == 0)
        test_check(filch_promise_set_result(f, number((intptr_t)tag)) == 0);
    else if (kind == 1)
        test_check(filch_promise_set_error(f, (int)tag, NULL) == 0);
    else if (kind == 2)
        test_check(filch_future_cancel(f));
    for (uint64_t i = 0; !early && i < times; i++)
        add(t->cq, f);
    filch_future_release(f);
    count_sum(&t->added, times);
    if (kind == 2)
        count_sum(&t->added_cancelled, times);
    else
        count_sum(&t->sum_added, times * tag);
    return times;
}

static void tally(struct traffic *t, filch_future *f)
{
    void *result = NULL;
    int status = filch_future_result(f, FILCH_NOW, &result);

    t->taken++;
    if (status == FILCH_ECANCELED)
        t->taken_cancelled++;
    else
        t->sum_taken += status == 0 ? (uint64_t)(intptr_t)result : (uint64_t)status;
    filch_future_release(f);
}

static void await_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    test_check(poll(&p, 1, -1) == 1);
}

/* By descriptor it sleeps only after it has found the queue empty. */
static void take_until_empty(struct traffic *t, size_t most)
{
    filch_future *done[16];
    size_t n;

    while ((n = filch_cq_take(t->cq, done, most)) != 0) {
        for (size_t i = 0; i < n; i++)
            tally(t, done[i]);
    }
}

static void take_all(struct traffic *t, uint64_t x)
{
    size_t total = PRODUCERS * t->each;
    int fd = t->way >= 2 ? filch_cq_fd(t->cq) : -1;

    while (t->taken < total) {
        uint64_t choice = random_next(&x) >> 16;
        filch_future *done = NULL;
        int status;

        switch (t->way < 3 ? t->way : (unsigned)(choice % 3)) {
        case 0:
            take_until_empty(t, 1 + (choice >> 8) % 16);
            break;
        case 1:
            status = filch_cq_next(
                t->cq, choice % 4 != 0 ? FILCH_FOREVER : filch_in_us((int64_t)(choice >> 8) % 100),
                &done);
            if (status == 0)
                tally(t, done);
            else
                test_check(status == FILCH_ETIMEDOUT && choice % 4 == 0);
            break;
        default:
            take_until_empty(t, 1 + (choice >> 8) % 16);
            if (t->taken < total)
                await_readable(fd);
            break;
        }
    }
}

static void produce_or_take(unsigned i, void *arg)
{
    struct traffic *t = arg;
    uint64_t x = random_from(test_seed(), i);
    uint64_t added = 0;

    if (i == PRODUCERS) {
        take_all(t, x);
        return;
    }
    while (added < t->each) {
        uint64_t choice = random_next(&x) >> 16;

        added += produce(t, added + 2 <= t->each ? choice : choice & ~UINT64_C(1), 1 + added);
        if (choice % 64 == 0)
            sched_yield(); /* for the taker to catch up and go to sleep */
    }
}

TEST(what_many_threads_add_comes_out_each_as_often_as_it_was_added)
{
    int64_t before = blocks_now();

    for (unsigned way = 0; way <= 3; way++) {
        struct traffic t = {
            .cq = queue(), .ex = pool_of(2), .each = test_scaled(100000), .way = way};
        filch_future *done = NULL;

        test_threads(PRODUCERS + 1, produce_or_take, &t);
        assert_int_equal(filch_cq_take(t.cq, &done, 1), 0);
        assert_int_equal(t.taken, count_of(&t.added));
        assert_int_equal(t.taken_cancelled, count_of(&t.added_cancelled));
        assert_int_equal(t.sum_taken, count_of(&t.sum_added));
        filch_executor_destroy(t.ex);
        filch_cq_destroy(t.cq);
        assert_int_equal(blocks_now(), before);
    }
}

/* ---- One future, added while it ends ---- */

enum {
    BATCH = 64
};

struct meeting {
    pthread_barrier_t turn;
    filch_cq *cq;
    filch_future *f[BATCH];
    size_t rounds;
    bool by_fd;
};

static void take_batch(struct meeting *m)
{
    bool seen[BATCH] = {false};

    for (size_t n = 0; n < BATCH;) {
        filch_future *done[BATCH];
        size_t taken = 0;

        if (m->by_fd) {
            await_readable(filch_cq_fd(m->cq));
            taken = filch_cq_take(m->cq, done, 1 + n % 3); /* and leaves what is more */
        } else {
            test_check(filch_cq_next(m->cq, FILCH_FOREVER, done) == 0);
            taken = 1;
        }
        for (size_t i = 0; i < taken; i++) {
            size_t k = 0;

            while (m->f[k] != done[i])
                k++;
            test_check(!seen[k] && filch_future_done(done[i]));
            seen[k] = true;
            filch_future_release(done[i]);
        }
        n += taken;
    }
}

static void meet(unsigned i, void *arg)
{
    struct meeting *m = arg;

    for (size_t round = 0; round < m->rounds; round++) {
        if (i == 0) {
            for (int k = 0; k < BATCH; k++)
                m->f[k] = promise();
        }
        pthread_barrier_wait(&m->turn);
        if (i == 0)
            take_batch(m);
        for (int k = 0; i == 1 && k < BATCH; k++)
            add(m->cq, m->f[k]);
        for (int k = 0; i == 2 && k < BATCH; k++)
            test_check(k % 2 == 0 ? filch_promise_set_result(m->f[k], NULL) == 0
                                  : filch_future_cancel(m->f[k]));
        pthread_barrier_wait(&m->turn);
        for (int k = 0; i == 0 && k < BATCH; k++)
            filch_future_release(m->f[k]);
    }
}

TEST(a_future_that_is_added_while_it_ends_comes_once_and_nobody_sleeps_for_ever)
{
    for (int by_fd = 0; by_fd < 2; by_fd++) {
        struct meeting m = {
            .cq = queue(), .rounds = test_scaled(by_fd ? 1500 : 5000), .by_fd = by_fd != 0};

        pthread_barrier_init(&m.turn, NULL, 3);
        test_threads(3, meet, &m);
        pthread_barrier_destroy(&m.turn);
        filch_cq_destroy(m.cq);
    }
}

/* ---- One future in many queues ---- */

struct spread {
    pthread_barrier_t turn;
    filch_future *f[BATCH];
    size_t rounds;
};

static void take_own(const struct spread *s, filch_cq *cq)
{
    for (int k = 0; k < BATCH; k++)
        add(cq, s->f[k]);
    for (int k = 0; k < BATCH; k++) {
        filch_future *done = NULL;

        test_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0);
        test_check(filch_future_done(done));
        filch_future_release(done);
    }
}

static void share(unsigned i, void *arg)
{
    struct spread *s = arg;
    filch_cq *cq = queue();

    for (size_t round = 0; round < s->rounds; round++) {
        filch_future *none = NULL;

        if (i == 0) {
            for (int k = 0; k < BATCH; k++)
                s->f[k] = promise();
        }
        pthread_barrier_wait(&s->turn);
        if (i != 0)
            take_own(s, cq);
        for (int k = 0; i == 0 && k < BATCH; k++)
            test_check(filch_promise_set_result(s->f[k], NULL) == 0);
        test_check(filch_cq_take(cq, &none, 1) == 0);
        pthread_barrier_wait(&s->turn);
        for (int k = 0; i == 0 && k < BATCH; k++)
            filch_future_release(s->f[k]);
    }
    filch_cq_destroy(cq);
}

TEST(a_future_in_many_queues_comes_out_of_each)
{
    struct spread s = {.rounds = test_scaled(3000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&s.turn, NULL, 4);
    test_threads(4, share, &s);
    pthread_barrier_destroy(&s.turn);
    assert_int_equal(blocks_now(), before);
}

/* ---- Destroyed while they end ---- */

struct ending {
    pthread_barrier_t turn;
    filch_cq *cq;
    filch_future *f[BATCH];
    size_t rounds;
};

static void begin_round(struct ending *e, uint64_t choice)
{
    e->cq = queue();
    if (choice % 2 == 0)
        test_check(filch_cq_fd(e->cq) >= 0);
    for (int k = 0; k < BATCH; k++) {
        e->f[k] = promise();
        add(e->cq, e->f[k]);
    }
}

static void end_futures(struct ending *e, int from)
{
    for (int k = from; k < BATCH; k += 2) {
        if (k % 3 != 0)
            test_check(filch_promise_set_result(e->f[k], NULL) == 0);
        filch_future_release(e->f[k]); /* a third of them undecided */
    }
}

static void destroy_or_end(unsigned i, void *arg)
{
    struct ending *e = arg;
    uint64_t x = random_from(test_seed(), 50 + i);

    for (size_t round = 0; round < e->rounds; round++) {
        uint64_t choice = random_next(&x) >> 16;
        filch_future *done[BATCH];
        size_t n = 0;

        if (i == 0)
            begin_round(e, choice);
        pthread_barrier_wait(&e->turn);
        if (i != 0) {
            end_futures(e, (int)i - 1);
        } else {
            for (uint64_t k = choice >> 8 & 7U; k > 0; k--)
                n += filch_cq_take(e->cq, done + n, 1);
            filch_cq_destroy(e->cq);
            while (n > 0)
                filch_future_release(done[--n]);
        }
        pthread_barrier_wait(&e->turn);
    }
}

TEST(a_queue_may_be_destroyed_while_futures_of_it_end)
{
    struct ending e = {.rounds = test_scaled(8000)};
    int64_t before = blocks_now();
    size_t files = files_now();

    pthread_barrier_init(&e.turn, NULL, 3);
    test_threads(3, destroy_or_end, &e);
    pthread_barrier_destroy(&e.turn);
    assert_int_equal(blocks_now(), before);
    assert_int_equal(files_now(), files);
}

/* ---- Takers that are workers ---- */

struct inside {
    filch_executor *ex;
    size_t n;
    counter ran;
};

static int task_take(void *arg, void **result)
{
    struct inside *in = arg;
    filch_cq *cq = queue();
    size_t under_way = 0;
    filch_future *done = NULL;

    for (size_t i = 0; i < in->n || under_way > 0;) {
        while (i < in->n && under_way < 8) {
            filch_future *f = submit(in->ex, task_count, &in->ran);

            add(cq, f);
            filch_future_release(f);
            under_way++;
            i++;
        }
        test_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0);
        test_check(outcome(done) == 0);
        filch_future_release(done);
        under_way--;
    }
    filch_cq_destroy(cq);
    *result = NULL;
    return 0;
}

TEST(tasks_may_wait_for_their_own_tasks_by_a_queue)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct inside in = {.ex = pool_of(workers), .n = test_scaled(10000)};
        filch_future *f[3];

        for (int i = 0; i < 3; i++)
            f[i] = submit(in.ex, task_take, &in);
        for (int i = 0; i < 3; i++)
            assert_int_equal(finish(f[i]), 0);
        assert_int_equal(count_of(&in.ran), 3 * in.n);
        filch_executor_destroy(in.ex);
    }
}
