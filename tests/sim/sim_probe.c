/* SPDX-License-Identifier: MIT
 *
 * sim_probe.c: what the simulator itself promises, shown on the smallest programs: which outcomes of
 * weak memory it reaches, which it never does, and what it takes for a failure. A scenario with
 * .fails has to be found to fail; the others hold in every execution. */
#include "base/atomic.h"
#include "base/futex.h"
#include "sim/sim.h"

static fl_atomic(int) x, y, z;
static fl_atomic(uint32_t) word;
static int data, r1, r2, r3, r4;

static void reset(void)
{
    fl_init(&x, 0);
    fl_init(&y, 0);
    fl_init(&z, 0);
    fl_init(&word, 0);
    data = r1 = r2 = r3 = r4 = 0;
}

/* Two threads of one line each, and what holds when they are done. */
#define PAIR(name, left, right, holds, ...)                                                        \
    static void name##_left(void *arg)                                                             \
    {                                                                                              \
        (void)arg;                                                                                 \
        left;                                                                                      \
    }                                                                                              \
    static void name##_right(void *arg)                                                            \
    {                                                                                              \
        (void)arg;                                                                                 \
        right;                                                                                     \
    }                                                                                              \
    SCENARIO(name, __VA_ARGS__)                                                                    \
    {                                                                                              \
        reset();                                                                                   \
        sim_spawn(name##_left, NULL);                                                              \
        sim_spawn(name##_right, NULL);                                                             \
        sim_join_all();                                                                            \
        sim_check(holds);                                                                          \
    }

/* ---- message passing ---- */

PAIR(release_and_acquire_hand_over_plain_data, data = 1;
     fl_store(&x, 1, release), if (fl_load(&x, acquire) == 1) r1 = data;
     else r1 = 1, r1 == 1, .freezes = false)
PAIR(a_relaxed_store_hands_over_nothing, data = 1;
     fl_store(&x, 1, relaxed), if (fl_load(&x, acquire) == 1) r1 = data, true, .fails = "race")
PAIR(a_relaxed_load_takes_over_nothing, data = 1;
     fl_store(&x, 1, release), if (fl_load(&x, relaxed) == 1) r1 = data, true, .fails = "race")
PAIR(relaxed_words_arrive_in_any_order, fl_store(&x, 1, relaxed);
     fl_store(&y, 1, relaxed), r1 = fl_load(&y, relaxed);
     r2 = fl_load(&x, relaxed), r1 == 0 || r2 == 1, .fails = "check")
PAIR(a_release_fence_serves_a_relaxed_store, data = 1; atomic_thread_fence(memory_order_release);
     fl_store(&x, 1, relaxed), if (fl_load(&x, acquire) == 1) r1 = data, true, .freezes = false)
PAIR(
    an_acquire_fence_serves_a_relaxed_load, data = 1; fl_store(&x, 1, release),
                                                      if (fl_load(&x, relaxed) == 1) {
                                                          atomic_thread_fence(memory_order_acquire);
                                                          r1 = data;
                                                      },
                                                      true, .freezes = false)
PAIR(a_relaxed_store_ends_the_chain_that_a_release_began, data = 1; fl_store(&x, 1, release);
     fl_store(&x, 2, relaxed), if (fl_load(&x, acquire) == 2) r1 = data, true, .fails = "race")

/* ---- coherence ---- */

PAIR(a_word_never_goes_back_for_one_reader, fl_store(&x, 1, relaxed);
     fl_store(&x, 2, relaxed), r1 = fl_load(&x, relaxed);
     r2 = fl_load(&x, relaxed), r1 <= r2, .freezes = false)
PAIR(additions_are_never_lost, fl_add(&x, 1, relaxed), fl_add(&x, 1, relaxed),
     fl_load(&x, relaxed) == 2, .freezes = false)

/* ---- store, then look ---- */

PAIR(stores_and_looks_without_a_fence_miss_each_other, fl_store(&x, 1, release);
     r1 = fl_load(&y, acquire), fl_store(&y, 1, release);
     r2 = fl_load(&x, acquire), r1 == 1 || r2 == 1, .fails = "check")
PAIR(store_then_look_on_both_sides_misses_nothing, fl_store_look(&x, 1);
     r1 = fl_look(&y), fl_store_look(&y, 1); r2 = fl_look(&x), r1 == 1 || r2 == 1, .freezes = false)
PAIR(store_then_look_on_one_side_is_not_enough, fl_store_look(&x, 1);
     r1 = fl_look(&y), fl_store(&y, 1, release);
     r2 = fl_load(&x, acquire), r1 == 1 || r2 == 1, .fails = "check")
PAIR(a_seq_cst_addition_is_a_store_then_look, fl_store_look(&x, 1);
     r1 = fl_look(&y), fl_add(&y, 1, seq_cst);
     r2 = fl_look(&x), r1 == 1 || r2 == 1, .freezes = false)
PAIR(a_seq_cst_addition_orders_no_relaxed_look_behind_it, fl_add(&x, 1, seq_cst);
     r1 = fl_load(&y, relaxed), fl_add(&y, 1, seq_cst);
     r2 = fl_load(&x, relaxed), r1 == 1 || r2 == 1, .fails = "check")
PAIR(a_fence_between_makes_no_plain_access_safe, data = 1;
     fl_store_look(&x, 1), fl_store_look(&y, 1);
     if (fl_load(&x, relaxed) == 1) r1 = data, true, .fails = "race")

/* ---- more than two ---- */

static void reader_xy(void *arg)
{
    (void)arg;
    r1 = fl_load(&x, acquire);
    r2 = fl_load(&y, acquire);
}

static void reader_yx(void *arg)
{
    (void)arg;
    r3 = fl_load(&y, acquire);
    r4 = fl_load(&x, acquire);
}

static void writer(void *w)
{
    fl_store((fl_atomic(int) *)w, 1, release);
}

SCENARIO(two_readers_see_two_writers_in_different_orders, .fails = "check")
{
    reset();
    sim_spawn(writer, (void *)&x);
    sim_spawn(writer, (void *)&y);
    sim_spawn(reader_xy, NULL);
    sim_spawn(reader_yx, NULL);
    sim_join_all();
    sim_check(!(r1 == 1 && r2 == 0 && r3 == 1 && r4 == 0));
}

static void relay(void *arg)
{
    (void)arg;
    if (fl_load(&x, acquire) == 1)
        fl_store(&y, 1, release);
}

static void late(void *arg)
{
    (void)arg;
    if (fl_load(&y, acquire) == 1)
        sim_check(data == 1);
}

static void first(void *arg)
{
    (void)arg;
    data = 1;
    fl_store(&x, 1, release);
}

SCENARIO(what_was_handed_on_twice_is_known)
{
    reset();
    sim_spawn(first, NULL);
    sim_spawn(relay, NULL);
    sim_spawn(late, NULL);
    sim_join_all();
}

static void adder(void *arg)
{
    (void)arg;
    fl_add(&x, 1, relaxed);
}

static void chained(void *arg)
{
    (void)arg;
    if (fl_load(&x, acquire) == 2)
        sim_check(data == 1);
}

SCENARIO(a_relaxed_addition_goes_on_with_the_chain_of_a_release)
{
    reset();
    sim_spawn(first, NULL);
    sim_spawn(adder, NULL);
    sim_spawn(chained, NULL);
    sim_join_all();
}

/* ---- waiting ---- */

static void sleeper(void *arg)
{
    (void)arg;
    while (fl_load(&word, acquire) == 0)
        fl_futex_wait(&word, 0, INT64_MAX);
    sim_check(data == 1);
}

SCENARIO(who_sleeps_on_a_word_is_woken, .spurious = 1)
{
    reset();
    sim_spawn(sleeper, NULL);
    data = 1;
    fl_store(&word, 1, release);
    fl_futex_wake(&word, 1);
    sim_join_all();
}

SCENARIO(a_wake_that_comes_before_the_store_is_lost, .fails = "deadlock")
{
    reset();
    sim_spawn(sleeper, NULL);
    data = 1;
    fl_futex_wake(&word, 1);
    fl_store(&word, 1, release);
    sim_join_all();
}

static void spinner(void *arg)
{
    (void)arg;
    SIM_AWAIT(fl_load(&x, acquire) == 1);
    sim_check(data == 1);
}

SCENARIO(who_spins_for_a_word_sees_it_in_the_end)
{
    reset();
    sim_spawn(spinner, NULL);
    data = 1;
    fl_store(&x, 1, release);
    sim_join_all();
}

SCENARIO(who_spins_for_nothing_is_a_deadlock, .fails = "deadlock")
{
    reset();
    sim_spawn(spinner, NULL);
    sim_join_all();
}

SCENARIO(a_wait_with_a_deadline_ends)
{
    reset();
    sim_check(fl_futex_wait(&word, 0, sim_clock() + 1000) == FILCH_ETIMEDOUT);
    sim_check(sim_clock() >= 1000);
}

static struct fl_lock lock;

static void locker(void *arg)
{
    (void)arg;
    fl_lock_enter(&lock);
    data++;
    fl_lock_leave(&lock);
}

SCENARIO(a_lock_lets_in_one_at_a_time, .spurious = 1)
{
    reset();
    fl_init(&lock.word, 0);
    sim_spawn(locker, NULL);
    sim_spawn(locker, NULL);
    locker(NULL);
    sim_join_all();
    sim_check(data == 3);
}

/* ---- memory ---- */

static int *shared_block;

static void user(void *arg)
{
    (void)arg;
    if (fl_load(&x, acquire) == 0)
        *shared_block = 1;
}

SCENARIO(touching_what_another_has_freed_is_found, .fails = "use after free")
{
    reset();
    shared_block = sim_alloc(sizeof *shared_block, 16);
    sim_spawn(user, NULL);
    fl_store(&x, 1, relaxed);
    sim_free(shared_block);
    sim_join_all();
}

SCENARIO(what_is_not_freed_is_a_leak, .fails = "leak")
{
    sim_check(sim_alloc(8, 16) != NULL);
}

SCENARIO(an_allocation_may_fail, .alloc_faults = 1, .fails = "check")
{
    void *p = sim_alloc(8, 16);
    void *q = sim_alloc(8, 16);

    sim_free(p);
    sim_free(q);
    sim_check(q != NULL);
}

/* ---- stopped for ever ---- */

SCENARIO(a_thread_that_stops_for_ever_holds_up_no_addition, .freezes = true)
{
    reset();
    sim_spawn(adder, NULL);
    sim_spawn(adder, NULL);
    sim_join_all();
    sim_check(fl_load(&x, relaxed) >= (sim_frozen() < 0 ? 2 : 1));
}
