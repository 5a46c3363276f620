/* SPDX-License-Identifier: MIT
 *
 * stress_slab.c: one thread takes blocks, three bring them home; and then the slab retires under them.
 *
 * What a block carries is written and read without atomics, so that ThreadSanitizer checks that a
 * block's next user follows its last. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/thread.h"

#include "harness/test.h"

enum {
    RETURNERS = 3,
    HANDS = 64,       /* blocks that one returner may have before it */
    PASSES = 1000000, /* blocks handed out in all */
    PATIENCE = 1000,  /* turns of a spin before it gives its core away */
    RETIREMENTS = 5000,
    OUT = 48 /* blocks that are out when a slab retires */
};

/* A user's view of a block: the first word is the slab's between two lives. */
struct used {
    void *link;
    uint64_t life; /* odd while it is out */
    const struct used *self;
    enum fl_block_kind kind;
};

static struct fl_heap heap;
static struct fl_slab slab;
static uint64_t seed;
static fl_atomic(struct used *) hand[RETURNERS][HANDS];
static fl_atomic(uint32_t) over;

/* A chunk is zeroed before its blocks are: a block's first life is number 1. */
static void *zeroed_alloc(void *ctx, size_t size, size_t align)
{
    uint64_t *p;

    (void)ctx;
    test_check(posix_memalign((void **)&p, align, size) == 0);
    for (size_t i = 0; i < size / sizeof *p; i++)
        p[i] = 0;
    return p;
}

static void zeroed_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx, (void)size, (void)align;
    free(p);
}

static const filch_allocator zeroed = {zeroed_alloc, zeroed_free, NULL, NULL};

static struct used *take_out(enum fl_block_kind kind)
{
    struct used *u = fl_slab_alloc(&slab, kind);

    test_check(u != NULL && u->life % 2 == 0);
    test_check(u->life == 0 || (u->self == u && u->kind == kind));
    u->life++;
    u->self = u;
    u->kind = kind;
    return u;
}

static void end_life(struct used *u)
{
    test_check(u->life % 2 == 1 && u->self == u);
    u->life++;
}

static void hold(void)
{
    uint64_t random = fl_random_seed(seed);
    size_t passes = test_scaled(PASSES);

    for (size_t i = 0; i < passes; i++) {
        struct used *u = take_out(fl_random_below(&random, 4) == 0 ? FL_BLOCK_128 : FL_BLOCK_64);
        uint32_t to = fl_random_below(&random, RETURNERS * HANDS);
        fl_atomic(struct used *) *place = &hand[to / HANDS][to % HANDS];

        if (fl_load(place, relaxed) != NULL) { /* hint: full, so it is freed here */
            end_life(u);
            fl_slab_free(&slab, u);
            if (i % PATIENCE == 0)
                fl_thread_yield();
        } else {
            fl_store(place, u, release);
        }
    }
    fl_store(&over, 1, release);
}

static void bring_home(unsigned who)
{
    for (size_t idle = 1;; idle++) {
        bool last = fl_load(&over, acquire) != 0;

        for (size_t i = 0; i < HANDS; i++) {
            struct used *u = fl_load(&hand[who][i], acquire);

            if (u == NULL)
                continue;
            fl_store(&hand[who][i], NULL, relaxed); /* the holder sees it or frees at home */
            end_life(u);
            test_check(fl_slab_return(u));
            idle = 0;
        }
        if (last)
            return;
        if (idle % PATIENCE == 0)
            fl_thread_yield();
    }
}

static void hold_or_bring_home(unsigned i, void *arg)
{
    (void)arg;
    if (i == 0)
        hold();
    else
        bring_home(i - 1);
}

TEST(every_block_comes_home_and_goes_out_once_at_a_time)
{
    seed = test_seed();
    fl_heap_open(&heap, &zeroed);
    fl_slab_open(&slab, &heap);
    fl_store(&over, 0, relaxed);
    test_threads(1 + RETURNERS, hold_or_bring_home, NULL);
    /* Never more than all hands full and one at home: one chunk of each size holds them. */
    assert_true(fl_load(&heap.bytes, relaxed) <= 2 * FL_CHUNK_BYTES);
    assert_int_equal(fl_slab_retire(&slab), 0);
    fl_slab_close(&slab);
    assert_int_equal(fl_load(&heap.bytes, relaxed), 0);
    fl_heap_close(&heap);
}

/* A slab that retires while its blocks come home. Whoever has counted the last one closes it. */
enum {
    BEGUN,
    LEFT
};

static struct retirement {
    size_t n;
    fl_atomic(size_t) line[2]; /* BEGUN: retirements; LEFT: threads that got through one */
    struct used *out[OUT];
    fl_atomic(int64_t) blocks; /* the holder adds what was out, less BIAS; returners take 1 each */
    fl_atomic(uint32_t) closed;
} r;

static const int64_t BIAS = INT64_C(1) << 32;

static void close_slab(void)
{
    for (size_t i = 0; i < OUT; i++) {
        fl_unpoison(r.out[i], sizeof *r.out[i]);
        test_check(r.out[i]->life % 2 == 0);
    }
    fl_slab_close(&slab);
    fl_add(&r.closed, 1, relaxed);
}

static void wait_for(unsigned line, size_t value)
{
    for (size_t turn = 1; fl_load(&r.line[line], acquire) < value; turn++)
        if (turn % PATIENCE == 0)
            fl_thread_yield();
}

static void retire(uint64_t *random, size_t number)
{
    fl_slab_open(&slab, &heap);
    fl_store(&r.blocks, BIAS, relaxed);
    for (size_t i = 0; i < OUT; i++)
        r.out[i] = take_out(i % 4 == 0 ? FL_BLOCK_128 : FL_BLOCK_64);
    fl_store(&r.line[BEGUN], number, release);
    for (uint32_t n = fl_random_below(random, 800); n > 0; n--)
        fl_random(random);
    for (uint32_t n = fl_random_below(random, 8); n > 0; n--) {
        struct used *u = take_out(FL_BLOCK_64); /* one that has come home, or a fresh one */

        end_life(u);
        fl_slab_free(&slab, u);
    }
    int64_t out = (int64_t)fl_slab_retire(&slab);
    test_check(out >= 0 && out <= OUT);
    if (fl_add(&r.blocks, out - BIAS, acq_rel) + out - BIAS == 0)
        close_slab();
    wait_for(LEFT, number * RETURNERS);
    test_check(fl_load(&r.closed, relaxed) == number);
    test_check(fl_load(&heap.bytes, relaxed) == 0);
}

static void retire_or_return(unsigned i, void *arg)
{
    uint64_t random = fl_random_seed(seed + i);

    (void)arg;
    for (size_t number = 1; number <= r.n; number++) {
        if (i == 0) {
            retire(&random, number);
            continue;
        }
        wait_for(BEGUN, number);
        for (size_t k = i - 1; k < OUT; k += RETURNERS) {
            end_life(r.out[k]);
            if (!fl_slab_return(r.out[k]) && fl_sub(&r.blocks, 1, acq_rel) == 1)
                close_slab();
        }
        fl_add(&r.line[LEFT], 1, acq_rel);
    }
}

TEST(a_block_that_is_out_when_its_slab_retires_is_counted_once)
{
    seed = test_seed();
    fl_heap_open(&heap, &zeroed);
    r.n = test_scaled(RETIREMENTS);
    test_threads(1 + RETURNERS, retire_or_return, NULL);
    fl_heap_close(&heap);
}
