/* SPDX-License-Identifier: MIT
 *
 * test_table.c: the table on one thread. */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/table.h"

static struct fl_heap heap;
static struct fl_table *t;

static void open_table(void)
{
    fl_heap_open(&heap, NULL);
    assert_int_equal(fl_table_create(&t, &heap), 0);
}

static void close_table(void)
{
    fl_table_destroy(t);
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0); /* count */
    fl_heap_close(&heap);
}

static int values[20000];

static size_t name_key(char out[16], size_t i)
{
    return (size_t)snprintf(out, 16, "key-%zu", i);
}

TEST(an_empty_table_finds_nothing)
{
    open_table();
    assert_null(fl_table_get(t, "a", 1));
    assert_int_equal(fl_table_count(t), 0);
    close_table();
}

TEST(what_was_put_is_found_by_content_not_by_address)
{
    char key[] = "name";

    open_table();
    assert_int_equal(fl_table_put(t, key, 4, &values[1]), 0);
    assert_ptr_equal(fl_table_get(t, "name", 4), &values[1]);
    memcpy(key, "xxxx", 4); /* the table has its own copy */
    assert_ptr_equal(fl_table_get(t, "name", 4), &values[1]);
    assert_null(fl_table_get(t, key, 4));
    assert_int_equal(fl_table_count(t), 1);
    close_table();
}

TEST(keys_that_differ_in_length_or_in_one_byte_are_different)
{
    open_table();
    assert_int_equal(fl_table_put(t, "abc", 3, &values[0]), 0);
    assert_int_equal(fl_table_put(t, "abc", 2, &values[1]), 0);
    assert_int_equal(fl_table_put(t, "abc", 4, &values[2]), 0); /* with its NUL */
    assert_int_equal(fl_table_put(t, "abd", 3, &values[3]), 0);
    assert_ptr_equal(fl_table_get(t, "abc", 3), &values[0]);
    assert_ptr_equal(fl_table_get(t, "abc", 2), &values[1]);
    assert_ptr_equal(fl_table_get(t, "abc", 4), &values[2]);
    assert_ptr_equal(fl_table_get(t, "abd", 3), &values[3]);
    assert_null(fl_table_get(t, "abc", 1));
    assert_int_equal(fl_table_count(t), 4);
    close_table();
}

TEST(a_second_put_replaces_and_takes_no_memory)
{
    open_table();
    assert_int_equal(fl_table_put(t, "k", 1, &values[0]), 0);
    int64_t before = fl_load(&heap.bytes, relaxed); /* count */
    for (size_t i = 1; i < 1000; i++) {
        assert_int_equal(fl_table_put(t, "k", 1, &values[i]), 0);
        assert_ptr_equal(fl_table_get(t, "k", 1), &values[i]);
    }
    assert_int_equal(fl_table_count(t), 1);
    assert_int_equal(fl_load(&heap.bytes, relaxed), before); /* count */
    close_table();
}

TEST(a_table_grows_and_keeps_every_key)
{
    enum {
        KEYS = 20000
    };
    char key[16];

    open_table();
    for (size_t i = 0; i < KEYS; i++) {
        size_t n = name_key(key, i);
        assert_null(fl_table_get(t, key, n));
        assert_int_equal(fl_table_put(t, key, n, &values[i]), 0);
        assert_int_equal(fl_table_count(t), i + 1);
        n = name_key(key, i / 2);
        assert_ptr_equal(fl_table_get(t, key, n), &values[i / 2]);
    }
    for (size_t i = 0; i < KEYS; i++) {
        size_t n = name_key(key, i);
        assert_ptr_equal(fl_table_get(t, key, n), &values[i]);
    }
    close_table();
}

TEST(function_pointers_serve_as_keys)
{
    static char functions[1000];

    open_table();
    for (size_t i = 0; i < 1000; i++) {
        char *fn = &functions[i];
        assert_int_equal(fl_table_put(t, &fn, sizeof fn, &values[i]), 0);
    }
    for (size_t i = 0; i < 1000; i++) {
        char *fn = &functions[i];
        assert_ptr_equal(fl_table_get(t, &fn, sizeof fn), &values[i]);
    }
    assert_int_equal(fl_table_count(t), 1000);
    close_table();
}

