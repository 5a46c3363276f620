/* SPDX-License-Identifier: MIT
 *
 * stress_lanes.c: more threads inside submit than there are lanes, threads that come and go, and
 * threads that serve several executors. */
#include "sched/work.h"

#include <pthread.h>

struct port {
    filch_executor *ex[3];
    counter ran;
    size_t each;
};

static void deliver(unsigned i, void *arg)
{
    struct port *p = arg;

    for (size_t k = 0; k < p->each; k++) {
        filch_executor *ex = p->ex[(i + k) % 3];

        if (k % 4 == 0)
            test_check(finish(submit(ex, task_count, &p->ran)) == 0);
        else
            test_check(filch_submit(ex, task_count, &p->ran, NULL) == 0);
    }
}

static void open_port(struct port *p, unsigned workers)
{
    *p = (struct port){0};
    for (int i = 0; i < 3; i++)
        p->ex[i] = pool_of(workers);
}

static void close_port(struct port *p, uint64_t expected)
{
    for (int i = 0; i < 3; i++)
        filch_executor_destroy(p->ex[i]);
    assert_int_equal(count_of(&p->ran), expected);
}

TEST(three_hundred_threads_submit_at_once)
{
    struct port p;

    open_port(&p, 2);
    p.each = test_scaled(100);
    test_threads(300, deliver, &p);
    close_port(&p, 300 * p.each);
}

static void come_and_go(unsigned i, void *arg)
{
    struct port *p = arg;
    size_t turns = test_scaled(300);

    for (size_t turn = 0; turn < turns; turn++)
        test_threads(2, deliver, p);
    (void)i;
}

TEST(threads_that_come_and_go_leave_nothing_behind)
{
    struct port p;

    open_port(&p, 1);
    p.each = 3;
    test_threads(3, come_and_go, &p);
    close_port(&p, 3 * 2 * 3 * test_scaled(300));
}

/* ---- Order: first in, first out, for each thread that submits ---- */

struct queue_place {
    fl_atomic(uint64_t) * next;
    uint64_t place;
};

static int task_in_order(void *arg, void **result)
{
    struct queue_place q;

    memcpy(&q, arg, sizeof q);
    test_check(fl_add(q.next, 1, relaxed) == q.place); /* own word: of the only worker */
    *result = NULL;
    return 0;
}

struct line {
    filch_executor *ex;
    size_t n;
};

static void submit_in_order(unsigned i, void *arg)
{
    struct line *l = arg;
    fl_atomic(uint64_t) next;

    (void)i;
    fl_init(&next, 0);
    for (uint64_t place = 0; place < l->n; place++) {
        struct queue_place q = {&next, place};
        test_check(filch_submit_copy(l->ex, task_in_order, &q, sizeof q, NULL) == 0);
    }
    test_check(filch_executor_wait_idle(l->ex, FILCH_FOREVER) == 0);
    test_check(fl_load(&next, acquire) == l->n);
}

TEST(one_thread_s_tasks_run_in_the_order_submitted)
{
    struct line l = {pool_of(1), test_scaled(100000)};

    submit_in_order(0, &l);
    filch_executor_destroy(l.ex);
}
