/* SPDX-License-Identifier: MIT
 *
 * sim_mixed.c: whatever may be done to a pool, in an order that the exploration chooses along with the schedule: two
 * threads and the tasks that they push each do a few things, and so meet in combinations that nobody has thought of. Who
 * looks on ends each pause when nothing else is left to do; in the end each task has run once or was dropped once, no
 * worker searches for ever, and nobody is left asleep. */
#include <filch/fork.h>

#include "sim/pools.h"

enum {
    TASKS = 6,
    ACTORS = 2,
    ACTS = 3,
    WAITS = 2 /* of tasks, all together: so many spares there are */
};

static struct mixed_task {
    filch_future *f;
    int runs;
} tasks[TASKS];

static filch_executor *ex;
static unsigned n_workers;
static bool with_time, with_parts;
static fl_atomic(uint32_t) n_tasks, n_waits, n_done, has_unseen, is_paused;
static fl_atomic(uint32_t) n_listens, n_told;

static bool take_one(fl_atomic(uint32_t) * from, uint32_t most)
{
    uint32_t n = fl_load(from, relaxed); /* count: the CAS decides */

    while (n < most) {
        if (fl_cas_weak(from, &n, n + 1, relaxed, relaxed)) /* count: nothing goes with it */
            return true;
    }
    return false;
}

static SIM_GHOST void watch_this(void)
{
    ghost.pool = fl_worker_self()->pool;
}

static void act(bool in_task);

static int run(void *arg, void **result)
{
    struct mixed_task *t = arg;

    watch_this();
    t->runs++;
    if (sim_choose(3) != 0)
        act(true);
    *result = t;
    return 0;
}

/* NULL: there are no more. */
static struct mixed_task *next_task(void)
{
    uint32_t i = fl_load(&n_tasks, relaxed); /* count: the CAS decides */

    do {
        if (i == TASKS)
            return NULL;
    } while (!fl_cas_weak(&n_tasks, &i, i + 1, relaxed, relaxed)); /* count: a place of its own */
    return &tasks[i];
}

/* NULL: it was refused, or there are no more. */
static struct mixed_task *submit(unsigned flags)
{
    filch_task_options options = {.size = sizeof options, .flags = flags};
    struct mixed_task *t = next_task();
    int status;

    if (t == NULL)
        return NULL;
    status = filch_submit_with(ex, &options, run, t, &t->f);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    return status == 0 ? t : NULL;
}

static void submit_and_wait(bool in_task)
{
    struct mixed_task *t;
    void *result = NULL;
    int status;

    if (in_task && !take_one(&n_waits, WAITS))
        return;
    t = submit(0);
    if (t == NULL)
        return;
    status = filch_future_result(t->f, FILCH_FOREVER, &result);
    sim_check((status == 0 && result == t) || status == FILCH_ECANCELED);
}

static void submit_and_cancel(void)
{
    struct mixed_task *t = submit(0);

    if (t != NULL)
        filch_future_cancel(t->f);
}

static void submit_for_later(void)
{
    struct mixed_task *t = next_task();
    int status;

    if (t == NULL)
        return;
    status = filch_submit_at(ex, sim_clock() + 1000, run, t, &t->f);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN || status == FILCH_EAGAIN);
}

static void count_told(filch_future *f, void *arg)
{
    (void)arg;
    sim_check(filch_future_done(f));
    fl_add(&n_told, 1, release);
}

static void submit_and_listen(void)
{
    struct mixed_task *t = submit(0);

    if (t == NULL)
        return;
    fl_add(&n_listens, 1, relaxed); /* count */
    sim_check(filch_future_add_done_callback_on(t->f, ex, count_told, NULL) == 0);
}

static int touch(size_t begin, size_t end, void *arg)
{
    int *touched = arg;

    for (size_t i = begin; i < end; i++)
        touched[i]++;
    return 0;
}

static void loop(void)
{
    int touched[3] = {0};
    int status = filch_parallel_for(ex, 0, 3, 1, touch, touched);

    sim_check(status == 0 || status == FILCH_ECANCELED);
    for (int i = 0; i < 3; i++)
        sim_check(touched[i] == 1 || (status != 0 && touched[i] == 0));
}

FILCH_FORKABLE_1(int, add_up, int, n)
{
    add_up_task left;
    int right;

    if (n < 2)
        return n;
    add_up_fork(&left, n - 1);
    right = add_up(n - 2);
    return right + add_up_join(&left);
}

static void pause_it(void)
{
    int status = filch_executor_pause(ex);

    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    fl_store(&is_paused, status == 0, release);
}

static void close_it(unsigned flags)
{
    sim_check(filch_executor_shutdown(ex, flags | FILCH_NO_WAIT, FILCH_NOW) == 0);
}

static void wait_until_quiet(void)
{
    int status = filch_executor_wait_idle(ex, FILCH_FOREVER);

    sim_check(status == 0 || status == FILCH_EDEADLK);
}

