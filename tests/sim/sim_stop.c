/* SPDX-License-Identifier: MIT
 *
 * sim_stop.c: quiet, closing, and the end of a pool, against everything that may happen meanwhile. What
 * was accepted runs or is over in another way before the threads are gone; what comes too late is
 * told so; everybody who waits for the end is told; and the last one to leave frees all of it, while
 * whoever came in by a lane may still be on the way out. */
#include "sim/pools.h"

enum {
    A_MOMENT = 1000000 /* ns: long enough for everything that does not wait */
};

/* ---- quiet and the end, by hand: few steps, many threads ---- */

static void worker_to_the_end(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);
    struct fl_task *task;

    while ((task = fl_deque_pop(&w->deque)) != NULL || (task = fl_idle(w)) != NULL)
        fl_worker_run(w, task);
    act_as_nobody();
    fl_worker_gone(w);
}

/* Threads of the scenario are its workers. */
static void make_pool_with_players(unsigned workers)
{
    make_pool_by_hand(workers, 0);
    fl_init(&pool->threads, workers);
    pool->joined = true; /* nobody has to be joined */
    for (unsigned i = 0; i < workers; i++)
        sim_spawn(worker_to_the_end, (void *)(uintptr_t)i);
}

static int statuses[2];

static void push_or_be_refused(void *i)
{
    int item = (int)(intptr_t)i;

    statuses[item] = push_items(item, 1);
}

static void check_items(int n)
{
    for (int i = 0; i < n; i++)
        sim_check(items[i].runs + items[i].drops == (statuses[i] == 0));
}

SCENARIO(a_push_that_meets_a_closing_pool_is_taken_or_refused, .ghost = watch_pool)
{
    int status;

    make_pool_with_players(1);
    sim_spawn(push_or_be_refused, (void *)0);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    check_items(1);
    free_pool_by_hand();
}

SCENARIO(a_push_that_meets_a_closing_pool_of_two_is_taken_or_refused, .ghost = watch_pool)
{
    int status;

    make_pool_with_players(2);
    sim_spawn(push_or_be_refused, (void *)0);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    check_items(1);
    free_pool_by_hand();
}

