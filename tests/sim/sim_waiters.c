/* SPDX-License-Identifier: MIT
 *
 * sim_waiters.c: those who are told: callbacks, and threads that wait for many futures at once.
 *
 * First the nodes themselves, with groups that the scenario makes: who joins, leaves, moves into a
 * node that another has left, while the settler tells. Then filch_wait in each of its modes against
 * each way in which two futures end; then waits that end too early, and come again; then callbacks,
 * what they may do, and memory that is not there. */
#include <string.h>

#include <filch/filch.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/futex.h"
#include "future/future.h"
#include "future/waiter.h"
#include "sim/sim.h"

enum {
    VALUE = 7,
    CODE = 3,
    FUTURES = 2,
    A_MOMENT = 1000000
};

static filch_future *f[FUTURES];
static int value; /* what each outcome points to */

/* ---- nodes ---- */

static struct fl_group *group[2];
static struct fl_waiter *node[2];

/* ---- the ghost ---- */

static struct {
    bool is_on;
    uint32_t fired[2];
} ghost;

SIM_GHOST static void ghost_begin(bool is_on)
{
    memset(&ghost, 0, sizeof ghost);
    ghost.is_on = is_on;
}

/* A group that is there has references, counts nothing off that it has not counted in, and fires
 * once. */
SIM_GHOST static void watch(void)
{
    for (int i = 0; ghost.is_on && i < 2; i++) {
        uint32_t refs;
        uint32_t fired;

        if (group[i] == NULL)
            continue;
        refs = fl_load(&group[i]->listener.refs, relaxed);
        if (refs == 0 || refs == 0x5A5A5A5A)
            continue; /* freed, or about to be */
        fired = fl_load(&group[i]->fired, relaxed);
        sim_check(refs <= 2 && fl_load(&group[i]->left, relaxed) <= 2);
        sim_check(fired <= 1 && fired >= ghost.fired[i]);
        ghost.fired[i] = fired;
    }
}

/* A future that no executor knows, with a reference for each who takes part. */
static filch_future *future_create(uint32_t refs)
{
    filch_future *future = fl_malloc(sizeof *future);

    sim_check(future != NULL);
    fl_future_init(future, NULL, NULL, FL_KIND_PROMISE, NULL, NULL, refs);
    return future;
}

static void begin(uint32_t refs, unsigned n_groups)
{
    ghost_begin(false);
    sim_solo_begin();
    value = 0;
    f[0] = future_create(refs);
    for (unsigned i = 0; i < 2; i++) {
        group[i] = i < n_groups ? fl_group_create(FILCH_ALL_COMPLETED) : NULL;
        node[i] = NULL;
    }
    ghost_begin(true);
    sim_solo_end();
}

/* What wait.c does for one future. */
static void join(unsigned i)
{
    int status;

    fl_add(&group[i]->left, 1, relaxed);
    status = fl_waiter_join(f[0], &group[i]->listener, &node[i]);
    sim_check(status == 0);
    if (node[i] == NULL)
        fl_group_tell(group[i], f[0]);
    fl_group_tell(group[i], NULL);
}

static void leave(unsigned i)
{
    if (node[i] != NULL)
        fl_waiter_leave(node[i], &group[i]->listener);
    fl_group_release(group[i]);
}

static void sleep_until_fired(unsigned i)
{
    while (fl_load(&group[i]->fired, acquire) == 0)
        fl_futex_wait(&group[i]->fired, 0, INT64_MAX);
    sim_check(filch_future_done(f[0]) && value == VALUE);
}

static void joins_and_waits(void *i)
{
    join((unsigned)(uintptr_t)i);
    sleep_until_fired((unsigned)(uintptr_t)i);
    leave((unsigned)(uintptr_t)i);
    filch_future_release(f[0]);
}

static void joins_and_leaves(void *i)
{
    join((unsigned)(uintptr_t)i);
    leave((unsigned)(uintptr_t)i);
    filch_future_release(f[0]);
}