static void act(bool in_task)
{
    switch (sim_choose(with_parts ? 16 : 14)) {
    case 0:
    case 1:
        submit(0);
        break;
    case 2:
        submit(FILCH_NOWAKE);
        fl_store(&has_unseen, 1, release);
        break;
    case 3:
        submit_and_wait(in_task);
        break;
    case 4:
        submit_and_cancel();
        break;
    case 5:
    case 6:
        pause_it();
        break;
    case 7:
        sim_check(filch_executor_resume(ex) == 0);
        break;
    case 8:
        sim_check(filch_executor_set_active(ex, 1) == 0);
        break;
    case 9:
        sim_check(filch_executor_set_active(ex, n_workers) == 0);
        break;
    case 10:
        sim_check(filch_executor_cancel_all(ex) >= 0);
        break;
    case 11:
        wait_until_quiet();
        break;
    case 12:
        if (with_time)
            submit_for_later();
        else
            submit_and_listen();
        break;
    case 14:
        loop();
        break;
    case 15:
        if (in_task)
            sim_check(add_up(3) == 2);
        break;
    default:
        if (sim_choose(2) != 0)
            close_it(sim_choose(2) != 0 ? FILCH_CANCEL_PENDING : FILCH_DRAIN);
        break;
    }
}

static void actor(void *arg)
{
    (void)arg;
    for (int i = 0; i < ACTS; i++)
        act(false);
    fl_add(&n_done, 1, release);
}

/* Somebody may wait for the end of a pause that nobody else would end, or behind what was to wake nobody. */
static bool help_on(void)
{
    if (fl_load(&is_paused, acquire) != 0 && fl_swap(&is_paused, 0, acq_rel) != 0) {
        sim_check(filch_executor_resume(ex) == 0);
        return true;
    }
    if (fl_load(&has_unseen, acquire) != 0 && fl_swap(&has_unseen, 0, acq_rel) != 0) {
        sim_check(filch_executor_kick(ex) == 0);
        return true;
    }
    return false;
}

static void look_on(void)
{
    while (fl_load(&n_done, acquire) < ACTORS) {
        if (!help_on())
            sim_pause();
    }
    sim_join_all();
}

static void make(filch_options options)
{
    options.max_spares = WAITS;
    options = complete(options);
    watch(NULL);
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &options) == 0);
    sim_solo_end();
}

/* By a shutdown, so that whoever looks after each step does not look at what is gone. */
static void end(void)
{
    sim_check(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
    SIM_AWAIT(fl_load(&n_told, acquire) == fl_load(&n_listens, relaxed)); /* count */
    watch(NULL);
    filch_executor_destroy(ex);
}

static void play(filch_options options)
{
    memset(tasks, 0, sizeof tasks);
    fl_init(&n_tasks, 0);
    fl_init(&n_waits, 0);
    fl_init(&n_done, 0);
    fl_init(&has_unseen, 0);
    fl_init(&is_paused, 0);
    fl_init(&n_listens, 0);
    fl_init(&n_told, 0);
    n_workers = options.workers;
    make(options);
    for (int i = 0; i < ACTORS; i++)
        sim_spawn(actor, NULL);
    look_on();
    end();
    for (int i = 0; i < TASKS; i++) {
        if (tasks[i].f == NULL)
            continue;
        sim_check(filch_future_done(tasks[i].f));
        sim_check(tasks[i].runs == !filch_future_cancelled(tasks[i].f));
        filch_future_release(tasks[i].f);
    }
    with_time = with_parts = false;
}

SCENARIO(one_worker_gets_through_whatever_is_done_to_its_pool, .ghost = watch_pool)
{
    play((filch_options){.workers = 1});
}

SCENARIO(one_worker_that_runs_anything_meanwhile_gets_through_it, .ghost = watch_pool)
{
    play((filch_options){.workers = 1, .help = FILCH_HELP_ANY});
}

SCENARIO(one_worker_that_runs_nothing_meanwhile_gets_through_it, .ghost = watch_pool)
{
    play((filch_options){.workers = 1, .help = FILCH_HELP_NONE});
}

SCENARIO(two_workers_get_through_whatever_is_done_to_their_pool, .ghost = watch_pool)
{
    play((filch_options){.workers = 2});
}

SCENARIO(two_workers_that_run_nothing_meanwhile_get_through_it, .ghost = watch_pool, .spurious = 1,
         .weak_faults = 1)
{
    play((filch_options){.workers = 2, .help = FILCH_HELP_NONE});
}

SCENARIO(threads_that_come_and_go_get_through_whatever_is_done_to_their_pool, .ghost = watch_pool,
         .timeouts = 2)
{
    play((filch_options){.workers = 2, .min_workers = 1, .idle_timeout_ns = 1000});
}

SCENARIO(threads_that_come_and_go_and_can_not_always_be_had_get_through_it, .ghost = watch_pool,
         .timeouts = 1, .thread_faults = 1)
{
    play((filch_options){
        .workers = 2, .min_workers = 1, .idle_timeout_ns = 1000, .help = FILCH_HELP_NONE});
}

SCENARIO(workers_that_search_for_a_while_get_through_whatever_is_done_to_their_pool,
         .ghost = watch_pool)
{
    play((filch_options){.workers = 2, .spin_ns = 100, .help = FILCH_HELP_ANY});
}

SCENARIO(times_and_whatever_else_is_done_to_a_pool_leave_nothing_undone, .ghost = watch_pool,
         .timeouts = 1)
{
    with_time = true;
    play((filch_options){.workers = 1});
}

SCENARIO(loops_and_forks_get_through_whatever_is_done_to_their_pool, .ghost = watch_pool)
{
    with_parts = true;
    play((filch_options){.workers = 2});
}
