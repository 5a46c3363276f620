/* SPDX-License-Identifier: MIT
 *
 * test_steady.c: once the slabs are warm, submit, run, wait, cancel and release ask nobody for memory
 * (I7): neither the executor's allocator nor malloc. */
/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=posix_memalign */
#include <stdlib.h>

#include <filch/filch.h>

#include "base/atomic.h"
#include "harness/test.h"

static fl_atomic(uint64_t) requests;

static void asked(void)
{
    fl_add(&requests, 1, relaxed); /* count */
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **out, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **out, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
    asked();
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    asked();
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    asked();
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    asked();
    return __real_aligned_alloc(align, n);
}

int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
    asked();
    return __real_posix_memalign(out, align, n);
}

static int plus_one(void *arg, void **result)
{
    *result = (void *)((uintptr_t)arg + 1);
    return 0;
}

static int of_copy(void *arg, void **result)
{
    *result = (void *)(*(uintptr_t *)arg + 1);
    return 0;
}

enum {
    AT_ONCE = 32
};

static int with_child(void *ex, void **result)
{
    filch_future *f;

    test_check(filch_submit(ex, plus_one, (void *)7, &f) == 0);
    test_check(filch_future_result(f, FILCH_FOREVER, result) == 0);
    filch_future_release(f);
    return 0;
}

/* Every way to submit, and every way for a future to end. */
static void one_round(filch_executor *ex, uintptr_t i)
{
    filch_future *f[AT_ONCE];
    void *result;

    for (uintptr_t k = 0; k < AT_ONCE; k++)
        assert_int_equal(filch_submit(ex, plus_one, (void *)(i + k), &f[k]), 0);
    assert_int_equal(filch_submit(ex, plus_one, NULL, NULL), 0);
    for (uintptr_t k = 0; k < AT_ONCE; k++) {
        assert_int_equal(filch_future_result(f[k], FILCH_FOREVER, &result), 0);
        assert_true((uintptr_t)result == i + k + 1);
        filch_future_release(f[k]);
    }
    assert_int_equal(filch_submit_batch(ex, plus_one, NULL, AT_ONCE, f), 0);
    for (uintptr_t k = 0; k < AT_ONCE; k++) {
        filch_future_cancel(f[k]); /* or too late for that */
        filch_future_release(f[k]);
    }
    assert_int_equal(filch_submit_copy(ex, of_copy, &i, sizeof i, &f[0]), 0);
    assert_int_equal(filch_submit(ex, with_child, ex, &f[1]), 0);
    assert_int_equal(filch_future_result(f[0], FILCH_FOREVER, &result), 0);
    assert_true((uintptr_t)result == i + 1);
    assert_int_equal(filch_future_result(f[1], FILCH_FOREVER, &result), 0);
    assert_true((uintptr_t)result == 8);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
}

/* Fresh chunks are asked for as long as more blocks are out at once than ever before, which depends on
 * how the threads meet: at last a thousand rounds in a row ask for nothing. */
TEST(i7_warm_slabs_serve_every_submit_run_and_release_without_an_allocation)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_options o = {.size = sizeof o, .workers = workers};
        filch_executor *ex;
        uint64_t before;
        size_t quiet = 0;
        size_t rounds = 0;
        size_t wanted = test_scaled(1000);

        assert_int_equal(filch_executor_create(&ex, &o), 0);
        while (quiet < wanted) {
            before = fl_load(&requests, relaxed); /* count */
            one_round(ex, rounds++);
            quiet = fl_load(&requests, relaxed) == before ? quiet + 1 : 0; /* count */
            assert_in_range(rounds, 0, 20 * wanted);
        }
        filch_executor_destroy(ex);
    }
}
