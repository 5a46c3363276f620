/* SPDX-License-Identifier: MIT
 *
 * test_slab.c: blocks are whole, come back in order, are counted, and are hidden between two lives. */
#include <stdlib.h>
#include <string.h>

#include <filch/base.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/slab.h"

#include "harness/test.h"

enum {
    OF_64 = FL_CHUNK_BYTES / 64 - 1, /* blocks of a chunk */
    OF_128 = FL_CHUNK_BYTES / 128 - 1
};

static const size_t size_of[FL_BLOCK_KINDS] = {64, 128};

static struct fl_heap heap;
static struct fl_slab slab;

/* Chunks that are still granted. */
static size_t granted;

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
    fl_heap_open(&heap, &allocator);
    fl_slab_open(&slab, &heap);
}

static size_t chunks(void)
{
    return (size_t)fl_load(&heap.bytes, relaxed) / FL_CHUNK_BYTES; /* count: one thread */
}

/* Everything that was allocated has been freed. */
static void tear_down(void)
{
    fl_slab_close(&slab);
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0); /* count: one thread */
    fl_heap_close(&heap);
}

/* Takes n blocks and writes every byte of them. */
static void take(void *blocks[], size_t n, enum fl_block_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        blocks[i] = fl_slab_alloc(&slab, kind);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i & 0x7F), size_of[kind]);
    }
}

static void check(void *const blocks[], size_t n, enum fl_block_kind kind)
{
    unsigned char expected[128];

    for (size_t i = 0; i < n; i++) {
        memset(expected, (int)(i & 0x7F), size_of[kind]);
        assert_memory_equal(blocks[i], expected, size_of[kind]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
    }
}

TEST(a_slab_without_blocks_has_no_memory)
{
    set_up();
    assert_int_equal(chunks(), 0);
    assert_int_equal(fl_slab_retire(&slab), 0);
    tear_down();
}

TEST(blocks_do_not_overlap_and_fill_their_chunks)
{
    static void *small[2 * OF_64 + 1], *big[OF_128 + 1];

    set_up();
    take(small, OF_64, FL_BLOCK_64);
    assert_int_equal(chunks(), 1);
    take(big, OF_128, FL_BLOCK_128);
    assert_int_equal(chunks(), 2);
    check(small, OF_64, FL_BLOCK_64);
    take(small, 2 * OF_64 + 1, FL_BLOCK_64);
    assert_int_equal(chunks(), 5);
    take(big, OF_128 + 1, FL_BLOCK_128);
    assert_int_equal(chunks(), 7);
    check(small, 2 * OF_64 + 1, FL_BLOCK_64);
    check(big, OF_128 + 1, FL_BLOCK_128);
    tear_down();
}

TEST(a_block_knows_its_slab)
{
    static struct fl_slab other;

    set_up();
    fl_slab_open(&other, &heap);
    for (int i = 0; i < OF_64 + 1; i++) {
        void *a = fl_slab_alloc(&slab, FL_BLOCK_64);
        void *b = fl_slab_alloc(&other, i % 2 == 0 ? FL_BLOCK_64 : FL_BLOCK_128);
        assert_true(fl_slab_owns(&slab, a) && !fl_slab_owns(&other, a));
        assert_true(fl_slab_owns(&other, b) && !fl_slab_owns(&slab, b));
    }
    fl_slab_close(&other);
    tear_down();
}

TEST(a_freed_block_is_the_next_one_out)
{
    set_up();
    void *a = fl_slab_alloc(&slab, FL_BLOCK_64);
    void *b = fl_slab_alloc(&slab, FL_BLOCK_64);
    void *c = fl_slab_alloc(&slab, FL_BLOCK_128);
    fl_slab_free(&slab, a);
    fl_slab_free(&slab, c);
    fl_slab_free(&slab, b);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_64), b);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_64), a);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_128), c);
    tear_down();
}

TEST(a_returned_block_is_used_before_a_fresh_one_and_after_a_freed_one)
{
    set_up();
    void *a = fl_slab_alloc(&slab, FL_BLOCK_64);
    void *b = fl_slab_alloc(&slab, FL_BLOCK_64);
    void *c = fl_slab_alloc(&slab, FL_BLOCK_64);
    void *big = fl_slab_alloc(&slab, FL_BLOCK_128);
    assert_true(fl_slab_return(a));
    assert_true(fl_slab_return(b));
    assert_true(fl_slab_return(big));
    fl_slab_free(&slab, c);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_64), c);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_64), b);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_64), a);
    void *fresh = fl_slab_alloc(&slab, FL_BLOCK_64);
    assert_true(fresh != a && fresh != b && fresh != c && fresh != big);
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_128), big);
    tear_down();
}

