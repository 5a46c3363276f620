/* SPDX-License-Identifier: MIT
 *
 * sim_watch.c: how long threads watch before they sleep, and pushers before they wake somebody. No more
 * than time and trouble depend on that, so here time is what is looked at: the clock is the simulator's,
 * a yield takes as long as the scenario has it, and each pause is counted.
 *
 * Pools are made by hand, and one thread plays the worker that searches, or waits, or the thread outside
 * that does. Nobody plays the others: the pool's words say whether they are awake. */
#include "sim/pools.h"

#include "future/wait.h"

enum {
    SLEEPER = 1 << 10, /* in the word idle */
    MOST_NS = 1000000,
    HOG_NS = 2 * FL_HOG_NS
};

/* A pool of so many workers on so many CPUs; those from awake on are asleep. */
static void make(unsigned workers, unsigned awake, unsigned cpus)
{
    make_pool_by_hand(workers, 0);
    pool->spin_ns = MOST_NS;
    pool->cpus = cpus;
    fl_init(&pool->idle, (workers - awake) * SLEEPER);
}

/* ---- who looks for work ---- */

/* Worker 0, until it would sleep: the pool ends. Returns how often it has paused. */
static unsigned search_in_vain(struct fl_spinner *spinner)
{
    struct fl_worker *w = act_as_worker(0);
    unsigned before = sim_pauses(sim_self());
    struct fl_task *task;

    w->spinner = *spinner;
    fl_or(&pool->mode, FL_EXIT, seq_cst);
    task = fl_idle(w);
    *spinner = w->spinner;
    sim_check(task == NULL);
    act_as_nobody();
    return sim_pauses(sim_self()) - before;
}

/* Whether a worker whose yields take long watches no more, in the next waits either. */
static bool search_makes_shy(void)
{
    struct fl_spinner spinner = {0};

    sim_yield_takes(HOG_NS);
    search_in_vain(&spinner);
    free_pool_by_hand();
    return spinner.shy != 0;
}

SCENARIO(a_worker_that_has_yielded_to_a_stranger_is_shy)
{
    make(1, 1, 1);
    sim_check(search_makes_shy());
    make(2, 2, 2);
    sim_check(search_makes_shy());
}

SCENARIO(a_worker_that_may_have_yielded_to_one_of_its_own_pool_is_not_shy)
{
    make(2, 2, 1);
    sim_check(!search_makes_shy());
    make(3, 3, 2);
    sim_check(!search_makes_shy());
}

SCENARIO(a_worker_yields_to_none_that_sleeps_or_has_no_thread_or_is_surplus)
{
    make(2, 1, 1);
    sim_check(search_makes_shy());
    make(2, 2, 1);
    fl_init(&pool->vacant, 1);
    sim_check(search_makes_shy());
    make(2, 2, 1);
    fl_init(&pool->active, 1);
    sim_check(search_makes_shy());
}

SCENARIO(a_worker_whose_yields_are_short_is_not_shy)
{
    struct fl_spinner spinner = {0};

    make(1, 1, 1);
    sim_yield_takes(FL_HOG_NS / 2);
    search_in_vain(&spinner);
    sim_check(spinner.shy == 0);
    free_pool_by_hand();
}

/* How often a worker pauses whose searches have taken too long of late. */
static unsigned pauses_of_discouraged(void)
{
    struct fl_spinner spinner = {.mean_ns = MOST_NS};
    unsigned n = search_in_vain(&spinner);

    free_pool_by_hand();
    return n;
}

SCENARIO(a_worker_gives_those_who_are_awake_a_moment_to_show_what_they_have)
{
    unsigned n;

    make(2, 2, 2);
    n = pauses_of_discouraged();
    sim_check(n > 0 && n < 100);
    make(3, 2, 2);
    n = pauses_of_discouraged();
    sim_check(n > 0 && n < 100);
}

SCENARIO(a_worker_that_is_alone_awake_waits_for_nobody_to_show_anything)
{
    make(1, 1, 2);
    sim_check(pauses_of_discouraged() == 0);
    make(2, 1, 2);
    sim_check(pauses_of_discouraged() == 0);
    make(2, 2, 2);
    fl_init(&pool->vacant, 1);
    sim_check(pauses_of_discouraged() == 0);
}

/* ---- who waits ---- */

static bool has_slept;

static bool is_over(const void *what)
{
    (void)what;
    return has_slept;
}

static int sleep_until_it_is_over(void *what, filch_deadline deadline)
{
    (void)what, (void)deadline;
    has_slept = true;
    return 0;
}

/* Whoever the caller plays, for something of that pool's, or of none, until it would sleep. Returns how often it
 * has paused. */
