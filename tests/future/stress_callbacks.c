/* SPDX-License-Identifier: MIT
 *
 * stress_callbacks.c: callbacks that are added while the future comes to its end: each is called
 * once, and whoever sees the future over is called before add returns. */
#include "sched/work.h"

#include <pthread.h>

enum {
    THREADS = 3,
    ADDS = 8
};

struct stage {
    pthread_barrier_t turn;
    filch_executor *ex; /* NULL: a promise */
    filch_future *f;
    struct gate gate;
    counter told;
    size_t rounds;
};

static void tell(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    count_one(user);
}

static void tell_flag(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    *(bool *)user = true;
}

static void end_it(struct stage *s)
{
    if (s->ex != NULL)
        gate_open(&s->gate);
    else
        test_check(filch_promise_set_result(s->f, NULL) == 0);
}

static void begin(struct stage *s, int references)
{
    s->gate = (struct gate){0};
    fl_store(&s->told, 0, relaxed); /* settled by the barrier */
    s->f = s->ex != NULL ? submit(s->ex, task_gate, &s->gate) : promise();
    for (int n = 1; n < references; n++)
        filch_future_retain(s->f);
}

static void add_some(unsigned i, void *arg)
{
    struct stage *s = arg;

    for (size_t round = 0; round < s->rounds; round++) {
        if (i == 0)
            begin(s, THREADS);
        pthread_barrier_wait(&s->turn);
        if (i == 0)
            end_it(s);
        for (int k = 0; k < ADDS; k++)
            test_check(filch_future_add_done_callback(s->f, tell, &s->told) == 0);
        filch_future_release(s->f);
        pthread_barrier_wait(&s->turn);
        if (i == 0) {
            if (s->ex != NULL)
                test_check(filch_executor_wait_idle(s->ex, FILCH_FOREVER) == 0);
            test_check(count_of(&s->told) == (uint64_t)THREADS * ADDS);
        }
    }
}

static void run(filch_executor *ex, void (*play)(unsigned i, void *arg), size_t rounds)
{
    struct stage s = {.ex = ex, .rounds = test_scaled(rounds)};

    pthread_barrier_init(&s.turn, NULL, THREADS);
    test_threads(THREADS, play, &s);
    pthread_barrier_destroy(&s.turn);
    filch_executor_destroy(ex);
}

TEST(each_callback_is_called_once_by_the_one_who_completes_or_by_the_one_who_adds)
{
    run(NULL, add_some, 20000);
    run(pool_of(1), add_some, 10000);
}

static void add_when_over(unsigned i, void *arg)
{
    struct stage *s = arg;

    for (size_t round = 0; round < s->rounds; round++) {
        if (i == 0) {
            begin(s, THREADS);
            for (int k = 0; k < 4; k++) /* gives the one who completes something to do */
                test_check(filch_future_add_done_callback(s->f, tell, &s->told) == 0);
        }
        pthread_barrier_wait(&s->turn);
        if (i == 0) {
            end_it(s);
        } else {
            bool told = false;

            while (!filch_future_done(s->f))
                continue;
            test_check(filch_future_add_done_callback(s->f, tell_flag, &told) == 0);
            test_check(told);
        }
        filch_future_release(s->f);
        pthread_barrier_wait(&s->turn);
        if (i == 0 && s->ex != NULL)
            test_check(filch_executor_wait_idle(s->ex, FILCH_FOREVER) == 0);
    }
}

TEST(a_callback_that_is_added_to_a_future_that_is_over_is_called_before_add_returns)
{
    run(NULL, add_when_over, 20000);
    run(pool_of(1), add_when_over, 10000);
}
