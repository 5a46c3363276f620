/* SPDX-License-Identifier: MIT
 *
 * stress_idle.c: bursts with gaps, so that workers fall asleep while tasks are published. There is
 * no timeout behind a sleep: a wake that is lost is a hang, and the harness shows it. */
#include "sched/work.h"

#include <time.h>

struct pulse {
    filch_executor *ex;
    counter ran;
    size_t turns;
    unsigned gap; /* the longest, in pauses of the CPU */
};

static void pause_for(uint64_t n)
{
    for (; n > 0; n--)
        fl_relax();
}

static int task_spread(void *arg, void **result)
{
    struct pulse *p = arg;

    for (int i = 0; i < 2; i++)
        test_check(filch_submit(p->ex, task_count, &p->ran, NULL) == 0);
    return task_count(&p->ran, result);
}

static void publish(struct pulse *p, uint64_t *x)
{
    size_t n = random_next(x) >> 20 & 3;
    filch_future *f[4];

    for (size_t i = 0; i <= n; i++)
        f[i] = submit(p->ex, i == 0 ? task_spread : task_count, i == 0 ? (void *)p : &p->ran);
    for (size_t i = 0; i <= n; i++)
        test_check(finish(f[i]) == 0);
}

static void beat(unsigned i, void *arg)
{
    struct pulse *p = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < p->turns; turn++) {
        publish(p, &x);
        pause_for((random_next(&x) >> 20) % p->gap);
    }
}

static void run_pulse(filch_options options, unsigned producers, unsigned gap)
{
    struct pulse p = {.ex = pool_with(options), .turns = test_scaled(6000), .gap = gap};

    test_threads(producers, beat, &p);
    assert_int_equal(filch_executor_wait_idle(p.ex, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(p.ex).executed, count_of(&p.ran));
    filch_executor_destroy(p.ex);
}

TEST(every_publish_is_run_by_workers_that_never_spin)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        run_pulse((filch_options){.workers = workers, .spin_ns = -1}, 1 + workers % 2, 400);
}

TEST(every_publish_is_run_by_workers_that_spin_for_a_moment)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        run_pulse((filch_options){.workers = workers, .spin_ns = 2000}, 2, 2000);
}

TEST(every_publish_is_run_with_a_single_searcher)
{
    run_pulse((filch_options){.workers = 6, .spin_ns = 1000, .max_searchers = 1}, 3, 1000);
}

TEST(every_publish_is_run_after_the_workers_have_slept)
{
    filch_executor *ex = pool_of(3);
    const struct timespec gap = {0, 300000};

    for (size_t turn = test_scaled(1000); turn > 0; turn--) {
        nanosleep(&gap, NULL); /* longer than a worker spins */
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    }
    filch_executor_destroy(ex);
}

/* A task that is the only awake one publishes and blocks outside filch: somebody has to come. */
static int task_rendezvous(void *arg, void **result)
{
    struct gate *g = arg;

    fl_add(&g->arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&g->arrived, INT_MAX);
    gate_await(g, 3);
    *result = NULL;
    return 0;
}

struct meeting {
    filch_executor *ex;
    struct gate gate;
};

static int task_convene(void *arg, void **result)
{
    struct meeting *m = arg;

    for (int i = 0; i < 2; i++)
        test_check(filch_submit(m->ex, task_rendezvous, &m->gate, NULL) == 0);
    return task_rendezvous(&m->gate, result);
}

TEST(each_task_that_is_published_wakes_its_own_worker)
{
    filch_executor *ex = pool_with((filch_options){.workers = 3, .spin_ns = -1});

    for (size_t turn = test_scaled(5000); turn > 0; turn--) {
        struct meeting m = {.ex = ex};
        void *args[3] = {&m.gate, &m.gate, &m.gate};

        if (turn % 3 == 0)
            assert_int_equal(filch_submit_batch(ex, task_rendezvous, args, 3, NULL), 0);
        else if (turn % 3 == 1)
            assert_int_equal(filch_submit(ex, task_convene, &m, NULL), 0);
        else
            for (int i = 0; i < 3; i++)
                assert_int_equal(filch_submit(ex, task_rendezvous, &m.gate, NULL), 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    }
    filch_executor_destroy(ex);
}