static unsigned wait_in_vain(struct fl_pool *of, struct fl_spinner *spinner, int64_t spin_ns)
{
    filch_future of_the_pool = {.home = of != NULL ? &of->home : NULL};
    filch_future *futures[] = {&of_the_pool};
    struct fl_awaited a = {.is_over = is_over,
                           .sleep = sleep_until_it_is_over,
                           .futures = futures,
                           .n = fl_self()->worker == NULL,
                           .spin_ns = spin_ns};
    unsigned before = sim_pauses(sim_self());

    has_slept = false;
    fl_self()->spinner = *spinner;
    sim_check(fl_await(&a, FILCH_FOREVER) == 0);
    sim_check(has_slept);
    *spinner = fl_self()->spinner;
    fl_self()->spinner = (struct fl_spinner){0};
    return sim_pauses(sim_self()) - before;
}

static bool wait_makes_shy(bool is_worker)
{
    struct fl_spinner spinner = {0};

    sim_yield_takes(HOG_NS);
    if (is_worker)
        act_as_worker(0);
    wait_in_vain(pool, &spinner, 0);
    act_as_nobody();
    free_pool_by_hand();
    return spinner.shy != 0;
}

SCENARIO(a_waiting_worker_that_has_yielded_to_a_stranger_is_shy)
{
    make(1, 1, 1);
    sim_check(wait_makes_shy(true));
    make(2, 1, 1);
    sim_check(wait_makes_shy(true));
    make(2, 2, 2);
    sim_check(wait_makes_shy(true));
}

SCENARIO(a_waiting_worker_that_may_have_yielded_to_one_of_its_own_pool_is_not_shy)
{
    make(2, 2, 1);
    sim_check(!wait_makes_shy(true));
}

SCENARIO(whoever_waits_outside_of_a_pool_takes_a_cpu_from_it)
{
    make(1, 1, 1);
    sim_check(!wait_makes_shy(false));
    make(2, 2, 2);
    sim_check(!wait_makes_shy(false));
    make(2, 1, 2);
    sim_check(wait_makes_shy(false));
    make(1, 1, 2);
    sim_check(wait_makes_shy(false));
}

/* It was asked for, and is not learned from; but it is over when the CPU is somebody else's. */
SCENARIO(who_waits_for_what_is_no_pools_yields_to_strangers_alone)
{
    struct fl_spinner spinner = {0};
    unsigned n;

    sim_yield_takes(HOG_NS);
    n = wait_in_vain(NULL, &spinner, MOST_NS);
    sim_check(n < 100);
    sim_yield_takes(0);
    sim_check(wait_in_vain(NULL, &spinner, MOST_NS) > 2 * n);
}

SCENARIO(a_waiting_worker_gives_others_a_moment_to_show_what_they_have)
{
    struct fl_spinner spinner = {.mean_ns = MOST_NS};
    unsigned n;

    make(2, 2, 2);
    act_as_worker(0);
    n = wait_in_vain(pool, &spinner, 0);
    act_as_nobody();
    sim_check(n > 0 && n < 100);
    free_pool_by_hand();
}

SCENARIO(whoever_waits_outside_and_is_discouraged_does_not_watch)
{
    struct fl_spinner spinner = {.mean_ns = MOST_NS};

    make(2, 2, 2);
    sim_check(wait_in_vain(pool, &spinner, 0) == 0);
    free_pool_by_hand();
}

/* ---- who has pushed ---- */

static bool is_chosen(void)
{
    return fl_load(&pool->idle, relaxed) >> 21 != 0;
}

/* How often whoever has pushed pauses before the sleeper is chosen. */
static unsigned pauses_of_pusher(void)
{
    unsigned before = sim_pauses(sim_self());

    fl_idle_notify(pool);
    sim_check(is_chosen());
    free_pool_by_hand();
    return sim_pauses(sim_self()) - before;
}

SCENARIO(a_push_gives_who_is_awake_a_moment_before_it_wakes_a_sleeper)
{
    unsigned n;

    make(2, 1, 2);
    n = pauses_of_pusher();
    sim_check(n >= 10 && n <= 40);
}

SCENARIO(a_push_wakes_at_once_if_nobody_else_could_come)
{
    make(1, 0, 2);
    sim_check(pauses_of_pusher() == 0);
    make(2, 1, 2);
    fl_init(&pool->vacant, 1);
    sim_check(pauses_of_pusher() == 0);
    make(2, 1, 2);
    pool->spin_ns = 0;
    sim_check(pauses_of_pusher() == 0);
}

static void begin_search_when_the_first_pauses(void *arg)
{
    (void)arg;
    SIM_AWAIT(sim_pauses(0) != 0);
    fl_add(&pool->idle, 1, relaxed); /* count: as idle.c's begin_search */
}

SCENARIO(a_push_wakes_nobody_if_somebody_begins_to_search_within_the_moment)
{
    make(2, 1, 2);
    sim_spawn(begin_search_when_the_first_pauses, NULL);
    fl_idle_notify(pool);
    sim_check(!is_chosen());
    sim_join_all();
    sim_check(sim_pauses(0) > 0 && sim_pauses(0) < 10);
    free_pool_by_hand();
}