static void leaves(void *i)
{
    leave((unsigned)(uintptr_t)i);
    filch_future_release(f[0]);
}

static void settles(void *arg)
{
    (void)arg;
    value = VALUE;
    sim_check(fl_future_claim(f[0]));
    fl_future_finish(f[0], 0, &value);
    filch_future_release(f[0]);
}

static void *first(void)
{
    return (void *)(uintptr_t)0;
}

static void *second(void)
{
    return (void *)(uintptr_t)1;
}

SCENARIO(whoever_joins_is_told_or_sees_it_over, .ghost = watch, .spurious = 1, .weak_faults = 1)
{
    begin(2, 1);
    sim_spawn(joins_and_waits, first());
    settles(NULL);
    sim_join_all();
}

SCENARIO(two_who_join_are_both_told, .ghost = watch)
{
    begin(3, 2);
    sim_spawn(joins_and_waits, first());
    sim_spawn(joins_and_waits, second());
    settles(NULL);
    sim_join_all();
}

SCENARIO(whoever_leaves_takes_his_group_along, .ghost = watch)
{
    begin(2, 1);
    sim_spawn(joins_and_leaves, first());
    settles(NULL);
    sim_join_all();
}

SCENARIO(a_group_that_leaves_while_it_is_told_is_freed_once, .ghost = watch)
{
    begin(2, 1);
    sim_solo_begin();
    join(0);
    sim_solo_end();
    sim_spawn(leaves, first());
    settles(NULL);
    sim_join_all();
}

SCENARIO(a_node_that_one_leaves_serves_the_next_while_the_settler_tells, .ghost = watch)
{
    begin(3, 2);
    sim_solo_begin();
    join(0);
    sim_solo_end();
    sim_spawn(leaves, first());
    sim_spawn(joins_and_waits, second());
    settles(NULL);
    sim_join_all();
}

SCENARIO(a_vacant_node_takes_in_one_who_is_told, .ghost = watch)
{
    begin(3, 1);
    sim_solo_begin();
    join(0);
    leave(0);
    group[0] = fl_group_create(FILCH_ALL_COMPLETED);
    ghost_begin(true);
    sim_solo_end();
    sim_spawn(joins_and_waits, first());
    settles(NULL);
    filch_future_release(f[0]);
    sim_join_all();
}

static void joins(void *i)
{
    join((unsigned)(uintptr_t)i);
}

SCENARIO(a_vacant_node_takes_in_one_of_two, .ghost = watch)
{
    struct fl_waiter *vacant;

    begin(1, 1);
    sim_solo_begin();
    join(0);
    vacant = node[0];
    leave(0);
    group[0] = fl_group_create(FILCH_ALL_COMPLETED);
    group[1] = fl_group_create(FILCH_ALL_COMPLETED);
    ghost_begin(true);
    sim_solo_end();
    sim_spawn(joins, first());
    joins(second());
    sim_join_all();
    sim_check((node[0] == vacant) + (node[1] == vacant) == 1 && node[0] != node[1]);
    leave(0);
    leave(1);
    filch_future_release(f[0]);
}

SCENARIO(a_future_never_holds_more_nodes_than_it_had_waiters_at_once)
{
    struct fl_waiter *vacant;

    begin(1, 1);
    sim_solo_begin();
    join(0);
    vacant = node[0];
    leave(0);
    group[0] = fl_group_create(FILCH_ALL_COMPLETED);
    join(0);
    sim_check(node[0] == vacant);
    leave(0);
    filch_future_release(f[0]);
    sim_solo_end();
}

SCENARIO(whoever_stops_for_ever_while_he_joins_or_leaves_holds_up_no_other, .freezes = true)
{
    begin(3, 2);
    sim_spawn(joins_and_leaves, first());
    sim_spawn(joins_and_waits, second());
    settles(NULL);
    sim_join_all();
}

/* ---- a wait for two futures ---- */

