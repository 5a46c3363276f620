/* SPDX-License-Identifier: MIT
 *
 * sim_deque.c: the deque: its owner, one thief or two, and the takers of a lane.
 *
 * The first array has two slots, so that the third task that is there at once makes it grow, and a
 * slot is filled again soon. Each scenario writes down what everybody did and was told; at its end
 * that is a history of a sequential deque, each task has left once, and whoever has it reads what its
 * pusher wrote. After each step a ghost looks at the indices. */
#include "base/alloc.h"
#include "base/atomic.h"
#include "queue/deque.h"
#include "sim/lin.h"
#include "sim/sim.h"

enum {
    TASKS = 6,
    ROUND = 256 /* what an index of 8 bits could count */
};

struct fl_task {
    int value; /* plain: a race if the deque does not order it */
};

static struct fl_task tasks[TASKS];
static struct fl_heap heap;
static struct fl_deque d;
static struct lin_history history;

/* ---- the ghost ---- */

static struct {
    bool is_on;
    uint64_t top;
    bool is_pushed[TASKS];
    unsigned taken[TASKS];
} ghost;

SIM_GHOST static void ghost_begin(uint64_t start)
{
    ghost.top = start;
    for (int i = 0; i < TASKS; i++) {
        ghost.is_pushed[i] = false;
        ghost.taken[i] = 0;
    }
    ghost.is_on = true;
}

SIM_GHOST static void ghost_end(void)
{
    ghost.is_on = false;
}

SIM_GHOST static void ghost_pushed(int i)
{
    ghost.is_pushed[i] = true;
}

SIM_GHOST static void ghost_taken(int i)
{
    sim_check(++ghost.taken[i] == 1);
}

SIM_GHOST static unsigned ghost_lost(void)
{
    unsigned lost = 0;

    for (int i = 0; i < TASKS; i++)
        lost += ghost.is_pushed[i] && ghost.taken[i] == 0;
    return lost;
}

/* Top only grows; what is between the indices fits; a pop of nothing is one below. */
SIM_GHOST static void watch(void)
{
    uint64_t top;
    int64_t n;

    if (!ghost.is_on)
        return;
    top = fl_load(&d.top, relaxed);
    n = (int64_t)(fl_load(&d.bottom, relaxed) - top);
    sim_check((int64_t)(top - ghost.top) >= 0);
    sim_check(n >= -1 && n <= (int64_t)d.own->mask + 1);
    ghost.top = top;
}

/* As watch, of a deque that nobody pops: a bottom seen is a bottom that was. */
SIM_GHOST static void watch_lane(void)
{
    watch();
    if (ghost.is_on)
        sim_check((int64_t)(fl_load(&d.bottom, relaxed) - fl_load(&d.bottom_seen, relaxed)) >= 0 &&
                  (int64_t)(fl_load(&d.bottom, relaxed) - fl_load(&d.top, relaxed)) >= 0);
}

/* ---- what is done, and written down ---- */

static unsigned call(int op, uint32_t arg)
{
    return lin_call(&history, sim_self(), op, arg);
}

static void push(int i)
{
    unsigned this_call = call(LIN_PUSH, (uint32_t)i + 1);

    tasks[i].value = 100 + i;
    fl_deque_push(&d, &tasks[i]);
    lin_return(&history, this_call, 1);
    ghost_pushed(i);
}

static void put(int i)
{
    int status = fl_deque_reserve(&d, 1);

    sim_check(status == 0);
    push(i);
}

static void put_many(int first, int n)
{
    struct fl_task *batch[TASKS];
    unsigned this_call = call(LIN_PUSH_MANY, LIN_MANY(first + 1, n));
    int status = fl_deque_reserve(&d, (size_t)n);

    sim_check(status == 0);
    for (int i = 0; i < n; i++) {
        tasks[first + i].value = 100 + first + i;
        batch[i] = &tasks[first + i];
    }
    fl_deque_push_many(&d, batch, (size_t)n);
    lin_return(&history, this_call, 1);
    for (int i = 0; i < n; i++)
        ghost_pushed(first + i);
}

