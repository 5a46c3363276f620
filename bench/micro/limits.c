/* SPDX-License-Identifier: MIT
 *
 * limits.c: what do the machine's own steps cost, alone and unhindered?
 *
 * limits/futex_round_trip is the one with two threads: each sleeps until the other has woken it. */
#include "micro/micro.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/futex.h"
#include "driver/bench.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64,
    BLOCK_BYTES = 64
};

/* Words   word   one thread's own here: what is timed is the instruction */
static _Alignas(FL_LINE_PAIR) fl_atomic(uint64_t) word;

static void rmw(struct gbench *g, void *arg)
{
    (void)arg;
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++)
            fl_add(&word, 1, seq_cst);
    }
}

static void store_look(struct gbench *g, void *arg)
{
    (void)arg;
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++)
            fl_store_look(&word, (uint64_t)i);
    }
}

static void malloc_free(struct gbench *g, void *arg)
{
    (void)arg;
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++) {
            void *p = malloc(BLOCK_BYTES);

            __asm__ __volatile__("" : "+r"(p) : : "memory"); /* or the pair is optimized away */
            free(p);
        }
    }
}

static void clock_read(struct gbench *g, void *arg)
{
    int64_t last = 0;

    (void)arg;
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++) {
            int64_t now = fl_now();

            if (now < last)
                gbench_fail(g, "the monotonic clock went back");
            last = now;
        }
    }
}

static void futex_wake_nobody(struct gbench *g, void *arg)
{
    static fl_atomic(uint32_t) lonely;

    (void)arg;
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++)
            fl_futex_wake(&lonely, 1);
    }
}

enum {
    TURNS = 500
};

/* Words   turn   even: the first thread's, odd: the second's */
struct table_tennis {
    fl_atomic(uint32_t) turn;
};

static void play(void *arg, unsigned i)
{
    struct table_tennis *game = arg;

    for (uint32_t turn = i; turn < 2 * TURNS; turn += 2) {
        uint32_t seen;

        while ((seen = fl_load(&game->turn, acquire)) != turn)
            fl_futex_wait(&game->turn, seen, INT64_MAX);
        fl_store(&game->turn, turn + 1, release);
        fl_futex_wake(&game->turn, 1);
    }
}

static void futex_round_trip(struct gbench *g, void *arg)
{
    (void)arg;
    while (gbench_batch(g, TURNS)) {
        struct table_tennis game = {0};

        gbench_time(g, (double)bench_together(2, play, &game) / 1e9);
    }
}

void micro_limits_register(void)
{
    gbench_register("limits/locked_add", rmw, NULL, 1);
    gbench_register("limits/store_and_fence", store_look, NULL, 1);
    gbench_register("limits/malloc_free/bytes:64", malloc_free, NULL, 1);
    gbench_register("limits/clock", clock_read, NULL, 1);
    gbench_register("limits/futex_wake_nobody", futex_wake_nobody, NULL, 1);
    gbench_register_timed("limits/futex_round_trip", futex_round_trip, NULL, 1);
}
