/* SPDX-License-Identifier: MIT
 *
 * test_alloc_odd_jemalloc.c: jemallocs that are too old, out of arenas or without statistics,
 * played by this program: it defines the three functions that the library looks for. */
#include "harness/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void *mallocx(size_t size, int flags);
void sdallocx(void *p, size_t size, int flags);
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

static int alloc_flags;
static int free_flags;

void *mallocx(size_t size, int flags)
{
    alloc_flags = flags;
    return malloc(size);
}

void sdallocx(void *p, size_t size, int flags)
{
    (void)size;
    free_flags = flags;
    free(p);
}

static int create_error;
static unsigned next_arena;
static bool has_stats;
static const char *missing; /* the name of a control that this jemalloc has not */
static char destroyed[64];

static int give(void *old, size_t *old_bytes, const void *value, size_t bytes)
{
    assert_non_null(old);
    assert_int_equal(*old_bytes, bytes);
    memcpy(old, value, bytes);
    return 0;
}

int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
{
    static const size_t page = 4096;
    static const uint64_t seven = 7;

    (void)new_bytes;
    errno = EXDEV; /* it may do that */
    if (missing != NULL && strcmp(name, missing) == 0)
        return ENOENT;
    if (strcmp(name, "arenas.create") == 0)
        return create_error != 0 ? create_error
                                 : give(old, old_bytes, &next_arena, sizeof next_arena);
    if (strcmp(name, "config.stats") == 0)
        return give(old, old_bytes, &has_stats, sizeof has_stats);
    if (strcmp(name, "epoch") == 0)
        return new != NULL ? 0 : EINVAL;
    if (strcmp(name, "arenas.page") == 0)
        return give(old, old_bytes, &page, sizeof page);
    if (strncmp(name, "stats.arenas.4093.", 18) == 0)
        return give(old, old_bytes, &seven, sizeof seven);
    if (strncmp(name, "arena.", 6) == 0) {
        strncpy(destroyed, name, sizeof destroyed - 1);
        return 0;
    }
    return ENOENT;
}

static filch_allocator make(unsigned arena)
{
    filch_allocator a;

    create_error = 0;
    missing = NULL;
    has_stats = true;
    next_arena = arena;
    assert_int_equal(filch_allocator_jemalloc(&a), 0);
    return a;
}

TEST(a_jemalloc_before_version_5_is_not_supported)
{
    filch_allocator a;

    create_error = 0;
    missing = "arenas.create";
    assert_int_equal(filch_allocator_jemalloc(&a), FILCH_ENOTSUP);
}

TEST(a_jemalloc_out_of_arenas_is_out_of_memory)
{
    filch_allocator a;

    missing = NULL;
    create_error = EAGAIN;
    errno = ERANGE;
    assert_int_equal(filch_allocator_jemalloc(&a), FILCH_ENOMEM);
    assert_int_equal(errno, ERANGE);
}

TEST(the_flags_name_the_arena_the_alignment_and_no_thread_cache)
{
    static const unsigned arenas[] = {0, 1, 4093};

    for (size_t i = 0; i < 3; i++) {
        filch_allocator a = make(arenas[i]);
        for (int lg = 0; lg <= 12; lg++) {
            void *p = a.alloc(a.ctx, 10, (size_t)1 << lg);
            a.free(a.ctx, p, 10, (size_t)1 << lg);
            /* as jemalloc's manual has them: arena << 20, counted from 1; cache << 8, where 1 is
             * none; the logarithm of the alignment */
            assert_int_equal(alloc_flags, (int)((arenas[i] + 1) << 20 | 1 << 8) | lg);
            assert_int_equal(free_flags, 1 << 8 | lg);
        }
    }
}

TEST(destroy_names_the_arena_and_leaves_errno)
{
    filch_allocator a = make(4093);

    errno = ERANGE;
    a.destroy(a.ctx);
    assert_string_equal(destroyed, "arena.4093.destroy");
    assert_int_equal(errno, ERANGE);
}

TEST(figures_are_summed_over_small_and_large)
{
    filch_allocator a = make(4093);
    filch_allocator_stats stats;

    errno = ERANGE;
    assert_int_equal(filch_allocator_stats_read(&a, &stats), 0);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(stats.allocated, 14);
    assert_int_equal(stats.active, 7 * 4096);
    assert_int_equal(stats.mapped, 7);
    assert_int_equal(stats.allocs, 14);
    assert_int_equal(stats.frees, 14);
}

TEST(a_jemalloc_built_without_statistics_has_no_figures)
{
    filch_allocator a = make(4093);
    filch_allocator_stats stats;

    has_stats = false;
    assert_int_equal(filch_allocator_stats_read(&a, &stats), FILCH_ENOTSUP);
}

TEST(whichever_figure_is_missing_there_are_none)
{
    static const char *const names[] = {
        "config.stats",
        "epoch",
        "arenas.page",
        "stats.arenas.4093.small.allocated",
        "stats.arenas.4093.large.allocated",
        "stats.arenas.4093.pactive",
        "stats.arenas.4093.mapped",
        "stats.arenas.4093.small.nmalloc",
        "stats.arenas.4093.large.nmalloc",
        "stats.arenas.4093.small.ndalloc",
        "stats.arenas.4093.large.ndalloc",
    };
    filch_allocator a = make(4093);
    filch_allocator_stats stats;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        missing = names[i];
        assert_int_equal(filch_allocator_stats_read(&a, &stats), FILCH_ENOTSUP);
    }
}