SCENARIO(a_push_that_meets_a_cancelling_shutdown_is_run_or_dropped_or_refused, .ghost = watch_pool)
{
    int status;

    make_pool_with_players(1);
    sim_spawn(push_or_be_refused, (void *)0);
    status = fl_pool_shutdown(pool, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    check_items(1);
    free_pool_by_hand();
}

SCENARIO(two_pushes_that_meet_a_closing_pool_are_each_taken_or_refused, .ghost = watch_pool)
{
    int status;

    make_pool_with_players(1);
    sim_spawn(push_or_be_refused, (void *)0);
    sim_spawn(push_or_be_refused, (void *)1);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    check_items(2);
    free_pool_by_hand();
}

static void close_twice(void *arg)
{
    int status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

SCENARIO(two_who_close_a_pool_are_both_told_of_its_end, .ghost = watch_pool)
{
    make_pool_with_players(1);
    sim_spawn(close_twice, NULL);
    close_twice(NULL);
    sim_join_all();
    free_pool_by_hand();
}

/* A worker's own push and what it costs to see it: pushed is counted before it can end. */
static void push_another(void)
{
    statuses[1] = push_items(1, 1);
}

SCENARIO(quiet_is_not_seen_between_a_task_and_its_child, .ghost = watch_pool)
{
    int status;

    make_pool_with_players(2);
    items[0].then = push_another;
    sim_solo_begin();
    push_item(0);
    sim_solo_end();
    status = fl_pool_wait_idle(pool, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(items[0].runs == 1 && items[1].runs == 1);
    status = fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    free_pool_by_hand();
}

static void wait_for_quiet(void *arg)
{
    int status = fl_pool_wait_idle(pool, FILCH_FOREVER);

    (void)arg;
    sim_check(status == 0);
}

SCENARIO(whoever_pushes_and_then_waits_for_quiet_is_not_answered_by_an_earlier_one,
         .ghost = watch_pool)
{
    make_pool_with_players(1);
    sim_spawn(wait_for_quiet, NULL);
    push_item(0);
    wait_for_quiet(NULL);
    sim_check(items[0].runs == 1);
    close_twice(NULL);
    sim_join_all();
    free_pool_by_hand();
}

static void wait_for_quiet_and_look(void *arg)
{
    wait_for_quiet(arg);
    sim_check(items[0].runs + items[0].drops == 1);
}

/* Who drops a task from outside may be the last to make the pool quiet, and does not look. */
SCENARIO(a_wait_for_quiet_is_answered_though_the_last_task_is_dropped_from_outside,
         .ghost = watch_pool)
{
    int status;

    make_pool_with_players(1);
    sim_solo_begin();
    push_item(0);
    sim_solo_end();
    sim_spawn(wait_for_quiet_and_look, NULL);
    status = fl_pool_shutdown(pool, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    free_pool_by_hand();
}

/* Without any worker: nobody else could. */
SCENARIO(whoever_cancels_what_is_queued_answers_a_wait_for_quiet, .ghost = watch_pool)
{
    int status;

    make_pool_by_hand(1, 0);
    sim_solo_begin();
    push_item(0);
    sim_solo_end();
    sim_spawn(wait_for_quiet_and_look, NULL);
    status = fl_pool_shutdown(pool, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    free_pool_by_hand();
}

/* ---- whole executors ---- */

/* What a thread has asked for and was told; read once that thread and the pool's are joined. */
struct client {
    int status;
    int runs;
    filch_future *f;
};

static filch_executor *ex;
static struct client clients[3];

static void start_with(filch_options o)
{
    int status;

    o = complete(o);
    memset(clients, 0, sizeof clients);
    watch(NULL);
    sim_solo_begin();
    status = filch_executor_create(&ex, &o);
    sim_solo_end();
    sim_check(status == 0);
}

static void start(unsigned workers)
{
    start_with((filch_options){.workers = workers});
}

static int count_run(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return 0;
}

static void submit(struct client *c)
{
    c->status = filch_submit(ex, count_run, &c->runs, &c->f);
}

static void a_submit(void *client)
{
    submit(client);
}

static void submit_first(struct client *c)
{
    sim_solo_begin();
    submit(c);
    sim_solo_end();
    sim_check(c->status == 0);
}

static void destroy(void)
{
    filch_executor_destroy(ex);
}

/* The pool has ended: whatever was accepted has run, whatever was not has not. */
static void check_all_or_nothing(struct client *c)
{
    if (c->status == 0) {
        sim_check(c->runs == 1 && filch_future_state(c->f) == FILCH_FINISHED);
        filch_future_release(c->f);
    } else {
        sim_check(c->status == FILCH_ESHUTDOWN && c->runs == 0);
    }
}

/* Likewise, and it may have been cancelled. */
static void check_run_or_cancelled(struct client *c)
{
    if (c->status == 0) {
        sim_check(filch_future_done(c->f));
        sim_check(filch_future_cancelled(c->f) == (c->runs == 0) && c->runs <= 1);
        filch_future_release(c->f);
    } else {
        sim_check(c->status == FILCH_ESHUTDOWN && c->runs == 0);
    }
}

/* ---- from inside ---- */

static int shut_down_inside(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
}

SCENARIO(a_task_that_shuts_its_pool_down_is_told_that_it_can_not_wait)
{
    filch_future *f = NULL;
    int status;

    start(1);
    status = filch_submit(ex, shut_down_inside, NULL, &f);
    sim_check(status == 0);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == FILCH_EDEADLK);
    submit(&clients[0]);
    sim_check(clients[0].status == FILCH_ESHUTDOWN);
    filch_future_release(f);
    destroy();
}

static int wait_idle_inside(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_executor_wait_idle(ex, FILCH_FOREVER);
}

SCENARIO(a_task_that_waits_for_its_pool_to_be_idle_is_told_that_it_can_not)
{
    filch_future *f = NULL;
    int status;

    start(1);
    sim_solo_begin();
    status = filch_submit(ex, wait_idle_inside, NULL, &f);
    sim_solo_end();
    sim_check(status == 0);
    destroy();
    sim_check(filch_future_result(f, FILCH_NOW, NULL) == FILCH_EDEADLK);
    filch_future_release(f);
}

static void stop_hook(void *arg)
{
    (void)arg;
}

/* Its last worker frees the pool, and has nothing more to do with it. */
static void start_orphan(unsigned workers)
{
    start_with((filch_options){.workers = workers, .on_thread_stop = stop_hook});
}

static int destroy_inside(void *arg, void **result)
{
    (void)arg, (void)result;
    filch_executor_destroy(ex);
    return 0;
}

/* The submitter is on his way out of his lane while the pool may be gone already. */
SCENARIO(a_task_that_destroys_its_pool_waits_for_its_submitter_to_have_left)
{
    int status;

    start_orphan(1);
    status = filch_submit(ex, destroy_inside, NULL, NULL);
    sim_check(status == 0);
}

SCENARIO(a_task_that_destroys_a_pool_of_two_waits_for_its_submitter_to_have_left)
{
    int status;

    start_orphan(2);
    status = filch_submit(ex, destroy_inside, NULL, NULL);
    sim_check(status == 0);
}

SCENARIO(a_submitter_by_an_old_lane_has_left_before_his_task_destroys_the_pool, .spurious = 1)
{
    int status;

    start_orphan(1);
    submit_first(&clients[0]);
    status = filch_submit(ex, destroy_inside, NULL, NULL);
    sim_check(status == 0);
    status = filch_future_result(clients[0].f, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(clients[0].f);
}

SCENARIO(a_future_outlives_the_pool_that_its_own_task_destroys)
{
    filch_future *f = NULL;
    int status;

    start_orphan(1);
    status = filch_submit(ex, destroy_inside, NULL, &f);
    sim_check(status == 0);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(f);
}

static fl_atomic(uint32_t) child_has_run;

static int run_child(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_store(&child_has_run, 1, release);
    return 0;
}

static int leave_a_child_and_destroy(void *arg, void **result)
{
    int status = filch_submit(ex, run_child, NULL, NULL);

    (void)arg, (void)result;
    sim_check(status == 0);
    filch_executor_destroy(ex);
    return 0;
}

SCENARIO(what_a_task_has_submitted_before_it_destroys_its_pool_still_runs)
{
    int status;

    start_orphan(1);
    fl_init(&child_has_run, 0);
    status = filch_submit(ex, leave_a_child_and_destroy, NULL, NULL);
    sim_check(status == 0);
    SIM_AWAIT(fl_load(&child_has_run, acquire) != 0);
}

/* ---- quiet ---- */

SCENARIO(what_was_submitted_before_a_wait_for_idle_has_run_after_it, .spurious = 1)
{
    int status;

    start(1);
    submit(&clients[0]);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(clients[0].runs == 1);
    filch_future_release(clients[0].f);
    destroy();
}

SCENARIO(a_wait_for_idle_ends_though_another_thread_submits)
{
    int status;

    start(1);
    sim_spawn(a_submit, &clients[1]);
    submit(&clients[0]);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(clients[0].runs == 1);
    sim_join_all();
    destroy();
    check_all_or_nothing(&clients[0]);
    check_all_or_nothing(&clients[1]);
}

static void a_wait_for_idle(void *client)
{
    ((struct client *)client)->status = filch_executor_wait_idle(ex, FILCH_FOREVER);
}

SCENARIO(two_waits_for_idle_at_once_are_both_answered)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    sim_spawn(a_wait_for_idle, &clients[2]);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(clients[0].runs == 1);
    sim_join_all();
    sim_check(clients[2].status == 0);
    filch_future_release(clients[0].f);
    destroy();
}

SCENARIO(a_wait_for_idle_whose_deadline_passes_says_so, .timeouts = 1)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    status = filch_executor_wait_idle(ex, filch_in_ns(A_MOMENT));
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    if (status == 0)
        sim_check(clients[0].runs == 1);
    destroy();
    check_all_or_nothing(&clients[0]);
}

SCENARIO(a_wait_for_idle_is_answered_by_a_pool_that_ends)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    sim_spawn(a_wait_for_idle, &clients[2]);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    sim_check(clients[2].status == 0);
    check_run_or_cancelled(&clients[0]);
    destroy();
}

static int submit_a_child(void *arg, void **result)
{
    (void)result;
    submit(arg);
    return 0;
}

SCENARIO(a_wait_for_idle_waits_for_children_too)
{
    int status;

    start(2);
    status = filch_submit(ex, submit_a_child, &clients[0], NULL);
    sim_check(status == 0);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    sim_check(status == 0);
    sim_check(clients[0].status == 0 && clients[0].runs == 1);
    filch_future_release(clients[0].f);
    destroy();
}

SCENARIO(a_child_that_is_submitted_during_a_drain_runs_or_is_refused)
{
    int status;

    start(1);
    sim_solo_begin();
    status = filch_submit(ex, submit_a_child, &clients[0], NULL);
    sim_solo_end();
    sim_check(status == 0);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    check_all_or_nothing(&clients[0]);
    destroy();
}

/* ---- submit against shutdown ---- */

SCENARIO(what_is_accepted_before_a_drain_has_run_when_it_returns)
{
    int runs;
    int status;

    start(1);
    sim_spawn(a_submit, &clients[0]);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    runs = clients[0].runs;
    sim_join_all();
    sim_check(status == 0);
    sim_check(runs == clients[0].runs);
    check_all_or_nothing(&clients[0]);
    destroy();
}

SCENARIO(what_is_accepted_by_an_old_lane_before_a_drain_has_run_when_it_returns)
{
    int status;

    start(1);
    submit_first(&clients[1]);
    sim_spawn(a_submit, &clients[0]);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    sim_join_all();
    sim_check(status == 0);
    check_all_or_nothing(&clients[0]);
    check_all_or_nothing(&clients[1]);
    destroy();
}

SCENARIO(what_is_accepted_before_a_drain_of_two_workers_has_run_when_it_returns)
{
    int status;

    start(2);
    sim_spawn(a_submit, &clients[0]);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    sim_join_all();
    sim_check(status == 0);
    check_all_or_nothing(&clients[0]);
    destroy();
}

SCENARIO(what_is_accepted_before_a_cancelling_shutdown_is_over_when_it_returns)
{
    int status;

    start(1);
    submit_first(&clients[1]);
    sim_spawn(a_submit, &clients[0]);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_join_all();
    sim_check(status == 0);
    check_run_or_cancelled(&clients[0]);
    check_run_or_cancelled(&clients[1]);
    destroy();
}

SCENARIO(a_shutdown_that_does_not_wait_ends_the_pool_all_the_same)
{
    int status;

    start(1);
    sim_spawn(a_submit, &clients[0]);
    status = filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    destroy();
    check_all_or_nothing(&clients[0]);
}

/* A task that a worker has taken out of its queue may run yet: it is started as good as. */
SCENARIO(what_is_left_of_a_cancelling_shutdown_that_does_not_wait_is_over_in_the_end)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    sim_spawn(a_submit, &clients[1]);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER);
    sim_check(status == 0);
    sim_join_all();
    destroy();
    check_run_or_cancelled(&clients[0]);
    check_run_or_cancelled(&clients[1]);
}

