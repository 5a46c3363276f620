/* SPDX-License-Identifier: MIT
 *
 * sim_active.c: how many workers may work is changed while they do. What is queued runs, whichever worker
 * a wake has met, and on as many as there may be; a surplus worker is found by whoever raises the number,
 * by whoever needs a stand-in and by whoever ends the pool. */
#include "sim/pools.h"

static fl_atomic(uint32_t) items_run;

static void seen(void)
{
    fl_add(&items_run, 1, release);
}

static fl_atomic(uint32_t) arrived;

static void meet(void)
{
    fl_add(&arrived, 1, release);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2);
}

static void reset(void (*then)(void))
{
    fl_init(&items_run, 0);
    fl_init(&arrived, 0);
    for (int i = 0; i < ITEMS; i++)
        items[i].then = then;
}

static void set_active(void *n)
{
    int status = fl_pool_set_active(pool, (unsigned)(uintptr_t)n);

    sim_check(status == 0);
}

static void set_at_once(unsigned n)
{
    sim_solo_begin();
    set_active((void *)(uintptr_t)n);
    sim_solo_end();
}

static void pusher(void *item)
{
    push_item((int)((struct item *)item - items));
}

static void end_of_all(int n)
{
    sim_join_all();
    end_pool();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
}

/* ---- whole pools ---- */

SCENARIO(what_is_pushed_while_a_worker_becomes_surplus_runs, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(NULL);
    sim_spawn(set_active, (void *)1);
    push_item(0);
    push_item(1);
    end_of_all(2);
}

SCENARIO(a_pool_ends_while_a_worker_becomes_surplus, .ghost = watch_pool)
{
    int status;

    START(.workers = 2);
    sim_spawn(set_active, (void *)1);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    end_of_all(0);
}

SCENARIO(a_pool_ends_whose_worker_is_surplus_from_the_start, .ghost = watch_pool, .spurious = 1)
{
    START(.workers = 2);
    set_at_once(1);
    push_item(0);
    end_of_all(1);
}

/* Two tasks that are over only when both are running. */
SCENARIO(as_many_run_as_may_when_the_number_was_raised, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    set_at_once(1);
    push_item(0);
    push_item(1);
    set_active((void *)2);
    end_of_all(2);
}

SCENARIO(as_many_run_as_may_when_the_number_is_raised_while_they_come, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    set_at_once(1);
    sim_spawn(set_active, (void *)2);
    push_item(0);
    push_item(1);
    end_of_all(2);
}

SCENARIO(of_several_that_set_the_number_the_last_decides, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(meet);
    sim_spawn(set_active, (void *)1);
    sim_spawn(set_active, (void *)2);
    sim_join_all();
    set_active((void *)2);
    push_item(0);
    push_item(1);
    end_of_all(2);
}

SCENARIO(a_raised_number_starts_the_threads_that_it_lacks, .ghost = watch_pool)
{
    START(.workers = 2, .min_workers = 1);
    reset(meet);
    set_at_once(1);
    push_item(0);
    push_item(1);
    set_active((void *)2);
    SIM_AWAIT(fl_load(&arrived, acquire) == 2); /* before the end, which starts them too */
    end_of_all(2);
}

SCENARIO(a_surplus_worker_that_has_slept_too_long_is_replaced, .ghost = watch_pool, .timeouts = 1)
{
    START(.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000);
    reset(meet);
    set_at_once(1);
    push_item(0);
    push_item(1);
    set_active((void *)2);
    end_of_all(2);
}

static void push_child_and_lower(void)
{
    push_item(1);
    set_active((void *)1);
}

/* Whichever worker ran the task: the child is run by the other, or by itself. */
SCENARIO(what_a_surplus_worker_has_on_its_deque_is_run, .ghost = watch_pool)
{
    START(.workers = 2);
    reset(seen);
    items[0].then = push_child_and_lower;
    push_item(0);
    SIM_AWAIT(fl_load(&items_run, acquire) == 1);
    end_of_all(2);
}

/* ---- by hand ---- */

/* As worker.c has it. */
static void worker(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);
    struct fl_task *task;

    while ((task = fl_idle(w)) != NULL) {
        fl_worker_run(w, task);
        if (fl_worker_may_be_surplus(w))
            fl_spare_retire(w);
    }
    act_as_nobody();
    fl_worker_gone(w);
}

