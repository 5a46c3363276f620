/* SPDX-License-Identifier: MIT
 *
 * sim_join.c: forks that are shown when somebody asks, taken, taken back, joined and dropped; and workers
 * that sleep while another has forked. */
/* seconds: 150 */
#include "sim/pools.h"

#include "future/forkjoin.h"

static filch_executor *ex;
static int value, other_value; /* plain: whoever has joined knows what it did */
static int ran_by;             /* the thread that ran the last of other_value's */

static int work(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return 0;
}

static int note_work(void *arg, void **result)
{
    ran_by = sim_self();
    return work(arg, result);
}

static int fail_work(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return 5;
}

/* ---- by hand: a worker that forks, and whoever takes ---- */

static filch_task *own, *another;

static filch_task *task_create(void)
{
    filch_task *t = sim_alloc(sizeof *t, 8);

    *t = (filch_task){{0}};
    return t;
}

static void begin(unsigned workers)
{
    value = other_value = 0;
    make_pool_by_hand(workers, 0);
    fl_init(&pool->blocks_out, INT64_C(1) << 40); /* its slabs hand out */
    sim_solo_begin();
    for (unsigned i = 0; i < workers; i++)
        fl_store(&fl_worker_at(pool, i)->asked, FL_NOT_ASKED, relaxed);
    own = task_create();
    another = task_create();
    sim_solo_end();
}

static void end(void)
{
    sim_join_all();
    sim_free(own);
    sim_free(another);
    free_pool_by_hand();
}

static struct fl_worker *fork_as(unsigned i)
{
    struct fl_worker *w = act_as_worker(i);

    FILCH_FORKS->asked = (const void *)&w->asked;
    return w;
}

static void fork_no_more(void)
{
    sim_check(FILCH_FORKS->newest == NULL);
    FILCH_FORKS->asked = fl_forks_unasked();
    act_as_nobody();
}

static void join(filch_task *t, int status, void *expected)
{
    void *result = NULL;

    sim_check(filch_join(t, &result) == status);
    sim_check(result == expected);
}

/* As the second worker, that finds nothing, or something. */
static void looks_once(void *arg)
{
    struct fl_worker *w = act_as_worker(1);
    struct fl_task *task = fl_take_from_workers(w);

    (void)arg;
    if (task != NULL)
        fl_worker_run(w, task);
    act_as_nobody();
}

static void looks_twice(void *arg)
{
    looks_once(arg);
    looks_once(arg);
}

static void drops_all(void *arg)
{
    struct fl_task *task;

    (void)arg;
    while ((task = fl_take_any(pool)) != NULL)
        task->ops->drop(task, FILCH_ECANCELED);
}

static void show(void)
{
    fl_forks_show_all();
    sim_check(FILCH_FORKS->newest == NULL);
}

SCENARIO(a_fork_runs_at_its_join_or_where_it_was_taken, .ghost = watch_pool, .spurious = 1)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    show();
    sim_spawn(looks_once, NULL);
    join(own, 0, &value);
    sim_check(value == 1);
    fork_no_more();
    end();
}

SCENARIO(a_record_may_be_freed_when_it_is_joined, .spurious = 1)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    show();
    sim_spawn(looks_once, NULL);
    join(own, 0, &value);
    sim_free(own);
    own = task_create();
    fork_no_more();
    end();
}

SCENARIO(a_record_may_be_forked_again_when_it_is_joined)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    show();
    sim_spawn(looks_twice, NULL);
    join(own, 0, &value);
    filch_fork(own, work, &other_value);
    show();
    join(own, 0, &other_value);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

SCENARIO(of_two_forks_the_older_is_taken_first, .ghost = watch_pool)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    filch_fork(another, note_work, &other_value);
    show();
    sim_spawn(looks_once, NULL);
    join(another, 0, &other_value);
    sim_check(ran_by == sim_self()); /* one thief, that takes one */
    join(own, 0, &value);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

SCENARIO(the_older_of_two_may_be_joined_first)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    filch_fork(another, fail_work, &other_value);
    show();
    sim_spawn(looks_twice, NULL);
    join(own, 0, &value);
    join(another, 5, NULL);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