static void put_at_once(int n)
{
    sim_solo_begin();
    for (int i = 0; i < n; i++)
        put(i);
    sim_solo_end();
}

static bool took(unsigned this_call, struct fl_task *task)
{
    int i = -1;

    if (task != NULL) {
        sim_check(task >= tasks && task < tasks + TASKS);
        i = (int)(task - tasks);
        sim_check(task->value == 100 + i);
        ghost_taken(i);
    }
    lin_return(&history, this_call, (uint32_t)(i + 1));
    return task != NULL;
}

static bool pop(void)
{
    unsigned this_call = call(LIN_POP, 0);

    return took(this_call, fl_deque_pop(&d));
}

static bool steal(void)
{
    unsigned this_call = call(LIN_TAKE, 0);

    return took(this_call, fl_deque_steal(&d));
}

static bool shift(void)
{
    unsigned this_call = call(LIN_TAKE, 0);

    return took(this_call, fl_deque_shift(&d));
}

static void thief(void *arg)
{
    (void)arg;
    steal();
}

static void thief_of_two(void *arg)
{
    (void)arg;
    steal();
    steal();
}

static void taker(void *arg)
{
    (void)arg;
    shift();
}

static void taker_of_two(void *arg)
{
    (void)arg;
    shift();
    shift();
}

/* Two thieves learn nothing of each other: their order is LIN_THREADS. */
static void begin_at(uint64_t start, enum lin_order order)
{
    int status;

    ghost_end();
    lin_begin(&history, order);
    sim_solo_begin();
    fl_heap_open(&heap, &sim_allocator);
    status = fl_deque_open(&d, &heap);
    sim_check(status == 0);
    fl_init(&d.bottom, start);
    fl_init(&d.bottom_seen, start);
    fl_init(&d.top, start);
    d.top_seen = start;
    sim_solo_end();
    ghost_begin(start);
}

static void begin(enum lin_order order)
{
    begin_at(0, order);
}

static void close_deque(void)
{
    ghost_end();
    sim_solo_begin();
    fl_deque_close(&d);
    sim_solo_end();
    sim_check(lin_check(&history, &lin_sequence));
}

/* All have ended: what they have left is there, and nothing else. */
static void end_by(bool (*take)(void))
{
    sim_join_all();
    lin_meet(&history);
    sim_solo_begin();
    while (take())
        ;
    sim_check(ghost_lost() == 0);
    sim_check(fl_deque_looks_empty(&d));
    sim_solo_end();
    close_deque();
}

static void end(void)
{
    end_by(pop);
}

/* One may have stopped for ever: whatever it had not laid hands on is there for others. */
static void end_frozen(bool (*take)(void))
{
    if (sim_frozen() < 0) {
        end_by(take);
        return;
    }
    lin_meet(&history);
    while (take())
        ;
    sim_check(ghost_lost() <= 1);
    close_deque();
}

/* ---- who plays ---- */

static void pops(void *arg)
{
    (void)arg;
    pop();
}

static void pops_twice(void *arg)
{
    (void)arg;
    pop();
    pop();
}

static void pops_and_puts(void *arg)
{
    (void)arg;
    pop();
    put(2);
    pop();
}

static void puts_and_pops(void *arg)
{
    (void)arg;
    put(2);
    pop();
}

static void puts_two(void *arg)
{
    (void)arg;
    put(2);
    put(3);
}

static void puts_several(void *arg)
{
    (void)arg;
    put_many(2, 2);
    pop();
}

/* An owner of n tasks, and one thief or two. */
static void play_at(uint64_t start, int n, void (*owner)(void *), void (*first)(void *),
                    void (*second)(void *))
{
    begin_at(start, second == NULL ? LIN_TIME : LIN_THREADS);
    put_at_once(n);
    lin_meet(&history);
    sim_solo_begin();
    sim_spawn(owner, NULL);
    sim_spawn(first, NULL);
    if (second != NULL)
        sim_spawn(second, NULL);
    sim_solo_end();
    end();
}

static void play(int n, void (*owner)(void *), void (*first)(void *), void (*second)(void *))
{
    play_at(0, n, owner, first, second);
}

