/* SPDX-License-Identifier: MIT
 *
 * deque_cases.h: what one thread can tell about a deque, at any start index.
 *
 * test_deque.c includes it for the library's own deque. test_deque_wrap*.c compile deque.c once more,
 * with an index that is about to wrap and a first array of two slots, and run the same. */
#ifndef FL_TESTS_QUEUE_DEQUE_CASES_H
#define FL_TESTS_QUEUE_DEQUE_CASES_H

#include <stdlib.h>

#include <filch/base.h>

#include "base/alloc.h"
#include "queue/deque.h"

#include "harness/test.h"

enum {
    TASKS = 5000
};

struct fl_task {
    int number;
};

static struct fl_task tasks[TASKS];
static struct fl_heap heap;
static struct fl_deque d;

/* Allocations that are still granted. */
static size_t granted = SIZE_MAX;

static void *grudging_alloc(void *ctx, size_t size, size_t align)
{
    void *p;

    (void)ctx;
    if (granted == 0 || posix_memalign(&p, align, size) != 0)
        return NULL;
    granted--;
    return p;
}

static void grudging_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx, (void)size, (void)align;
    free(p);
}

static void set_up(void)
{
    static const filch_allocator allocator = {grudging_alloc, grudging_free, NULL, NULL};

    granted = SIZE_MAX;
    for (int i = 0; i < TASKS; i++)
        tasks[i].number = i;
    fl_heap_open(&heap, &allocator);
    assert_int_equal(fl_deque_open(&d, &heap), 0);
}

/* Everything that was allocated has been freed. */
static void tear_down(void)
{
    assert_true(fl_deque_looks_empty(&d));
    fl_deque_close(&d);
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0); /* count: one thread */
    fl_heap_close(&heap);
}

static void put(int i)
{
    assert_int_equal(fl_deque_reserve(&d, 1), 0);
    fl_deque_push(&d, &tasks[i]);
}

static void put_range(int from, int to)
{
    for (int i = from; i < to; i++)
        put(i);
}

static size_t slots(void)
{
    return (size_t)fl_load(&d.slots, relaxed)->mask + 1; /* own word */
}

TEST(a_pop_before_any_push_finds_nothing)
{
    set_up();
    assert_null(fl_deque_pop(&d));
    assert_null(fl_deque_pop(&d));
    assert_null(fl_deque_steal(&d));
    assert_null(fl_deque_shift(&d));
    assert_null(fl_deque_steal_if(&d, FL_DEQUE_START, NULL, NULL));
    assert_false(fl_deque_is_last(&d, &tasks[0]));
    assert_true(fl_deque_looks_empty(&d));
    assert_true(fl_deque_bottom(&d) == FL_DEQUE_START);
    put(0);
    assert_ptr_equal(fl_deque_pop(&d), &tasks[0]);
    tear_down();
}

TEST(the_owner_pops_the_youngest_first)
{
    set_up();
    put_range(0, 40);
    for (int i = 40; i-- > 0;)
        assert_ptr_equal(fl_deque_pop(&d), &tasks[i]);
    assert_null(fl_deque_pop(&d));
    tear_down();
}

TEST(a_thief_takes_the_oldest_first)
{
    set_up();
    put_range(0, 40);
    for (int i = 0; i < 40; i++)
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
    assert_null(fl_deque_steal(&d));
    tear_down();
}

TEST(a_shift_takes_the_oldest_first_and_sees_what_is_pushed_meanwhile)
{
    set_up();
    put_range(0, 3);
    assert_ptr_equal(fl_deque_shift(&d), &tasks[0]);
    put_range(3, 6);
    for (int i = 1; i < 6; i++)
        assert_ptr_equal(fl_deque_shift(&d), &tasks[i]);
    assert_null(fl_deque_shift(&d));
    put(6);
    assert_ptr_equal(fl_deque_shift(&d), &tasks[6]);
    assert_null(fl_deque_shift(&d));
    tear_down();
}

TEST(the_last_task_goes_to_whoever_comes_first)
{
    set_up();
    for (int i = 0; i < 20; i++) {
        put(i);
        if (i % 2 == 0) {
            assert_ptr_equal(fl_deque_pop(&d), &tasks[i]);
            assert_null(fl_deque_steal(&d));
        } else {
            assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
            assert_null(fl_deque_pop(&d));
        }
        assert_true(fl_deque_looks_empty(&d));
    }
    tear_down();
}

