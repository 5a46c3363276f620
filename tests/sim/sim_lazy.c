/* SPDX-License-Identifier: MIT
 *
 * sim_lazy.c: threads that are started when there is work for them, and end when there has been none for
 * long. A task that is queued while all that were started are busy for good gets a thread, as long as
 * one may be started; a worker that ends is not chosen, or stays; and what a slot's thread has left the
 * next one goes on with. */
#include "sim/pools.h"

static fl_atomic(uint32_t) arrived;
static uint32_t wanted;

/* Over only when so many are running. */
static void meet(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) >= wanted);
}

/* The second two. */
static void meet_again(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) == 4);
}

static void let_meet(int first, int n)
{
    fl_init(&arrived, 0);
    wanted = (uint32_t)n;
    for (int i = first; i < first + n; i++)
        items[i].then = meet;
}

static void end_of_all(int n)
{
    sim_join_all();
    end_pool();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
}

/* ---- a thread for each task that finds nobody idle ---- */

SCENARIO(a_task_that_finds_the_only_thread_busy_gets_another, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    let_meet(0, 2);
    push_item(0);
    push_item(1);
    end_of_all(2);
}

static void pusher(void *item)
{
    push_item((int)((struct item *)item - items));
}

SCENARIO(two_tasks_of_two_threads_get_two_threads, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    let_meet(0, 2);
    sim_spawn(pusher, &items[0]);
    push_item(1);
    end_of_all(2);
}

static void push_and_meet(void)
{
    push_item(1);
    meet();
}

SCENARIO(a_task_that_waits_for_its_child_gets_it_a_thread, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    let_meet(0, 2);
    items[0].then = push_and_meet;
    push_item(0);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    end_of_all(2);
}

/* One look for a batch; the thread that is started for it starts the next. */
SCENARIO(a_batch_gets_a_thread_for_each_of_its_tasks, .ghost = watch_pool)
{
    int status;

    START(.workers = 3, .min_workers = 1);
    let_meet(0, 3);
    status = push_items(0, 3);
    sim_check(status == 0);
    end_of_all(3);
}

/* ---- by hand: worker 0 is the scenario's, and busy ---- */

static void make_short_pool(unsigned workers)
{
    make_pool_by_hand(workers, 0);
    pool->min_workers = 1;
    pool->idle_timeout_ns = 1000;
    fl_init(&pool->vacant, (int32_t)workers - 1);
    fl_init(&fl_worker_at(pool, 0)->life, FL_ACTIVE);
    fl_init(&fl_worker_at(pool, 0)->busy, 1);
}

/* All that was pushed has run when the threads have ended. */
static void end_short_pool(int n)
{
    int status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);

    sim_check(status == 0);
    sim_join_all();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
    free_pool_by_hand();
}

SCENARIO(two_pushes_that_find_nobody_idle_start_a_thread_each_at_most, .ghost = watch_pool)
{
    make_short_pool(2);
    sim_spawn(pusher, &items[0]);
    push_item(1);
    sim_join_all();
    end_short_pool(2);
}

SCENARIO(a_thread_that_can_not_be_started_is_tried_again_by_the_next_push, .ghost = watch_pool,
         .thread_faults = 1)
{
    make_short_pool(2);
    push_item(0);
    push_item(1);
    end_short_pool(2);
}

SCENARIO(a_thread_that_can_not_be_started_leaves_its_slot_to_another_pusher, .ghost = watch_pool,
         .thread_faults = 1)
{
    make_short_pool(2);
    sim_spawn(pusher, &items[0]);
    push_item(1);
    sim_join_all();
    if (fl_load(&pool->vacant, relaxed) == 1)
        push_item(2);
    else
        items[2].runs = 1;
    end_short_pool(3);
}

/* Plays a worker until the pool ends or its time is up; its slot may have another thread by then. */
static void worker(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);
    struct fl_task *task;
    bool retires;

    while ((task = fl_idle(w)) != NULL)
        fl_worker_run(w, task);
    act_as_nobody();
    retires = w->retires;
    if (retires)
        fl_slot_vacate(w);
    fl_worker_gone(w);
}

static fl_atomic(uint32_t) items_run;

static void seen(void)
{
    fl_add(&items_run, 1, release);
}