/* ---- the last one ---- */

SCENARIO(a_pop_of_what_was_always_empty_gives_nothing, .ghost = watch)
{
    begin(LIN_TIME);
    sim_spawn(thief, NULL);
    sim_check(!pop());
    put(0);
    pop();
    end();
}

SCENARIO(the_last_task_goes_to_its_owner_or_to_a_thief, .ghost = watch)
{
    play(1, pops, thief, NULL);
}

SCENARIO(the_last_task_goes_to_one_of_three, .ghost = watch)
{
    play(1, pops, thief, thief);
}

SCENARIO(of_two_tasks_none_goes_to_two, .ghost = watch)
{
    play(2, pops_twice, thief_of_two, NULL);
}

SCENARIO(of_two_tasks_none_goes_to_two_of_three, .ghost = watch)
{
    play(2, pops_twice, thief, thief);
}

SCENARIO(a_deque_that_was_emptied_fills_one_index_further, .ghost = watch)
{
    play(1, pops_and_puts, thief_of_two, NULL);
}

SCENARIO(a_deque_that_was_emptied_fills_for_one_of_three, .ghost = watch)
{
    play(1, pops_and_puts, thief, thief);
}

/* Nobody has shown a thief anything before. */
SCENARIO(what_is_stolen_was_shown_by_its_push, .ghost = watch)
{
    begin(LIN_TIME);
    sim_spawn(thief_of_two, NULL);
    put(0);
    put(1);
    pop();
    end();
}

SCENARIO(what_is_stolen_by_one_of_two_was_shown_by_its_push, .ghost = watch)
{
    begin(LIN_THREADS);
    sim_spawn(thief, NULL);
    sim_spawn(thief, NULL);
    put(0);
    pop();
    put(1);
    end();
}

SCENARIO(the_owner_s_look_at_its_last_one_is_right_but_for_thieves, .ghost = watch)
{
    bool is_last;
    bool had_one;

    begin(LIN_TIME);
    put_at_once(2);
    sim_spawn(thief_of_two, NULL);
    is_last = fl_deque_is_last(&d, &tasks[1]);
    had_one = pop();
    sim_check(is_last || !had_one);
    end();
}

/* ---- slots ---- */

SCENARIO(an_index_that_was_popped_and_filled_again_gives_the_new_one, .ghost = watch)
{
    play(2, pops_and_puts, thief_of_two, NULL);
}

SCENARIO(an_index_that_was_filled_again_goes_to_one_of_three, .ghost = watch)
{
    play(2, pops_and_puts, thief, thief);
}

/* A slot's next task comes two indices later: a thief may still hold the one before. */
SCENARIO(a_slot_is_filled_again_when_its_task_has_left, .ghost = watch)
{
    play(2, puts_two, thief_of_two, NULL);
}

SCENARIO(a_slot_is_filled_again_in_the_face_of_two_thieves, .ghost = watch)
{
    play(2, puts_and_pops, thief, thief);
}

static void pops_and_puts_two(void *arg)
{
    (void)arg;
    pop();
    put(2);
    put(3);
}

SCENARIO(an_owner_that_takes_its_last_one_fills_its_slot_anew, .ghost = watch)
{
    play(1, pops_and_puts_two, thief, NULL);
}

/* ---- one is taken out from where it lies. No history: that is no operation
 * of the sequential deque. No ghost: bottom goes below top by more than one. ---- */

static bool was_refused;

static void noted(const struct fl_task *task)
{
    if (task == NULL)
        return;
    sim_check(task >= tasks && task < tasks + TASKS && task->value == 100 + (int)(task - tasks));
    ghost_taken((int)(task - tasks));
}

static void thief_unheard(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        noted(fl_deque_steal(&d));
}