TEST(both_ends_meet_in_the_middle)
{
    set_up();
    put_range(0, 101);
    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
        assert_ptr_equal(fl_deque_pop(&d), &tasks[100 - i]);
    }
    assert_false(fl_deque_looks_empty(&d));
    assert_ptr_equal(fl_deque_pop(&d), &tasks[50]);
    assert_null(fl_deque_pop(&d));
    tear_down();
}

TEST(growth_keeps_every_task_and_its_order)
{
    set_up();
    put_range(0, TASKS);
    assert_true(slots() >= TASKS && slots() < 2 * TASKS);
    for (int i = 0; i < TASKS / 2; i++)
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
    for (int i = TASKS; i-- > TASKS / 2;)
        assert_ptr_equal(fl_deque_pop(&d), &tasks[i]);
    tear_down();
}

TEST(growth_in_the_middle_of_the_array_keeps_every_task)
{
    set_up();
    int full = (int)slots();
    put_range(0, full);
    assert_ptr_equal(fl_deque_steal(&d), &tasks[0]);
    put(full); /* goes where the first one was */
    assert_int_equal(slots(), full);
    put(full + 1);
    assert_int_equal(slots(), 2 * full);
    for (int i = 1; i <= full + 1; i++)
        assert_ptr_equal(fl_deque_shift(&d), &tasks[i]);
    tear_down();
}

TEST(slots_that_came_free_are_refilled_before_the_array_grows)
{
    set_up();
    size_t full = slots();
    put_range(0, (int)full);
    for (int i = (int)full; i < TASKS; i++) {
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i - (int)full]);
        put(i);
    }
    assert_int_equal(slots(), full);
    while (fl_deque_pop(&d) != NULL)
        ;
    tear_down();
}

TEST(a_reserve_makes_room_for_all_pushes_at_once)
{
    struct fl_task *batch[300];

    set_up();
    for (int i = 0; i < 300; i++)
        batch[i] = &tasks[i + 1];
    put(0);
    assert_int_equal(fl_deque_reserve(&d, 300), 0);
    size_t room = slots();
    assert_true(room >= 301);
    granted = 0;
    fl_deque_push_many(&d, batch, 300);
    assert_int_equal(slots(), room);
    for (int i = 0; i <= 300; i++)
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
    tear_down();
}

TEST(pushing_none_changes_nothing)
{
    set_up();
    assert_int_equal(fl_deque_reserve(&d, 0), 0);
    fl_deque_push_many(&d, NULL, 0);
    assert_true(fl_deque_looks_empty(&d));
    put(0);
    fl_deque_push_many(&d, NULL, 0);
    assert_ptr_equal(fl_deque_pop(&d), &tasks[0]);
    assert_null(fl_deque_pop(&d));
    tear_down();
}

TEST(a_reserve_without_memory_leaves_the_deque_as_it_was)
{
    set_up();
    int full = (int)slots();
    put_range(0, full);
    granted = 0;
    assert_int_equal(fl_deque_reserve(&d, 1), FILCH_ENOMEM);
    assert_ptr_equal(fl_deque_steal(&d), &tasks[0]);
    put(full);
    granted = 1;
    put(full + 1);
    for (int i = 1; i <= full + 1; i++)
        assert_ptr_equal(fl_deque_steal(&d), &tasks[i]);
    tear_down();
}

TEST(a_reserve_beyond_all_memory_is_refused)
{
    static const size_t absurd[] = {SIZE_MAX,         SIZE_MAX - 1, SIZE_MAX - 2,
                                    SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / sizeof(void *)};

    set_up();
    for (int held = 0; held < 3; held++) {
        for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++)
            assert_int_equal(fl_deque_reserve(&d, absurd[i]), FILCH_ENOMEM);
        put(held);
    }
    for (int held = 3; held-- > 0;)
        assert_ptr_equal(fl_deque_pop(&d), &tasks[held]);
    tear_down();
}

TEST(an_open_without_memory_says_so)
{
    static const filch_allocator allocator = {grudging_alloc, grudging_free, NULL, NULL};

    fl_heap_open(&heap, &allocator);
    granted = 0;
    assert_int_equal(fl_deque_open(&d, &heap), FILCH_ENOMEM);
    fl_heap_close(&heap);
}

TEST(only_what_pop_would_give_is_last)
{
    set_up();
    put(0);
    assert_true(fl_deque_is_last(&d, &tasks[0]));
    put(1);
    assert_false(fl_deque_is_last(&d, &tasks[0]));
    assert_true(fl_deque_is_last(&d, &tasks[1]));
    assert_ptr_equal(fl_deque_steal(&d), &tasks[0]);
    assert_true(fl_deque_is_last(&d, &tasks[1]));
    assert_ptr_equal(fl_deque_steal(&d), &tasks[1]);
    assert_false(fl_deque_is_last(&d, &tasks[1])); /* still in its slot, and gone */
    assert_null(fl_deque_pop(&d));
    tear_down();
}