static void make_pool_that_retires(uint32_t players)
{
    make_short_pool(2);
    fl_init(&items_run, 0);
    items[0].then = items[1].then = seen;
    fl_init(&pool->vacant, 0);
    fl_init(&fl_worker_at(pool, 1)->life, FL_ACTIVE);
    fl_init(&pool->threads, players);
    sim_spawn(worker, (void *)1);
}

/* It is chosen and stays, or its slot gets another thread, whoever comes first. */
SCENARIO(a_push_that_meets_the_end_of_an_idle_thread_gets_a_thread, .ghost = watch_pool,
         .timeouts = 1)
{
    make_pool_that_retires(1);
    push_item(0);
    SIM_AWAIT(fl_load(&items_run, acquire) == 1);
    end_short_pool(1);
}

/* Neither a sleeper any more nor lacking yet. */
SCENARIO(a_push_behind_the_sleep_of_a_thread_that_ends_gets_a_thread, .ghost = watch_pool)
{
    make_pool_that_retires(1);
    SIM_AWAIT(fl_count_read(&fl_worker_at(pool, 1)->count.parks) == 1);
    SIM_AWAIT(fl_load(&pool->idle, relaxed) == 0); /* that is what the scenario is about */
    push_item(0);
    SIM_AWAIT(fl_load(&items_run, acquire) == 1);
    end_short_pool(1);
}

SCENARIO(two_pushes_that_meet_the_end_of_an_idle_thread_are_run, .ghost = watch_pool, .timeouts = 1,
         .spurious = 1)
{
    int other;

    make_pool_that_retires(1);
    other = sim_spawn(pusher, &items[0]);
    push_item(1);
    sim_join(other); /* worker 0, which has the pool held, is not counted */
    SIM_AWAIT(fl_load(&items_run, acquire) == 2);
    end_short_pool(2);
}

/* One that is late may take the token that was to wake another; that one sleeps on. */
SCENARIO(of_two_sleepers_one_of_which_is_late_one_is_chosen, .ghost = watch_pool, .timeouts = 1,
         .spurious = 1)
{
    make_pool_that_retires(2);
    sim_spawn(worker, (void *)0);
    push_item(0);
    SIM_AWAIT(fl_load(&items_run, acquire) == 1);
    end_short_pool(1);
}

/* ---- a thread that ends in the middle ---- */

/* As worker.c has it when a task has ended its thread. */
static void worker_that_is_abandoned(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    act_as_nobody();
    fl_slot_replace(w);
    fl_worker_gone(w);
}

static void make_pool_that_is_abandoned(void)
{
    make_short_pool(2);
    pool->idle_timeout_ns = 0;
    fl_init(&items_run, 0);
    items[0].then = items[1].then = seen;
    fl_init(&pool->vacant, 0);
    fl_init(&fl_worker_at(pool, 1)->life, FL_ACTIVE);
    fl_init(&pool->threads, 1);
    act_as_worker(1);
    sim_solo_begin();
    push_item(0); /* what the task that ended has left behind */
    sim_solo_end();
    act_as_nobody();
    sim_spawn(worker_that_is_abandoned, NULL);
}

SCENARIO(the_next_thread_of_a_slot_goes_on_with_what_the_last_has_left, .ghost = watch_pool,
         .thread_faults = 1)
{
    make_pool_that_is_abandoned();
    push_item(1);
    SIM_AWAIT(fl_load(&items_run, acquire) == 2);
    end_short_pool(2);
}

SCENARIO(a_pool_ends_while_a_thread_is_replaced, .ghost = watch_pool, .thread_faults = 1)
{
    make_pool_that_is_abandoned();
    end_short_pool(1);
}

/* ---- whole pools ---- */

SCENARIO(threads_that_slept_too_long_are_replaced_when_there_is_work, .ghost = watch_pool,
         .timeouts = 2)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    let_meet(0, 2);
    items[2].then = items[3].then = meet_again;
    push_item(0);
    push_item(1);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
    push_item(2);
    push_item(3);
    end_of_all(4);
}

SCENARIO(a_pool_ends_whether_its_threads_have_ended_or_are_about_to, .ghost = watch_pool,
         .timeouts = 2)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    push_item(0);
    push_item(1);
    end_of_all(2);
}