SCENARIO(a_shutdown_whose_deadline_passes_goes_on, .timeouts = 1, .spurious = 1)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, filch_in_ns(A_MOMENT));
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    sim_check(status == 0);
    check_all_or_nothing(&clients[0]);
    destroy();
}

SCENARIO(a_shutdown_that_has_no_time_looks_and_returns)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_NOW);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    destroy();
    check_run_or_cancelled(&clients[0]);
}

/* ---- two at once ---- */

static void a_drain(void *client)
{
    ((struct client *)client)->status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
}

SCENARIO(two_shutdowns_at_once_both_see_the_end)
{
    int status;

    start(1);
    sim_spawn(a_drain, &clients[2]);
    status = filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER);
    sim_join_all();
    sim_check(status == 0 && clients[2].status == 0);
    destroy();
}

SCENARIO(a_cancelling_shutdown_cancels_what_a_drain_at_once_leaves)
{
    int status;

    start(1);
    submit_first(&clients[0]);
    sim_spawn(a_drain, &clients[2]);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_join_all();
    sim_check(status == 0 && clients[2].status == 0);
    check_run_or_cancelled(&clients[0]);
    destroy();
}

/* ---- futures that are left ---- */

static void a_release(void *client)
{
    struct client *c = client;

    filch_future_release(c->f);
}