enum mode {
    all = FILCH_ALL_COMPLETED,
    the_first = FILCH_FIRST_COMPLETED,
    the_first_failure = FILCH_FIRST_EXCEPTION,
    the_first_success = FILCH_FIRST_SUCCESS
};

enum ending {
    a_result,
    an_error,
    a_cancel
};

static enum ending endings[FUTURES];

/* Each of the two with a reference for each of so many threads. */
static void begin_two(enum ending left, enum ending right, uint32_t refs)
{
    ghost_begin(false);
    sim_solo_begin();
    value = 0;
    for (int i = 0; i < FUTURES; i++)
        f[i] = future_create(refs);
    endings[0] = left;
    endings[1] = right;
    sim_solo_end();
}

static void let_go(void)
{
    for (int i = 0; i < FUTURES; i++)
        filch_future_release(f[i]);
}

static void end_one(void *future)
{
    unsigned i = (unsigned)(uintptr_t)future;

    if (endings[i] == a_cancel) {
        sim_check(filch_future_cancel(f[i]));
    } else {
        sim_check(fl_future_claim(f[i]));
        fl_future_finish(f[i], endings[i] == a_result ? 0 : CODE, NULL);
    }
    filch_future_release(f[i]);
}

static void end_both(void *arg)
{
    (void)arg;
    end_one(first());
    end_one(second());
}

static bool is_enough(enum mode mode, filch_future *const *futures, ptrdiff_t over)
{
    for (ptrdiff_t i = 0; i < over; i++) {
        enum filch_state state = filch_future_state(futures[i]);

        if (mode == the_first || (mode == the_first_failure && state == FILCH_FAILED) ||
            (mode == the_first_success && state == FILCH_FINISHED))
            return true;
    }
    return over == FUTURES;
}

/* What a wait says is so: those in front are over, and both parts stand in their order. */
static bool wait_for_two(enum mode mode, filch_deadline deadline)
{
    filch_future *futures[FUTURES] = {f[0], f[1]};
    ptrdiff_t over = filch_wait(futures, FUTURES, (enum filch_return_when)mode, deadline);

    sim_check(over >= 0 && over <= FUTURES);
    for (ptrdiff_t i = 0; i < over; i++)
        sim_check(filch_future_done(futures[i]));
    sim_check((futures[0] == f[0] && futures[1] == f[1]) ||
              (over == 1 && futures[0] == f[1] && futures[1] == f[0]));
    return is_enough(mode, futures, over);
}

static void waits_for(void *mode)
{
    sim_check(wait_for_two((enum mode)(uintptr_t)mode, FILCH_FOREVER));
    let_go();
}