static void make_players(unsigned n)
{
    make_pool_by_hand(n, 0);
    reset(seen);
    fl_init(&pool->threads, n);
    pool->n_started = n;
    for (unsigned i = 0; i < n; i++) {
        fl_init(&fl_worker_at(pool, i)->life, FL_ACTIVE);
        sim_spawn(worker, (void *)(uintptr_t)i);
    }
}

static void end_players(int n)
{
    int status;

    SIM_AWAIT(fl_load(&items_run, acquire) == (uint32_t)n);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs == 1 && items[i].drops == 0);
    free_pool_by_hand();
}

/* The sleeper that is chosen may be surplus by the time it wakes. */
SCENARIO(a_wake_that_meets_a_surplus_worker_is_passed_on, .ghost = watch_pool, .spurious = 1)
{
    make_players(2);
    sim_spawn(set_active, (void *)1);
    push_item(0);
    end_players(1);
}

SCENARIO(a_wake_is_passed_on_though_nobody_says_that_the_number_has_changed, .ghost = watch_pool)
{
    make_players(2);
    fl_store(&pool->active, 1, relaxed);
    push_item(0);
    end_players(1);
}

SCENARIO(a_push_and_a_raise_that_meet_a_surplus_worker_find_it, .ghost = watch_pool)
{
    make_players(2);
    set_active((void *)1);
    sim_spawn(pusher, &items[0]);
    set_active((void *)2);
    end_players(1);
}

static void a_worker_between_tasks(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);

    while ((fl_look(&pool->mode) & FL_EXIT) == 0 && fl_spare_retire(w))
        continue;
    act_as_nobody();
}

static void let_end(void)
{
    fl_or(&pool->mode, FL_EXIT, seq_cst);
    fl_idle_wake_all(pool);
    fl_spare_wake_all(pool);
}

static void make_surplus(void)
{
    make_pool_by_hand(2, 0);
    pool->n_started = 2;
    fl_init(&pool->active, 1);
    fl_init(&fl_worker_at(pool, 1)->life, FL_ACTIVE);
    sim_spawn(a_worker_between_tasks, (void *)1);
}

SCENARIO(a_surplus_worker_is_woken_by_whoever_raises_the_number, .ghost = watch_pool, .spurious = 1)
{
    make_surplus();
    set_active((void *)2);
    sim_join_all();
    sim_check(fl_load(&fl_worker_at(pool, 1)->life, relaxed) == FL_ACTIVE);
    free_pool_by_hand();
}

SCENARIO(a_surplus_worker_is_woken_by_whoever_ends_the_pool, .ghost = watch_pool, .spurious = 1)
{
    make_surplus();
    let_end();
    sim_join_all();
    free_pool_by_hand();
}

/* It is lent for as long as somebody waits; then it is one too many again, or not surplus any more. */
SCENARIO(a_surplus_worker_that_is_dormant_stands_in_for_one_that_waits, .ghost = watch_pool)
{
    struct fl_worker *surplus;

    make_surplus();
    surplus = fl_worker_at(pool, 1);
    act_as_worker(0);
    SIM_AWAIT(fl_load(&surplus->life, acquire) == FL_DORMANT);
    sim_check(fl_block_begin(pool));
    fl_block_end(pool);
    act_as_nobody();
    let_end();
    sim_join_all();
    sim_check(fl_load(&pool->debt, relaxed) <= 1);
    free_pool_by_hand();
}

SCENARIO(a_worker_that_is_lent_stays_if_the_number_is_raised, .ghost = watch_pool)
{
    struct fl_worker *surplus;

    make_surplus();
    surplus = fl_worker_at(pool, 1);
    act_as_worker(0);
    SIM_AWAIT(fl_load(&surplus->life, acquire) == FL_DORMANT);
    sim_check(fl_block_begin(pool));
    fl_swap(&pool->active, 2, seq_cst);
    fl_block_end(pool);
    act_as_nobody();
    sim_join_all();
    sim_check(fl_load(&surplus->life, relaxed) != FL_DORMANT);
    free_pool_by_hand();
}
