/* SPDX-License-Identifier: MIT
 *
 * sim_idle.c: who searches, who sleeps, who wakes whom. No wait here has a time limit: a worker that
 * sleeps for ever while there is work is a deadlock, and that is what these scenarios look for.
 *
 * Most of them run over a pool made by hand. A thread that plays a worker leaves idle.c with one task
 * and is busy for good: so each task needs a worker of its own, and none may be missed. After each
 * step a ghost looks whether the word idle counts no more workers than there are, and whether the
 * counters of tasks add up. */
#include "sim/pools.h"

/* ---- parts to play ---- */

/* A worker that finds nothing, until it has run so many tasks. */
static void work(unsigned i, int tasks)
{
    struct fl_worker *w = act_as_worker(i);

    while (tasks-- > 0) {
        struct fl_task *task = fl_idle(w);

        sim_check(task != NULL);
        fl_worker_run(w, task);
    }
    act_as_nobody();
}

static void worker_0(void *arg)
{
    (void)arg;
    work(0, 1);
}

static void worker_1(void *arg)
{
    (void)arg;
    work(1, 1);
}

static void worker_0_for_two(void *arg)
{
    (void)arg;
    work(0, 2);
}

static void pusher(void *item)
{
    push_item((int)((struct item *)item - items));
}

static void pusher_of_two(void *arg)
{
    (void)arg;
    push_item(0);
    push_item(1);
}

static void pusher_of_a_batch(void *arg)
{
    int status = push_items(0, 2);

    (void)arg;
    sim_check(status == 0);
}

static void waker_of_all(void *arg)
{
    (void)arg;
    fl_idle_wake_all(pool);
}

/* A lane that is there already, with nothing in it. */
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

static void push_at_once(int item)
{
    sim_solo_begin();
    push_item(item);
    sim_solo_end();
}

/* All play to the end, everything pushed has run once, and nobody is left in the word. */
static void end(int n)
{
    sim_join_all();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
    sim_check(fl_load(&pool->idle, relaxed) == 0);
    sim_check(fl_is_quiet(pool));
    free_pool_by_hand();
}

/* ---- every source of work ---- */

SCENARIO(a_push_by_a_new_lane_is_seen_by_whoever_goes_to_sleep, .ghost = watch_pool)
{
    make_pool_by_hand(1, 0);
    sim_spawn(worker_0, NULL);
    push_item(0);
    end(1);
}

SCENARIO(a_push_by_an_old_lane_is_seen_by_whoever_goes_to_sleep, .ghost = watch_pool, .spurious = 1,
         .weak_faults = 1)
{
    make_pool_by_hand(1, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    push_item(0);
    end(1);
}

/* The second lane: the first is in another's hands. */
SCENARIO(a_push_by_a_second_lane_is_seen_by_whoever_goes_to_sleep, .ghost = watch_pool)
{
    struct fl_push at;
    int status;

    make_pool_by_hand(1, 0);
    sim_solo_begin();
    status = fl_push_begin(&at, pool, 1);
    sim_solo_end();
    sim_check(status == 0);
    sim_spawn(worker_0, NULL);
    push_item(0);
    sim_join_all();
    fl_push_abort(&at);
    end(1);
}

SCENARIO(a_push_by_a_worker_on_its_own_deque_is_seen_by_whoever_goes_to_sleep, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    sim_spawn(worker_0, NULL);
    act_as_worker(1);
    push_item(0);
    act_as_nobody();
    end(1);
}

static fl_atomic(uint32_t) child_has_run;

static void run_child(void)
{
    fl_store(&child_has_run, 1, release);
}

static void push_child(void)
{
    push_item(1);
    SIM_AWAIT(fl_load(&child_has_run, acquire) != 0);
}

/* Worker 0 waits for something and has called for a spare; of that one and worker 1, one gets a task
 * that waits for its child, and the other has to find the child on its deque. */
SCENARIO(a_push_by_a_spare_on_its_own_deque_is_seen_by_whoever_goes_to_sleep, .ghost = watch_pool)
{
    make_pool_by_hand(2, 1);
    fl_init(&child_has_run, 0);
    items[0].then = push_child;
    items[1].then = run_child;
    push_at_once(0);
    sim_spawn(worker_1, NULL);
    act_as_worker(0);
    sim_check(fl_block_begin(pool));
    act_as_nobody();
    sim_join_all();
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    end(2);
}

/* ---- the end ---- */

static void worker_that_ends(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);

    sim_check(fl_idle(w) == NULL);
    act_as_nobody();
}

