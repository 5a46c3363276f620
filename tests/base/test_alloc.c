/* SPDX-License-Identifier: MIT
 *
 * test_alloc.c: heaps, the system's allocator, and jemalloc's where there is no jemalloc. */
#include "harness/test.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

/* An allocator that keeps a diary. */
struct diary {
    filch_allocator with;
    void *ctx_seen;
    size_t size;
    size_t align;
    size_t freed_size;
    size_t freed_align;
    unsigned allocs;
    unsigned frees;
    unsigned destroys;
    bool refuse;
};

static void *diary_alloc(void *ctx, size_t size, size_t align)
{
    struct diary *d = ctx;

    errno = EXDEV; /* an allocator may do that */
    d->ctx_seen = ctx;
    d->size = size;
    d->align = align;
    d->allocs++;
    if (d->refuse)
        return NULL;
    void *p = d->with.alloc(d->with.ctx, size, align);
    return p != NULL ? memset(p, 0xA5, size) : NULL;
}

static void diary_free(void *ctx, void *p, size_t size, size_t align)
{
    struct diary *d = ctx;

    errno = EXDEV;
    assert_non_null(p);
    d->freed_size = size;
    d->freed_align = align;
    d->frees++;
    d->with.free(d->with.ctx, p, size, align);
}

static void diary_destroy(void *ctx)
{
    struct diary *d = ctx;

    d->destroys++;
}

static filch_allocator open_diary(struct diary *d)
{
    *d = (struct diary){.refuse = false};
    assert_int_equal(filch_allocator_system(&d->with), 0);
    return (filch_allocator){diary_alloc, diary_free, diary_destroy, d};
}

static int64_t bytes_of(struct fl_heap *h)
{
    return fl_load(&h->bytes, relaxed); /* count */
}

TEST(the_systems_memory_is_aligned_as_asked_and_writable)
{
    filch_allocator a;

    assert_int_equal(filch_allocator_system(&a), 0);
    assert_null(a.destroy);
    for (size_t align = 1; align <= 1 << 16; align *= 2) {
        for (size_t size = 1; size <= 100; size += 33) {
            unsigned char *p = a.alloc(a.ctx, size, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            memset(p, 0xFF, size);
            a.free(a.ctx, p, size, align);
        }
    }
}

TEST(makers_and_readers_refuse_null)
{
    filch_allocator a;
    filch_allocator_stats stats;

    assert_int_equal(filch_allocator_system(NULL), FILCH_EINVAL);
    assert_int_equal(filch_allocator_jemalloc(NULL), FILCH_EINVAL);
    assert_int_equal(filch_allocator_system(&a), 0);
    assert_int_equal(filch_allocator_stats_read(NULL, &stats), FILCH_EINVAL);
    assert_int_equal(filch_allocator_stats_read(&a, NULL), FILCH_EINVAL);
}

TEST(the_systems_allocator_has_no_figures)
{
    filch_allocator a;
    filch_allocator_stats stats;

    assert_int_equal(filch_allocator_system(&a), 0);
    assert_int_equal(filch_allocator_stats_read(&a, &stats), FILCH_ENOTSUP);
}

TEST(without_jemalloc_in_the_process_its_maker_says_so_and_writes_nothing)
{
    filch_allocator before;
    filch_allocator a;

    memset(&before, 0x11, sizeof before);
    memset(&a, 0x11, sizeof a);
    assert_int_equal(filch_allocator_jemalloc(&a), FILCH_ENOTSUP);
    assert_memory_equal(&a, &before, sizeof a);
}

TEST(a_heap_without_an_allocator_takes_the_systems)
{
    struct fl_heap h;

    fl_heap_open(&h, NULL);
    unsigned char *p = fl_heap_alloc(&h, 100, 64);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    memset(p, 1, 100);
    fl_heap_free(&h, p, 100, 64);
    fl_heap_close(&h);
}

TEST(a_heap_hands_context_size_and_alignment_through_both_ways)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    memset(&a, 0, sizeof a); /* it has its copy */
    void *p = fl_heap_alloc(&h, 40, 32);
    assert_non_null(p);
    assert_ptr_equal(d.ctx_seen, &d);
    assert_int_equal(d.size, 40);
    assert_int_equal(d.align, 32);
    fl_heap_free(&h, p, 40, 32);
    assert_int_equal(d.freed_size, 40);
    assert_int_equal(d.freed_align, 32);
    assert_int_equal(d.allocs, 1);
    assert_int_equal(d.frees, 1);
    fl_heap_close(&h);
}

