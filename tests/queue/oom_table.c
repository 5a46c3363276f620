/* SPDX-License-Identifier: MIT
 *
 * oom_table.c: whichever request for memory fails, the table is as it was and leaks nothing. */
#include "harness/test.h"

#include <limits.h>
#include <stdio.h>

#include "queue/table.h"

/* Serves so many requests of at most so many bytes. */
struct ration {
    filch_allocator with;
    unsigned long left;
    size_t largest;
    unsigned long served;
};

static void *ration_alloc(void *ctx, size_t size, size_t align)
{
    struct ration *r = ctx;

    if (r->left == 0 || size > r->largest)
        return NULL;
    r->left--;
    r->served++;
    return r->with.alloc(r->with.ctx, size, align);
}

static void ration_free(void *ctx, void *p, size_t size, size_t align)
{
    struct ration *r = ctx;

    r->with.free(r->with.ctx, p, size, align);
}

static void open_ration(struct ration *r, struct fl_heap *heap)
{
    *r = (struct ration){.left = ULONG_MAX, .largest = SIZE_MAX};
    assert_int_equal(filch_allocator_system(&r->with), 0);
    filch_allocator a = {ration_alloc, ration_free, NULL, r};
    fl_heap_open(heap, &a);
}

static void close_ration(struct fl_heap *heap)
{
    assert_int_equal(fl_load(&heap->bytes, relaxed), 0); /* count */
    fl_heap_close(heap);
}

static int values[400];

static size_t name_key(char out[16], size_t i)
{
    return (size_t)snprintf(out, 16, "key-%zu", i);
}

/* Exactly the first n keys are there. */
static void check_table(struct fl_table *t, size_t n, size_t of)
{
    char key[16];

    assert_int_equal(fl_table_count(t), n);
    for (size_t i = 0; i < of; i++) {
        size_t bytes = name_key(key, i);
        assert_ptr_equal(fl_table_get(t, key, bytes), i < n ? &values[i] : NULL);
    }
}

TEST(a_table_is_made_whole_or_not_at_all)
{
    struct ration r;
    struct fl_heap heap;
    struct fl_table *t = NULL;
    unsigned long k = 0;

    for (;; k++) {
        open_ration(&r, &heap);
        r.left = k;
        int status = fl_table_create(&t, &heap);
        if (status == 0)
            break;
        assert_int_equal(status, FILCH_ENOMEM);
        assert_null(t);
        close_ration(&heap);
    }
    assert_int_equal(k, 2); /* the table and its first map */
    fl_table_destroy(t);
    close_ration(&heap);
}

TEST(whichever_request_fails_the_table_is_as_it_was_and_the_next_put_succeeds)
{
    enum {
        KEYS = 100
    };
    unsigned long refused = 0;

    for (unsigned long k = 2;; k++) {
        struct ration r;
        struct fl_heap heap;
        struct fl_table *t;
        char key[16];
        bool failed = false;

        open_ration(&r, &heap);
        r.left = k;
        assert_int_equal(fl_table_create(&t, &heap), 0);
        for (size_t i = 0; i < KEYS; i++) {
            size_t n = name_key(key, i);
            int status = fl_table_put(t, key, n, &values[i]);
            if (status != 0) {
                assert_int_equal(status, FILCH_ENOMEM);
                assert_int_equal(r.left, 0);
                assert_false(failed);
                failed = true;
                check_table(t, i, KEYS);
                assert_int_equal(fl_table_put(t, "key-0", 5, &values[0]),
                                 i > 0 ? 0 : FILCH_ENOMEM); /* replacing needs nothing */
                r.left = ULONG_MAX;
                assert_int_equal(fl_table_put(t, key, n, &values[i]), 0);
            }
            check_table(t, i + 1, KEYS);
        }
        fl_table_destroy(t);
        close_ration(&heap);
        refused += failed;
        if (!failed && r.left > 0)
            break;
    }
    assert_true(refused >= KEYS); /* each key's own block, at least, was refused once */
}

TEST(a_map_that_cannot_grow_is_filled_to_the_last_slot_and_then_refuses)
{
    enum {
        KEYS = 400
    };
    struct ration r;
    struct fl_heap heap;
    struct fl_table *t;
    char key[16];
    size_t held = 0;

    open_ration(&r, &heap);
    assert_int_equal(fl_table_create(&t, &heap), 0);
    r.largest = 512; /* an entry, but no map */
    for (; held < KEYS; held++) {
        size_t n = name_key(key, held);
        int status = fl_table_put(t, key, n, &values[held]);
        if (status != 0) {
            assert_int_equal(status, FILCH_ENOMEM);
            break;
        }
        check_table(t, held + 1, KEYS);
    }
    assert_true(held > 8); /* half full is not full */
    assert_true(held <= 16);
    check_table(t, held, KEYS);

    int64_t before = fl_load(&heap.bytes, relaxed); /* count */
    for (int again = 0; again < 10; again++) {
        size_t n = name_key(key, held);
        assert_int_equal(fl_table_put(t, key, n, &values[held]), FILCH_ENOMEM);
    }
    assert_int_equal(fl_load(&heap.bytes, relaxed), before); /* count */

    r.largest = SIZE_MAX;
    for (; held < KEYS; held++) {
        size_t n = name_key(key, held);
        assert_int_equal(fl_table_put(t, key, n, &values[held]), 0);
    }
    check_table(t, KEYS, KEYS);
    fl_table_destroy(t);
    close_ration(&heap);
}