/* Of three, beside thieves: first is the number of steals that one tries, second that of another. */
static void take_out(int i, int first, int second)
{
    begin(LIN_THREADS);
    put_at_once(3);
    sim_solo_begin();
    sim_spawn(thief_unheard, &first);
    if (second != 0)
        sim_spawn(thief_unheard, &second);
    sim_solo_end();
    was_refused = !fl_deque_take(&d, &tasks[i]);
    if (!was_refused)
        noted(&tasks[i]);
    noted(fl_deque_pop(&d));
    sim_join_all();
    sim_check(!was_refused || ghost.taken[i] == 1);
    sim_solo_begin();
    for (struct fl_task *task; (task = fl_deque_pop(&d)) != NULL;)
        noted(task);
    sim_check(ghost_lost() == 0);
    sim_check(fl_deque_looks_empty(&d));
    sim_solo_end();
    lin_begin(&history, LIN_THREADS);
    close_deque();
}

SCENARIO(the_oldest_is_taken_out_beside_a_thief)
{
    take_out(0, 2, 0);
}

SCENARIO(one_between_is_taken_out_beside_a_thief)
{
    take_out(1, 2, 0);
}

SCENARIO(one_between_is_taken_out_beside_two_thieves)
{
    take_out(1, 1, 1);
}

SCENARIO(the_youngest_is_taken_out_beside_a_thief)
{
    take_out(2, 2, 0);
}

/* Whoever looks while the rest is out of sight is seen by who looks behind the taking, or sees it. */
static fl_atomic(int) has_announced;
static bool saw_nothing;

static void announces_and_looks(void *arg)
{
    (void)arg;
    fl_store_look(&has_announced, 1);
    saw_nothing = fl_deque_looks_empty(&d);
}

SCENARIO(whoever_announces_and_looks_sees_what_a_taking_leaves_or_is_seen)
{
    bool was_seen;

    begin(LIN_THREADS);
    fl_store(&has_announced, 0, relaxed);
    put_at_once(2);
    sim_spawn(announces_and_looks, NULL);
    if (fl_deque_take(&d, &tasks[0]))
        noted(&tasks[0]);
    was_seen = fl_look(&has_announced) != 0;
    sim_join_all();
    sim_check(was_seen || !saw_nothing);
    sim_solo_begin();
    noted(fl_deque_pop(&d));
    sim_check(ghost_lost() == 0);
    sim_solo_end();
    lin_begin(&history, LIN_THREADS);
    close_deque();
}

/* ---- growth ---- */

SCENARIO(a_thief_takes_from_an_array_that_grows, .ghost = watch)
{
    play(2, puts_and_pops, thief_of_two, NULL);
}

static void puts_three(void *arg)
{
    (void)arg;
    put(2);
    put(3);
    put(4);
}

SCENARIO(a_thief_may_be_in_an_array_that_was_outgrown_twice, .ghost = watch)
{
    play(2, puts_three, thief, NULL);
}

SCENARIO(two_thieves_may_be_in_arrays_that_were_outgrown, .ghost = watch)
{
    play(2, puts_three, thief, thief);
}

SCENARIO(what_is_popped_and_pushed_after_a_growth_is_in_the_new_array, .ghost = watch)
{
    begin(LIN_TIME);
    put_at_once(3);
    sim_spawn(thief_of_two, NULL);
    pop();
    put(3);
    put(4);
    end();
}

/* ---- several at once ---- */

SCENARIO(what_is_pushed_at_once_is_shown_at_once, .ghost = watch)
{
    begin(LIN_TIME);
    sim_spawn(thief_of_two, NULL);
    put_many(0, 2);
    pop();
    end();
}

SCENARIO(several_pushed_at_once_make_the_array_grow, .ghost = watch)
{
    play(1, puts_several, thief_of_two, NULL);
}

SCENARIO(several_pushed_at_once_go_to_two_thieves, .ghost = watch)
{
    play(1, puts_several, thief, thief);
}

/* ---- indices ---- */

/* A thief that has slept for so long that an index of 8 bits would look the same. */
SCENARIO(a_thief_that_sleeps_for_a_round_of_the_indices_takes_nothing_twice)
{
    begin(LIN_TIME);
    put_at_once(1);
    sim_spawn(thief, NULL);
    if (pop()) {
        sim_solo_begin();
        for (int i = 0; i < ROUND - 1; i++) {
            int status = fl_deque_reserve(&d, 1);

            sim_check(status == 0);
            fl_deque_push(&d, &tasks[1]);
            sim_check(fl_deque_pop(&d) == &tasks[1]);
        }
        put(2);
        sim_solo_end();
    }
    end();
}

