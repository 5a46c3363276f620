/* SPDX-License-Identifier: MIT
 *
 * test_ring.c: the ring on one thread. test_ring_wrap.c runs all of it once more with counters that
 * begin just below their wrap. */
#include "harness/test.h"

#include <string.h>

#include "base/compiler.h"
#include "queue/ring.h"

struct bench {
    struct fl_heap heap;
    struct fl_ring *r;
};

static void open_ring(struct bench *b, size_t capacity, size_t record_bytes)
{
    fl_heap_open(&b->heap, NULL);
    assert_int_equal(fl_ring_create(&b->r, &b->heap, capacity, record_bytes), 0);
}

static void close_ring(struct bench *b)
{
    fl_ring_destroy(b->r);
    assert_int_equal(fl_load(&b->heap.bytes, relaxed), 0); /* count */
    fl_heap_close(&b->heap);
}

TEST(an_empty_ring_has_nothing_and_touches_nothing)
{
    struct bench b;
    uint64_t out = 42;

    open_ring(&b, 4, sizeof out);
    assert_false(fl_ring_pop(b.r, &out));
    assert_int_equal(out, 42);
    close_ring(&b);
}

TEST(records_come_out_in_the_order_they_went_in)
{
    struct bench b;
    uint64_t out;

    open_ring(&b, 100, sizeof out);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(fl_ring_push(b.r, &i));
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(fl_ring_pop(b.r, &out));
        assert_int_equal(out, i);
    }
    assert_false(fl_ring_pop(b.r, &out));
    close_ring(&b);
}

TEST(a_ring_holds_at_least_its_capacity_and_then_refuses)
{
    for (size_t capacity = 1; capacity <= 130; capacity++) {
        struct bench b;
        size_t held = 0;
        size_t out;

        open_ring(&b, capacity, sizeof held);
        while (fl_ring_push(b.r, &held))
            held++;
        assert_true(held >= capacity);
        assert_true(held <= 2 * capacity);
        assert_false(fl_ring_push(b.r, &held));
        for (size_t i = 0; i < held; i++) {
            assert_true(fl_ring_pop(b.r, &out));
            assert_int_equal(out, i);
        }
        assert_false(fl_ring_pop(b.r, &out));
        close_ring(&b);
    }
}

TEST(a_full_ring_takes_one_more_for_each_that_leaves)
{
    struct bench b;
    uint64_t next = 0;
    uint64_t oldest = 0;
    uint64_t out;

    open_ring(&b, 3, sizeof out);
    while (fl_ring_push(b.r, &next))
        next++;
    for (int i = 0; i < 1000; i++) {
        assert_true(fl_ring_pop(b.r, &out));
        assert_int_equal(out, oldest++);
        assert_true(fl_ring_push(b.r, &next));
        next++;
        assert_false(fl_ring_push(b.r, &next));
    }
    close_ring(&b);
}

TEST(a_ring_that_is_emptied_each_time_goes_round_and_round)
{
    struct bench b;
    uint64_t out;

    open_ring(&b, 1, sizeof out);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(fl_ring_push(b.r, &i));
        assert_true(fl_ring_pop(b.r, &out));
        assert_int_equal(out, i);
        assert_false(fl_ring_pop(b.r, &out));
    }
    close_ring(&b);
}

TEST(a_record_of_any_size_is_copied_whole_and_no_byte_more)
{
    for (size_t bytes = 1; bytes <= 200; bytes++) {
        struct bench b;
        unsigned char in[200];
        unsigned char out[201];

        open_ring(&b, 5, bytes);
        for (unsigned round = 0; round < 20; round++) {
            for (size_t i = 0; i < bytes; i++)
                in[i] = (unsigned char)(round * 7 + i);
            assert_true(fl_ring_push(b.r, in));
            assert_true(fl_ring_push(b.r, in));
            for (unsigned twice = 0; twice < 2; twice++) {
                memset(out, 0xEE, sizeof out);
                assert_true(fl_ring_pop(b.r, out));
                assert_memory_equal(out, in, bytes);
                assert_int_equal(out[bytes], 0xEE);
            }
        }
        close_ring(&b);
    }
}

TEST(sizes_that_cannot_be_are_refused)
{
    struct fl_heap heap;
    struct fl_ring *r = NULL;

    fl_heap_open(&heap, NULL);
    assert_int_equal(fl_ring_create(&r, &heap, 0, 8), FILCH_EINVAL);
    assert_int_equal(fl_ring_create(&r, &heap, 8, 0), FILCH_EINVAL);
    assert_int_equal(fl_ring_create(&r, &heap, (size_t)1 << 28, 1), FILCH_EINVAL);
    assert_int_equal(fl_ring_create(&r, &heap, SIZE_MAX, 1), FILCH_EINVAL);
    assert_int_equal(fl_ring_create(&r, &heap, 8, SIZE_MAX), FILCH_ENOMEM);
    assert_int_equal(fl_ring_create(&r, &heap, 8, SIZE_MAX / 16), FILCH_ENOMEM);
    assert_int_equal(fl_ring_create(&r, &heap, 8, SIZE_MAX / 32), FILCH_ENOMEM);
    assert_null(r);
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0); /* count */
    fl_heap_close(&heap);
}

static void *refuse(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    (void)size;
    (void)align;
    return NULL;
}

TEST(without_memory_there_is_no_ring)
{
    filch_allocator none;
    struct fl_heap heap;
    struct fl_ring *r = NULL;

    assert_int_equal(filch_allocator_system(&none), 0);
    none.alloc = refuse;
    fl_heap_open(&heap, &none);
    assert_int_equal(fl_ring_create(&r, &heap, 8, 8), FILCH_ENOMEM);
    assert_null(r);
    fl_heap_close(&heap);
}

TEST(destroying_no_ring_or_a_filled_one_is_fine)
{
    struct bench b;
    uint64_t in = 1;

    fl_ring_destroy(NULL);
    open_ring(&b, 4, sizeof in);
    assert_true(fl_ring_push(b.r, &in));
    close_ring(&b);
}
