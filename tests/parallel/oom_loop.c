/* SPDX-License-Identifier: MIT
 *
 * oom_loop.c: whichever request for memory fails in a loop, its caller runs what nobody else does; and a
 * fixed reduction that has no room begins nothing. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "parallel/loops.h"

static fl_atomic(bool) is_out_of_memory;
static fl_atomic(int64_t) blocks_out;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);
void __real_fl_free(void *p);
void __wrap_fl_free(void *p);

void *__wrap_fl_malloc(size_t size)
{
    void *p = fl_load(&is_out_of_memory, relaxed) ? NULL : __real_fl_malloc(size); /* hint */

    if (p != NULL)
        fl_add(&blocks_out, 1, relaxed); /* count */
    return p;
}

void __wrap_fl_free(void *p)
{
    if (p != NULL)
        fl_sub(&blocks_out, 1, relaxed); /* count */
    __real_fl_free(p);
}

static void *alloc_or_not(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    if (fl_load(&is_out_of_memory, relaxed)) /* hint */
        return NULL;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void free_it(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx, (void)size, (void)align;
    free(p);
}

static const filch_allocator stingy = {.alloc = alloc_or_not, .free = free_it};

static void set_out_of_memory(bool is_out)
{
    fl_store(&is_out_of_memory, is_out, relaxed); /* hint */
}

TEST(without_memory_for_a_helper_the_caller_runs_all_of_its_loop)
{
    for (size_t grain = 0; grain <= 3; grain++) {
        filch_executor *ex = pool_with((filch_options){.workers = 2, .allocator = &stingy});
        struct indices x = indices_new(0, 20000);

        await_asleep(ex, 2);
        set_out_of_memory(true);
        assert_int_equal(filch_parallel_for(ex, 0, x.n, grain, count_each, &x), 0);
        assert_int_equal(stats_of(ex).submitted, 0);
        set_out_of_memory(false);
        indices_check(&x, 1);
        filch_executor_destroy(ex);
    }
}

static counter folded;

static int fold(size_t begin, size_t end, void *accumulator, void *arg)
{
    (void)arg;
    count_one(&folded);
    *(size_t *)accumulator += end - begin;
    return 0;
}

static void combine(void *left, void *right, void *arg)
{
    (void)arg;
    *(size_t *)left += *(size_t *)right;
}

TEST(a_helper_without_memory_for_its_accumulator_leaves_the_loop_to_others)
{
    filch_executor *ex = pool_of(2);
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(size_t),
                           .fold = fold,
                           .combine = combine,
                           .grain = 1};
    size_t n = 0;

    await_asleep(ex, 2);
    set_out_of_memory(true);
    assert_int_equal(filch_parallel_reduce(ex, 0, 20000, &how, &n, NULL), 0);
    set_out_of_memory(false);
    assert_int_equal(n, 20000);
    filch_executor_destroy(ex);
    assert_int_equal(fl_load(&blocks_out, relaxed), 0); /* count */
}

/* Ends when all helpers so far have. */
static int fold_and_await_helpers(size_t begin, size_t end, void *accumulator, void *ex)
{
    while (stats_of(ex).executed != stats_of(ex).submitted)
        sched_yield();
    return fold(begin, end, accumulator, NULL);
}

TEST(once_a_helper_had_no_memory_for_its_accumulator_no_other_is_called_in)
{
    filch_executor *ex = pool_of(2);
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(size_t),
                           .fold = fold_and_await_helpers,
                           .combine = combine,
                           .grain = 1};
    size_t n = 0;

    await_asleep(ex, 2);
    set_out_of_memory(true);
    assert_int_equal(filch_parallel_reduce(ex, 0, 2000, &how, &n, ex), 0);
    set_out_of_memory(false);
    assert_int_equal(n, 2000);
    assert_in_range(stats_of(ex).submitted, 0, 2);
    filch_executor_destroy(ex);
}

TEST(a_fixed_reduction_without_memory_begins_nothing)
{
    filch_executor *ex = pool_of(2);
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(size_t),
                           .fold = fold,
                           .combine = combine,
                           .flags = FILCH_REDUCE_FIXED};
    uint64_t before = count_of(&folded);
    size_t n = 0;

    set_out_of_memory(true);
    assert_int_equal(filch_parallel_reduce(ex, 0, 20000, &how, &n, NULL), FILCH_ENOMEM);
    set_out_of_memory(false);
    assert_int_equal(count_of(&folded), before);
    filch_executor_destroy(ex);
    assert_int_equal(fl_load(&blocks_out, relaxed), 0); /* count */
}
