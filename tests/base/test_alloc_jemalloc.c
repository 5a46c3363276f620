/* SPDX-License-Identifier: MIT
 *
 * test_alloc_jemalloc.c: jemalloc's allocator in a program that links jemalloc. */
/* libs: jemalloc */
#include "harness/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* A strong reference: a linker that takes only needed libraries has to take jemalloc. */
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

static filch_allocator make(void)
{
    filch_allocator a;

    assert_int_equal(filch_allocator_jemalloc(&a), 0);
    assert_non_null(a.destroy);
    return a;
}

static filch_allocator_stats figures(const filch_allocator *a)
{
    filch_allocator_stats stats;

    assert_int_equal(filch_allocator_stats_read(a, &stats), 0);
    return stats;
}

TEST(jemallocs_memory_is_aligned_as_asked_and_writable)
{
    filch_allocator a = make();

    for (size_t align = 1; align <= 1 << 21; align *= 2) {
        for (size_t size = 1; size <= 100; size += 33) {
            unsigned char *p = a.alloc(a.ctx, size, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            memset(p, 0xFF, size);
            a.free(a.ctx, p, size, align);
        }
    }
    a.destroy(a.ctx);
}

TEST(two_allocators_are_two_arenas)
{
    filch_allocator a = make();
    filch_allocator b = make();

    assert_ptr_not_equal(a.ctx, b.ctx);
    void *p = a.alloc(a.ctx, 1 << 20, 64);
    assert_non_null(p);
    assert_true(figures(&a).allocated >= 1 << 20);
    assert_int_equal(figures(&b).allocated, 0);
    a.free(a.ctx, p, 1 << 20, 64);
    a.destroy(a.ctx);
    b.destroy(b.ctx);
}

TEST(the_figures_count_small_and_large_blocks_exactly)
{
    filch_allocator a = make();

    for (size_t size = 64; size <= 1 << 20; size *= 2) { /* sizes that jemalloc does not round */
        filch_allocator_stats before = figures(&a);
        void *p = a.alloc(a.ctx, size, 16);
        filch_allocator_stats held = figures(&a);
        a.free(a.ctx, p, size, 16);
        filch_allocator_stats after = figures(&a);

        assert_int_equal(held.allocated - before.allocated, size);
        assert_int_equal(held.allocs - before.allocs, 1);
        assert_int_equal(held.frees, before.frees);
        assert_true(held.active >= held.allocated);
        assert_true(held.mapped >= held.active);
        assert_int_equal(after.allocated, before.allocated);
        assert_int_equal(after.allocs, held.allocs);
        assert_int_equal(after.frees - before.frees, 1);
    }
    a.destroy(a.ctx);
}

static bool arena_is_there(const filch_allocator *a)
{
    char name[64];
    uint64_t epoch = 1;
    bool there = false;
    size_t bytes = sizeof there;

    snprintf(name, sizeof name, "arena.%zu.initialized", (size_t)a->ctx - 1);
    assert_int_equal(mallctl("epoch", NULL, NULL, &epoch, sizeof epoch), 0);
    assert_int_equal(mallctl(name, &there, &bytes, NULL, 0), 0);
    return there;
}

TEST(a_heap_over_jemalloc_destroys_the_arena_and_all_that_is_in_it)
{
    filch_allocator a = make();
    struct fl_heap h;

    fl_heap_open(&h, &a);
    for (int i = 0; i < 100; i++)
        assert_non_null(fl_heap_zalloc(&h, 5000, 64));
    assert_true(arena_is_there(&a));
    fl_heap_close(&h); /* the blocks go with their arena */
    assert_false(arena_is_there(&a));
}

TEST(more_arenas_come_and_go_than_there_may_be_at_once)
{
    enum {
        MORE_THAN_JEMALLOC_HAS = 5000
    };

    for (int i = 0; i < MORE_THAN_JEMALLOC_HAS; i++) {
        filch_allocator a = make();
        void *p = a.alloc(a.ctx, 100, 16);
        assert_non_null(p);
        a.free(a.ctx, p, 100, 16);
        a.destroy(a.ctx);
    }
}

TEST(a_size_beyond_all_memory_is_null)
{
    filch_allocator a = make();

    errno = ERANGE;
    assert_null(a.alloc(a.ctx, (size_t)1 << 60, 16));
    a.destroy(a.ctx);
}

struct crew {
    filch_allocator a;
    void *blocks[4][1000];
};

static void fill(unsigned i, void *arg)
{
    struct crew *c = arg;

    for (size_t k = 0; k < 1000; k++) {
        c->blocks[i][k] = c->a.alloc(c->a.ctx, 100 + k, 16);
        test_check(c->blocks[i][k] != NULL);
        memset(c->blocks[i][k], (int)i, 100 + k);
    }
}

static void empty_the_neighbours(unsigned i, void *arg)
{
    struct crew *c = arg;
    unsigned other = (i + 1) % 4;

    for (size_t k = 0; k < 1000; k++) {
        unsigned char *p = c->blocks[other][k];
        test_check(p[0] == other && p[99 + k] == other);
        c->a.free(c->a.ctx, p, 100 + k, 16);
    }
}

TEST(threads_allocate_and_free_each_others_blocks_and_no_cache_keeps_any)
{
    static struct crew c;

    if (FL_TSAN) /* the harness forks, and a child's jemalloc makes its mutexes anew */
        test_skip("ThreadSanitizer takes jemalloc's mutexes for locked after a fork");
    c.a = make();
    test_threads(4, fill, &c);
    test_threads(4, empty_the_neighbours, &c);
    filch_allocator_stats stats = figures(&c.a);
    assert_int_equal(stats.allocated, 0);
    assert_int_equal(stats.allocs, 4000);
    assert_int_equal(stats.frees, 4000);
    c.a.destroy(c.a.ctx);
}
