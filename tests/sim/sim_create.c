/* SPDX-License-Identifier: MIT
 *
 * sim_create.c: executors whose threads or memory the system refuses, at any request: a status, and
 * nothing left behind; or an executor that works with what there is. And executors in a forked child,
 * where whoever comes first makes a new pool and who comes second uses it. */
#include "sim/pools.h"

static filch_executor *ex;
static int runs;

static int count_run(void *arg, void **result)
{
    (void)arg, (void)result;
    runs++;
    return 0;
}

static int create(filch_options o)
{
    o = complete(o);
    watch(NULL);
    runs = 0;
    ex = NULL;
    return filch_executor_create(&ex, &o);
}

/* Whatever it is made of, it runs a task and ends. */
static void use(unsigned workers)
{
    int status;

    sim_check(filch_executor_workers(ex) == workers);
    sim_solo_begin();
    status = filch_submit(ex, count_run, NULL, NULL);
    sim_solo_end();
    sim_check(status == 0);
    filch_executor_destroy(ex);
    sim_check(runs == 1);
}

/* ---- what the system refuses ---- */

SCENARIO(an_executor_none_of_whose_threads_start_is_not_made, .thread_faults = 2)
{
    int status = create((filch_options){.workers = 2});

    if (status == 0) {
        use(2);
        return;
    }
    sim_check(status == FILCH_EAGAIN && ex == NULL);
}

/* The workers that did start are at work, and end. */
SCENARIO(an_executor_one_of_whose_threads_does_not_start_is_not_made, .thread_faults = 1)
{
    int status = create((filch_options){.workers = 3});

    if (status == 0) {
        use(3);
        return;
    }
    sim_check(status == FILCH_EAGAIN && ex == NULL);
}

SCENARIO(an_executor_that_makes_do_has_the_threads_that_started, .thread_faults = 1)
{
    int status = create((filch_options){.workers = 2, .flags = FILCH_BEST_EFFORT_THREADS});

    if (status != 0) {
        sim_check(status == FILCH_EAGAIN && ex == NULL);
        return;
    }
    use(filch_executor_workers(ex));
}

SCENARIO(an_executor_that_makes_do_needs_one_thread_at_least, .thread_faults = 1)
{
    int status = create((filch_options){.workers = 1, .flags = FILCH_BEST_EFFORT_THREADS});

    if (status != 0) {
        sim_check(status == FILCH_EAGAIN && ex == NULL);
        return;
    }
    use(1);
}

SCENARIO(an_executor_whose_memory_is_refused_is_not_made, .alloc_faults = 1)
{
    int status = create((filch_options){.workers = 2});

    if (status != 0) {
        sim_check((status == FILCH_ENOMEM || status == FILCH_EAGAIN) && ex == NULL);
        return;
    }
    use(2);
}

SCENARIO(an_executor_whose_trace_has_no_memory_is_not_made, .alloc_faults = 1)
{
    int status = create((filch_options){.workers = 2, .trace_events = 4});

    if (status != 0) {
        sim_check(status == FILCH_ENOMEM && ex == NULL);
        return;
    }
    use(2);
}

SCENARIO(an_executor_may_lack_threads_and_memory_at_once, .thread_faults = 1, .alloc_faults = 1)
{
    int status = create((filch_options){.workers = 2, .flags = FILCH_BEST_EFFORT_THREADS});

    if (status != 0) {
        sim_check((status == FILCH_ENOMEM || status == FILCH_EAGAIN) && ex == NULL);
        return;
    }
    use(filch_executor_workers(ex));
}

/* ---- a submit without memory ---- */

static void submit_twice(void *arg)
{
    int accepted = 0;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        int status = filch_submit(ex, count_run, NULL, NULL);

        sim_check(status == 0 || status == FILCH_ENOMEM);
        accepted += status == 0;
    }
    sim_check(accepted >= 1);
}

SCENARIO(a_submit_without_memory_queues_nothing_and_the_next_one_goes_on, .alloc_faults = 1)
{
    int status;

    sim_solo_begin();
    status = create((filch_options){.workers = 1});
    sim_solo_end();
    sim_check(status == 0);
    submit_twice(NULL);
    filch_executor_destroy(ex);
    sim_check(runs == 1 || runs == 2);
}

