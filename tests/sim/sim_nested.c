/* SPDX-License-Identifier: MIT
 *
 * sim_nested.c: workers that wait for futures of their own pool. They help, or a spare stands in for
 * them; whatever they do, everything is over in the end, and spares that nobody needs go dormant, come
 * back, and end with the pool. After each step a ghost looks whether debt says more than there are
 * spares to pay it. */
#include "sim/pools.h"

enum {
    A_MOMENT = 1000000 /* ns */
};

static int runs; /* plain: read when the pool is gone */

static int leaf(void *arg, void **result)
{
    runs++;
    *result = arg;
    return 0;
}

static void submit(filch_task_fn *fn, void *arg, filch_future **f)
{
    int status = fl_pool_submit(pool, fn, arg, f);

    sim_check(status == 0);
}

static void await(filch_future *f, filch_deadline deadline)
{
    void *result = NULL;
    int status = filch_future_result(f, deadline, &result);

    if (deadline != FILCH_FOREVER && status == FILCH_ETIMEDOUT)
        return;
    sim_check(status == 0);
    sim_check(result == &runs);
}

/* Submits a leaf and waits for it. */
static int parent(void *arg, void **result)
{
    filch_future *f = NULL;

    submit(leaf, &runs, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    *result = arg;
    return 0;
}

static int parent_of_two(void *arg, void **result)
{
    filch_future *f[2] = {NULL, NULL};

    submit(leaf, &runs, &f[0]);
    submit(leaf, &runs, &f[1]);
    await(f[0], FILCH_FOREVER);
    await(f[1], FILCH_FOREVER);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    *result = arg;
    return 0;
}

/* One after the other: the spare of the first wait stands in for the second, too. */
static int parent_that_waits_twice(void *arg, void **result)
{
    parent(arg, result);
    return parent(arg, result);
}

static int grandparent(void *arg, void **result)
{
    filch_future *f = NULL;

    submit(parent, &runs, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    *result = arg;
    return 0;
}

static int parent_without_help(void *arg, void **result)
{
    int status;

    filch_nohelp_begin();
    status = parent(arg, result);
    filch_nohelp_end();
    return status;
}

static int parent_in_a_hurry(void *arg, void **result)
{
    filch_future *f = NULL;

    submit(leaf, &runs, &f);
    await(f, filch_in_ns(A_MOMENT));
    filch_future_release(f);
    *result = arg;
    return 0;
}

static fl_atomic(uint32_t) together;

static int counted_leaf(void *arg, void **result)
{
    fl_add(&together, 1, relaxed);
    *result = arg;
    return 0;
}

static int parent_beside_another(void *arg, void **result)
{
    filch_future *f = NULL;

    submit(counted_leaf, arg, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    *result = arg;
    return 0;
}

static void run_one(filch_task_fn *fn, int leaves)
{
    filch_future *f = NULL;

    runs = 0;
    submit(fn, &runs, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    end_pool();
    sim_check(runs == leaves);
}

/* ---- spares, by hand ---- */

/* A spare that the scenario plays: it is one too many from the start. */
static struct fl_worker *make_spare(unsigned i)
{
    struct fl_worker *w;

    sim_solo_begin();
    w = fl_worker_create(pool, i);
    fl_init(&w->life, FL_ACTIVE);
    fl_init(&pool->worker[i], w);
    fl_init(&pool->top_slot, i + 1);
    fl_init(&pool->debt, 1);
    sim_solo_end();
    return w;
}

static void a_spare_between_tasks(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);

    fl_spare_retire(w);
    act_as_nobody();
}

static void let_end(void)
{
    fl_or(&pool->mode, FL_EXIT, seq_cst);
    fl_idle_wake_all(pool);
    fl_spare_wake_all(pool);
}

SCENARIO(a_spare_that_goes_dormant_as_the_pool_ends_is_woken, .ghost = watch_pool, .spurious = 1)
{
    make_pool_by_hand(1, 1);
    make_spare(1);
    sim_spawn(a_spare_between_tasks, (void *)1);
    let_end();
    sim_join_all();
    free_pool_by_hand();
}

/* The waiter gets it whether it is one too many still, or dormant already. */
SCENARIO(a_spare_that_goes_dormant_as_somebody_needs_one_is_kept_or_woken, .ghost = watch_pool,
         .spurious = 1)
{
    make_pool_by_hand(1, 1);
    make_spare(1);
    sim_spawn(a_spare_between_tasks, (void *)1);
    act_as_worker(0);
    if (!fl_block_begin(pool)) {
        /* it is on its way to sleep, and counts as working */
        let_end();
    }
    act_as_nobody();
    sim_join_all();
    free_pool_by_hand();
}

/* Worker 0 runs the one item, and then the pool ends. */
static void run_the_item(void)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_idle(w);

    sim_check(task != NULL);
    fl_worker_run(w, task);
    act_as_nobody();
    let_end();
    sim_join_all();
    sim_check(items[0].runs == 1);
    free_pool_by_hand();
}

/* What only the spare knew of. */
SCENARIO(a_spare_that_goes_dormant_with_tasks_on_its_deque_tells_somebody, .ghost = watch_pool)
{
    struct fl_worker *spare;

    make_pool_by_hand(1, 1);
    spare = make_spare(1);
    sim_solo_begin();
    fl_self()->worker = spare;
    push_item(0);
    act_as_nobody();
    sim_solo_end();
    sim_spawn(a_spare_between_tasks, (void *)1);
    run_the_item();
}

static void a_spare_that_has_queued_silently(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);
    struct fl_task *task = &items[0].task;
    struct fl_push at;

    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_push_end_nowake(&at, &task, 1);
    fl_spare_retire(w);
    act_as_nobody();
}

/* The worker may have looked at its deque before, and sleep. */
SCENARIO(a_spare_that_goes_dormant_tells_of_what_it_has_queued_silently, .ghost = watch_pool)
{
    make_pool_by_hand(1, 1);
    make_spare(1);
    sim_spawn(a_spare_that_has_queued_silently, (void *)1);
    run_the_item();
}

static void a_wait(void *i)
{
    act_as_worker((unsigned)(uintptr_t)i);
    if (fl_block_begin(pool))
        fl_block_end(pool);
    act_as_nobody();
}

static void end_with_spares(void)
{
    int status;

    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(fl_load(&pool->threads, relaxed) == 0);
    free_pool_by_hand();
}

SCENARIO(two_that_wait_at_once_get_a_spare_each, .ghost = watch_pool)
{
    make_pool_by_hand(2, 2);
    sim_spawn(a_wait, (void *)0);
    a_wait((void *)1);
    sim_join_all();
    end_with_spares();
}

SCENARIO(two_that_wait_at_once_share_one_slot, .ghost = watch_pool)
{
    make_pool_by_hand(2, 1);
    sim_spawn(a_wait, (void *)0);
    a_wait((void *)1);
    sim_join_all();
    end_with_spares();
}

SCENARIO(a_slot_whose_thread_could_not_be_started_is_tried_again, .ghost = watch_pool,
         .thread_faults = 1)
{
    bool came;

    make_pool_by_hand(1, 1);
    act_as_worker(0);
    came = fl_block_begin(pool) || fl_block_begin(pool);
    sim_check(came);
    fl_block_end(pool);
    act_as_nobody();
    end_with_spares();
}

SCENARIO(of_two_that_wait_one_may_find_that_no_thread_is_to_be_had, .ghost = watch_pool,
         .thread_faults = 1, .alloc_faults = 1)
{
    make_pool_by_hand(2, 2);
    sim_spawn(a_wait, (void *)0);
    a_wait((void *)1);
    sim_join_all();
    end_with_spares();
}

/* ---- spares ---- */

SCENARIO(a_spare_runs_the_child_of_a_worker_that_does_not_help, .ghost = watch_pool)
{
    START(.workers = 1, .help = FILCH_HELP_NONE);
    run_one(parent, 1);
}

SCENARIO(a_spare_runs_the_child_of_a_worker_that_must_not_help, .ghost = watch_pool)
{
    START(.workers = 1);
    run_one(parent_without_help, 1);
}

SCENARIO(a_spare_runs_the_child_of_a_worker_whose_stack_is_half_used, .ghost = watch_pool)
{
    START(.workers = 1);
    sim_stack_left(4);
    run_one(parent, 1);
}

SCENARIO(a_spare_stands_in_for_two_waits_one_after_the_other, .ghost = watch_pool)
{
    START(.workers = 1, .help = FILCH_HELP_NONE);
    run_one(parent_that_waits_twice, 2);
}

SCENARIO(a_spare_stands_in_for_a_spare, .ghost = watch_pool)
{
    START(.workers = 1, .max_spares = 2, .help = FILCH_HELP_NONE);
    run_one(grandparent, 1);
}

SCENARIO(a_spare_stands_in_for_a_spare_that_has_helped, .ghost = watch_pool)
{
    START(.workers = 2, .max_spares = 2);
    sim_stack_left(4);
    run_one(grandparent, 1);
}

/* Without a thread to be had the worker sleeps for moments and asks again. */
SCENARIO(a_worker_whose_spare_can_not_be_started_asks_again, .ghost = watch_pool,
         .thread_faults = 2)
{
    START(.workers = 1, .help = FILCH_HELP_NONE);
    run_one(parent, 1);
}

SCENARIO(a_worker_whose_spare_can_not_be_started_helps_beyond_half_of_its_stack,
         .ghost = watch_pool, .thread_faults = 1)
{
    START(.workers = 1);
    sim_stack_left(3);
    run_one(parent, 1);
}

/* There is one spare, and two who would like it. */
SCENARIO(two_workers_that_wait_at_once_both_go_on_with_one_spare, .ghost = watch_pool)
{
    filch_future *f[2] = {NULL, NULL};

    START(.workers = 2, .max_spares = 1, .help = FILCH_HELP_NONE);
    runs = 0;
    fl_init(&together, 0);
    submit(parent_beside_another, &runs, &f[0]);
    submit(parent_beside_another, &runs, &f[1]);
    for (int i = 0; i < 2; i++) {
        await(f[i], FILCH_FOREVER);
        filch_future_release(f[i]);
    }
    end_pool();
    sim_check(fl_load(&together, relaxed) == 2);
}

/* What it waits for is there; only the spare's own memory may be missing. */
static int parent_with_memory(void *arg, void **result)
{
    filch_future *f = NULL;

    sim_solo_begin();
    submit(leaf, &runs, &f);
    sim_solo_end();
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    *result = arg;
    return 0;
}

SCENARIO(a_spare_whose_memory_is_not_to_be_had_is_asked_for_again, .ghost = watch_pool,
         .alloc_faults = 2)
{
    filch_future *f = NULL;

    START(.workers = 1, .help = FILCH_HELP_NONE);
    runs = 0;
    sim_solo_begin();
    submit(parent_with_memory, &runs, &f);
    sim_solo_end();
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    end_pool();
    sim_check(runs == 1);
}

SCENARIO(a_worker_that_waits_with_a_deadline_goes_on_after_it, .ghost = watch_pool, .timeouts = 1)
{
    START(.workers = 1, .help = FILCH_HELP_NONE);
    run_one(parent_in_a_hurry, 1);
}

SCENARIO(a_spare_goes_dormant_and_comes_back_for_another_wait, .ghost = watch_pool)
{
    filch_future *f = NULL;

    START(.workers = 1, .help = FILCH_HELP_NONE);
    runs = 0;
    submit(parent, &runs, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    submit(parent, &runs, &f);
    await(f, FILCH_FOREVER);
    filch_future_release(f);
    end_pool();
    sim_check(runs == 2);
}

static int wait_for_many(void *arg, void **result)
{
    filch_future *f[2] = {NULL, NULL};
    ptrdiff_t over;

    submit(leaf, &runs, &f[0]);
    submit(leaf, &runs, &f[1]);
    over = filch_wait(f, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    sim_check(over == 2);
    filch_future_release(f[0]);
    filch_future_release(f[1]);
    *result = arg;
    return 0;
}

SCENARIO(a_spare_runs_what_a_worker_waits_for_at_once, .ghost = watch_pool)
{
    START(.workers = 1, .help = FILCH_HELP_NONE);
    run_one(wait_for_many, 2);
}

/* ---- helping ---- */

SCENARIO(a_worker_that_waits_for_its_child_runs_it, .ghost = watch_pool)
{
    START(.workers = 1);
    run_one(parent, 1);
}

SCENARIO(a_worker_that_waits_for_its_child_runs_it_or_is_woken_by_the_thief, .ghost = watch_pool)
{
    START(.workers = 2);
    run_one(parent, 1);
}

SCENARIO(a_worker_that_waits_for_a_stolen_child_helps_with_what_that_has_pushed,
         .ghost = watch_pool)
{
    START(.workers = 2);
    run_one(grandparent, 1);
}

SCENARIO(a_worker_that_waits_for_its_elder_child_runs_it_before_the_younger, .ghost = watch_pool)
{
    START(.workers = 1);
    run_one(parent_of_two, 2);
}

SCENARIO(a_worker_that_may_run_anything_while_it_waits_runs_all, .ghost = watch_pool)
{
    START(.workers = 1, .help = FILCH_HELP_ANY);
    run_one(parent_of_two, 2);
}

SCENARIO(two_workers_that_may_run_anything_while_they_wait_run_all, .ghost = watch_pool)
{
    START(.workers = 2, .help = FILCH_HELP_ANY);
    run_one(grandparent, 1);
}
