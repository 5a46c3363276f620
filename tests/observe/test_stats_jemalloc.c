/* SPDX-License-Identifier: MIT
 *
 * test_stats_jemalloc.c: an executor over an arena of its own: its figures while it lives, and its
 * end with the last future. */
/* libs: jemalloc */
#include "sched/work.h"

/* A strong reference: a linker that takes only needed libraries has to take jemalloc. */
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

static filch_executor *pool_in_arena(filch_allocator *a, unsigned workers)
{
    assert_int_equal(filch_allocator_jemalloc(a), 0);
    return pool_with((filch_options){.workers = workers, .allocator = a});
}

static filch_allocator_stats figures(const filch_allocator *a)
{
    filch_allocator_stats stats;

    assert_int_equal(filch_allocator_stats_read(a, &stats), 0);
    return stats;
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

TEST(an_executors_memory_is_in_its_arena)
{
    filch_allocator a;
    filch_executor *ex = pool_in_arena(&a, 2);

    assert_in_range(stats_of(ex).memory_bytes, 1, figures(&a).allocated);
    assert_true(figures(&a).active >= figures(&a).allocated);
    assert_true(figures(&a).mapped >= figures(&a).active);
    filch_executor_destroy(ex);
    assert_false(arena_is_there(&a));
}

TEST(the_arena_grows_with_what_is_queued)
{
    filch_allocator a;
    filch_executor *ex = pool_in_arena(&a, 1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    uint64_t arena_before = figures(&a).allocated;
    uint64_t told_before = stats_of(ex).memory_bytes;
    for (int i = 0; i < 10000; i++)
        assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    uint64_t grown = figures(&a).allocated - arena_before;
    uint64_t told = stats_of(ex).memory_bytes - told_before;
    assert_in_range(told, 10000 * 64, 10000 * 1000);
    assert_in_range(grown, told, 2 * told); /* jemalloc rounds up */
    let_go(&hold);
    filch_executor_destroy(ex);
    assert_false(arena_is_there(&a));
}

TEST(two_executors_have_an_arena_each)
{
    filch_allocator a;
    filch_allocator b;
    filch_executor *small = pool_in_arena(&a, 1);
    filch_executor *large = pool_in_arena(&b, 8);

    assert_ptr_not_equal(a.ctx, b.ctx);
    assert_true(figures(&b).allocated > figures(&a).allocated);
    filch_executor_destroy(large);
    assert_false(arena_is_there(&b));
    assert_true(arena_is_there(&a));
    assert_int_equal(finish(submit(small, task_echo, NULL)), 0);
    filch_executor_destroy(small);
    assert_false(arena_is_there(&a));
}

TEST(the_arena_lasts_until_the_last_future_goes)
{
    filch_allocator a;
    filch_executor *ex = pool_in_arena(&a, 2);
    filch_future *f[3] = {submit(ex, task_echo, ex), submit(ex, task_echo, ex),
                          submit(ex, task_fail, number(3))};

    filch_executor_destroy(ex);
    for (int i = 0; i < 3; i++) {
        assert_true(arena_is_there(&a));
        assert_int_equal(finish(f[i]), i == 2 ? 3 : 0);
    }
    assert_false(arena_is_there(&a));
}

TEST(an_executor_that_could_not_be_made_leaves_the_arena_to_its_owner)
{
    filch_allocator a;
    filch_executor *ex = NULL;
    filch_options o = {.size = sizeof o, .workers = 1, .stack_size = PTRDIFF_MAX, .allocator = &a};

    assert_int_equal(filch_allocator_jemalloc(&a), 0);
    assert_true(filch_executor_create(&ex, &o) < 0);
    assert_null(ex);
    assert_true(arena_is_there(&a));
    a.destroy(a.ctx);
    assert_false(arena_is_there(&a));
}