static void pops_between_puts(void *arg)
{
    (void)arg;
    put(1);
    pop();
    put(2);
    pop();
}

static void cross_by_shift(uint64_t start)
{
    begin_at(start, LIN_TIME);
    put_at_once(1);
    sim_spawn(taker_of_two, NULL);
    put(1);
    put(2);
    end_by(shift);
}

static void cross_while_empty(uint64_t start)
{
    begin_at(start, LIN_TIME);
    sim_spawn(thief, NULL);
    sim_check(!pop());
    put(0);
    pop();
    end();
}

#define CROSS(bound, last)                                                                         \
    SCENARIO(tasks_are_taken_across_##bound, .ghost = watch)                                       \
    {                                                                                              \
        play_at(last, 1, pops_between_puts, thief_of_two, NULL);                                   \
    }                                                                                              \
    SCENARIO(an_array_grows_across_##bound, .ghost = watch)                                        \
    {                                                                                              \
        play_at(last, 2, puts_and_pops, thief_of_two, NULL);                                       \
    }                                                                                              \
    SCENARIO(a_lane_goes_on_across_##bound, .ghost = watch_lane)                                   \
    {                                                                                              \
        cross_by_shift(last);                                                                      \
    }                                                                                              \
    SCENARIO(empty_is_empty_at_##bound, .ghost = watch)                                            \
    {                                                                                              \
        cross_while_empty((last) + UINT64_C(1));                                                   \
    }

CROSS(2_to_the_32, UINT64_C(0xFFFFFFFF))
CROSS(2_to_the_63, UINT64_C(0x7FFFFFFFFFFFFFFF))
CROSS(2_to_the_64, UINT64_MAX)

/* ---- a thief that is choosy ---- */

static void thief_from_index_1(void *arg)
{
    unsigned this_call = call(LIN_TAKE_FROM, 1);

    (void)arg;
    took(this_call, fl_deque_steal_if(&d, 1, NULL, NULL));
}

/* It may look at an old top and take too little for there: the order is LIN_THREADS. */
SCENARIO(a_thief_takes_nothing_below_its_floor, .ghost = watch)
{
    begin(LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(thief_from_index_1, NULL);
    pop();
    pop();
    put(2);
    end();
}

SCENARIO(a_thief_with_a_floor_takes_what_another_has_uncovered, .ghost = watch)
{
    begin(LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(thief_from_index_1, NULL);
    sim_spawn(thief, NULL);
    pop();
    end();
}

static void thief_of_two_without_a_floor(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        unsigned this_call = call(LIN_TAKE, 0);

        took(this_call, fl_deque_steal_if(&d, 0, NULL, NULL));
    }
}

SCENARIO(a_choosy_thief_takes_from_an_array_that_grows, .ghost = watch)
{
    play(2, puts_and_pops, thief_of_two_without_a_floor, NULL);
}

SCENARIO(a_choosy_thief_gets_no_last_one_that_its_owner_has, .ghost = watch)
{
    play(2, pops_twice, thief_of_two_without_a_floor, NULL);
}

SCENARIO(a_choosy_thief_and_another_take_no_task_twice, .ghost = watch)
{
    play(2, pops_and_puts, thief_from_index_1, thief);
}

static void thief_from_behind_the_wrap(void *arg)
{
    unsigned this_call = call(LIN_TAKE_FROM, 1);

    (void)arg;
    took(this_call, fl_deque_steal_if(&d, 0, NULL, NULL));
}

SCENARIO(a_floor_behind_the_wrap_is_above_what_is_before_it, .ghost = watch)
{
    begin_at(UINT64_MAX, LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(thief_from_behind_the_wrap, NULL);
    pop();
    pop();
    put(2);
    end();
}

static fl_atomic(int) gate;

static bool is_open(void *arg)
{
    (void)arg;
    return fl_load(&gate, relaxed) == 0;
}

static void thief_while_open(void *arg)
{
    struct fl_task *task = fl_deque_steal_if(&d, 0, is_open, NULL);

    (void)arg;
    sim_check(task != &tasks[2]);
    if (task != NULL)
        ghost_taken((int)(task - tasks));
}

/* What is pushed after the gate was closed can't be had by looking at the gate too early. */
SCENARIO(a_condition_holds_while_the_task_is_there, .ghost = watch)
{
    begin(LIN_TIME);
    fl_init(&gate, 0);
    put_at_once(1);
    sim_spawn(thief_while_open, NULL);
    ghost_taken(fl_deque_pop(&d) == &tasks[0] ? 0 : TASKS - 1);
    fl_store(&gate, 1, relaxed);
    put(2);
    sim_join_all();
    sim_solo_begin();
    while (fl_deque_pop(&d) != NULL)
        ;
    sim_solo_end();
    ghost_end();
    fl_deque_close(&d);
}

/* ---- lanes: nobody pops ---- */

SCENARIO(a_lane_gives_first_what_came_first, .ghost = watch_lane)
{
    begin(LIN_TIME);
    sim_spawn(taker_of_two, NULL);
    put(0);
    put(1);
    put(2);
    end_by(shift);
}

/* Nobody has to know yet of a push that has not come to its fence, although another taker does. */
static void play_lane(int n, void (*pusher)(void *), void (*first)(void *), void (*second)(void *))
{
    begin(LIN_THREADS);
    put_at_once(n);
    lin_meet(&history);
    sim_solo_begin();
    sim_spawn(pusher, NULL);
    sim_spawn(first, NULL);
    sim_spawn(second, NULL);
    sim_solo_end();
    end_by(shift);
}

static void puts_one(void *arg)
{
    (void)arg;
    put(2);
}

static void puts_two_at_once(void *arg)
{
    (void)arg;
    put_many(2, 2);
}

SCENARIO(a_lane_gives_to_two_takers_in_turn, .ghost = watch_lane)
{
    play_lane(2, puts_one, taker, taker_of_two);
}

SCENARIO(a_lane_that_is_filled_at_once_gives_one_by_one, .ghost = watch_lane)
{
    play_lane(1, puts_two_at_once, taker, taker_of_two);
}

SCENARIO(a_lane_shows_what_is_new_to_two_takers, .ghost = watch_lane)
{
    begin(LIN_THREADS);
    sim_spawn(taker, NULL);
    sim_spawn(taker_of_two, NULL);
    put_many(0, 3);
    end_by(shift);
}

SCENARIO(a_lane_grows_under_its_takers, .ghost = watch_lane)
{
    play_lane(2, puts_two, taker, taker);
}

SCENARIO(shift_and_steal_share_a_lane, .ghost = watch_lane)
{
    play_lane(1, puts_two_at_once, taker, thief);
}

/* ---- push, then look at who sleeps; announce, then look at what is there ---- */

/* Who announces himself adds to a word, as in idle.c: that is no fence. */

static fl_atomic(int) announced;
static bool saw_sleeper, saw_nothing;

static bool finds_nothing_by_a_look(void)
{
    return fl_deque_looks_empty(&d);
}

static bool finds_nothing_by_steal(void)
{
    return !steal();
}

static bool finds_nothing_by_shift(void)
{
    return !shift();
}

static bool (*finds_nothing)(void);

static void sleeper(void *arg)
{
    (void)arg;
    fl_add(&announced, 1, seq_cst);
    saw_nothing = finds_nothing();
}

static void go_to_sleep_while(void (*push_it)(void), bool (*looks)(void), void (*passer_by)(void *))
{
    begin(LIN_THREADS);
    fl_init(&announced, 0);
    saw_nothing = saw_sleeper = false;
    finds_nothing = looks;
    sim_spawn(sleeper, NULL);
    if (passer_by != NULL)
        sim_spawn(passer_by, NULL);
    push_it();
    saw_sleeper = fl_look(&announced) != 0;
    sim_join_all();
    sim_check(saw_sleeper || !saw_nothing || fl_deque_looks_empty(&d));
    end();
}

static void push_one(void)
{
    put(0);
}

static void push_several(void)
{
    put_many(0, 2);
}

SCENARIO(whoever_announces_and_looks_sees_a_push_or_is_seen, .ghost = watch)
{
    go_to_sleep_while(push_one, finds_nothing_by_a_look, thief);
}

SCENARIO(whoever_announces_and_looks_sees_several_pushes_or_is_seen, .ghost = watch)
{
    go_to_sleep_while(push_several, finds_nothing_by_a_look, thief);
}

SCENARIO(whoever_announces_and_steals_gets_a_push_or_is_seen, .ghost = watch)
{
    go_to_sleep_while(push_one, finds_nothing_by_steal, NULL);
}

SCENARIO(whoever_announces_and_shifts_gets_a_push_or_is_seen, .ghost = watch)
{
    go_to_sleep_while(push_one, finds_nothing_by_shift, taker);
}

/* ---- without memory ---- */

SCENARIO(a_deque_that_has_no_memory_does_not_open, .alloc_faults = 1)
{
    int status;

    fl_heap_open(&heap, &sim_allocator);
    status = fl_deque_open(&d, &heap);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        fl_deque_close(&d);
}

SCENARIO(a_growth_without_memory_changes_nothing, .ghost = watch, .alloc_faults = 1)
{
    int status;

    begin(LIN_TIME);
    put_at_once(2);
    sim_spawn(thief, NULL);
    status = fl_deque_reserve(&d, 1);
    if (status == 0) {
        push(2);
    } else {
        sim_check(status == FILCH_ENOMEM);
        pop();
        put(3);
    }
    pop();
    end();
}

SCENARIO(a_growth_for_several_without_memory_changes_nothing, .ghost = watch_lane,
         .alloc_faults = 1)
{
    int status;

    begin(LIN_TIME);
    put_at_once(2);
    sim_spawn(taker, NULL);
    status = fl_deque_reserve(&d, 2);
    if (status == 0) {
        put_many(2, 2);
    } else {
        sim_check(status == FILCH_ENOMEM);
        put(4);
    }
    end_by(shift);
}

/* ---- stopped for ever ---- */

static void owner_that_pushes_and_pops(void *arg)
{
    (void)arg;
    pop();
    put(2);
    put(3);
    pop();
}

static void thief_of_all(void *arg)
{
    (void)arg;
    while (steal())
        ;
}

SCENARIO(an_owner_that_stops_for_ever_keeps_one_task_at_most, .ghost = watch, .freezes = true)
{
    begin(LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(owner_that_pushes_and_pops, NULL);
    sim_spawn(thief, NULL);
    sim_spawn(thief_of_all, NULL);
    sim_join_all();
    end_frozen(steal);
}

SCENARIO(a_thief_that_stops_for_ever_keeps_one_task_at_most, .ghost = watch, .freezes = true)
{
    begin(LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(thief_of_two, NULL);
    sim_spawn(thief, NULL);
    put(2);
    pop();
    put(3);
    sim_join_all();
    end_frozen(pop);
}

static void pusher_by_a_lane(void *arg)
{
    (void)arg;
    put(1);
    put(2);
    put(3);
}

static void taker_of_all(void *arg)
{
    (void)arg;
    while (shift())
        ;
}

SCENARIO(a_pusher_that_stops_for_ever_keeps_what_it_has_not_shown, .ghost = watch_lane,
         .freezes = true)
{
    begin(LIN_THREADS);
    put_at_once(1);
    lin_meet(&history);
    sim_spawn(pusher_by_a_lane, NULL);
    sim_spawn(taker_of_all, NULL);
    sim_join_all();
    end_frozen(shift);
    sim_check(ghost_lost() == 0 || sim_frozen() != 1);
}

SCENARIO(a_taker_that_stops_for_ever_keeps_one_task_at_most, .ghost = watch_lane, .freezes = true)
{
    begin(LIN_THREADS);
    put_at_once(2);
    lin_meet(&history);
    sim_spawn(taker_of_two, NULL);
    sim_spawn(taker, NULL);
    put(2);
    put(3);
    sim_join_all();
    end_frozen(shift);
}
