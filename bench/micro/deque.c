/* SPDX-License-Identifier: MIT
 *
 * deque.c: what do the deque's operations cost with nobody else there? */
#include "micro/micro.h"

#include "driver/bench.h"
#include "queue/deque.h"
#include "sched/task.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64
};

static struct fl_task tasks[AT_ONCE];

enum taker {
    POP,
    STEAL,
    SHIFT
};

static struct fl_task *take(struct fl_deque *d, enum taker taker)
{
    switch (taker) {
    case POP:
        return fl_deque_pop(d);
    case STEAL:
        return fl_deque_steal(d);
    case SHIFT:
        break;
    }
    return fl_deque_shift(d);
}

static void push_and(struct gbench *g, enum taker taker)
{
    struct fl_heap heap;
    struct fl_deque d;

    fl_heap_open(&heap, NULL);
    bench_must(fl_deque_open(&d, &heap), "a deque");
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++) {
            bench_must(fl_deque_reserve(&d, 1), "room in a deque");
            fl_deque_push(&d, &tasks[i]);
        }
        for (int i = 0; i < AT_ONCE; i++) {
            int wanted = taker == POP ? AT_ONCE - 1 - i : i;

            if (take(&d, taker) != &tasks[wanted])
                gbench_fail(g, "the deque gave another task than it should");
        }
    }
    fl_deque_close(&d);
    fl_heap_close(&heap);
}

static void push_pop(struct gbench *g, void *arg)
{
    (void)arg;
    push_and(g, POP);
}

static void push_steal(struct gbench *g, void *arg)
{
    (void)arg;
    push_and(g, STEAL);
}

static void push_shift(struct gbench *g, void *arg)
{
    (void)arg;
    push_and(g, SHIFT);
}

void micro_deque_register(void)
{
    gbench_register("deque/push_pop", push_pop, NULL, 1);
    gbench_register("deque/push_steal", push_steal, NULL, 1);
    gbench_register("deque/push_shift", push_shift, NULL, 1);
}
