/* SPDX-License-Identifier: MIT
 *
 * stress_table.c: one writer fills and updates a table while readers look everything up. Values
 * point at plain words written just before: ThreadSanitizer takes part. */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "queue/table.h"

enum {
    THREADS = 4,
    VERSIONS = 4
};

struct value {
    uint64_t key;
    uint64_t version;
};

struct stage {
    struct fl_table *t;
    struct value *values; /* of key k in version v: at k * VERSIONS + v */
    size_t keys;
    fl_atomic(
        uint64_t) steps; /* puts that have returned: step s put key s % keys, version s / keys */
};

static size_t name_key(char out[24], size_t i)
{
    return (size_t)snprintf(out, 24, "function number %zu", i);
}

static void put_all(struct stage *s)
{
    char key[24];

    for (size_t step = 0; step < s->keys * VERSIONS; step++) {
        size_t k = step % s->keys;
        struct value *value = &s->values[k * VERSIONS + step / s->keys];
        *value = (struct value){k, step / s->keys};
        size_t n = name_key(key, k);
        test_check(fl_table_put(s->t, key, n, value) == 0);
        fl_store(&s->steps, step + 1, release); /* -> look_up */
    }
}

static void look_up(struct stage *s, uint64_t seed)
{
    uint64_t x = seed | 1;
    uint64_t steps;
    char key[24];

    do {
        steps = fl_load(&s->steps, acquire); /* <- put_all */
        x = x * 6364136223846793005U + 1442695040888963407U;
        size_t k = (size_t)((x >> 33) % s->keys);
        size_t n = name_key(key, k);
        const struct value *value = fl_table_get(s->t, key, n);
        uint64_t least = (steps + s->keys - 1 - k) / s->keys; /* versions of k that are in */
        if (value == NULL) {
            test_check(least == 0);
            continue;
        }
        test_check(value->key == k);
        test_check(value->version < VERSIONS);
        test_check(value->version + 1 >= least);
        test_check(value == &s->values[k * VERSIONS + value->version]);
    } while (steps < s->keys * VERSIONS);
}

static void put_or_look_up(unsigned i, void *arg)
{
    if (i == 0)
        put_all(arg);
    else
        look_up(arg, test_seed() + i);
}

TEST(readers_find_every_key_that_is_in_and_never_an_older_value_than_they_know_of)
{
    for (size_t round = 0; round < 20; round++) {
        struct fl_heap heap;
        struct stage s = {.keys = test_scaled(20000)};

        s.values = malloc(s.keys * VERSIONS * sizeof *s.values);
        assert_non_null(s.values);
        fl_init(&s.steps, 0);
        fl_heap_open(&heap, NULL);
        assert_int_equal(fl_table_create(&s.t, &heap), 0);
        test_threads(THREADS, put_or_look_up, &s);
        assert_int_equal(fl_table_count(s.t), s.keys);
        fl_table_destroy(s.t);
        assert_int_equal(fl_load(&heap.bytes, relaxed), 0); /* count */
        fl_heap_close(&heap);
        free(s.values);
    }
}
