/* SPDX-License-Identifier: MIT
 *
 * stress_cancel.c: cancel against run, against waits, callbacks and the last release: a task runs
 * once or is cancelled, never both, and everyone who asked is told once. */
#include "sched/work.h"

#include <pthread.h>

enum {
    THREADS = 4,
    ITEMS = 64
};

struct item {
    filch_future *f;
    counter ran;
    counter cancels; /* that returned true */
    counter added;
    counter told;
};

struct stage {
    filch_executor *ex;
    pthread_barrier_t turn;
    struct item items[ITEMS];
    size_t rounds;
    bool outside; /* the items are submitted by this thread, not by a task */
};

static int task_run_item(void *arg, void **result)
{
    struct item *item = arg;

    count_one(&item->ran);
    *result = item;
    return 0;
}

static void item_told(filch_future *f, void *user)
{
    struct item *item = user;

    test_check(filch_future_done(f));
    count_one(&item->told);
}

static void check_outcome(struct item *item, filch_deadline deadline)
{
    void *result = NULL;
    int status = filch_future_result(item->f, deadline, &result);

    if (status == FILCH_ETIMEDOUT)
        test_check(deadline == FILCH_NOW);
    else if (status == 0)
        test_check(result == item && count_of(&item->ran) == 1);
    else
        test_check(status == FILCH_ECANCELED && count_of(&item->ran) == 0);
}

static void do_something(struct item *item, uint64_t choice)
{
    filch_future *f = item->f;

    switch (choice % 6) {
    case 0:
    case 1:
        if (filch_future_cancel(f))
            count_one(&item->cancels);
        break;
    case 2:
        check_outcome(item, FILCH_FOREVER);
        break;
    case 3:
        count_one(&item->added);
        test_check(filch_future_add_done_callback(f, item_told, item) == 0);
        break;
    case 4:
        test_check(filch_wait(&f, 1, FILCH_FIRST_COMPLETED, FILCH_FOREVER) == 1);
        break;
    default:
        check_outcome(item, FILCH_NOW);
        break;
    }
}

static int task_submit_items(void *arg, void **result)
{
    struct stage *s = arg;

    for (int i = 0; i < ITEMS; i++)
        s->items[i].f = submit(s->ex, task_run_item, &s->items[i]);
    *result = NULL;
    return 0;
}

static void set_up(struct stage *s)
{
    memset(s->items, 0, sizeof s->items);
    if (s->outside)
        task_submit_items(s, &(void *){NULL});
    else
        test_check(finish(submit(s->ex, task_submit_items, s)) == 0);
    for (int i = 0; i < ITEMS; i++) {
        for (int t = 1; t < THREADS; t++)
            filch_future_retain(s->items[i].f);
    }
}

static void check_all(struct stage *s)
{
    test_check(filch_executor_wait_idle(s->ex, FILCH_FOREVER) == 0);
    for (int i = 0; i < ITEMS; i++) {
        struct item *item = &s->items[i];

        test_check(count_of(&item->ran) == (count_of(&item->cancels) == 0 ? 1 : 0));
        test_check(count_of(&item->told) == count_of(&item->added));
    }
}

static void play(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < s->rounds; round++) {
        if (i == 0)
            set_up(s);
        pthread_barrier_wait(&s->turn);
        uint64_t first = random_next(&x);
        for (uint64_t k = 0; k < ITEMS; k++) {
            struct item *item = &s->items[(first + k) % ITEMS];

            do_something(item, random_next(&x) >> 20);
            filch_future_release(item->f);
        }
        pthread_barrier_wait(&s->turn);
        if (i == 0)
            check_all(s);
    }
}

static void run_stage(unsigned workers, bool outside)
{
    struct stage *s = calloc(1, sizeof *s);

    test_check(s != NULL);
    s->ex = pool_of(workers);
    s->rounds = test_scaled(1500);
    s->outside = outside;
    pthread_barrier_init(&s->turn, NULL, THREADS);
    test_threads(THREADS, play, s);
    filch_executor_destroy(s->ex);
    pthread_barrier_destroy(&s->turn);
    free(s);
}

TEST(a_task_is_run_once_or_cancelled_and_never_both)
{
    run_stage(1, true);
    run_stage(2, true);
}

TEST(a_task_of_a_task_is_run_once_or_cancelled_and_never_both)
{
    run_stage(2, false);
}
