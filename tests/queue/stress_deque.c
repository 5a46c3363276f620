/* SPDX-License-Identifier: MIT
 *
 * stress_deque.c: one deque, its owner and three thieves; every task leaves it once.
 *
 * A task's number is written before its push and read by whoever takes it, without an atomic, so that
 * ThreadSanitizer checks what the deque promises to order. stress_deque_wrap64.c runs the same with
 * indices that wrap. */
#include <stdlib.h>

#include "base/random.h"
#include "base/thread.h"
#include "queue/deque.h"

#include "harness/test.h"

enum {
    THREADS = 4,
    ROUND = 20000,   /* tasks that pass through one deque */
    ROUNDS = 150,    /* deques: each of them grows anew */
    PATIENCE = 1000, /* turns of a spin before it gives its core away */
    MEETINGS = 50000 /* of one pusher and one sleeper */
};

struct fl_task {
    uint32_t number;
    fl_atomic(uint32_t) taken; /* ghost: relaxed everywhere, orders nothing */
};

static struct fl_heap heap;

static struct round {
    struct fl_deque d;
    struct fl_task tasks[ROUND];
    uint64_t seed;
    fl_atomic(uint32_t) over; /* everything has been pushed */
} r;

static void open_round(uint64_t seed)
{
    test_check(fl_deque_open(&r.d, &heap) == 0);
    for (uint32_t i = 0; i < ROUND; i++) {
        r.tasks[i].number = UINT32_MAX;
        fl_store(&r.tasks[i].taken, 0, relaxed);
    }
    r.seed = seed;
    fl_store(&r.over, 0, relaxed);
}

static void close_round(void)
{
    test_check(fl_deque_looks_empty(&r.d));
    for (uint32_t i = 0; i < ROUND; i++)
        test_check(fl_load(&r.tasks[i].taken, relaxed) == 1);
    fl_deque_close(&r.d);
}

static void prepare(uint32_t i)
{
    r.tasks[i].number = i;
}

static uint32_t take(struct fl_task *task)
{
    test_check(task->number == (uint32_t)(task - r.tasks));
    test_check(fl_add(&task->taken, 1, relaxed) == 0);
    return task->number;
}

static void put(uint32_t i)
{
    prepare(i);
    test_check(fl_deque_reserve(&r.d, 1) == 0);
    fl_deque_push(&r.d, &r.tasks[i]);
}

static void put_many(uint32_t i, uint32_t n)
{
    struct fl_task *batch[64];

    for (uint32_t k = 0; k < n; k++) {
        prepare(i + k);
        batch[k] = &r.tasks[i + k];
    }
    test_check(fl_deque_reserve(&r.d, n) == 0);
    fl_deque_push_many(&r.d, batch, n);
}

/* Bursts of one kind, short ones mostly: short, the deque hovers around empty; long, it grows. */
static void own(uint64_t *random)
{
    uint32_t next = 0;

    while (next < ROUND) {
        uint32_t burst = 1 + fl_random_below(random, fl_random_below(random, 50) == 0 ? 2000 : 3);
        uint32_t kind = fl_random_below(random, 5);

        for (uint32_t i = 0; i < burst && next < ROUND; i++) {
            if (kind == 0 && ROUND - next >= 64) {
                uint32_t n = fl_random_below(random, 64);

                put_many(next, n);
                next += n;
                i += n;
            } else if (kind < 3) {
                put(next++);
            } else {
                struct fl_task *task = fl_deque_pop(&r.d);

                if (task == NULL)
                    break;
                take(task);
            }
        }
    }
    fl_store(&r.over, 1, release);
    for (struct fl_task *task; (task = fl_deque_pop(&r.d)) != NULL;)
        take(task);
}

static bool sometimes(void *arg)
{
    return fl_random_below(arg, 4) != 0;
}

static void rob(uint64_t *random)
{
    unsigned idle = 0;

    for (;;) {
        bool over = fl_load(&r.over, acquire) != 0;
        uint64_t floor = fl_deque_bottom(&r.d) - fl_random_below(random, 8);
        bool choosy = fl_random_below(random, 3) == 0;
        struct fl_task *task =
            choosy ? fl_deque_steal_if(&r.d, floor, sometimes, random) : fl_deque_steal(&r.d);

        if (task != NULL) {
            take(task);
            idle = 0;
        } else if (over && !choosy) {
            return;
        } else if (++idle % PATIENCE == 0) {
            fl_thread_yield();
        }
    }
}

static void own_or_rob(unsigned i, void *arg)
{
    uint64_t random = fl_random_seed(r.seed + i);

    (void)arg;
    if (i == 0)
        own(&random);
    else
        rob(&random);
}

TEST(owner_and_thieves_take_every_task_once)
{
    size_t rounds = test_scaled(ROUNDS);
    uint64_t seed = test_seed();

    fl_heap_open(&heap, NULL);
    for (size_t i = 0; i < rounds; i++) {
        open_round(seed + i * THREADS);
        test_threads(THREADS, own_or_rob, NULL);
        close_round();
    }
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0);
    fl_heap_close(&heap);
}

/* The gate that pushers pass one at a time, as those of a lane do. */
static fl_atomic(uint32_t) held;
static uint32_t pushed; /* whoever holds the gate */