/* ---- the first and the last moments of a thread ---- */

static fl_atomic(int) started, stopped;

static int hook_start(void *arg)
{
    sim_check(arg == &runs);
    fl_add(&started, 1, relaxed);
    return 0;
}

static void hook_stop(void *arg)
{
    sim_check(arg == &runs);
    fl_add(&stopped, 1, relaxed);
}

SCENARIO(each_thread_that_begins_calls_its_hooks_once, .thread_faults = 1)
{
    int status;

    fl_init(&started, 0);
    fl_init(&stopped, 0);
    status = create((filch_options){.workers = 2,
                                    .on_thread_start = hook_start,
                                    .on_thread_stop = hook_stop,
                                    .hook_arg = &runs});
    if (status == 0)
        filch_executor_destroy(ex);
    sim_check(fl_load(&started, relaxed) == fl_load(&stopped, relaxed));
    sim_check(fl_load(&started, relaxed) == 2 || (status != 0 && fl_load(&started, relaxed) <= 1));
}

/* ---- in a forked child ---- */

static struct fl_pool *parents;

/* Inside a task: the pool that the executor has before the fork. */
static int note_pool(void *arg, void **result)
{
    (void)arg, (void)result;
    parents = fl_worker_self()->pool;
    return 0;
}

/* A child as far as the executor can tell: the page is wiped. The threads of the parent are still there
 * in the simulation, all asleep, and do nothing; they end when the page is put back. */
static void begin_child(unsigned flags)
{
    filch_future *f = NULL;
    int status;

    sim_solo_begin();
    status = create((filch_options){.workers = 1, .flags = flags});
    sim_check(status == 0);
    status = filch_submit(ex, note_pool, NULL, &f);
    sim_solo_end();
    sim_check(status == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    while (fl_futex_wait(&parents->quiet_seen, 0, sim_clock() + 1000) == 0)
        continue; /* until its worker sleeps */
    fl_store(parents->home.forked.alive, 0, relaxed);
}

/* Back in the parent, so that the pool can be ended: in a real child it stays as it is. */
static void end_parents_pool(bool has_handle)
{
    fl_store(parents->home.forked.alive, 1, relaxed);
    if (!has_handle)
        parents->drop_handle = NULL;
    fl_pool_destroy(parents);
}

static int statuses[2];

static void a_submit(void *i)
{
    statuses[(intptr_t)i] = filch_submit(ex, count_run, NULL, NULL);
}

SCENARIO(in_a_child_every_call_says_so)
{
    begin_child(0);
    sim_check(filch_submit(ex, count_run, NULL, NULL) == FILCH_EFORKED);
    sim_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == FILCH_EFORKED);
    sim_check(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == FILCH_EFORKED);
    filch_executor_destroy(ex);
    sim_check(runs == 0);
    end_parents_pool(true);
}

SCENARIO(in_a_child_the_first_call_makes_a_new_pool)
{
    begin_child(FILCH_FORK_RESTART);
    a_submit((void *)0);
    sim_check(statuses[0] == 0);
    filch_executor_destroy(ex);
    sim_check(runs == 1);
    end_parents_pool(false);
}

SCENARIO(in_a_child_two_first_calls_at_once_use_the_same_new_pool)
{
    begin_child(FILCH_FORK_RESTART);
    sim_spawn(a_submit, (void *)0);
    a_submit((void *)1);
    sim_join_all();
    sim_check(statuses[0] == 0 && statuses[1] == 0);
    filch_executor_destroy(ex);
    sim_check(runs == 2);
    end_parents_pool(false);
}

SCENARIO(in_a_child_a_new_pool_that_can_not_be_made_is_tried_again, .thread_faults = 1,
         .alloc_faults = 1)
{
    int status;

    begin_child(FILCH_FORK_RESTART);
    status = filch_executor_wait_idle(ex, FILCH_FOREVER);
    sim_check(status == 0 || status == FILCH_EAGAIN || status == FILCH_ENOMEM);
    filch_executor_destroy(ex);
    end_parents_pool(status != 0);
}