TEST(a_key_may_have_any_byte_and_up_to_65535_of_them)
{
    enum {
        LONGEST = 65535
    };
    char *key = calloc(1, LONGEST + 1);

    open_table();
    for (size_t n = 1; n <= LONGEST; n = n * 2 + 1)
        assert_int_equal(fl_table_put(t, key, n, &values[n % 1000]), 0);
    assert_int_equal(fl_table_count(t), 16);
    for (size_t n = 1; n <= LONGEST; n = n * 2 + 1)
        assert_ptr_equal(fl_table_get(t, key, n), &values[n % 1000]);
    key[LONGEST - 1] = 1;
    assert_null(fl_table_get(t, key, LONGEST));
    assert_int_equal(fl_table_put(t, key, LONGEST, &values[5]), 0);
    assert_ptr_equal(fl_table_get(t, key, LONGEST), &values[5]);
    close_table();
    free(key);
}

TEST(keys_at_any_alignment_are_the_same_key)
{
    char room[64];

    open_table();
    assert_int_equal(fl_table_put(t, "a key of twenty byte", 20, &values[7]), 0);
    for (size_t offset = 0; offset < 16; offset++) {
        memcpy(room + offset, "a key of twenty byte", 20);
        assert_ptr_equal(fl_table_get(t, room + offset, 20), &values[7]);
    }
    close_table();
}

TEST(no_key_too_long_a_key_and_no_value_are_refused)
{
    enum {
        TOO_LONG = 65536
    };
    char *key = calloc(1, TOO_LONG);

    open_table();
    assert_int_equal(fl_table_put(t, "a", 0, &values[0]), FILCH_EINVAL);
    assert_int_equal(fl_table_put(t, key, TOO_LONG, &values[0]), FILCH_EINVAL);
    assert_int_equal(fl_table_put(t, key, SIZE_MAX, &values[0]), FILCH_EINVAL);
    assert_int_equal(fl_table_put(t, "a", 1, NULL), FILCH_EINVAL);
    assert_null(fl_table_get(t, "a", 0));
    assert_null(fl_table_get(t, key, TOO_LONG));
    assert_null(fl_table_get(t, key, SIZE_MAX));
    assert_null(fl_table_get(t, "a", 1));
    assert_int_equal(fl_table_count(t), 0);
    close_table();
    free(key);
}

TEST(tables_are_apart_and_so_are_their_heaps)
{
    struct fl_heap other_heap;
    struct fl_table *other;
    char key[16];

    open_table();
    fl_heap_open(&other_heap, NULL);
    assert_int_equal(fl_table_create(&other, &other_heap), 0);
    int64_t fresh = fl_load(&other_heap.bytes, relaxed); /* count */
    for (size_t i = 0; i < 200; i++) {
        size_t n = name_key(key, i);
        assert_int_equal(fl_table_put(t, key, n, &values[i]), 0);
        assert_null(fl_table_get(other, key, n));
    }
    assert_int_equal(fl_load(&other_heap.bytes, relaxed), fresh); /* count */
    assert_int_equal(fl_table_put(other, "key-3", 5, &values[9]), 0);
    assert_ptr_equal(fl_table_get(other, "key-3", 5), &values[9]);
    assert_ptr_equal(fl_table_get(t, "key-3", 5), &values[3]);
    fl_table_destroy(other);
    assert_int_equal(fl_load(&other_heap.bytes, relaxed), 0); /* count */
    fl_heap_close(&other_heap);
    close_table();
}

TEST(outgrown_maps_cost_no_more_than_the_map_in_use)
{
    enum {
        KEYS = 10000,
        ENTRY_OF_CK = 32,
        ENTRY = 64
    };
    char key[16];

    open_table();
    for (size_t i = 0; i < KEYS; i++) {
        size_t n = name_key(key, i);
        assert_int_equal(fl_table_put(t, key, n, &values[i]), 0);
    }
    /* 32768 slots hold 10000 keys at most half full, and their predecessors are as much again */
    int64_t most = 2 * 32768 * ENTRY_OF_CK + KEYS * ENTRY + 4096;
    assert_true(fl_load(&heap.bytes, relaxed) < most); /* count */
    close_table();
}

TEST(destroying_no_table_is_fine)
{
    fl_table_destroy(NULL);
}