static void let_end(void)
{
    fl_or(&pool->mode, FL_EXIT, seq_cst);
    fl_idle_wake_all(pool);
}

SCENARIO(a_worker_on_its_way_to_sleep_is_told_to_end, .ghost = watch_pool, .spurious = 1)
{
    make_pool_by_hand(1, 0);
    sim_spawn(worker_that_ends, NULL);
    let_end();
    end(0);
}

/* Of two that are told, one may take the token that would have woken the other. */
SCENARIO(two_workers_on_their_way_to_sleep_are_told_to_end, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    sim_spawn(worker_that_ends, (void *)0);
    sim_spawn(worker_that_ends, (void *)1);
    let_end();
    end(0);
}

SCENARIO(workers_that_do_not_search_are_told_to_end, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    pool->max_searchers = 0;
    sim_spawn(worker_that_ends, (void *)0);
    sim_spawn(worker_that_ends, (void *)1);
    sim_spawn(waker_of_all, NULL);
    let_end();
    end(0);
}

/* ---- several at once ---- */

SCENARIO(two_pushes_by_two_threads_wake_two_workers, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher, &items[0]);
    sim_spawn(pusher, &items[1]);
    end(2);
}

SCENARIO(two_pushes_by_one_thread_wake_two_workers, .ghost = watch_pool, .weak_faults = 1)
{
    make_pool_by_hand(2, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher_of_two, NULL);
    end(2);
}

SCENARIO(two_pushes_by_two_threads_wake_one_worker_for_both, .ghost = watch_pool, .spurious = 1)
{
    make_pool_by_hand(1, 0);
    make_lane();
    sim_spawn(worker_0_for_two, NULL);
    sim_spawn(pusher, &items[0]);
    push_item(1);
    end(2);
}

/* One decision whom to wake, and two tasks: the one who is woken wakes the next. */
SCENARIO(a_batch_wakes_one_worker_and_that_one_the_next, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher_of_a_batch, NULL);
    end(2);
}

/* The first task is there from the start, and whoever is on the way to it may be why nobody was woken
 * for the second. */
SCENARIO(the_last_to_stop_searching_looks_behind_itself, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    push_at_once(0);
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher, &items[1]);
    end(2);
}

SCENARIO(the_last_of_two_to_stop_searching_looks_behind_itself, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    pool->max_searchers = 2;
    push_at_once(0);
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher, &items[1]);
    end(2);
}

/* A worker's child, while the only searcher is on the way to something else. */
SCENARIO(the_last_to_stop_searching_finds_what_a_worker_pushed_meanwhile, .ghost = watch_pool)
{
    make_pool_by_hand(3, 0);
    push_at_once(0);
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    act_as_worker(2);
    push_item(1);
    act_as_nobody();
    end(2);
}

SCENARIO(waking_all_loses_no_push, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(waker_of_all, NULL);
    sim_spawn(pusher_of_two, NULL);
    end(2);
}

/* ---- waking up ---- */

SCENARIO(a_sleeper_that_wakes_for_no_reason_is_not_chosen, .ghost = watch_pool, .spurious = 2)
{
    make_pool_by_hand(1, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(pusher, &items[0]);
    end(1);
}

SCENARIO(two_sleepers_that_wake_for_no_reason_share_no_token, .ghost = watch_pool, .spurious = 2)
{
    make_pool_by_hand(2, 0);
    make_lane();
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher_of_two, NULL);
    end(2);
}

SCENARIO(a_worker_that_spins_for_a_while_sees_a_push, .ghost = watch_pool)
{
    make_pool_by_hand(1, 0);
    make_lane();
    pool->spin_ns = 20000;
    sim_spawn(worker_0, NULL);
    push_item(0);
    end(1);
}

SCENARIO(a_worker_that_has_spun_in_vain_sleeps_until_a_push, .ghost = watch_pool)
{
    make_pool_by_hand(2, 0);
    make_lane();
    pool->spin_ns = 2000;
    sim_spawn(worker_0, NULL);
    sim_spawn(worker_1, NULL);
    sim_spawn(pusher_of_two, NULL);
    end(2);
}

/* ---- whole pools ---- */

SCENARIO(a_task_that_is_pushed_to_a_pool_of_one_runs, .ghost = watch_pool)
{
    START(.workers = 1);
    push_item(0);
    end_pool();
    sim_check(items[0].runs == 1);
}

