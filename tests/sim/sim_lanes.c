/* SPDX-License-Identifier: MIT
 *
 * sim_lanes.c: how tasks get in from outside: producers that meet in the lanes, and who takes from
 * them.
 *
 * The pool is made by hand and has no threads. For each lane its pushes and takes are written down,
 * and are those of a queue: first in, first out, and empty only when it was. Who finds nothing has
 * looked at each lane that there was when he began. */
#include "pools.h"
#include "sim/lin.h"
#include "sim/sim.h"

enum {
    TASKS = 6,
    LANES = 3
};

struct parcel {
    struct fl_task task;
    int value; /* plain: who takes it knows what its producer did */
};

static struct parcel parcels[TASKS];
static struct lin_history history[LANES];

/* ---- the ghost ---- */

static struct {
    bool is_accepted[TASKS], is_refused[TASKS];
    unsigned taken[TASKS];
    unsigned lane[TASKS];
} seen;

SIM_GHOST static void seen_begin(void)
{
    memset(&seen, 0, sizeof seen);
}

SIM_GHOST static unsigned lanes_n(void)
{
    unsigned n = 0;

    while (n < FL_MAX_LANES && fl_load(&pool->lane[n], relaxed) != NULL)
        n++;
    return n;
}

SIM_GHOST static unsigned number_of(const struct fl_lane *lane)
{
    unsigned i = 0;

    while (i < LANES && fl_load(&pool->lane[i], relaxed) != lane)
        i++;
    sim_check(i < LANES);
    return i;
}

SIM_GHOST static void goes_to(int i, unsigned lane)
{
    seen.lane[i] = lane;
}

SIM_GHOST static void is_told(int i, int status)
{
    seen.is_accepted[i] = status == 0;
    seen.is_refused[i] = status != 0;
}

SIM_GHOST static unsigned is_taken(int i)
{
    sim_check(!seen.is_refused[i]);
    sim_check(++seen.taken[i] == 1);
    return seen.lane[i];
}

SIM_GHOST static unsigned how_many_are_lost(void)
{
    unsigned n = 0;

    for (int i = 0; i < TASKS; i++)
        n += seen.is_accepted[i] && seen.taken[i] == 0;
    return n;
}

SIM_GHOST static unsigned how_many_are_refused(void)
{
    unsigned n = 0;

    for (int i = 0; i < TASKS; i++)
        n += seen.is_refused[i];
    return n;
}

/* ---- what is done ---- */

/* As submit.c: a place to push, a block from there, the push. */
static int submit_many(int first, int n)
{
    struct fl_task *tasks[TASKS];
    struct fl_push at;
    unsigned lane;
    unsigned call;
    int status;

    for (int i = 0; i < n; i++) {
        parcels[first + i].value = 100 + first + i;
        tasks[i] = &parcels[first + i].task;
    }
    status = fl_push_begin(&at, pool, (size_t)n);
    if (status == 0) {
        lane = number_of(at.lane);
        for (int i = 0; i < n; i++)
            goes_to(first + i, lane);
        call = lin_call(&history[lane], sim_self(), LIN_PUSH_MANY, LIN_MANY(first + 1, n));
        fl_push_end(&at, tasks, (size_t)n);
        lin_return(&history[lane], call, 1);
    }
    for (int i = 0; i < n; i++)
        is_told(first + i, status);
    return status;
}

static void submit(int i)
{
    int status = submit_many(i, 1);

    sim_check(status == 0);
}

/* Writes down a take of which nobody knows yet from which lane it will be. */
static bool take_by(struct fl_task *(*take)(void))
{
    unsigned there = lanes_n();
    unsigned calls[LANES];
    unsigned from = LANES;
    int i = -1;

    for (unsigned k = 0; k < LANES; k++)
        calls[k] = lin_call(&history[k], sim_self(), LIN_TAKE, 0);
    struct parcel *parcel = (struct parcel *)take();
    if (parcel != NULL) {
        i = (int)(parcel - parcels);
        sim_check(i >= 0 && i < TASKS);
        sim_check(parcel->value == 100 + i);
        from = is_taken(i);
    }
    for (unsigned k = 0; k < LANES; k++) {
        if (k == from || (parcel == NULL && k < there))
            lin_return(&history[k], calls[k], (uint32_t)(i + 1));
        else
            lin_cancel(&history[k], calls[k]);
    }
    return parcel != NULL;
}

static struct fl_task *as_worker(void)
{
    return fl_take_from_lanes(fl_self()->worker);
}