TEST(a_heap_counts_what_is_out)
{
    struct fl_heap h;

    fl_heap_open(&h, NULL);
    assert_int_equal(bytes_of(&h), 0);
    void *p = fl_heap_alloc(&h, 100, 16);
    void *q = fl_heap_zalloc(&h, 28, 8);
    assert_int_equal(bytes_of(&h), 128);
    fl_heap_free(&h, p, 100, 16);
    assert_int_equal(bytes_of(&h), 28);
    fl_heap_free(&h, q, 28, 8);
    assert_int_equal(bytes_of(&h), 0);
    fl_heap_close(&h);
}

TEST(zalloc_is_zero_where_the_allocator_is_not)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);
    static const unsigned char zeros[77];

    fl_heap_open(&h, &a);
    unsigned char *dirty = fl_heap_alloc(&h, sizeof zeros, 8);
    unsigned char *clean = fl_heap_zalloc(&h, sizeof zeros, 8);
    assert_int_equal(dirty[0], 0xA5);
    assert_memory_equal(clean, zeros, sizeof zeros);
    fl_heap_free(&h, dirty, sizeof zeros, 8);
    fl_heap_free(&h, clean, sizeof zeros, 8);
    fl_heap_close(&h);
}

TEST(a_refused_request_is_null_and_counts_for_nothing)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    d.refuse = true;
    assert_null(fl_heap_alloc(&h, 10, 8));
    assert_null(fl_heap_zalloc(&h, 10, 8));
    assert_int_equal(d.allocs, 2);
    assert_int_equal(bytes_of(&h), 0);
    fl_heap_close(&h);
}

TEST(a_size_beyond_all_memory_is_refused_without_asking)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    assert_null(fl_heap_alloc(&h, SIZE_MAX, 16));
    assert_null(fl_heap_zalloc(&h, (size_t)INT64_MAX + 1, 16));
    assert_int_equal(d.allocs, 0);
    assert_int_equal(bytes_of(&h), 0);
    fl_heap_close(&h);
}

TEST(no_bytes_are_one_byte_to_the_allocator)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    void *p = fl_heap_alloc(&h, 0, 8);
    assert_non_null(p);
    assert_int_equal(d.size, 1);
    assert_int_equal(bytes_of(&h), 1);
    fl_heap_free(&h, p, 0, 8);
    assert_int_equal(d.freed_size, 1);
    assert_int_equal(bytes_of(&h), 0);
    fl_heap_close(&h);
}

TEST(freeing_null_reaches_no_allocator)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    fl_heap_free(&h, NULL, 10, 8);
    fl_free(NULL);
    assert_int_equal(d.frees, 0);
    assert_int_equal(bytes_of(&h), 0);
    fl_heap_close(&h);
}

TEST(a_closed_heap_has_destroyed_its_allocator_once)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    assert_int_equal(d.destroys, 0);
    fl_heap_close(&h);
    assert_int_equal(d.destroys, 1);
}

TEST(errno_outlives_every_allocation)
{
    struct diary d;
    struct fl_heap h;
    filch_allocator a = open_diary(&d);

    fl_heap_open(&h, &a);
    errno = ERANGE;
    void *p = fl_heap_alloc(&h, 10, 8);
    assert_int_equal(errno, ERANGE);
    void *q = fl_heap_zalloc(&h, 10, 8);
    assert_int_equal(errno, ERANGE);
    fl_heap_free(&h, p, 10, 8);
    assert_int_equal(errno, ERANGE);
    d.refuse = true;
    assert_null(fl_heap_alloc(&h, 10, 8));
    assert_int_equal(errno, ERANGE);
    fl_heap_free(&h, q, 10, 8);
    void *r = fl_malloc(10);
    fl_free(r);
    assert_int_equal(errno, ERANGE);
    fl_heap_close(&h);
}

TEST(the_processs_malloc_gives_even_no_bytes_an_address)
{
    void *p = fl_malloc(0);
    unsigned char *q = fl_malloc(1000);

    assert_non_null(p);
    assert_non_null(q);
    memset(q, 1, 1000);
    fl_free(p);
    fl_free(q);
}

static void lend_on_another_thread(unsigned i, void *arg)
{
    (void)i;
    test_check(fl_lent() == NULL);
    test_check(fl_lend(arg) == NULL);
    test_check(fl_lent() == arg);
}

TEST(what_is_lent_nests_and_belongs_to_its_thread)
{
    int a;
    int b;

    assert_null(fl_lent());
    assert_null(fl_lend(&a));
    assert_ptr_equal(fl_lend(&b), &a);
    test_threads(2, lend_on_another_thread, &a);
    assert_ptr_equal(fl_lent(), &b);
    assert_ptr_equal(fl_lend(&a), &b);
    assert_ptr_equal(fl_lend(NULL), &a);
    assert_null(fl_lent());
}