static void push_in_turn(uint64_t *random)
{
    bool more = true;

    while (more) {
        for (unsigned turn = 1; fl_swap(&held, 1, acquire) != 0; turn++)
            if (turn % PATIENCE == 0)
                fl_thread_yield();
        for (uint32_t n = fl_random_below(random, 5); n > 0 && pushed < ROUND; n--)
            put(pushed++);
        more = pushed < ROUND;
        if (!more)
            fl_store(&r.over, 1, release);
        fl_store(&held, 0, release);
    }
}

/* What one thread shifts, it shifts in the order of the pushes. */
static void shift_all(void)
{
    uint32_t least = 0;

    for (unsigned idle = 1;; idle++) {
        bool over = fl_load(&r.over, acquire) != 0;
        struct fl_task *task = fl_deque_shift(&r.d);

        if (task != NULL) {
            uint32_t number = take(task);

            test_check(number >= least);
            least = number + 1;
        } else if (over) {
            return;
        } else if (idle % PATIENCE == 0) {
            fl_thread_yield();
        }
    }
}

static void push_or_shift(unsigned i, void *arg)
{
    unsigned pushers = *(unsigned *)arg;
    uint64_t random = fl_random_seed(r.seed + i);

    if (i < pushers)
        push_in_turn(&random);
    else
        shift_all();
}

static void run_shift(unsigned pushers)
{
    size_t rounds = test_scaled(ROUNDS / 2);
    uint64_t seed = test_seed();

    fl_heap_open(&heap, NULL);
    for (size_t i = 0; i < rounds; i++) {
        open_round(seed + i * THREADS);
        pushed = 0;
        test_threads(THREADS, push_or_shift, &pushers);
        close_round();
    }
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0);
    fl_heap_close(&heap);
}

TEST(three_that_shift_take_every_task_once_and_each_in_order)
{
    run_shift(1);
}

TEST(pushers_that_take_turns_lose_nothing_to_those_that_shift)
{
    run_shift(2);
}

/* Two threads come to a line together, and each crosses it a moment early or late. */
static struct meeting {
    size_t n;
    fl_atomic(size_t) arrived[2]; /* the line that each side has got to */
    fl_atomic(uint32_t) announced;
    bool saw_sleeper, saw_nothing;
    struct fl_task *popped, *stolen;
} m;

static void arrive(unsigned i, size_t line)
{
    fl_store(&m.arrived[i], line, release);
    for (unsigned turn = 1; fl_load(&m.arrived[1 - i], acquire) < line; turn++)
        if (turn % PATIENCE == 0)
            fl_thread_yield();
}

static void linger(uint64_t *random)
{
    for (uint32_t n = fl_random_below(random, 50); n > 0; n--)
        fl_random(random);
}

static void run_meeting(void (*meet)(unsigned i, void *arg))
{
    fl_heap_open(&heap, NULL);
    test_check(fl_deque_open(&r.d, &heap) == 0);
    r.seed = test_seed();
    m.n = test_scaled(MEETINGS);
    fl_store(&m.arrived[0], 0, relaxed);
    fl_store(&m.arrived[1], 0, relaxed);
    test_threads(2, meet, NULL);
    fl_deque_close(&r.d);
    fl_heap_close(&heap);
}

/* One pushes and looks for a sleeper; one announces that it sleeps and looks for a task. */
static void push_or_sleep(unsigned i, void *arg)
{
    uint64_t random = fl_random_seed(r.seed + i);

    (void)arg;
    for (size_t k = 0; k < m.n; k++) {
        arrive(i, 3 * k + 1);
        linger(&random);
        if (i == 0) {
            put(0);
            m.saw_sleeper = fl_look(&m.announced) != 0;
        } else {
            fl_store_look(&m.announced, 1);
            m.saw_nothing = fl_deque_looks_empty(&r.d);
        }
        arrive(i, 3 * k + 2);
        if (i == 0) {
            test_check(m.saw_sleeper || !m.saw_nothing);
            test_check(fl_deque_pop(&r.d) == &r.tasks[0]);
            fl_store(&m.announced, 0, relaxed); /* settled by arrive */
        }
        arrive(i, 3 * k + 3);
    }
}

TEST(a_pusher_and_a_sleeper_never_miss_each_other)
{
    run_meeting(push_or_sleep);
}

/* One task, or two of which the thief tries to have both. */
static void pop_or_steal(unsigned i, void *arg)
{
    uint64_t random = fl_random_seed(r.seed + i);
    struct fl_task *second;

    (void)arg;
    for (size_t k = 0; k < m.n; k++) {
        bool two = k % 2 != 0;

        if (i == 0) {
            put(0);
            if (two)
                put(1);
        }
        arrive(i, 2 * k + 1);
        second = NULL;
        linger(&random);
        if (i == 0) {
            m.popped = fl_deque_pop(&r.d);
        } else {
            m.stolen = fl_deque_steal(&r.d);
            if (two)
                second = fl_deque_steal(&r.d);
        }
        test_check(second == NULL || second == &r.tasks[1]);
        if (second != NULL)
            m.stolen = second;
        arrive(i, 2 * k + 2);
        if (i == 0) {
            test_check(m.popped != m.stolen);
            if (two)
                test_check(m.popped == &r.tasks[1] || m.stolen == &r.tasks[1]);
            while (fl_deque_pop(&r.d) != NULL)
                ;
        }
    }
}

TEST(thief_and_owner_never_both_get_the_last_task)
{
    run_meeting(pop_or_steal);
}
