/* SPDX-License-Identifier: MIT
 *
 * stress_ring.c: a writer and a reader at full speed. Each record points at a plain word that the
 * writer has just written and the reader writes next: ThreadSanitizer takes part. */
#include "harness/test.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "queue/ring.h"

struct record {
    uint64_t number;
    uint64_t *plain;
    uint64_t check;
};

struct line {
    struct fl_ring *r;
    uint64_t *plain;
    uint64_t records;
};

/* Spinning meets the other side in the act; yielding lets it go on where it has no CPU. */
static void wait_a_moment(unsigned spins)
{
    if (spins % 64 == 63)
        sched_yield();
    else
        fl_relax();
}

static void write_all(struct line *l)
{
    for (uint64_t i = 0; i < l->records; i++) {
        l->plain[i] = i * 3;
        struct record record = {i, &l->plain[i], ~i};
        for (unsigned spins = 0; !fl_ring_push(l->r, &record); spins++)
            wait_a_moment(spins);
    }
}

static void read_all(struct line *l)
{
    for (uint64_t i = 0; i < l->records; i++) {
        struct record record;
        for (unsigned spins = 0; !fl_ring_pop(l->r, &record); spins++)
            wait_a_moment(spins);
        test_check(record.number == i);
        test_check(record.check == ~i);
        test_check(record.plain == &l->plain[i]);
        test_check(*record.plain == i * 3);
        *record.plain = i;
    }
}

static void write_or_read(unsigned i, void *arg)
{
    if (i == 0)
        write_all(arg);
    else
        read_all(arg);
}

static void run(size_t capacity, size_t records)
{
    struct fl_heap heap;
    struct line l = {.records = records, .plain = calloc(records, sizeof(uint64_t))};
    struct record none;

    assert_non_null(l.plain);
    fl_heap_open(&heap, NULL);
    assert_int_equal(fl_ring_create(&l.r, &heap, capacity, sizeof(struct record)), 0);
    test_threads(2, write_or_read, &l);
    assert_false(fl_ring_pop(l.r, &none));
    for (uint64_t i = 0; i < records; i++)
        assert_int_equal(l.plain[i], i);
    fl_ring_destroy(l.r);
    fl_heap_close(&heap);
    free(l.plain);
}

TEST(every_record_arrives_once_whole_and_in_order_through_a_ring_of_one)
{
    run(1, test_scaled(300000));
}

TEST(every_record_arrives_once_whole_and_in_order_through_a_small_ring)
{
    run(7, test_scaled(1000000));
}

TEST(every_record_arrives_once_whole_and_in_order_through_a_large_ring)
{
    run(4095, test_scaled(1500000));
}

/* Long enough for the other side to come into the middle of a copy, if it could. */
enum {
    LONG_WORDS = 512
};

struct long_line {
    struct fl_ring *r;
    uint64_t records;
};

static void write_long(struct long_line *l)
{
    uint64_t record[LONG_WORDS];

    for (uint64_t i = 0; i < l->records; i++) {
        for (size_t k = 0; k < LONG_WORDS; k++)
            record[k] = i;
        for (unsigned spins = 0; !fl_ring_push(l->r, record); spins++)
            wait_a_moment(spins);
    }
}

static void read_long(struct long_line *l)
{
    uint64_t record[LONG_WORDS];

    for (uint64_t i = 0; i < l->records; i++) {
        for (unsigned spins = 0; !fl_ring_pop(l->r, record); spins++)
            wait_a_moment(spins);
        for (size_t k = 0; k < LONG_WORDS; k++)
            test_check(record[k] == i);
    }
}

static void write_or_read_long(unsigned i, void *arg)
{
    if (i == 0)
        write_long(arg);
    else
        read_long(arg);
}

TEST(a_long_record_is_never_seen_half_written_nor_overwritten_half_read)
{
    struct fl_heap heap;
    struct long_line l = {.records = test_scaled(100000)};

    fl_heap_open(&heap, NULL);
    assert_int_equal(fl_ring_create(&l.r, &heap, 1, LONG_WORDS * sizeof(uint64_t)), 0);
    test_threads(2, write_or_read_long, &l);
    fl_ring_destroy(l.r);
    fl_heap_close(&heap);
}

/* A ring of 3 has 4 slots: a push that succeeds follows the pop of the record 4 before it, and the
 * reader popped that one when it was through with the record 5 before. So the writer may then write
 * to what that record points at. */
enum {
    BUFFERS = 8,
    THROUGH = 5
};

struct shared {
    struct fl_ring *r;
    uint64_t buffers[BUFFERS];
    uint64_t records;
};

static void reuse_writer(struct shared *s)
{
    for (uint64_t i = 0; i < s->records; i++) {
        uint64_t *buffer = &s->buffers[i % BUFFERS];
        for (unsigned spins = 0; !fl_ring_push(s->r, &buffer); spins++)
            wait_a_moment(spins);
        if (i >= THROUGH)
            s->buffers[(i - THROUGH) % BUFFERS]++;
    }
}

static void reuse_reader(struct shared *s)
{
    for (uint64_t i = 0; i < s->records; i++) {
        uint64_t *buffer;
        for (unsigned spins = 0; !fl_ring_pop(s->r, &buffer); spins++)
            wait_a_moment(spins);
        test_check(buffer == &s->buffers[i % BUFFERS]);
        test_check(*buffer == 2 * (i / BUFFERS)); /* one of each in every lap */
        ++*buffer;
    }
}

static void reuse(unsigned i, void *arg)
{
    if (i == 0)
        reuse_writer(arg);
    else
        reuse_reader(arg);
}

TEST(a_push_comes_after_what_the_reader_did_a_lap_before)
{
    struct fl_heap heap;
    struct shared s = {.records = test_scaled(300000)};

    fl_heap_open(&heap, NULL);
    assert_int_equal(fl_ring_create(&s.r, &heap, 3, sizeof(uint64_t *)), 0);
    test_threads(2, reuse, &s);
    fl_ring_destroy(s.r);
    fl_heap_close(&heap);
}