SCENARIO(the_older_of_two_that_nobody_has_seen_may_be_joined_first)
{
    begin(1);
    fork_as(0);
    filch_fork(own, work, &value);
    filch_fork(another, work, &other_value);
    join(own, 0, &value);
    join(another, 0, &other_value);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

/* What lies above the one that is taken back moves, and thieves take from below meanwhile. */
SCENARIO(of_three_the_one_between_may_be_joined_first)
{
    filch_task *youngest;
    int last = 0;

    begin(2);
    youngest = task_create();
    fork_as(0);
    filch_fork(own, work, &value);
    filch_fork(another, work, &other_value);
    filch_fork(youngest, work, &last);
    show();
    sim_spawn(looks_twice, NULL);
    join(another, 0, &other_value);
    join(own, 0, &value);
    join(youngest, 0, &last);
    sim_check(value == 1 && other_value == 1 && last == 1);
    fork_no_more();
    end();
    sim_free(youngest);
}

SCENARIO(a_fork_that_was_asked_for_is_shown_or_runs_at_its_join)
{
    begin(2);
    fork_as(0);
    sim_spawn(looks_twice, NULL);
    filch_fork(own, work, &value);
    filch_fork(another, work, &other_value);
    join(another, 0, &other_value);
    join(own, 0, &value);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

SCENARIO(a_fork_that_is_dropped_runs_at_its_join, .spurious = 1)
{
    begin(1);
    fork_as(0);
    filch_fork(own, work, &value);
    filch_fork(another, work, &other_value);
    show();
    sim_spawn(drops_all, NULL);
    join(another, 0, &other_value);
    join(own, 0, &value);
    sim_check(value == 1 && other_value == 1);
    fork_no_more();
    end();
}

SCENARIO(a_fork_is_taken_back_from_below_what_was_pushed_after_it)
{
    begin(2);
    fork_as(0);
    filch_fork(own, work, &value);
    show();
    push_item(0);
    push_item(1);
    sim_spawn(looks_once, NULL);
    join(own, 0, &value);
    sim_check(value == 1);
    fork_no_more();
    sim_join_all();
    act_as_worker(1);
    for (struct fl_task *task; (task = fl_take_any(pool)) != NULL;)
        task->ops->run(task);
    act_as_nobody();
    sim_check(items[0].runs == 1 && items[1].runs == 1);
    end();
}

/* What a fork has forked is for whoever waits for it. */
static int forks_too(void *arg, void **result)
{
    int mine = 0;
    filch_task t;

    filch_fork(&t, work, &mine);
    show();
    join(&t, 0, &mine);
    sim_check(mine == 1);
    return work(arg, result);
}

static void takes_and_shows(void *arg)
{
    struct fl_worker *w = fork_as(1);
    struct fl_task *task = fl_take_from_workers(w);

    (void)arg;
    if (task != NULL)
        fl_worker_run(w, task);
    fork_no_more();
}

SCENARIO(whoever_waits_for_a_fork_runs_what_that_has_forked, .ghost = watch_pool, .spurious = 1)
{
    begin(2);
    fork_as(0);
    filch_fork(own, forks_too, &value);
    show();
    sim_spawn(takes_and_shows, NULL);
    join(own, 0, &value);
    sim_check(value == 1);
    fork_no_more();
    end();
}

/* ---- announcements: the worker clears what it is asked, and looks; a sleeper announces, and asks ---- */

static bool was_seen; /* plain */

static void announces(void *arg)
{
    (void)arg;
    fl_add(&pool->idle, 1U << 10, seq_cst); /* as idle.c does: a sleeper */
    was_seen = fl_work_is_visible(pool);
}

SCENARIO(whoever_sleeps_has_asked_or_has_been_seen)
{
    struct fl_worker *w;

    begin(2);
    w = fork_as(0);
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_spawn(announces, NULL);
    filch_fork(own, work, &value);
    filch_fork(another, work, &other_value);
    sim_join_all();
    /* Work is seen by who announced; or a push has chosen him; or the next fork is asked. */
    sim_check(was_seen || fl_load(&pool->idle, relaxed) >> 21 != 0 ||
              fl_load(&w->asked, relaxed) != FL_NOT_ASKED);
    join(another, 0, &other_value);
    join(own, 0, &value);
    fork_no_more();
    end();
}

/* A worker takes the last that was shown, and looks behind itself for one that sleeps on. */
static void takes_and_looks(void *arg)
{
    struct fl_task *task = fl_deque_steal(&fl_worker_at(pool, 0)->deque);

    (void)arg;
    was_seen = fl_work_is_visible(pool);
    if (task == NULL)
        return;
    act_as_worker(1);
    fl_worker_run(fl_worker_at(pool, 1), task);
    act_as_nobody();
}

SCENARIO(whoever_sleeps_on_is_asked_for_or_has_been_seen)
{
    struct fl_worker *w;

    begin(2);
    w = fork_as(0);
    filch_fork(own, work, &value);
    show();
    fl_store(&pool->idle, 1U << 10, relaxed); /* a sleeper, for whom that is enough */
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_spawn(takes_and_looks, NULL);
    filch_fork(another, work, &other_value);
    sim_join_all();
    sim_check(was_seen || fl_load(&pool->idle, relaxed) >> 21 != 0 ||
              fl_load(&w->asked, relaxed) != FL_NOT_ASKED);
    join(another, 0, &other_value);
    join(own, 0, &value);
    fork_no_more();
    end();
}

static void clears(void *arg)
{
    (void)arg;
    fork_as(0);
    filch_fork_answer();
    fork_no_more();
}

SCENARIO(an_answer_to_nobody_leaves_nobody_unasked)
{
    begin(1);
    fl_store(&fl_worker_at(pool, 0)->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_spawn(clears, NULL);
    announces(NULL);
    sim_join_all();
    sim_check(fl_load(&fl_worker_at(pool, 0)->asked, relaxed) != FL_NOT_ASKED);
    end();
}

/* So may a thread that ends: its slot is vacant, and then it looks. */
SCENARIO(an_answer_to_nobody_leaves_no_vacant_slot_unasked_for)
{
    struct fl_worker *w;

    begin(1);
    w = fl_worker_at(pool, 0);
    fl_store(&w->life, FL_ACTIVE, relaxed);
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_spawn(clears, NULL);
    fl_add(&pool->vacant, 1, seq_cst); /* as spare.c does */
    was_seen = fl_work_is_visible(pool);
    sim_join_all();
    sim_check(fl_load(&w->asked, relaxed) != FL_NOT_ASKED);
    end();
}

/* What lies there is enough for the one who sleeps, until it is taken. */
SCENARIO(an_answer_that_enough_is_shown_leaves_nobody_unasked_when_it_is_taken)
{
    struct fl_worker *w;

    begin(2);
    w = fork_as(0);
    filch_fork(own, work, &value);
    show();
    fl_store(&pool->idle, 1U << 10, relaxed);
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_spawn(takes_and_looks, NULL);
    filch_fork_answer();
    sim_join_all();
    sim_check(fl_load(&w->asked, relaxed) != FL_NOT_ASKED);
    join(own, 0, &value);
    fork_no_more();
    end();
}

/* What was queued without waking anybody is no work that whoever sleeps knows of. */
SCENARIO(whoever_sleeps_beside_what_was_queued_silently_is_asked_for_or_chosen)
{
    struct fl_task *task = NULL;
    struct fl_worker *w;
    struct fl_push at;

    begin(2);
    w = fork_as(0);
    task = &items[0].task;
    fl_store(&pool->idle, 1U << 10, relaxed); /* a sleeper, who has asked */
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);
    sim_check(fl_push_begin(&at, pool, 1) == 0);
    fl_push_end_nowake(&at, &task, 1);
    filch_fork(own, work, &value);
    sim_check(fl_load(&pool->idle, relaxed) >> 21 != 0 ||
              fl_load(&w->asked, relaxed) != FL_NOT_ASKED);
    join(own, 0, &value);
    fork_no_more();
    act_as_worker(1);
    while ((task = fl_take_any(pool)) != NULL)
        task->ops->run(task);
    act_as_nobody();
    end();
}

/* ---- an executor with threads ---- */

static void executor_with(unsigned workers, unsigned spares)
{
    filch_options o = {.size = sizeof o,
                       .workers = workers,
                       .max_spares = spares,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    value = other_value = 0;
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
}

static void executor(unsigned workers)
{
    executor_with(workers, 1);
}

static void run(filch_task_fn *fn, int expected)
{
    filch_task *t = task_create();

    sim_check(filch_submit_task(ex, t, fn, NULL) == 0);
    sim_check(filch_task_result(t, FILCH_FOREVER, NULL) == expected);
    sim_free(t);
    filch_executor_destroy(ex);
}

static int forks_one(void *arg, void **result)
{
    filch_task *t = task_create();

    (void)arg, (void)result;
    filch_fork(t, work, &value);
    join(t, 0, &value);
    sim_free(t);
    return 0;
}

static int forks_two(void *arg, void **result)
{
    filch_task *t[2] = {task_create(), task_create()};

    (void)arg, (void)result;
    filch_fork(t[0], work, &value);
    filch_fork(t[1], fail_work, &other_value);
    join(t[1], 5, NULL);
    join(t[0], 0, &value);
    sim_free(t[0]);
    sim_free(t[1]);
    return 0;
}

SCENARIO(a_task_forks_on_one_worker)
{
    executor(1);
    run(forks_one, 0);
    sim_check(value == 1);
}

SCENARIO(a_task_forks_beside_a_worker_without_work, .ghost = watch_pool)
{
    executor(2);
    run(forks_one, 0);
    sim_check(value == 1);
}

SCENARIO(a_task_forks_twice_beside_a_worker_without_work)
{
    executor(2);
    run(forks_two, 0);
    sim_check(value == 1 && other_value == 1);
}

/* Both forks have to run beside each other, and the second when the first has been taken. */
static fl_atomic(uint32_t) arrived;

static int meets(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_add(&arrived, 1, relaxed);
    while (fl_load(&arrived, relaxed) < 2)
        sim_pause();
    return 0;
}

static int forks_to_meet(void *arg, void **result)
{
    filch_task *t = task_create();
    filch_task u;

    (void)arg, (void)result;
    filch_fork(t, meets, NULL);
    while (fl_load(&arrived, relaxed) == 0) { /* nobody sleeps for ever beside a fork */
        filch_fork(&u, work, &value);
        join(&u, 0, &value);
        sim_pause();
    }
    meets(NULL, NULL);
    sim_check(filch_join(t, NULL) == 0);
    sim_free(t);
    return 0;
}

SCENARIO(a_worker_that_sleeps_is_woken_for_a_fork)
{
    fl_init(&arrived, 0);
    executor(2);
    run(forks_to_meet, 0);
}

SCENARIO(a_thread_is_started_for_a_fork_where_it_lacks)
{
    filch_options o = {.size = sizeof o,
                       .workers = 2,
                       .min_workers = 1,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    fl_init(&arrived, 0);
    value = 0;
    sim_solo_begin();
    sim_check(filch_executor_create(&ex, &o) == 0);
    sim_solo_end();
    run(forks_to_meet, 0);
}

static int completes(void *arg, void **result)
{
    (void)result;
    return filch_promise_set_result(arg, NULL);
}

/* A wait shows what it may need. */
static int waits_for_its_fork(void *arg, void **result)
{
    filch_future *f = NULL;
    filch_task *t = task_create();

    (void)arg, (void)result;
    sim_check(filch_promise_create(&f) == 0);
    filch_fork(t, completes, f);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    sim_check(filch_join(t, NULL) == 0);
    filch_future_release(f);
    sim_free(t);
    return 0;
}

SCENARIO(a_task_waits_for_what_its_fork_does)
{
    executor(1);
    run(waits_for_its_fork, 0);
}

static int waits_for_its_fork_and_runs_nothing(void *arg, void **result)
{
    int status;

    filch_nohelp_begin();
    status = waits_for_its_fork(arg, result);
    filch_nohelp_end();
    return status;
}

/* Whoever helps shows what he has first, and has shown it before he sleeps. */
SCENARIO(a_task_that_runs_nothing_meanwhile_waits_for_what_its_fork_does)
{
    executor(1);
    run(waits_for_its_fork_and_runs_nothing, 0);
}

/* Who forks can not leave the join: so the fork is told, whoever closes the circle. */
static filch_task *forker;

static int waits_for_its_forker(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(filch_task_result(forker, FILCH_FOREVER, NULL) == FILCH_EDEADLK);
    return 3;
}

static int forks_into_a_circle(void *arg, void **result)
{
    filch_task *t = task_create();
    int status;

    (void)arg, (void)result;
    filch_fork(t, waits_for_its_forker, NULL);
    fl_forks_show_all();
    status = filch_join(t, NULL);
    sim_free(t);
    return status;
}

SCENARIO(a_fork_that_waits_for_its_forker_is_told, .spurious = 1)
{
    forker = task_create();
    executor_with(2, 2); /* whoever has no spare sleeps for moments, and looks again */
    sim_check(filch_submit_task(ex, forker, forks_into_a_circle, NULL) == 0);
    sim_check(filch_task_result(forker, FILCH_FOREVER, NULL) == 3);
    sim_free(forker);
    filch_executor_destroy(ex);
}

static int forks_below_a_wait(void *arg, void **result)
{
    filch_task *t = task_create();
    filch_task *u = task_create();

    (void)arg, (void)result;
    filch_fork(t, work, &value);
    sim_check(filch_submit_task(ex, u, forks_one, NULL) == 0);
    sim_check(filch_task_result(u, FILCH_FOREVER, NULL) == 0);
    sim_check(filch_join(t, NULL) == 0);
    sim_free(t);
    sim_free(u);
    return 0;
}

SCENARIO(what_runs_on_top_of_a_wait_has_forks_of_its_own)
{
    executor(1);
    run(forks_below_a_wait, 0);
    sim_check(value == 2);
}

static void cancels(void *arg)
{
    (void)arg;
    filch_executor_cancel_all(ex);
}

SCENARIO(what_is_cancelled_with_all_the_rest_is_forked_all_the_same)
{
    filch_task *t = task_create();
    int status;

    executor(2);
    sim_check(filch_submit_task(ex, t, forks_two, NULL) == 0);
    sim_spawn(cancels, NULL);
    status = filch_task_result(t, FILCH_FOREVER, NULL);
    sim_check(status == 0 || status == FILCH_ECANCELED);
    sim_check(value == (status == 0) && other_value == (status == 0));
    sim_join_all();
    sim_free(t);
    filch_executor_destroy(ex);
}

static void pauses(void *arg)
{
    (void)arg;
    sim_check(filch_executor_pause(ex) == 0);
    sim_check(filch_executor_resume(ex) == 0);
}

SCENARIO(a_pause_does_not_hold_a_fork)
{
    filch_task *t = task_create();

    executor(2);
    sim_check(filch_submit_task(ex, t, forks_one, NULL) == 0);
    sim_spawn(pauses, NULL);
    sim_check(filch_task_result(t, FILCH_FOREVER, NULL) == 0);
    sim_check(value == 1);
    sim_join_all();
    sim_free(t);
    filch_executor_destroy(ex);
}

/* Whoever has taken the fork as the pause began runs it: what has begun goes on to its end. */
static int forks_one_and_says_so(void *arg, void **result)
{
    fl_store(&arrived, 1, relaxed);
    return forks_one(arg, result);
}

SCENARIO(what_has_begun_comes_to_its_end_in_a_pause_with_its_forks)
{
    filch_task *t = task_create();

    fl_init(&arrived, 0);
    executor(2);
    sim_check(filch_submit_task(ex, t, forks_one_and_says_so, NULL) == 0);
    while (fl_load(&arrived, relaxed) == 0)
        sim_pause();
    sim_check(filch_executor_pause(ex) == 0);
    sim_check(filch_task_result(t, FILCH_FOREVER, NULL) == 0);
    sim_check(value == 1);
    sim_check(filch_executor_resume(ex) == 0);
    sim_free(t);
    filch_executor_destroy(ex);
}

SCENARIO(outside_of_all_executors_a_fork_is_one_s_own)
{
    value = other_value = 0;
    forks_two(NULL, &(void *){NULL});
    sim_check(value == 1 && other_value == 1);
}

/* Only a deque that has to grow can fail: then what was not shown runs at its join. */
static int forks_many(void *arg, void **result)
{
    filch_task t[5];
    int n[5] = {0};

    (void)arg, (void)result;
    for (int i = 0; i < 5; i++)
        filch_fork(&t[i], work, &n[i]);
    fl_forks_show_all();
    for (int i = 5; i-- > 0;) {
        join(&t[i], 0, &n[i]);
        sim_check(n[i] == 1);
    }
    return 0;
}

SCENARIO(without_memory_fewer_are_shown_and_all_run, .alloc_faults = 1)
{
    begin(2);
    fork_as(0);
    sim_spawn(looks_once, NULL);
    forks_many(NULL, NULL);
    fork_no_more();
    end();
}