SCENARIO(a_future_that_is_released_while_its_pool_is_destroyed_frees_it_or_leaves_it)
{
    start(1);
    submit_first(&clients[0]);
    sim_spawn(a_release, &clients[0]);
    destroy();
    sim_join_all();
}

SCENARIO(of_two_futures_that_outlive_their_pool_the_last_to_go_frees_it)
{
    start(1);
    submit_first(&clients[0]);
    submit_first(&clients[1]);
    destroy();
    sim_spawn(a_release, &clients[0]);
    a_release(&clients[1]);
    sim_join_all();
}

/* ---- a pool that breaks ---- */

static fl_atomic(uint32_t) hooks_started, hooks_stopped;
static uint32_t hooks_that_work;

static int fail_to_start(void *arg)
{
    (void)arg;
    return fl_add(&hooks_started, 1, relaxed) < hooks_that_work ? 0 : 1;
}

static void count_stop(void *arg)
{
    (void)arg;
    fl_add(&hooks_stopped, 1, relaxed);
}

static void start_to_break(unsigned workers, uint32_t that_work)
{
    hooks_that_work = that_work;
    fl_init(&hooks_started, 0);
    fl_init(&hooks_stopped, 0);
    start_with((filch_options){
        .workers = workers, .on_thread_start = fail_to_start, .on_thread_stop = count_stop});
}

static void check_broken(struct client *c)
{
    if (c->status != 0) {
        sim_check(c->status == FILCH_EBROKEN && c->runs == 0);
        return;
    }
    sim_check(filch_future_done(c->f));
    sim_check(filch_future_result(c->f, FILCH_NOW, NULL) == (c->runs == 1 ? 0 : FILCH_EBROKEN));
    filch_future_release(c->f);
}

SCENARIO(a_submit_to_a_pool_that_breaks_is_refused_or_its_future_fails)
{
    start_to_break(1, 0);
    submit(&clients[0]);
    if (clients[0].status == 0)
        sim_check(filch_future_result(clients[0].f, FILCH_FOREVER, NULL) == FILCH_EBROKEN);
    destroy();
    check_broken(&clients[0]);
    sim_check(fl_load(&hooks_stopped, relaxed) == 0);
}

SCENARIO(of_a_pool_that_half_breaks_every_future_is_over)
{
    start_to_break(2, 1);
    sim_spawn(a_submit, &clients[0]);
    submit(&clients[1]);
    sim_join_all();
    destroy();
    check_broken(&clients[0]);
    check_broken(&clients[1]);
    sim_check(fl_load(&hooks_stopped, relaxed) == 1);
}
