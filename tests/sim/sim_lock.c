/* SPDX-License-Identifier: MIT
 *
 * sim_lock.c: the lock of core/base/ (Drepper's second mutex): one thread at a time is inside, what it
 * did there is known to the next, and whoever sleeps for the lock is woken once it is free. */
#include "base/atomic.h"
#include "base/futex.h"
#include "sim/sim.h"

static struct fl_lock lock;
static int guarded; /* plain: a race if two are inside, or if one does not know of the last */

/* Somebody who has to be woken is told by the word: 2 while anybody sleeps. */
SIM_GHOST static void watch_lock(void)
{
    sim_check(fl_load(&lock.word, relaxed) <= 2);
}

static void begin(void)
{
    fl_init(&lock.word, 0);
    guarded = 0;
}

static void go_in(void *arg)
{
    (void)arg;
    fl_lock_enter(&lock);
    guarded++;
    fl_lock_leave(&lock);
}

static void go_in_twice(void *arg)
{
    go_in(arg);
    go_in(arg);
}

/* Nobody is left: the word says so to whoever comes next without asking the kernel. */
static void end(int times)
{
    sim_join_all();
    sim_check(guarded == times);
    sim_check(fl_load(&lock.word, relaxed) == 0);
}

SCENARIO(two_are_never_inside_at_once, .ghost = watch_lock, .spurious = 1)
{
    begin();
    sim_spawn(go_in, NULL);
    go_in(NULL);
    end(2);
}

SCENARIO(three_are_never_inside_at_once, .ghost = watch_lock)
{
    begin();
    sim_spawn(go_in, NULL);
    sim_spawn(go_in, NULL);
    go_in(NULL);
    end(3);
}

SCENARIO(whoever_sleeps_for_the_lock_is_woken_though_others_come_and_go, .ghost = watch_lock)
{
    begin();
    sim_spawn(go_in, NULL);
    sim_spawn(go_in, NULL);
    go_in_twice(NULL);
    end(4);
}

/* Two sleep, one is woken, and it has to remember the other. */
SCENARIO(of_two_who_sleep_the_first_wakes_the_second, .ghost = watch_lock, .spurious = 1)
{
    begin();
    fl_lock_enter(&lock);
    sim_spawn(go_in, NULL);
    sim_spawn(go_in, NULL);
    guarded++;
    fl_lock_leave(&lock);
    end(3);
}

SCENARIO(who_comes_back_at_once_leaves_the_sleeper_its_turn, .ghost = watch_lock, .spurious = 1)
{
    begin();
    sim_spawn(go_in_twice, NULL);
    go_in_twice(NULL);
    end(4);
}

SCENARIO(who_wakes_for_no_reason_is_not_let_in, .ghost = watch_lock, .spurious = 3)
{
    begin();
    fl_lock_enter(&lock);
    sim_spawn(go_in, NULL);
    sim_spawn(go_in, NULL);
    guarded++;
    fl_lock_leave(&lock);
    end(3);
}

/* ---- a lock that goes as soon as it is free ---- */

static struct fl_lock *own;
static int passed;

/* The second to pass frees it: so leaving must touch it for the last time where it lets go. */
static void pass_and_free(void *arg)
{
    int before;

    (void)arg;
    fl_lock_enter(own);
    before = passed++;
    fl_lock_leave(own);
    if (before == 1)
        sim_free(own);
}

SCENARIO(who_leaves_last_may_free_the_lock_that_the_other_has_just_left, .spurious = 1)
{
    own = sim_alloc(sizeof *own, 16);
    fl_init(&own->word, 0);
    passed = 0;
    sim_spawn(pass_and_free, NULL);
    pass_and_free(NULL);
    sim_join_all();
}