static struct fl_task *as_canceller(void)
{
    return fl_take_any(pool);
}

static bool take(void)
{
    return take_by(as_worker);
}

static bool take_any(void)
{
    return take_by(as_canceller);
}

static void producer(void *parcel)
{
    submit((int)((struct parcel *)parcel - parcels));
}

static void producer_of_two(void *parcel)
{
    int i = (int)((struct parcel *)parcel - parcels);

    submit(i);
    submit(i + 1);
}

static void worker(void *arg)
{
    (void)arg;
    act_as_worker(0);
    take();
}

static void worker_of_two(void *arg)
{
    (void)arg;
    act_as_worker(0);
    take();
    take();
}

static void begin(void)
{
    make_pool_by_hand(1, 0);
    watch(NULL);
    seen_begin();
    for (int k = 0; k < LANES; k++)
        lin_begin(&history[k], LIN_TIME);
}

/* A lane that is there before the others come. */
static void make_lane(void)
{
    struct fl_push at;
    int status;

    sim_solo_begin();
    status = fl_push_begin(&at, pool, 2);
    fl_push_abort(&at);
    sim_solo_end();
    sim_check(status == 0);
}

static void check_histories(void)
{
    for (int k = 0; k < LANES; k++)
        sim_check(lin_check(&history[k], &lin_sequence));
}

static void end(unsigned lanes_at_most)
{
    sim_join_all();
    sim_solo_begin();
    while (take_any())
        ;
    sim_solo_end();
    sim_check(how_many_are_lost() == 0);
    sim_check(lanes_n() <= lanes_at_most);
    check_histories();
    free_pool_by_hand();
}

/* ---- who meets whom ---- */

SCENARIO(two_producers_need_two_lanes_at_most, .weak_faults = 1)
{
    begin();
    sim_spawn(producer, &parcels[0]);
    submit(1);
    end(2);
}

SCENARIO(three_producers_need_three_lanes_at_most)
{
    begin();
    make_lane();
    sim_spawn(producer, &parcels[0]);
    sim_spawn(producer, &parcels[1]);
    submit(2);
    end(3);
}

SCENARIO(a_lane_goes_from_hand_to_hand_with_all_that_is_in_it)
{
    begin();
    make_lane();
    sim_spawn(producer, &parcels[0]);
    sim_spawn(worker, NULL);
    submit(1);
    end(2);
}

SCENARIO(a_producer_that_comes_back_takes_the_lane_that_it_had)
{
    begin();
    sim_spawn(worker, NULL);
    submit(0);
    submit(1);
    end(1);
}

SCENARIO(what_one_thread_submits_comes_out_in_that_order)
{
    begin();
    make_lane();
    sim_spawn(worker_of_two, NULL);
    submit(0);
    submit(1);
    submit(2);
    end(1);
}

SCENARIO(what_two_threads_submit_comes_out_of_each_lane_in_order)
{
    begin();
    make_lane();
    sim_spawn(producer_of_two, &parcels[0]);
    sim_spawn(worker_of_two, NULL);
    submit(2);
    end(2);
}

SCENARIO(what_is_submitted_at_once_is_there_at_once)
{
    int status;

    begin();
    make_lane();
    sim_spawn(worker_of_two, NULL);
    status = submit_many(0, 3);
    sim_check(status == 0);
    end(1);
}

SCENARIO(a_new_lane_is_seen_by_the_next_who_looks)
{
    begin();
    sim_spawn(producer, &parcels[0]);
    sim_spawn(worker, NULL);
    end(1);
}

SCENARIO(a_worker_and_a_canceller_take_each_task_once)
{
    begin();
    sim_solo_begin();
    submit(0);
    submit(1);
    sim_solo_end();
    sim_spawn(worker_of_two, NULL);
    take_any();
    take_any();
    end(1);
}

/* ---- the slab that goes with the lane ---- */

static void *blocks[2];

static void submit_with_block(int i)
{
    struct fl_task *task = &parcels[i].task;
    struct fl_push at;
    int status = fl_push_begin(&at, pool, 1);

    sim_check(status == 0);
    blocks[i] = fl_slab_alloc(at.slab, FL_BLOCK_64);
    memset(blocks[i], i, 64);
    fl_push_end(&at, &task, 1);
}

static void producer_with_block(void *parcel)
{
    submit_with_block((int)((struct parcel *)parcel - parcels));
}

