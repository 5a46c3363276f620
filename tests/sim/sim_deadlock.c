/* SPDX-License-Identifier: MIT
 *
 * sim_deadlock.c: workers that wait for each other. First the walk alone, over a pool made by hand:
 * threads play workers that run one future and wait for another, and wait in earnest, so that a circle
 * of which nobody is told is a deadlock here, and who is told without one fails a check. Then executors
 * with threads. */
#include "sim/pools.h"

#include "future/deadlock.h"

enum {
    PLAYERS = 3
};

static filch_future *own[PLAYERS]; /* what each player runs */
static fl_atomic(int) told;

static int of_0(void *arg, void **result)
{
    (void)arg, (void)result;
    return 0;
}

static int of_1(void *arg, void **result)
{
    (void)arg, (void)result;
    return 1;
}

static int of_2(void *arg, void **result)
{
    (void)arg, (void)result;
    return 2;
}

/* A record of a task of this pool's, as filch_task is one. */
static filch_future *record(unsigned i)
{
    static filch_task_fn *const fn[PLAYERS] = {of_0, of_1, of_2};
    filch_future *f = sim_alloc(sizeof *f, 8);

    fl_future_init(f, NULL, &pool->home, FL_KIND_OWN, fn[i], NULL, 1);
    return f;
}

static void begin_with(unsigned players, unsigned spares)
{
    make_pool_by_hand(players, spares);
    fl_init(&pool->blocks_out, INT64_C(1) << 40); /* its slabs hand out */
    fl_init(&told, 0);
    sim_solo_begin();
    for (unsigned i = 0; i < players; i++)
        own[i] = record(i);
    sim_solo_end();
}

static void begin(unsigned players)
{
    begin_with(players, 0);
}

static void end(unsigned players)
{
    sim_join_all();
    for (unsigned i = 0; i < players; i++)
        sim_free(own[i]);
    free_pool_by_hand();
}

/* As submit.c does. */
static void begins(struct fl_worker *w, filch_future *f)
{
    sim_check(fl_future_claim(f));
    fl_store(&f->runner, (uint16_t)(w->index + 1), release);
}

static void ends(filch_future *f)
{
    fl_future_finish_own(f, FL_FINISHED, 0, NULL);
}

static bool is_over(const filch_future *f)
{
    return fl_future_phase(f) >= FL_OVER;
}

/* As wait.c does. */
static void waits_for(struct fl_worker *w, filch_future *f)
{
    struct fl_circle found;

    if (is_over(f))
        return;
    fl_deadlock_announce(w, f, false);
    if (fl_deadlock_is_closed(w, &found)) {
        fl_add(&told, 1, relaxed);
        sim_check(found.n >= 1 && found.n <= PLAYERS);
        sim_check(found.tasks[0].fn == f->fn); /* and so on, to what it runs itself */
        sim_check(found.tasks[found.n - 1].fn == own[w->index]->fn);
    } else
        SIM_AWAIT(is_over(f));
    fl_deadlock_withdraw(w);
}

/* ---- circles ---- */

static unsigned players_n;

/* Runs its own and waits for the next one's. */
static void player(void *i)
{
    unsigned me = (unsigned)(uintptr_t)i;
    struct fl_worker *w = act_as_worker(me);

    begins(w, own[me]);
    waits_for(w, own[(me + 1) % players_n]);
    ends(own[me]);
    act_as_nobody();
}

static void circle(unsigned players)
{
    begin(players);
    players_n = players;
    for (unsigned i = 1; i < players; i++)
        sim_spawn(player, (void *)(uintptr_t)i);
    player((void *)0);
    sim_join_all();
    sim_check(fl_load(&told, relaxed) <= (int)players);
    end(players);
}

/* One that begins when the other is over sees no circle; told or not, nobody hangs. */
SCENARIO(of_two_that_close_a_circle_at_once_one_is_told_at_least, .weak_faults = 1)
{
    circle(2);
}

SCENARIO(of_three_that_close_a_circle_at_once_one_is_told_at_least)
{
    circle(3);
}

/* All run before anybody waits: then somebody is told in each execution. */
static void player_among_runners(void *i)
{
    unsigned me = (unsigned)(uintptr_t)i;
    struct fl_worker *w = act_as_worker(me);

    waits_for(w, own[(me + 1) % players_n]);
    ends(own[me]);
    act_as_nobody();
}

