/* SPDX-License-Identifier: MIT
 *
 * stress_task.c: tasks in memory that is used for something else the instant they are over: each is
 * overwritten by whoever sees it done, and some are submitted again at once. */
#include "sched/work.h"

enum {
    THREADS = 3,
    RECORDS = 8,
    TURNS = 20000
};

static filch_executor *ex;
static counter ran;

struct record {
    filch_task task;
    unsigned value; /* plain */
};

static int work(void *arg, void **result)
{
    struct record *r = arg;

    r->value++;
    count_one(&ran);
    *result = arg;
    return 0;
}

/* A worker neither watches nor waits for less than it would watch before it sleeps: it keeps the thread
 * that would have to run the task. */
static void see_it_over(struct record *r, uint64_t *seed, bool is_outside)
{
    void *result = NULL;

    switch (random_next(seed) % (is_outside ? 3 : 2)) {
    case 2:
        while (!filch_task_done(&r->task))
            sched_yield();
        test_check(filch_task_result(&r->task, FILCH_NOW, &result) == 0);
        break;
    case 1:
        while (filch_task_result(&r->task, is_outside ? filch_in_us(20) : filch_in_ms(1),
                                 &result) == FILCH_ETIMEDOUT)
            continue;
        break;
    default:
        test_check(filch_task_result(&r->task, FILCH_FOREVER, &result) == 0);
        break;
    }
    test_check(result == r);
    memset(&r->task, 0xA5, sizeof r->task);
}

static void submit_and_reuse(unsigned i, void *arg)
{
    struct record r[RECORDS] = {{{{0}}, 0}};
    uint64_t seed = random_from(test_seed(), i);
    unsigned turns = (unsigned)test_scaled(TURNS) / RECORDS;

    for (unsigned turn = 0; turn < turns; turn++) {
        for (int k = 0; k < RECORDS; k++)
            test_check(filch_submit_task(ex, &r[k].task, work, &r[k]) == 0);
        for (int k = 0; k < RECORDS; k++)
            see_it_over(&r[k], &seed, arg == NULL);
    }
    for (int k = 0; k < RECORDS; k++)
        test_check(r[k].value == turns);
}

TEST(memory_of_tasks_is_reused_the_instant_that_they_are_over)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        ex = pool_of(workers);
        fl_store(&ran, 0, relaxed); /* own word: nobody else is there */
        test_threads(THREADS, submit_and_reuse, NULL);
        assert_int_equal(count_of(&ran), THREADS * (test_scaled(TURNS) / RECORDS * RECORDS));
        filch_executor_destroy(ex);
    }
}

static int submit_and_reuse_inside(void *arg, void **result)
{
    (void)result;
    submit_and_reuse((unsigned)(uintptr_t)arg, ex);
    return 0;
}

TEST(memory_of_a_task_s_own_tasks_is_reused_the_instant_that_they_are_over)
{
    filch_future *f[THREADS];

    ex = pool_of(2);
    for (int i = 0; i < THREADS; i++)
        f[i] = submit(ex, submit_and_reuse_inside, number(i + 10));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
}