SCENARIO(the_next_holder_of_a_lane_takes_other_blocks)
{
    begin();
    make_lane();
    sim_spawn(producer_with_block, &parcels[0]);
    submit_with_block(1);
    sim_join_all();
    sim_check(blocks[0] != blocks[1]);
    free_pool_by_hand();
}

/* A worker gives the block back while the lane is in the next one's hands. */
static void worker_that_gives_back(void *block)
{
    memset(block, 9, 64);
    fl_slab_return(block);
}

SCENARIO(a_block_comes_back_to_whoever_holds_the_lane_now)
{
    begin();
    sim_solo_begin();
    submit_with_block(0);
    sim_solo_end();
    sim_spawn(worker_that_gives_back, blocks[0]);
    sim_spawn(producer_with_block, &parcels[1]);
    sim_join_all();
    free_pool_by_hand();
}

/* ---- without memory ---- */

static void producer_that_may_be_refused(void *parcel)
{
    int status = submit_many((int)((struct parcel *)parcel - parcels), 1);

    sim_check(status == 0 || status == FILCH_ENOMEM);
}

SCENARIO(a_producer_without_memory_for_a_first_lane_is_refused, .alloc_faults = 1)
{
    begin();
    producer_that_may_be_refused(&parcels[0]);
    submit(1);
    end(1);
}

SCENARIO(of_two_producers_one_without_memory_is_refused_or_waits_for_the_other, .alloc_faults = 1)
{
    begin();
    sim_spawn(producer_that_may_be_refused, &parcels[0]);
    producer_that_may_be_refused(&parcels[1]);
    sim_join_all();
    sim_check(how_many_are_refused() <= 1);
    end(2);
}

SCENARIO(a_producer_without_memory_for_another_lane_waits_for_one, .alloc_faults = 1)
{
    begin();
    make_lane();
    sim_spawn(producer, &parcels[0]);
    submit(1);
    end(2);
}

SCENARIO(a_lane_that_can_not_grow_refuses_and_goes_on, .alloc_faults = 1)
{
    begin();
    make_lane();
    sim_solo_begin();
    submit(0);
    submit(1);
    sim_solo_end();
    sim_spawn(worker, NULL);
    producer_that_may_be_refused(&parcels[2]);
    producer_that_may_be_refused(&parcels[3]);
    sim_check(how_many_are_refused() <= 1);
    end(1);
}

/* What the one refused has changed, the next one knows. */
SCENARIO(a_lane_that_has_refused_one_is_whole_for_the_next, .alloc_faults = 1)
{
    begin();
    make_lane();
    sim_solo_begin();
    submit(0);
    submit(1);
    sim_solo_end();
    sim_spawn(producer_that_may_be_refused, &parcels[2]);
    producer_that_may_be_refused(&parcels[3]);
    sim_join_all();
    sim_check(how_many_are_refused() <= 1);
    end(2);
}

/* ---- every lane held ---- */

/* One lane stands for all. */
SCENARIO(a_producer_that_finds_every_lane_held_gets_one_that_is_left)
{
    struct fl_push at;
    int status;

    begin();
    sim_solo_begin();
    status = fl_push_begin(&at, pool, 2);
    sim_check(status == 0);
    for (int i = 1; i < FL_MAX_LANES; i++)
        fl_init(&pool->lane[i], at.lane);
    sim_spawn(producer, &parcels[0]);
    sim_solo_end();
    fl_push_abort(&at);
    sim_join_all();
    sim_solo_begin();
    for (int i = 1; i < FL_MAX_LANES; i++)
        fl_init(&pool->lane[i], NULL);
    sim_solo_end();
    end(1);
}

/* ---- stopped for ever ---- */

SCENARIO(a_producer_that_stops_for_ever_keeps_a_lane_to_itself_and_holds_up_nobody, .freezes = true)
{
    begin();
    make_lane();
    sim_spawn(producer_of_two, &parcels[0]);
    sim_spawn(producer, &parcels[2]);
    submit(3);
    sim_join_all();
    submit(4);
    act_as_worker(0);
    while (take())
        ;
    sim_check(how_many_are_lost() == 0);
    check_histories();
    if (sim_frozen() < 0)
        free_pool_by_hand();
}

SCENARIO(a_worker_that_stops_while_it_takes_keeps_one_task_at_most, .freezes = true)
{
    begin();
    sim_spawn(worker_of_two, NULL);
    submit(0);
    submit(1);
    take_any();
    sim_join_all();
    while (take_any())
        ;
    sim_check(how_many_are_lost() <= (sim_frozen() >= 0));
    check_histories();
    if (sim_frozen() < 0)
        free_pool_by_hand();
}