TEST(the_bottom_is_the_index_of_the_next_push)
{
    set_up();
    for (int i = 0; i < 10; i++) {
        assert_true(fl_deque_bottom(&d) == FL_DEQUE_START + (uint64_t)i);
        put(i);
    }
    assert_non_null(fl_deque_pop(&d));
    assert_true(fl_deque_bottom(&d) == FL_DEQUE_START + UINT64_C(9));
    assert_non_null(fl_deque_steal(&d));
    assert_true(fl_deque_bottom(&d) == FL_DEQUE_START + UINT64_C(9));
    while (fl_deque_pop(&d) != NULL)
        ;
    assert_true(fl_deque_bottom(&d) == FL_DEQUE_START + UINT64_C(2)); /* 1 went through the top */
    tear_down();
}

static bool answer(void *arg)
{
    int *asked = arg;

    return (*asked)++ != 0;
}

TEST(a_conditional_theft_takes_nothing_below_its_floor)
{
    set_up();
    put_range(0, 2);
    uint64_t floor = fl_deque_bottom(&d);
    put_range(2, 4);
    assert_null(fl_deque_steal_if(&d, floor, NULL, NULL));
    assert_ptr_equal(fl_deque_steal_if(&d, floor - 2, NULL, NULL), &tasks[0]);
    assert_null(fl_deque_steal_if(&d, floor, NULL, NULL));
    assert_ptr_equal(fl_deque_steal(&d), &tasks[1]);
    assert_ptr_equal(fl_deque_steal_if(&d, floor, NULL, NULL), &tasks[2]);
    assert_null(fl_deque_steal_if(&d, floor + 2, NULL, NULL));
    assert_ptr_equal(fl_deque_steal_if(&d, floor + 1, NULL, NULL), &tasks[3]);
    assert_null(fl_deque_steal_if(&d, floor, NULL, NULL));
    tear_down();
}

TEST(a_conditional_theft_asks_once_and_only_if_there_is_something)
{
    int asked = 0;

    set_up();
    assert_null(fl_deque_steal_if(&d, FL_DEQUE_START, answer, &asked));
    put(0);
    assert_null(fl_deque_steal_if(&d, FL_DEQUE_START + UINT64_C(1), answer, &asked));
    assert_int_equal(asked, 0);
    assert_null(fl_deque_steal_if(&d, FL_DEQUE_START, answer, &asked));
    assert_int_equal(asked, 1);
    assert_ptr_equal(fl_deque_steal_if(&d, FL_DEQUE_START, answer, &asked), &tasks[0]);
    assert_int_equal(asked, 2);
    tear_down();
}

static bool pop_last(void *arg)
{
    (void)arg;
    return fl_deque_pop(&d) == &tasks[0];
}

TEST(a_conditional_theft_loses_a_task_that_leaves_while_it_asks)
{
    set_up();
    put(0);
    assert_null(fl_deque_steal_if(&d, FL_DEQUE_START, pop_last, NULL));
    assert_true(fl_deque_looks_empty(&d));
    tear_down();
}

TEST(a_deque_does_what_an_array_would)
{
    static int kept[TASKS]; /* kept[oldest..youngest) */
    uint64_t random = fl_random_seed(test_seed());

    set_up();
    for (int round = 0; round < 20; round++) {
        int next = 0;
        int oldest = 0;
        int youngest = 0;

        while (next < TASKS || oldest < youngest) {
            uint32_t dice = fl_random_below(&random, 10);
            struct fl_task *task;

            if (dice < 5 && next < TASKS) {
                kept[youngest++] = next;
                put(next++);
                continue;
            }
            if (dice < 7)
                task = fl_deque_pop(&d);
            else if (dice < 9)
                task = fl_deque_steal(&d);
            else
                task = fl_deque_steal_if(&d, fl_deque_bottom(&d) - (uint64_t)(youngest - oldest),
                                         NULL, NULL);
            if (oldest == youngest) {
                assert_null(task);
                continue;
            }
            assert_ptr_equal(task, &tasks[dice < 7 ? kept[--youngest] : kept[oldest++]]);
        }
    }
    tear_down();
}

#endif /* FL_TESTS_QUEUE_DEQUE_CASES_H */