TEST(blocks_that_come_home_are_all_the_memory_that_is_needed)
{
    static void *blocks[OF_64];

    set_up();
    for (int round = 0; round < 20; round++) {
        take(blocks, OF_64, FL_BLOCK_64);
        check(blocks, OF_64, FL_BLOCK_64);
        for (size_t i = 0; i < OF_64; i++) {
            if ((i + (size_t)round) % 3 == 0)
                fl_slab_free(&slab, blocks[i]);
            else
                assert_true(fl_slab_return(blocks[i]));
        }
    }
    assert_int_equal(chunks(), 1);
    assert_int_equal(fl_slab_retire(&slab), 0);
    tear_down();
}

TEST(without_memory_there_is_no_block_until_one_comes_home)
{
    static void *blocks[OF_128];

    set_up();
    granted = 0;
    assert_null(fl_slab_alloc(&slab, FL_BLOCK_64));
    granted = 1;
    take(blocks, OF_128, FL_BLOCK_128);
    assert_null(fl_slab_alloc(&slab, FL_BLOCK_128));
    assert_null(fl_slab_alloc(&slab, FL_BLOCK_64));
    assert_true(fl_slab_return(blocks[7]));
    assert_ptr_equal(fl_slab_alloc(&slab, FL_BLOCK_128), blocks[7]);
    assert_null(fl_slab_alloc(&slab, FL_BLOCK_128));
    granted = 1;
    assert_non_null(fl_slab_alloc(&slab, FL_BLOCK_128));
    assert_int_equal(chunks(), 2);
    tear_down();
}

TEST(retiring_counts_the_blocks_that_are_out)
{
    static void *small[OF_64 + 10], *big[20];

    set_up();
    take(small, OF_64 + 10, FL_BLOCK_64);
    take(big, 20, FL_BLOCK_128);
    for (int i = 0; i < 5; i++)
        fl_slab_free(&slab, small[i]);
    for (int i = 5; i < 12; i++)
        assert_true(fl_slab_return(small[i]));
    fl_slab_free(&slab, big[0]);
    assert_true(fl_slab_return(big[1]));
    assert_true(fl_slab_return(big[2]));
    assert_int_equal(fl_slab_retire(&slab), OF_64 + 10 - 12 + 20 - 3);
    tear_down();
}

TEST(after_retiring_whoever_returns_a_block_has_to_count_it)
{
    void *blocks[4];

    set_up();
    take(blocks, 3, FL_BLOCK_64);
    blocks[3] = fl_slab_alloc(&slab, FL_BLOCK_128);
    assert_true(fl_slab_return(blocks[0]));
    assert_int_equal(fl_slab_retire(&slab), 3);
    for (int i = 1; i < 4; i++)
        assert_false(fl_slab_return(blocks[i]));
    tear_down();
}

#if FL_ASAN
int __asan_address_is_poisoned(void const volatile *p);

static size_t hidden_bytes(const void *block, enum fl_block_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < size_of[kind]; i++)
        n += __asan_address_is_poisoned((const char *)block + i) != 0;
    return n;
}
#endif

TEST(a_block_between_two_lives_is_hidden_but_for_its_link)
{
#if FL_ASAN
    set_up();
    for (enum fl_block_kind kind = FL_BLOCK_64; kind < FL_BLOCK_KINDS; kind++) {
        size_t hidden = size_of[kind] - sizeof(struct fl_block);
        void *a = fl_slab_alloc(&slab, kind);
        void *b = fl_slab_alloc(&slab, kind);
        assert_int_equal(hidden_bytes(a, kind), 0);
        fl_slab_free(&slab, a);
        assert_int_equal(hidden_bytes(a, kind), hidden);
        assert_int_equal(hidden_bytes(b, kind), 0);
        assert_true(fl_slab_return(b));
        assert_int_equal(hidden_bytes(b, kind), hidden);
        assert_ptr_equal(fl_slab_alloc(&slab, kind), a);
        assert_int_equal(hidden_bytes(a, kind), 0);
        assert_ptr_equal(fl_slab_alloc(&slab, kind), b);
        assert_int_equal(hidden_bytes(b, kind), 0);
    }
    void *late = fl_slab_alloc(&slab, FL_BLOCK_64);
    assert_int_equal(fl_slab_retire(&slab), 5);
    assert_false(fl_slab_return(late));
    assert_int_equal(hidden_bytes(late, FL_BLOCK_64), 64 - sizeof(struct fl_block));
    tear_down(); /* the allocator gets its memory back unhidden */
#else
    test_skip("only AddressSanitizer hides memory");
#endif
}