SCENARIO(tasks_that_two_threads_push_to_a_pool_of_two_run, .ghost = watch_pool)
{
    START(.workers = 2);
    sim_spawn(pusher, &items[0]);
    push_item(1);
    sim_join_all();
    end_pool();
    sim_check(items[0].runs == 1 && items[1].runs == 1);
}

/* Whoever gets the parent does not go on before somebody else has run the child. */
SCENARIO(a_child_that_its_parent_waits_for_is_stolen, .ghost = watch_pool)
{
    START(.workers = 2);
    fl_init(&child_has_run, 0);
    items[0].then = push_child;
    items[1].then = run_child;
    push_item(0);
    SIM_AWAIT(fl_load(&child_has_run, acquire) != 0);
    end_pool();
    sim_check(items[0].runs == 1 && items[1].runs == 1);
}

static fl_atomic(uint32_t) arrived;

static void meet(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
}

/* Two tasks that are over only when both are running: two workers have to be awake. */
SCENARIO(two_tasks_run_at_the_same_time_on_two_workers, .ghost = watch_pool)
{
    START(.workers = 2);
    fl_init(&arrived, 0);
    items[0].then = meet;
    items[1].then = meet;
    pusher_of_two(NULL);
    end_pool();
    sim_check(items[0].runs == 1 && items[1].runs == 1);
}

/* ---- threads that stop for ever ---- */

static fl_atomic(uint32_t) runs_seen; /* how many items have run: a bit each */

static void seen_0(void)
{
    fl_or(&runs_seen, 1, release);
}

static void seen_1(void)
{
    fl_or(&runs_seen, 2, release);
}

static void start_to_be_frozen(unsigned workers)
{
    START(.workers = workers);
    fl_init(&runs_seen, 0);
    items[0].then = seen_0;
    items[1].then = seen_1;
}

UNSEEN static uint32_t all_runs(void)
{
    return fl_load(&runs_seen, relaxed);
}

UNSEEN static bool somebody_is_chosen(void)
{
    return fl_load(&pool->idle, relaxed) >> 21 != 0;
}

/* Returns when nobody can do anything any more. */
static void settle(void)
{
    static fl_atomic(uint32_t) never;

    fl_init(&never, 0);
    while (fl_futex_wait(&never, 0, sim_clock() + 1000) == 0)
        continue;
}

/* A pool whose worker stops for ever does not end. */
static void end_or_leave(void)
{
    if (sim_frozen() < 0 && fl_pool_shutdown(pool, FILCH_DRAIN, sim_clock() + 1000) == 0)
        end_pool();
    else
        sim_check(sim_frozen() >= 0);
}

/* A submitter that stops inside submit keeps a lane and what he has not shown; the tasks of others
 * run. Only between choosing a sleeper and waking it he holds up who sleeps: the choice is made, and
 * nobody else makes another. Whoever then wakes sleepers on the word, for whatever reason, mends it. */
SCENARIO(a_submitter_that_stops_for_ever_holds_up_nobody_but_whom_he_was_about_to_wake,
         .ghost = watch_pool, .freezes = true)
{
    int first;
    int second;
    uint32_t wanted;

    start_to_be_frozen(1);
    first = sim_spawn(pusher, &items[0]);
    second = sim_spawn(pusher, &items[1]);
    sim_join_all();
    settle();
    wanted = (sim_frozen() == first ? 0U : 1U) | (sim_frozen() == second ? 0U : 2U);
    if (sim_frozen() < 0 || sim_frozen() == first || sim_frozen() == second) {
        if ((all_runs() & wanted) != wanted) {
            sim_check(sim_frozen() >= 0 && somebody_is_chosen());
            fl_futex_wake(&pool->idle, 1);
            settle();
        }
        sim_check((all_runs() & wanted) == wanted);
    }
    end_or_leave();
}

/* A worker that stops for ever keeps the task that it has. As long as it counts as a searcher nobody
 * wakes another for what is pushed; whoever is awake, or wakes, finds everything else. */
SCENARIO(a_worker_that_stops_for_ever_keeps_one_task_and_hides_none, .ghost = watch_pool,
         .freezes = true)
{
    uint32_t seen;

    start_to_be_frozen(2);
    pusher_of_two(NULL);
    settle();
    seen = all_runs();
    if (sim_frozen() < 0)
        sim_check(seen == 3);
    if (seen == 0) {
        fl_idle_wake_all(pool);
        fl_futex_wake(&pool->idle, 2);
        settle();
        sim_check(all_runs() != 0);
    }
    end_or_leave();
}