#define SEES(mode, left, right)                                                                    \
    SCENARIO(a_wait_for_##mode##_sees_##left##_then_##right, .spurious = 1)                        \
    {                                                                                              \
        begin_two(left, right, 2);                                                                 \
        sim_spawn(end_both, NULL);                                                                 \
        waits_for((void *)(uintptr_t)mode);                                                        \
        sim_join_all();                                                                            \
    }
#define SEES_EACH(mode)                                                                            \
    SEES(mode, a_result, a_result)                                                                 \
    SEES(mode, a_result, an_error)                                                                 \
    SEES(mode, a_result, a_cancel)                                                                 \
    SEES(mode, an_error, a_result)                                                                 \
    SEES(mode, an_error, an_error)                                                                 \
    SEES(mode, an_error, a_cancel)                                                                 \
    SEES(mode, a_cancel, a_result)                                                                 \
    SEES(mode, a_cancel, an_error)                                                                 \
    SEES(mode, a_cancel, a_cancel)

SEES_EACH(all)
SEES_EACH(the_first)
SEES_EACH(the_first_failure)
SEES_EACH(the_first_success)

/* A wait that ends by its deadline has left no claim, and the next one is served. */
#define RETURNS(mode, left, right)                                                                 \
    SCENARIO(a_wait_for_##mode##_that_times_out_comes_again_for_##left##_then_##right,             \
             .timeouts = 1)                                                                        \
    {                                                                                              \
        begin_two(left, right, 2);                                                                 \
        sim_spawn(end_both, NULL);                                                                 \
        wait_for_two(mode, filch_in_ns(A_MOMENT));                                                 \
        waits_for((void *)(uintptr_t)mode);                                                        \
        sim_join_all();                                                                            \
    }

RETURNS(all, a_result, an_error)
RETURNS(the_first, a_cancel, a_result)
RETURNS(the_first_failure, a_result, an_error)
RETURNS(the_first_success, an_error, a_result)

#define MEETS(mode, left, right)                                                                   \
    SCENARIO(a_wait_for_##mode##_meets_##left##_and_##right##_at_once)                             \
    {                                                                                              \
        begin_two(left, right, 2);                                                                 \
        sim_spawn(end_one, first());                                                               \
        sim_spawn(end_one, second());                                                              \
        waits_for((void *)(uintptr_t)mode);                                                        \
        sim_join_all();                                                                            \
    }

MEETS(all, a_result, an_error)
MEETS(the_first, a_result, a_cancel)
MEETS(the_first_failure, a_result, an_error)
MEETS(the_first_success, an_error, a_cancel)

SCENARIO(a_wait_that_times_out_and_one_that_stays_share_their_futures, .timeouts = 1)
{
    filch_future *only;

    begin_two(a_result, a_result, 3);
    sim_spawn(end_both, NULL);
    sim_spawn(waits_for, (void *)(uintptr_t)all);
    only = f[0];
    filch_wait(&only, 1, FILCH_ALL_COMPLETED, filch_in_ns(A_MOMENT));
    let_go();
    sim_join_all();
}

/* ---- a wait for one ---- */

static void waits_for_one(void *arg)
{
    filch_future *only = f[0];

    (void)arg;
    sim_check(filch_wait(&only, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
    sim_check(value == VALUE);
    filch_future_release(only);
}

static void waits_a_moment(void *arg)
{
    filch_future *only = f[0];
    ptrdiff_t over = filch_wait(&only, 1, FILCH_ALL_COMPLETED, filch_in_ns(A_MOMENT));

    (void)arg;
    sim_check(over == filch_future_done(only) || over == 0);
    sim_check(over == 0 || value == VALUE);
    filch_future_release(only);
}

SCENARIO(two_waits_for_the_same_future_are_both_told)
{
    begin(3, 0);
    sim_spawn(waits_for_one, NULL);
    sim_spawn(waits_for_one, NULL);
    settles(NULL);
    sim_join_all();
}

SCENARIO(a_wait_that_times_out_makes_room_for_the_next, .timeouts = 1)
{
    begin(3, 0);
    sim_spawn(waits_a_moment, NULL);
    sim_spawn(waits_for_one, NULL);
    settles(NULL);
    sim_join_all();
}

static void asks(void *arg)
{
    (void)arg;
    sim_check(filch_future_result(f[0], FILCH_FOREVER, NULL) == 0 && value == VALUE);
    filch_future_release(f[0]);
}

SCENARIO(a_sleeper_and_a_wait_for_many_are_both_told)
{
    begin(3, 0);
    sim_spawn(asks, NULL);
    sim_spawn(waits_for_one, NULL);
    settles(NULL);
    sim_join_all();
}

SCENARIO(a_future_that_stands_twice_in_a_wait_is_waited_for_once, .spurious = 1)
{
    filch_future *twice[2];

    begin(2, 0);
    sim_spawn(settles, NULL);
    twice[0] = twice[1] = f[0];
    sim_check(filch_wait(twice, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    sim_check(twice[0] == f[0] && twice[1] == f[0] && value == VALUE);
    filch_future_release(f[0]);
    sim_join_all();
}

SCENARIO(a_wait_that_only_looks_registers_nothing)
{
    filch_future *only;

    begin(2, 0);
    sim_spawn(settles, NULL);
    only = f[0];
    filch_wait(&only, 1, FILCH_ALL_COMPLETED, FILCH_NOW);
    filch_future_release(f[0]);
    sim_join_all();
}

/* ---- so many of them ---- */

enum {
    PLACES = 3
};

/* Two futures that somebody ends, and one that nobody does. */
static void wait_for_at_least(size_t k, filch_future *places[PLACES], filch_deadline deadline)
{
    filch_wait_options o = {
        .size = sizeof o, .when = FILCH_AT_LEAST, .at_least = k, .deadline = deadline};
    bool done[PLACES];
    filch_future *before[PLACES];
    size_t marked = 0;
    ptrdiff_t over;

    memcpy(before, places, sizeof before);
    o.done = done;
    over = filch_wait_with(places, PLACES, &o);
    sim_check(memcmp(before, places, sizeof before) == 0);
    for (int i = 0; i < PLACES; i++) {
        sim_check(!done[i] || filch_future_done(places[i]));
        marked += done[i];
    }
    sim_check(over >= 0 && (size_t)over == marked);
    sim_check(deadline != 0 || marked >= k);
}

static filch_future *never(void)
{
    filch_future *open;

    sim_solo_begin();
    open = future_create(1);
    sim_solo_end();
    return open;
}

SCENARIO(a_wait_for_at_least_two_of_three_sees_both_that_end_and_needs_no_third)
{
    filch_future *places[PLACES];

    begin_two(a_result, a_cancel, 2);
    places[0] = never();
    places[1] = f[0];
    places[2] = f[1];
    sim_spawn(end_one, first());
    sim_spawn(end_one, second());
    wait_for_at_least(2, places, 0);
    filch_future_release(places[0]);
    let_go();
    sim_join_all();
}

SCENARIO(a_wait_for_at_least_two_counts_each_place_of_a_future_that_stands_twice, .spurious = 1)
{
    filch_future *places[PLACES];

    begin(2, 0);
    places[0] = places[2] = f[0];
    places[1] = never();
    sim_spawn(settles, NULL);
    wait_for_at_least(2, places, 0);
    sim_check(value == VALUE);
    filch_future_release(places[1]);
    filch_future_release(f[0]);
    sim_join_all();
}

SCENARIO(a_wait_for_at_least_two_that_times_out_comes_again, .timeouts = 1)
{
    filch_future *places[PLACES];

    begin_two(an_error, a_result, 2);
    places[0] = f[0];
    places[1] = f[1];
    places[2] = never();
    sim_spawn(end_both, NULL);
    wait_for_at_least(2, places, filch_in_ns(A_MOMENT));
    wait_for_at_least(2, places, 0);
    filch_future_release(places[2]);
    let_go();
    sim_join_all();
}

SCENARIO(a_wait_for_at_least_two_without_memory_has_done_nothing, .alloc_faults = 1)
{
    filch_wait_options o = {.size = sizeof o, .when = FILCH_AT_LEAST, .at_least = 2};
    filch_future *places[PLACES];
    ptrdiff_t over;

    begin_two(a_result, a_result, 2);
    places[0] = f[0];
    places[1] = f[1];
    places[2] = never();
    sim_spawn(end_both, NULL);
    over = filch_wait_with(places, PLACES, &o);
    sim_check(over == 2 || over == FILCH_ENOMEM);
    sim_check(places[0] == f[0] && places[1] == f[1]);
    filch_future_release(places[2]);
    let_go();
    sim_join_all();
}

/* ---- memory that is not there ---- */

SCENARIO(a_wait_without_memory_has_done_nothing, .alloc_faults = 1)
{
    filch_future *futures[FUTURES];
    ptrdiff_t over;

    begin_two(a_result, an_error, 2);
    memcpy(futures, f, sizeof futures);
    sim_spawn(end_both, NULL);
    over = filch_wait(futures, FUTURES, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    sim_check(over == FUTURES || over == FILCH_ENOMEM);
    sim_check(futures[0] == f[0] && futures[1] == f[1]);
    waits_for((void *)(uintptr_t)all);
    sim_join_all();
}

/* What a wait has left on a future that nobody ever completes would never be found again. */
SCENARIO(a_wait_that_ends_early_leaves_no_claim, .alloc_faults = 1)
{
    filch_future *futures[FUTURES];
    ptrdiff_t over;

    begin_two(a_result, a_result, 1);
    memcpy(futures, f, sizeof futures);
    over = filch_wait(futures, FUTURES, FILCH_FIRST_COMPLETED, filch_in_ns(A_MOMENT));
    sim_check(over == 0 || over == FILCH_ENOMEM);
    let_go();
}

SCENARIO(a_wait_for_many_without_room_has_done_nothing, .alloc_faults = 1)
{
    enum {
        MANY = 33 /* more than a wait has room for on its stack */
    };
    filch_future *futures[MANY];
    ptrdiff_t over;

    begin(2, 0);
    settles(NULL);
    for (int i = 0; i < MANY; i++)
        futures[i] = f[0];
    over = filch_wait(futures, MANY, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    sim_check(over == MANY || over == FILCH_ENOMEM);
    filch_future_release(f[0]);
}

/* ---- callbacks ---- */

enum {
    CALLBACKS = 3
};

static struct {
    int called;
    int thread;
    unsigned turn;
    int status;
} told[CALLBACKS];
static fl_atomic(unsigned) turns;

static void notes(filch_future *future, void *callback)
{
    unsigned i = (unsigned)(uintptr_t)callback;

    sim_check(filch_future_done(future));
    told[i].called++;
    told[i].thread = sim_self();
    told[i].turn = fl_add(&turns, 1, relaxed);
}

static int add(unsigned i, filch_callback_fn *fn, void *user)
{
    int status = filch_future_add_done_callback(f[i], fn, user);

    sim_check(status == 0 || status == FILCH_ENOMEM);
    return status;
}

static void add_note(unsigned i)
{
    told[i].status = add(0, notes, (void *)(uintptr_t)i);
}

static void begin_notes(uint32_t refs)
{
    begin(refs, 0);
    memset(told, 0, sizeof told);
    fl_init(&turns, 0);
}

SCENARIO(callbacks_run_in_the_order_added)
{
    begin_notes(2);
    sim_solo_begin();
    for (unsigned i = 0; i < CALLBACKS; i++)
        add_note(i);
    sim_solo_end();
    sim_spawn(settles, NULL);
    filch_future_release(f[0]);
    sim_join_all();
    for (unsigned i = 0; i < CALLBACKS; i++)
        sim_check(told[i].called == 1 && told[i].turn == i);
}

SCENARIO(callbacks_added_meanwhile_run_once_and_in_order_for_each_who_calls, .weak_faults = 1)
{
    begin_notes(2);
    sim_spawn(settles, NULL);
    for (unsigned i = 0; i < 2; i++)
        add_note(i);
    filch_future_release(f[0]);
    sim_join_all();
    sim_check(told[0].called == 1 && told[1].called == 1);
    if (told[0].thread == told[1].thread)
        sim_check(told[0].turn < told[1].turn);
    sim_check(told[0].thread != sim_self() || told[1].thread == sim_self());
}

SCENARIO(a_callback_without_memory_is_neither_kept_nor_called, .alloc_faults = 1)
{
    begin_notes(2);
    sim_spawn(settles, NULL);
    add_note(0);
    filch_future_release(f[0]);
    sim_join_all();
    sim_check(told[0].called == (told[0].status == 0));
}

static void adds_another(filch_future *future, void *user)
{
    (void)future, (void)user;
    add_note(0);
    sim_check(told[0].called == 1 && told[0].thread == sim_self());
}

SCENARIO(a_callback_that_adds_another_has_it_called_at_once)
{
    begin_notes(2);
    sim_spawn(settles, NULL);
    add(0, adds_another, NULL);
    filch_future_release(f[0]);
    sim_join_all();
    sim_check(told[0].called == 1);
}

static void waits_in_it(filch_future *future, void *user)
{
    filch_future *only = future;

    (void)user;
    sim_check(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    sim_check(filch_wait(&only, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
}

SCENARIO(a_callback_may_wait_for_its_own_future)
{
    begin(2, 0);
    sim_spawn(settles, NULL);
    add(0, waits_in_it, NULL);
    filch_future_release(f[0]);
    sim_join_all();
}

static void cancels_the_other(filch_future *future, void *user)
{
    (void)future, (void)user;
    sim_check(filch_future_cancel(f[1]));
    filch_future_release(f[1]);
}

/* f[1] is cancelled by f[0]'s callback, in whichever thread that runs. */
SCENARIO(a_callback_may_cancel_another_future_that_is_waited_for)
{
    begin_two(a_result, a_cancel, 2);
    sim_solo_begin();
    add(0, cancels_the_other, NULL);
    sim_solo_end();
    sim_spawn(end_one, first());
    waits_for((void *)(uintptr_t)all);
    sim_join_all();
}

static void completes_the_other(filch_future *future, void *user)
{
    (void)future, (void)user;
    end_one(second());
}

SCENARIO(a_callback_may_complete_another_future_that_is_waited_for)
{
    begin_two(a_result, an_error, 2);
    sim_spawn(end_one, first());
    add(0, completes_the_other, NULL);
    waits_for((void *)(uintptr_t)the_first_failure);
    sim_join_all();
}

static fl_atomic(int) is_awake;

static void sleeps(void *arg)
{
    (void)arg;
    sim_check(filch_future_result(f[0], FILCH_FOREVER, NULL) == 0);
    fl_store(&is_awake, 1, release);
    filch_future_release(f[0]);
}

static void takes_its_time(filch_future *future, void *user)
{
    (void)future, (void)user;
    SIM_AWAIT(fl_load(&is_awake, acquire) == 1);
}

SCENARIO(a_callback_that_takes_its_time_holds_up_no_sleeper)
{
    fl_init(&is_awake, 0);
    begin(3, 0);
    sim_solo_begin();
    add(0, takes_its_time, NULL);
    sim_solo_end();
    sim_spawn(sleeps, NULL);
    sim_spawn(settles, NULL);
    filch_future_release(f[0]);
    sim_join_all();
}

/* ---- threads that stop for ever ---- */

SCENARIO(a_wait_that_stops_for_ever_holds_up_neither_settler_nor_waiter, .freezes = true)
{
    begin(3, 0);
    sim_spawn(waits_for_one, NULL);
    sim_spawn(waits_a_moment, NULL);
    settles(NULL);
    sim_join_all();
}

static void callback_of_nobody(filch_future *future, void *user)
{
    (void)future, (void)user;
}

/* Who sleeps on the state or in a group when the settler stops before it has told them is not woken:
 * that is what deadlines are for. Nobody else notices: a look, a later wait, a callback that comes
 * when it is over. */
SCENARIO(a_settler_that_stops_for_ever_holds_up_no_wait_with_a_deadline, .freezes = true)
{
    filch_future *only;
    ptrdiff_t over;

    begin(3, 0);
    sim_spawn(settles, NULL);
    sim_spawn(waits_a_moment, NULL);
    only = f[0];
    over = filch_wait(&only, 1, FILCH_ALL_COMPLETED, filch_in_ns(A_MOMENT));
    sim_check(over == 1 || sim_frozen() >= 0);
    if (filch_future_done(f[0])) {
        sim_check(filch_wait(&only, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
        sim_check(filch_future_result(f[0], FILCH_FOREVER, NULL) == 0);
        add(0, callback_of_nobody, NULL);
    }
    filch_future_release(f[0]);
    sim_join_all();
}