static void circle_of_runners(unsigned players)
{
    begin(players);
    players_n = players;
    sim_solo_begin();
    for (unsigned i = 0; i < players; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    for (unsigned i = 1; i < players; i++)
        sim_spawn(player_among_runners, (void *)(uintptr_t)i);
    player_among_runners((void *)0);
    sim_join_all();
    end(players);
}

SCENARIO(of_two_that_run_and_wait_for_each_other_one_is_told_at_least, .weak_faults = 1)
{
    circle_of_runners(2);
}

SCENARIO(of_three_that_run_and_wait_in_a_circle_one_is_told_at_least)
{
    circle_of_runners(3);
}

/* ---- what is no circle ---- */

/* 0 waits for what 1 runs, and 1 for what 2 runs; 2 ends that and only then waits for what 0 runs. */
static void waits_for_the_third(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    waits_for(w, own[2]);
    ends(own[1]);
    act_as_nobody();
}

static void ends_and_then_waits(void *arg)
{
    struct fl_worker *w = act_as_worker(2);

    (void)arg;
    ends(own[2]);
    waits_for(w, own[0]);
    act_as_nobody();
}

SCENARIO(who_has_ended_it_before_he_waits_closes_no_circle)
{
    struct fl_worker *w;

    begin(3);
    sim_solo_begin();
    for (unsigned i = 0; i < 3; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    sim_spawn(waits_for_the_third, NULL);
    sim_spawn(ends_and_then_waits, NULL);
    w = act_as_worker(0);
    waits_for(w, own[1]);
    ends(own[0]);
    act_as_nobody();
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 0);
    end(3);
}

/* The same, and 2 waits for a fourth future before it ends what it runs. */
static filch_future *fourth;

static void waits_ends_and_waits(void *arg)
{
    struct fl_worker *w = act_as_worker(2);

    (void)arg;
    waits_for(w, fourth);
    ends(own[2]);
    waits_for(w, own[0]);
    act_as_nobody();
}

static void ends_the_fourth(void *arg)
{
    (void)arg;
    ends(fourth);
}

SCENARIO(who_has_waited_for_another_before_closes_no_circle)
{
    struct fl_worker *w;

    begin(3);
    sim_solo_begin();
    fourth = record(0);
    for (unsigned i = 0; i < 3; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_check(fl_future_claim(fourth)); /* by nobody who waits */
    sim_solo_end();
    sim_spawn(waits_ends_and_waits, NULL);
    sim_spawn(waits_for_the_third, NULL);
    sim_spawn(ends_the_fourth, NULL);
    w = act_as_worker(0);
    SIM_AWAIT(fl_load(&fl_worker_at(pool, 1)->waits, acquire) != 0 || is_over(own[1]));
    waits_for(w, own[1]);
    ends(own[0]);
    act_as_nobody();
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 0);
    sim_free(fourth);
    end(3);
}

/* What 0 waits for is periodic: it has had a run on 1, which then waits for what 0 runs, and has one on 2. */
static void rests_and_waits(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    fl_store(&own[1]->runner, 0, relaxed); /* as timed.c does */
    sim_check(fl_future_rest(own[1]));
    waits_for(w, own[0]);
    act_as_nobody();
}

static void runs_it_next(void *arg)
{
    struct fl_worker *w = act_as_worker(2);

    (void)arg;
    SIM_AWAIT(fl_future_phase(own[1]) == FL_PENDING);
    begins(w, own[1]);
    ends(own[1]);
    act_as_nobody();
}

SCENARIO(who_has_run_it_before_and_then_waits_closes_no_circle)
{
    struct fl_worker *w;

    begin(3);
    sim_solo_begin();
    for (unsigned i = 0; i < 2; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    sim_spawn(rests_and_waits, NULL);
    sim_spawn(runs_it_next, NULL);
    w = act_as_worker(0);
    waits_for(w, own[1]);
    ends(own[0]);
    act_as_nobody();
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 0);
    end(3);
}

/* What was waited for is freed as soon as the wait is over, whoever looks at it. */
static void waits_and_frees(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    waits_for(w, own[2]);
    sim_free(own[2]);
    ends(own[1]);
    act_as_nobody();
}

static void ends_it(void *arg)
{
    (void)arg;
    ends(own[2]);
}

SCENARIO(what_is_waited_for_may_go_when_the_wait_is_over)
{
    struct fl_worker *w;

    begin(3);
    sim_solo_begin();
    for (unsigned i = 0; i < 3; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    sim_spawn(waits_and_frees, NULL);
    sim_spawn(ends_it, NULL);
    w = act_as_worker(0);
    waits_for(w, own[1]);
    ends(own[0]);
    act_as_nobody();
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 0);
    end(2);
}

/* 1 and 2 wait for each other, and 0 for one of them: those two are told, and 0 is not caught in it. */
static void waits_for_its_neighbour(void *i)
{
    unsigned me = (unsigned)(uintptr_t)i;
    struct fl_worker *w = act_as_worker(me);

    waits_for(w, own[3 - me]);
    ends(own[me]);
    act_as_nobody();
}

SCENARIO(who_waits_for_a_circle_without_being_in_it_is_not_told)
{
    struct fl_circle found;
    struct fl_worker *w;

    begin(3);
    sim_solo_begin();
    for (unsigned i = 0; i < 3; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    sim_spawn(waits_for_its_neighbour, (void *)1);
    sim_spawn(waits_for_its_neighbour, (void *)2);
    w = act_as_worker(0);
    fl_deadlock_announce(w, own[1], false);
    sim_check(!fl_deadlock_is_closed(w, &found));
    SIM_AWAIT(is_over(own[1]));
    fl_deadlock_withdraw(w);
    act_as_nobody();
    end(3);
}

/* ---- who can not leave his wait tells another, who sleeps as wait.c does ---- */

/* A spare that lies dormant, though it has no thread: it lets a worker sleep. */
static void have_a_spare(void)
{
    struct fl_worker *spare;

    sim_solo_begin();
    spare = fl_worker_create(pool, pool->n_workers);
    fl_store(&spare->life, FL_DORMANT, relaxed);
    fl_init(&pool->worker[spare->index], spare);
    fl_store(&pool->top_slot, pool->n_slots, relaxed);
    sim_solo_end();
}

/* Closes the circle when the other is about to sleep. */
static void tells_the_other(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    SIM_AWAIT((fl_load(&own[1]->state, acquire) & FL_WAITED) != 0);
    fl_deadlock_announce(w, own[0], false);
    fl_deadlock_tell_another(w);
    SIM_AWAIT(is_over(own[0]));
    fl_deadlock_withdraw(w);
    ends(own[1]);
    act_as_nobody();
}

SCENARIO(who_is_told_as_he_goes_to_sleep_leaves_his_wait)
{
    begin_with(2, 1);
    have_a_spare();
    pool->help = FILCH_HELP_NONE;
    sim_solo_begin();
    for (unsigned i = 0; i < 2; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_solo_end();
    sim_spawn(tells_the_other, NULL);
    act_as_worker(0);
    sim_check(fl_future_await(own[1], FILCH_FOREVER) == FILCH_EDEADLK);
    ends(own[0]);
    act_as_nobody();
    end(2);
}

/* ---- executors ---- */

static filch_executor *ex[2];
static filch_future *f[2];
static fl_atomic(uint32_t) started;

static void executor(unsigned i)
{
    filch_options o = complete((filch_options){.workers = 1});

    sim_solo_begin();
    sim_check(filch_executor_create(&ex[i], &o) == 0);
    sim_solo_end();
}

static int waits_for_the_other(void *i, void **result)
{
    unsigned me = (unsigned)(uintptr_t)i;
    int status;

    (void)result;
    fl_add(&started, 1, acq_rel);
    SIM_AWAIT(fl_load(&started, acquire) == 3); /* both futures are known */
    status = filch_future_result(f[1 - me], FILCH_FOREVER, NULL);
    sim_check(status == 0 || status == FILCH_EDEADLK);
    if (status == FILCH_EDEADLK)
        fl_add(&told, 1, relaxed);
    return 0;
}

SCENARIO(two_tasks_of_two_executors_that_wait_for_each_other_both_end)
{
    watch(NULL);
    fl_init(&told, 0);
    fl_init(&started, 0);
    executor(0);
    executor(1);
    for (unsigned i = 0; i < 2; i++)
        sim_check(filch_submit(ex[i], waits_for_the_other, (void *)(uintptr_t)i, &f[i]) == 0);
    fl_add(&started, 1, acq_rel);
    for (unsigned i = 0; i < 2; i++)
        sim_check(filch_future_result(f[i], FILCH_FOREVER, NULL) == 0);
    sim_check(fl_load(&told, relaxed) >= 1);
    for (unsigned i = 0; i < 2; i++) {
        filch_future_release(f[i]);
        filch_executor_destroy(ex[i]);
    }
}

/* ---- what keeps a pool ---- */

static filch_future *promise;

static int waits_for_the_promise(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(filch_future_result(promise, FILCH_FOREVER, NULL) == 0);
    return 0;
}

/* Worker 1 of the one pool waits for a task of the other, and when it has it, ends that pool. */
static void waits_and_destroys(void *arg)
{
    struct fl_worker *w = act_as_worker(1);

    (void)arg;
    waits_for(w, f[0]);
    filch_future_release(f[0]);
    filch_executor_destroy(ex[0]);
    ends(own[1]);
    act_as_nobody();
}

static void waits_for_worker_1(void *arg)
{
    struct fl_worker *w = act_as_worker(0);

    (void)arg;
    waits_for(w, own[1]);
    ends(own[0]);
    act_as_nobody();
}

SCENARIO(a_pool_that_ends_while_somebody_follows_into_it_stays_until_he_has_left)
{
    struct fl_worker *v;

    begin(2);
    sim_solo_begin();
    for (unsigned i = 0; i < 2; i++)
        begins(fl_worker_at(pool, i), own[i]);
    sim_check(filch_promise_create(&promise) == 0);
    sim_solo_end();
    executor(0);
    sim_check(filch_submit(ex[0], waits_for_the_promise, NULL, &f[0]) == 0);
    v = fl_worker_at(fl_container_of(f[0]->home, struct fl_pool, home), 0);
    SIM_AWAIT(fl_load(&v->waits, acquire) == 1);
    sim_spawn(waits_and_destroys, NULL);
    sim_spawn(waits_for_worker_1, NULL);
    SIM_AWAIT(fl_load(&fl_worker_at(pool, 1)->waits, acquire) == 1);
    filch_promise_set_result(promise, NULL);
    sim_join_all();
    filch_future_release(promise);
    sim_check(fl_load(&told, relaxed) == 0);
    end(2);
}
